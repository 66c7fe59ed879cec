//! Uploads one file to an object store, all or nothing.
//!
//! A small file is put at once. A larger one is a multipart upload, whose parts are sent while the rest is being made;
//! on a local disk, completing it renames a temporary file. If an upload is dropped before that, it is aborted and
//! leaves nothing.

use bytes::Bytes;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Parts sent concurrently.
const PARTS_AT_ONCE: usize = 4;
/// Number of parts after which they grow: stores accept at most ten thousand.
const PARTS_OF_A_SIZE: usize = 1_000;

/// A file being written.
#[derive(Debug)]
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Bytes not yet in a part.
    waiting: VecDeque<Bytes>,
    n_waiting: usize,
    /// Bytes of the first parts.
    part_bytes: usize,
    n_parts: usize,
    /// The multipart upload, once there is more than one part.
    parts: Option<Box<dyn MultipartUpload>>,
    /// Parts in flight.
    sending: JoinSet<object_store::Result<()>>,
}

impl Upload {
    /// Creates an upload. Nothing is sent before `part_bytes` are there.
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, part_bytes: usize) -> Self {
        Upload {
            store,
            path,
            waiting: VecDeque::new(),
            n_waiting: 0,
            part_bytes: part_bytes.max(1),
            n_parts: 0,
            parts: None,
            sending: JoinSet::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the approximate bytes held until they are sent.
    pub(super) fn held(&self) -> usize {
        self.n_waiting + self.sending.len() * self.next_part_bytes()
    }

    /// Adds bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.n_waiting += bytes.len();
        self.waiting.push_back(bytes);
        while self.n_waiting >= self.next_part_bytes() {
            self.send(self.next_part_bytes()).await?;
        }
        Ok(())
    }

    /// Completes the file. If this fails, no file appears.
    pub(super) async fn finish(mut self) -> Result<()> {
        if self.parts.is_none() {
            let payload = PutPayload::from_iter(std::mem::take(&mut self.waiting));
            self.store.put(&self.path, payload).await?;
            return Ok(());
        }
        if self.n_waiting > 0 {
            self.send(self.n_waiting).await?;
        }
        self.until(0).await?;
        if let Some(parts) = &mut self.parts {
            parts.complete().await?;
            self.parts = None;
        }
        Ok(())
    }

    fn next_part_bytes(&self) -> usize {
        self.part_bytes.saturating_mul(1 + self.n_parts / PARTS_OF_A_SIZE)
    }

    /// Sends the next part from the waiting bytes. Some stores require all parts but the last to have equal size.
    async fn send(&mut self, n_bytes: usize) -> Result<()> {
        self.until(PARTS_AT_ONCE - 1).await?;
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(self.store.put_multipart(&self.path).await?),
        };
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
        self.sending.spawn(parts.put_part(PutPayload::from_iter(part)));
        self.n_waiting -= n_bytes - n_left;
        self.n_parts += 1;
        Ok(())
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
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            let mut sending = std::mem::take(&mut self.sending);
            // Without a runtime the store cannot be asked. A local disk cleans up when the upload is dropped.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    sending.shutdown().await;
                    // The result does not matter to anyone.
                    let _ = parts.abort().await;
                });
            }
        }
    }
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
