//! Builds block indexes. All columns of a file are decoded once; only block statistics are kept.

use super::load;
use crate::block_index::collect::Collector;
use crate::block_index::format::{BlockStats, Identity, Writer};
use crate::block_index::leaves::{Leaf, leaf_options, leaves};
use crate::block_index::model::EMPTY_BLOCK;
use crate::block_index::place::ObjectLocation;
use crate::error::file_error;
use crate::io::readahead::{Fetch, Object, ReadaheadPolicy};
use crate::listing::list::list_some;
use crate::listing::listed::ListedFile;
use crate::listing::location::{Location, file_name, is_local};
use crate::listing::paths::Paths;
use crate::options::read::AvroOptions;
use crate::schema::header_cache::{FileHeader, HeaderCache};
use avro_arrow::container::Framer;
use avro_arrow::{DecodeResult, Decoder, Limits, OnCorruptBlock, Program};
use bytes::Bytes;
use datafusion::arrow::buffer::Buffer;
use datafusion::catalog::Session;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::Count;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt, PutPayload};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Rows decoded at a time.
const BATCH_SIZE: usize = 8192;
/// Minimum bytes of a file per thread.
const PART_BYTES: u64 = 16 << 20;

/// Options of [`build()`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct IndexOptions {
    /// Columns to index, by name, or by path for struct fields: `a.b`. A struct means all its fields. Default: every
    /// column that can be indexed. Naming any other column is an error.
    pub columns: Option<Vec<String>>,
    /// Whether indexes that are already up to date are rebuilt.
    pub rebuild: bool,
    /// Receives progress, for reporting while the build runs.
    pub progress: Option<Arc<IndexProgress>>,
}

impl IndexOptions {
    setters! {
        with_columns(columns: impl Into<Option<Vec<String>>>),
        with_rebuild(rebuild: bool),
        with_progress(progress: Arc<IndexProgress>),
    }
}

/// Progress of an index build, readable from other threads.
#[derive(Debug, Default)]
pub struct IndexProgress {
    total_bytes: AtomicU64,
    bytes: Count,
    rows: AtomicU64,
}

impl IndexProgress {
    /// Returns the total bytes of all files; 0 until they are listed.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes read, including files whose index was up to date. May slightly exceed the total, as some bytes
    /// are read twice.
    pub fn bytes(&self) -> u64 {
        self.bytes.value() as u64
    }

    /// Returns the rows read.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// The index of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileIndexed {
    /// Path or URL of the file.
    pub file: String,
    /// Path or URL of its index.
    pub index: String,
    /// Blocks of the file.
    pub blocks: u64,
    /// Rows of the file.
    pub rows: u64,
    /// Bytes of the index.
    pub bytes: u64,
    /// Whether the index was built by this call, rather than found up to date.
    pub built: bool,
}

/// Builds the block indexes of the files at these paths: files, directories or globs. [`AvroOptions::index_path`] is
/// the directory of the indexes.
///
/// The work runs on the runtime of the caller, in as many tasks as the session has target partitions. Each index is
/// written all at once.
///
/// # Errors
/// If there are no files, a file cannot be read or is damaged, or an index cannot be written. Indexes of files that
/// were done before remain.
pub async fn build(
    session: &dyn Session,
    paths: impl Into<Paths>,
    options: &AvroOptions,
    index: &IndexOptions,
) -> Result<Vec<FileIndexed>> {
    let threads = session.config().target_partitions();
    build_with(session.runtime_env(), threads, paths.into(), options, index).await
}

/// Builds the block indexes of the files at these paths in this many tasks.
pub(crate) async fn build_with(
    runtime: &RuntimeEnv,
    threads: usize,
    paths: Paths,
    options: &AvroOptions,
    index: &IndexOptions,
) -> Result<Vec<FileIndexed>> {
    let mut all = vec![];
    for path in paths.texts() {
        let locations = Location::parse(path)?;
        let found = list_some(&locations, runtime, &options.file_extension).await?;
        found.iter().for_each(|listing| listing.warn(options.observer.as_deref()));
        all.extend(found.into_iter().flat_map(|listing| listing.files));
    }
    build_files(runtime, threads, all, options, index).await
}

