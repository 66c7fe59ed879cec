//! A worker process: runs the tasks that coordinators send, and streams their rows to coordinators and other workers.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;

use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion_distributed::{DistributedExt, Worker, WorkerQueryContext};
use tokio::runtime::Handle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::channel::Channels;
use super::gate::{self, GateLayer, Log, WorkerCounts};
use super::progress::RunningQueries;
use super::settings::query_id;
use super::transport::{PING_INTERVAL, PING_TIMEOUT, TlsFiles, Token};

/// Bytes that a worker sends ahead of their reader: with the protocol's 64 KiB, a fast network waits for windows.
const WINDOW_BYTES: u32 = 1 << 20;

/// Changes the session of a task.
type Prepare = Arc<dyn Fn(&mut SessionState) -> Result<()> + Send + Sync>;

/// A worker before it listens.
pub struct ClusterWorker {
    runtime: Arc<RuntimeEnv>,
    threads: Handle,
    version: String,
    token: Option<Token>,
    tls: TlsFiles,
    counts: Arc<WorkerCounts>,
    log: Log,
    prepare: Prepare,
}

impl ClusterWorker {
    /// Returns a worker that computes on these threads and reads files with this environment. Coordinators use it only
    /// if its version equals theirs.
    #[must_use]
    pub fn new(runtime: Arc<RuntimeEnv>, threads: Handle, version: impl Into<String>) -> Self {
        ClusterWorker {
            runtime,
            threads,
            version: version.into(),
            token: None,
            tls: TlsFiles::default(),
            counts: Arc::default(),
            log: Arc::new(|_| {}),
            prepare: Arc::new(|_| Ok(())),
        }
    }

    /// Accepts only requests with this token, and sends it to other workers.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// Encrypts connections if there is a certificate, and says which certificates of other workers are trusted.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsFiles) -> Self {
        self.tls = tls;
        self
    }

    /// Takes a line when a task starts or ends.
    #[must_use]
    pub fn with_log(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.log = Arc::new(log);
        self
    }

    /// Changes the session of each task before its plan is decoded, such as to register a program's own functions.
    #[must_use]
    pub fn with_session(mut self, prepare: impl Fn(&mut SessionState) -> Result<()> + Send + Sync + 'static) -> Self {
        self.prepare = Arc::new(prepare);
        self
    }

    /// Returns what the worker counts; the counts change while it runs.
    #[must_use]
    pub fn counts(&self) -> Arc<WorkerCounts> {
        Arc::clone(&self.counts)
    }

    /// Runs the worker until `stop` completes and its tasks have ended. The listener stays open meanwhile: queries that
    /// run may still open connections, and only new tasks are refused. Must run in another runtime than the tasks.
    ///
    /// # Errors
    /// If a certificate cannot be read, or the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<()> {
        gate::count_panics();
        let failed = |e: tonic::transport::Error| exec_datafusion_err!("the worker cannot listen: {e}");
        let channels = Channels::new(self.token.clone(), self.tls.clone())?;
        let (prepare, queries) = (self.prepare, Arc::new(RunningQueries::default()));
        let running = Arc::clone(&queries);
        let session = move |query: WorkerQueryContext| {
            let (channels, prepare) = (channels.clone(), Arc::clone(&prepare));
            let scans = running.scans(query_id(&query.headers));
            async move {
                let WorkerQueryContext { builder, headers } = query;
                let mut builder = builder.with_distributed_channel_resolver(channels);
                if let Some(scans) = scans {
                    builder.config().get_or_insert_default().set_extension(scans);
                }
                let mut state = super::worker_session(WorkerQueryContext { builder, headers })?;
                prepare(&mut state)?;
                Ok(state)
            }
        };
        let worker = Worker::from_session_builder(session).with_runtime_env(self.runtime).with_version(self.version);
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(PING_INTERVAL))
            .http2_keepalive_timeout(Some(PING_TIMEOUT))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES)
            .tcp_nodelay(true);
        if let Some(tls) = self.tls.server()? {
            server = server.tls_config(tls).map_err(failed)?;
        }
        let counts = Arc::clone(&self.counts);
        let gate = GateLayer { token: self.token, counts: self.counts, queries, threads: self.threads, log: self.log };
        listener.set_nonblocking(true)?;
        let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
        let stop = async move {
            stop.await;
            counts.drain().await;
        };
        let router = server.layer(gate).add_service(worker.into_worker_server());
        router.serve_with_incoming_shutdown(incoming, stop).await.map_err(failed)
    }
}
