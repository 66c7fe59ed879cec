//! Certificates: those of the authority that a client trusts, and those of a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Certificate;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::payload::read;
use crate::commands::schema;
use crate::error::{Error, Result};

/// Bytes of the largest file with certificates.
const PEM_BYTES_MAX: usize = 16 << 20;

/// Files with certificates and keys, in PEM.
#[derive(Debug, Default)]
pub(crate) struct TlsFiles {
    /// The authority that signed the server's certificate; `None` for those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate of this server and its key.
    pub(crate) own: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Reads the certificates of the authority.
    pub(super) fn authority(&self) -> Result<Option<Vec<Certificate>>> {
        let Some(path) = &self.ca else { return Ok(None) };
        match Certificate::from_pem_bundle(&pem(path)?) {
            Ok(certificates) if !certificates.is_empty() => Ok(Some(certificates)),
            _ => Err(invalid(path, "certificate")),
        }
    }

    /// Reads the certificate of this server.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        let Some((certificate, key)) = &self.own else {
            return Err(Error::Usage(
                "https:// needs a certificate; use --tls-cert FILE and --tls-key FILE".to_owned(),
            ));
        };
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&pem(certificate)?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| invalid(certificate, "certificate"))?;
        let secret = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|_| invalid(key, "private key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret));
        let mut config = config.map_err(|e| {
            Error::Failed(format!("{}: the certificate cannot be used with its key: {e}", certificate.display()))
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn pem(path: &Path) -> Result<Vec<u8>> {
    read(schema::open(path)?, &path.display().to_string(), PEM_BYTES_MAX)
}

fn invalid(path: &Path, what: &str) -> Error {
    Error::Failed(format!("{}: no {what} in PEM found", path.display()))
}
