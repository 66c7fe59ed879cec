//! Adds advice to errors of object stores.

use super::Service;
use object_store::Error;
use std::error::Error as _;
use std::fmt;
use url::{Position, Url};

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error without the document that a server sent, and with advice in front of it.
#[derive(Debug)]
struct Explained {
    advice: Option<String>,
    source: Source,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = without_document(&self.source.to_string());
        let text = request(&text).unwrap_or(text);
        match &self.advice {
            Some(advice) => write!(f, "{advice} ({text})"),
            None => f.write_str(&text),
        }
    }
}

/// Shortens `Error performing PUT http://host/x?partNumber=2 in 2ms, after 3 retries, max_retries: 10, .. - Server
/// returned non-2xx status code: 503` to `PUT http://host/x, after 3 retries: 503`.
fn request(text: &str) -> Option<String> {
    let (request, rest) = text.strip_prefix("Error performing ")?.split_once(" in ")?;
    let (time, what) = rest.split_once(" - ")?;
    let request = request.split('?').next().unwrap_or(request);
    let retries = time.split(", ").find(|part| part.starts_with("after ")).map(|part| format!(", {part}"));
    let what = what.trim_start_matches("Server returned non-2xx status code: ");
    Some(format!("{request}{}: {what}", retries.unwrap_or_default()))
}

/// Returns the error of a server without the XML or HTML of its answer, but with the code and the message in it.
fn without_document(text: &str) -> String {
    let starts = ["<?xml", "<Error", "<!DOCTYPE", "<!doctype", "<html"];
    let Some(start) = starts.iter().filter_map(|start| text.find(start)).min() else { return text.to_owned() };
    let (before, document) = text.split_at(start);
    let before = before.trim_end_matches([':', ' ', '\n']);
    let element = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.trim()).filter(|text| !text.is_empty())
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{before}: {code}: {message}"),
        (Some(word), None) | (None, Some(word)) => format!("{before}: {word}"),
        (None, None) => before.to_owned(),
    }
}

impl std::error::Error for Explained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Adds advice to an error, if there is any.
pub(super) fn explain(e: Error, service: Service, url: &Url) -> Error {
    if e.source().is_some_and(|source| source.is::<Explained>()) {
        return e;
    }
    let store = &url[..Position::BeforePath];
    let advice = advice(&e, service, url).map(|advice| format!("{store}: {advice}"));
    let has_advice = advice.is_some();
    let explained = |source: Source| -> Source { Box::new(Explained { advice, source }) };
    match e {
        Error::NotFound { path, source } if !has_advice => Error::NotFound { path, source: explained(source) },
        Error::PermissionDenied { path, source } => Error::PermissionDenied { path, source: explained(source) },
        Error::Unauthenticated { path, source } => Error::Unauthenticated { path, source: explained(source) },
        Error::Generic { store, source } => Error::Generic { store, source: explained(source) },
        // A missing bucket is not a missing file.
        Error::NotFound { source, .. } => Error::Generic { store: name(service), source: explained(source) },
        other => other,
    }
}

/// Names by which object stores identify themselves in errors.
pub(super) fn name(service: Service) -> &'static str {
    match service {
        Service::S3 => "S3",
        Service::Gcs => "GCS",
        Service::Azure => "MicrosoftAzure",
        Service::Http => "HTTP",
    }
}

fn advice(e: &Error, service: Service, url: &Url) -> Option<String> {
    // Servers report the cause by a code in the response body; there are no typed errors.
    let text = e.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let host = url.host_str().unwrap_or_default();
    if says(&["NoSuchBucket", "The specified bucket does not exist"]) {
        return Some(format!("no bucket `{host}` at this endpoint"));
    }
    if says(&["ContainerNotFound"]) {
        return Some("no such container in this storage account".to_owned());
    }
    match e {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Some(denied(service, &says)),
        Error::Generic { .. }
            if says(&["incorrectly configured region", "PermanentRedirect", "AuthorizationHeaderMalformed"]) =>
        {
            Some("the bucket is in another region; set AWS_REGION or the option 'aws.region'".to_owned())
        }
        Error::Generic { .. } if service == Service::Http && says(&["405", "501", "PROPFIND"]) => {
            Some("a web server does not list its files; name one file by its whole URL".to_owned())
        }
        Error::Generic { .. } if says(&["non-partial response"]) => {
            Some("the server does not answer requests for parts of files".to_owned())
        }
        Error::Generic { .. } if says(&["Account must be specified", "MissingAccount"]) => Some(
            "set AZURE_STORAGE_ACCOUNT_NAME or the option 'azure.account_name', or write \
             abfss://container@account.dfs.core.windows.net/path"
                .to_owned(),
        ),
        Error::Generic { .. } if says(&["error sending request", "dns error", "connection refused"]) => {
            let endpoint = match service {
                Service::S3 => "; is the endpoint (AWS_ENDPOINT_URL, 'aws.endpoint') right?",
                Service::Azure => "; is the account's name right?",
                Service::Gcs | Service::Http => "",
            };
            Some(format!("cannot reach the server{endpoint}"))
        }
        Error::Generic { .. } if says(&["response body"]) => Some("the connection broke off".to_owned()),
        _ => None,
    }
}

