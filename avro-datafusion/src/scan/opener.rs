//! Opens files and byte ranges of files as streams of batches.

use crate::block_index::{BlockSchedule, FileIndex, Pruner, SortKey};
#[cfg(feature = "cache")]
use crate::cache::{AutoCopies, ColumnLoader, CopyColumns, FileColumns, OpenCopy, PlannedCopy};
use crate::compact::has_nested_views;
use crate::diagnostics::metrics::ScanMetrics;
use crate::error::file_error;
use crate::io::readahead::{Object, ReadaheadPolicy};
#[cfg(feature = "cache")]
use crate::listing::listed::ListedFile;
use crate::listing::location::{file_name, is_local};
use crate::projection::DecodeColumns;
use crate::scan::access_plan::BlockAccessPlan;
#[cfg(feature = "cache")]
use crate::scan::column_rows::{ColumnRows, ColumnSet};
#[cfg(feature = "cache")]
use crate::scan::copy_rows::{self, CopyRows};
use crate::scan::row_filter::{Predicate, ScanPredicate};
#[cfg(feature = "proto")]
use crate::scan::sent_file::SentFile;
use crate::scan::stream::{BlockSelection, FileRows, FileScan};
use crate::schema::batch_adapter::BatchAdapter;
use crate::schema::header_cache::{FileHeader, HeaderCache};
use crate::schema::reader_schema::ReaderSchema;
use crate::virtual_columns::VirtualColumnAppender;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, SchemaRef};
#[cfg(feature = "cache")]
use arrow_schema::{FieldRef, Schema};
use avro_arrow::{FilterProgram, Program};
use bytes::Bytes;
use datafusion::arrow::compute::BatchCoalescer;
#[cfg(feature = "cache")]
use datafusion::common::{DataFusionError, runtime::SpawnedTask};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::{ObjectMeta, ObjectStore};
use std::ops::Range;
use std::sync::Arc;

/// Gaps of pruned blocks up to this size are read: skipping them costs more, in decoding or in requests.
const GAP_LOCAL: u64 = 64 << 10;
const GAP_REMOTE: u64 = 1 << 20;

/// Opens the files of one scan.
#[derive(Clone)]
pub(crate) struct AvroOpener {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) headers: Arc<HeaderCache>,
    /// Columns to decode of each file.
    pub(crate) columns: DecodeColumns,
    /// Virtual columns to append.
    pub(crate) virtual_columns: Option<VirtualColumnAppender>,
    pub(crate) reader: Arc<ReaderSchema>,
    /// The filter, if there is one.
    pub(crate) predicate: Option<Arc<ScanPredicate>>,
    pub(crate) pruning: Pruning,
    pub(crate) batch_size: usize,
    /// Row limit of the whole scan.
    pub(crate) limit: Option<usize>,
    pub(crate) readahead: ReadaheadPolicy,
    /// Memory reservation that fetched bytes are charged to.
    pub(crate) memory: Arc<MemoryReservation>,
    pub(crate) metrics: ScanMetrics,
    /// Makes the missing copies of files, if the scan may.
    #[cfg(feature = "cache")]
    pub(crate) auto: Option<Arc<AutoCopies>>,
    /// Keeps the columns of files in memory, if the session does.
    #[cfg(feature = "cache")]
    pub(crate) loader: Option<Arc<ColumnLoader>>,
    /// Columns of the table, unpruned.
    #[cfg(feature = "cache")]
    pub(crate) full_schema: SchemaRef,
}

/// What block pruning needs to know about the query.
#[derive(Clone)]
pub(crate) struct Pruning {
    /// Columns of the files.
    pub(crate) table: SchemaRef,
    pub(crate) predicate: Predicate,
    pub(crate) order: Option<SortKey>,
}

impl FileOpener for AvroOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let opener = self.clone();
        Ok(async move { opener.rows(file).await }.boxed())
    }
}

/// A file whose header is known.
struct LoadedFile {
    /// Path or URL, for errors.
    name: String,
    header: Arc<FileHeader>,
    /// First bytes of the file, if they were fetched with the header.
    first_bytes: Bytes,
}

