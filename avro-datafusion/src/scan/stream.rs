//! The batch stream of one file or byte range.
//!
//! Decoding happens where the stream is polled, as in DataFusion's own sources: the query's threads decode, one
//! partition each, and dropping the stream stops all work. Only fetching runs on other threads.
//!
//! ```text
//!            no range left                        NeedsData: fetch, feed
//!  ended <-------------------- between  ---.        .---.
//!                               ranges     | next   v   |
//!                                 ^        '----> reading ----> batch: adapt, coalesce, return
//!                                 |                 |  ^            |
//!                                 '--- Finished: ---'  '------------'
//!                                      check the range
//! ```
//!
//! `reading` is `Some` in the state *reading*. Without `block_ranges` there is one range, and the stream starts in it.

use crate::diagnostics::metrics::ScanMetrics;
use crate::diagnostics::observer::ScanObserver;
use crate::error::file_error;
use crate::io::readahead::Fetch;
use crate::scan::block_ranges::BlockRanges;
use crate::scan::compact::compacted;
use crate::schema::batch_adapter::BatchAdapter;
use crate::schema::header_cache::FileHeader;
use crate::virtual_columns::VirtualColumnAppender;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use avro_arrow::{DecodeResult, Decoder};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::ops::Range;
use std::sync::Arc;

/// State of the stream.
pub(crate) struct FileRows {
    /// The current range.
    pub(crate) reading: Option<(Decoder, Fetch)>,
    /// The ranges after it, if only some blocks are read.
    pub(crate) block_ranges: Option<BlockRanges>,
    pub(crate) adapter: BatchAdapter,
    /// Virtual columns to append.
    pub(crate) virtual_columns: Option<VirtualColumnAppender>,
    /// Combines the small batches that a filter leaves.
    pub(crate) coalescer: Option<BatchCoalescer>,
    /// Path or URL of the file, for errors.
    pub(crate) name: String,
    pub(crate) metrics: ScanMetrics,
    pub(crate) observer: Option<Arc<dyn ScanObserver>>,
    /// The file, and the range of it, unless all of it is read.
    pub(crate) file: Arc<FileHeader>,
    pub(crate) range: Option<Range<u64>>,
    /// Whether rows may be sent to another process with the blocks that they point into.
    pub(crate) is_compacted: bool,
    /// Whether all rows have been decoded.
    pub(crate) ended: bool,
}

/// Result of a step.
enum Next {
    Batch(RecordBatch),
    /// End of a range; others may follow.
    EndOfRange,
    End,
}

impl FileRows {
    /// Returns the batches, decoded on demand.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        try_unfold(self, |mut rows| async move { Ok(rows.next().await?.map(|batch| (batch, rows))) }).boxed()
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.as_mut().and_then(BatchCoalescer::next_completed_batch) {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match (self.next_decoded().await?, &mut self.coalescer) {
                (Next::Batch(batch), Some(coalescer)) => coalescer.push_batch(batch)?,
                (Next::Batch(batch), None) => return Ok(Some(batch)),
                (Next::EndOfRange, Some(coalescer))
                    if self.block_ranges.as_ref().is_some_and(BlockRanges::is_dynamic) =>
                {
                    // A dynamic filter that sees these rows may prune later ranges.
                    coalescer.finish_buffered_batch()?;
                }
                (Next::EndOfRange, _) => {}
                (Next::End, coalescer) => {
                    self.ended = true;
                    if let Some(coalescer) = coalescer {
                        coalescer.finish_buffered_batch()?;
                    }
                }
            }
        }
    }

    /// Decodes until there is a batch or a range ends.
    async fn next_decoded(&mut self) -> Result<Next> {
        loop {
            if self.reading.is_none() {
                self.reading = match &mut self.block_ranges {
                    Some(ranges) => ranges.next()?,
                    None => None,
                };
            }
            let Some((decoder, fetch)) = &mut self.reading else { return Ok(Next::End) };
            let block = match decode(decoder, &self.metrics, self.observer.as_deref(), &self.name)? {
                DecodeResult::Batch(batch) => return Ok(Next::Batch(self.adapt(&batch)?)),
                DecodeResult::NeedsData(block) => block,
                DecodeResult::Finished => {
                    match &self.block_ranges {
                        Some(ranges) => ranges.check(decoder)?,
                        None => meets_neighbours(&self.file, self.range.as_ref(), decoder, &self.name)?,
                    }
                    self.reading = None;
                    return Ok(Next::EndOfRange);
                }
            };
            let waiting = self.metrics.time_fetching.timer();
            let bytes = fetch.next(block).await?;
            waiting.done();
            match bytes {
                Some(bytes) => decoder.feed(Buffer::from(bytes)),
                None => decoder.finish(),
            }
        }
    }

    /// Casts a decoded batch to the columns of the table, and appends virtual columns.
    fn adapt(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let compact = |batch| if self.is_compacted { compacted(&batch) } else { Ok(batch) };
        let adapted = self.adapter.adapt(batch).and_then(compact).and_then(|batch| {
            match (&self.virtual_columns, &self.reading) {
                (Some(columns), Some((decoder, _))) => columns.append(&batch, decoder.row_positions()),
                _ => Ok(batch),
            }
        });
        adapted.map_err(|e| match e {
            // A value does not fit the declared column.
            ArrowError::CastError(what) => exec_datafusion_err!("{}: {what}", self.name),
            e => file_error(e.into(), &self.name),
        })
    }
}

/// Decodes the next batch from the bytes fetched so far, and updates the metrics.
fn decode(
    decoder: &mut Decoder,
    metrics: &ScanMetrics,
    observer: Option<&dyn ScanObserver>,
    name: &str,
) -> Result<DecodeResult> {
    let (blocks, decompressing) = (decoder.blocks_read(), decoder.time_decompressing());
    let time = metrics.time_decoding.timer();
    let result = decoder.try_decode().map_err(|e| file_error(e, name))?;
    time.done();
    metrics.blocks_read.add((decoder.blocks_read() - blocks) as usize);
    metrics.time_decompressing.add_duration(decoder.time_decompressing() - decompressing);
    for damaged in decoder.take_damage() {
        metrics.blocks_damaged.add(1);
        if let Some(observer) = observer {
            observer.block_skipped(name, &damaged);
        }
    }
    Ok(result)
}

/// Checks that a completed range ends where the next one begins.
fn meets_neighbours(file: &FileHeader, range: Option<&Range<u64>>, decoder: &Decoder, name: &str) -> Result<()> {
    let Some(range) = range else { return Ok(()) };
    if file.boundaries.record(range.clone(), decoder.covered_range()) && !decoder.hides_marker() {
        return Ok(());
    }
    exec_err!(
        "{name}: a value contains what looks like a block, so the file cannot be read in parts; \
         `SET datafusion.optimizer.repartition_file_scans = false` reads it whole"
    )
}
