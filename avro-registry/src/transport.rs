//! Requests to a registry: credentials, redirects, retries, several addresses.

use crate::address::Address;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result, shown};
use crate::exchange::{NoReply, Reply, exchange};
use crate::retries::Retries;
use crate::secret::{Secret, without_secrets};
use crate::token::TokenSource;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value as Json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use url::Url;

/// Maximum number of redirects of one request.
const REDIRECTS_MAX: usize = 5;

const BODY: &str = "application/vnd.schemaregistry.v1+json";
const ANSWERS: &str = "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, \
                       application/json, */*;q=0.1";

/// A request for any of the addresses.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path below the address, percent-encoded, with its query.
    pub(crate) path: String,
    pub(crate) body: Option<Json>,
}

/// An answer of a registry: of success (2xx), or that something is missing (404).
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
    /// The address of the registry that answered.
    pub(crate) address: String,
}

/// Sends requests to the addresses of a registry.
pub(crate) struct Transport {
    pub(crate) addresses: Vec<Address>,
    /// With the client certificate, if there is one.
    pub(crate) client: Client,
    /// Without it, for other servers.
    pub(crate) anonymous: Client,
    pub(crate) credentials: Credentials,
    /// For [`Credentials::OAuth`].
    pub(crate) tokens: Option<TokenSource>,
    /// Headers that accompany credentials.
    pub(crate) headers: HeaderMap,
    pub(crate) retries: Retries,
    pub(crate) timeout: Duration,
    pub(crate) answer_bytes: usize,
    /// Index of the address that answered last.
    pub(crate) preferred: AtomicUsize,
}

/// Why an attempt failed.
enum Failed {
    /// Other addresses, or the same one later, may answer.
    Transient(ErrorKind),
    Final(Error),
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        Failed::Final(e)
    }
}

