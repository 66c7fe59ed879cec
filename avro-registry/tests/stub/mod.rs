//! An HTTP server on the loopback interface in front of a registry in memory. It records requests, checks credentials
//! and injects faults.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod registry;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use registry::{Parts, Registry};
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A running server. It ends with its runtime.
pub struct Stub {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    registry: Mutex<Registry>,
    log: Mutex<Vec<Logged>>,
    faults: Mutex<VecDeque<(String, Fault)>>,
    auth: Mutex<Auth>,
    /// Number of tokens that were given out.
    tokens: Mutex<usize>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub method: String,
    /// With its query.
    pub path: String,
    pub authorization: Option<String>,
    pub cluster: Option<String>,
}

/// What the server asks for.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    #[default]
    None,
    /// This value of the header.
    Header(String),
    /// The newest token of `/oauth/token`, whose lifetime in seconds is this.
    Token(f64),
}

/// An injected fault.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A status without a registry's message, and the header `Retry-After`.
    Status(u16, Option<&'static str>),
    /// This answer.
    Answer(u16, String),
    /// The connection is closed without an answer.
    Close,
    /// The answer takes its time.
    Delay(Duration),
    /// A redirect to another address.
    Redirect(u16, String),
    /// An answer of this many bytes, without its length before.
    Endless(usize),
}

pub const CLIENT: (&str, &str) = ("client", "client secret");

impl Stub {
    pub async fn start() -> Stub {
        Stub::listen("http", |socket| std::future::ready(Some(socket))).await
    }

    /// Serves connections that `wrap` has wrapped, with TLS for example.
    pub async fn listen<S, W, F>(scheme: &str, wrap: W) -> Stub
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        W: Fn(TcpStream) -> F + Clone + Send + 'static,
        F: Future<Output = Option<S>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (state, wrap) = (Arc::clone(&serving), wrap.clone());
                tokio::spawn(async move {
                    if let Some(socket) = wrap(socket).await {
                        serve(socket, state).await;
                    }
                });
            }
        });
        Stub { url: format!("{scheme}://{address}"), state }
    }

    /// Registers a schema, as if a client did; references are names, subjects and versions.
    pub fn register(&self, subject: &str, schema: &str, references: &[(&str, &str, u32)]) -> u64 {
        let references: Vec<Json> = references
            .iter()
            .map(|(name, subject, version)| json!({ "name": name, "subject": subject, "version": version }))
            .collect();
        self.add(subject, json!({ "schema": schema, "references": references }))
    }

    /// Registers a schema with the body of a request.
    pub fn add(&self, subject: &str, body: Json) -> u64 {
        let path = vec!["subjects".to_owned(), subject.to_owned(), "versions".to_owned()];
        let request = Parts { method: "POST", path, query: vec![], body };
        let (status, answer) = self.state.registry.lock().unwrap().confluent(&request);
        assert_eq!(status, 200, "{answer}");
        answer["id"].as_u64().unwrap()
    }

    /// Makes answers to registrations those of an old registry.
    pub fn grow_old(&self) {
        self.state.registry.lock().unwrap().is_old = true;
    }

    /// The next request whose path starts so gets this fault; faults of one path wait for each other.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.state.faults.lock().unwrap().push_back((path.to_owned(), fault));
    }

    pub fn ask_for(&self, auth: Auth) {
        *self.state.auth.lock().unwrap() = auth;
    }

    /// Makes all tokens that were given out invalid.
    pub fn revoke_tokens(&self) {
        *self.state.tokens.lock().unwrap() += 100;
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<Logged> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }

    /// The paths of the requests since the last call.
    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|logged| logged.path).collect()
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

type Answer = Response<Full<Bytes>>;

