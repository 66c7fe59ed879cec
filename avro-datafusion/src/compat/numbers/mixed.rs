//! Decimals beside doubles, beside text, and beside decimals with other digits.
//!
//! If numbers of two types meet in a comparison, `IN`, `CASE`, `coalesce` or `UNION`, DataFusion makes a double a
//! `DECIMAL(30, 15)`, which fails for 1e20 and truncates 1e-20, and truncates the common type of two decimals to 38
//! digits. It casts text to the type of the decimal beside it, so that `'1.52' = 1.5`. Here a decimal beside a double
//! becomes a double, decimals get as many digits as they need, up to 76, and text is read with all its digits.
//! Operators of [`operators`] that another rule created are planned here, too.

use arrow_schema::{DECIMAL256_MAX_PRECISION, DataType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union, Values, cast};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

use super::doubles::{is_decimal_literal, to_double};
use super::shape::DecimalShape;
use super::{casts, operators};

/// Functions that take their arguments unchanged, whatever the types of the others.
const KEEP_ARGUMENTS: [&str; 6] = ["struct", "named_struct", "row", "map", "concat", "concat_ws"];

/// Functions that return one of their arguments.
const CHOOSE_ARGUMENT: [&str; 8] = ["coalesce", "nullif", "greatest", "least", "nvl", "ifnull", "nvl2", "make_array"];

/// Maximum integer digits of text beside a decimal; the others of the 76 are fractional.
const TEXT_WHOLE: i16 = 38;

/// Gives numbers in one expression a common type that holds both.
#[derive(Debug)]
pub(super) struct MixedNumbers;

impl MixedNumbers {
    pub(super) const NAME: &'static str = "avro_mixed_numbers";
}

impl AnalyzerRule for MixedNumbers {
    fn name(&self) -> &str {
        MixedNumbers::NAME
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite_plan)?.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let table = scan.source.schema();
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &table)?);
    }
    let names = NamePreserver::new(&plan);
    let rewritten = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })?;
    let plan = match rewritten.data {
        LogicalPlan::Union(union) => {
            // Type coercion starts from the union's schema, which must follow the inputs here.
            let types = |schema: &DFSchema| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
            let unified = unify_inputs(union)?;
            let union = unified.data;
            let is_stale = union.inputs.first().is_some_and(|first| types(first.schema()) != types(&union.schema));
            match unified.transformed || is_stale {
                true => LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?),
                false => LogicalPlan::Union(union),
            }
        }
        LogicalPlan::Values(values) => {
            return Ok(values_of_doubles(values)?.update_data(LogicalPlan::Values));
        }
        LogicalPlan::Join(mut join) => {
            for (left, right) in &mut join.on {
                let types = [left.get_type(join.left.schema())?, right.get_type(join.right.schema())?];
                if let Some(common) = common_type(&types) {
                    convert(left, &types[0], &common);
                    convert(right, &types[1], &common);
                }
            }
            LogicalPlan::Join(join)
        }
        plan => plan,
    };
    // Inputs may have changed their types, so the schema is derived again.
    match plan {
        LogicalPlan::Union(_) => Ok(Transformed::yes(plan)),
        plan => Ok(Transformed::yes(plan.recompute_schema()?)),
    }
}

