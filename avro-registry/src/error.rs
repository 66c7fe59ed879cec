//! Errors: what was asked for, at which address, and what is wrong with the answer.

use std::fmt;
use std::time::Duration;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed request, or a setting that cannot be used. It shows neither credentials nor the query of an address.
#[derive(Debug)]
pub struct Error {
    /// Boxed, so that results are small.
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    /// The address of the registry, without credentials.
    address: Option<String>,
    /// What was asked for, such as `schema id 7`.
    wanted: Option<String>,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting cannot be used: an address, a certificate file, an environment variable.
    Setting(String),
    /// No answer came: the name has no address, the connection failed or broke off, or time ran out.
    Unreachable {
        /// The reason, such as `connection refused`.
        reason: String,
        /// Number of requests that were made.
        attempts: usize,
    },
    /// The server failed or is busy (429 or 5xx), also after retries.
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// The server's message.
        message: String,
        /// Number of requests that were made.
        attempts: usize,
        /// For how long the server asked clients to wait.
        wait: Option<Duration>,
    },
    /// The credentials are missing, wrong (401) or insufficient (403).
    Unauthorized {
        /// The HTTP status.
        status: u16,
        /// The server's message.
        message: String,
        /// Whether credentials were sent.
        sent: bool,
    },
    /// No OAuth token could be got.
    Token(String),
    /// The registry has no such subject, version or schema.
    NotFound,
    /// The address is not that of a registry (404 without a registry's error code).
    NoRegistry,
    /// The server redirects to an address that is not followed.
    Redirect {
        /// Scheme, host and port of the other address.
        to: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// The registry refused the request: an invalid or incompatible schema, for example.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The registry's error code.
        code: Option<u64>,
        /// The registry's message.
        message: String,
    },
    /// The answer is not what the API promises.
    Malformed(String),
    /// A limit was reached.
    Limit {
        /// The limit's name in [`Limits`](crate::Limits).
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// A schema refers to itself, through these subjects and versions.
    Cycle(String),
    /// The schema is of another type, such as `PROTOBUF`.
    NotAvro(String),
    /// The schema's text is not a valid Avro schema.
    Schema(avro_arrow::Error),
    /// The registry's API has no such request.
    Unsupported(&'static str),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Error {
        Error { inner: Box::new(Inner { kind, address: None, wanted: None }) }
    }

    pub(crate) fn setting(text: impl Into<String>) -> Error {
        Error::new(ErrorKind::Setting(text.into()))
    }

    /// Adds the address, unless there is one.
    #[must_use]
    pub(crate) fn at(mut self, address: &str) -> Error {
        self.inner.address.get_or_insert_with(|| address.to_owned());
        self
    }

    /// Adds what was asked for, unless there is something.
    #[must_use]
    pub(crate) fn wanting(mut self, wanted: &str) -> Error {
        self.inner.wanted.get_or_insert_with(|| wanted.to_owned());
        self
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// Whether the registry has no such subject, version or schema.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind(), ErrorKind::NotFound)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error::new(kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, address, wanted } = &*self.inner;
        // Subject and problem are one sentence here.
        if let (ErrorKind::NotFound, Some(wanted)) = (kind, wanted) {
            if let Some(address) = address {
                write!(f, "{address}: ")?;
            }
            return write!(f, "the registry has no {wanted}");
        }
        for part in [address, wanted].into_iter().flatten() {
            write!(f, "{part}: ")?;
        }
        kind.fmt(f)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Setting(text) => f.write_str(text),
            ErrorKind::Unreachable { reason, attempts } => {
                write!(f, "cannot reach the registry: {reason}{}", after(*attempts))
            }
            ErrorKind::Unavailable { status, message, attempts, wait } => {
                write!(f, "the registry is busy or fails ({status}{}){}", said(message), after(*attempts))?;
                match wait {
                    Some(wait) => write!(f, "; it asks to wait {} s", wait.as_secs()),
                    None => Ok(()),
                }
            }
            ErrorKind::Unauthorized { status: 403, message, .. } => {
                write!(f, "the credentials do not allow this (403{})", said(message))
            }
            ErrorKind::Unauthorized { status, message, sent: true } => {
                write!(f, "the registry refuses the credentials ({status}{})", said(message))
            }
            ErrorKind::Unauthorized { status, message, sent: false } => write!(
                f,
                "the registry asks for credentials ({status}{}); set SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO or \
                 SCHEMA_REGISTRY_BEARER_AUTH_TOKEN",
                said(message)
            ),
            ErrorKind::Token(reason) => write!(f, "cannot get an OAuth token: {reason}"),
            ErrorKind::NotFound => f.write_str("not found"),
            ErrorKind::NoRegistry => f.write_str(
                "no registry answers at this address (404); its path may be missing or wrong, such as /apis/ccompat/v7",
            ),
            ErrorKind::Redirect { to, reason } => write!(f, "the registry redirects to {to}, {reason}"),
            ErrorKind::Refused { status, code, message } => match code {
                Some(code) if *code != u64::from(*status) => {
                    write!(f, "the registry refuses this ({status}, code {code}{})", said(message))
                }
                _ => write!(f, "the registry refuses this ({status}{})", said(message)),
            },
            ErrorKind::Malformed(what) => write!(f, "unexpected answer: {what}"),
            ErrorKind::Limit { limit, max } => write!(f, "over the limit {limit} of {max}"),
            ErrorKind::Cycle(path) => write!(f, "the schema refers to itself: {path}"),
            ErrorKind::NotAvro(kind) => write!(f, "the schema is {kind}, not AVRO"),
            ErrorKind::Schema(error) => write!(f, "{error}"),
            ErrorKind::Unsupported(what) => f.write_str(what),
        }
    }
}

