//! Location of a file's index: beside the file, or in a directory of indexes.
//!
//! The index of `DIR/NAME` is `.NAME.avroidx`, which neither directories nor globs take for data. It is in `DIR`, or,
//! with a directory of indexes, in its subdirectory named after the store and the path of `DIR`.

use crate::listing::location::file_name;
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use object_store::path::{Path, PathPart};
use std::fmt;
use std::sync::Arc;
use url::Url;

/// Extension of index files.
const EXTENSION: &str = "avroidx";

/// The location of an object.
#[derive(Clone)]
pub(crate) struct ObjectLocation {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) path: Path,
}

impl ObjectLocation {
    /// Returns the location of a directory, which need not exist.
    pub(crate) fn directory(text: &str, runtime: &RuntimeEnv) -> Result<ObjectLocation> {
        let url = match text.contains("://") {
            true => Url::parse(text).ok(),
            false => std::path::absolute(text).ok().and_then(|path| Url::from_directory_path(path).ok()),
        };
        let Some(url) = url else { return plan_err!("`{text}` is neither a local directory nor a URL") };
        let base = ListingTableUrl::try_new(url, None)?;
        let store_url = base.object_store();
        Ok(ObjectLocation { store: runtime.object_store(&store_url)?, store_url, path: base.prefix().clone() })
    }

    /// Returns the location of this file's index.
    pub(crate) fn of_index(&self, directory: Option<&ObjectLocation>) -> Result<ObjectLocation> {
        let file = self.path.as_ref();
        let (parent, name) = file.rsplit_once('/').unwrap_or(("", file));
        let name = format!(".{name}.{EXTENSION}");
        let (place, path) = match directory {
            None => (self, format!("{parent}/{name}")),
            Some(directory) => {
                let (scheme, authority) = self.store_url.as_str().split_once("://").unwrap_or_default();
                let authority = PathPart::from(authority.trim_end_matches('/'));
                let parts = [directory.path.as_ref(), scheme, authority.as_ref(), parent, &name];
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                (directory, parts.join("/"))
            }
        };
        let path = Path::parse(path).map_err(|e| DataFusionError::ObjectStore(Box::new(e.into())))?;
        Ok(ObjectLocation { path, ..place.clone() })
    }

    /// Returns the path or URL, for messages.
    pub(crate) fn name(&self) -> String {
        file_name(&self.store_url, &self.path)
    }
}

impl fmt::Debug for ObjectLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;
    use object_store::memory::InMemory;

    #[test]
    fn of_index_returns_path() {
        let place = |url: &str, path: &str| ObjectLocation {
            store: Arc::new(InMemory::new()),
            store_url: ObjectStoreUrl::parse(url).unwrap(),
            path: Path::parse(path).unwrap(),
        };
        let cases = [
            ("file:///", "a/b.avro", None, "a/.b.avro.avroidx"),
            ("file:///", "b", None, ".b.avroidx"),
            ("s3://bucket", "x%20y/z.avro", None, "x%20y/.z.avro.avroidx"),
            ("file:///", "a/b.avro", Some("index"), "index/file/a/.b.avro.avroidx"),
            ("s3://bucket", "a/b.avro", Some("index/all"), "index/all/s3/bucket/a/.b.avro.avroidx"),
            ("s3://bucket", "b.avro", Some(""), "s3/bucket/.b.avro.avroidx"),
            ("http://host:8080", "b.avro", Some("i"), "i/http/host:8080/.b.avro.avroidx"),
        ];
        check_all(cases, |(url, path, directory, expected)| {
            let directory = directory.map(|path| place("file:///", path));
            assert_eq!(place(url, path).of_index(directory.as_ref()).unwrap().path.as_ref(), expected);
        });
    }
}