/// What decodes the rows of a file.
struct CompiledScan {
    program: Arc<Program>,
    filter: Option<(Arc<ScanPredicate>, Arc<FilterProgram>)>,
    adapter: BatchAdapter,
    /// Combines the small batches that a filter leaves.
    coalescer: Option<BatchCoalescer>,
}

/// A copy that is read in place of a file.
#[cfg(feature = "cache")]
struct FoundCopy {
    opened: OpenCopy,
    index: Arc<FileIndex>,
    columns: CopyColumns,
    /// The columns of the filter.
    filter: Option<CopyColumns>,
}

/// Columns in memory that are read in place of a file.
#[cfg(feature = "cache")]
struct FoundColumns {
    file: Arc<FileColumns>,
    output: ColumnSet,
    /// The columns of the filter.
    filter: Option<ColumnSet>,
}

impl AvroOpener {
    /// Opens a file or a range of one, in four steps.
    async fn rows(
        self,
        #[cfg_attr(not(any(feature = "cache", feature = "proto")), allow(unused_mut))] mut file: PartitionedFile,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let loaded = self.load_header(&file.object_meta).await?;
        #[cfg(feature = "proto")]
        if let Some(sent) = file.extensions.get_arc::<SentFile>() {
            let (headers, store, name) = (&self.headers, &self.store, &loaded.name);
            let index = sent.open(&file, &loaded.header, headers, store, &self.store_url, name).await?;
            index.map(|index| file.extensions.insert_arc(index));
        }
        let compiled = self.compile(&loaded)?;
        #[cfg(feature = "cache")]
        if let Some(found) = self.find_columns(&file, &loaded, &compiled).await {
            return Ok(self.start_columns(&file, loaded, compiled, found)?.into_stream());
        }
        #[cfg(feature = "cache")]
        let (program, filter) = (Arc::clone(&compiled.program), compiled.filter.clone());
        #[cfg(feature = "cache")]
        if let Some(found) = self.find_copy(&mut file, &loaded, program, filter).await? {
            return Ok(self.start_copy(file, loaded, compiled, found)?.into_stream());
        }
        let blocks = self.plan_ranges(&file, &loaded)?;
        Ok(self.start(file, loaded, compiled, blocks).into_stream())
    }

    /// Step 1: fetches the header, or takes it from the cache.
    async fn load_header(&self, object: &ObjectMeta) -> Result<LoadedFile> {
        let name = file_name(&self.store_url, &object.location);
        let (header, first_bytes) = self.headers.get(self.store.as_ref(), object, &name).await?;
        let first_bytes = first_bytes.unwrap_or_default();
        self.metrics.bytes_scanned.add(first_bytes.len());
        Ok(LoadedFile { name, header, first_bytes })
    }

    /// Step 2: compiles the programs for the columns of the scan and of its filter, or takes them from the cache.
    fn compile(&self, file: &LoadedFile) -> Result<CompiledScan> {
        // With a limit, larger batches would decode rows for nothing. A filter hides how many rows are needed.
        let few = self.limit.filter(|_| self.predicate.is_none());
        let batch_size = few.map_or(self.batch_size, |limit| limit.min(self.batch_size));
        let filter_columns = self.predicate.as_ref().map(|predicate| &predicate.decoded);
        let (program, filter) = self
            .reader
            .programs(&file.header.schema, &self.columns, filter_columns, batch_size, self.headers.options())
            .map_err(|e| file_error(e, &file.name))?;
        let adapter = BatchAdapter::new(program.arrow_schema(), Arc::clone(&self.columns.schema), &file.name)?;
        let filter = self.predicate.clone().zip(filter);
        let schema = self.virtual_columns.as_ref().map_or(&self.columns.schema, VirtualColumnAppender::schema);
        let coalescer =
            filter.as_ref().and_then(|_| coalescer_of(schema, self.limit.unwrap_or(batch_size).clamp(1, batch_size)));
        Ok(CompiledScan { program, filter, adapter, coalescer })
    }

