//! The paths of a table, as the caller gives them.

use crate::listing::location::Location;
use datafusion::common::Result;

/// Paths, URLs or globs: one, or several that make one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    texts: Vec<String>,
    /// Directories in which the caller found the files, if given.
    roots: Vec<Option<String>>,
}

impl Paths {
    /// Local files found in directories, each with its directory. Directories `key=value` between the two become
    /// columns, as in a table over the directory.
    pub fn found(files: impl IntoIterator<Item = (String, Option<String>)>) -> Self {
        let (texts, roots) = files.into_iter().unzip();
        Paths { texts, roots }
    }

    /// Returns the paths as the caller wrote them.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(crate) fn locations(&self) -> Result<Vec<Location>> {
        let mut locations = vec![];
        for (i, text) in self.texts.iter().enumerate() {
            locations.extend(match self.roots.get(i) {
                Some(Some(root)) => Location::parse_found(text, root)?,
                _ => Location::parse(text)?,
            });
        }
        Ok(locations)
    }
}

impl From<&str> for Paths {
    fn from(path: &str) -> Self {
        Paths::from(vec![path])
    }
}

impl From<String> for Paths {
    fn from(path: String) -> Self {
        Paths::from(vec![path])
    }
}

impl From<&String> for Paths {
    fn from(path: &String) -> Self {
        Paths::from(vec![path.clone()])
    }
}

impl<T: Into<String>> From<Vec<T>> for Paths {
    fn from(paths: Vec<T>) -> Self {
        Paths { texts: paths.into_iter().map(Into::into).collect(), roots: vec![] }
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Paths {
    fn from(paths: [T; N]) -> Self {
        Paths::from(paths.into_iter().collect::<Vec<T>>())
    }
}
