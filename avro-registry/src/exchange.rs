//! One request and its reply, with limits on time and size.

use crate::credentials::reason;
use crate::error::{Error, ErrorKind};
use crate::retries::retry_after;
use chrono::Utc;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use std::time::Duration;

/// The reply of a server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
    /// For how long the server asks to wait.
    pub(crate) wait: Option<Duration>,
    /// Where it redirects to.
    pub(crate) location: Option<String>,
}

/// The error of a request that got no reply.
#[derive(Debug)]
pub(crate) enum NoReply {
    /// Another try may succeed.
    Transient(String),
    /// It is an error each time.
    Final(Error),
}

/// Sends a request and reads the whole reply. `limit` is the maximum size of its body.
pub(crate) async fn exchange(
    request: reqwest::RequestBuilder,
    timeout: Duration,
    limit: usize,
) -> Result<Reply, NoReply> {
    let failed = |e: reqwest::Error| match e.is_builder() {
        // A header with a line break, for example.
        true => NoReply::Final(Error::setting("the request cannot be built; is a line break in the credentials?")),
        false if e.is_timeout() => NoReply::Transient(format!("no answer within {} s", timeout.as_secs_f32().ceil())),
        // Never with its URL, whose query might be secret.
        false => NoReply::Transient(reason(&e.without_url())),
    };
    let mut response = request.timeout(timeout).send().await.map_err(failed)?;
    let too_large = || NoReply::Final(ErrorKind::Limit { limit: "answer_bytes", max: limit }.into());
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    let text = |headers: &HeaderMap, name| headers.get(name)?.to_str().ok().map(str::to_owned);
    Ok(Reply {
        status: response.status().as_u16(),
        bytes,
        wait: text(response.headers(), RETRY_AFTER).and_then(|value| retry_after(&value, Utc::now())),
        location: text(response.headers(), LOCATION),
    })
}
