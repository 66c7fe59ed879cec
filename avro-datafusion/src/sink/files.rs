//! The files of one write: all of them appear when all are complete.
//!
//! Rows gather into groups of a few blocks. A task encodes and compresses each group while others gather; groups reach
//! their file in order, so rows keep theirs. All bytes gathered, encoded and in flight are charged to the memory pool.
//! If many directories are written at once, files are ended early and their directories get several files.

use super::group::{Encoded, Group, GroupLimits};
use super::partition::{Key, Partitioning};
use super::upload::Upload;
use super::{Destination, Metrics};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use avro_arrow::{Encoder, WriteOptions, WriterBuilder};
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::execution::memory_pool::MemoryReservation;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Maximum open files. Each is a file descriptor or an upload.
const OPEN_MAX: usize = 256;
/// Maximum bytes held if there are several files.
const HELD_MAX: usize = 96 << 20;
/// Files completed concurrently.
const COMPLETED_AT_ONCE: usize = 8;

/// How files are written.
pub(super) struct Making {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) destination: Destination,
    pub(super) partitioning: Partitioning,
    pub(super) schema: SchemaRef,
    pub(super) options: WriteOptions,
    /// Bytes per part of an upload.
    pub(super) part_bytes: usize,
    /// Rows after which a directory gets another file.
    pub(super) rows_max: usize,
    /// Groups encoded concurrently.
    pub(super) groups_at_once: usize,
    pub(super) memory: MemoryReservation,
    pub(super) metrics: Metrics,
}

/// The files being written.
pub(super) struct OutputFiles {
    making: Making,
    groups: GroupLimits,
    open: HashMap<Arc<Key>, OpenFile>,
    /// Groups being encoded, oldest first.
    encoding: VecDeque<(Arc<Key>, usize, SpawnedTask<Result<Encoded>>)>,
    /// Bytes gathered and being encoded, and bytes held by uploads.
    n_gathered: usize,
    n_uploading: usize,
    n_files: usize,
    /// Logical clock, to find the least recently used file.
    clock: u64,
    done: Done,
}

struct OpenFile {
    encoder: Encoder,
    upload: Upload,
    gathered: Group,
    rows: usize,
    used: u64,
}

/// Completed files. Dropping this before all are complete deletes them.
struct Done {
    store: Arc<dyn ObjectStore>,
    paths: Vec<Path>,
    keep: bool,
}

impl OutputFiles {
    pub(super) fn new(making: Making) -> Self {
        OutputFiles {
            groups: GroupLimits::new(&making.options),
            open: HashMap::new(),
            encoding: VecDeque::new(),
            n_gathered: 0,
            n_uploading: 0,
            n_files: 0,
            clock: 0,
            done: Done { store: Arc::clone(&making.store), paths: vec![], keep: false },
            making,
        }
    }

    /// Adds rows to a directory.
    pub(super) async fn write(&mut self, key: Key, batch: RecordBatch) -> Result<()> {
        let key = Arc::new(key);
        for rows in self.groups.slices(batch) {
            self.write_some(&key, rows).await?;
        }
        Ok(())
    }

    async fn write_some(&mut self, key: &Arc<Key>, rows: RecordBatch) -> Result<()> {
        self.clock += 1;
        if !self.open.contains_key(key) {
            self.begin(key).await?;
        }
        let Some(open) = self.open.get_mut(key) else { return Ok(()) };
        open.used = self.clock;
        open.rows += rows.num_rows();
        self.n_gathered += open.gathered.add(rows);
        let is_full = open.rows >= self.making.rows_max;
        if self.groups.is_full(&open.gathered) {
            self.encode(key).await?;
        }
        if is_full {
            self.end(key).await?;
        }
        self.make_room().await
    }

    /// Completes all files after the last row; returns their paths.
    pub(super) async fn finish(mut self) -> Result<Vec<Path>> {
        if self.making.destination.single && self.open.is_empty() {
            self.begin(&Arc::new(vec![])).await?;
        }
        // In creation order, so that the result is deterministic.
        let mut keys: Vec<_> = self.open.keys().cloned().collect();
        keys.sort();
        for key in &keys {
            self.encode(key).await?;
        }
        self.written(0).await?;
        let uploads: Vec<_> = keys.iter().filter_map(|key| self.open.remove(key)).map(|open| open.upload).collect();
        let finish = |upload: Upload| async {
            let path = upload.path().clone();
            upload.finish().await.map(|()| path)
        };
        let mut finished = stream::iter(uploads).map(finish).buffered(COMPLETED_AT_ONCE);
        while let Some(path) = finished.next().await {
            self.done.paths.push(path?);
        }
        drop(finished);
        self.done.keep = true;
        Ok(std::mem::take(&mut self.done.paths))
    }

