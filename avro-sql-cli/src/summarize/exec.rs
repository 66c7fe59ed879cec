//! The operator: summarizes the rows of its input.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::StreamExt;
use futures::stream::once;
use tokio::task::JoinSet;

use super::fields::Summary;
use super::rows;

/// Summarizes each partition of the input in a task of its own, then merges the summaries.
#[derive(Debug)]
pub(super) struct SummarizeExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl SummarizeExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(rows::schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        SummarizeExec { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for SummarizeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SummarizeExec")
    }
}

impl ExecutionPlan for SummarizeExec {
    fn name(&self) -> &str {
        "SummarizeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(SummarizeExec::new(input)))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let n = self.input.output_partitioning().partition_count();
        let streams = (0..n).map(|n| self.input.execute(n, Arc::clone(&context))).collect::<Result<Vec<_>>>()?;
        let schema = self.input.schema();
        let batch = once(async move { summarize(streams, schema).await });
        Ok(Box::pin(RecordBatchStreamAdapter::new(rows::schema(), batch)))
    }
}

/// Returns the rows of the summary. Dropping the future stops all tasks.
async fn summarize(streams: Vec<SendableRecordBatchStream>, schema: SchemaRef) -> Result<RecordBatch> {
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let mut summary = Summary::new(&schema)?;
        tasks.spawn(async move {
            while let Some(batch) = stream.next().await {
                summary.update(&batch?)?;
            }
            Ok::<_, DataFusionError>(summary)
        });
    }
    let mut all = Summary::new(&schema)?;
    while let Some(summary) = tasks.join_next().await {
        all.merge(summary.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??)?;
    }
    rows::batch(&mut all)
}
