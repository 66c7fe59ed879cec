//! Settings of environment variables: `SCHEMA_REGISTRY_` and the name of confluent-kafka's setting.

use crate::address::Address;
use crate::credentials::{Credentials, OAuth, Tls};
use crate::error::{Error, Result};
use crate::secret::Secret;
use std::path::PathBuf;

/// What the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) urls: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) tls: Tls,
    /// Headers of Confluent Cloud.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Environment {
    /// Reads the variables of this process.
    pub(crate) fn read() -> Result<Environment> {
        Environment::from(&|name| match std::env::var(name) {
            Ok(value) if value.is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Error::setting(format!("the environment variable {name} is not valid UTF-8")))
            }
        })
    }

    fn from(variable: &dyn Fn(&str) -> Result<Option<String>>) -> Result<Environment> {
        let of = |name: &str| variable(&format!("SCHEMA_REGISTRY_{name}"));
        let path = |name: &str| Ok::<_, Error>(of(name)?.map(PathBuf::from));
        let mut found = vec![];
        if let Some(user) = of("BASIC_AUTH_USER_INFO")? {
            let Some((name, password)) = user.split_once(':') else {
                return Err(Error::setting("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO must be NAME:PASSWORD"));
            };
            found.push(Credentials::Basic(name.to_owned(), password.into()));
        }
        let token = match of("BEARER_AUTH_TOKEN")? {
            None => of("TOKEN")?,
            token => token,
        };
        found.extend(token.map(|token| Credentials::Bearer(Secret::from(token.trim()))));
        let client = ["ISSUER_ENDPOINT_URL", "CLIENT_ID", "CLIENT_SECRET"];
        let [url, id, secret] = client.map(|name| of(&format!("BEARER_AUTH_{name}")));
        match (url?, id?, secret?) {
            (Some(token_url), Some(client_id), Some(secret)) => found.push(Credentials::OAuth(OAuth {
                token_url,
                client_id,
                client_secret: secret.into(),
                scope: of("BEARER_AUTH_SCOPE")?,
            })),
            (None, None, None) => {}
            _ => {
                return Err(Error::setting(
                    "OAuth needs SCHEMA_REGISTRY_BEARER_AUTH_ISSUER_ENDPOINT_URL, _CLIENT_ID and _CLIENT_SECRET",
                ));
            }
        }
        if found.len() > 1 {
            return Err(Error::setting(
                "the environment gives several credentials of a registry; set one of \
                 SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO, SCHEMA_REGISTRY_BEARER_AUTH_TOKEN and OAuth's three",
            ));
        }
        let headers = [
            ("target-sr-cluster", of("BEARER_AUTH_LOGICAL_CLUSTER")?),
            ("confluent-identity-pool-id", of("BEARER_AUTH_IDENTITY_POOL_ID")?),
        ];
        Ok(Environment {
            urls: of("URL")?,
            credentials: found.pop().unwrap_or_default(),
            tls: Tls {
                ca: path("SSL_CA_LOCATION")?,
                certificate: path("SSL_CERTIFICATE_LOCATION")?,
                key: path("SSL_KEY_LOCATION")?,
            },
            headers: headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        })
    }

    /// Whether the credentials are for this address: it is on a server of `SCHEMA_REGISTRY_URL`, or that is not set.
    pub(crate) fn concerns(&self, address: &Address) -> bool {
        match &self.urls {
            None => true,
            Some(urls) => {
                let own = Address::parse_all(urls).unwrap_or_default();
                own.iter().any(|own| own.origin() == address.origin())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    fn read(variables: &[(&str, &str)]) -> Result<Environment> {
        Environment::from(&|name| {
            let found = variables.iter().find(|(known, _)| name.strip_prefix("SCHEMA_REGISTRY_") == Some(known));
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn variables_give_credentials() {
        let client = [
            ("BEARER_AUTH_ISSUER_ENDPOINT_URL", "https://i/token"),
            ("BEARER_AUTH_CLIENT_ID", "me"),
            ("BEARER_AUTH_CLIENT_SECRET", "hunter2"),
        ];
        let cases: [(&[(&str, &str)], Credentials); 5] = [
            (&[], Credentials::None),
            (&[("BASIC_AUTH_USER_INFO", "me:a:b")], Credentials::Basic("me".into(), "a:b".into())),
            (&[("TOKEN", "t\n")], Credentials::Bearer("t".into())),
            (&[("BEARER_AUTH_TOKEN", "t")], Credentials::Bearer("t".into())),
            (&client, Credentials::OAuth(OAuth::new("https://i/token", "me", "hunter2"))),
        ];
        check_all(cases, |(variables, expected)| {
            let found = read(variables).unwrap();
            assert_eq!(found.credentials, expected);
            assert!(!format!("{found:?}").contains("hunter2"));
        });
    }

    #[test]
    fn contradictions_are_errors() {
        let cases: [(&[(&str, &str)], &str); 3] = [
            (&[("BASIC_AUTH_USER_INFO", "hunter2")], "must be NAME:PASSWORD"),
            (&[("BASIC_AUTH_USER_INFO", "a:hunter2"), ("TOKEN", "hunter2")], "several credentials"),
            (&[("BEARER_AUTH_CLIENT_SECRET", "hunter2")], "OAuth needs"),
        ];
        check_all(cases, |(variables, expected)| {
            let error = read(variables).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        });
    }

    #[test]
    fn credentials_are_for_the_server_that_the_environment_names() {
        let address = |text: &str| Address::parse(text).unwrap();
        let any = read(&[]).unwrap();
        assert!(any.concerns(&address("http://a")));
        let one = read(&[("URL", "https://a/x,https://b")]).unwrap();
        assert!(one.concerns(&address("https://a/y")) && one.concerns(&address("https://b:443")));
        assert!(!one.concerns(&address("http://a/x")) && !one.concerns(&address("https://c")));
    }
}