    /// Creates a file in the directory.
    async fn begin(&mut self, key: &Arc<Key>) -> Result<()> {
        let making = &self.making;
        let builder = WriterBuilder::new(Arc::clone(&making.schema)).with_options(making.options.clone());
        let encoder = builder.build_encoder().map_err(|e| DataFusionError::External(Box::new(e)))?;
        let path = making.destination.path(&making.partitioning.directory(key), self.n_files, encoder.sync());
        self.n_files += 1;
        let mut upload = Upload::new(Arc::clone(&making.store), path, making.part_bytes);
        let header = encoder.header();
        making.metrics.bytes.add(header.len());
        upload.write(Bytes::from(header)).await?;
        self.n_uploading += upload.held();
        let open = OpenFile { encoder, upload, gathered: Group::default(), rows: 0, used: self.clock };
        self.open.insert(Arc::clone(key), open);
        Ok(())
    }

    /// Starts encoding the rows gathered for the directory.
    async fn encode(&mut self, key: &Arc<Key>) -> Result<()> {
        self.written(self.making.groups_at_once.saturating_sub(1)).await?;
        let Some(open) = self.open.get_mut(key) else { return Ok(()) };
        let group = std::mem::take(&mut open.gathered);
        if group.is_empty() {
            return Ok(());
        }
        let (encoder, time) = (open.encoder.clone(), self.making.metrics.time.clone());
        let n_bytes = group.n_bytes();
        let task = SpawnedTask::spawn_blocking(move || {
            let _timer = time.timer();
            group.encode(&encoder)
        });
        self.encoding.push_back((Arc::clone(key), n_bytes, task));
        self.account().await
    }

    /// Writes encoded groups until at most this many are pending.
    async fn written(&mut self, few: usize) -> Result<()> {
        while self.encoding.len() > few
            && let Some((key, n_bytes, task)) = self.encoding.pop_front()
        {
            let Some(open) = self.open.get_mut(&key) else {
                return exec_err!("{}: file closed before its last rows", self.making.destination.name());
            };
            let encoded = task.join_unwind().await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?;
            let name = self.making.destination.name_of(open.upload.path());
            let encoded = encoded.map_err(|e| e.context(format!("cannot write {name}")))?;
            self.making.metrics.rows.add(encoded.rows);
            self.making.metrics.blocks.add(encoded.blocks);
            self.making.metrics.bytes.add(encoded.bytes.len());
            self.n_uploading -= open.upload.held();
            open.upload.write(Bytes::from(encoded.bytes)).await?;
            self.n_uploading += open.upload.held();
            self.n_gathered -= n_bytes;
        }
        Ok(())
    }

    /// Ends the file of the directory; more rows get another file.
    async fn end(&mut self, key: &Arc<Key>) -> Result<()> {
        self.encode(key).await?;
        self.written(0).await?;
        if let Some(open) = self.open.remove(key) {
            self.n_uploading -= open.upload.held();
            let path = open.upload.path().clone();
            open.upload.finish().await?;
            self.done.paths.push(path);
        }
        Ok(())
    }

    /// Frees memory while many files hold too much.
    async fn make_room(&mut self) -> Result<()> {
        while self.open.len() > OPEN_MAX {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.used).map(|(key, _)| Arc::clone(key));
            let Some(oldest) = oldest else { break };
            self.end(&oldest).await?;
        }
        while self.open.len() > 1 && self.n_gathered + self.n_uploading > HELD_MAX {
            self.relieve().await?;
        }
        Ok(())
    }

    /// Frees memory: encodes the largest group, or ends the file that holds the most bytes.
    async fn relieve(&mut self) -> Result<()> {
        if !self.encoding.is_empty() {
            return self.written(0).await;
        }
        let rows = self.most(|open| open.gathered.n_bytes());
        let bytes = self.most(|open| open.upload.held());
        match (rows, bytes) {
            (Some((rows, key)), Some((bytes, _))) if rows > 0 && rows >= bytes => {
                self.encode(&key).await?;
                self.written(0).await
            }
            (_, Some((_, key))) if self.open.len() > 1 => self.end(&key).await,
            _ => Ok(()),
        }
    }

    /// Returns the largest number of bytes held by a file, and its directory.
    fn most(&self, held: fn(&OpenFile) -> usize) -> Option<(usize, Arc<Key>)> {
        let held = self.open.iter().map(|(key, open)| (held(open), key));
        held.max_by_key(|(held, _)| *held).map(|(held, key)| (held, Arc::clone(key)))
    }

    /// Charges the held bytes to the memory pool; if it is exhausted, writes what it can.
    async fn account(&mut self) -> Result<()> {
        // The encoded group takes about as much again.
        let held = |files: &OutputFiles| files.n_gathered * 2 + files.n_uploading;
        if self.making.memory.try_resize(held(self)).is_err() {
            self.written(0).await?;
            self.making.memory.try_resize(held(self))?;
        }
        Ok(())
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if !self.keep
            && let Ok(runtime) = Handle::try_current()
        {
            let (store, paths) = (Arc::clone(&self.store), std::mem::take(&mut self.paths));
            runtime.spawn(async move {
                for path in paths {
                    // A file that cannot be deleted stays; the write has failed already.
                    let _ = store.delete(&path).await;
                }
            });
        }
    }
}
