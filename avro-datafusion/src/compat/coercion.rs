//! Comparisons between values of different types, where one is a point in time, an interval, bytes or a uuid.
//!
//! DataFusion 55 converts both sides of a comparison to one type. For timestamps beside text or dates that is
//! nanoseconds, which end in the year 2262. It compares intervals field by field, so that 2 days in hours are less than
//! 1 day. It does not compare `Time32` with `Time64`, or fixed with text. Here a literal takes the type of the column
//! beside it, if it can exactly, so that filters still reach the files. If no type holds both sides, both are converted
//! to one that does. [`temporal`](super::temporal) and [`bytes`](super::bytes) have the rules.
//!
//! Delete when: DataFusion compares timestamps of different units and zones, intervals, and fixed with text, as
//! PostgreSQL does.

use std::sync::Arc;

use super::exprs::{self, Rewrite};
use super::operand::{Operand, is_text, is_uuid};
use super::{bytes, declared, temporal, text, uuid, zones};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, InSubquery, ScalarFunction, TryCast};
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, Union, cast, lit, not,
};
use datafusion::optimizer::AnalyzerRule;

/// Returns two sides that can be compared, if that takes other expressions than these.
fn align(left: &Operand, right: &Operand, zone: &str) -> Result<Option<(Expr, Expr)>> {
    if left.data_type() == right.data_type() && !temporal::is_interval(left.data_type()) {
        return Ok(None);
    }
    if let Some(aligned) = temporal::align(left, right, zone)? {
        return Ok(Some(aligned));
    }
    bytes::align(left, right)
}

/// The analyzer rule.
#[derive(Debug)]
pub(super) struct Coercion;

impl AnalyzerRule for Coercion {
    fn name(&self) -> &str {
        "avro_coercion"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        exprs::rewrite(plan, &Compared { zone: zones::of_session(config) })
    }
}

struct Compared<'a> {
    zone: &'a str,
}

