//! The rule that replaces lateral joins and subqueries over `UNNEST` of outer columns.

use super::UniqueNames;
use super::batch::BatchTable;
use super::function::{Asked, SubqueryFunction};
use super::push::{Push, is_correlated, project, unsupported};
use arrow_schema::{DataType, Field, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{
    Column, DFSchema, ExprSchema, NullHandling, Result, ScalarValue, TableReference, UnnestOptions,
};
use datafusion::datasource::provider_as_source;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_aggregate::expr_fn::{bool_or, count};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF,
    Subquery, Unnest, binary_expr, lit, not, when,
};
use datafusion::optimizer::analyzer::AnalyzerRule;
use std::collections::HashMap;
use std::sync::Arc;

/// The analyzer rule. It runs after type coercion.
#[derive(Debug)]
pub(super) struct Decorrelate;

impl Decorrelate {
    pub(super) const NAME: &str = "decorrelate_unnest";
}

impl AnalyzerRule for Decorrelate {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        if !has_subquery(&plan)? {
            return Ok(plan);
        }
        let names = UniqueNames::default();
        plan.transform_up_with_subqueries(|plan| rewrite(plan, &names)).data()
    }

    fn name(&self) -> &str {
        Self::NAME
    }
}

fn has_subquery(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|plan| {
        let mut found = matches!(plan, LogicalPlan::Subquery(_));
        plan.apply_expressions(|expr| {
            found = found || expr.exists(|expr| Ok(subquery_of(expr).is_some()))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        Ok(found)
    })
}

/// Returns the subquery of an expression, if it has one.
pub(super) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

/// Rewrites one step of a plan; its inputs and subqueries are rewritten already.
fn rewrite(plan: LogicalPlan, names: &UniqueNames) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Subquery(Subquery { subquery, spans, .. }) => {
            let outer_ref_columns = subquery.all_out_ref_exprs();
            Ok(Transformed::yes(LogicalPlan::Subquery(Subquery { subquery, outer_ref_columns, spans })))
        }
        LogicalPlan::Join(join) => {
            let join = lateral_join(join, names)?;
            if join.transformed { Ok(join) } else { rewrite_expressions(join.data, names) }
        }
        plan => rewrite_expressions(plan, names),
    }
}

fn rewrite_expressions(plan: LogicalPlan, names: &UniqueNames) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let preserver = NamePreserver::new(&plan);
    let is_filter = matches!(plan, LogicalPlan::Filter(_));
    let plan = plan.map_expressions(|expr| {
        let name = preserver.save(&expr);
        let replaced = expr.transform_up(|expr| replace(expr, &schema, is_filter, names))?;
        Ok(replaced.update_data(|expr| name.restore(expr)))
    })?;
    plan.map_data(LogicalPlan::recompute_schema)
}

/// Replaces a subquery in an expression over columns of this schema.
fn replace(expr: Expr, schema: &DFSchema, is_filter: bool, names: &UniqueNames) -> Result<Transformed<Expr>> {
    let Some(subquery) = subquery_of(&expr) else { return Ok(Transformed::no(expr)) };
    let is_outer = !subquery.subquery.all_out_ref_exprs().is_empty();
    // The value compared with its rows belongs to the outer row.
    let is_compared = matches!(expr, Expr::InSubquery(_) | Expr::SetComparison(_));
    let is_ours = (is_outer || is_compared) && !reads_table(&subquery.subquery)?;
    if is_outer && !is_ours && unnests_outer(&subquery.subquery)? {
        return unsupported("a table");
    }
    let context = Context { schema, names };
    Ok(match expr {
        Expr::ScalarSubquery(subquery) if is_ours => {
            Transformed::yes(context.function(&subquery.subquery, Asked::Value, None)?)
        }
        Expr::Exists(Exists { subquery, negated }) if is_ours => {
            let exists = context.function(&subquery.subquery, Asked::Exists, None)?;
            Transformed::yes(if negated { not(exists) } else { exists })
        }
        // DataFusion has semi joins only for subqueries in filters, and none for those without a table.
        Expr::Exists(Exists { subquery, negated }) if !is_filter || !is_outer => {
            let n = project_count(subquery)?;
            Transformed::yes(if negated { n.eq(lit(0_i64)) } else { n.gt(lit(0_i64)) })
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) if is_ours => {
            let found = context.any(*expr, Operator::Eq, &subquery.subquery)?;
            Transformed::yes(if negated { not(found) } else { found })
        }
        Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) if is_ours => {
            match (quantifier, op.negate()) {
                (SetQuantifier::Any, _) => Transformed::yes(context.any(*expr, op, &subquery.subquery)?),
                (SetQuantifier::All, Some(other)) => {
                    Transformed::yes(not(context.any(*expr, other, &subquery.subquery)?))
                }
                (SetQuantifier::All, None) => return unsupported("ALL with this operator"),
            }
        }
        expr => Transformed::no(expr),
    })
}

