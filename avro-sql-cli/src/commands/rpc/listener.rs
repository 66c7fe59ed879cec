//! The server of `rpc receive`: answers handshakes until the message comes, answers it, and stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avro_arrow::Limits;
use avro_arrow::json::Form;
use avro_arrow::protocol::{FrameDecoder, IncomingCall, Received, Server, Session, write_frames};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{MEDIA_TYPE, read, shown};
use super::payload::CheckedAnswer;
use super::{RpcMessage, RpcTask, write};
use crate::error::{Error, Result, print_note};

/// How long a client may take for a request, or to take its answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connections may take to end after the message was answered.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of connections at a time.
const CONNECTIONS_MAX: usize = 64;

/// What all connections share.
struct Responder {
    server: Mutex<Server>,
    /// The message that is expected, its answer and the form of its JSON.
    name: String,
    answer: CheckedAnswer,
    form: Form,
    limits: Limits,
    path: String,
    received: watch::Sender<FirstMessage>,
}

/// The message that came, as JSON, or why another one is an error.
type FirstMessage = Option<Result<String, String>>;

/// Waits until a message has come.
async fn finished(done: &mut watch::Receiver<FirstMessage>) {
    // The value is locked while it is borrowed.
    let _ = done.wait_for(Option::is_some).await;
}

/// Waits for a message, answers it, and returns its name and its parameters as JSON.
pub(super) async fn receive(task: &RpcTask, expected: &RpcMessage, limits: &Limits) -> Result<(String, String)> {
    let (protocol, message) = expected.declared(limits)?;
    let answer = expected.payload.answer(&message, expected.form, limits)?;
    let tls = if task.url.scheme() == "https" { Some(task.tls.acceptor()?) } else { None };
    let (listener, address) = listen(task).await?;
    let (received, mut done) = watch::channel(None);
    let responder = Arc::new(Responder {
        server: Mutex::new(Server::new(&protocol, limits)),
        name: expected.name.clone(),
        answer,
        form: expected.form,
        limits: limits.clone(),
        path: task.url.path().to_owned(),
        received,
    });
    // As avro-tools prints it.
    write(format!("Port: {}\n", address.port()).as_bytes())?;
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            tokio::select! {
                // Fails if a client is gone again, or if the process has too many files open.
                accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        let is_stream = task.url.scheme() == "tcp";
                        connections.spawn(serve(Arc::clone(&responder), stream, tls.clone(), is_stream));
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                _ = connections.join_next(), if !connections.is_empty() => {}
                () = finished(&mut done) => break,
            }
        }
    };
    match task.timeout {
        None => accepting.await,
        Some(limit) => timeout(limit, accepting).await.map_err(|_| {
            Error::Failed(format!("{}: no message `{}` came within the --timeout", shown(&task.url), expected.name))
        })?,
    }
    // The answer is on its way.
    let _ = timeout(CLOSE_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await;
    let received = responder.received.borrow().clone();
    match received {
        Some(Ok(text)) => Ok((expected.name.clone(), text)),
        Some(Err(what)) => Err(Error::Failed(what)),
        None => Err(Error::Interrupted),
    }
}

