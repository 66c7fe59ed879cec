//! Writes of a statement that appear together: object stores that make the objects only when told so.
//!
//! DataFusion's sinks finish an object even if the query fails, and leave the parts of those that they do not finish.
//! [`StagedWrites`] gives them stores that keep each object back until the whole statement has succeeded.

use crate::sink::upload::{Parts, StagedUpload};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, UploadPart,
};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// Bytes of small objects that are kept in memory until they appear. Further ones are sent as uploads of one part.
const HELD_MAX: usize = 32 << 20;

/// The writes of one statement.
#[derive(Debug, Clone, Default)]
pub struct StagedWrites(Arc<Mutex<Staged>>);

#[derive(Debug, Default)]
struct Staged {
    uploads: Vec<StagedUpload>,
    held_bytes: usize,
}

impl StagedWrites {
    /// Returns a session like this one whose writes to object stores are staged.
    ///
    /// # Errors
    /// If DataFusion refuses the session.
    pub fn begin(session: &SessionContext) -> Result<(SessionContext, StagedWrites)> {
        let writes = StagedWrites::default();
        let state = session.state();
        let stores = Arc::clone(&state.runtime_env().object_store_registry);
        let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env());
        let runtime = runtime
            .with_object_store_registry(Arc::new(StagedStores { stores, writes: writes.clone() }))
            .build_arc()?;
        let id = state.session_id().to_owned();
        let state = SessionStateBuilder::new_from_existing(state).with_session_id(id).with_runtime_env(runtime).build();
        Ok((SessionContext::new_with_state(state), writes))
    }

    /// Makes all objects.
    ///
    /// # Errors
    /// If a store refuses one. The objects made before it exist then; the others do not.
    pub async fn commit(self) -> Result<()> {
        let uploads = std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).uploads);
        for upload in uploads {
            upload.commit().await?;
        }
        Ok(())
    }

    fn add(&self, upload: StagedUpload) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).uploads.push(upload);
    }

    /// Adds to the bytes kept in memory, unless they would be too many.
    fn hold(&self, bytes: usize) -> bool {
        let mut staged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = staged.held_bytes + bytes <= HELD_MAX || bytes == 0;
        if fits {
            staged.held_bytes += bytes;
        }
        fits
    }
}

/// A registry whose stores stage their writes.
#[derive(Debug)]
struct StagedStores {
    stores: Arc<dyn ObjectStoreRegistry>,
    writes: StagedWrites,
}

impl ObjectStoreRegistry for StagedStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.stores.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.stores.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let store = self.stores.get_store(url)?;
        match url.scheme() {
            "file" => Ok(store),
            _ => Ok(Arc::new(StagedStore { store, writes: self.writes.clone() })),
        }
    }
}

#[derive(Debug)]
struct StagedStore {
    store: Arc<dyn ObjectStore>,
    writes: StagedWrites,
}

impl fmt::Display for StagedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

/// Returns the result of a write that has not happened yet.
fn staged() -> PutResult {
    PutResult { e_tag: None, version: None }
}

#[async_trait]
impl ObjectStore for StagedStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        let store = Arc::clone(&self.store);
        if self.writes.hold(payload.content_length()) {
            self.writes.add(StagedUpload::of_bytes(store, path.clone(), payload));
            return Ok(staged());
        }
        let mut parts = self.put_multipart_opts(path, PutMultipartOptions::default()).await?;
        parts.put_part(payload).await?;
        parts.complete().await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let parts = self.store.put_multipart_opts(path, options).await?;
        let (store, writes) = (Arc::clone(&self.store), self.writes.clone());
        Ok(Box::new(StagedParts { store, path: path.clone(), parts: Some(Parts::new(parts)), writes }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.store.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.store.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> object_store::Result<()> {
        self.store.rename_opts(from, to, options).await
    }
}

/// An upload of parts that is staged when it is completed. Dropping it before aborts it.
#[derive(Debug)]
struct StagedParts {
    store: Arc<dyn ObjectStore>,
    path: Path,
    parts: Option<Parts>,
    writes: StagedWrites,
}

#[async_trait]
impl MultipartUpload for StagedParts {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        match self.parts.as_mut().and_then(Parts::upload) {
            Some(parts) => parts.put_part(part),
            None => Box::pin(std::future::ready(Err(object_store::Error::NotImplemented {
                operation: "a part after the last".to_owned(),
                implementer: "staged writes".to_owned(),
            }))),
        }
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        if let Some(parts) = self.parts.take() {
            self.writes.add(StagedUpload::of_parts(Arc::clone(&self.store), self.path.clone(), parts));
        }
        Ok(staged())
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        // Dropping the parts aborts them.
        self.parts = None;
        Ok(())
    }
}