fn respond(status: u16, body: impl Into<Bytes>) -> Result<Answer, std::io::Error> {
    Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap())
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    let method = request.method().to_string();
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (authorization, cluster) = (header(AUTHORIZATION.as_str()), header("target-sr-cluster"));
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let logged = Logged { method: method.clone(), path: path.clone(), authorization: authorization.clone(), cluster };
    state.log.lock().unwrap().push(logged);
    let fault = {
        let mut faults = state.faults.lock().unwrap();
        let next = faults.iter().position(|(prefix, _)| path.starts_with(prefix.as_str()));
        next.and_then(|index| faults.remove(index)).map(|(_, fault)| fault)
    };
    match fault {
        Some(Fault::Status(status, retry_after)) => {
            let mut answer = respond(status, "")?;
            if let Some(value) = retry_after {
                answer.headers_mut().insert(RETRY_AFTER, value.parse().unwrap());
            }
            return Ok(answer);
        }
        Some(Fault::Answer(status, text)) => return respond(status, text),
        Some(Fault::Close) => return Err(std::io::Error::other("closed by the test")),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Redirect(status, to)) => {
            let mut answer = respond(status, "")?;
            answer.headers_mut().insert(LOCATION, to.parse().unwrap());
            return Ok(answer);
        }
        Some(Fault::Endless(bytes)) => return respond(200, vec![b' '; bytes]),
        None => {}
    }
    if path == "/oauth/token" {
        return token(&state, authorization.as_deref(), &body);
    }
    let wanted = match &*state.auth.lock().unwrap() {
        Auth::None => None,
        Auth::Header(value) => Some(value.clone()),
        Auth::Token(_) => Some(format!("Bearer token-{}", state.tokens.lock().unwrap())),
    };
    if wanted.is_some() && wanted != authorization {
        let echo = authorization.unwrap_or_default();
        return respond(401, json!({ "error_code": 401, "message": format!("Unauthorized: {echo}") }).to_string());
    }
    registry_answer(&state, &method, &path, &body)
}

fn registry_answer(state: &State, method: &str, path: &str, body: &[u8]) -> Result<Answer, std::io::Error> {
    let url = url::Url::parse(&format!("http://stub{path}")).unwrap();
    let decode = |part: &str| {
        let part = part.replace('+', "%2B");
        url::form_urlencoded::parse(part.as_bytes()).next().unwrap_or_default().0.into_owned()
    };
    let mut parts: Vec<String> = url.path_segments().unwrap().map(decode).collect();
    let mut apicurio = None;
    if parts.first().is_some_and(|part| part == "apis") && parts.len() > 3 {
        apicurio = match (parts[1].as_str(), parts[2].as_str()) {
            ("registry", "v2") => Some(2),
            ("registry", "v3") => Some(3),
            _ => None,
        };
        parts.drain(..3);
    }
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let request = Parts { method, path: parts, query, body: serde_json::from_slice(body).unwrap_or_default() };
    let mut registry = state.registry.lock().unwrap();
    match apicurio {
        Some(version) => {
            let (status, text) = registry.apicurio(version, &request);
            respond(status, text)
        }
        None => {
            let (status, json) = registry.confluent(&request);
            respond(status, json.to_string())
        }
    }
}

fn token(state: &State, authorization: Option<&str>, body: &[u8]) -> Result<Answer, std::io::Error> {
    // `client:client%20secret` in Base64.
    if authorization != Some("Basic Y2xpZW50OmNsaWVudCUyMHNlY3JldA==") {
        return respond(401, r#"{"error": "invalid_client", "error_description": "client secret"}"#);
    }
    if !body.starts_with(b"grant_type=client_credentials") {
        return respond(400, r#"{"error": "unsupported_grant_type"}"#);
    }
    let lifetime = match *state.auth.lock().unwrap() {
        Auth::Token(seconds) => seconds,
        _ => 60.0,
    };
    let mut tokens = state.tokens.lock().unwrap();
    *tokens += 1;
    let token = format!("token-{tokens}");
    respond(200, json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime }).to_string())
}