/// Returns the number of a subquery's rows, or of its first row if only that can differ.
fn project_count(subquery: Subquery) -> Result<Expr> {
    let Subquery { subquery, outer_ref_columns, spans } = subquery;
    let rows = LogicalPlanBuilder::from(Arc::unwrap_or_clone(subquery));
    let rows = if outer_ref_columns.is_empty() { rows.limit(0, Some(1))? } else { rows };
    let counted = rows.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?;
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(counted), outer_ref_columns, spans }))
}

/// Returns whether a plan, or a subquery in it, reads more than the outer row.
fn reads_table(plan: &LogicalPlan) -> Result<bool> {
    let mut reads = false;
    plan.apply_with_subqueries(|plan| {
        reads = reads || matches!(plan, LogicalPlan::TableScan(_) | LogicalPlan::Extension(_));
        Ok(if reads { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(reads)
}

fn unnests_outer(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|plan| Ok(matches!(plan, LogicalPlan::Unnest(_)) && !plan.all_out_ref_exprs().is_empty()))
}

/// Replaces a join whose right side uses columns of its left side.
pub(super) fn lateral_join(join: Join, names: &UniqueNames) -> Result<Transformed<LogicalPlan>> {
    let left = Arc::clone(join.left.schema());
    let is_left = |column: &Column| left.has_column(column);
    let has_subquery = join.right.exists(|plan| Ok(matches!(plan, LogicalPlan::Subquery(_))))?;
    if !has_subquery || !is_correlated(&join.right, &is_left) {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let reads_table = reads_table(&join.right)?;
    if reads_table && !unnests_outer(&join.right)? {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let condition = conjunction(on.chain(join.filter.clone())).filter(|condition| *condition != lit(true));
    let plan = match join.join_type {
        JoinType::Inner if is_row_by_row(&join.right, &is_left) => {
            let joined = beside_each_row(&join.left, &join.right, names)?;
            match condition {
                Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(joined))?),
                None => joined,
            }
        }
        JoinType::Left
            if condition.is_none()
                && let Some(right) = with_a_row_for_none(&join.right) =>
        {
            beside_each_row(&join.left, &right, names)?
        }
        JoinType::Inner | JoinType::Left if !reads_table => lists_of_each_row(join, condition, names)?,
        JoinType::Inner | JoinType::Left => return unsupported("a table"),
        _ => return unsupported("such a join"),
    };
    Ok(Transformed::yes(plan))
}

/// Returns whether a plan processes each outer row independently, without comparing or counting rows.
fn is_row_by_row(plan: &LogicalPlan, is_outer: &dyn Fn(&Column) -> bool) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Subquery(subquery) => is_row_by_row(&subquery.subquery, is_outer),
        plan if !is_correlated(plan, is_outer) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Unnest(_) => plan.inputs().iter().all(|input| is_row_by_row(input, is_outer)),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            is_row_by_row(&join.left, is_outer) && is_row_by_row(&join.right, is_outer)
        }
        _ => false,
    }
}

