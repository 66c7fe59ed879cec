//! A store that is created when it is first used.

use super::explain::explain;
use super::settings::Settings;
use super::{Service, aws, clouds};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::OnceCell;
use url::{Position, Url};

/// A store of which only the address is known at first.
#[derive(Debug, Clone)]
pub(crate) struct LazyStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// URL without path.
    url: Url,
    settings: Settings,
    made: OnceCell<Arc<dyn ObjectStore>>,
}

impl LazyStore {
    /// Creates a lazy store; sends no request.
    pub(crate) fn new(url: &Url, settings: Settings) -> Self {
        let mut url = url.clone();
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        LazyStore(Arc::new(Inner { url, settings, made: OnceCell::new() }))
    }

    /// Returns the store. The first caller creates it, others wait; after a failure the next caller retries.
    async fn made(&self) -> Result<&dyn ObjectStore> {
        let Inner { url, settings, made } = self.0.as_ref();
        let make = || async {
            let store: Arc<dyn ObjectStore> = match settings.service {
                Service::S3 => Arc::new(aws::store(url, settings).await?),
                Service::Gcs => Arc::new(clouds::gcs(url, settings)?),
                Service::Azure => Arc::new(clouds::azure(url, settings)?),
                Service::Http => Arc::new(clouds::http(url, settings)?),
            };
            Ok(store)
        };
        Ok(made.get_or_try_init(make).await.map_err(|e| self.explain(e))?.as_ref())
    }

    fn explain(&self, e: object_store::Error) -> object_store::Error {
        explain(e, self.0.settings.service, &self.0.url)
    }

    /// Returns a stream that first creates the store.
    fn stream<T: Send + 'static>(
        &self,
        begin: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let (making, explaining) = (self.clone(), self.clone());
        let items =
            stream::once(async move { Ok::<_, object_store::Error>(begin(making.made().await?)) }).try_flatten();
        // Creation errors already contain advice.
        items.map_err(move |e| explaining.explain(e)).boxed()
    }
}

impl fmt::Display for LazyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.url[..Position::BeforePath])
    }
}

#[async_trait]
impl ObjectStore for LazyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.made().await?.put_opts(path, payload, options).await.map_err(|e| self.explain(e))
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let parts = self.made().await?.put_multipart_opts(path, options).await.map_err(|e| self.explain(e))?;
        Ok(Box::new(ExplainedUpload { parts, store: self.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.made().await?.get_opts(path, options).await.map_err(|e| self.explain(e))?;
        if let GetResultPayload::Stream(bytes) = result.payload {
            let explaining = self.clone();
            result.payload = GetResultPayload::Stream(bytes.map_err(move |e| explaining.explain(e)).boxed());
        }
        Ok(result)
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.made().await?.get_ranges(path, ranges).await.map_err(|e| self.explain(e))
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.stream(move |store| store.delete_stream(paths))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.stream(move |store| store.list(prefix.as_ref()))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.stream(move |store| store.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.made().await?.list_with_delimiter(prefix).await.map_err(|e| self.explain(e))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.made().await?.copy_opts(from, to, options).await.map_err(|e| self.explain(e))
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.made().await?.rename_opts(from, to, options).await.map_err(|e| self.explain(e))
    }
}

/// An upload whose errors have advice.
#[derive(Debug)]
struct ExplainedUpload {
    parts: Box<dyn MultipartUpload>,
    store: LazyStore,
}

#[async_trait]
impl MultipartUpload for ExplainedUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (sent, store) = (self.parts.put_part(part), self.store.clone());
        Box::pin(async move { sent.await.map_err(|e| store.explain(e)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.parts.complete().await.map_err(|e| self.store.explain(e))
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.abort().await.map_err(|e| self.store.explain(e))
    }
}
