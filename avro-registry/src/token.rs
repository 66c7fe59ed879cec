//! Tokens of an OAuth server, by client credentials. They are renewed before they expire.

use crate::address::without_credentials;
use crate::credentials::OAuth;
use crate::error::{Error, ErrorKind, Result, shown};
use crate::exchange::{NoReply, Reply, exchange};
use crate::retries::Retries;
use crate::secret::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value as Json;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::sleep;
use url::Url;

/// Maximum size of an answer of the token endpoint.
const ANSWER_BYTES: usize = 1 << 20;
/// Lifetime of a token whose server does not tell it.
const LIFETIME: Duration = Duration::from_secs(300);
/// The part of a token's lifetime for which it is used.
const USED: f64 = 0.8;

/// Gets tokens, and keeps the current one.
#[derive(Debug)]
pub(crate) struct TokenSource {
    oauth: OAuth,
    url: Url,
    current: Mutex<Option<Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    secret: Secret,
    renewed_at: Instant,
}

impl TokenSource {
    pub(crate) fn new(oauth: OAuth) -> Result<TokenSource> {
        let url = Url::parse(&oauth.token_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url else {
            return Err(Error::setting("the token endpoint of OAuth must be an http:// or https:// URL"));
        };
        Ok(TokenSource { oauth, url, current: Mutex::default() })
    }

    /// Returns a token that is valid for some time.
    pub(crate) async fn token(&self, client: &reqwest::Client, timeout: Duration, retries: &Retries) -> Result<Secret> {
        // Others wait for the first one's answer rather than ask too.
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.renewed_at) {
            return Ok(token.secret.clone());
        }
        let at = |e: Error| e.at(&without_credentials(&self.url));
        let token = self.fetch(client, timeout, retries).await.map_err(at)?;
        Ok(current.insert(token).secret.clone())
    }

    /// Drops a token that the registry refused.
    pub(crate) async fn forget(&self, refused: &Secret) {
        let mut current = self.current.lock().await;
        current.take_if(|token| token.secret == *refused);
    }

    async fn fetch(&self, client: &reqwest::Client, timeout: Duration, retries: &Retries) -> Result<Token> {
        let failed = |reason: String| Error::new(ErrorKind::Token(reason));
        let start = Instant::now();
        let mut retry = 0;
        loop {
            let (reason, wait) = match exchange(self.request(client), timeout, ANSWER_BYTES).await {
                Err(NoReply::Final(e)) => return Err(e),
                Err(NoReply::Transient(reason)) => (reason, None),
                Ok(Reply { status: status @ (429 | 500..), wait, .. }) => {
                    (format!("the server answers {status}"), wait)
                }
                Ok(reply) => return self.parse(&reply),
            };
            let wait = wait.unwrap_or_else(|| retries.pause_before(retry));
            if retry >= retries.max || start.elapsed() + wait > retries.total {
                return Err(failed(reason));
            }
            retry += 1;
            sleep(wait).await;
        }
    }

    fn request(&self, client: &reqwest::Client) -> reqwest::RequestBuilder {
        // RFC 6749, 2.3.1: id and secret are form-encoded before they become user and password.
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.oauth.scope {
            body.push_str("&scope=");
            body.push_str(&encode(scope));
        }
        let request = client.post(self.url.clone()).header(ACCEPT, "application/json");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        request.basic_auth(encode(&self.oauth.client_id), Some(encode(self.oauth.client_secret.text())))
    }

    fn parse(&self, reply: &Reply) -> Result<Token> {
        let failed = |reason: String| Error::new(ErrorKind::Token(reason));
        let json: Json = serde_json::from_slice(&reply.bytes).unwrap_or_default();
        if !(200..300).contains(&reply.status) {
            // Only the code, such as `invalid_client`: descriptions may repeat what was sent.
            let code = json.get("error").and_then(Json::as_str).map(shown);
            let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            return Err(failed(format!("the server answers {}{code}", reply.status)));
        }
        let Some(token) = json.get("access_token").and_then(Json::as_str).filter(|token| !token.is_empty()) else {
            return Err(failed("the answer has no access_token".to_owned()));
        };
        // Some servers write the number as text.
        let seconds = json.get("expires_in").and_then(|value| match value {
            Json::String(text) => text.parse().ok(),
            other => other.as_f64(),
        });
        let lifetime = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(LIFETIME);
        let used = lifetime.min(Duration::from_secs(86_400)).mul_f64(USED);
        Ok(Token { secret: token.into(), renewed_at: Instant::now() + used })
    }
}
