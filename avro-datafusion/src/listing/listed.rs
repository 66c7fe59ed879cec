//! The files that were found at a location.

use crate::diagnostics::observer::ScanObserver;
use crate::listing::data_files::LeftOut;
use crate::listing::location::{Location, file_name};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::{ObjectMeta, ObjectStore};
use std::fmt;
use std::sync::Arc;

/// A file found by listing.
#[derive(Clone)]
pub(crate) struct ListedFile {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) object: ObjectMeta,
}

impl ListedFile {
    /// Returns the path or URL, for messages.
    pub(crate) fn name(&self) -> String {
        file_name(&self.store_url, &self.object.location)
    }
}

impl fmt::Debug for ListedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The files found at a location.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) location: Location,
    /// The files, sorted by path.
    pub(crate) files: Vec<ListedFile>,
    /// Files without bytes, which are left out too.
    pub(super) empty: Vec<ListedFile>,
    /// Files that are not data.
    pub(crate) left_out: LeftOut,
    /// Whether no file name has an extension.
    pub(super) all_bare: bool,
    /// Whether an object store has neither an object of this name nor objects below it.
    pub(super) is_absent: bool,
}

impl Listing {
    /// Returns the components of a file's path below the location, ending with the file name.
    pub(crate) fn below<'f>(&'f self, file: &'f ListedFile) -> Vec<&'f str> {
        self.location.below(&file.object.location)
    }

    /// Warns of files that look like data and were left out.
    pub(crate) fn warn(&self, observer: Option<&dyn ScanObserver>) {
        if let Some(observer) = observer
            && !self.files.is_empty()
            && let Some(warning) = self.left_out.warning(self.location.text(), self.all_bare)
        {
            observer.warning(&warning);
        }
    }
}