/// Builds the block indexes of these files in this many tasks.
pub(crate) async fn build_files(
    runtime: &RuntimeEnv,
    threads: usize,
    files: Vec<ListedFile>,
    options: &AvroOptions,
    index: &IndexOptions,
) -> Result<Vec<FileIndexed>> {
    let threads = threads.max(1);
    let directory = options.index_path.as_ref().map(|path| ObjectLocation::directory(path, runtime)).transpose()?;
    if let Some(progress) = &index.progress {
        progress.total_bytes.fetch_add(files.iter().map(|file| file.object.size).sum(), Ordering::Relaxed);
    }
    // An index cannot describe the rows of a damaged block.
    let options = AvroOptions { on_corrupt_block: OnCorruptBlock::Error, ..options.clone() };
    let builder = Arc::new(Builder {
        headers: HeaderCache::new(options.clone()),
        threads: Arc::new(Semaphore::new(threads)),
        n_threads: threads as u64,
        directory,
        index: index.clone(),
        memory: Arc::new(MemoryConsumer::new("AvroIndex").register(&runtime.memory_pool)),
    });
    stream::iter(files)
        .map(|ListedFile { store, store_url, object }| {
            let place = ObjectLocation { store, store_url, path: object.location.clone() };
            Arc::clone(&builder).file(place, object)
        })
        .buffered(threads)
        .try_collect()
        .await
}

struct Builder {
    headers: HeaderCache,
    /// Limits the number of working threads.
    threads: Arc<Semaphore>,
    n_threads: u64,
    directory: Option<ObjectLocation>,
    index: IndexOptions,
    /// Memory reservation that fetched bytes are charged to.
    memory: Arc<MemoryReservation>,
}

/// A file to index.
#[derive(Clone)]
struct FileIndexJob {
    place: ObjectLocation,
    file_len: u64,
    name: Arc<str>,
    header: Arc<FileHeader>,
    program: Arc<Program>,
    leaves: Arc<[Leaf]>,
    limits: Limits,
    readahead: ReadaheadPolicy,
    memory: Arc<MemoryReservation>,
    progress: Arc<IndexProgress>,
}

impl Builder {
    async fn file(self: Arc<Self>, place: ObjectLocation, object: ObjectMeta) -> Result<FileIndexed> {
        let name = file_name(&place.store_url, &place.path);
        let to = place.of_index(self.directory.as_ref())?;
        let (header, _) = self.headers.get(place.store.as_ref(), &object, &name).await?;
        let limits = &self.headers.options().limits;
        let schema = header.schema.avro();
        let all = leaves(schema, limits).map_err(|e| file_error(e, &name))?;
        let wanted: Arc<[Leaf]> = wanted(all, self.index.columns.as_deref(), &name)?.into();
        if !self.index.rebuild
            && let Some((index, bytes)) = load::current(&to, &header, &object, limits).await
            && index.has_columns(&wanted)
        {
            let (blocks, rows) = (index.n_blocks() as u64, index.n_rows());
            if let Some(progress) = &self.index.progress {
                progress.bytes.add(usize::try_from(object.size).unwrap_or(usize::MAX));
            }
            return Ok(FileIndexed { file: name, index: to.name(), blocks, rows, bytes, built: false });
        }
        let options = leaf_options(wanted.iter().map(|leaf| leaf.path.clone()).collect(), limits);
        let options = options.with_batch_size(BATCH_SIZE);
        let program = Arc::new(Program::compile(schema, &options).map_err(|e| file_error(e, &name))?);
        let job = FileIndexJob {
            place: place.clone(),
            file_len: object.size,
            name: name.as_str().into(),
            header: Arc::clone(&header),
            program,
            leaves: Arc::clone(&wanted),
            limits: limits.clone(),
            readahead: ReadaheadPolicy::new(is_local(&place.store_url), None, self.n_threads as usize),
            memory: Arc::clone(&self.memory),
            progress: self.index.progress.clone().unwrap_or_default(),
        };
        let blocks = self.blocks(&job).await?;

        // All bytes must be of one version of the file.
        let now = place.store.head(&place.path).await?;
        let identity = Identity::new(&object, header.header.sync, schema);
        if let Some(what) = identity.differs(&Identity::new(&now, header.header.sync, schema)) {
            return exec_err!("{name}: the file's {what} changed while it was indexed");
        }
        let mut writer = Writer::new(header.header.sync);
        blocks.iter().for_each(|block| writer.push(block));
        let index = writer.finish(&identity, &wanted);
        let bytes = index.len() as u64;
        to.store.put(&to.path, PutPayload::from(Bytes::from(index))).await?;
        let rows = blocks.iter().map(|block| block.rows).sum();
        Ok(FileIndexed { file: name, index: to.name(), blocks: blocks.len() as u64, rows, bytes, built: true })
    }

