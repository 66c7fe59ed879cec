//! Uploads one file to an object store, all or nothing.
//!
//! A small file is put at once. A larger one is a multipart upload, whose parts are sent while the rest is being made;
//! on a local disk, completing it renames a temporary file. If an upload is dropped before that, it is aborted and
//! leaves nothing.
//!
//! A file that must not appear before others are complete is staged: all its bytes are sent, and only the request that
//! makes the object remains.

use bytes::Bytes;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Parts sent concurrently.
const PARTS_AT_ONCE: usize = 4;
/// Number of parts after which they grow: stores accept at most ten thousand.
const PARTS_OF_A_SIZE: usize = 1_000;

/// A file being written. Dropping it aborts it, see [`wait_for_aborts`].
#[derive(Debug)]
pub struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Bytes not yet in a part.
    waiting: VecDeque<Bytes>,
    n_waiting: usize,
    /// Bytes of the first parts.
    part_bytes: usize,
    n_parts: usize,
    /// The multipart upload, once there is more than one part.
    parts: Option<Parts>,
}

impl Upload {
    /// Creates an upload in parts of this size. Nothing is sent before `part_bytes` are there.
    pub fn new(store: Arc<dyn ObjectStore>, path: Path, part_bytes: usize) -> Self {
        Upload {
            store,
            path,
            waiting: VecDeque::new(),
            n_waiting: 0,
            part_bytes: part_bytes.max(1),
            n_parts: 0,
            parts: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the approximate bytes held until they are sent.
    pub fn held(&self) -> usize {
        self.n_waiting + self.parts.as_ref().map_or(0, |parts| parts.sending.len()) * self.next_part_bytes()
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// If the store refuses a part.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.n_waiting += bytes.len();
        self.waiting.push_back(bytes);
        while self.n_waiting >= self.next_part_bytes() {
            self.send(self.next_part_bytes()).await?;
        }
        Ok(())
    }

    /// Completes the file. If this fails, no file appears.
    pub(super) async fn finish(self) -> Result<()> {
        self.stage(usize::MAX).await?.commit().await
    }

    /// Sends all bytes, but does not make the object yet. A file of one part and at most `held_max` bytes is kept in
    /// memory instead.
    ///
    /// # Errors
    /// If the store refuses a part.
    pub async fn stage(mut self, held_max: usize) -> Result<StagedUpload> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        // A multipart upload needs at least one byte.
        if self.parts.is_none() && (self.n_waiting <= held_max || self.n_waiting == 0) {
            let payload = PutPayload::from_iter(mem::take(&mut self.waiting));
            return Ok(StagedUpload { store, path, content: Content::Bytes(payload) });
        }
        if self.n_waiting > 0 {
            self.send(self.n_waiting).await?;
        }
        let content = match self.parts.take() {
            Some(mut parts) => {
                parts.until(0).await?;
                Content::Parts(parts)
            }
            None => Content::Bytes(PutPayload::new()),
        };
        Ok(StagedUpload { store, path, content })
    }

    fn next_part_bytes(&self) -> usize {
        self.part_bytes.saturating_mul(1 + self.n_parts / PARTS_OF_A_SIZE)
    }

    /// Sends the next part from the waiting bytes. Some stores require all parts but the last to have equal size.
    async fn send(&mut self, n_bytes: usize) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(Parts::new(self.store.put_multipart(&self.path).await?)),
        };
        parts.until(PARTS_AT_ONCE - 1).await?;
        let (mut part, mut n_left) = (vec![], n_bytes);
        while n_left > 0
            && let Some(mut bytes) = self.waiting.pop_front()
        {
            if bytes.len() > n_left {
                self.waiting.push_front(bytes.split_off(n_left));
            }
            n_left -= bytes.len();
            part.push(bytes);
        }
        parts.send(PutPayload::from_iter(part));
        self.n_waiting -= n_bytes - n_left;
        self.n_parts += 1;
        Ok(())
    }
}

/// A multipart upload. Dropping it aborts it in the background, see [`wait_for_aborts`].
#[derive(Debug)]
pub(crate) struct Parts {
    upload: Option<Box<dyn MultipartUpload>>,
    /// Parts in flight.
    sending: JoinSet<object_store::Result<()>>,
    unfinished: Option<Unfinished>,
}

