//! What coordinator and workers agree on before they talk: timeouts, certificates and the token.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datafusion::common::config_datafusion_err;
use datafusion::error::Result;
use http::HeaderValue;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};
use url::{Host, Url};

/// How long opening a connection, and its TLS handshake, may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often each side asks the other whether it is still there, also while a connection is idle.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long the answer may take. Connections have threads of their own, so that busy workers answer too.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of the shortest token that is accepted: 16 random letters cannot be guessed over a network.
const TOKEN_BYTES_MIN: usize = 16;

/// A secret that coordinator and workers share. Its debug output does not show it.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Reads the token from a file; blanks around it do not count.
    ///
    /// # Errors
    /// If the file cannot be read, or its text is shorter than 16 bytes or not printable ASCII.
    pub fn read(file: &Path) -> Result<Token> {
        Token::new(read_text(file)?.trim()).map_err(|e| config_datafusion_err!("{}: {}", file.display(), bare(&e)))
    }

    /// Returns the token with this text.
    ///
    /// # Errors
    /// If the text is shorter than 16 bytes or not printable ASCII.
    pub fn new(text: &str) -> Result<Token> {
        if text.len() < TOKEN_BYTES_MIN {
            return Err(config_datafusion_err!(
                "a token needs at least {TOKEN_BYTES_MIN} characters; make one with `openssl rand -hex 32`"
            ));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(config_datafusion_err!("a token may have only printable ASCII characters, without blanks"));
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| config_datafusion_err!("a token may have only printable ASCII characters"))?;
        value.set_sensitive(true);
        Ok(Token(value))
    }

    /// Returns the value of the header `authorization`.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether this is the value of the header `authorization`. The time it takes does not depend on where they differ.
    pub(super) fn is(&self, given: Option<&HeaderValue>) -> bool {
        let (expected, given) = (self.0.as_bytes(), given.map_or(&b""[..], |given| given.as_bytes()));
        let differences = expected.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
        expected.len() == given.len() && differences == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Files of certificates and keys, in PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The certificate of this process, with its chain.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate.
    pub key: Option<PathBuf>,
    /// The authority that signed the certificates of workers. By default, those of the system.
    pub ca: Option<PathBuf>,
    /// The authority that signed the certificates of clients. With it, a worker talks only to clients that have one.
    pub client_ca: Option<PathBuf>,
    /// The name that certificates of workers must have. By default, that in the worker's URL.
    pub server_name: Option<String>,
}

impl TlsFiles {
    /// Returns the settings of connections to workers.
    pub(super) fn client(&self) -> Result<ClientTlsConfig> {
        let mut config = ClientTlsConfig::new().timeout(CONNECT_TIMEOUT);
        config = match &self.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(read_pem(ca)?)),
            None => config.with_native_roots(),
        };
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        if let Some(identity) = self.identity()? {
            config = config.identity(identity);
        }
        Ok(config)
    }

    /// Returns the settings of a worker's listener; `None` without a certificate.
    pub(super) fn server(&self) -> Result<Option<ServerTlsConfig>> {
        let Some(identity) = self.identity()? else { return Ok(None) };
        let mut config = ServerTlsConfig::new().identity(identity).timeout(CONNECT_TIMEOUT);
        if let Some(ca) = &self.client_ca {
            config = config.client_ca_root(Certificate::from_pem(read_pem(ca)?));
        }
        Ok(Some(config))
    }

    fn identity(&self) -> Result<Option<Identity>> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Identity::from_pem(read_pem(certificate)?, read_pem(key)?))),
            _ => Err(config_datafusion_err!("a TLS certificate and its key must be given together")),
        }
    }
}

/// Returns the bytes of a PEM file.
fn read_pem(file: &Path) -> Result<String> {
    let text = read_text(file)?;
    match text.contains("-----BEGIN ") {
        true => Ok(text),
        false => Err(config_datafusion_err!("{}: not a PEM file; it has no `-----BEGIN` line", file.display())),
    }
}

fn read_text(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|e| config_datafusion_err!("{}: {e}", file.display()))
}

/// Returns the message of a configuration error without its kind.
fn bare(e: &datafusion::error::DataFusionError) -> String {
    e.message().into_owned()
}

/// Whether the URL is of this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn token_is_compared_and_never_shown() {
        let token = Token::new("0123456789abcdef").unwrap();
        let cases =
            [("Bearer 0123456789abcdef", true), ("Bearer 0123456789abcdeF", false), ("Bearer", false), ("", false)];
        for (given, expected) in cases {
            assert_eq!(token.is(Some(&HeaderValue::from_static(given))), expected, "{given}");
        }
        assert!(!token.is(None));
        assert_eq!(format!("{token:?} {:?}", token.header()), "Token Sensitive");
        assert!(Token::new("short").is_err() && Token::new("with blanks in its middle").is_err());
    }

    #[test]
    fn loopback_is_told_by_the_host() {
        for (url, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("https://localhost:1", true),
            ("http://10.0.0.1:1", false),
            ("http://worker-1:1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
