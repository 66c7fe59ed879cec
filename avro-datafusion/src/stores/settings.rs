//! What a table's options say of the store that it is in: names and values in, a store out.
//!
//! The names are those that `object_store` knows, behind a prefix for each service; `max_retries` and `retry_timeout` are ours.

use super::Service;
use datafusion::common::{Result, plan_err};
use std::time::Duration;

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
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let prefix = self.service.prefix();
        let number = || match value.trim().parse::<u32>() {
            Ok(number) => Ok(number),
            Err(_) => plan_err!("option `{prefix}.{name}`: expected a number, found `{value}`"),
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
}

impl std::fmt::Debug for Settings {
    /// Without values: some of them are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.pairs.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings").field("service", &self.service).field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = Settings::none(Service::S3);
        settings.pairs.push(("secret_access_key".to_owned(), "hidden".to_owned()));
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
