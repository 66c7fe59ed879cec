//! Files as bytes, for tools that look at files and not at rows: paths, globs and URLs in; the files that are there, and ranges of
//! their bytes, out.

use crate::listing::{Found, list_some};
use crate::location::Location;
use crate::version::Version;
use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::common::Result;
use std::ops::Range;
use std::sync::Arc;

/// A file in a store, as it was when it was found.
#[derive(Debug, Clone)]
pub struct StoredFile {
    found: Found,
    version: Arc<Version>,
}

impl StoredFile {
    /// The files at a path, directory, glob or URL, sorted by path. `extension` is that of files in directories.
    ///
    /// # Errors
    /// Where there are none, or the store cannot be asked.
    pub async fn find(session: &dyn Session, path: &str, extension: &str) -> Result<Vec<StoredFile>> {
        let locations = Location::parse(path)?;
        let listings = list_some(&locations, session.runtime_env(), extension).await?;
        let files = listings.into_iter().flat_map(|listing| listing.files);
        Ok(files.map(|found| StoredFile { version: Arc::new(Version::new(found.object.clone())), found }).collect())
    }

    /// Its path or URL.
    pub fn name(&self) -> String {
        self.found.name()
    }

    /// Bytes that it has.
    pub fn size(&self) -> u64 {
        self.found.object.size
    }

    /// Bytes of a range that lies within it.
    ///
    /// # Errors
    /// Where they cannot be read, or where the file is another one by now.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.version.read(self.found.store.as_ref(), range, &self.name()).await?.bytes)
    }
}
