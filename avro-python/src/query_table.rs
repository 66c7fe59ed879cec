//! A scan as a table of the Python package `datafusion`, which has an engine of its own.
//!
//! That engine asks for columns, filters and a limit through the C interface of `datafusion-ffi`. The query is planned
//! and runs here, in its own session: with its object stores, on its threads. Batches go over.

use arrow_schema::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use avro_sql_cli::embed::PlannedQuery;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{exec_datafusion_err, internal_err};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, displayable,
};
use futures::StreamExt;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Batches that a query may be ahead of the other engine.
const BATCHES_AHEAD: usize = 2;

/// A query as a table.
pub(crate) struct QueryTable {
    query: Arc<PlannedQuery>,
    threads: Handle,
    /// What must live as long as the rows are read.
    guard: Arc<dyn Any + Send + Sync>,
}

impl QueryTable {
    /// Makes a table of a query, which runs on these threads. `guard` is kept as long as the table.
    pub(crate) fn new(query: PlannedQuery, threads: Handle, guard: Arc<dyn Any + Send + Sync>) -> QueryTable {
        QueryTable { query: Arc::new(query), threads, guard }
    }
}

impl fmt::Debug for QueryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryTable").field("schema", &self.query.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for QueryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.query.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters only leave out rows early: the other engine applies all of them to what it gets.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let pushed = |filter: &&Expr| match is_plain(filter, &self.query.schema) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(pushed).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (query, columns, filters) = (Arc::clone(&self.query), projection.cloned(), filters.to_vec());
        // On threads whose stacks are large enough.
        let planned = self.threads.spawn(async move { query.select(columns.as_deref(), &filters, limit).await });
        let (input, context) = planned.await.map_err(|e| exec_datafusion_err!("planning stopped: {e}"))??;
        let plan = displayable(input.as_ref()).indent(false).to_string();
        let lines: Vec<_> = plan.lines().map(str::trim).collect();
        let name = format!("avro_sql: {}", lines.join(" <- "));
        let (threads, guard) = (self.threads.clone(), Arc::clone(&self.guard));
        Ok(Arc::new(QueryExec { name, input, context, threads, guard }))
    }
}

/// Whether a filter means the same in both engines: it compares columns with constants of their types.
fn is_plain(filter: &Expr, schema: &Schema) -> bool {
    let field = |expr: &Expr| match expr {
        Expr::Column(column) => schema.field_with_name(&column.name).ok().map(|field| field.data_type().clone()),
        _ => None,
    };
    let is_value = |expr: &Expr, of: &DataType| match expr {
        Expr::Literal(value, _) => value.data_type() == *of && is_comparable(of),
        _ => false,
    };
    let are_alike = |left: &Expr, right: &Expr| field(left).is_some_and(|of| is_value(right, &of));
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_plain(left, schema) && is_plain(right, schema)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
            matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq) && (are_alike(left, right) || are_alike(right, left))
        }
        Expr::Between(between) => are_alike(&between.expr, &between.low) && are_alike(&between.expr, &between.high),
        Expr::InList(InList { expr, list, .. }) => list.iter().all(|value| are_alike(expr, value)),
        Expr::IsNull(expr) | Expr::IsNotNull(expr) => field(expr).is_some_and(|of| is_comparable(&of)),
        Expr::Column(_) => field(filter) == Some(DataType::Boolean),
        Expr::Not(inner) => is_plain(inner, schema),
        _ => false,
    }
}

/// Types whose order no engine doubts, unlike that of floating-point numbers.
fn is_comparable(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_string()
        || data_type.is_decimal()
        || matches!(data_type, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..))
}

/// Runs a plan of this package inside a plan of the other engine.
struct QueryExec {
    /// The plan in one line. It is all that the other engine shows.
    name: String,
    input: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    threads: Handle,
    guard: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for QueryExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryExec").field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for QueryExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl ExecutionPlan for QueryExec {
    fn name(&self) -> &str {
        &self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("{} has no children", self.name),
        }
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut rows = {
            let _threads = self.threads.enter();
            self.input.execute(partition, Arc::clone(&self.context))?
        };
        let guard = Arc::clone(&self.guard);
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.input.schema(), BATCHES_AHEAD);
        let send = stream.tx();
        let forward = async move {
            let _guard = guard;
            while let Some(batch) = rows.next().await {
                if send.send(batch).await.is_err() {
                    break; // the reader is gone
                }
            }
            Ok(())
        };
        stream.spawn_on(forward, &self.threads);
        Ok(stream.build())
    }
}
