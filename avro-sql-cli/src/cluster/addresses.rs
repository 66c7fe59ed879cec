//! Where workers are: text of options and files to URLs.

use std::fs;
use std::net::SocketAddr;

use avro_datafusion::cluster::is_loopback;
use url::Url;

use crate::error::{Error, Result};
use crate::options::Workers;

/// An address as it was given.
#[derive(Debug, PartialEq)]
enum Address {
    Worker(Url),
    /// All machines of a name.
    Name {
        name: String,
        port: u16,
        scheme: &'static str,
    },
}

/// Returns the workers that are meant now; a name may have other machines later.
pub(super) async fn resolve(workers: &Workers) -> Result<Vec<Url>> {
    let mut given = workers.addresses.clone();
    if let Some(file) = &workers.file {
        let text = fs::read_to_string(file).map_err(|e| Error::file(file, e))?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        given.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        if given.is_empty() {
            return Err(Error::Failed(format!("{}: no workers; write one HOST:PORT on each line", file.display())));
        }
    }
    let mut urls: Vec<Url> = Vec::new();
    for text in &given {
        match parse(text, workers)? {
            Address::Worker(url) => urls.push(url),
            Address::Name { name, port, scheme } => {
                let found = tokio::net::lookup_host((name.as_str(), port)).await;
                let found = found.map_err(|e| Error::Failed(format!("{text}: cannot resolve the name: {e}")))?;
                let mut found: Vec<SocketAddr> = found.collect();
                found.sort();
                urls.extend(found.iter().filter_map(|at| Url::parse(&format!("{scheme}://{at}")).ok()));
            }
        }
    }
    let mut unique: Vec<Url> = Vec::new();
    urls.into_iter().for_each(|url| {
        if !unique.contains(&url) {
            unique.push(url);
        }
    });
    Ok(unique)
}

/// Parses an address. Without a scheme, workers on other machines are reached by TLS, unless `--insecure` allows none.
fn parse(text: &str, workers: &Workers) -> Result<Address> {
    let invalid = || {
        Error::Usage(format!(
            "`{text}` is not the address of a worker; expected HOST:PORT, https://HOST:PORT or dns://NAME:PORT"
        ))
    };
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme @ ("http" | "https" | "dns"), rest)) => (Some(scheme), rest),
        Some(_) => return Err(invalid()),
        None => (None, text),
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':').ok_or_else(invalid)?;
    let port: u16 = port.parse().map_err(|_| invalid())?;
    if host.is_empty() || port == 0 || host.contains(['/', '@', '?', '#']) {
        return Err(invalid());
    }
    let plain = Url::parse(&format!("http://{host}:{port}")).map_err(|_| invalid())?;
    let wants_tls = workers.security.tls_ca.is_some() || workers.security.tls_cert.is_some();
    let is_encrypted = wants_tls || !(is_loopback(&plain) || workers.security.insecure);
    let default = if is_encrypted { "https" } else { "http" };
    match scheme {
        Some("dns") => Ok(Address::Name { name: host.to_owned(), port, scheme: default }),
        Some("http") if !is_loopback(&plain) && !workers.security.insecure => Err(Error::Usage(format!(
            "{text}: connections to other machines must be encrypted; use https://, or --insecure in a network that you trust"
        ))),
        scheme => {
            let scheme = scheme.unwrap_or(default);
            Ok(Address::Worker(Url::parse(&format!("{scheme}://{host}:{port}")).map_err(|_| invalid())?))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::options::Security;

    #[test]
    fn addresses_become_urls() {
        let cases = [
            ("127.0.0.1:7001", "http://127.0.0.1:7001/"),
            ("localhost:7001", "http://localhost:7001/"),
            ("[::1]:7001", "http://[::1]:7001/"),
            ("worker-1:7001", "https://worker-1:7001/"),
            ("https://localhost:7001/", "https://localhost:7001/"),
            ("http://127.0.0.1:7001", "http://127.0.0.1:7001/"),
        ];
        for (text, expected) in cases {
            let url = Url::parse(expected).unwrap();
            assert_eq!(parse(text, &Workers::default()).unwrap(), Address::Worker(url), "{text}");
        }
        for wrong in ["", "a", "a:", ":1", "a:0", "a:x", "ftp://a:1", "http://a:1", "a/b:1", "u@h:1"] {
            assert!(parse(wrong, &Workers::default()).is_err(), "{wrong}");
        }
        let insecure = Security { insecure: true, ..Security::default() };
        let workers = Workers { security: insecure, ..Workers::default() };
        for (text, expected) in [("a:1", "http://a:1/"), ("http://a:1", "http://a:1/"), ("https://a:1", "https://a:1/")]
        {
            assert_eq!(parse(text, &workers).unwrap(), Address::Worker(Url::parse(expected).unwrap()), "{text}");
        }
        let name = Address::Name { name: "a.b".to_owned(), port: 1, scheme: "https" };
        assert_eq!(parse("dns://a.b:1", &Workers::default()).unwrap(), name);
    }
}