impl Rewrite for Compared<'_> {
    fn plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Union(union) => self.union(union),
            plan => Ok(Transformed::no(plan)),
        }
    }

    fn expr(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let rewritten = match &expr {
            Expr::BinaryExpr(binary) => self.binary(binary, schema)?,
            Expr::InList(list) => self.in_list(list, schema)?,
            Expr::Between(between) => self.between(between, schema)?,
            Expr::InSubquery(within) => self.in_subquery(within, schema)?,
            Expr::Case(case) => self.case(case, schema)?,
            Expr::ScalarFunction(call) => self.call(call, schema)?,
            Expr::Like(like) => bytes::like(like, schema),
            Expr::Cast(Cast { expr, field }) => self.cast(expr, field, false, schema)?,
            Expr::TryCast(TryCast { expr, field }) => self.cast(expr, field, true, schema)?,
            _ => None,
        };
        Ok(rewritten.map_or_else(|| Transformed::no(expr), Transformed::yes))
    }

    fn join_keys(&self, keys: &mut (Expr, Expr), left: &DFSchema, right: &DFSchema) -> Result<bool> {
        let (Some(left), Some(right)) = (Operand::new(&keys.0, left), Operand::new(&keys.1, right)) else {
            return Ok(false);
        };
        match align(&left, &right, self.zone)? {
            Some(aligned) => {
                *keys = aligned;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

impl Compared<'_> {
    fn binary(&self, binary: &BinaryExpr, schema: &DFSchema) -> Result<Option<Expr>> {
        let (Some(left), Some(right)) = (Operand::new(&binary.left, schema), Operand::new(&binary.right, schema))
        else {
            return Ok(None);
        };
        match binary.op {
            op if is_comparison(op) => self.compare(&left, op, &right),
            Operator::Plus | Operator::Minus => temporal::arithmetic(&left, binary.op, &right, self.zone),
            _ => Ok(None),
        }
    }

    fn compare(&self, left: &Operand, op: Operator, right: &Operand) -> Result<Option<Expr>> {
        if let Some(compared) = bytes::uuid_text(left, op, right) {
            return Ok(Some(compared));
        }
        let aligned = align(left, right, self.zone)?;
        Ok(aligned.map(|(left, right)| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))))
    }

    /// Returns a comparison, rewritten if necessary.
    fn comparison(&self, left: &Operand, op: Operator, right: &Operand) -> Result<Expr> {
        let plain = || Expr::BinaryExpr(BinaryExpr::new(Box::new(left.expr.clone()), op, Box::new(right.expr.clone())));
        Ok(self.compare(left, op, right)?.unwrap_or_else(plain))
    }

    /// Returns an `IN` list whose items have the type of the tested value, or a comparison with each item.
    fn in_list(&self, list: &InList, schema: &DFSchema) -> Result<Option<Expr>> {
        let Some(left) = Operand::new(&list.expr, schema) else { return Ok(None) };
        let Some(items) = list.list.iter().map(|item| Operand::new(item, schema)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut is_list = true;
        let mut is_changed = false;
        let mut aligned = Vec::with_capacity(items.len());
        for item in &items {
            if bytes::uuid_text(&left, Operator::Eq, item).is_some() {
                (is_list, is_changed) = (false, true);
                break;
            }
            match align(&left, item, self.zone)? {
                Some((side, item)) => {
                    is_list &= side == left.expr;
                    is_changed = true;
                    aligned.push(item);
                }
                // DataFusion converts all to one type, which must be the column's.
                None => {
                    is_list &= item.data_type() == left.data_type() || item.data_type().is_null();
                    aligned.push(item.expr.clone());
                }
            }
        }
        if !is_changed {
            return Ok(None);
        }
        if is_list {
            return Ok(Some(left.expr.in_list(aligned, list.negated)));
        }
        let mut any: Option<Expr> = None;
        for item in &items {
            let equal = self.comparison(&left, Operator::Eq, item)?;
            any = Some(any.map_or(equal.clone(), |any| any.or(equal)));
        }
        let any = any.unwrap_or_else(|| lit(false));
        Ok(Some(if list.negated { not(any) } else { any }))
    }

    fn between(&self, between: &Between, schema: &DFSchema) -> Result<Option<Expr>> {
        let side = |expr| Operand::new(expr, schema);
        let (Some(value), Some(low), Some(high)) = (side(&between.expr), side(&between.low), side(&between.high))
        else {
            return Ok(None);
        };
        let (low_aligned, high_aligned) = (align(&value, &low, self.zone)?, align(&value, &high, self.zone)?);
        if low_aligned.is_none() && high_aligned.is_none() {
            return Ok(None);
        }
        let low = self.comparison(&value, Operator::GtEq, &low)?;
        let high = self.comparison(&value, Operator::LtEq, &high)?;
        let within = low.and(high);
        Ok(Some(if between.negated { not(within) } else { within }))
    }

    fn in_subquery(&self, within: &InSubquery, schema: &DFSchema) -> Result<Option<Expr>> {
        let plan = &within.subquery.subquery;
        let columns = plan.schema().columns();
        let (Some(left), [column]) = (Operand::new(&within.expr, schema), columns.as_slice()) else { return Ok(None) };
        let column = Expr::Column(column.clone());
        let Some(right) = Operand::new(&column, plan.schema()) else { return Ok(None) };
        let Some((left, right)) = align(&left, &right, self.zone)? else { return Ok(None) };
        let plan = LogicalPlanBuilder::new(LogicalPlan::clone(plan)).project([right])?.build()?;
        Ok(Some(Expr::InSubquery(InSubquery {
            expr: Box::new(left),
            subquery: Subquery { subquery: Arc::new(plan), ..within.subquery.clone() },
            negated: within.negated,
        })))
    }

    /// Gives the points in time of a union one type, and makes its enums text if they differ.
    fn union(&self, mut union: Union) -> Result<Transformed<LogicalPlan>> {
        let n_columns = union.schema.fields().len();
        if union.inputs.iter().any(|input| input.schema().fields().len() != n_columns) {
            return Ok(Transformed::no(LogicalPlan::Union(union)));
        }
        let targets: Vec<Option<DataType>> = (0..n_columns)
            .map(|at| {
                let fields: Vec<&FieldRef> = union.inputs.iter().map(|input| input.schema().field(at)).collect();
                let types: Vec<&DataType> = fields.iter().map(|field| field.data_type()).collect();
                let names = || fields.iter().map(|field| field.metadata().get("avro.name"));
                if types.iter().all(|data_type| is_text(data_type)) && names().any(|name| Some(name) != names().next())
                {
                    return Some(DataType::Utf8View);
                }
                temporal::common_type(&types, self.zone)
            })
            .collect();
        if targets.iter().all(Option::is_none) {
            return Ok(Transformed::no(LogicalPlan::Union(union)));
        }
        for input in &mut union.inputs {
            let schema = Arc::clone(input.schema());
            let columns = schema.iter().zip(&targets).map(|((table, field), target)| {
                let expr = Expr::Column(Column::new(table.cloned(), field.name()));
                let Some(target) = target.as_ref().filter(|target| *target != field.data_type()) else { return expr };
                let side = Operand { expr, field: Arc::clone(field) };
                let converted = if is_text(target) {
                    let to = Arc::new(Field::new("value", target.clone(), true));
                    Expr::Cast(Cast::new_from_field(Box::new(side.expr), to))
                } else {
                    temporal::as_timestamp(&side, target, self.zone)
                };
                converted.alias_qualified(table.cloned(), field.name())
            });
            let columns: Vec<Expr> = columns.collect();
            *input = Arc::new(LogicalPlanBuilder::new(LogicalPlan::clone(input)).project(columns)?.build()?);
        }
        // DataFusion's own rule derives the schema again.
        Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)))
    }

    /// `CASE x WHEN v` as comparisons, and results of one type.
    fn case(&self, case: &Case, schema: &DFSchema) -> Result<Option<Expr>> {
        let mut new = case.clone();
        let mut is_changed = false;
        if let Some(value) = &case.expr
            && let Some(value) = Operand::new(value, schema)
        {
            let mut whens = Vec::new();
            for (when, _) in &case.when_then_expr {
                let Some(when) = Operand::new(when, schema) else { return Ok(None) };
                is_changed |= self.compare(&value, Operator::Eq, &when)?.is_some();
                whens.push(self.comparison(&value, Operator::Eq, &when)?);
            }
            if is_changed {
                new.expr = None;
                for (branch, when) in new.when_then_expr.iter_mut().zip(whens) {
                    *branch.0 = when;
                }
            }
        }
        let mut results: Vec<&mut Expr> = new.when_then_expr.iter_mut().map(|(_, then)| then.as_mut()).collect();
        results.extend(new.else_expr.as_deref_mut());
        is_changed |= self.unify(&mut results, schema);
        Ok(is_changed.then_some(Expr::Case(new)))
    }

    /// Plans casts that DataFusion refuses or does differently.
    fn cast(&self, value: &Expr, to: &FieldRef, is_try: bool, schema: &DFSchema) -> Result<Option<Expr>> {
        let Some(value) = Operand::new(value, schema) else { return Ok(None) };
        if declared::is_declared(to) {
            return declared::of(value.expr, to, is_try).map(Some);
        }
        if is_text(value.data_type()) {
            if is_uuid(to) {
                return Ok(Some(uuid::of_text(value.expr, is_try)));
            }
            return Ok(temporal::cast_text(&value, to.data_type(), self.zone, is_try));
        }
        if is_text(to.data_type()) && text::needs_own(value.data_type()) {
            let text = if is_try { text::try_of } else { text::of }(value.expr, &value.field);
            return Ok(Some(if *to.data_type() == DataType::Utf8 { text } else { cast(text, to.data_type().clone()) }));
        }
        // The metadata of the value does not apply to another type.
        if to.name().is_empty() && value.data_type() != to.data_type() && !value.field.metadata().is_empty() {
            let to = Arc::new(Field::new("value", to.data_type().clone(), true));
            let value = Box::new(value.expr);
            return Ok(Some(if is_try {
                Expr::TryCast(TryCast::new_from_field(value, to))
            } else {
                Expr::Cast(Cast::new_from_field(value, to))
            }));
        }
        Ok(None)
    }

    fn call(&self, call: &ScalarFunction, schema: &DFSchema) -> Result<Option<Expr>> {
        match (call.func.name(), call.args.as_slice()) {
            ("nullif", [value, other]) => {
                let (Some(value), Some(other)) = (Operand::new(value, schema), Operand::new(other, schema)) else {
                    return Ok(None);
                };
                let Some(equal) = self.compare(&value, Operator::Eq, &other)? else { return Ok(None) };
                let null = Expr::Literal(ScalarValue::try_from(value.data_type())?, None);
                Ok(Some(Expr::Case(Case {
                    expr: None,
                    when_then_expr: vec![(Box::new(equal), Box::new(null))],
                    else_expr: Some(Box::new(value.expr)),
                })))
            }
            ("coalesce" | "nvl" | "nvl2" | "greatest" | "least", _) => {
                let mut new = call.clone();
                let mut args: Vec<&mut Expr> = new.args.iter_mut().collect();
                let is_changed = self.unify(&mut args, schema);
                Ok(is_changed.then_some(Expr::ScalarFunction(new)))
            }
            _ => Ok(None),
        }
    }

    /// Gives literals the type of the columns beside them.
    fn unify(&self, results: &mut [&mut Expr], schema: &DFSchema) -> bool {
        let sides: Vec<_> = results.iter().filter_map(|expr| Operand::new(expr, schema)).collect();
        let column = sides.iter().find(|side| temporal::is_column(side, self.zone));
        let Some(column) = column.filter(|_| sides.len() == results.len()) else { return false };
        let mut is_changed = false;
        for (result, side) in results.iter_mut().zip(&sides) {
            if side.data_type() != column.data_type()
                && let Some(literal) = temporal::literal_as(side, column.data_type(), self.zone)
            {
                **result = literal;
                is_changed = true;
            }
        }
        is_changed
    }
}

fn is_comparison(op: Operator) -> bool {
    use Operator::*;
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}
