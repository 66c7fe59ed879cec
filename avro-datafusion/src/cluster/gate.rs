//! What stands before a worker's service: checks the token, refuses new work while the worker drains, counts, says how
//! far queries are, and moves the work to the threads of queries.
//!
//! It also closes a hole. A task that panics drops its end of a queue, and the reader of the queue takes that for the
//! end of the rows. So an answer that ends after a panic in the process ends as an error.

use std::convert::Infallible;
use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tonic::Status;
use tonic::body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::channel::Boxed;
use super::progress::{self, RunningQueries};
use super::settings::query_id;
use super::transport::Token;

/// The method by which a coordinator sends a task. It lasts as long as the query.
const TASK: &str = "/worker.WorkerService/CoordinatorChannel";

/// The method by which rows are read.
const ROWS: &str = "/worker.WorkerService/ExecuteTask";

/// Panics of this process. Each may have cut an answer short.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts panics from now on, besides what the process does about them already.
pub(super) fn count_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
}

/// What a worker has done since it started, and does now.
#[derive(Debug, Default)]
pub struct WorkerCounts {
    /// Tasks that run, or wait for their coordinator to end the query.
    pub tasks_running: AtomicU64,
    /// Tasks that were accepted.
    pub tasks: AtomicU64,
    /// Requests that were refused: a wrong token, or a task while the worker drained.
    pub refused: AtomicU64,
    /// Bytes of rows sent, as they cross the network before TLS.
    pub bytes_sent: AtomicU64,
    /// Answers that ended with an error.
    pub failures: AtomicU64,
    draining: AtomicBool,
    idle: Notify,
}

impl WorkerCounts {
    /// Whether the worker accepts no more tasks.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Refuses tasks from now on, and completes when none runs.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        loop {
            let idle = self.idle.notified();
            if self.tasks_running.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// Puts a [`Gate`] before a service.
#[derive(Clone)]
pub(super) struct GateLayer {
    pub(super) token: Option<Token>,
    pub(super) counts: Arc<WorkerCounts>,
    pub(super) queries: Arc<RunningQueries>,
    /// The threads that compute.
    pub(super) threads: Handle,
    pub(super) log: Log,
}

/// Takes lines about tasks.
pub(super) type Log = Arc<dyn Fn(&str) + Send + Sync>;

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, service: S) -> Gate<S> {
        Gate { service, gate: self.clone() }
    }
}

/// A service behind its checks.
#[derive(Clone)]
pub(super) struct Gate<S> {
    service: S,
    gate: GateLayer,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let GateLayer { token, counts, queries, threads, log } = &self.gate;
        let path = request.uri().path();
        let (is_task, is_rows) = (path == TASK, path == ROWS);
        let refusal = if token.as_ref().is_some_and(|token| !token.is(request.headers().get(AUTHORIZATION))) {
            Some(Status::unauthenticated("the token is wrong or missing"))
        } else if is_task && counts.is_draining() {
            Some(Status::unavailable("the worker shuts down"))
        } else {
            None
        };
        if let Some(status) = refusal {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            return Box::pin(async move { Ok(status.into_http()) });
        }
        if path == progress::PATH {
            let scans = queries.scans(query_id(request.headers()));
            let mut answer = Status::ok("").into_http();
            progress::write(scans.map(|scans| scans.progress()).unwrap_or_default(), answer.headers_mut());
            return Box::pin(async move { Ok(answer) });
        }
        let running = is_task.then(|| RunningTask::start(counts, queries, log, &request));
        let panics = PANICS.load(Ordering::SeqCst);
        let counts = Arc::clone(counts);
        // The service that is ready is this one, not its clone.
        let next = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, next);
        let answer = threads.spawn(async move { service.call(request).await });
        Box::pin(async move {
            let Ok(Ok(answer)) = answer.await else {
                return Ok(Status::internal("the worker failed; its log has the reason").into_http());
            };
            let of = |body| Body::new(Answer { body, panics, is_rows, counts, _running: running });
            Ok(answer.map(of))
        })
    }
}

/// A task while it runs.
struct RunningTask {
    counts: Arc<WorkerCounts>,
    queries: Arc<RunningQueries>,
    log: Log,
    query: String,
    start: Instant,
}

impl RunningTask {
    fn start(
        counts: &Arc<WorkerCounts>,
        queries: &Arc<RunningQueries>,
        log: &Log,
        request: &Request<Body>,
    ) -> RunningTask {
        counts.tasks_running.fetch_add(1, Ordering::SeqCst);
        counts.tasks.fetch_add(1, Ordering::Relaxed);
        let query = query_id(request.headers()).to_owned();
        log(&format!("query {query}: a task starts"));
        queries.start_task(&query);
        let (counts, queries, log) = (Arc::clone(counts), Arc::clone(queries), Arc::clone(log));
        RunningTask { counts, queries, log, query, start: Instant::now() }
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.queries.end_task(&self.query);
        (self.log)(&format!("query {}: a task ended after {:.3} s", self.query, self.start.elapsed().as_secs_f64()));
        if self.counts.tasks_running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.counts.idle.notify_waiters();
        }
    }
}

/// The body of an answer: counts it, and turns its end into an error if something panicked since it began.
struct Answer {
    body: Body,
    panics: u64,
    is_rows: bool,
    counts: Arc<WorkerCounts>,
    _running: Option<RunningTask>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        if let Some(data) = frame.data_ref()
            && self.is_rows
        {
            self.counts.bytes_sent.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(match frame.into_trailers() {
            Ok(mut trailers) => {
                if PANICS.load(Ordering::SeqCst) != self.panics {
                    let panicked = Status::internal("the worker panicked; its log has the reason");
                    trailers.clear();
                    let _ = panicked.add_header(&mut trailers);
                }
                if trailers.get("grpc-status") != Some(&HeaderValue::from_static("0")) {
                    self.counts.failures.fetch_add(1, Ordering::Relaxed);
                }
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;

    use super::*;

    /// Returns the status with which an answer ends.
    fn end(panics: u64) -> String {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let inner = Trailers(Some(trailers));
        let counts = Arc::new(WorkerCounts::default());
        let mut answer = Answer { body: Body::new(inner), panics, is_rows: true, counts, _running: None };
        let frame = futures::executor::block_on(poll_fn(|context| Pin::new(&mut answer).poll_frame(context)));
        let trailers = frame.unwrap().unwrap().into_trailers().unwrap();
        trailers.get("grpc-status").unwrap().to_str().unwrap().to_owned()
    }

    struct Trailers(Option<http::HeaderMap>);

    impl http_body::Body for Trailers {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.take().map(|trailers| Ok(Frame::trailers(trailers))))
        }
    }

    #[test]
    fn answer_after_a_panic_ends_as_an_error() {
        count_panics();
        let before = PANICS.load(Ordering::SeqCst);
        assert_eq!(end(before), "0");
        let _ = std::thread::spawn(|| panic!("as planned")).join();
        assert_ne!(PANICS.load(Ordering::SeqCst), before);
        assert_eq!(end(before), "13");
    }
}
