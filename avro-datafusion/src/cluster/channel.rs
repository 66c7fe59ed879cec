//! Connections to workers: one for each worker, encrypted and with a token where asked for. A worker that no longer
//! answers is an error within seconds, which [`WorkerLost`] names.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::{config_datafusion_err, exec_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, DistributedExt, ExecuteTaskRequest, GetWorkerInfoRequest,
    GetWorkerInfoResponse, SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower_service::Service;
use url::Url;

use super::transport::{CONNECT_TIMEOUT, PING_INTERVAL, PING_TIMEOUT, TlsFiles, Token};

/// The connections of a coordinator, or of a worker to other workers. Clones share them.
#[derive(Clone)]
pub struct Channels(Arc<Shared>);

struct Shared {
    network: Network,
    token: Option<Token>,
    tls: TlsFiles,
    open: Mutex<HashMap<Url, Channel>>,
}

/// A worker that went away, or never answered.
#[derive(Debug)]
pub struct WorkerLost {
    /// The worker.
    pub url: Url,
    cause: String,
}

/// The thread of connections. Queries compute on other threads, so answers to pings never wait for them, and the
/// connections outlive the threads of a canceled query.
struct Network(Option<Runtime>);

impl Channels {
    /// Returns connections with these secrets; none is open yet.
    ///
    /// # Errors
    /// If a certificate cannot be read, or there can be no thread.
    pub fn new(token: Option<Token>, tls: TlsFiles) -> Result<Channels> {
        if tls.ca.is_some() || tls.certificate.is_some() {
            tls.client()?;
        }
        let network = Builder::new_multi_thread().worker_threads(1).thread_name("network").enable_all().build();
        let network = network.map_err(|e| exec_datafusion_err!("cannot start a thread for connections: {e}"))?;
        let network = Network(Some(network));
        Ok(Channels(Arc::new(Shared { network, token, tls, open: Mutex::default() })))
    }

    /// Asks a worker for its version.
    ///
    /// # Errors
    /// If the worker does not answer in time, or rejects the token.
    pub async fn version(&self, url: &Url) -> Result<String> {
        let mut client = self.get_worker_client_for_url(url).await?;
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, client.get_worker_info(GetWorkerInfoRequest {})).await;
        let none = |_| lost(url, format!("no answer in {} seconds", CONNECT_TIMEOUT.as_secs()));
        Ok(answer.map_err(none)??.version)
    }

    /// Makes a session use these connections. Call [`enable_distributed`](super::enable_distributed) after it.
    #[must_use]
    pub fn install(&self, builder: SessionStateBuilder) -> SessionStateBuilder {
        let mut builder = builder.with_distributed_channel_resolver(self.clone());
        builder.config().get_or_insert_default().set_extension(Arc::new(self.clone()));
        builder
    }

    /// Returns the workers to which there are connections.
    pub(super) fn urls(&self) -> Vec<Url> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Asks a worker for a path, with this header, and returns the headers of its answer; `None` if it does not answer.
    pub(super) async fn ask(&self, url: &Url, path: &str, header: (HeaderName, HeaderValue)) -> Option<HeaderMap> {
        let mut channel = Authorized { channel: self.channel(url).ok()?, token: self.0.token.clone() };
        let mut request = Request::post(path).body(Body::empty()).ok()?;
        request.headers_mut().insert(header.0, header.1);
        let answer = async {
            poll_fn(|context| channel.poll_ready(context)).await.ok()?;
            channel.call(request).await.ok()
        };
        Some(tokio::time::timeout(CONNECT_TIMEOUT, answer).await.ok()??.headers().clone())
    }

    fn channel(&self, url: &Url) -> Result<Channel> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let Some(network) = self.0.network.handle() else {
            return Err(exec_datafusion_err!("the connections to workers are closed"));
        };
        let invalid = |e| config_datafusion_err!("worker {}: {}", name(url), text(&e));
        let mut endpoint = Endpoint::from_shared(url.to_string())
            .map_err(invalid)?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .http2_adaptive_window(true)
            .executor(network);
        if url.scheme() == "https" {
            endpoint = endpoint.tls_config(self.0.tls.client()?).map_err(invalid)?;
        }
        // Connects with the first request, and again after a failure.
        let channel = endpoint.connect_lazy();
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let channel = Authorized { channel: self.channel(url)?, token: self.0.token.clone() };
        let client = create_worker_client(BoxCloneSyncChannel::new(channel));
        Ok(Box::new(NamedWorker { url: url.clone(), client }))
    }
}

