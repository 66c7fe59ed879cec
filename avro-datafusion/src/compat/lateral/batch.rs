//! The outer rows of a subquery as a table: a batch in the task's configuration, returned by a scan.

use arrow_array::RecordBatch;
use arrow_schema::{SchemaRef, SortOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::sync::Arc;

/// The batch that a task runs for, stored in its configuration.
#[derive(Debug)]
pub(super) struct CurrentBatch(pub(super) RecordBatch);

/// A table with the rows of [`CurrentBatch`]. Its first column numbers the rows and ascends.
#[derive(Debug)]
pub(super) struct BatchTable {
    pub(super) schema: SchemaRef,
}

#[async_trait]
impl TableProvider for BatchTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows: Arc<dyn PartitionStream> = Arc::new(BatchRows { schema: Arc::clone(&self.schema) });
        let row = match projection {
            Some(columns) => columns.iter().position(|column| *column == 0),
            None => Some(0),
        };
        let order = row.and_then(|row| {
            let row = Arc::new(Column::new(self.schema.fields().first()?.name(), row));
            LexOrdering::new([PhysicalSortExpr::new(row, SortOptions::default())])
        });
        Ok(Arc::new(StreamingTableExec::try_new(self.schema(), vec![rows], projection, order, false, limit)?))
    }
}

/// The only partition of the table.
#[derive(Debug)]
struct BatchRows {
    schema: SchemaRef,
}

impl PartitionStream for BatchRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch = context
            .session_config()
            .get_extension::<CurrentBatch>()
            .map(|current| current.0.clone())
            .ok_or_else(|| internal_datafusion_err!("subquery executed without outer rows"));
        let stream = futures::stream::once(async move { batch });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}
