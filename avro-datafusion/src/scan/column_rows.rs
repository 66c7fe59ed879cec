//! The batch stream of a file, or of a part of it, whose columns are in memory.
//!
//! The rows, columns and filters are those of the file itself (`scan::stream`). A range of the file has the groups of
//! rows that begin in it.

use crate::block_index::BlockSchedule;
use crate::cache::CachedColumn;
use crate::diagnostics::metrics::ScanMetrics;
use crate::error::file_error;
use crate::scan::row_filter::BatchFilter;
use crate::schema::batch_adapter::BatchAdapter;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use avro_arrow::{ErrorKind, RowFilter as _};
use datafusion::arrow::compute::{BatchCoalescer, FilterBuilder};
use datafusion::common::{Result, exec_datafusion_err};
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::ops::Range;
use std::sync::Arc;

/// State of the stream.
pub(crate) struct ColumnRows {
    /// Path or URL of the file, for errors.
    pub(crate) name: String,
    pub(crate) columns: ColumnSet,
    /// The filter, if there is one, and its columns.
    pub(crate) filter: Option<(BatchFilter, ColumnSet)>,
    /// The groups that are read.
    pub(crate) schedule: BlockSchedule,
    /// The rows of each group.
    pub(crate) group_rows: Vec<usize>,
    pub(crate) batch_size: usize,
    /// Maximum number of rows that are needed.
    pub(crate) limit: Option<usize>,
    pub(crate) adapter: BatchAdapter,
    /// Combines the small batches that a filter leaves.
    pub(crate) coalescer: Option<BatchCoalescer>,
    pub(crate) metrics: ScanMetrics,
}

/// Columns, and the schema of their batches.
pub(crate) struct ColumnSet {
    columns: Vec<Arc<CachedColumn>>,
    schema: SchemaRef,
}

/// Where the stream is.
#[derive(Default)]
struct ReadPosition {
    /// The groups that are being read.
    groups: Range<usize>,
    /// Rows of the first of them that were read.
    row: usize,
    ended: bool,
}

impl ColumnRows {
    /// Returns the batches.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        try_unfold((self, ReadPosition::default()), |(mut rows, mut place)| async move {
            let batch = rows.next(&mut place).await?;
            Ok(batch.map(|batch| (batch, (rows, place))))
        })
        .boxed()
    }

    async fn next(&mut self, place: &mut ReadPosition) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.as_mut().and_then(BatchCoalescer::next_completed_batch) {
                return Ok(Some(batch));
            }
            if place.ended {
                return Ok(None);
            }
            let Some((group, rows)) = self.next_rows(place) else {
                // A dynamic filter that sees these rows may prune later groups.
                if let Some(coalescer) = self.coalescer.as_mut().filter(|_| self.schedule.is_dynamic()) {
                    coalescer.finish_buffered_batch()?;
                }
                match self.schedule.next() {
                    Some(groups) => {
                        self.metrics.blocks_read.add(groups.len());
                        *place = ReadPosition { groups, ..ReadPosition::default() };
                    }
                    None => {
                        place.ended = true;
                        self.metrics.blocks_pruned.add(self.schedule.n_pruned());
                        self.coalescer.as_mut().map(BatchCoalescer::finish_buffered_batch).transpose()?;
                    }
                }
                // Nothing else waits here: a query that was canceled ends now.
                tokio::task::yield_now().await;
                continue;
            };
            let time = self.metrics.time_decoding.clone();
            let timer = time.timer();
            let batch = self.read(group, rows)?;
            timer.done();
            let Some(batch) = batch else { continue };
            if let Some(limit) = &mut self.limit {
                *limit = limit.saturating_sub(batch.num_rows());
                place.ended = *limit == 0;
            }
            match &mut self.coalescer {
                Some(coalescer) => {
                    coalescer.push_batch(batch)?;
                    if place.ended {
                        coalescer.finish_buffered_batch()?;
                    }
                }
                None => return Ok(Some(batch)),
            }
        }
    }

    /// Returns the rows of the next batch; `None` at the end of the groups.
    fn next_rows(&self, place: &mut ReadPosition) -> Option<(usize, Range<usize>)> {
        loop {
            let group = place.groups.clone().next()?;
            let n = self.group_rows.get(group).copied().unwrap_or_default();
            let rows = place.row..n.min(place.row + self.batch_size);
            match rows.is_empty() {
                false => {
                    place.row = rows.end;
                    return Some((group, rows));
                }
                true => *place = ReadPosition { groups: group + 1..place.groups.end, ..ReadPosition::default() },
            }
        }
    }

    /// Returns the rows that the filter selects; `None` if it selects no row.
    fn read(&mut self, group: usize, rows: Range<usize>) -> Result<Option<RecordBatch>> {
        let name = &self.name;
        let mask = match &mut self.filter {
            Some((filter, columns)) => match filter.selects_all() {
                false => {
                    let batch = columns.batch(group, &rows, Ok, rows.len());
                    let batch = batch.map_err(|e| file_error(e.into(), name))?;
                    Some(filter.select(&batch).map_err(|e| file_error(ErrorKind::Filter(e).into(), name))?)
                }
                true => None,
            },
            None => None,
        };
        let batch = match mask {
            Some(mask) => match mask.true_count() {
                0 => return Ok(None),
                n if n == rows.len() => self.columns.batch(group, &rows, Ok, n),
                n => {
                    let selected = FilterBuilder::new(&mask);
                    let selected =
                        if self.columns.columns().len() > 1 { selected.optimize() } else { selected }.build();
                    self.columns.batch(group, &rows, |values| selected.filter(&values), n)
                }
            },
            None => self.columns.batch(group, &rows, Ok, rows.len()),
        };
        let batch = batch.and_then(|batch| self.adapter.adapt(&batch)).map_err(|e| match e {
            // A value does not fit the declared column.
            ArrowError::CastError(what) => exec_datafusion_err!("{name}: {what}"),
            e => file_error(e.into(), name),
        })?;
        Ok(Some(batch))
    }
}

impl ColumnSet {
    pub(crate) fn new(columns: Vec<Arc<CachedColumn>>) -> ColumnSet {
        let fields: Vec<_> = columns.iter().map(|column| Arc::clone(&column.field)).collect();
        ColumnSet { columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// Returns the columns.
    pub(crate) fn columns(&self) -> &[Arc<CachedColumn>] {
        &self.columns
    }

    /// Returns the schema of batches of these columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns rows as a batch, of which `select` takes `n_selected`.
    fn batch(
        &self,
        group: usize,
        rows: &Range<usize>,
        select: impl Fn(ArrayRef) -> Result<ArrayRef, ArrowError>,
        n_selected: usize,
    ) -> Result<RecordBatch, ArrowError> {
        let values = |column: &Arc<CachedColumn>| {
            let values = column.groups.get(group).filter(|values| rows.end <= values.len());
            let missing = || ArrowError::ComputeError("internal error: rows that are not there".into());
            select(values.ok_or_else(missing)?.slice(rows.start, rows.len()))
        };
        let values = self.columns.iter().map(values).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_selected));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), values, &options)
    }
}
