//! `SUMMARIZE`: a row for each column and each nested field, with its nulls, distinct values, minimum, maximum,
//! quantiles and most frequent values.
//!
//! `sql/rewrite/summarize.rs` turns the statement into a call of the table function here. [`exec`] feeds the batches of
//! a query to one [`fields::Summary`] per partition and merges these. A summary has a [`field::FieldSummary`] for each
//! field, whose size does not depend on the number of rows. [`histogram`] is a table function too.

mod exec;
mod field;
mod fields;
mod frequent;
mod histogram;
mod numbers;
mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::datasource::TableType;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionContext;

use crate::sql::rewrite;
use avro_datafusion::compat::KEEP_ORDER;
use exec::SummarizeExec;
use histogram::HistogramFunc;

/// Registers the table functions `summarize` and `histogram`.
pub(crate) fn register(context: &SessionContext) {
    context.register_udtf("summarize", Arc::new(SummarizeFunc));
    context.register_udtf("histogram", Arc::new(HistogramFunc));
}

/// Returns a literal of text.
fn text(argument: &Expr) -> Option<&str> {
    match argument {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Some(text),
        _ => None,
    }
}

/// The table function `summarize('path')`, `summarize('table')` or `summarize('SELECT ..')`.
#[derive(Debug)]
struct SummarizeFunc;

impl TableFunctionImpl for SummarizeFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let text = match args.exprs() {
            [argument] => text(argument),
            _ => None,
        };
        match text {
            Some(text) => Ok(Arc::new(SummaryTable { query: query(text) })),
            None => plan_err!("write summarize('path'), summarize('table') or summarize('SELECT ..')"),
        }
    }
}

/// Returns the query whose rows are summarized.
fn query(text: &str) -> String {
    let text = text.trim();
    let (word, rest) = text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()));
    let begins_query = ["SELECT", "FROM", "WITH", "VALUES"].into_iter().any(|begin| begin.eq_ignore_ascii_case(word))
        && rest.starts_with(|c: char| c.is_whitespace() || "('*\"".contains(c));
    match begins_query || text.starts_with('(') {
        true => text.to_owned(),
        false => format!("SELECT * FROM \"{}\"", text.replace('"', "\"\"")),
    }
}

/// The summary of a query. It is planned when it is scanned.
#[derive(Debug)]
struct SummaryTable {
    query: String,
}

#[async_trait]
impl TableProvider for SummaryTable {
    fn schema(&self) -> SchemaRef {
        rows::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = state(session)?;
        let plan = rewrite::plan(state, &self.query).await?;
        if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_))
        {
            return plan_err!("SUMMARIZE needs a table, a path or a query");
        }
        let input = input(state, &plan).await?;
        part(Arc::new(SummarizeExec::new(input)), projection, limit)
    }
}

/// Returns the session in which queries are planned.
fn state(session: &dyn Session) -> Result<&SessionState> {
    match session.as_any().downcast_ref::<SessionState>() {
        Some(state) => Ok(state),
        None => plan_err!("the function needs the session of avro-sql"),
    }
}

/// Returns these columns and the first rows of a plan.
fn part(
    mut plan: Arc<dyn ExecutionPlan>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(projection) = projection {
        let schema = plan.schema();
        let column = |at: &usize| -> Result<ProjectionExpr> {
            let name = schema.field(*at).name();
            Ok(ProjectionExpr { expr: Arc::new(Column::new(name, *at)), alias: name.clone() })
        };
        plan = Arc::new(ProjectionExec::try_new(projection.iter().map(column).collect::<Result<Vec<_>>>()?, plan)?);
    }
    Ok(match limit {
        Some(limit) => Arc::new(GlobalLimitExec::new(plan, 0, Some(limit))),
        None => plan,
    })
}

/// Plans the query. Its partitions may be read in any order, unless a limit chooses rows by their order.
async fn input(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let rules = state.physical_optimizers().iter().filter(|rule| rule.name() != KEEP_ORDER).map(Arc::clone);
    let unordered = SessionStateBuilder::new_from_existing(state.clone());
    let unordered = unordered.with_physical_optimizer_rules(rules.collect()).build();
    let input = unordered.create_physical_plan(plan).await?;
    match input.output_partitioning().partition_count() {
        0 | 1 => state.create_physical_plan(plan).await,
        _ => Ok(input),
    }
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn query_of_a_path_selects_all_columns() {
        assert_eq!(query("a/b.avro"), "SELECT * FROM \"a/b.avro\"");
        assert_eq!(query("selected"), "SELECT * FROM \"selected\"");
        assert_eq!(query("from"), "SELECT * FROM \"from\"");
        assert_eq!(query("select\n1"), "select\n1");
        assert_eq!(query("(SELECT 1)"), "(SELECT 1)");
    }
}