/// Returns whether an expression is a column or a field of one, which is null if the column is.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => is_plain(&alias.expr),
        Expr::ScalarFunction(call) if call.func.name() == "get_field" => call.args.first().is_some_and(is_plain),
        _ => false,
    }
}

/// Returns a plain `UNNEST` with a row of nulls for empty lists.
fn with_a_row_for_none(plan: &LogicalPlan) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Unnest(unnest) => {
            let is_alone = matches!(
                unnest.input.as_ref(),
                LogicalPlan::Projection(projection) if matches!(*projection.input, LogicalPlan::EmptyRelation(_))
            );
            if !is_alone || !unnest.struct_type_columns.is_empty() {
                return None;
            }
            let mut unnest = unnest.clone();
            unnest.options = unnest.options.with_null_handling(NullHandling::PreserveAndExpandEmpty);
            Some(LogicalPlan::Unnest(unnest))
        }
        LogicalPlan::Subquery(subquery) => with_a_row_for_none(&subquery.subquery),
        LogicalPlan::Projection(projection) if !projection.expr.iter().all(is_plain) => None,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            let input = with_a_row_for_none(plan.inputs().first()?)?;
            plan.with_new_exprs(plan.expressions(), vec![input]).ok()
        }
        _ => None,
    }
}

/// Joins each row of the left side with the rows that the right side derives from it.
fn beside_each_row(left: &LogicalPlan, right: &LogicalPlan, names: &UniqueNames) -> Result<LogicalPlan> {
    // Under other names, as the right side may use the same ones.
    let columns = left.schema().columns();
    let carried: Vec<Column> = columns.iter().map(|_| Column::from_name(names.next("outer"))).collect();
    let renamed =
        columns.iter().zip(&carried).map(|(column, carried)| Expr::Column(column.clone()).alias(&carried.name));
    let push = Push {
        outer: project(left.clone(), renamed)?,
        bound: columns.iter().cloned().zip(carried.iter().cloned()).collect(),
        carried: carried.clone(),
        row: None,
        names,
    };
    let pushed = push.push(right)?;
    let back = columns
        .into_iter()
        .zip(carried)
        .map(|(column, carried)| Expr::Column(carried).alias_qualified(column.relation, column.name));
    project(pushed, back.chain(right.schema().columns().into_iter().map(Expr::Column)))
}