/// Rewrites one expression, whose parts are rewritten already.
fn rewrite(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_changed = match &mut expr {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => {
            compare(&mut [binary.left.as_mut(), binary.right.as_mut()], schema)
        }
        Expr::BinaryExpr(binary) => {
            let (op, left, right) = (binary.op, &binary.left, &binary.right);
            let planned = operators::plan(op, left, right, schema).or_else(|| date_and_days(op, left, right, schema));
            match planned {
                Some(planned) => return Ok(Transformed::yes(planned)),
                None => false,
            }
        }
        Expr::Between(between) => {
            compare(&mut [between.expr.as_mut(), between.low.as_mut(), between.high.as_mut()], schema)
        }
        Expr::InList(list) => {
            let mut all: Vec<_> = std::iter::once(list.expr.as_mut()).chain(&mut list.list).collect();
            compare(&mut all, schema)
        }
        Expr::InSubquery(within) => compare_with_rows(within, schema)?,
        Expr::Case(case) => {
            let (mut compared, mut given) = (vec![], vec![]);
            for (when, then) in &mut case.when_then_expr {
                compared.push(when.as_mut());
                given.push(then.as_mut());
            }
            given.extend(case.else_expr.as_deref_mut());
            let is_compared = match &mut case.expr {
                Some(expr) => {
                    compared.push(expr);
                    compare(&mut compared, schema)
                }
                None => false,
            };
            unify(&mut given, schema) | is_compared
        }
        Expr::ScalarFunction(call) if CHOOSE_ARGUMENT.contains(&call.func.name()) => {
            let mut all: Vec<_> = call.args.iter_mut().collect();
            // The first argument of `nvl2` is only a condition.
            let from = usize::from(call.func.name() == "nvl2");
            unify(all.get_mut(from..).unwrap_or_default(), schema)
        }
        Expr::ScalarFunction(call) if !KEEP_ARGUMENTS.contains(&call.func.name()) => {
            beside_doubles(&mut call.args, schema)
        }
        Expr::AggregateFunction(call) => parameters(&mut call.params.args, schema),
        Expr::WindowFunction(call) => parameters(&mut call.params.args, schema),
        _ => return casts::rewrite(expr, schema),
    };
    Ok(Transformed::new_transformed(expr, is_changed))
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Returns the types of expressions; `None` if one has no type, which DataFusion reports.
fn types(exprs: &[&mut Expr], schema: &DFSchema) -> Option<Vec<DataType>> {
    exprs.iter().map(|expr| expr.get_type(schema).ok()).collect()
}

/// Gives expressions a common type, if DataFusion's would not hold all of their values.
fn unify(exprs: &mut [&mut Expr], schema: &DFSchema) -> bool {
    let Some(types) = types(exprs, schema) else { return false };
    let Some(common) = common_type(&types) else { return false };
    for (expr, data_type) in exprs.iter_mut().zip(&types) {
        convert(expr, data_type, &common);
    }
    true
}

/// Gives compared expressions a common type, as [`unify`]; text beside decimals becomes a decimal.
fn compare(exprs: &mut [&mut Expr], schema: &DFSchema) -> bool {
    let Some(types) = types(exprs, schema) else { return false };
    let mut is_changed = false;
    let is_meant = |t: &DataType| t.is_numeric() || t.is_null() || t.is_string();
    let others = types.iter().filter_map(DecimalShape::of).reduce(DecimalShape::union);
    if let Some(others) = others.filter(|_| types.iter().any(DataType::is_decimal) && types.iter().all(is_meant)) {
        for (expr, _) in exprs.iter_mut().zip(&types).filter(|(_, data_type)| data_type.is_string()) {
            if let Some(number) = text_to_decimal(expr, others) {
                **expr = number;
                is_changed = true;
            }
        }
    }
    unify(exprs, schema) | is_changed
}

/// Gives an expression and the rows of a subquery a common type, as [`compare`].
fn compare_with_rows(within: &mut InSubquery, schema: &DFSchema) -> Result<bool> {
    let rows = &mut within.subquery.subquery;
    let (Ok(left), Some((table, column))) = (within.expr.get_type(schema), rows.schema().iter().next()) else {
        return Ok(false);
    };
    let right = column.data_type().clone();
    let Some(common) = common_type(&[left.clone(), right.clone()]) else { return Ok(false) };
    if right != common {
        let mut value = Expr::from((table, column));
        convert(&mut value, &right, &common);
        *rows = Arc::new(LogicalPlanBuilder::new(rows.as_ref().clone()).project([value])?.build()?);
    }
    convert(&mut within.expr, &left, &common);
    Ok(true)
}

/// Returns the type for numbers of which at least one is a decimal; `None` if DataFusion's is right.
fn common_type(types: &[DataType]) -> Option<DataType> {
    if !types.iter().any(DataType::is_decimal) || !types.iter().all(|t| t.is_numeric() || t.is_null()) {
        return None;
    }
    if types.iter().any(DataType::is_floating) {
        return Some(DataType::Float64);
    }
    let all = types.iter().filter_map(DecimalShape::of).reduce(DecimalShape::union)?;
    all.decimal().filter(|common| matches!(common, DataType::Decimal256(..)))
}

/// Makes the decimals among arguments doubles, if there is a double among them.
fn beside_doubles(args: &mut [Expr], schema: &DFSchema) -> bool {
    let Some(types) = types(&args.iter_mut().collect::<Vec<_>>(), schema) else { return false };
    if !types.iter().any(DataType::is_floating) || !types.iter().any(DataType::is_decimal) {
        return false;
    }
    for (arg, _) in args.iter_mut().zip(&types).filter(|(_, data_type)| data_type.is_decimal()) {
        *arg = to_double(std::mem::take(arg));
    }
    true
}

/// Returns the value arguments of aggregates: later literals are parameters, such as the 0.5 of
/// `approx_percentile_cont(x, 0.5)`.
fn parameters(args: &mut [Expr], schema: &DFSchema) -> bool {
    let mut is_changed = beside_doubles(args, schema);
    for arg in args.iter_mut().skip(1).filter(|arg| is_decimal_literal(arg)) {
        *arg = to_double(std::mem::take(arg));
        is_changed = true;
    }
    is_changed
}

/// Converts a number of one type to another.
fn convert(expr: &mut Expr, from: &DataType, to: &DataType) {
    if from != to {
        let number = std::mem::take(expr);
        *expr = match to {
            DataType::Float64 => to_double(number),
            to => cast(number, to.clone()),
        };
    }
}

/// Converts text to a decimal beside decimals and integers of this shape; `None` for a literal that is not a number,
/// which DataFusion rejects.
fn text_to_decimal(expr: &Expr, others: DecimalShape) -> Option<Expr> {
    let column = || {
        let whole = others.whole.max(TEXT_WHOLE);
        DecimalShape { whole, scale: i16::from(DECIMAL256_MAX_PRECISION) - whole }.decimal()
    };
    let data_type = match expr {
        Expr::Literal(value, _) => {
            let text = value.try_as_str()??.trim().trim_start_matches(['-', '+']);
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let is_plain =
                (whole.len() + fraction.len() > 0) && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
            match is_plain {
                true => {
                    DecimalShape { whole: i16::try_from(whole.len()).ok()?, scale: i16::try_from(fraction.len()).ok()? }
                        .decimal()
                }
                false => text.parse::<f64>().ok().and_then(|_| column()),
            }
        }
        _ => column(),
    };
    Some(cast(expr.clone(), data_type?))
}

/// Gives the columns of a union's inputs common types.
fn unify_inputs(mut union: Union) -> Result<Transformed<Union>> {
    let n = union.schema.fields().len();
    let column = |input: &Arc<LogicalPlan>, at: usize| input.schema().fields().get(at).map(|f| f.data_type().clone());
    let common: Vec<Option<DataType>> = (0..n)
        .map(|at| common_type(&union.inputs.iter().map(|input| column(input, at)).collect::<Option<Vec<_>>>()?))
        .collect();
    if common.iter().all(Option::is_none) {
        return Ok(Transformed::no(union));
    }
    for input in &mut union.inputs {
        let columns = input.schema().iter().zip(&common).map(|((table, field), common)| {
            let mut expr = Expr::from((table, field));
            match common {
                Some(common) if common != field.data_type() => {
                    convert(&mut expr, field.data_type(), common);
                    expr.alias_qualified(table.cloned(), field.name())
                }
                _ => expr,
            }
        });
        let columns: Vec<Expr> = columns.collect();
        *input = Arc::new(LogicalPlanBuilder::new(Arc::unwrap_or_clone(Arc::clone(input))).project(columns)?.build()?);
    }
    Ok(Transformed::yes(union))
}

/// Converts `VALUES` with doubles and decimals in a column, which the planner cast to one decimal type, to doubles.
fn values_of_doubles(mut values: Values) -> Result<Transformed<Values>> {
    let empty = DFSchema::empty();
    let is_cast_double = |expr: &Expr| match expr {
        Expr::Cast(cast) => cast.expr.get_type(&empty).is_ok_and(|from| from.is_floating()),
        _ => false,
    };
    let mut fields: Vec<_> = values.schema.fields().iter().cloned().collect();
    let mut is_changed = false;
    for (at, field) in fields.iter_mut().enumerate() {
        // Decimal types that DataFusion uses for doubles and floats.
        if !matches!(field.data_type(), DataType::Decimal128(_, 15 | 7))
            || !values.values.iter().filter_map(|row| row.get(at)).any(is_cast_double)
        {
            continue;
        }
        for expr in values.values.iter_mut().filter_map(|row| row.get_mut(at)) {
            *expr = match std::mem::take(expr) {
                Expr::Cast(inner) => to_double(*inner.expr),
                other => to_double(other),
            };
        }
        *field = Arc::new(field.as_ref().clone().with_data_type(DataType::Float64));
        is_changed = true;
    }
    if !is_changed {
        return Ok(Transformed::no(values));
    }
    let qualified = values.schema.iter().map(|(table, _)| table.cloned()).zip(fields).collect();
    let schema = DFSchema::new_with_metadata(qualified, values.schema.metadata().clone())?;
    Ok(Transformed::yes(Values { schema: Arc::new(schema), ..values }))
}

/// Plans `date + days`. DataFusion multiplies the days by the seconds of a day, which wraps around.
fn date_and_days(op: Operator, left: &Expr, right: &Expr, schema: &DFSchema) -> Option<Expr> {
    let (l, r) = (left.get_type(schema).ok()?, right.get_type(schema).ok()?);
    let days = |expr: &Expr, data_type: &DataType| match data_type {
        DataType::Date32 => cast(cast(expr.clone(), DataType::Int32), DataType::Int64),
        _ => cast(expr.clone(), DataType::Int64),
    };
    let is_meant = match op {
        Operator::Plus => l == DataType::Date32 && r.is_integer() || l.is_integer() && r == DataType::Date32,
        Operator::Minus => l == DataType::Date32 && r.is_integer(),
        _ => false,
    };
    let sum = is_meant.then(|| operators::plan(op, &days(left, &l), &days(right, &r), schema))??;
    Some(cast(cast(sum, DataType::Int32), DataType::Date32))
}