impl Parts {
    pub(crate) fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Parts { upload: Some(upload), sending: JoinSet::new(), unfinished: Some(Unfinished::begin()) }
    }

    /// Returns the upload, unless it is complete.
    pub(crate) fn upload(&mut self) -> Option<&mut Box<dyn MultipartUpload>> {
        self.upload.as_mut()
    }

    fn send(&mut self, part: PutPayload) {
        if let Some(upload) = &mut self.upload {
            self.sending.spawn(upload.put_part(part));
        }
    }

    /// Waits until at most this many parts are in flight.
    async fn until(&mut self, few: usize) -> Result<()> {
        while self.sending.len() > few
            && let Some(sent) = self.sending.join_next().await
        {
            sent.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        }
        Ok(())
    }

    async fn complete(mut self) -> Result<()> {
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
            self.upload = None;
        }
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let (mut sending, unfinished) = (mem::take(&mut self.sending), self.unfinished.take());
        // Without a runtime the store cannot be asked. A local disk cleans up when the upload is dropped.
        if let Some(mut upload) = self.upload.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                sending.shutdown().await;
                // The result does not matter to anyone.
                let _ = upload.abort().await;
                drop(unfinished);
            });
        }
    }
}

/// A file of which all bytes are sent. Dropping it before [`commit`](Self::commit) aborts it.
#[derive(Debug)]
pub struct StagedUpload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Not sent yet.
    Bytes(PutPayload),
    Parts(Parts),
}

impl StagedUpload {
    /// Creates a staged upload of a small file.
    pub(crate) fn of_bytes(store: Arc<dyn ObjectStore>, path: Path, bytes: PutPayload) -> Self {
        StagedUpload { store, path, content: Content::Bytes(bytes) }
    }

    /// Creates a staged upload of parts that are sent.
    pub(crate) fn of_parts(store: Arc<dyn ObjectStore>, path: Path, parts: Parts) -> Self {
        StagedUpload { store, path, content: Content::Parts(parts) }
    }

    /// Makes the object.
    ///
    /// # Errors
    /// If the store refuses it. The object does not exist then.
    pub async fn commit(self) -> Result<()> {
        match self.content {
            Content::Bytes(bytes) => Ok(self.store.put(&self.path, bytes).await.map(drop)?),
            Content::Parts(parts) => parts.complete().await,
        }
    }
}

/// The number of multipart uploads that are neither complete nor aborted.
static UNFINISHED: Mutex<usize> = Mutex::new(0);
static FINISHED: Condvar = Condvar::new();

/// One of them.
#[derive(Debug)]
struct Unfinished;

impl Unfinished {
    fn begin() -> Self {
        *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Unfinished
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FINISHED.notify_all();
    }
}

/// Blocks until all uploads of this process are complete or aborted, or for this long. A canceled query drops its
/// uploads soon, and they are aborted in the background. A process that ends before leaves parts in the store, which
/// nobody sees but somebody pays for.
pub fn wait_for_aborts(longest: Duration) {
    let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    drop(FINISHED.wait_timeout_while(unfinished, longest, |unfinished| *unfinished > 0));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    async fn written(store: Arc<dyn ObjectStore>, pieces: usize, part_bytes: usize) -> Result<()> {
        let mut upload = Upload::new(Arc::clone(&store), Path::from("a/b"), part_bytes);
        for i in 0..pieces {
            upload.write(Bytes::from(vec![i as u8; 10])).await?;
        }
        assert!(store.list(None).try_collect::<Vec<_>>().await?.is_empty(), "nothing is there before the end");
        upload.finish().await
    }

    #[tokio::test]
    async fn upload_keeps_byte_order() {
        for (pieces, part_bytes) in [(0, 10), (3, 1_000), (3, 10), (100, 15), (2_500, 10)] {
            let dir = tempfile::tempdir().unwrap();
            let local: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
            for store in [Arc::new(InMemory::new()), local] {
                written(Arc::clone(&store), pieces, part_bytes).await.unwrap();
                let found = store.get(&Path::from("a/b")).await.unwrap().bytes().await.unwrap();
                let expected: Vec<u8> = (0..pieces).flat_map(|i| [i as u8; 10]).collect();
                assert_eq!(found, expected, "{pieces} pieces, parts of {part_bytes}");
            }
        }
    }

    #[tokio::test]
    async fn dropped_upload_leaves_no_object() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
        let mut upload = Upload::new(store, Path::from("b"), 10);
        for _ in 0..5 {
            upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
        }
        let files = || std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files(), 1, "the temporary file");
        drop(upload);
        for _ in 0..3_000 {
            if files() == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(files(), 0);
    }
}
