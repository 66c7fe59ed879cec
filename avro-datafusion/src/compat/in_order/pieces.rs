//! Returns the rows of many partitions in order, one partition after the other.
//!
//! The current partition runs freely. A few after it run ahead, each until it holds [`AHEAD_BYTES`] of rows or the
//! memory pool is exhausted; then it waits for its turn. No partition waits for a later one, so there is no deadlock.

use crate::sink::held_bytes;
use arrow_array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EvaluationType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;
use futures::stream::try_unfold;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Maximum bytes of rows that a partition may be ahead of its turn.
const AHEAD_BYTES: usize = 32 << 20;
/// Bytes per permit of a partition's budget.
const UNIT: usize = 1 << 10;
/// Maximum batches that a partition may be ahead; their bytes are the effective bound.
const AHEAD_BATCHES: usize = 4_096;
/// Partitions that run in addition to one per thread, so that no thread waits for another's turn.
const SPARE: usize = 1;

/// Executes one partition after the other.
#[derive(Debug)]
pub(crate) struct InOrderExec {
    input: Arc<dyn ExecutionPlan>,
    /// Row limit over all partitions.
    fetch: Option<usize>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl InOrderExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, fetch: Option<usize>) -> Self {
        let mut equal: EquivalenceProperties = input.equivalence_properties().clone();
        equal.clear_orderings();
        equal.clear_per_partition_constants();
        let properties = PlanProperties::new(
            equal,
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        )
        .with_evaluation_type(EvaluationType::Eager)
        .with_scheduling_type(SchedulingType::Cooperative);
        InOrderExec { input, fetch, metrics: ExecutionPlanMetricsSet::new(), properties: Arc::new(properties) }
    }
}

impl DisplayAs for InOrderExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (kind, self.fetch) {
            (DisplayFormatType::TreeRender, Some(fetch)) => write!(f, "limit: {fetch}"),
            (DisplayFormatType::TreeRender, None) => Ok(()),
            (_, Some(fetch)) => write!(f, "InOrderExec: fetch={fetch}"),
            (_, None) => write!(f, "InOrderExec"),
        }
    }
}

impl ExecutionPlan for InOrderExec {
    fn name(&self) -> &'static str {
        "InOrderExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) if children.is_empty() => Ok(Arc::new(InOrderExec::new(input, self.fetch))),
            _ => internal_err!("InOrderExec has one child"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("InOrderExec has one partition");
        }
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let memory = MemoryConsumer::new("InOrder").register(context.memory_pool());
        let window = context.session_config().target_partitions().max(1) + SPARE;
        let pieces = Pieces {
            input: Arc::clone(&self.input),
            n: self.input.output_partitioning().partition_count(),
            window,
            context,
            next: 0,
            running: VecDeque::new(),
            turn: watch::channel(0).0,
            memory: Arc::new(memory),
            left: self.fetch.unwrap_or(usize::MAX),
        };
        let batches = try_unfold((pieces, metrics), |(mut pieces, metrics)| async move {
            let batch = pieces.next().await?;
            Ok(batch.map(|batch| {
                metrics.record_output(batch.num_rows());
                (batch, (pieces, metrics))
            }))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

/// The partitions in flight.
struct Pieces {
    input: Arc<dyn ExecutionPlan>,
    n: usize,
    /// Maximum partitions that run concurrently.
    window: usize,
    context: Arc<TaskContext>,
    /// The partition to start next.
    next: usize,
    /// Running partitions, the current one first.
    running: VecDeque<Running>,
    /// The partition whose turn it is.
    turn: watch::Sender<usize>,
    memory: Arc<MemoryReservation>,
    /// Remaining rows of the limit.
    left: usize,
}

/// A running partition. Dropping it cancels it.
struct Running {
    batches: Receiver<Held>,
    task: SpawnedTask<Result<()>>,
}

/// A batch that waits for its turn.
struct Held {
    batch: RecordBatch,
    /// Its share of the partition's budget.
    _room: OwnedSemaphorePermit,
    /// Its memory reservation.
    _memory: Option<MemoryReservation>,
}

impl Pieces {
    /// Returns the next batch; `None` after the last.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            while self.running.len() < self.window && self.next < self.n {
                self.start();
            }
            let Some(first) = self.running.front_mut() else { return Ok(None) };
            if let Some(Held { batch, .. }) = first.batches.recv().await {
                let rows = batch.num_rows().min(self.left);
                self.left -= rows;
                return Ok(Some(batch.slice(0, rows)));
            }
            if let Some(done) = self.running.pop_front() {
                let ended = done.task.join_unwind().await;
                ended.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            }
            self.turn.send_modify(|turn| *turn += 1);
        }
        // The other partitions are not needed.
        self.running.clear();
        Ok(None)
    }

    fn start(&mut self) {
        let (to, batches) = channel(AHEAD_BATCHES);
        let partition = Partition {
            input: Arc::clone(&self.input),
            index: self.next,
            context: Arc::clone(&self.context),
            turn: self.turn.subscribe(),
            memory: Arc::clone(&self.memory),
        };
        self.next += 1;
        self.running.push_back(Running { batches, task: SpawnedTask::spawn(partition.run(to)) });
    }
}

/// A partition, for the task that runs it.
struct Partition {
    input: Arc<dyn ExecutionPlan>,
    index: usize,
    context: Arc<TaskContext>,
    turn: watch::Receiver<usize>,
    memory: Arc<MemoryReservation>,
}

impl Partition {
    async fn run(mut self, to: Sender<Held>) -> Result<()> {
        let room = Arc::new(Semaphore::new(AHEAD_BYTES / UNIT));
        let mut batches = self.input.execute(self.index, Arc::clone(&self.context))?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let bytes = held_bytes(&batch);
            let units = (bytes / UNIT).clamp(1, AHEAD_BYTES / UNIT);
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            let Ok(room) = Arc::clone(&room).acquire_many_owned(units).await else { return Ok(()) };
            let memory = self.account(bytes).await;
            if to.send(Held { batch, _room: room, _memory: memory }).await.is_err() {
                return Ok(()); // nobody wants the rest
            }
        }
        Ok(())
    }

    /// Reserves memory for rows ahead of their turn, or waits for the turn if the pool is exhausted.
    async fn account(&mut self, bytes: usize) -> Option<MemoryReservation> {
        let index = self.index;
        if *self.turn.borrow() >= index {
            return None;
        }
        let part = self.memory.new_empty();
        match part.try_grow(bytes) {
            Ok(()) => Some(part),
            Err(_) => {
                // An error means that the receiver is gone.
                let _ = self.turn.wait_for(|turn| *turn >= index).await;
                None
            }
        }
    }
}