impl Transport {
    /// Sends a request until an address answers it.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer> {
        let start = Instant::now();
        let preferred = self.preferred.load(Ordering::Relaxed);
        let n = self.addresses.len();
        let mut attempts = 0;
        for retry in 0.. {
            // The shortest pause after which an address may answer, and what the first one said.
            let mut pause = Duration::MAX;
            let mut first = None;
            for index in (0..n).map(|offset| (preferred + offset) % n) {
                let Some(address) = self.addresses.get(index) else { continue };
                let left = self.retries.total.saturating_sub(start.elapsed());
                if left.is_zero() && attempts > 0 {
                    break;
                }
                attempts += 1;
                // Redirects and tokens are requests too.
                let attempt = timeout(left, self.attempt(address, request, self.timeout.min(left)));
                match attempt.await.unwrap_or_else(|_| Err(late(left))) {
                    Ok(answer) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Err(Failed::Final(e)) => return Err(e.at(address.as_str())),
                    Err(Failed::Transient(kind)) => {
                        let wait = match &kind {
                            ErrorKind::Unavailable { wait, .. } => *wait,
                            _ => None,
                        };
                        pause = pause.min(wait.unwrap_or_else(|| self.retries.pause_before(retry)));
                        first.get_or_insert((kind, address));
                    }
                }
            }
            let left = self.retries.total.saturating_sub(start.elapsed());
            if retry >= self.retries.max || pause >= left {
                return Err(match first {
                    Some((kind, address)) => Error::new(after(kind, attempts)).at(address.as_str()),
                    None => ErrorKind::Unreachable { reason: "no time is left".to_owned(), attempts }.into(),
                });
            }
            sleep(pause).await;
        }
        Err(Error::setting("the registry has no address"))
    }

    async fn attempt(&self, address: &Address, request: &Request, timeout: Duration) -> Result<Answer, Failed> {
        let mut token = self.token(address, timeout).await?;
        let mut reply = self.follow(address, request, token.as_ref(), timeout).await?;
        // A token may be revoked before it expires.
        if reply.status == 401
            && let (Some(tokens), Some(refused)) = (&self.tokens, &token)
        {
            tokens.forget(refused).await;
            token = self.token(address, timeout).await?;
            reply = self.follow(address, request, token.as_ref(), timeout).await?;
        }
        let Reply { status, bytes, wait, .. } = reply;
        let address_text = address.as_str();
        if matches!(status, 200..300 | 404) {
            return Ok(Answer { status, bytes, address: address_text.to_owned() });
        }
        let json: Json = serde_json::from_slice(&bytes).unwrap_or_default();
        let said = ["message", "detail", "title"].iter().find_map(|name| json.get(name)?.as_str());
        let message = shown(&without_secrets(said.unwrap_or_default(), &self.secrets(address, token.as_ref())));
        let code = json.get("error_code").and_then(Json::as_u64);
        Err(match status {
            429 | 500.. => Failed::Transient(ErrorKind::Unavailable { status, message, attempts: 1, wait }),
            401 | 403 | 407 => {
                let sent = address.user.is_some() || self.credentials != Credentials::None;
                Failed::Final(ErrorKind::Unauthorized { status, message, sent }.into())
            }
            _ => Failed::Final(ErrorKind::Refused { status, code, message }.into()),
        })
    }

    /// Returns the token for an address, if it needs one.
    async fn token(&self, address: &Address, timeout: Duration) -> Result<Option<Secret>> {
        match &self.tokens {
            Some(tokens) if address.user.is_none() => {
                tokens.token(&self.anonymous, timeout, &self.retries).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Sends a request to an address, and to where that redirects.
    async fn follow(
        &self,
        address: &Address,
        request: &Request,
        token: Option<&Secret>,
        timeout: Duration,
    ) -> Result<Reply, Failed> {
        let mut url = address.join(&request.path)?;
        for _ in 0..=REDIRECTS_MAX {
            let is_own = address.is_origin_of(&url);
            let client = if is_own { &self.client } else { &self.anonymous };
            let mut sent = client.request(request.method.clone(), url.clone()).header(ACCEPT, ANSWERS);
            if is_own {
                sent = self.with_credentials(sent, address, token);
            }
            if let Some(body) = &request.body {
                sent = sent.header(CONTENT_TYPE, BODY).body(body.to_string());
            }
            let reply = match exchange(sent, timeout, self.answer_bytes).await {
                Ok(reply) => reply,
                Err(NoReply::Final(e)) => return Err(Failed::Final(e)),
                Err(NoReply::Transient(reason)) => {
                    return Err(Failed::Transient(ErrorKind::Unreachable { reason, attempts: 1 }));
                }
            };
            if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                // Other servers get no credentials, so the error must not say that these are wrong.
                if !is_own && matches!(reply.status, 401 | 403) {
                    let to = url.origin().ascii_serialization();
                    let reason = "which asks for credentials; give that address, as a redirect carries none";
                    return Err(Failed::Final(ErrorKind::Redirect { to, reason }.into()));
                }
                return Ok(reply);
            }
            url = next(&url, &reply, request)?;
        }
        let (to, reason) = (url.origin().ascii_serialization(), "after too many redirects");
        Err(Failed::Final(ErrorKind::Redirect { to, reason }.into()))
    }

    fn with_credentials(&self, request: RequestBuilder, address: &Address, token: Option<&Secret>) -> RequestBuilder {
        let request = request.headers(self.headers.clone());
        match (&address.user, token, &self.credentials) {
            (Some((name, password)), _, _) | (None, None, Credentials::Basic(name, password)) => {
                request.basic_auth(name, Some(password.text()))
            }
            (None, Some(token), _) | (None, None, Credentials::Bearer(token)) => request.bearer_auth(token.text()),
            (None, None, Credentials::None | Credentials::OAuth(_)) => request,
        }
    }

    fn secrets<'s>(&'s self, address: &'s Address, token: Option<&'s Secret>) -> Vec<&'s Secret> {
        let own = match &self.credentials {
            Credentials::None => None,
            Credentials::Basic(_, secret) | Credentials::Bearer(secret) => Some(secret),
            Credentials::OAuth(oauth) => Some(&oauth.client_secret),
        };
        own.into_iter().chain(token).chain(address.user.as_ref().map(|(_, secret)| secret)).collect()
    }
}

/// Returns the URL of a redirect, without credentials.
fn next(url: &Url, reply: &Reply, request: &Request) -> Result<Url, Failed> {
    let from = url.origin().ascii_serialization();
    let refused = |to: String, reason| Failed::Final(ErrorKind::Redirect { to, reason }.into());
    let target = reply.location.as_deref().and_then(|location| url.join(location).ok());
    let Some(mut target) = target.filter(|target| matches!(target.scheme(), "http" | "https")) else {
        return Err(refused("nowhere".to_owned(), "which is not an address"));
    };
    let to = target.origin().ascii_serialization();
    if url.scheme() == "https" && target.scheme() == "http" {
        return Err(refused(to, "which is not encrypted"));
    }
    // Other statuses would make it a GET without a body.
    if request.body.is_some() && !matches!(reply.status, 307 | 308) {
        return Err(refused(to, "which is not followed for data that are sent; give that address"));
    }
    // They cannot fail for URLs with a host.
    let (_, _) = (target.set_username(""), target.set_password(None));
    if target == *url {
        return Err(refused(from, "which is the address itself"));
    }
    Ok(target)
}

fn late(after: Duration) -> Failed {
    let reason = format!("no answer within {} s", after.as_secs_f32().ceil());
    Failed::Transient(ErrorKind::Unreachable { reason, attempts: 1 })
}

/// Sets the number of attempts of an error.
fn after(kind: ErrorKind, n: usize) -> ErrorKind {
    match kind {
        ErrorKind::Unreachable { reason, .. } => ErrorKind::Unreachable { reason, attempts: n },
        ErrorKind::Unavailable { status, message, wait, .. } => {
            ErrorKind::Unavailable { status, message, attempts: n, wait }
        }
        other => other,
    }
}
