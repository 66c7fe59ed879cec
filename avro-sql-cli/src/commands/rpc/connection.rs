//! The client's connection: requests out and replies in, over HTTP or a stream of bytes.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use avro_arrow::Limits;
use avro_arrow::protocol::{Call, Client, FrameDecoder, Response, Transport, write_frames};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::{RpcTask, TIMEOUT};
use crate::error::{Error, Result};

/// Media type of requests and replies over HTTP.
// SPEC: HTTP as Transport: "The Content-Type header should be specified as avro/binary".
pub(super) const MEDIA_TYPE: &str = "avro/binary";

/// Bytes read from a stream at a time.
const READ_BYTES: usize = 16 << 10;

/// A connection to a server.
pub(super) struct Connection {
    endpoint: Endpoint,
    name: String,
    timeout: Duration,
    limits: Limits,
}

enum Endpoint {
    Http(reqwest::Client, Url),
    Stream(TcpStream),
}

/// Returns a URL without the parts that may be secret.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails for URLs that have no user.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.to_string()
}

impl Connection {
    /// Connects to the server of a task.
    pub(super) async fn open(task: &RpcTask, limits: &Limits) -> Result<Connection> {
        let (name, timeout) = (shown(&task.url), task.timeout.unwrap_or(TIMEOUT));
        let endpoint = match task.url.scheme() {
            "tcp" => {
                let address = (task.url.host_str().unwrap_or_default(), task.url.port().unwrap_or_default());
                let connecting = within(timeout, TcpStream::connect(address)).await;
                let stream = connecting.map_err(|e| e.with_context(&format!("{name}: cannot connect")))?;
                stream.set_nodelay(true)?;
                Endpoint::Stream(stream)
            }
            _ => {
                let mut builder = reqwest::Client::builder().redirect(Policy::none()).timeout(timeout);
                if let Some(authority) = task.tls.authority()? {
                    builder = builder.tls_built_in_root_certs(false);
                    builder = authority.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
                }
                let client = builder.build().map_err(|e| Error::Failed(format!("{name}: {}", reason(&e))))?;
                Endpoint::Http(client, task.url.clone())
            }
        };
        Ok(Connection { endpoint, name, timeout, limits: limits.clone() })
    }

    /// Returns the server's URL for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the connection remembers its handshake.
    pub(super) fn transport(&self) -> Transport {
        match self.endpoint {
            Endpoint::Http(..) => Transport::Stateless,
            Endpoint::Stream(_) => Transport::Stateful,
        }
    }

    /// Returns the error of a reply.
    pub(super) fn failed(&self, e: &avro_arrow::Error) -> Error {
        Error::Failed(format!("{}: {e}", self.name))
    }

    /// Makes a call.
    pub(super) async fn call(&mut self, client: &mut Client, call: &Call) -> Result<Response> {
        loop {
            let expects_reply = client.expects_reply(call);
            let request = client.request(call).map_err(|e| self.failed(&e))?;
            let Some(reply) = self.exchange(&request, expects_reply).await? else { return Ok(Response::Empty) };
            if let Some(response) = client.reply(call, &reply).map_err(|e| self.failed(&e))? {
                return Ok(response);
            }
        }
    }

    /// Sends a request and returns the reply, if there will be one.
    pub(super) async fn exchange(&mut self, request: &[u8], expects_reply: bool) -> Result<Option<Vec<u8>>> {
        let mut frames = Vec::new();
        write_frames(request, &mut frames);
        let mut decoder = FrameDecoder::new(&self.limits);
        let reply = match &mut self.endpoint {
            Endpoint::Http(client, url) => post(client, url.clone(), frames, &mut decoder).await.map(Some),
            Endpoint::Stream(stream) => {
                within(self.timeout, async {
                    stream.write_all(&frames).await?;
                    stream.flush().await?;
                    if !expects_reply {
                        return Ok(None);
                    }
                    match read(stream, &mut decoder).await? {
                        None => Err(Error::Failed("the server closed the connection without an answer".to_owned())),
                        reply => Ok(reply),
                    }
                })
                .await
            }
        };
        reply.map_err(|e| e.with_context(&self.name))
    }
}

/// Posts frames and returns the message in the answer.
async fn post(client: &reqwest::Client, url: Url, frames: Vec<u8>, decoder: &mut FrameDecoder) -> Result<Vec<u8>> {
    let failed = |e: reqwest::Error| {
        let what = match () {
            () if e.is_timeout() => "no answer in time; use a longer --timeout".to_owned(),
            () if e.is_connect() => format!("cannot connect: {}", reason(&e)),
            () => reason(&e),
        };
        Error::Failed(what)
    };
    let sent = client.post(url).header(CONTENT_TYPE, MEDIA_TYPE).body(frames).send().await;
    let mut answer = sent.map_err(failed)?;
    if answer.status() != StatusCode::OK {
        return Err(Error::Failed(format!(
            "the server answered HTTP {}; is this an Avro RPC server?",
            answer.status()
        )));
    }
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(MEDIA_TYPE);
    if media_type.starts_with("text/") {
        return Err(Error::Failed(format!(
            "the answer is {media_type}, not {MEDIA_TYPE}; is this an Avro RPC server?"
        )));
    }
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if let Some(message) = decoder.feed(&mut chunk.as_ref())? {
            return Ok(message);
        }
    }
    Err(Error::Failed("the answer ends inside a message".to_owned()))
}

/// Reads the next message of a stream; `None` if the stream ends before it.
pub(super) async fn read(stream: &mut TcpStream, decoder: &mut FrameDecoder) -> Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return match decoder.is_empty() {
                true => Ok(None),
                false => Err(Error::Failed("the connection ends inside a message".to_owned())),
            };
        }
        // One request is answered before the next is sent, so nothing follows a message.
        if let Some(message) = decoder.feed(&mut buffer.get(..n).unwrap_or_default())? {
            return Ok(Some(message));
        }
    }
}

/// Waits for `work`, but not longer than this.
async fn within<T, E: Into<Error>>(timeout: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T> {
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Error::Failed("no answer in time; use a longer --timeout".to_owned())),
    }
}

/// Returns the innermost cause of an error, without Rust's number of it.
fn reason(e: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = e;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = if e.source().is_none() { "the request failed".to_owned() } else { cause.to_string() };
    text.split(" (os error ").next().unwrap_or(&text).to_owned()
}
