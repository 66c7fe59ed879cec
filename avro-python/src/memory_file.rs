//! Bytes of Python as files of an object store in memory, so that they are read like all others.

use avro_sql_cli::embed::{SqlFailure, SqlSession};
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use pyo3::pybacked::PyBackedBytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use url::Url;

/// Numbers of the stores, as each needs a URL.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A registered store. Dropping it removes it from the session.
pub(crate) struct MemoryFiles {
    session: Arc<SqlSession>,
    url: Url,
    /// The URLs of the files.
    pub(crate) urls: Vec<String>,
}

impl MemoryFiles {
    /// Registers a store of these files with a session.
    pub(crate) async fn register(
        session: &Arc<SqlSession>,
        files: Vec<PyBackedBytes>,
    ) -> Result<MemoryFiles, SqlFailure> {
        let text = format!("memory://bytes-{}/", NEXT.fetch_add(1, Ordering::Relaxed));
        let url = Url::parse(&text).map_err(|e| SqlFailure::request(e.to_string()))?;
        let store = InMemory::new();
        let mut urls = vec![];
        for (at, bytes) in files.into_iter().enumerate() {
            let path = Path::from(format!("{at}.avro"));
            store.put(&path, Bytes::from_owner(bytes).into()).await.map_err(|e| SqlFailure::request(e.to_string()))?;
            urls.push(format!("{text}{path}"));
        }
        session.context().register_object_store(&url, Arc::new(store) as Arc<dyn ObjectStore>);
        Ok(MemoryFiles { session: Arc::clone(session), url, urls })
    }
}

impl Drop for MemoryFiles {
    fn drop(&mut self) {
        // It is there, as nobody else knows its URL.
        let _ = self.session.context().deregister_object_store(&self.url);
    }
}