    /// Step 3: decides which bytes are read: those of an access plan, those that the block index leaves, or all.
    fn plan_ranges(&self, file: &PartitionedFile, loaded: &LoadedFile) -> Result<BlockSelection> {
        let (file_len, name, header) = (file.object_meta.size, &loaded.name, &loaded.header);
        let range = file.range.as_ref().map_or(0..file_len, |range| bounded(range, file_len));
        let counts = self.virtual_columns.as_ref().is_some_and(VirtualColumnAppender::counts);
        if counts && range != (0..file_len) {
            return internal_err!(
                "{name}: blocks and rows are counted from the start of a file, and this is a part of one"
            );
        }
        if let Some(plan) = file.extensions.get_arc::<BlockAccessPlan>() {
            check_plan(&plan, header.header.len..file_len, counts, name)?;
            let ranges = plan.within(&range, header.header.sync.len() as u64);
            return Ok(BlockSelection::Plan(ranges.into_iter()));
        }
        // An index omits blocks without rows, which `_block` counts.
        match file.extensions.get_arc::<FileIndex>().filter(|_| !counts) {
            Some(index) => {
                let schedule = self.schedule(index, &range, header, &file.partition_values)?;
                Ok(BlockSelection::Index(Box::new(schedule)))
            }
            None => Ok(BlockSelection::Range { range, first_bytes: Some(loaded.first_bytes.clone()) }),
        }
    }

    /// Returns whether blocks of the file itself must be read, not columns in memory or of a copy.
    #[cfg(feature = "cache")]
    fn needs_blocks(&self, file: &PartitionedFile) -> bool {
        // Positions of rows are those of blocks, which an access plan names, too.
        is_sent(file) || self.virtual_columns.is_some() || file.extensions.get_arc::<BlockAccessPlan>().is_some()
    }

    /// Returns the columns in memory to read in place of the file.
    #[cfg(feature = "cache")]
    async fn find_columns(
        &self,
        file: &PartitionedFile,
        loaded: &LoadedFile,
        compiled: &CompiledScan,
    ) -> Option<FoundColumns> {
        let loader = self.loader.as_ref().filter(|_| !self.needs_blocks(file))?;
        let (schema, options) = (&loaded.header.schema, self.headers.options());
        let of_scan = |found: Arc<FileColumns>| {
            let columns = |decoded: &DecodeColumns, program: &Schema| {
                found.of_scan(schema, &self.reader, options, decoded, program).map(ColumnSet::new)
            };
            let output = columns(&self.columns, compiled.program.arrow_schema())?;
            let filter = match &compiled.filter {
                Some((filter, program)) => Some(columns(&filter.decoded, program.arrow_schema())?),
                None => None,
            };
            let used = [&output].into_iter().chain(&filter).flat_map(ColumnSet::columns);
            used.for_each(|column| column.touch(loader.planned));
            Some(FoundColumns { file: Arc::clone(&found), output, filter })
        };
        if let Some(found) = file.extensions.get_arc::<FileColumns>().and_then(of_scan) {
            return Some(found);
        }
        if !self.reads_all(file) {
            return None;
        }
        let wanted = match &self.predicate {
            Some(filter) => self.columns.union(&filter.decoded, &self.full_schema),
            None => self.columns.clone(),
        };
        let copy = file.extensions.get_arc::<PlannedCopy>();
        let found = loader.columns(&self.listed(file), &loaded.header, copy.as_deref(), wanted).await;
        found.and_then(of_scan)
    }

    #[cfg(feature = "cache")]
    fn listed(&self, file: &PartitionedFile) -> ListedFile {
        ListedFile {
            store: Arc::clone(&self.store),
            store_url: self.store_url.clone(),
            object: file.object_meta.clone(),
        }
    }

    /// Creates the stream of a file whose columns are in memory.
    #[cfg(feature = "cache")]
    fn start_columns(
        self,
        file: &PartitionedFile,
        loaded: LoadedFile,
        compiled: CompiledScan,
        found: FoundColumns,
    ) -> Result<ColumnRows> {
        let (file_len, name) = (file.object_meta.size, loaded.name);
        let range = file.range.as_ref().map_or(0..file_len, |range| bounded(range, file_len));
        let index = found.file.index();
        let group_rows =
            index.rows().values().iter().map(|&rows| usize::try_from(rows).unwrap_or(usize::MAX)).collect();
        let schedule = self.schedule(Arc::clone(index), &range, &loaded.header, &file.partition_values)?;
        let adapter = BatchAdapter::new(found.output.schema(), Arc::clone(&self.columns.schema), &name)?;
        let filter = match compiled.filter.zip(found.filter) {
            Some(((predicate, _), columns)) => {
                let metrics = self.metrics.filter.clone();
                Some((predicate.for_file(&file.partition_values, columns.schema(), &name, metrics)?, columns))
            }
            None => None,
        };
        let few = self.limit.filter(|_| self.predicate.is_none());
        Ok(ColumnRows {
            name,
            columns: found.output,
            filter,
            schedule,
            group_rows,
            batch_size: few.map_or(self.batch_size, |limit| limit.min(self.batch_size)).max(1),
            limit: self.limit,
            adapter,
            coalescer: compiled.coalescer,
            metrics: self.metrics,
        })
    }

