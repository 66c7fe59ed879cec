//! Full names of named types, from names as written and their enclosing namespaces.

use std::fmt;

/// The full name of a named type: its namespace, which may be empty, and its simple name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    full: String,
    simple_at: usize,
}

impl Name {
    /// Returns the full name that `name` means inside `namespace`.
    // SPEC: Names. A name with a dot is full as it stands, whatever the namespace; one dot in front means no namespace.
    pub fn new(name: &str, namespace: &str) -> Self {
        match name.rfind('.') {
            Some(_) => {
                let full = name.trim_start_matches('.').to_owned();
                let simple_at = full.rfind('.').map_or(0, |dot| dot + 1);
                Name { full, simple_at }
            }
            None if namespace.is_empty() => Name { full: name.to_owned(), simple_at: 0 },
            None => Name { full: format!("{namespace}.{name}"), simple_at: namespace.len() + 1 },
        }
    }

    /// Returns the name with its namespace, `a.b.C`, or the simple name if the namespace is empty.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// Returns the name without its namespace.
    pub fn simple(&self) -> &str {
        self.full.get(self.simple_at..).unwrap_or_default()
    }

    /// Returns the namespace, or an empty string.
    pub fn namespace(&self) -> &str {
        self.full.get(..self.simple_at.saturating_sub(1)).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}
