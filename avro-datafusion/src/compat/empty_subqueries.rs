//! Subqueries that are values and may have no rows.
//!
//! Such a subquery is NULL. DataFusion 55 takes it for as nullable as its column, so that, where `id` cannot be null,
//! `(SELECT id .. WHERE false) IS NULL` is false and `coalesce((SELECT id .. WHERE false), 0)` is NULL. Here the column
//! of the subquery is nullable.
//!
//! Delete when: subqueries that are values are nullable.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Subquery, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::exprs::{self, Rewrite};

/// Makes the columns of such subqueries nullable.
#[derive(Debug)]
pub(super) struct EmptySubqueries;

impl AnalyzerRule for EmptySubqueries {
    fn name(&self) -> &str {
        "avro_empty_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        exprs::rewrite(plan, self)
    }
}

impl Rewrite for EmptySubqueries {
    fn expr(&self, expr: Expr, _schema: &DFSchema) -> Result<Transformed<Expr>> {
        static NULLABLE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(nullable);
        let Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let (table, field) = subquery.schema().qualified_field(0);
        if !outer_ref_columns.is_empty() || field.is_nullable() || has_a_row(&subquery) {
            return Ok(Transformed::no(Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans })));
        }
        let (name, column) = (field.name().clone(), Column::from((table, field)));
        let value = NULLABLE.call(vec![Expr::Column(column)]).alias(name);
        let plan = LogicalPlanBuilder::new_from_arc(subquery).project([value])?.build()?;
        Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans })))
    }
}

/// Whether a plan always has a row.
fn has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_a_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_a_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(relation) => relation.produce_one_row,
        LogicalPlan::Values(values) => !values.values.is_empty(),
        _ => false,
    }
}

/// Returns the function, as no session registers it.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Arc<ScalarUDF> {
    nullable()
}

fn nullable() -> Arc<ScalarUDF> {
    Arc::new(Nullable { signature: Signature::any(1, Volatility::Immutable) }.into())
}

/// The function `avro_nullable` of a value: the value, of a nullable type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &str {
        "avro_nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        plan_err!("{} needs fields", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return plan_err!("{} has one argument", self.name()) };
        Ok(Arc::new(Field::clone(field).with_name(self.name()).with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [value] => Ok(value.clone()),
            _ => exec_err!("{} has one argument", self.name()),
        }
    }
}
