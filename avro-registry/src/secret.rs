//! Text that must not be shown.

use std::fmt;

/// A password, token or client secret. Its debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Secret(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Shorter secrets are not searched for: they would be found everywhere.
const SEARCHED_BYTES_MIN: usize = 4;

/// Replaces secrets in the text of a server, which may repeat what it was sent.
pub(crate) fn without_secrets(text: &str, secrets: &[&Secret]) -> String {
    let long = secrets.iter().map(|secret| secret.text()).filter(|text| text.len() >= SEARCHED_BYTES_MIN);
    long.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::from("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(without_secrets("no user a:hunter2", &[&secret, &Secret::from("a")]), "no user a:***");
    }
}
