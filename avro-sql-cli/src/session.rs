//! The session: runs SQL with given resources and named tables.
//!
//! Queries run on their own threads. The main thread reads arguments and keys, writes rows and handles Ctrl-C; it only
//! waits for queries, so it responds even while all other threads compute.

pub(crate) mod copies;
mod copy_stats;
pub(crate) mod type_of;
#[cfg(test)]
mod function_docs;
pub(crate) mod formats;
pub(crate) mod memory;
pub(crate) mod read_only;
pub(crate) mod replan;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use avro_arrow::tagged;
use avro_datafusion::cache::{CacheOptions, ColumnCache, FileCached};
use avro_datafusion::compat::enable_sql_semantics;
use avro_datafusion::index::{self, FileIndexed, IndexOptions};
use avro_datafusion::{
    AvroOptions, AvroSessionExt, AvroTable, SharedListings, StoredFile, enable_common_subplans, register_sql_functions,
    wait_for_aborts,
};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use copies::Staged;
use copy_stats::CopyStats;

use crate::cluster::Cluster;
use crate::diagnostics::hints;
use crate::diagnostics::scan_notes::ScanNotes;
use crate::error::{Error, Result, panics, place, print_note};
use crate::files::stdin;
use crate::options::Resources;
use crate::sql::describe;
use crate::sql::rewrite::{self, Definitions, Parameters};
use crate::summarize;
use crate::terminal::query_progress::PlanMeter;
use crate::threads::STACK_BYTES;

/// Memory consumers that an out-of-memory error names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(2);

/// Batches that a query may compute ahead of their writing.
const BATCHES_AHEAD: usize = 2;

/// How long the end of a session waits for the uploads of a canceled query to be aborted.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// A SQL session in which paths and named tables can be queried.
pub(crate) struct Session {
    context: SessionContext,
    /// Skipped blocks and warnings of queries.
    pub(crate) notes: Arc<ScanNotes>,
    /// The workers that run queries; `None` is this machine.
    cluster: Option<Arc<Cluster>>,
    threads: Threads,
    n_threads: usize,
    /// Whether statements that write files are rejected.
    pub(crate) read_only: bool,
}

/// The threads of queries. Dropping does not wait for them: some may still compute for a canceled query.
struct Threads(Option<Runtime>);

/// A part of a result. `Columns` comes first, unless the statement returns no rows, as `CREATE VIEW`.
pub(crate) enum ResultPart {
    Columns(SchemaRef),
    Rows(RecordBatch),
}

/// A result being computed; dropping it cancels the query.
pub(crate) struct QueryResult {
    parts: Receiver<ResultPart>,
    /// The task that computes the parts and returns how it ended.
    task: Option<JoinHandle<Result<()>>>,
    /// The progress of the query.
    pub(crate) meter: Arc<PlanMeter>,
}

impl Session {
    /// Opens a session with these resources and tables.
    pub(crate) async fn open(
        resources: &Resources,
        reading: &AvroOptions,
        tables: &[(String, String)],
    ) -> Result<Session> {
        let notes = Arc::new(ScanNotes::default());
        let reading = reading.clone().with_observer(Arc::clone(&notes) as _);
        let context = new_context(resources, &reading)?;
        for (name, path) in tables {
            register(&context, name, path, &reading).await.map_err(|e| e.with_context(&format!("table {name}")))?;
        }
        Ok(Session {
            context,
            notes,
            cluster: None,
            threads: Threads::start(resources.threads)?,
            n_threads: resources.threads,
            read_only: resources.read_only,
        })
    }

    /// Runs queries on these workers.
    pub(crate) fn on(mut self, cluster: Arc<Cluster>) -> Result<Session> {
        cluster.enable(&self.context)?;
        self.cluster = Some(cluster);
        Ok(self)
    }

