//! The threads and the default session of the process, and how Python waits for them.
//!
//! Queries run on threads of their own, which never call Python. A waiting Python thread gives up the GIL and looks for
//! signals, such as Ctrl-C, a few times a second.

use crate::error::{forked, raise};
use crate::plain::{plain_batch, plain_schema};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use avro_datafusion::AvroOptions;
use avro_sql_cli::embed::{Answer, Class, Run, STACK_BYTES, Settings, SqlFailure, SqlSession};
use datafusion::error::DataFusionError;
use pyo3::prelude::*;
use std::any::Any;
use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// How often a waiting thread looks for signals.
const TICK: Duration = Duration::from_millis(50);
/// Batches that a query may be ahead of their reader.
const BATCHES_AHEAD: usize = 2;

/// The threads of this process, and the session of scans.
pub(crate) struct Engine {
    pid: u32,
    runtime: Runtime,
    /// The session of scans without options of their own for object stores.
    pub(crate) session: Arc<SqlSession>,
}

static ENGINE: Mutex<Option<Arc<Engine>>> = Mutex::new(None);

/// Returns the settings of the sessions that scans and writes use. They keep no columns in memory: Python has the rows
/// that it reads, and what is behind a file object may change unseen.
pub(crate) fn scan_settings() -> Settings {
    let mut settings = Settings::default();
    settings.column_bytes = Some(0);
    settings
}

impl Engine {
    /// Returns the engine of this process; a forked process gets a new one.
    pub(crate) fn get(py: Python<'_>) -> PyResult<Arc<Engine>> {
        py.detach(Engine::find).map_err(|e| raise(py, e))
    }

    fn find() -> Result<Arc<Engine>, SqlFailure> {
        let mut slot = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = slot.as_ref().filter(|engine| engine.is_here()) {
            return Ok(Arc::clone(engine));
        }
        let mut threads = Builder::new_multi_thread();
        threads.thread_name("avro-sql").thread_stack_size(STACK_BYTES).enable_all();
        let runtime = threads.build().map_err(|e| failed(Class::Io, format!("cannot start threads: {e}")))?;
        let session = Arc::new(SqlSession::open(scan_settings(), &AvroOptions::default())?);
        let engine = Arc::new(Engine { pid: std::process::id(), runtime, session });
        // Threads of the parent cannot be joined, so its engine is never dropped here.
        mem::forget(slot.replace(Arc::clone(&engine)));
        Ok(engine)
    }

    fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Returns the threads that queries run on.
    pub(crate) fn threads(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// Returns an error in a process that was forked after this engine was made.
    pub(crate) fn check(&self) -> PyResult<()> {
        if self.is_here() { Ok(()) } else { Err(forked()) }
    }

    /// Runs a future on the threads of the engine and waits for it without the GIL.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl Future<Output = Result<T, SqlFailure>> + Send + 'static,
    ) -> PyResult<T> {
        self.check()?;
        let task = Abort(self.runtime.spawn(work));
        let joined = self.wait(py, task)?;
        joined.map_err(|e| raise(py, e))
    }

    /// Waits for a future without the GIL. Signals end it.
    fn wait<T: Send>(&self, py: Python<'_>, future: impl Future<Output = T> + Send) -> PyResult<T> {
        let mut future = Box::pin(future);
        loop {
            let tick = py.detach(|| self.runtime.block_on(async { tokio::time::timeout(TICK, &mut future).await }));
            match tick {
                Ok(done) => return Ok(done),
                Err(_) => py.check_signals()?,
            }
        }
    }

    /// Starts a statement, whose strings become plain ones if asked for. `guard` is kept until its rows are dropped.
    pub(crate) async fn start(
        self: Arc<Self>,
        session: Arc<SqlSession>,
        sql: String,
        run: Run,
        plain_strings: bool,
        guard: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Result<Rows, SqlFailure> {
        let answer = session.start(&sql, &run).await?;
        let plain = plain_schema(&answer.schema).filter(|_| plain_strings);
        let schema = Arc::clone(plain.as_ref().unwrap_or(&answer.schema));
        let (send, parts) = channel(BATCHES_AHEAD);
        let task = self.runtime.spawn(forward(answer, plain, send));
        Ok(Rows { schema, parts, task: Some(Abort(task)), engine: self, _guard: guard })
    }
}

/// A task that is canceled when its handle is dropped.
struct Abort<T>(JoinHandle<Result<T, SqlFailure>>);

impl<T> Future for Abort<T> {
    type Output = Result<T, SqlFailure>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let joined = std::pin::Pin::new(&mut self.0).poll(context);
        // A panic surfaces here.
        joined.map(|done| done.unwrap_or_else(|e| Err(failed(Class::Internal, format!("internal error: {e}")))))
    }
}

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The rows of a running statement. Dropping them cancels it.
pub(crate) struct Rows {
    pub(crate) schema: SchemaRef,
    parts: Receiver<RecordBatch>,
    /// The task that computes the rows and returns how it ended; `None` after the end.
    task: Option<Abort<()>>,
    engine: Arc<Engine>,
    _guard: Option<Arc<dyn Any + Send + Sync>>,
}

impl Rows {
    /// Returns the next batch, or `None` after the last.
    pub(crate) fn next(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let engine = Arc::clone(&self.engine);
        engine.check()?;
        engine.wait(py, self.receive())?.map_err(|e| raise(py, e))
    }

    /// Returns the next batch on a thread that may not call Python.
    pub(crate) fn next_without_python(&mut self) -> Result<Option<RecordBatch>, SqlFailure> {
        let engine = Arc::clone(&self.engine);
        if !engine.is_here() {
            return Err(failed(Class::Request, "the process was forked after this stream was opened".to_owned()));
        }
        engine.runtime.block_on(self.receive())
    }

    async fn receive(&mut self) -> Result<Option<RecordBatch>, SqlFailure> {
        if let Some(batch) = self.parts.recv().await {
            return Ok(Some(batch));
        }
        let Some(task) = &mut self.task else { return Ok(None) };
        let done = task.await;
        self.task = None;
        done.map(|()| None)
    }
}

async fn forward(mut answer: Answer, plain: Option<SchemaRef>, to: Sender<RecordBatch>) -> Result<(), SqlFailure> {
    let schema = Arc::clone(&answer.schema);
    while let Some(batch) = answer.next().await? {
        let batch = match &plain {
            Some(plain) => plain_batch(&batch, plain).map_err(DataFusionError::from)?,
            // The engine's batches may be stricter about nulls than their stream says; consumers compare schemas.
            None if batch.schema_ref() != &schema => with_schema(&batch, &schema).map_err(DataFusionError::from)?,
            None => batch,
        };
        if to.send(batch).await.is_err() {
            return Ok(()); // the reader is gone
        }
    }
    Ok(())
}

fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
}

/// Returns a failure of this class.
pub(crate) fn failed(class: Class, message: String) -> SqlFailure {
    SqlFailure { message, class, position: None }
}
