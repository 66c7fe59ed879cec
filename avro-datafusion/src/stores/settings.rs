//! What a table's options say of the store that it is in: names and values in, a store out.
//!
//! The names are those that `object_store` knows, behind a prefix for each service; `max_retries` and `retry_timeout` are ours.

use super::{SERVICES, Service};
use crate::listing::location::Location;
use datafusion::common::{Result, plan_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How a store is reached, as far as a table says so. All else comes from the environment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) service: Service,
    /// Names without their prefix, in lower case, and values; sorted by name.
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) retries: Retries,
}

/// How often a request that failed is made again. Only such are that may succeed then: the server was busy or broken, or
/// the connection was lost or brought nothing in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retries {
    /// Times that it is made again (10): after 100 ms, and then after a random time between that and twice the last one, at
    /// most 15 s.
    pub(crate) max: usize,
    /// From when on, after the first of these requests, it is not (3 minutes).
    pub(crate) timeout: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { max: 10, timeout: Duration::from_secs(180) }
    }
}

impl Settings {
    /// Those of the environment only.
    pub(crate) fn none(service: Service) -> Settings {
        Settings { service, pairs: Vec::new(), retries: Retries::default() }
    }

    /// Adds one, if there is one of this name.
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let prefix = self.service.prefix();
        let number = || match value.trim().parse::<u32>() {
            Ok(number) => Ok(number),
            Err(_) => plan_err!("option `{prefix}.{name}` is `{value}`, which is not a number"),
        };
        match name {
            "max_retries" => self.retries.max = number()? as usize,
            "retry_timeout" => self.retries.timeout = Duration::from_secs(u64::from(number()?)),
            _ if self.knows(name) => self.pairs.push((name.to_owned(), value.to_owned())),
            _ => return plan_err!("object stores have no option `{prefix}.{name}`{}", self.hint()),
        }
        Ok(())
    }

    /// Some that are known, for those who look for the right name.
    fn hint(&self) -> &'static str {
        match self.service {
            Service::S3 => {
                "; known are aws.access_key_id, aws.secret_access_key, aws.session_token, aws.region, aws.endpoint, \
                 aws.allow_http, aws.skip_signature, aws.virtual_hosted_style_request, aws.timeout, aws.max_retries, …"
            }
            Service::Gcs => {
                "; known are gcp.service_account_path, gcp.service_account_key, gcp.application_credentials, \
                 gcp.skip_signature, gcp.timeout, gcp.max_retries, …"
            }
            Service::Azure => {
                "; known are azure.account_name, azure.access_key, azure.sas_key, azure.client_id, azure.client_secret, \
                 azure.tenant_id, azure.use_azure_cli, azure.endpoint, azure.timeout, azure.max_retries, …"
            }
            Service::Http => {
                "; known are http.allow_invalid_certificates, http.proxy_url, http.timeout, http.max_retries, …"
            }
        }
    }

    #[cfg(feature = "cloud")]
    fn knows(&self, name: &str) -> bool {
        use object_store::ClientConfigKey;
        use object_store::aws::AmazonS3ConfigKey;
        use object_store::azure::AzureConfigKey;
        use object_store::gcp::GoogleConfigKey;
        // What the URL says is not for options to say.
        match self.service {
            Service::S3 => name.parse().is_ok_and(|key| !matches!(key, AmazonS3ConfigKey::Bucket)),
            Service::Gcs => name.parse().is_ok_and(|key| !matches!(key, GoogleConfigKey::Bucket)),
            Service::Azure => name.parse().is_ok_and(|key| !matches!(key, AzureConfigKey::ContainerName)),
            Service::Http => name.parse::<ClientConfigKey>().is_ok(),
        }
    }

    /// Whether the name is right is not the question then.
    #[cfg(not(feature = "cloud"))]
    fn knows(&self, _name: &str) -> bool {
        true
    }

    /// The store at this URL, of which only scheme, user, host and port count.
    #[cfg(feature = "cloud")]
    pub(crate) fn store(self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(super::lazy::LazyStore::new(url, self)))
    }

    /// An error that says what is missing.
    #[cfg(not(feature = "cloud"))]
    pub(crate) fn store(self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        plan_err!(
            "{}:// is not known here: this program was built without the feature `cloud` of `avro-datafusion`",
            url.scheme()
        )
    }
}