    /// Returns the workers that run queries.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_deref()
    }

    /// Sets the values of `$name` in statements.
    pub(crate) fn set_parameters(&self, values: &[(String, String)]) {
        self.context.state_ref().write().config_mut().set_extension(Arc::new(Parameters::new(values)));
    }

    /// Starts one statement.
    pub(crate) fn execute(&self, sql: &str) -> QueryResult {
        let (send, parts) = channel(BATCHES_AHEAD);
        let (context, sql) = (self.context.clone(), sql.to_owned());
        let meter = Arc::new(PlanMeter::default());
        let (watched, read_only, cluster) = (Arc::clone(&meter), self.read_only, self.cluster.clone());
        let work = async move {
            let mut sent = Sent::default();
            let Some(cluster) = cluster else {
                return compute(&context, &sql, read_only, &watched, &send, &mut sent).await;
            };
            let before = panics();
            let mut done = compute(&context, &sql, read_only, &watched, &send, &mut sent).await;
            if let Err(e) = &done
                && sent.is_repeatable()
                && cluster.lost_a_worker(e).await
            {
                done = compute(&context, &sql, read_only, &watched, &send, &mut sent).await;
            }
            // Rows from workers may have been cut short.
            if done.is_ok() && panics() != before {
                return Err(Error::Failed("internal error: a task panicked".to_owned()));
            }
            done
        };
        QueryResult { parts, task: self.threads.0.as_ref().map(|threads| threads.spawn(work)), meter }
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
        let reading = reading.with_observer(Arc::clone(&self.notes) as _);
        let work = threads.spawn(async move { index::build(&state, paths, &reading, &index).await });
        let built = work.await.map_err(|e| Error::Failed(format!("internal error: {e}")))?;
        self.notes.print();
        Ok(built?)
    }

    /// Makes the columnar copies of these files.
    pub(crate) async fn cache(
        &self,
        paths: Vec<String>,
        reading: AvroOptions,
        cache: CacheOptions,
    ) -> Result<Vec<FileCached>> {
        let Some(threads) = &self.threads.0 else { return Ok(vec![]) };
        let state = self.context.state();
        let reading = reading.with_observer(Arc::clone(&self.notes) as _);
        let work = threads.spawn(async move {
            let mut all = vec![];
            for path in paths {
                let table = AvroTable::try_new(&state, path, reading.clone()).await?;
                all.extend(table.build_copies(&state, &cache).await?);
            }
            Ok::<_, DataFusionError>(all)
        });
        let made = work.await.map_err(|e| Error::Failed(format!("internal error: {e}")))?;
        self.notes.print();
        Ok(made?)
    }

    /// Removes the columnar copies of these files, and returns how many there were.
    pub(crate) async fn uncache(&self, paths: Vec<String>, reading: AvroOptions) -> Result<u64> {
        let state = self.context.state();
        let mut removed = 0;
        for path in paths {
            let table = AvroTable::try_new(&state, path, reading.clone()).await?;
            removed += table.remove_copies(&state).await?;
        }
        Ok(removed)
    }

    /// Returns the files at a path, directory, glob or URL.
    pub(crate) async fn files(&self, path: &str, reading: &AvroOptions) -> Result<Vec<StoredFile>> {
        let reading = reading.clone().with_observer(Arc::clone(&self.notes) as _);
        let files = StoredFile::find(&self.context.state(), path, &reading).await?;
        self.notes.print();
        Ok(files)
    }

    /// Returns DataFusion's session.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Returns the runtime of the query threads.
    pub(crate) fn threads(&self) -> Option<Handle> {
        self.threads.0.as_ref().map(|threads| threads.handle().clone())
    }

    /// Leaves the threads to the canceled query and starts new ones: a computation stops only where it awaits, and
    /// some never do.
    pub(crate) fn renew_threads(&mut self) -> Result<()> {
        self.threads = Threads::start(self.n_threads)?;
        Ok(())
    }
}

impl QueryResult {
    /// Returns the next part, or `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<ResultPart>> {
        if let Some(part) = self.parts.recv().await {
            return Ok(Some(part));
        }
        match self.task.take() {
            // A panic surfaces here; `catch_panics` has its details.
            Some(task) => task.await.map_err(|e| Error::Failed(format!("internal error: {e}")))?.map(|()| None),
            None => Ok(None),
        }
    }
}

impl Drop for QueryResult {
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
            // A canceled query has dropped its uploads, or will soon.
            wait_for_aborts(ABORT_TIMEOUT);
            threads.shutdown_background();
        }
    }
}

/// Creates DataFusion's session with the command's settings, functions and formats.
pub(crate) fn new_context(resources: &Resources, reading: &AvroOptions) -> Result<SessionContext> {
    let config = SessionConfig::new()
        .with_target_partitions(resources.threads)
        .with_batch_size(resources.batch_rows)
        .with_information_schema(true)
        // As in DuckDB, and what `ORDER BY price DESC LIMIT 10` is meant to find.
        .set_str("datafusion.sql_parser.default_null_ordering", "nulls_last");
    let columns = ColumnCache::new(resources.column_bytes.unwrap_or_else(|| memory::columns(resources.memory_bytes)));
    let config = columns.install(config.with_extension(Arc::new(Definitions::default())));
    let pool: Arc<dyn MemoryPool> = match resources.memory_bytes {
        Some(bytes) => Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), CONSUMERS_NAMED)),
        None => Arc::new(UnboundedMemoryPool::default()),
    };
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(columns.memory_pool(pool));
    let context = SessionContext::new_with_config_rt(config, runtime.build_arc()?);
    avro_datafusion::register_all_with(&context, reading.clone())?;
    enable_sql_semantics(&context)?;
    enable_common_subplans(&context);
    register_sql_functions(&context)?;
    context.register_udf(type_of::TypeOf::new().into());
    context.register_udf(type_of::SqlTypeOf::new().into());
    formats::register(&mut context.state_ref().write())?;
    summarize::register(&context);
    Ok(context)
}