    /// Returns all blocks, without gaps between them.
    async fn blocks(&self, job: &FileIndexJob) -> Result<Vec<BlockStats>> {
        let parts = (job.file_len / PART_BYTES).clamp(1, self.n_threads);
        let bound = |i: u64| if i == parts { job.file_len } else { job.file_len / parts * i };
        let found = self.parts(job, (0..parts).map(|i| bound(i)..bound(i + 1))).await?;
        if let Some(blocks) = joined(found, job) {
            return Ok(blocks);
        }
        // A value contains what looks like a block, so the file must be read from its start.
        let found = self.parts(job, std::iter::once(0..job.file_len)).await?;
        let Some(blocks) = joined(found, job) else {
            return exec_err!("{}: the blocks do not cover the file", job.name);
        };
        Ok(blocks)
    }

    async fn parts(&self, job: &FileIndexJob, ranges: impl Iterator<Item = Range<u64>>) -> Result<Vec<BlockStats>> {
        let tasks: Vec<_> = ranges
            .map(|range| {
                let (job, threads) = (job.clone(), Arc::clone(&self.threads));
                SpawnedTask::spawn(async move {
                    // The semaphore is never closed.
                    let _permit = threads.acquire_owned().await;
                    job.part(range).await
                })
            })
            .collect();
        let mut blocks = vec![];
        for task in tasks {
            blocks.extend(task.join_unwind().await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??);
        }
        Ok(blocks)
    }
}

impl FileIndexJob {
    /// Returns the blocks that belong to a range of the file.
    async fn part(self, range: Range<u64>) -> Result<Vec<BlockStats>> {
        let header = &self.header.header;
        let limits = &self.limits;
        let whole = range == (0..self.file_len);
        let (mut decoder, mut framer) = match whole {
            true => (Decoder::new(header, Arc::clone(&self.program)), Framer::new(header, limits)),
            false => (
                Decoder::for_range(header, Arc::clone(&self.program), range.clone(), self.file_len),
                Framer::for_range(header, range.clone(), self.file_len, limits),
            ),
        };
        let wanted = decoder.first_offset()..range.end;
        let object = Object {
            store: Arc::clone(&self.place.store),
            version: Arc::clone(&self.header.version),
            name: self.name.to_string(),
            memory: Arc::clone(&self.memory),
        };
        let mut fetch = Fetch::new(object, wanted, self.readahead, self.progress.bytes.clone());
        let mut collector = Collector::new(Arc::clone(&self.leaves));
        loop {
            // The framer runs ahead, so that the block of every row is known.
            while let Some(block) = framer.next_block().map_err(|e| file_error(e, &self.name))? {
                collector.block(&block);
            }
            let block = match decoder.try_decode().map_err(|e| file_error(e, &self.name))? {
                DecodeResult::Batch(batch) => {
                    self.progress.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    if !collector.rows(&batch) {
                        return exec_err!("{}: more rows than its blocks declare", self.name);
                    }
                    continue;
                }
                DecodeResult::NeedsData(block) => block,
                DecodeResult::Finished => break,
            };
            match fetch.next(block).await? {
                Some(bytes) => {
                    let bytes = Buffer::from(bytes);
                    framer.feed(bytes.clone());
                    decoder.feed(bytes);
                }
                None => {
                    framer.finish();
                    decoder.finish();
                }
            }
        }
        match collector.finish() {
            Some(blocks) => Ok(blocks),
            None => exec_err!("{}: fewer rows than its blocks declare", self.name),
        }
    }
}

/// Returns the blocks extended over blocks without rows: each extends the block after it, at the end the block before
/// it. `None` if there is anything else in between.
fn joined(mut blocks: Vec<BlockStats>, job: &FileIndexJob) -> Option<Vec<BlockStats>> {
    let mut at = job.header.header.len;
    for block in &mut blocks {
        let end = block.offset + block.bytes;
        let between = block.offset.checked_sub(at)?;
        if between % EMPTY_BLOCK != 0 {
            return None;
        }
        block.offset = at;
        block.bytes = end - at;
        at = end;
    }
    let rest = job.file_len.checked_sub(at)?;
    if let Some(last) = blocks.last_mut() {
        last.bytes += rest;
    }
    (rest % EMPTY_BLOCK == 0).then_some(blocks)
}

/// Returns the requested leaves.
fn wanted(all: Vec<Leaf>, columns: Option<&[String]>, name: &str) -> Result<Vec<Leaf>> {
    let Some(columns) = columns else { return Ok(all) };
    let is_in = |leaf: &Leaf, column: &str| {
        leaf.path.strip_prefix(column).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for column in columns {
        if !all.iter().any(|leaf| is_in(leaf, column)) {
            let known: Vec<_> = all.iter().map(|leaf| leaf.path.as_str()).collect();
            return plan_err!("{name}: no column `{column}` that can be indexed; available: {}", known.join(", "));
        }
    }
    Ok(all.into_iter().filter(|leaf| columns.iter().any(|column| is_in(leaf, column))).collect())
}
