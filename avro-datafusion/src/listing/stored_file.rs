//! Files as bytes, for tools that work on files rather than rows.

use crate::io::object_version::ObjectSnapshot;
use crate::listing::list::list_some;
use crate::listing::listed::ListedFile;
use crate::listing::location::Location;
use crate::options::read::AvroOptions;
use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::common::Result;
use std::ops::Range;
use std::sync::Arc;

/// A file in an object store, as of its listing.
#[derive(Debug, Clone)]
pub struct StoredFile {
    found: ListedFile,
    below: Vec<String>,
    version: Arc<ObjectSnapshot>,
}

impl StoredFile {
    /// Finds the files at a path, directory, glob or URL, sorted by path. The options decide which files of a directory
    /// are data, and receive warnings about others that look like data.
    ///
    /// # Errors
    /// If no file matches, or the store cannot be listed.
    pub async fn find(session: &dyn Session, path: &str, options: &AvroOptions) -> Result<Vec<StoredFile>> {
        let locations = Location::parse(path)?;
        let listings = list_some(&locations, session.runtime_env(), &options.file_extension).await?;
        let mut files = vec![];
        for listing in &listings {
            listing.warn(options.observer.as_deref());
            files.extend(listing.files.iter().map(|found| StoredFile {
                below: listing.below(found).into_iter().map(str::to_owned).collect(),
                version: Arc::new(ObjectSnapshot::new(found.object.clone())),
                found: found.clone(),
            }));
        }
        Ok(files)
    }

    /// Returns the components of the path below the listed directory, ending with the file name; empty for a file named
    /// directly.
    pub fn below(&self) -> Vec<&str> {
        self.below.iter().map(String::as_str).collect()
    }

    /// Returns the path or URL.
    pub fn name(&self) -> String {
        self.found.name()
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.found.object.size
    }

    /// Reads a range of the file.
    ///
    /// # Errors
    /// If the range cannot be read, or the file has changed.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.version.read(self.found.store.as_ref(), range, &self.name()).await?.bytes)
    }
}