/// Registers the files at a path, of any format, as a table.
async fn register(context: &SessionContext, name: &str, path: &str, reading: &AvroOptions) -> Result<()> {
    let copy = if stdin::is_stdin(path) { Some(stdin::copy().await?) } else { None };
    let path = copy.as_deref().and_then(Path::to_str).unwrap_or(path);
    let explain = |e| hints::explain(e, context);
    // A word that is not a path would be looked for among the tables.
    if !path.contains(['/', '\\', '*', '?', '[', '{', '.']) {
        return context.register_avro_table(name, path, reading.clone()).await.map_err(explain);
    }
    let table = context.table_provider(TableReference::bare(path)).await.map_err(explain)?;
    context.register_table(TableReference::bare(name), table)?;
    Ok(())
}

/// What a statement has done that a second attempt would do twice.
#[derive(Default)]
struct Sent {
    columns: bool,
    rows: bool,
    /// Files that appear one by one.
    files: bool,
}

impl Sent {
    fn is_repeatable(&self) -> bool {
        !self.rows && !self.files
    }
}

async fn compute(
    context: &SessionContext,
    sql: &str,
    read_only: bool,
    meter: &PlanMeter,
    to: &Sender<ResultPart>,
    sent: &mut Sent,
) -> Result<()> {
    let explain = |e| place::locate(hints::explain(e, context), sql);
    let started = start(context, sql, read_only, meter, &mut sent.files, explain).await?;
    let Some((mut rows, staged)) = started else { return Ok(()) };
    // Tagged structs leave the engine as unions.
    let dense = tagged::dense_schema(&rows.schema());
    let untagged = |batch: RecordBatch| -> Result<RecordBatch> {
        match &dense {
            Some(dense) => Ok(tagged::dense_batch(&batch, dense)?),
            None => Ok(batch),
        }
    };
    let columns = ResultPart::Columns(dense.clone().unwrap_or_else(|| rows.schema()));
    let mut part = (!std::mem::replace(&mut sent.columns, true)).then_some(columns);
    loop {
        if let Some(part) = part
            && to.send(part).await.is_err()
        {
            return Ok(()); // the rest was canceled
        }
        part = match rows.next().await {
            Some(batch) => Some(ResultPart::Rows(untagged(batch?)?)),
            None => return staged.commit().await,
        };
        sent.rows = true;
    }
}

/// Plans and starts a statement. Returns its rows, and what appears after the last one; `None` for a command without
/// rows, which has finished then. Sets whether files may appear before the last row. Errors of the engine are passed to
/// `explain`.
pub(crate) async fn start<E: From<Error>>(
    context: &SessionContext,
    sql: &str,
    read_only: bool,
    meter: &PlanMeter,
    appears_in_parts: &mut bool,
    explain: impl Fn(DataFusionError) -> E,
) -> Result<Option<(SendableRecordBatchStream, Staged)>, E> {
    let state = context.state();
    if rewrite::define(&state, sql).await.map_err(&explain)? {
        return Ok(None);
    }
    if rewrite::cache(&state, sql, read_only).await.map_err(&explain)? {
        return Ok(None);
    }
    let listings = SharedListings::default();
    let mut plan = listings.scope(rewrite::plan(&state, sql)).await.map_err(&explain)?;
    if read_only {
        read_only::check(&plan)?;
    }
    let stats = CopyStats::of(context, &mut plan).await.map_err(&explain)?;
    let (running, plan, staged) = copies::stage(context, plan)?;
    *appears_in_parts = staged.appears_in_parts(&plan);
    describe::hints(&plan).iter().for_each(|hint| print_note(&format!("avro-sql: {hint}")));
    let plan = describe::with_sql_types(plan).map_err(&explain)?;
    let Some(mut rows) = begin(&running, plan, &listings, meter).await.map_err(&explain)? else { return Ok(None) };
    let Some(stats) = stats else { return Ok(Some((rows, staged))) };
    let mut n_rows = 0;
    while let Some(answer) = rows.next().await {
        n_rows += copy_stats::written(&answer.map_err(&explain)?);
    }
    staged.commit().await?;
    Ok(Some((stats.rows(context, n_rows).await.map_err(&explain)?, Staged::Nothing)))
}

/// Starts a plan and returns its stream of rows; `None` for a command without rows, which has finished then.
async fn begin(
    context: &SessionContext,
    plan: LogicalPlan,
    listings: &SharedListings,
    meter: &PlanMeter,
) -> Result<Option<SendableRecordBatchStream>, DataFusionError> {
    let is_command = matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Statement(_));
    let frame = context.execute_logical_plan(plan).await?;
    if is_command && frame.schema().fields().is_empty() {
        return Ok(None);
    }
    let task = Arc::new(frame.task_ctx());
    let (state, plan) = frame.into_parts();
    let plan = listings.scope(replan::physical_plan(state, &plan)).await?;
    meter.watch(Arc::clone(&plan));
    execute_stream(plan, task).map(Some)
}