impl std::fmt::Debug for Settings {
    /// Without values: some of them are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.pairs.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings").field("service", &self.service).field("names", &names).finish_non_exhaustive()
    }
}

/// Registers the stores of these locations as the options of a table say. A bucket has one store: what a table says of it
/// holds for all tables in it from then on.
pub(crate) fn configure(runtime: &RuntimeEnv, locations: &[String], options: &HashMap<String, String>) -> Result<()> {
    let mut pairs: Vec<(&str, &str, &str)> = Vec::new();
    for (name, value) in options {
        match name.split_once('.') {
            None | Some(("format", _)) => {}
            Some((prefix, rest)) => pairs.push((prefix, rest, value)),
        }
    }
    if pairs.is_empty() {
        return Ok(());
    }
    pairs.sort_unstable();
    let mut parsed = vec![];
    for text in locations {
        parsed.extend(Location::parse(text)?.into_iter().map(|location| (text, location.store())));
    }
    for (location, store) in &parsed {
        let url: &Url = store.as_ref();
        let mut settings = Service::of(url).map(Settings::none);
        for (prefix, name, value) in &pairs {
            let Some(service) = SERVICES.into_iter().find(|service| service.prefix() == prefix.to_ascii_lowercase())
            else {
                return plan_err!(
                    "there is no option `{prefix}.{name}`; those of object stores begin with {}",
                    SERVICES.map(Service::prefix).join("., ") + "."
                );
            };
            match &mut settings {
                Some(settings) if settings.service == service => settings.set(&name.to_ascii_lowercase(), value)?,
                _ => {
                    let schemes = service.schemes().join(":// or ");
                    return plan_err!("option `{prefix}.{name}` is for {schemes}://, and the table is at {location}");
                }
            }
        }
        if let Some(settings) = settings {
            runtime.register_object_store(url, settings.store(url)?);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    #[cfg(feature = "cloud")]
    fn options_of_stores() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let cases: &[Case] = &[
            ("s3://b/x", &[("format.strings", "plain")], "ok"),
            ("s3://b/x", &[("aws.region", "eu-central-1"), ("format.strings", "plain")], "ok"),
            ("s3a://b/*.avro", &[("AWS.Access_Key_Id", "a"), ("aws.secret_access_key", "b")], "ok"),
            ("s3://b/x", &[("aws.max_retries", "3"), ("aws.retry_timeout", "10"), ("aws.timeout", "5s")], "ok"),
            ("s3://b/x", &[("aws.max_retries", "few")], "option `aws.max_retries` is `few`, which is not a number"),
            (
                "s3://b/x",
                &[("aws.acces_key_id", "a")],
                "object stores have no option `aws.acces_key_id`; known are aws.",
            ),
            ("s3://b/x", &[("aws.bucket", "c")], "object stores have no option `aws.bucket`"),
            (
                "s3://b/x",
                &[("asw.region", "a")],
                "there is no option `asw.region`; those of object stores begin with aws., ",
            ),
            ("s3://b/x", &[("gcp.skip_signature", "true")], "is for gs://, and the table is at s3://b/x"),
            ("gs://b/x", &[("gcp.service_account_path", "x.json")], "ok"),
            ("az://b/x", &[("azure.account_name", "x"), ("azure.use_azure_cli", "true")], "ok"),
            ("https://h/x", &[("http.timeout", "5s")], "ok"),
            ("https://h/x", &[("http.verb", "GET")], "object stores have no option `http.verb`"),
            ("/", &[("aws.region", "a")], "option `aws.region` is for s3:// or s3a://, and the table is at /"),
        ];
        for (location, pairs, expected) in cases {
            match configure(&RuntimeEnv::default(), &[(*location).to_owned()], &options(pairs)) {
                Ok(()) => assert_eq!(*expected, "ok", "{location} {pairs:?}"),
                Err(e) => assert!(e.to_string().contains(expected), "{location} {pairs:?}: {e}"),
            }
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = Settings::none(Service::S3);
        settings.pairs.push(("secret_access_key".to_owned(), "hidden".to_owned()));
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
