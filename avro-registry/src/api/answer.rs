//! Answers: JSON with what was asked for, or with a registry's code for what is missing.

use crate::error::{Error, ErrorKind, Result};
use crate::transport::{Answer, Request, Transport};
use reqwest::Method;
use serde_json::Value as Json;

/// Returns the answer to a request; `None` if the registry says that it has no such thing.
pub(crate) async fn found(transport: &Transport, request: &Request) -> Result<Option<Answer>> {
    let answer = transport.send(request).await?;
    if answer.status != 404 {
        return Ok(Some(answer));
    }
    match is_missing(&answer.bytes) {
        true => Ok(None),
        false => Err(Error::new(ErrorKind::NoRegistry).at(&answer.address)),
    }
}

/// Whether this is a registry's answer that it has no such subject, version or schema. Web servers answer 404 for
/// paths that they do not know, too.
fn is_missing(bytes: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice::<Json>(bytes) else { return false };
    // Confluent's codes: 40401 subject, 40402 version, 40403 schema, and others.
    let code = json.get("error_code").and_then(Json::as_u64).unwrap_or_default();
    let name = json.get("name").and_then(Json::as_str).unwrap_or_default();
    (40_400..40_500).contains(&code) || name.ends_with("NotFoundException")
}

/// Returns the JSON of an answer.
pub(crate) fn parsed(answer: &Answer) -> Result<Json> {
    serde_json::from_slice(&answer.bytes).map_err(|_| {
        let is_page = answer.bytes.trim_ascii_start().starts_with(b"<");
        let what = if is_page { "a web page; is this the address of a registry?" } else { "not JSON" };
        malformed(what).at(&answer.address)
    })
}

/// Returns the error of an answer that the API does not promise.
pub(crate) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Malformed(what.to_owned()))
}

/// Returns a request without a body.
pub(super) fn get(path: &str) -> Request {
    Request { method: Method::GET, path: path.to_owned(), body: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn missing_is_told_from_wrong_path() {
        let cases = [
            (r#"{"error_code": 40403, "message": "Schema 7 not found"}"#, true),
            (r#"{"error_code": 404, "message": "HTTP 404 Not Found"}"#, false),
            (r#"{"error_code": 404, "name": "ContentNotFoundException"}"#, true),
            ("<html>not found</html>", false),
            ("", false),
        ];
        check_all(cases, |(body, expected)| assert_eq!(is_missing(body.as_bytes()), expected));
    }
}