/// Joins each row of the left side with the matching rows of the right side, found by a function.
fn lists_of_each_row(join: Join, condition: Option<Expr>, names: &UniqueNames) -> Result<LogicalPlan> {
    let left = Arc::clone(join.left.schema());
    let mut right = join.right.as_ref().clone();
    if let Some(condition) = condition {
        let condition = condition.transform_up(|expr| match expr {
            Expr::Column(column) if left.has_column(&column) => {
                let field = Arc::clone(left.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        });
        right = LogicalPlan::Filter(Filter::try_new(condition.data()?, Arc::new(right))?);
    }
    let rows = Context { schema: &left, names }.function(&right, Asked::Rows, None)?;
    let list = Column::from_name(names.next("rows"));
    let columns: Vec<Expr> = left.columns().into_iter().map(Expr::Column).collect();
    let with_list = project(join.left.as_ref().clone(), columns.iter().cloned().chain([rows.alias(&list.name)]))?;
    let nulls = match join.join_type {
        JoinType::Left => NullHandling::PreserveAndExpandEmpty,
        _ => NullHandling::Drop,
    };
    let options = UnnestOptions::new().with_null_handling(nulls);
    let unnested = LogicalPlan::Unnest(Unnest::try_new(Arc::new(with_list), vec![list.clone()], options)?);
    let fields = right.schema().columns().into_iter().enumerate().map(|(i, column)| {
        get_field(Expr::Column(list.clone()), value_name(i)).alias_qualified(column.relation, column.name)
    });
    project(unnested, columns.into_iter().chain(fields))
}

/// Returns the names of a subquery's columns in its function.
fn value_name(i: usize) -> String {
    format!("c{i}")
}

/// The place of a subquery.
struct Context<'a> {
    /// The columns available there.
    schema: &'a DFSchema,
    names: &'a UniqueNames,
}

impl Context<'_> {
    /// Returns the subquery as a function. The subquery refers to `given` like an outer column.
    fn function(&self, plan: &LogicalPlan, asked: Asked, given: Option<(Column, Expr)>) -> Result<Expr> {
        let table = TableReference::bare(self.names.next("rows"));
        let row = Column::new(Some(table.clone()), self.names.next("row"));
        let mut fields = vec![Field::new(&row.name, DataType::UInt32, false)];
        let mut bound = HashMap::new();
        let mut arguments = Vec::new();
        for reference in plan.all_out_ref_exprs() {
            let Expr::OuterReferenceColumn(field, column) = reference else { continue };
            let name = self.names.next("outer");
            fields.push(field.as_ref().clone().with_name(&name).with_nullable(true));
            bound.insert(column.clone(), Column::new(Some(table.clone()), name));
            arguments.push(match &given {
                Some((given, expr)) if *given == column => expr.clone(),
                _ if self.schema.has_column(&column) => Expr::Column(column),
                // A reference to a query further outside.
                _ => Expr::OuterReferenceColumn(field, column),
            });
        }
        let input = Arc::new(Schema::new(fields));
        let batches = provider_as_source(Arc::new(BatchTable { schema: Arc::clone(&input) }));
        let outer = LogicalPlanBuilder::scan(table, batches, None)?.build()?;
        let carried = outer.schema().columns();
        let push = Push { outer, bound, carried, row: Some(row.clone()), names: self.names };
        let values = plan.schema().columns().into_iter().enumerate();
        let values = values.map(|(i, column)| Expr::Column(column).alias(value_name(i)));
        let values = values.filter(|_| asked != Asked::Exists);
        let pushed = project(push.push(plan)?, std::iter::once(Expr::Column(row)).chain(values))?;
        let is_volatile = is_volatile(plan)?;
        let function = SubqueryFunction::new(self.names.next("subquery"), pushed, input, asked, is_volatile);
        Ok(Arc::new(ScalarUDF::new_from_impl(function)).call(arguments))
    }

    /// Returns whether the comparison holds for any of the subquery's rows, with SQL's three-valued logic.
    fn any(&self, expr: Expr, op: Operator, plan: &LogicalPlan) -> Result<Expr> {
        let field = Arc::new(Field::new("value", expr.get_type(self.schema)?, true));
        let given = Column::from_name(self.names.next("value"));
        let Some(column) = plan.schema().columns().into_iter().next() else { return unsupported("no column") };
        let compared = binary_expr(Expr::OuterReferenceColumn(field, given.clone()), op, Expr::Column(column));
        let (found, unknown) = (self.names.next("found"), self.names.next("unknown"));
        let aggregates = vec![bool_or(compared.clone()).alias(&found), bool_or(compared.is_null()).alias(&unknown)];
        let aggregate = Aggregate::try_new(Arc::new(plan.clone()), vec![], aggregates)?;
        let is = |name: String| Expr::Column(Column::from_name(name)).is_true();
        let answer = when(is(found), lit(true))
            .when(is(unknown), lit(ScalarValue::Boolean(None)))
            .otherwise(lit(false))?
            .alias("found");
        let answer = project(LogicalPlan::Aggregate(aggregate), [answer])?;
        self.function(&answer, Asked::Value, Some((given, expr)))
    }
}

fn is_volatile(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|plan| {
        let mut found = false;
        plan.apply_expressions(|expr| {
            found = found || expr.is_volatile();
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        Ok(found)
    })
}