async fn listen(task: &RpcTask) -> Result<(TcpListener, SocketAddr)> {
    let (host, port) = (task.url.host_str().unwrap_or_default(), task.url.port_or_known_default().unwrap_or_default());
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let bound: io::Result<_> = async {
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
    .await;
    bound.map_err(|e| Error::from(e).with_context(&format!("cannot listen on {}", shown(&task.url))))
}

/// Serves one connection until its client is done, or the message was answered.
async fn serve(responder: Arc<Responder>, mut stream: TcpStream, tls: Option<TlsAcceptor>, is_stream: bool) {
    let _ = stream.set_nodelay(true);
    if is_stream {
        if let Err(e) = responder.frames(&mut stream).await {
            print_note(&format!("avro-sql: dropped a connection: {e}"));
        }
    } else if let Some(tls) = tls {
        // Clients that do not trust the certificate end here.
        match timeout(CLIENT_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => responder.http(stream).await,
            Ok(Err(e)) => print_note(&format!("avro-sql: dropped a connection: {e}")),
            Err(_) => {}
        }
    } else {
        responder.http(stream).await;
    }
}

impl Responder {
    /// Returns the reply to a request, or `None` if the client expects none.
    fn reply(&self, session: &mut Session, request: &[u8]) -> avro_arrow::Result<Option<Vec<u8>>> {
        let mut server = self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match server.receive(session, request)? {
            Received::Call(call) => self.answer(&call),
            Received::Invalid { error, reply } => {
                print_note(&format!("avro-sql: rejected a call: {error}"));
                Ok(Some(reply))
            }
            Received::Reply(reply) => Ok(Some(reply)),
            _ => Ok(None),
        }
    }

    fn answer(&self, call: &IncomingCall) -> avro_arrow::Result<Option<Vec<u8>>> {
        let name = &call.message().name;
        if *name != self.name {
            let what = format!("expected the message `{}`, but received `{}`", self.name, name.escape_debug());
            let reply = call.fail(&what);
            self.finish(Err(what));
            return Ok(reply);
        }
        match call.parameters().json(self.form) {
            Ok(text) => {
                let reply = self.answer.reply(call, self.form)?;
                self.finish(Ok(text));
                Ok(reply)
            }
            Err(error) => {
                print_note(&format!("avro-sql: rejected a call: {error}"));
                Ok(call.fail(&error.to_string()))
            }
        }
    }

    /// Records the first message.
    fn finish(&self, received: Result<String, String>) {
        self.received.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(received);
            is_first
        });
    }

    /// Answers the requests of a stream of bytes.
    async fn frames(&self, stream: &mut TcpStream) -> Result<()> {
        let (mut session, mut done) = (Session::stateful(), self.received.subscribe());
        loop {
            let mut decoder = FrameDecoder::new(&self.limits);
            let request = tokio::select! {
                request = timeout(CLIENT_TIMEOUT, read(stream, &mut decoder)) => request,
                () = finished(&mut done) => return Ok(()),
            };
            let request = request.map_err(|_| Error::Failed("the client sent no request in time".to_owned()))?;
            let Some(request) = request? else { return Ok(()) };
            if let Some(reply) = self.reply(&mut session, &request)? {
                let mut frames = Vec::new();
                write_frames(&reply, &mut frames);
                let sent = timeout(CLIENT_TIMEOUT, stream.write_all(&frames)).await;
                sent.map_err(|_| Error::Failed("the client did not take its answer in time".to_owned()))??;
            }
        }
    }

    /// Answers the requests of an HTTP connection.
    async fn http(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut done = self.received.subscribe();
        let service = service_fn(|request| {
            let responder = Arc::clone(&self);
            async move { Ok::<_, Infallible>(responder.respond(request).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(CLIENT_TIMEOUT);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            // A client that breaks off has no answer to get.
            _ = connection.as_mut() => {}
            () = finished(&mut done) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(CLOSE_TIMEOUT, connection).await;
            }
        }
    }

    // SPEC: HTTP as Transport: requests are POSTs, and "each HTTP response and request body is a framed message".
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if self.path != "/" && request.uri().path() != self.path {
            return text(StatusCode::NOT_FOUND, format!("the path is {}", self.path));
        }
        if request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "this is an Avro RPC server; use POST");
        }
        let message = match timeout(CLIENT_TIMEOUT, body(request.into_body(), &self.limits)).await {
            Ok(Ok(message)) => message,
            Ok(Err(e)) => return text(StatusCode::BAD_REQUEST, e.to_string()),
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"),
        };
        match self.reply(&mut Session::stateless(), &message) {
            Ok(reply) => {
                let mut frames = Vec::new();
                write_frames(&reply.unwrap_or_default(), &mut frames);
                response(StatusCode::OK, MEDIA_TYPE, frames)
            }
            Err(e) => {
                print_note(&format!("avro-sql: rejected a request: {e}"));
                text(StatusCode::BAD_REQUEST, e.to_string())
            }
        }
    }
}

/// Reads the message in the body of a request.
async fn body(mut body: Incoming, limits: &Limits) -> Result<Vec<u8>> {
    let mut decoder = FrameDecoder::new(limits);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Error::Failed(format!("the request breaks off: {e}")))?;
        if let Some(data) = frame.data_ref()
            && let Some(message) = decoder.feed(&mut data.as_ref())?
        {
            return Ok(message);
        }
    }
    Err(Error::Failed("the body is not a whole message in Avro's framing".to_owned()))
}

fn text(status: StatusCode, what: impl Into<String>) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", format!("{}\n", what.into()).into_bytes())
}

fn response(status: StatusCode, media_type: &'static str, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
