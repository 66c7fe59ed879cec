//! Decodes the columns of a file into memory: from its copy if that has them, else from the file.

use super::column_cache::{ColumnCache, Room};
use super::columns::{FileColumns, GroupColumns, GroupValues};
use super::copy::FileCopy;
use super::groups::{GroupCuts, GroupRows};
use super::keys::keyed_columns;
use super::lookup::{OncePerFile, PlannedCopy, describe_files};
use super::parts::{BATCH_SIZE, FileJob, Part, PartSink};
use crate::block_index::format::Identity;
use crate::compact::compact;
use crate::io::readahead::{Object, ReadaheadPolicy};
use crate::listing::listed::ListedFile;
use crate::listing::location::is_local;
use crate::nested_nulls::with_nulls_inside;
use crate::options::read::{AvroOptions, CacheUse};
use crate::projection::DecodeColumns;
use crate::schema::header_cache::{ColumnKey, FileHeader, HeaderCache};
use crate::schema::reader_schema::ReaderSchema;
use arrow_array::{Array, RecordBatch};
use arrow_schema::FieldRef;
use avro_arrow::RowRange;
use datafusion::arrow::compute::concat;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::Count;
use futures::{Stream, StreamExt, stream};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// Rows from which on a group ends with its block.
const GROUP_ROWS: usize = 1 << 16;

/// Groups of rows in the order of the file; `None` if the file must be read as one.
type GroupStream<'a> = Pin<Box<dyn Stream<Item = Result<Option<Vec<GroupColumns>>>> + Send + 'a>>;

/// Decodes columns of the files of a scan into memory, each once.
pub(crate) struct ColumnLoader {
    cache: Arc<ColumnCache>,
    headers: Arc<HeaderCache>,
    reader: Arc<ReaderSchema>,
    pool: Arc<dyn MemoryPool>,
    n_tasks: usize,
    /// When the scan was planned, by the clock of the cache.
    pub(crate) planned: u64,
    files: OncePerFile<Arc<FileColumns>>,
    /// Whether there was no room for a file.
    is_full: AtomicBool,
}

/// The columns in memory of a scan's files, as they were when it was planned.
#[derive(Clone, Default)]
pub(crate) struct ScanColumns {
    pub(crate) n_files: usize,
    pub(crate) planned: Vec<PlannedColumns>,
    pub(crate) loader: Option<Arc<ColumnLoader>>,
}

/// The columns in memory of a file, with its name.
pub(crate) type PlannedColumns = (String, Arc<FileHeader>, Arc<FileColumns>);

impl ScanColumns {
    /// Describes which files are read from memory, for `EXPLAIN`; `None` if none is.
    pub(crate) fn describe(
        &self,
        reader: &ReaderSchema,
        options: &AvroOptions,
        decoded: &[&DecodeColumns],
    ) -> Option<String> {
        let covers = |(_, header, columns): &&PlannedColumns| {
            decoded.iter().all(|decoded| {
                // The programs of the scan itself have another batch size.
                let programs = reader.programs(&header.schema, decoded, None, 1, options);
                programs.is_ok_and(|(program, _)| {
                    columns.of_scan(&header.schema, reader, options, decoded, program.arrow_schema()).is_some()
                })
            })
        };
        describe_files(self.planned.iter().filter(covers).map(|(name, _, _)| name.as_str()).collect(), self.n_files)
    }
}

impl std::fmt::Debug for ScanColumns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.planned.iter().map(|(name, _, _)| name)).finish()
    }
}

/// Why columns are not kept.
enum NotKept {
    /// The file must be read as one.
    ReadWhole,
    /// They do not fit.
    NoRoom,
    /// The file cannot be read, or a column has no key.
    Failed,
}

impl From<DataFusionError> for NotKept {
    fn from(_: DataFusionError) -> Self {
        // The scan itself reports errors of a file.
        NotKept::Failed
    }
}

/// What is decoded of a file.
struct Load<'a> {
    file: &'a ListedFile,
    name: &'a str,
    header: &'a Arc<FileHeader>,
    copy: Option<&'a PlannedCopy>,
    columns: DecodeColumns,
}

impl ColumnLoader {
    pub(crate) fn new(
        cache: Arc<ColumnCache>,
        headers: Arc<HeaderCache>,
        reader: Arc<ReaderSchema>,
        pool: Arc<dyn MemoryPool>,
        n_tasks: usize,
        planned: u64,
    ) -> ColumnLoader {
        let (files, is_full) = Default::default();
        ColumnLoader { cache, headers, reader, pool, n_tasks, planned, files, is_full }
    }

