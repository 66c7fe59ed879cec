//! Credentials and certificates.

use crate::error::{Error, Result};
use crate::secret::Secret;
use std::path::{Path, PathBuf};

/// Credentials that each request carries. Credentials in the URL of an address precede them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// None.
    #[default]
    None,
    /// HTTP Basic: a user's name and password, or an API key and its secret.
    Basic(String, Secret),
    /// A bearer token.
    Bearer(Secret),
    /// Tokens of an OAuth server, which are renewed before they expire.
    OAuth(OAuth),
}

/// OAuth client credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuth {
    /// URL of the token endpoint.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scope to ask for.
    pub scope: Option<String>,
}

impl OAuth {
    /// Returns credentials without a scope.
    pub fn new(token_url: impl Into<String>, client_id: impl Into<String>, secret: impl Into<Secret>) -> OAuth {
        OAuth { token_url: token_url.into(), client_id: client_id.into(), client_secret: secret.into(), scope: None }
    }

    /// Sets the scope.
    #[must_use]
    pub fn with_scope(self, scope: impl Into<String>) -> OAuth {
        OAuth { scope: Some(scope.into()), ..self }
    }
}

/// Certificate files, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities that sign the registry's certificate (default: those of the system).
    pub ca: Option<PathBuf>,
    /// Certificate of this client.
    pub certificate: Option<PathBuf>,
    /// Key of the certificate (default: the key in the certificate's file).
    pub key: Option<PathBuf>,
}

impl Tls {
    /// Returns clients for requests to the registry, and for others: these have no certificate.
    pub(crate) fn clients(&self, build: &dyn Fn() -> reqwest::ClientBuilder) -> Result<[reqwest::Client; 2]> {
        let mut authorities = Vec::new();
        if let Some(path) = &self.ca {
            let failed = || Error::setting(format!("{}: no certificate in PEM", path.display()));
            authorities = reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(|_| failed())?;
            if authorities.is_empty() {
                return Err(failed());
            }
        }
        let identity = self.identity()?;
        let client = |identity: Option<reqwest::Identity>| {
            let mut builder = build();
            if !authorities.is_empty() {
                builder = builder.tls_built_in_root_certs(false);
            }
            for authority in &authorities {
                builder = builder.add_root_certificate(authority.clone());
            }
            if let Some(identity) = identity {
                builder = builder.identity(identity);
            }
            builder.build().map_err(|e| Error::setting(format!("TLS cannot be set up: {}", reason(&e))))
        };
        Ok([client(identity)?, client(None)?])
    }

    fn identity(&self) -> Result<Option<reqwest::Identity>> {
        let Some(certificate) = &self.certificate else {
            return match &self.key {
                Some(key) => Err(Error::setting(format!("{}: a key needs its certificate", key.display()))),
                None => Ok(None),
            };
        };
        let mut pem = read(certificate)?;
        if let Some(key) = &self.key {
            pem.push(b'\n');
            pem.extend(read(key)?);
        }
        let identity = reqwest::Identity::from_pem(&pem).map_err(|_| {
            Error::setting(format!("{}: no certificate with an unencrypted key in PEM", certificate.display()))
        })?;
        Ok(Some(identity))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::setting(format!("{}: {}", path.display(), io_reason(&e))))
}

/// Returns the text of an I/O error without Rust's number.
fn io_reason(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_owned()
}

/// Returns the innermost cause of an error, which says most.
pub(crate) fn reason(e: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(e), |e| e.source()).last().unwrap_or(e);
    match innermost.downcast_ref::<std::io::Error>() {
        Some(e) => io_reason(e).to_lowercase(),
        None => crate::error::shown(&innermost.to_string()),
    }
}