/// Returns which credentials to check.
fn denied(service: Service, says: &dyn Fn(&[&str]) -> bool) -> String {
    match service {
        Service::S3 if says(&["InvalidAccessKeyId"]) => {
            "the server does not know this access key; look at AWS_ACCESS_KEY_ID, \
             the profile in use (AWS_PROFILE) and the option 'aws.access_key_id'"
                .to_owned()
        }
        Service::S3 if says(&["SignatureDoesNotMatch"]) => {
            "the secret access key is not the one of this access key; look at \
             AWS_SECRET_ACCESS_KEY, the profile in use (AWS_PROFILE) and the option 'aws.secret_access_key'"
                .to_owned()
        }
        Service::S3 if says(&["ExpiredToken", "TokenRefreshRequired"]) => {
            "the credentials are too old; log in again, for example by `aws sso login`".to_owned()
        }
        Service::S3 => {
            "the credentials in use do not allow this; others can be named by AWS_PROFILE, AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY or options such as 'aws.access_key_id', and none are used for a public bucket with \
             AWS_SKIP_SIGNATURE=true"
                .to_owned()
        }
        Service::Gcs => "the credentials in use do not allow this; run `gcloud auth application-default login`, set \
             GOOGLE_SERVICE_ACCOUNT or the option 'gcp.service_account_path', and for a public bucket \
             GOOGLE_SKIP_SIGNATURE=true"
            .to_owned(),
        Service::Azure => {
            "the credentials in use do not allow this; run `az login`, set AZURE_STORAGE_ACCOUNT_KEY or the \
             option 'azure.access_key', and for a public container AZURE_SKIP_SIGNATURE=true"
                .to_owned()
        }
        Service::Http => "the server asks for credentials, which cannot be given for web addresses".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn explain_adds_advice() {
        let source = |text: &str| -> Source { text.into() };
        let generic = |text: &str| Error::Generic { store: "S3", source: source(text) };
        let denied = |text: &str| Error::PermissionDenied { path: "k".to_owned(), source: source(text) };
        let missing = |text: &str| Error::NotFound { path: "k".to_owned(), source: source(text) };
        let cases = [
            (Service::S3, missing("<Code>NoSuchBucket</Code>"), "s3://b: no bucket `b` at this endpoint"),
            (Service::S3, generic("<Code>NoSuchBucket</Code>"), "s3://b: no bucket `b` at this endpoint"),
            (Service::S3, missing("<Code>NoSuchKey</Code>"), "Object at location k not found"),
            (Service::S3, denied("<Code>InvalidAccessKeyId</Code>"), "AWS_ACCESS_KEY_ID"),
            (Service::S3, denied("<Code>SignatureDoesNotMatch</Code>"), "AWS_SECRET_ACCESS_KEY"),
            (Service::S3, denied("<Code>ExpiredToken</Code>"), "aws sso login"),
            (Service::S3, denied(""), "AWS_SKIP_SIGNATURE"),
            (Service::S3, generic("incorrectly configured region"), "AWS_REGION"),
            (Service::S3, generic("error sending request"), "AWS_ENDPOINT_URL"),
            (Service::Gcs, denied(""), "gcloud auth application-default login"),
            (Service::Azure, denied(""), "az login"),
            (Service::Http, generic("status code: 405"), "name one file"),
            (Service::Http, generic("Received non-partial response"), "parts of files"),
            (Service::S3, generic("something else"), "something else"),
            (
                Service::S3,
                generic(
                    "Error performing PUT http://h/b/k?partNumber=2&uploadId=7 in 2.5ms, after 3 retries, max_retries: 3, \
                     retry_timeout: 180s  - Server returned non-2xx status code: 503 Service Unavailable: <?xml \
                     version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>",
                ),
                "S3 error: PUT http://h/b/k, after 3 retries: 503 Service Unavailable: SlowDown: Reduce your rate",
            ),
            (Service::S3, generic("502 Bad Gateway: <html><body>nginx</body></html>"), "S3 error: 502 Bad Gateway"),
        ];
        let url = Url::parse("s3://b/").unwrap();
        check_all(cases, |(service, error, expected)| {
            let original = error.to_string();
            let explained = explain(error, service, &url);
            assert!(explained.to_string().contains(expected), "{original}: {explained}");
            let text = explained.to_string();
            assert_eq!(explain(explained, service, &url).to_string(), text, "explained once");
        });
        assert!(matches!(explain(missing("NoSuchKey"), Service::S3, &url), Error::NotFound { .. }));
    }
}
