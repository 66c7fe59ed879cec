//! Object store options of a table.
//!
//! The names are those of `object_store`, with a prefix for each service; `max_retries` and `retry_timeout` are ours.

use super::Service;
use datafusion::common::{Result, plan_err};
use std::time::Duration;

/// Settings of a store that a table overrides. All others come from the environment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) service: Service,
    /// Names without prefix, in lower case, and values; sorted by name.
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) retries: Retries,
}

/// Retry policy for transient failures: busy or failing servers, lost connections, timeouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retries {
    /// Maximum number of retries (10): the first after 100 ms, then after a random time between that and twice the
    /// previous one, at most 15 s.
    pub(crate) max: usize,
    /// Time after the first request from which on there are no retries (3 minutes).
    pub(crate) timeout: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { max: 10, timeout: Duration::from_secs(180) }
    }
}

impl Settings {
    /// Returns settings from the environment only.
    pub(crate) fn none(service: Service) -> Settings {
        Settings { service, pairs: Vec::new(), retries: Retries::default() }
    }

    /// Sets an option, if there is one of this name.
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
            _ => return plan_err!("unknown object store option `{prefix}.{name}`{}", self.hint()),
        }
        Ok(())
    }

    /// Lists some known names, for an error.
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
        // Options must not contradict the URL.
        match self.service {
            Service::S3 => name.parse().is_ok_and(|key| !matches!(key, AmazonS3ConfigKey::Bucket)),
            Service::Gcs => name.parse().is_ok_and(|key| !matches!(key, GoogleConfigKey::Bucket)),
            Service::Azure => name.parse().is_ok_and(|key| !matches!(key, AzureConfigKey::ContainerName)),
            Service::Http => name.parse::<ClientConfigKey>().is_ok(),
        }
    }

    /// Without the feature, the names do not matter.
    #[cfg(not(feature = "cloud"))]
    fn knows(&self, _name: &str) -> bool {
        true
    }
}

impl std::fmt::Debug for Settings {
    /// Values are omitted, since some are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.pairs.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings").field("service", &self.service).field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_omits_secrets() {
        let mut settings = Settings::none(Service::S3);
        settings.pairs.push(("secret_access_key".to_owned(), "hidden".to_owned()));
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
