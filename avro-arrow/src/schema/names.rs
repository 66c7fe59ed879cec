//! Names of named types: namespaces and full names.

use std::fmt;

/// The full name of a named type: its namespace, which may be empty, and its simple name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    full: String,
    simple_at: usize,
}

impl Name {
    /// The name with its namespace, `a.b.C`, or the simple name alone where the namespace is empty.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// The name without its namespace.
    pub fn simple(&self) -> &str {
        self.full.get(self.simple_at..).unwrap_or_default()
    }

    /// The namespace, or an empty string.
    pub fn namespace(&self) -> &str {
        self.full.get(..self.simple_at.saturating_sub(1)).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}
