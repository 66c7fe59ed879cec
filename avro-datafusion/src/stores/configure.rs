//! Registers object stores that the options of a table configure.

use super::settings::Settings;
use super::{SERVICES, Service};
use crate::listing::location::Location;
use datafusion::common::{Result, plan_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

/// Registers the stores of these locations with the options of a table. A bucket has one store, so the options apply to
/// all tables in it from then on.
///
/// Options are named as in `CREATE EXTERNAL TABLE`, such as `aws.region`. Options without a dot or with the prefix
/// `format.` are ignored, as they are not about the store.
///
/// # Errors
/// If an option is unknown, invalid, or not one of a location's service.
pub fn configure(runtime: &RuntimeEnv, locations: &[String], options: &HashMap<String, String>) -> Result<()> {
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
        let mut settings = Service::from_url(url).map(Settings::none);
        for (prefix, name, value) in &pairs {
            let Some(service) = SERVICES.into_iter().find(|service| service.prefix() == prefix.to_ascii_lowercase())
            else {
                return plan_err!(
                    "unknown option `{prefix}.{name}`; object store options begin with {}",
                    SERVICES.map(Service::prefix).join("., ") + "."
                );
            };
            match &mut settings {
                Some(settings) if settings.service == service => settings.set(&name.to_ascii_lowercase(), value)?,
                _ => {
                    let schemes = service.schemes().join(":// or ");
                    return plan_err!(
                        "option `{prefix}.{name}` applies to {schemes}://, but the table is at {location}"
                    );
                }
            }
        }
        if let Some(settings) = settings {
            runtime.register_object_store(url, super::configure::store(settings, url)?);
        }
    }
    Ok(())
}

/// Returns the store at this URL. Only scheme, user, host and port matter.
#[cfg(feature = "cloud")]
pub(crate) fn store(settings: Settings, url: &Url) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(super::lazy::LazyStore::new(url, settings)))
}

/// Returns an error that names the missing cargo feature.
#[cfg(not(feature = "cloud"))]
pub(crate) fn store(_settings: Settings, url: &Url) -> Result<Arc<dyn ObjectStore>> {
    plan_err!(
        "{}:// is not supported: this program was built without the feature `cloud` of `avro-datafusion`",
        url.scheme()
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[cfg(feature = "cloud")]
    fn options(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    #[cfg(feature = "cloud")]
    fn configure_checks_options() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let cases: &[Case] = &[
            ("s3://b/x", &[("format.strings", "plain")], "ok"),
            ("s3://b/x", &[("aws.region", "eu-central-1"), ("format.strings", "plain")], "ok"),
            ("s3a://b/*.avro", &[("AWS.Access_Key_Id", "a"), ("aws.secret_access_key", "b")], "ok"),
            ("s3://b/x", &[("aws.max_retries", "3"), ("aws.retry_timeout", "10"), ("aws.timeout", "5s")], "ok"),
            ("s3://b/x", &[("aws.max_retries", "few")], "option `aws.max_retries`: expected a number, found `few`"),
            (
                "s3://b/x",
                &[("aws.acces_key_id", "a")],
                "unknown object store option `aws.acces_key_id`; known are aws.",
            ),
            ("s3://b/x", &[("aws.bucket", "c")], "unknown object store option `aws.bucket`"),
            ("s3://b/x", &[("asw.region", "a")], "unknown option `asw.region`; object store options begin with aws., "),
            ("s3://b/x", &[("gcp.skip_signature", "true")], "applies to gs://, but the table is at s3://b/x"),
            ("gs://b/x", &[("gcp.service_account_path", "x.json")], "ok"),
            ("az://b/x", &[("azure.account_name", "x"), ("azure.use_azure_cli", "true")], "ok"),
            ("https://h/x", &[("http.timeout", "5s")], "ok"),
            ("https://h/x", &[("http.verb", "GET")], "unknown object store option `http.verb`"),
            ("/", &[("aws.region", "a")], "option `aws.region` applies to s3:// or s3a://, but the table is at /"),
        ];
        check_all(cases, |(location, pairs, expected)| {
            match configure(&RuntimeEnv::default(), &[(*location).to_owned()], &options(pairs)) {
                Ok(()) => assert_eq!(*expected, "ok", "{location} {pairs:?}"),
                Err(e) => assert!(e.to_string().contains(expected), "{location} {pairs:?}: {e}"),
            }
        });
    }
}