    /// Returns the copy to read in place of the file, and where its columns and those of the filter are.
    #[cfg(feature = "cache")]
    async fn find_copy(
        &self,
        file: &mut PartitionedFile,
        loaded: &LoadedFile,
        program: Arc<Program>,
        filter: Option<(Arc<ScanPredicate>, Arc<FilterProgram>)>,
    ) -> Result<Option<FoundCopy>> {
        if self.needs_blocks(file) {
            return Ok(None);
        }
        let options = self.headers.options();
        let columns = |copy: &PlannedCopy| {
            let decoded = copy.columns(&self.reader, options, &self.columns, program.arrow_schema())?;
            let filter = match &filter {
                Some((filter, program)) => {
                    Some(copy.columns(&self.reader, options, &filter.decoded, program.arrow_schema())?)
                }
                None => None,
            };
            Some((decoded, filter))
        };
        let planned = file.extensions.get_arc::<PlannedCopy>();
        let mut found = planned.and_then(|copy| columns(&copy).map(|columns| (copy, columns)));
        if found.is_none()
            && let Some(auto) = self.auto.as_ref().filter(|_| self.reads_all(file))
        {
            let copy = auto.copy(self.listed(file), &loaded.header, &self.whole_columns(), options).await;
            found = copy.and_then(|copy| columns(&copy).map(|columns| (copy, columns)));
        }
        let Some((copy, (columns, filter))) = found else { return Ok(None) };
        let copied = Arc::clone(&copy);
        let opened = SpawnedTask::spawn_blocking(move || copied.copy.open()).join_unwind().await;
        let Some(opened) = opened.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))? else {
            // It was removed meanwhile. Others may still read other parts of the file from it, so this part has the
            // blocks of the same row groups.
            file.extensions.insert_arc(Arc::clone(copy.copy.index()));
            return Ok(None);
        };
        Ok(Some(FoundCopy { opened, index: Arc::clone(copy.copy.index()), columns, filter }))
    }

    /// Returns whether the scan reads all blocks of a file, as far as is known, and columns of it.
    #[cfg(feature = "cache")]
    fn reads_all(&self, file: &PartitionedFile) -> bool {
        let may_skip = self.predicate.is_some() && file.extensions.get_arc::<FileIndex>().is_some();
        self.limit.is_none() && !may_skip && !self.whole_columns().is_empty()
    }

    /// Returns the columns that the scan and its filter decode, unpruned.
    #[cfg(feature = "cache")]
    fn whole_columns(&self) -> Vec<FieldRef> {
        let filter = self.predicate.as_ref().map(|filter| &filter.decoded);
        let is_read = |field: &&FieldRef| {
            let decoded = [&self.columns].into_iter().chain(filter);
            decoded.into_iter().any(|columns| columns.schema.fields().find(field.name()).is_some())
        };
        self.full_schema.fields().iter().filter(is_read).cloned().collect()
    }

    /// Creates the stream of a copy.
    #[cfg(feature = "cache")]
    fn start_copy(
        self,
        file: PartitionedFile,
        loaded: LoadedFile,
        compiled: CompiledScan,
        found: FoundCopy,
    ) -> Result<CopyRows> {
        let (file_len, name) = (file.object_meta.size, loaded.name);
        let FoundCopy { opened, index, columns, filter } = found;
        let range = file.range.as_ref().map_or(0..file_len, |range| bounded(range, file_len));
        let schedule = self.schedule(index, &range, &loaded.header, &file.partition_values)?;
        let adapter = BatchAdapter::new(&copy_rows::schema(&columns), Arc::clone(&self.columns.schema), &name)?;
        let few = self.limit.filter(|_| self.predicate.is_none());
        Ok(CopyRows {
            copy: opened,
            name,
            columns,
            filter: compiled.filter.map(|(predicate, _)| predicate).zip(filter),
            partition_values: file.partition_values,
            schedule,
            batch_size: few.map_or(self.batch_size, |limit| limit.min(self.batch_size)).max(1),
            limit: self.limit,
            adapter,
            coalescer: compiled.coalescer,
            metrics: self.metrics,
        })
    }

    /// Step 4: creates the stream.
    fn start(
        self,
        file: PartitionedFile,
        loaded: LoadedFile,
        compiled: CompiledScan,
        blocks: BlockSelection,
    ) -> FileRows {
        let LoadedFile { name, header, .. } = loaded;
        let CompiledScan { program, filter, adapter, coalescer } = compiled;
        let version = Arc::clone(&header.version);
        let is_sent = is_sent(&file);
        let scan = FileScan {
            object: Object { store: self.store, version, name, memory: self.memory },
            file_len: file.object_meta.size,
            file: header,
            program,
            filter,
            partition_values: file.partition_values,
            readahead: self.readahead,
            row_positions: self.virtual_columns.is_some(),
            is_sent,
            is_compacted: is_sent && has_nested_views(&self.columns.schema),
            observer: self.headers.options().observer.clone(),
            metrics: self.metrics,
        };
        let virtual_columns = self.virtual_columns;
        FileRows { scan, blocks, reading: None, adapter, virtual_columns, coalescer, ended: false }
    }

    /// Returns which blocks of a range are read, and in which order.
    fn schedule(
        &self,
        index: Arc<FileIndex>,
        range: &Range<u64>,
        header: &FileHeader,
        partition_values: &[ScalarValue],
    ) -> Result<BlockSchedule> {
        let Pruning { table, predicate, order } = &self.pruning;
        let gap = if is_local(&self.store_url) { GAP_LOCAL } else { GAP_REMOTE };
        let schedule = BlockSchedule::new(Arc::clone(&index), range, gap);
        let Some(expr) = predicate.for_partition(partition_values, table.fields().len())? else { return Ok(schedule) };
        let columns = self.reader.columns(table, &header.schema);
        let schedule = schedule.with_pruner(Pruner::new(expr, columns, &index));
        Ok(match order {
            Some(key) => schedule.with_order(key, columns),
            None => schedule,
        })
    }
}

