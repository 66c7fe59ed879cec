//! S3 and S3-compatible object stores.
//!
//! Missing settings are looked up where AWS's own tools look: environment, profiles, SSO, web identity, container and
//! instance metadata, external processes. None of this happens before the store is first used.

use super::Service;
use super::clouds::{TIMEOUT, error, retry};
use super::settings::Settings;
use async_trait::async_trait;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, AwsCredential, resolve_bucket_region};
use object_store::{ClientConfigKey, ClientOptions, CredentialProvider, Result};
use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Mutex;
use url::Url;

/// Timeout for asking AWS for the region of a bucket.
const REGION_TIMEOUT: Duration = Duration::from_secs(3);
/// Default region.
const REGION: &str = "us-east-1";
/// Credentials are refreshed this long before they expire; those without an expiry after `REFRESH_AFTER`, as they may
/// have changed.
const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_secs(120);
const REFRESH_AFTER: Duration = Duration::from_secs(15 * 60);

/// Creates the store of a bucket.
pub(super) async fn store(url: &Url, settings: &Settings) -> Result<AmazonS3> {
    let bucket = url.host_str().unwrap_or_default();
    let mut config = merged(environment(), settings)?;
    let unsigned = config.get(&Key::SkipSignature).is_some_and(|value| is_true(value));
    let has_keys = config.contains_key(&Key::AccessKeyId) || config.contains_key(&Key::SecretAccessKey);
    let has_endpoint =
        |config: &HashMap<Key, String>| config.contains_key(&Key::Endpoint) || config.contains_key(&Key::S3Endpoint);

    let mut credentials = None;
    if !(has_endpoint(&config) && config.contains_key(&Key::Region) && (has_keys || unsigned)) {
        let mut found = load_sdk_config(config.get(&Key::Region).cloned()).await;
        if let (false, Some(endpoint)) = (has_endpoint(&config), found.endpoint_url()) {
            config.insert(Key::Endpoint, endpoint.to_owned());
        }
        let region = match found.region() {
            Some(region) => region.to_string(),
            // S3-compatible servers ignore the region.
            None if has_endpoint(&config) => REGION.to_owned(),
            None => {
                let region = region_of(bucket).await;
                found = load_sdk_config(Some(region.clone())).await;
                region
            }
        };
        config.entry(Key::Region).or_insert(region);
        if !has_keys && !unsigned {
            credentials = found.credentials_provider();
        }
    }

    // An `http://` endpoint implies `allow_http`.
    let endpoint = config.get(&Key::S3Endpoint).or(config.get(&Key::Endpoint));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        config.entry(Key::Client(ClientConfigKey::AllowHttp)).or_insert_with(|| "true".to_owned());
    }
    if bucket.ends_with("--x-s3") {
        config.entry(Key::S3Express).or_insert_with(|| "true".to_owned());
    }
    config.entry(Key::Client(ClientConfigKey::Timeout)).or_insert_with(|| TIMEOUT.to_owned());

    let builder = AmazonS3Builder::new().with_url(url.as_str()).with_retry(retry(&settings.retries));
    let mut builder = config.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
    if let Some(provider) = credentials {
        let provider = Credentials { provider, cached: Mutex::default(), bucket: bucket.to_owned() };
        builder = builder.with_credentials(Arc::new(provider));
    }
    builder.build()
}

/// Returns the S3 settings of the environment.
fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?.strip_prefix("AWS_")?.to_ascii_lowercase(), value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(_, value)| !value.trim().is_empty()).collect()
}

/// Merges settings with those of the environment that do not contradict them.
fn merged(environment: Vec<(String, String)>, settings: &Settings) -> Result<HashMap<Key, String>> {
    let mut given = HashMap::new();
    for (name, value) in &settings.pairs {
        given.insert(name.parse::<Key>()?, value.clone());
    }
    let parsed = |(name, value): (String, String)| Some((format!("aws_{name}").parse::<Key>().ok()?, value));
    let mut config: HashMap<Key, String> = environment.into_iter().filter_map(parsed).collect();
    config.remove(&Key::Bucket);
    // Keys and endpoints are taken as a whole: halves of two pairs do not fit together.
    let says = |key: &Key| given.contains_key(key);
    if says(&Key::AccessKeyId) || says(&Key::SecretAccessKey) || says(&Key::SkipSignature) {
        [Key::AccessKeyId, Key::SecretAccessKey, Key::Token, Key::SkipSignature].iter().for_each(|key| {
            config.remove(key);
        });
    }
    if says(&Key::Endpoint) || says(&Key::S3Endpoint) {
        [Key::Endpoint, Key::S3Endpoint, Key::Client(ClientConfigKey::AllowHttp)].iter().for_each(|key| {
            config.remove(key);
        });
    }
    if says(&Key::Region) || says(&Key::DefaultRegion) {
        config.remove(&Key::Region);
        config.remove(&Key::DefaultRegion);
    }
    config.extend(given);
    if let Some(default) = config.remove(&Key::DefaultRegion) {
        config.entry(Key::Region).or_insert(default);
    }
    Ok(config)
}

fn is_true(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y")
}

