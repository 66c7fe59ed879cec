//! Stores of Google, Azure and web servers. `object_store` reads missing settings from the environment.

use super::Service;
use super::explain::name;
use super::settings::{Retries, Settings};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::{HttpBuilder, HttpStore};
use object_store::{BackoffConfig, ClientConfigKey, Error, Result, RetryConfig};
use std::env;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Timeout of a request, including its body. A piece of a file is several megabytes, and a dozen may share one slow
/// line.
pub(super) const TIMEOUT: &str = "120s";

/// Creates a Google Cloud Storage store. Uses application default credentials, service accounts, or instance metadata.
pub(super) fn gcs(url: &Url, settings: &Settings) -> Result<GoogleCloudStorage> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry(&settings.retries));
    if env::var_os("GOOGLE_TIMEOUT").is_none() {
        builder = builder.with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
    }
    for (name, value) in &settings.pairs {
        builder = builder.with_config(name.parse()?, value);
    }
    builder.build()
}

/// Creates an Azure Blob Storage or Data Lake store. Uses keys, signatures, service principals, workload identity, the
/// login of the command `az`, or managed identity.
pub(super) fn azure(url: &Url, settings: &Settings) -> Result<MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry(&settings.retries));
    if env::var_os("AZURE_TIMEOUT").is_none() {
        builder = builder.with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
    }
    for (name, value) in &settings.pairs {
        builder = builder.with_config(name.parse()?, value);
    }
    // The login of the user takes precedence over the identity of the machine.
    use AzureConfigKey::{AccessKey, ClientId, MsiEndpoint, SasKey, Token, UseAzureCli};
    let is_given = |key: AzureConfigKey| builder.get_config_value(&key).is_some();
    let says_cli = settings.pairs.iter().any(|(name, _)| name.parse().is_ok_and(|key| UseAzureCli == key));
    if !says_cli
        && env::var_os("AZURE_USE_AZURE_CLI").is_none()
        && ![AccessKey, ClientId, MsiEndpoint, SasKey, Token].into_iter().any(is_given)
        && azure_login().is_some_and(|login| login.exists())
    {
        builder = builder.with_use_azure_cli(true);
    }
    builder.build()
}

/// Directory in which the command `az` records logins.
fn azure_login() -> Option<PathBuf> {
    let folder = match env::var_os("AZURE_CONFIG_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir()?.join(".azure"),
    };
    Some(folder.join("azureProfile.json"))
}

/// Creates the store of a web server.
pub(super) fn http(url: &Url, settings: &Settings) -> Result<HttpStore> {
    let mut builder = HttpBuilder::new().with_url(url.as_str()).with_retry(retry(&settings.retries));
    builder = builder.with_config(ClientConfigKey::Timeout, TIMEOUT);
    if url.scheme() == "http" {
        builder = builder.with_config(ClientConfigKey::AllowHttp, "true");
    }
    for (name, value) in &settings.pairs {
        builder = builder.with_config(name.parse()?, value);
    }
    builder.build()
}

/// Returns `object_store`'s retry configuration: exponential backoff with jitter.
pub(super) fn retry(retries: &Retries) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(15),
            base: 2.0,
        },
        max_retries: retries.max,
        retry_timeout: retries.timeout,
    }
}

/// Creates an error that did not come from the service itself.
pub(super) fn error(service: Service, what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: name(service), source: what.into() }
}