/// Returns whether another process planned the scan.
fn is_sent(#[cfg_attr(not(feature = "proto"), allow(unused))] file: &PartitionedFile) -> bool {
    #[cfg(feature = "proto")]
    return file.extensions.get_arc::<SentFile>().is_some();
    #[cfg(not(feature = "proto"))]
    return false;
}

/// Creates a coalescer of small batches into batches of this many rows.
fn coalescer_of(schema: &SchemaRef, rows: usize) -> Option<BatchCoalescer> {
    // Arrow cannot concatenate arrays of zero-width values.
    let has_empty = |field: &&Field| matches!(field.data_type(), DataType::FixedSizeBinary(0));
    if schema.flattened_fields().iter().any(has_empty) {
        return None;
    }
    // Half-full batches pass through without a copy.
    Some(BatchCoalescer::new(Arc::clone(schema), rows).with_biggest_coalesce_batch_size(Some(rows / 2)))
}

/// Checks that a file with blocks in `body` can be read by this plan.
fn check_plan(plan: &BlockAccessPlan, body: Range<u64>, counts: bool, name: &str) -> Result<()> {
    let outside = plan.ranges().iter().find(|range| range.start < body.start || range.end > body.end);
    if let Some(Range { start, end }) = outside {
        return exec_err!(
            "{name}: block access plan: range {start}..{end} is outside of the blocks of the file, {}..{}",
            body.start,
            body.end
        );
    }
    if counts {
        return exec_err!("{name}: `_block` and `_row` are not available in a scan with a block access plan");
    }
    Ok(())
}

/// Clamps a range to the file.
fn bounded(range: &FileRange, file_len: u64) -> Range<u64> {
    let bound = |at: i64| u64::try_from(at).unwrap_or(0).min(file_len);
    bound(range.start)..bound(range.end)
}
