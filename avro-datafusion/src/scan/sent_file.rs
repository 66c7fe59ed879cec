//! Files of a plan that another process made.

use crate::block_index::FileIndex;
use crate::index::indexes;
use crate::listing::location::is_local;
use crate::schema::header_cache::{FileHeader, HeaderCache};
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use std::fmt;
use std::sync::Arc;

/// Marks a file that another process listed. The planner's version of it must be read.
pub(crate) struct SentFile {
    runtime: Arc<RuntimeEnv>,
    /// Whether the planner had a block index of the file.
    has_index: bool,
}

impl fmt::Debug for SentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentFile").field("has_index", &self.has_index).finish_non_exhaustive()
    }
}

impl SentFile {
    pub(crate) fn new(runtime: Arc<RuntimeEnv>, has_index: bool) -> SentFile {
        SentFile { runtime, has_index }
    }

    pub(crate) fn has_index(&self) -> bool {
        self.has_index
    }

    /// Checks the version of the file, and returns its block index if the planner had one and it is still there.
    pub(crate) async fn open(
        &self,
        file: &PartitionedFile,
        header: &FileHeader,
        headers: &HeaderCache,
        store: &Arc<dyn ObjectStore>,
        store_url: &ObjectStoreUrl,
        name: &str,
    ) -> Result<Option<Arc<FileIndex>>> {
        header.version.check_listed(&file.object_meta, is_local(store_url), name)?;
        if !self.has_index {
            return Ok(None);
        }
        let found = indexes(headers, &self.runtime, store, store_url, std::slice::from_ref(file)).await?;
        Ok(found.into_iter().next().flatten())
    }
}
