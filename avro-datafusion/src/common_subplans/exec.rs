//! The rows of a subplan, computed once for all its uses.

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, exec_datafusion_err, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A subplan whose rows are computed once.
#[derive(Debug)]
pub(super) struct SharedRows {
    input: Arc<dyn ExecutionPlan>,
    /// The number of places in the plan that use the rows, which is known when all of it has been planned.
    uses: AtomicUsize,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    rows: Option<Shared<BoxFuture<'static, Computed>>>,
    /// How many partitions of how many uses have started.
    started: usize,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("started", &self.started).finish_non_exhaustive()
    }
}

/// The rows; `None` if there is not enough memory to keep them.
type Computed = Result<Option<Arc<Rows>>, Arc<DataFusionError>>;

/// The batches of each partition, with the memory that is reserved for them.
struct Rows(Vec<(Vec<RecordBatch>, MemoryReservation)>);

impl SharedRows {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        SharedRows { input, uses: AtomicUsize::new(0), progress: Mutex::default() }
    }

    pub(super) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// Returns the rows for one partition of one use. After the last has started, only those that run keep the rows.
    fn start(&self, context: &Arc<TaskContext>) -> Shared<BoxFuture<'static, Computed>> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = progress.rows.get_or_insert_with(|| {
            let computed = compute(Arc::clone(&self.input), Arc::clone(context));
            computed.map(|rows| rows.map_err(Arc::new)).boxed().shared()
        });
        let rows = rows.clone();
        progress.started += 1;
        let partitions = self.input.properties().partitioning.partition_count();
        if progress.started == self.uses.load(Ordering::Relaxed) * partitions {
            *progress = Progress::default();
        }
        rows
    }
}

/// Computes all partitions at once, each in a task of its own: the use that waits for the rows may be another than the
/// one that started them.
async fn compute(input: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<Option<Arc<Rows>>> {
    let n = input.properties().partitioning.partition_count();
    let mut tasks = JoinSet::new();
    for partition in 0..n {
        let rows = input.execute(partition, Arc::clone(&context))?;
        let reservation = MemoryConsumer::new("CommonSubplan").register(context.memory_pool());
        tasks.spawn(async move { (partition, collect(rows, reservation).await) });
    }
    let mut partitions: Vec<_> = (0..n).map(|_| None).collect();
    while let Some(done) = tasks.join_next().await {
        let (partition, rows) = done.map_err(|e| match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(e) => exec_datafusion_err!("{e}"),
        })?;
        let Some(rows) = rows? else { return Ok(None) };
        if let Some(slot) = partitions.get_mut(partition) {
            *slot = Some(rows);
        }
    }
    Ok(partitions.into_iter().collect::<Option<Vec<_>>>().map(|partitions| Arc::new(Rows(partitions))))
}

/// Collects the rows of a partition; returns `None` if there is not enough memory.
async fn collect(
    mut rows: SendableRecordBatchStream,
    reservation: MemoryReservation,
) -> Result<Option<(Vec<RecordBatch>, MemoryReservation)>> {
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        if reservation.try_grow(size(&batch)).is_err() {
            return Ok(None);
        }
        batches.push(batch);
    }
    Ok(Some((batches, reservation)))
}

/// Returns the bytes of a batch, which may be a slice of a larger one that other batches are slices of too.
fn size(batch: &RecordBatch) -> usize {
    let bytes = |column: &Arc<dyn Array>| {
        let sliced = column.to_data().get_slice_memory_size();
        sliced.unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(bytes).sum()
}

/// One use of the rows of a subplan.
#[derive(Debug)]
pub(super) struct CommonSubplanExec {
    rows: Arc<SharedRows>,
    /// A plan of the subplan for this use alone, in case the rows are too large to keep.
    own: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CommonSubplanExec {
    pub(super) fn new(rows: Arc<SharedRows>, own: Arc<dyn ExecutionPlan>) -> Self {
        rows.uses.fetch_add(1, Ordering::Relaxed);
        let input = rows.input.properties();
        let properties = PlanProperties::new(
            input.eq_properties.clone(),
            input.partitioning.clone(),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        CommonSubplanExec { rows, own, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for CommonSubplanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: computed once for {} uses", self.name(), self.rows.uses.load(Ordering::Relaxed))
    }
}

impl ExecutionPlan for CommonSubplanExec {
    fn name(&self) -> &'static str {
        "CommonSubplanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.rows.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    /// Keeps the subplan, which has been optimized: what a rule makes of it here would not reach the other uses.
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.len() {
            1 => Ok(self),
            n => internal_err!("{} has one child, not {n}", self.name()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.rows.start(&context);
        let own = Arc::clone(&self.own);
        let found = async move {
            match rows.await {
                Ok(Some(rows)) => Ok(kept(rows, partition).boxed()),
                Ok(None) => Ok(own.execute(partition, context)?.boxed()),
                Err(e) => Err(DataFusionError::Shared(e)),
            }
        };
        let output_rows = MetricBuilder::new(&self.metrics).output_rows(partition);
        let rows = stream::once(found).try_flatten().inspect_ok(move |batch| output_rows.add(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }
}

/// Returns the batches of a partition.
fn kept(rows: Arc<Rows>, partition: usize) -> impl futures::Stream<Item = Result<RecordBatch>> + Send {
    let mut next = 0;
    stream::iter(std::iter::from_fn(move || {
        let (batches, _) = rows.0.get(partition)?;
        let batch = batches.get(next)?;
        next += 1;
        Some(Ok(batch.clone()))
    }))
}
