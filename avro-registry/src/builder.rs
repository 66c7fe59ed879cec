//! The settings of a client.

use crate::address::Address;
use crate::client::RegistryClient;
use crate::credentials::{Credentials, OAuth, Tls};
use crate::environment::Environment;
use crate::error::{Error, Result, shown};
use crate::limits::Limits;
use crate::retries::Retries;
use crate::secret::Secret;
use crate::subject::ApicurioIds;
use crate::token::TokenSource;
use crate::transport::Transport;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Builds a [`RegistryClient`].
#[derive(Debug, Clone)]
pub struct Builder {
    /// They may contain passwords.
    urls: Secret,
    credentials: Credentials,
    tls: Tls,
    headers: Vec<(String, String)>,
    retries: Retries,
    timeout: Duration,
    missing_for: Duration,
    limits: Limits,
    ids: Option<ApicurioIds>,
}

impl RegistryClient {
    /// Starts a client of the registry at this URL, or at several URLs of one registry, separated by commas. An empty
    /// text stands for the URL that [`Builder::environment`] finds.
    pub fn builder(urls: &str) -> Builder {
        Builder::new(urls)
    }
}

impl Builder {
    pub(crate) fn new(urls: &str) -> Builder {
        Builder {
            urls: Secret::from(urls),
            credentials: Credentials::None,
            tls: Tls::default(),
            headers: vec![],
            retries: Retries::default(),
            timeout: Duration::from_secs(30),
            missing_for: Duration::from_secs(10),
            limits: Limits::default(),
            ids: None,
        }
    }

    /// Sets a user's name and password, or an API key and its secret.
    #[must_use]
    pub fn basic(self, name: impl Into<String>, password: impl Into<Secret>) -> Builder {
        self.credentials(Credentials::Basic(name.into(), password.into()))
    }

    /// Sets a bearer token.
    #[must_use]
    pub fn bearer(self, token: impl Into<Secret>) -> Builder {
        self.credentials(Credentials::Bearer(token.into()))
    }

    /// Sets OAuth client credentials.
    #[must_use]
    pub fn oauth(self, oauth: OAuth) -> Builder {
        self.credentials(Credentials::OAuth(oauth))
    }

    /// Sets the credentials (default: none, or those in the URL of an address).
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Builder {
        Builder { credentials, ..self }
    }

    /// Sets certificates.
    #[must_use]
    pub fn tls(self, tls: Tls) -> Builder {
        Builder { tls, ..self }
    }

    /// Adds a header to all requests to the registry, such as `target-sr-cluster` for Confluent Cloud.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Builder {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn retries(self, retries: Retries) -> Builder {
        Builder { retries, ..self }
    }

    /// Sets the time within which a request must be answered (30 s).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Builder {
        Builder { timeout, ..self }
    }

    /// Sets for how long an id without a schema is not asked for again (10 s).
    #[must_use]
    pub fn missing_for(self, missing_for: Duration) -> Builder {
        Builder { missing_for, ..self }
    }

    /// Sets limits on answers.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Builder {
        Builder { limits, ..self }
    }

    /// Sets what ids are, for Apicurio's own API (default: ids of contents in version 3, global ids in version 2).
    #[must_use]
    pub fn apicurio_ids(self, ids: ApicurioIds) -> Builder {
        Builder { ids: Some(ids), ..self }
    }

    /// Takes from the environment what is not set here. Each variable has the name of the setting of confluent-kafka,
    /// in capitals, after `SCHEMA_REGISTRY_`:
    ///
    /// | variable | |
    /// |---|---|
    /// | `SCHEMA_REGISTRY_URL` | the addresses, separated by commas |
    /// | `SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO` | `NAME:PASSWORD` |
    /// | `SCHEMA_REGISTRY_BEARER_AUTH_TOKEN`, `SCHEMA_REGISTRY_TOKEN` | a bearer token |
    /// | `SCHEMA_REGISTRY_BEARER_AUTH_ISSUER_ENDPOINT_URL`, `.._CLIENT_ID`, `.._CLIENT_SECRET`, `.._SCOPE` | OAuth client credentials |
    /// | `SCHEMA_REGISTRY_BEARER_AUTH_LOGICAL_CLUSTER`, `.._IDENTITY_POOL_ID` | headers of Confluent Cloud |
    /// | `SCHEMA_REGISTRY_SSL_CA_LOCATION`, `.._SSL_CERTIFICATE_LOCATION`, `.._SSL_KEY_LOCATION` | certificates in PEM |
    ///
    /// Credentials, headers and the client certificate are for the servers of `SCHEMA_REGISTRY_URL`. If that is set and
    /// another server is given, they are not used.
    ///
    /// # Errors
    /// Fails if variables contradict each other, and if an address is wrong.
    pub fn environment(self) -> Result<Builder> {
        self.with(Environment::read()?)
    }

    fn with(mut self, environment: Environment) -> Result<Builder> {
        if self.urls.text().trim().is_empty() {
            self.urls = environment.urls.as_deref().unwrap_or_default().into();
        }
        let addresses = Address::parse_all(self.urls.text())?;
        if self.tls.ca.is_none() {
            self.tls.ca = environment.tls.ca.clone();
        }
        if !addresses.iter().all(|address| environment.concerns(address)) {
            return Ok(self);
        }
        if self.tls.certificate.is_none() && self.tls.key.is_none() {
            self.tls.certificate = environment.tls.certificate.clone();
            self.tls.key = environment.tls.key.clone();
        }
        if self.credentials == Credentials::None {
            self.credentials = environment.credentials;
        }
        let headers = environment.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.headers.extend(headers);
        Ok(self)
    }

    /// Returns the client. The registry is not asked yet.
    ///
    /// # Errors
    /// Fails if an address, a certificate file or a header cannot be used.
    pub fn build(self) -> Result<RegistryClient> {
        let addresses = Address::parse_all(self.urls.text())?;
        let connect_timeout = self.timeout.min(Duration::from_secs(10));
        let [client, anonymous] = self.tls.clients(&|| {
            let agent = concat!("avro-registry/", env!("CARGO_PKG_VERSION"));
            reqwest::Client::builder().user_agent(agent).redirect(Policy::none()).connect_timeout(connect_timeout)
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                return Err(Error::setting(format!("`{}` or its value cannot be an HTTP header", shown(name))));
            };
            headers.insert(name, value);
        }
        let tokens = match &self.credentials {
            Credentials::OAuth(oauth) => Some(TokenSource::new(oauth.clone())?),
            _ => None,
        };
        let transport = Transport {
            addresses,
            client,
            anonymous,
            credentials: self.credentials,
            tokens,
            headers,
            retries: self.retries,
            timeout: self.timeout,
            answer_bytes: self.limits.answer_bytes,
            preferred: AtomicUsize::new(0),
        };
        RegistryClient::new(transport, self.ids, self.limits, self.missing_for)
    }
}
