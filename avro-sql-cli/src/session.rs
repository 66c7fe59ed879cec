//! The session: resources and named tables in, a place to run SQL out.
//!
//! Queries run on threads of their own. The thread that reads arguments and keys, writes rows and minds Ctrl-C only waits for
//! them, so that it can answer even while all others are deep in computation.

pub(crate) mod copies;
pub(crate) mod formats;
pub(crate) mod memory;
pub(crate) mod read_only;
pub(crate) mod replan;

use std::sync::Arc;

use avro_arrow::tagged;
use avro_datafusion::compat::enable_sql_semantics;
use avro_datafusion::index::{self, FileIndexed, IndexOptions};
use avro_datafusion::{AvroContext, AvroOptions, DamageSink, Report, StoredFile, WarningSink, Warnings};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::diagnostics::hints;
use crate::diagnostics::skipped::Skipped;
use crate::diagnostics::warned::Warned;
use crate::error::{Error, Result, aside};
use crate::files::atomic_file::Written;
use crate::options::Resources;
use crate::sql::describe;
use crate::sql::rewrite;
use crate::terminal::query_progress::PlanMeter;
use crate::threads::STACK_BYTES;

/// Consumers of memory that an out-of-memory error names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(2);

/// Batches that an answer may be ahead of their writing.
const BATCHES_AHEAD: usize = 2;

/// A place to run SQL, where paths and the tables named are tables.
pub(crate) struct Session {
    context: SessionContext,
    /// Damaged blocks that queries skipped.
    pub(crate) skipped: Arc<Skipped>,
    /// What else there was to warn of.
    pub(crate) warned: Arc<Warned>,
    threads: Threads,
    n_threads: usize,
    /// Whether statements that write files are refused.
    pub(crate) read_only: bool,
}

/// The threads that queries run on. They are not waited for in the end: some may still compute for a query given up.
struct Threads(Option<Runtime>);

/// A part of an answer. `Columns` comes first, but not for statements that have no rows to give, such as `CREATE VIEW`.
pub(crate) enum Part {
    Columns(SchemaRef),
    Rows(RecordBatch),
}

/// An answer being computed; given up when it is dropped.
pub(crate) struct Answer {
    parts: Receiver<Part>,
    /// Computes the parts. It says how it ended after the last of them.
    task: Option<JoinHandle<Result<()>>>,
    /// How far it is.
    pub(crate) meter: Arc<PlanMeter>,
}

impl Session {
    /// A session with these resources and tables.
    pub(crate) async fn open(
        resources: &Resources,
        reading: &AvroOptions,
        tables: &[(String, String)],
    ) -> Result<Session> {
        let skipped = Arc::new(Skipped::default());
        let sink: Arc<dyn DamageSink> = Arc::clone(&skipped) as _;
        let warned = Arc::new(Warned::default());
        let warnings: Arc<dyn WarningSink> = Arc::clone(&warned) as _;
        let reading = AvroOptions { report: Report::to(sink), warnings: Warnings::to(warnings), ..reading.clone() };
        let config = SessionConfig::new()
            .with_target_partitions(resources.threads)
            .with_batch_size(resources.batch_rows)
            .with_information_schema(true);
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(bytes) = resources.memory_bytes {
            let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), CONSUMERS_NAMED);
            runtime = runtime.with_memory_pool(Arc::new(pool));
        }
        let context = SessionContext::new_with_config_rt(config, runtime.build_arc()?);
        avro_datafusion::enable_with(&context, reading.clone())?;
        enable_sql_semantics(&context)?;
        formats::register(&mut context.state_ref().write())?;
        for (name, path) in tables {
            let registered = context.register_avro(name, path.as_str(), reading.clone()).await;
            registered.map_err(|e| hints::explain(e, &context).within(&format!("table {name}")))?;
        }
        Ok(Session {
            context,
            skipped,
            warned,
            threads: Threads::start(resources.threads)?,
            n_threads: resources.threads,
            read_only: resources.read_only,
        })
    }

    /// Starts to answer one statement.
    pub(crate) fn answer(&self, sql: &str) -> Answer {
        let (send, parts) = channel(BATCHES_AHEAD);
        let (context, sql) = (self.context.clone(), sql.to_owned());
        let meter = Arc::new(PlanMeter::default());
        let (watched, read_only) = (Arc::clone(&meter), self.read_only);
        let work = async move { compute(&context, &sql, read_only, &watched, send).await };
        Answer { parts, task: self.threads.0.as_ref().map(|threads| threads.spawn(work)), meter }
    }

    /// Builds the block indexes of these files.
    pub(crate) async fn index(
        &self,
        paths: Vec<String>,
        reading: AvroOptions,
        index: IndexOptions,
    ) -> Result<Vec<FileIndexed>> {
        let Some(threads) = &self.threads.0 else { return Ok(vec![]) };
        let state = self.context.state();
        let warnings: Arc<dyn WarningSink> = Arc::clone(&self.warned) as _;
        let reading = AvroOptions { warnings: Warnings::to(warnings), ..reading };
        let work = threads.spawn(async move { index::build(&state, paths, &reading, &index).await });
        let built = work.await.map_err(|e| Error::Failed(format!("internal error: {e}")))?;
        self.warned.say();
        Ok(built?)
    }

    /// The files at a path, directory, glob or URL.
    pub(crate) async fn files(&self, path: &str, reading: &AvroOptions) -> Result<Vec<StoredFile>> {
        let warnings: Arc<dyn WarningSink> = Arc::clone(&self.warned) as _;
        let reading = AvroOptions { warnings: Warnings::to(warnings), ..reading.clone() };
        let files = StoredFile::find(&self.context.state(), path, &reading).await?;
        self.warned.say();
        Ok(files)
    }

    /// The tables and functions that SQL may name.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The threads that queries run on.
    pub(crate) fn threads(&self) -> Option<Handle> {
        self.threads.0.as_ref().map(|threads| threads.handle().clone())
    }

    /// Leaves the threads to whatever was given up, and starts others: a computation stops where it waits for something, and
    /// some never do.
    pub(crate) fn renew_threads(&mut self) -> Result<()> {
        self.threads = Threads::start(self.n_threads)?;
        Ok(())
    }
}

