//! Addresses of registries: URLs without credentials, and the credentials that stood in them.

use crate::error::{Error, Result};
use crate::secret::Secret;
use percent_encoding::percent_decode_str;
use url::{Origin, Url};

/// The address of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// Without credentials, query, fragment, and `/` at its end.
    base: String,
    origin: Origin,
    /// Name and password from the URL.
    pub(crate) user: Option<(String, Secret)>,
}

impl Address {
    /// Parses an address.
    pub(crate) fn parse(text: &str) -> Result<Address> {
        let text = text.trim();
        let mut url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                // Whatever stands before `@` may be a password.
                let shown = text.rsplit('@').next().unwrap_or_default();
                let shown = shown.split(['?', '#']).next().unwrap_or_default();
                return Err(Error::setting(match shown.contains("://") || shown.is_empty() {
                    true => format!("`{shown}` is not the address of a registry; it starts with http:// or https://"),
                    false => format!("`{shown}` is not the address of a registry; write http://{shown}"),
                }));
            }
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::setting(format!(
                "{}: the address of a registry has no query and no fragment",
                without_credentials(&url)
            )));
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decode(url.username()), Secret::from(decode(url.password().unwrap_or_default()))));
        // They cannot fail for URLs with a host.
        let (_, _) = (url.set_username(""), url.set_password(None));
        Ok(Address { base: url.as_str().trim_end_matches('/').to_owned(), origin: url.origin(), user })
    }

    /// Parses addresses separated by commas.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Address>> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let all = parts.map(Address::parse).collect::<Result<Vec<_>>>()?;
        match all.is_empty() {
            true => {
                Err(Error::setting("the address of the registry is missing; give a URL or set SCHEMA_REGISTRY_URL"))
            }
            false => Ok(all),
        }
    }

    /// Returns the URL without credentials.
    pub(crate) fn as_str(&self) -> &str {
        &self.base
    }

    /// Returns the URL of a path, which is percent-encoded.
    pub(crate) fn join(&self, path: &str) -> Result<Url> {
        Url::parse(&format!("{}/{path}", self.base)).map_err(|e| Error::setting(e.to_string()).at(&self.base))
    }

    /// Whether a URL is on this server: scheme, host and port are equal.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    /// Returns scheme, host and port.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Returns scheme, host, port and path of a URL.
pub(crate) fn without_credentials(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn address_is_parsed_without_credentials() {
        let cases = [
            ("http://localhost:8081", "http://localhost:8081", None),
            (" https://r/apis/ccompat/v7/ ", "https://r/apis/ccompat/v7", None),
            ("https://a:b%3Ac@r:1/", "https://r:1", Some(("a", "b:c"))),
            ("https://:c@r", "https://r", Some(("", "c"))),
        ];
        check_all(cases, |(text, base, user)| {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.as_str(), base);
            let found = address.user.as_ref().map(|(name, password)| (name.as_str(), password.text()));
            assert_eq!(found, user);
            assert!(!format!("{address:?}").contains("b:c"));
        });
    }

    #[test]
    fn wrong_address_is_an_error_without_credentials() {
        let cases = [
            ("", "missing"),
            (" , ", "missing"),
            ("localhost:8081", "write http://localhost:8081"),
            ("me:hunter2@r:8081", "`r:8081` is not the address"),
            ("ftp://me:hunter2@r", "`r` is not the address"),
            ("http://", "starts with http://"),
            ("http://me:hunter2@r:x", "`r:x` is not"),
            ("http://me:hunter2@r/?token=hunter2", "http://r: the address of a registry has no query"),
            ("http://me:hunter2@r/a#hunter2", "http://r/a: the address"),
            ("nonsense?token=hunter2", "`nonsense` is not"),
        ];
        check_all(cases, |(text, expected)| {
            let error = Address::parse_all(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        });
    }
}
