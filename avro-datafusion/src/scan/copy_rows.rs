//! The batch stream of the copy of a file, or of a part of it.
//!
//! The rows, columns and filters are those of the file itself (`scan::stream`); only the bytes are others. A range of
//! the file has the row groups that begin in it.

use crate::block_index::BlockSchedule;
use crate::cache::{CopyColumns, OpenCopy};
use crate::diagnostics::metrics::ScanMetrics;
use crate::error::file_error;
use crate::nested_nulls::with_nulls_inside;
use crate::scan::row_filter::{BatchFilter, ScanPredicate};
use crate::schema::batch_adapter::BatchAdapter;
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use avro_arrow::{ErrorKind, FilterError, RowFilter as _};
use bytes::Bytes;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err};
use datafusion::physical_plan::metrics::Count;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderOptions, RowFilter};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaData;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// State of the stream.
pub(crate) struct CopyRows {
    pub(crate) copy: OpenCopy,
    /// Path or URL of the file, for errors.
    pub(crate) name: String,
    pub(crate) columns: CopyColumns,
    /// The filter, if there is one, and its columns.
    pub(crate) filter: Option<(Arc<ScanPredicate>, CopyColumns)>,
    pub(crate) partition_values: Vec<ScalarValue>,
    /// The row groups that are read.
    pub(crate) schedule: BlockSchedule,
    pub(crate) batch_size: usize,
    /// Maximum number of rows that are needed.
    pub(crate) limit: Option<usize>,
    pub(crate) adapter: BatchAdapter,
    /// Combines the small batches that a filter leaves.
    pub(crate) coalescer: Option<BatchCoalescer>,
    pub(crate) metrics: ScanMetrics,
}

/// The row groups that are being read.
struct Reading {
    batches: ParquetRecordBatchStream<CopyReader>,
    failed: FilterFailure,
}

/// The error of a filter: Parquet's errors keep only texts.
type FilterFailure = Arc<Mutex<Option<FilterError>>>;

impl CopyRows {
    /// Returns the batches, decoded on demand.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        let state = (self, None, false);
        try_unfold(state, |(mut rows, mut reading, mut ended)| async move {
            let batch = rows.next(&mut reading, &mut ended).await?;
            Ok(batch.map(|batch| (batch, (rows, reading, ended))))
        })
        .boxed()
    }

    async fn next(&mut self, reading: &mut Option<Reading>, ended: &mut bool) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.as_mut().and_then(BatchCoalescer::next_completed_batch) {
                return Ok(Some(batch));
            }
            if *ended {
                return Ok(None);
            }
            let Some(current) = reading else {
                match self.schedule.next() {
                    Some(groups) => *reading = Some(self.read(groups)?),
                    None => {
                        *ended = true;
                        self.metrics.blocks_pruned.add(self.schedule.n_pruned());
                        self.coalescer.as_mut().map(BatchCoalescer::finish_buffered_batch).transpose()?;
                    }
                }
                continue;
            };
            let time = self.metrics.time_decoding.timer();
            let batch = current.batches.next().await;
            time.done();
            match (batch, &mut self.coalescer) {
                (Some(Ok(batch)), coalescer) => {
                    let batch = with_nulls_inside(batch).map_err(|e| file_error(e.into(), &self.name))?;
                    let batch = self.adapter.adapt(&batch).map_err(|e| match e {
                        // A value does not fit the declared column.
                        ArrowError::CastError(what) => exec_datafusion_err!("{}: {what}", self.name),
                        e => file_error(e.into(), &self.name),
                    })?;
                    match coalescer {
                        Some(coalescer) => coalescer.push_batch(batch)?,
                        None => return Ok(Some(batch)),
                    }
                }
                (Some(Err(e)), _) => return Err(current.error(&e, &self.name)),
                (None, coalescer) => {
                    *reading = None;
                    // A dynamic filter that sees these rows may prune later row groups.
                    if let Some(coalescer) = coalescer.as_mut().filter(|_| self.schedule.is_dynamic()) {
                        coalescer.finish_buffered_batch()?;
                    }
                }
            }
        }
    }

    /// Starts to read these row groups.
    fn read(&self, groups: Range<usize>) -> Result<Reading> {
        let OpenCopy { file, footer } = &self.copy;
        self.metrics.blocks_read.add(groups.len());
        let reader = CopyReader {
            file: Arc::clone(file),
            footer: Arc::clone(footer.metadata()),
            bytes_scanned: self.metrics.bytes_scanned.clone(),
        };
        let failed = FilterFailure::default();
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer.clone())
            .with_batch_size(self.batch_size)
            .with_row_groups(groups.collect())
            .with_projection(self.columns.mask.clone());
        if let Some((predicate, columns)) = &self.filter {
            let schema = schema(columns);
            let filter =
                predicate.for_file(&self.partition_values, &schema, &self.name, self.metrics.filter.clone())?;
            builder = builder.with_row_filter(row_filter(filter, columns, Arc::clone(&failed)));
        }
        if let Some(limit) = self.limit {
            builder = builder.with_limit(limit);
        }
        let batches = builder.build().map_err(|e| damaged(&e, &self.name))?;
        Ok(Reading { batches, failed })
    }
}

/// Returns the schema of batches of these columns.
pub(crate) fn schema(columns: &CopyColumns) -> SchemaRef {
    Arc::new(Schema::new(columns.fields.clone()))
}

fn row_filter(mut filter: BatchFilter, columns: &CopyColumns, failed: FilterFailure) -> RowFilter {
    let select = move |batch: RecordBatch| {
        filter.select(&with_nulls_inside(batch)?).map_err(|e| {
            let text = e.to_string();
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
            ArrowError::ComputeError(text)
        })
    };
    RowFilter::new(vec![Box::new(ArrowPredicateFn::new(columns.mask.clone(), select))])
}

impl Reading {
    fn error(&self, e: &ParquetError, name: &str) -> DataFusionError {
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(e) => file_error(ErrorKind::Filter(e).into(), name),
            None => damaged(e, name),
        }
    }
}

fn damaged(e: &ParquetError, name: &str) -> DataFusionError {
    exec_datafusion_err!("{name}: its copy in the cache cannot be read: {e}; run avro-sql cache clear")
}

/// Reads a copy. Its bytes are those of the file that was opened, even if the copy is removed meanwhile.
struct CopyReader {
    file: Arc<File>,
    footer: Arc<ParquetMetaData>,
    bytes_scanned: Count,
}

impl AsyncFileReader for CopyReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let bytes = self.get_byte_ranges(vec![range]).await?;
            bytes.into_iter().next().ok_or_else(|| ParquetError::General("no bytes".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let file = Arc::clone(&self.file);
        let read = move || ranges.into_iter().map(|range| read(&file, range)).collect::<std::io::Result<Vec<_>>>();
        async move {
            let read = SpawnedTask::spawn_blocking(read).join_unwind().await;
            let bytes = read.map_err(|e| ParquetError::External(Box::new(e)))??;
            self.bytes_scanned.add(bytes.iter().map(Bytes::len).sum());
            Ok(bytes)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let footer = Arc::clone(&self.footer);
        async move { Ok(footer) }.boxed()
    }
}

/// Reads a range. Only one read at a time uses the file.
fn read(mut file: &File, range: Range<u64>) -> std::io::Result<Bytes> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).ok();
    let Some(len) = len.filter(|_| file.metadata().is_ok_and(|metadata| range.end <= metadata.len())) else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let mut bytes = vec![0; len];
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}
