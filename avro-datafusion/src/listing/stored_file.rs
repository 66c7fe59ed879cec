//! Files as bytes, for tools that look at files and not at rows: paths, globs and URLs in; the files that are there, and ranges of
//! their bytes, out.

use crate::io::object_version::Version;
use crate::listing::list::{Found, list_some};
use crate::listing::location::Location;
use crate::options::read::AvroOptions;
use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::common::Result;
use std::ops::Range;
use std::sync::Arc;

/// A file in a store, as it was when it was found.
#[derive(Debug, Clone)]
pub struct StoredFile {
    found: Found,
    below: Vec<String>,
    version: Arc<Version>,
}

impl StoredFile {
    /// The files at a path, directory, glob or URL, sorted by path. The options say which files of a directory are data, and
    /// who is told of others that look like data.
    ///
    /// # Errors
    /// Where there are none, or the store cannot be asked.
    pub async fn find(session: &dyn Session, path: &str, options: &AvroOptions) -> Result<Vec<StoredFile>> {
        let locations = Location::parse(path)?;
        let listings = list_some(&locations, session.runtime_env(), &options.file_extension).await?;
        let mut files = vec![];
        for listing in &listings {
            listing.warn(options.observer.as_deref());
            files.extend(listing.files.iter().map(|found| StoredFile {
                below: listing.below(found).into_iter().map(str::to_owned).collect(),
                version: Arc::new(Version::new(found.object.clone())),
                found: found.clone(),
            }));
        }
        Ok(files)
    }

    /// The parts of its path below the directory that was asked for, its own name last. None for a file that was named.
    pub fn below(&self) -> Vec<&str> {
        self.below.iter().map(String::as_str).collect()
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