/// Loads AWS's SDK configuration, for this region or the one in the environment or profile.
async fn load_sdk_config(region: Option<String>) -> SdkConfig {
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let named = RegionProviderChain::first_try(region.map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    aws_config::defaults(BehaviorVersion::latest()).http_client(client).region(named).load().await
}

/// Asks AWS for the region of a bucket.
async fn region_of(bucket: &str) -> String {
    let options = ClientOptions::new().with_timeout(REGION_TIMEOUT).with_connect_timeout(REGION_TIMEOUT);
    resolve_bucket_region(bucket, &options).await.unwrap_or_else(|_| REGION.to_owned())
}

/// Credentials from AWS's providers, cached until shortly before they expire.
#[derive(Debug)]
struct Credentials {
    provider: SharedCredentialsProvider,
    cached: Mutex<Option<CachedCredentials>>,
    bucket: String,
}

#[derive(Debug)]
struct CachedCredentials {
    credential: Arc<AwsCredential>,
    since: Instant,
    expiry: Option<SystemTime>,
}

impl CachedCredentials {
    fn is_good(&self) -> bool {
        match self.expiry {
            Some(expiry) => expiry.duration_since(SystemTime::now()).is_ok_and(|left| left > REFRESH_BEFORE_EXPIRY),
            None => self.since.elapsed() < REFRESH_AFTER,
        }
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = cached.as_ref().filter(|cached| cached.is_good()) {
            return Ok(Arc::clone(&cached.credential));
        }
        let found = match self.provider.provide_credentials().await {
            Ok(found) => found,
            Err(e) => {
                let mut reason = e.to_string();
                let mut source = e.source();
                while let Some(e) = source {
                    reason = format!("{reason}: {e}");
                    source = e.source();
                }
                let advice = format!(
                    "no credentials for s3://{}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in \
                     AWS_PROFILE, log in by `aws sso login`, or give the options 'aws.access_key_id' and \
                     'aws.secret_access_key'; for a public bucket set AWS_SKIP_SIGNATURE=true or 'aws.skip_signature' \
                     'true' ({reason})",
                    self.bucket
                );
                return Err(error(Service::S3, advice));
            }
        };
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(ToOwned::to_owned),
        });
        *cached = Some(CachedCredentials {
            credential: Arc::clone(&credential),
            since: Instant::now(),
            expiry: found.expiry(),
        });
        Ok(credential)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn merged_prefers_options_to_environment() {
        // Environment, options, and the merged result.
        type Pairs = &'static [(&'static str, &'static str)];
        type Case = (Pairs, Pairs, &'static [(Key, &'static str)]);
        let cases: &[Case] = &[
            (&[], &[], &[]),
            (&[("region", "a")], &[], &[(Key::Region, "a")]),
            (&[("region", "a"), ("default_region", "b")], &[], &[(Key::Region, "a")]),
            (&[("default_region", "b")], &[], &[(Key::Region, "b")]),
            (&[("region", "a")], &[("default_region", "b")], &[(Key::Region, "b")]),
            (&[("bucket", "other"), ("profile", "me"), ("pager", "less")], &[], &[]),
            (
                &[("access_key_id", "a"), ("secret_access_key", "b"), ("session_token", "c")],
                &[],
                &[(Key::AccessKeyId, "a"), (Key::SecretAccessKey, "b"), (Key::Token, "c")],
            ),
            (
                &[
                    ("access_key_id", "a"),
                    ("secret_access_key", "b"),
                    ("session_token", "c"),
                    ("skip_signature", "true"),
                ],
                &[("access_key_id", "x"), ("secret_access_key", "y")],
                &[(Key::AccessKeyId, "x"), (Key::SecretAccessKey, "y")],
            ),
            (
                &[("access_key_id", "a"), ("secret_access_key", "b")],
                &[("skip_signature", "true")],
                &[(Key::SkipSignature, "true")],
            ),
            (
                &[("endpoint_url", "http://a"), ("endpoint_url_s3", "http://b"), ("allow_http", "false")],
                &[("endpoint", "https://c")],
                &[(Key::Endpoint, "https://c")],
            ),
            (&[("endpoint_url_s3", "https://b")], &[], &[(Key::S3Endpoint, "https://b")]),
        ];
        let owned = |pairs: Pairs| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        check_all(cases, |(environment, options, expected)| {
            let settings = Settings { pairs: owned(options), ..Settings::none(Service::S3) };
            let config = merged(owned(environment), &settings).unwrap();
            let expected: HashMap<Key, String> = expected.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
            assert_eq!(config, expected, "{environment:?} {options:?}");
        });
    }

    #[tokio::test]
    async fn credentials_are_cached_until_expiry() {
        use aws_credential_types::provider::future;
        use std::sync::atomic::{AtomicU32, Ordering};

        /// Returns different credentials each time.
        #[derive(Debug)]
        struct Counting(AtomicU32, Option<Duration>);
        impl ProvideCredentials for Counting {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                let n = self.0.fetch_add(1, Ordering::Relaxed).to_string();
                let expiry = self.1.map(|left| SystemTime::now() + left);
                let found = aws_credential_types::Credentials::new(n, "secret", None, expiry, "test");
                future::ProvideCredentials::ready(Ok(found))
            }
        }

        // Time to expiry, and the credentials returned by the second request.
        let cases = [(None, "0"), (Some(Duration::from_secs(3600)), "0"), (Some(Duration::from_secs(60)), "1")];
        for (left, second) in cases {
            let provider = SharedCredentialsProvider::new(Counting(AtomicU32::new(0), left));
            let credentials = Credentials { provider, cached: Mutex::default(), bucket: "b".to_owned() };
            assert_eq!(credentials.get_credential().await.unwrap().key_id, "0");
            assert_eq!(credentials.get_credential().await.unwrap().key_id, second, "{left:?}");
        }
    }
}