/// Formats a server's message as the rest of a sentence.
fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn after(attempts: usize) -> String {
    if attempts > 1 { format!(", after {attempts} attempts") } else { String::new() }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Schema(error) => Some(error),
            _ => None,
        }
    }
}

/// Longest text of a server that an error shows, in characters.
const SHOWN_CHARS: usize = 300;

/// Returns the text of a server on one line, cut at a length that can be read.
pub(crate) fn shown(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}..", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn errors_are_one_line_with_subject_and_remedy() {
        let at = |kind: ErrorKind| Error::new(kind).wanting("schema id 7").at("http://r:8081");
        let cases = [
            (at(ErrorKind::NotFound), "http://r:8081: the registry has no schema id 7"),
            (
                at(ErrorKind::Unreachable { reason: "connection refused".into(), attempts: 4 }),
                "http://r:8081: schema id 7: cannot reach the registry: connection refused, after 4 attempts",
            ),
            (
                at(ErrorKind::Unavailable {
                    status: 429,
                    message: String::new(),
                    attempts: 1,
                    wait: Some(Duration::from_secs(90)),
                }),
                "http://r:8081: schema id 7: the registry is busy or fails (429); it asks to wait 90 s",
            ),
            (
                at(ErrorKind::Refused { status: 409, code: Some(409), message: "incompatible".into() }),
                "http://r:8081: schema id 7: the registry refuses this (409: incompatible)",
            ),
            (
                at(ErrorKind::Refused { status: 422, code: Some(42201), message: "bad".into() }),
                "http://r:8081: schema id 7: the registry refuses this (422, code 42201: bad)",
            ),
            (Error::setting("no address"), "no address"),
        ];
        check_all(cases, |(error, expected)| assert_eq!(error.to_string(), expected));
    }

    #[test]
    fn shown_text_is_one_short_line() {
        assert_eq!(shown(" a\r\n\tb\u{1b}c "), "a b c");
        assert_eq!(shown(&"é".repeat(400)).chars().count(), SHOWN_CHARS + 2);
    }
}