impl Answer {
    /// The next part; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>> {
        if let Some(part) = self.parts.recv().await {
            return Ok(Some(part));
        }
        match self.task.take() {
            // A panic comes out here; `catch_panics` knows more of it.
            Some(task) => task.await.map_err(|e| Error::Failed(format!("internal error: {e}")))?.map(|()| None),
            None => Ok(None),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Threads {
    fn start(n: usize) -> Result<Threads> {
        let started = Builder::new_multi_thread()
            .worker_threads(n)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build();
        Ok(Threads(Some(started.map_err(|e| Error::Failed(format!("cannot start threads: {e}")))?)))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

async fn compute(
    context: &SessionContext,
    sql: &str,
    read_only: bool,
    meter: &PlanMeter,
    to: Sender<Part>,
) -> Result<()> {
    let explain = |e| hints::explain(e, context);
    let state = context.state();
    let plan = rewrite::plan(&state, sql).await.map_err(explain)?;
    if read_only {
        read_only::check(&plan)?;
    }
    let (plan, copied) = copies::aside(plan)?;
    describe::hints(&plan).iter().for_each(|hint| aside(&format!("avro-sql: {hint}")));
    let Some(mut rows) = begin(context, plan, meter).await.map_err(explain)? else { return Ok(()) };
    // Unions leave the engine as such.
    let dense = tagged::dense_schema(&rows.schema());
    let answered = |batch: RecordBatch| -> Result<RecordBatch> {
        match &dense {
            Some(dense) => Ok(tagged::dense_batch(&batch, dense)?),
            None => Ok(batch),
        }
    };
    let mut part = Part::Columns(dense.clone().unwrap_or_else(|| rows.schema()));
    loop {
        if to.send(part).await.is_err() {
            return Ok(()); // nobody wants the rest
        }
        part = match rows.next().await {
            Some(batch) => Part::Rows(answered(batch?)?),
            None => return copied.map_or(Ok(()), Written::commit),
        };
    }
}

/// The rows that a plan answers with; `None` for a command that has none, which is done then.
async fn begin(
    context: &SessionContext,
    plan: LogicalPlan,
    meter: &PlanMeter,
) -> Result<Option<SendableRecordBatchStream>, DataFusionError> {
    let is_command = matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Statement(_));
    let frame = context.execute_logical_plan(plan).await?;
    if is_command && frame.schema().fields().is_empty() {
        return Ok(None);
    }
    let task = Arc::new(frame.task_ctx());
    let (state, plan) = frame.into_parts();
    let plan = replan::physical_plan(state, &plan).await?;
    meter.watch(Arc::clone(&plan));
    execute_stream(plan, task).map(Some)
}