    /// Returns the columns of a file in memory, with at least `wanted`. The first caller decodes those that are not
    /// there, others wait. `None` if they are not kept: this is the first time that the file is read, or there is no
    /// room.
    pub(crate) async fn columns(
        &self,
        file: &ListedFile,
        header: &Arc<FileHeader>,
        copy: Option<&PlannedCopy>,
        wanted: DecodeColumns,
    ) -> Option<Arc<FileColumns>> {
        let name = file.name();
        let load = || async {
            let may_decode = self.cache.ask(&name, self.planned) || self.headers.options().cache == CacheUse::Memory;
            if !(may_decode || self.cache.has(&name)) {
                return None;
            }
            let loading = self.cache.loading(&name);
            let _only = loading.lock().await;
            self.load(Load { file, name: &name, header, copy, columns: wanted }, may_decode).await
        };
        self.files.get(&file.object.location, load).await
    }

    async fn load(&self, mut load: Load<'_>, may_decode: bool) -> Option<Arc<FileColumns>> {
        let identity = Identity::new(&load.file.object, load.header.header.sync, load.header.schema.avro());
        let known = self.cache.get(load.name, &identity);
        let options = self.headers.options();
        let (program, _) = self.reader.programs(&load.header.schema, &load.columns, None, BATCH_SIZE, options).ok()?;
        let wanted = keyed_columns(&load.header.schema, &self.reader, options, &load.columns, program.arrow_schema())?;
        if let Some(known) = &known {
            let missing = |column: &(FieldRef, Arc<ColumnKey>)| known.find(std::slice::from_ref(column)).is_none();
            let missing: Vec<_> = wanted.iter().filter(|column| missing(column)).collect();
            if missing.is_empty() {
                return Some(Arc::clone(known));
            }
            // Columns that the file calls by another name are decoded again.
            let is_missing = |name: &str| missing.iter().any(|(field, _)| field.name() == name);
            let is_there = |name: &str| wanted.iter().any(|(field, _)| field.name() == name);
            load.columns = load.columns.only(|name| is_missing(name) || !is_there(name));
        }
        if !may_decode || self.is_full.load(Ordering::Relaxed) {
            return None;
        }
        let decoded = match self.decode(&load, &identity, false).await {
            Err(NotKept::ReadWhole) => self.decode(&load, &identity, true).await,
            decoded => decoded,
        };
        match decoded {
            Ok((columns, room)) => Some(self.cache.insert(load.name, columns, room)),
            Err(NotKept::NoRoom) => {
                self.is_full.store(true, Ordering::Relaxed);
                None
            }
            Err(_) => None,
        }
    }

    async fn decode(
        &self,
        load: &Load<'_>,
        identity: &Identity,
        is_whole: bool,
    ) -> Result<(FileColumns, Room), NotKept> {
        let (file, header, options) = (load.file, load.header, self.headers.options());
        let programs = self.reader.programs(&header.schema, &load.columns, None, BATCH_SIZE, options);
        let (program, _) = programs.map_err(|_| NotKept::Failed)?;
        let program_schema = program.arrow_schema();
        let keyed = keyed_columns(&header.schema, &self.reader, options, &load.columns, program_schema);
        let mut keyed = keyed.ok_or(NotKept::Failed)?;
        let copied = load
            .copy
            .and_then(|copy| Some((copy, copy.columns(&self.reader, options, &load.columns, program_schema)?)));
        let job = Arc::new(FileJob {
            object: Object {
                store: Arc::clone(&file.store),
                version: Arc::clone(&header.version),
                name: load.name.to_owned(),
                memory: Arc::new(MemoryConsumer::new("AvroColumns").register(&self.pool)),
            },
            location: file.object.location.clone(),
            file_len: file.object.size,
            header: Arc::clone(header),
            program,
            readahead: ReadaheadPolicy::new(is_local(&file.store_url), None, self.n_tasks),
            bytes: Count::new(),
            rows: Arc::default(),
        });
        let (mut parts, n_parts): (GroupStream<'_>, usize) = match copied {
            Some((copy, columns)) => {
                // The columns come in the order of the copy.
                let place = |field: &FieldRef| columns.fields.iter().position(|column| column.name() == field.name());
                keyed.sort_by_key(|(field, _)| place(field));
                let (copy, n) = (Arc::clone(&copy.copy), copy.copy.index().n_blocks());
                let group = move |i: usize| {
                    let (copy, mask) = (Arc::clone(&copy), columns.mask.clone());
                    async move {
                        let read = SpawnedTask::spawn_blocking(move || read_group(&copy, mask, i)).join_unwind().await;
                        read.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?.map(|group| Some(vec![group]))
                    }
                };
                (stream::iter(0..n).map(group).buffered(self.n_tasks.max(1)).boxed(), n)
            }
            None => {
                let tasks = Arc::new(Semaphore::new(self.n_tasks.max(1)));
                let parts = Arc::clone(&job).parts(is_whole, tasks, self.n_tasks, GroupSink::new);
                let groups = parts.map(|part| match part? {
                    Part::Rows(groups) => groups.map(Some),
                    Part::ReadWhole => Ok(None),
                });
                (groups.boxed(), job.n_parts(is_whole))
            }
        };
        let reserved: Vec<MemoryReservation> =
            keyed.iter().map(|_| MemoryConsumer::new("AvroColumns").register(&self.pool)).collect();
        let (mut groups, mut done, mut room) = (vec![], 0_usize, Room::new(&self.cache));
        while let Some(part) = parts.next().await {
            let part = part?.ok_or(NotKept::ReadWhole)?;
            for (i, memory) in reserved.iter().enumerate() {
                let of_column = part.iter().filter_map(|group| group.columns.get(i));
                let bytes = of_column.map(|column| column.values.get_array_memory_size()).sum();
                memory.try_grow(bytes).map_err(|_| NotKept::NoRoom)?;
            }
            groups.extend(part);
            done += 1;
            // So that what cannot fit is known after the first parts.
            let bytes: usize = reserved.iter().map(MemoryReservation::size).sum();
            if !room.take(bytes.div_ceil(done).saturating_mul(n_parts.max(done))) {
                return Err(NotKept::NoRoom);
            }
        }
        job.check_unchanged(identity, "read").await?;
        let columns = keyed.into_iter().zip(reserved).map(|((field, key), memory)| (field, key, memory));
        let body = (header.header.len, file.object.size);
        Ok((FileColumns::new(identity.clone(), body, groups, columns.collect())?, room))
    }
}