impl Network {
    fn handle(&self) -> Option<OnNetwork> {
        Some(OnNetwork(self.0.as_ref()?.handle().clone()))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Dropping a runtime waits for its tasks, which an async context may not do.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs the tasks of a connection on the network's thread.
#[derive(Clone)]
struct OnNetwork(Handle);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for OnNetwork {
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// A channel whose requests carry the token.
#[derive(Clone)]
struct Authorized {
    channel: Channel,
    token: Option<Token>,
}

impl Service<Request<Body>> for Authorized {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        }
        self.channel.call(request)
    }
}

/// A worker's client whose errors name the worker.
struct NamedWorker {
    url: Url,
    client: Box<dyn WorkerChannel>,
}

impl NamedWorker {
    fn explain(&self) -> impl Fn(DataFusionError) -> DataFusionError + Send + 'static + use<> {
        let url = self.url.clone();
        move |e| explain(&url, e)
    }
}

#[async_trait]
impl WorkerChannel for NamedWorker {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        plan: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        task: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let explain = self.explain();
        let answers = self.client.coordinator_channel(headers, plan, messages, metrics, task).await;
        match answers {
            Ok(answers) => Ok(answers.map(move |answer| answer.map_err(&explain)).boxed()),
            Err(e) => Err(explain(e)),
        }
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        task: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let streams = self.client.execute_task(headers, request, metrics, task).await;
        let named = |rows: BoxStream<'static, Result<RecordBatch>>| {
            let explain = self.explain();
            rows.map(move |batch| batch.map_err(&explain)).boxed()
        };
        Ok(streams.map_err(self.explain())?.into_iter().map(named).collect())
    }

    async fn get_worker_info(&mut self, request: GetWorkerInfoRequest) -> Result<GetWorkerInfoResponse> {
        self.client.get_worker_info(request).await.map_err(self.explain())
    }
}

/// Names the worker in an error of its connection, and in errors of its machine. Errors of the query stay as they are:
/// they are the same on every machine.
fn explain(url: &Url, e: DataFusionError) -> DataFusionError {
    let of_connection = match &e {
        DataFusionError::External(inner) => causes(&**inner).find_map(|e| e.downcast_ref::<Status>()),
        _ => None,
    };
    if let Some(status) = of_connection {
        return match status.code() {
            Code::Unauthenticated => exec_datafusion_err!(
                "worker {}: the token is wrong or missing; give coordinator and workers the same --token-file",
                name(url)
            ),
            Code::Unimplemented => exec_datafusion_err!("worker {}: not a worker of avro-sql", name(url)),
            _ => lost(url, reason(status)),
        };
    }
    let is_of_machine = matches!(
        e.find_root(),
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) | DataFusionError::ResourcesExhausted(_)
    );
    let text = e.to_string();
    match is_of_machine && !text.contains("worker http") {
        true => named(url, e),
        false => e,
    }
}

/// Puts the worker's name before the message. Out-of-memory errors keep their kind, as callers treat them apart.
fn named(url: &Url, e: DataFusionError) -> DataFusionError {
    let text = |e: &dyn fmt::Display| format!("worker {}: {e}", name(url));
    match e.find_root() {
        DataFusionError::ResourcesExhausted(what) => DataFusionError::ResourcesExhausted(text(what)),
        DataFusionError::IoError(e) => exec_datafusion_err!("{}", text(e)),
        DataFusionError::ObjectStore(e) => exec_datafusion_err!("{}", text(e)),
        other => exec_datafusion_err!("{}", text(other)),
    }
}

/// Returns the error of a worker that went away.
pub(super) fn lost(url: &Url, cause: String) -> DataFusionError {
    DataFusionError::External(Box::new(WorkerLost { url: url.clone(), cause }))
}

impl WorkerLost {
    /// The words of every such error. They are how an error that another worker reports is recognized: only its text
    /// travels.
    const WORDS: &'static str = "lost the connection to worker ";

    /// Returns the worker that this error says went away.
    #[must_use]
    pub fn of(e: &DataFusionError) -> Option<&WorkerLost> {
        match e {
            DataFusionError::External(inner) => inner.downcast_ref(),
            _ => None,
        }
    }

    /// Returns why, in words.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// Whether a message is of a worker that went away, also if another worker reports it.
    #[must_use]
    pub fn is_in(message: &str) -> bool {
        // The second is what a worker says that waited for a plan from a coordinator which could not send it.
        message.contains(Self::WORDS) || message.contains("timed-out while waiting for the plan")
    }
}

impl fmt::Display for WorkerLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", Self::WORDS, name(&self.url), self.cause)
    }
}

impl Error for WorkerLost {}

/// Returns the worker's URL as it is written in options, without the final slash.
#[must_use]
pub fn name(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Returns the innermost cause of a status: `tonic` and `hyper` wrap it several times.
fn reason(status: &Status) -> String {
    match Error::source(status) {
        Some(source) => innermost(source),
        None => status.message().to_owned(),
    }
}

/// Returns an error and its causes.
fn causes<'a>(e: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(e), |e| (*e).source())
}

fn innermost(e: &(dyn Error + 'static)) -> String {
    let last = causes(e).last().map(ToString::to_string).unwrap_or_default();
    match last.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => last,
    }
}

fn text(e: &tonic::transport::Error) -> String {
    innermost(e)
}

/// A pinned, boxed future.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
