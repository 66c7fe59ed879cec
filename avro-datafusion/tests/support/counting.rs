//! An object store that counts requests.

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Wraps a store.
#[derive(Debug)]
pub(crate) struct Counting {
    inner: Arc<dyn ObjectStore>,
    gets: Mutex<Vec<(String, Range<u64>)>>,
    lists: Mutex<Vec<String>>,
}

impl Counting {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Counting { inner, gets: Mutex::default(), lists: Mutex::default() }
    }

    /// The reads since this was last asked: paths and byte ranges.
    pub(crate) fn take_gets(&self) -> Vec<(String, Range<u64>)> {
        std::mem::take(&mut self.gets.lock().unwrap())
    }

    /// The listings since this was last asked: `all below x`, or `in x` where directories in `x` were not looked into.
    pub(crate) fn take_lists(&self) -> Vec<String> {
        std::mem::take(&mut self.lists.lock().unwrap())
    }

    fn listed(&self, how: &str, prefix: Option<&Path>) {
        let prefix = prefix.map(Path::as_ref).unwrap_or_default();
        self.lists.lock().unwrap().push(format!("{how} {prefix}"));
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counting({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if !options.head {
            let range = match &options.range {
                Some(GetRange::Bounded(range)) => range.clone(),
                other => panic!("only bounded ranges are read, not {other:?}"),
            };
            self.gets.lock().unwrap().push((path.to_string(), range));
        }
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed("all below", prefix);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.listed("in", prefix);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