/// Reads a row group of a copy.
fn read_group(copy: &FileCopy, mask: ProjectionMask, group: usize) -> Result<GroupColumns> {
    let gone = || DataFusionError::Execution("the copy is gone".to_owned());
    let opened = copy.open().ok_or_else(gone)?;
    let file = Arc::into_inner(opened.file).ok_or_else(gone)?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, opened.footer)
        .with_row_groups(vec![group])
        .with_projection(mask)
        .with_batch_size(BATCH_SIZE)
        .build()?;
    let batches = reader.map(|batch| with_nulls_inside(batch?)).collect::<Result<Vec<_>, _>>()?;
    let start = copy.index().starts().get(group).copied().unwrap_or_default();
    joined(start, &batches)
}

/// Gathers batches to groups.
struct GroupSink {
    cuts: GroupCuts,
    current: Option<(u64, Vec<RecordBatch>)>,
    ended: Vec<GroupColumns>,
}

impl GroupSink {
    fn new() -> GroupSink {
        // By rows only, so that the groups of all columns of a file are the same.
        GroupSink { cuts: GroupCuts::new(GROUP_ROWS, usize::MAX), current: None, ended: vec![] }
    }

    fn end_group(&mut self) -> Result<()> {
        if let Some((start, batches)) = self.current.take() {
            self.ended.push(joined(start, &batches)?);
        }
        Ok(())
    }
}

impl PartSink for GroupSink {
    type Output = Vec<GroupColumns>;
    type Error = DataFusionError;

    fn push(&mut self, batch: &RecordBatch, positions: &[RowRange]) -> Result<()> {
        let positions = positions.iter().map(|range| (range.offset, range.n_rows));
        let Some(parts) = self.cuts.cut(batch.num_rows(), 0, positions) else {
            return internal_err!("rows without a block");
        };
        for GroupRows { starts, rows } in parts {
            if let Some(start) = starts {
                self.end_group()?;
                self.current = Some((start, vec![]));
            }
            if let Some((_, batches)) = self.current.as_mut().filter(|_| !rows.is_empty()) {
                batches.push(batch.slice(rows.start, rows.len()));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<GroupColumns>> {
        self.end_group()?;
        Ok(self.ended)
    }
}

/// Joins the batches of a group, without the blocks into which they point.
fn joined(start: u64, batches: &[RecordBatch]) -> Result<GroupColumns> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let n_columns = batches.first().map_or(0, RecordBatch::num_columns);
    let column = |i: usize| {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(i).as_ref()).collect();
        GroupValues::new(compact(&concat(&parts)?)?)
    };
    Ok(GroupColumns { start, rows, columns: (0..n_columns).map(column).collect::<Result<_>>()? })
}
