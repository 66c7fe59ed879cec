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
//! `reading` is `Some` in the state *reading*. A scan of all blocks has one range; an index or an access plan selects
//! any number of them.

use crate::block_index::BlockSchedule;
use crate::compact::compacted;
use crate::diagnostics::metrics::ScanMetrics;
use crate::diagnostics::observer::ScanObserver;
use crate::error::file_error;
use crate::io::readahead::{Fetch, Object, ReadaheadPolicy};
use crate::scan::row_filter::ScanPredicate;
use crate::schema::batch_adapter::BatchAdapter;
use crate::schema::header_cache::FileHeader;
use crate::virtual_columns::VirtualColumnAppender;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use avro_arrow::{DecodeResult, Decoder, FilterProgram, Program};
use bytes::Bytes;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::ops::Range;
use std::sync::Arc;

/// State of the stream.
pub(crate) struct FileRows {
    pub(crate) scan: FileScan,
    pub(crate) blocks: BlockSelection,
    /// The current range.
    pub(crate) reading: Option<RangeReader>,
    pub(crate) adapter: BatchAdapter,
    /// Virtual columns to append.
    pub(crate) virtual_columns: Option<VirtualColumnAppender>,
    /// Combines the small batches that a filter leaves.
    pub(crate) coalescer: Option<BatchCoalescer>,
    /// Whether all rows have been decoded.
    pub(crate) ended: bool,
}

/// A file to scan, with what is needed to decode any range of it.
pub(crate) struct FileScan {
    pub(crate) object: Object,
    pub(crate) file_len: u64,
    pub(crate) file: Arc<FileHeader>,
    pub(crate) program: Arc<Program>,
    /// The filter, if there is one.
    pub(crate) filter: Option<(Arc<ScanPredicate>, Arc<FilterProgram>)>,
    pub(crate) partition_values: Vec<ScalarValue>,
    pub(crate) readahead: ReadaheadPolicy,
    /// Whether row positions are recorded.
    pub(crate) row_positions: bool,
    /// Whether other processes may read other ranges of the file.
    pub(crate) is_sent: bool,
    /// Whether rows may be sent to another process with the blocks that they point into.
    pub(crate) is_compacted: bool,
    pub(crate) observer: Option<Arc<dyn ScanObserver>>,
    pub(crate) metrics: ScanMetrics,
}

/// The blocks of a file that a scan reads.
pub(crate) enum BlockSelection {
    /// All blocks of a byte range.
    Range {
        range: Range<u64>,
        /// First bytes of the file, empty if they were not fetched with the header; `None` once the range is read.
        first_bytes: Option<Bytes>,
    },
    /// Those that the file's block index selects.
    Index(Box<BlockSchedule>),
    /// Those of a [`BlockAccessPlan`](crate::BlockAccessPlan), as byte ranges.
    Plan(std::vec::IntoIter<Range<u64>>),
}

/// A range that is being read.
pub(crate) struct RangeReader {
    decoder: Decoder,
    fetch: Fetch,
    /// Where the sync markers around the range must begin, if the selection of blocks says it.
    expected_span: Option<Range<u64>>,
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
                // A dynamic filter that sees these rows may prune later ranges.
                (Next::EndOfRange, Some(coalescer)) if self.blocks.is_dynamic() => coalescer.finish_buffered_batch()?,
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
                self.reading = self.blocks.next_range(&self.scan)?;
            }
            let Some(RangeReader { decoder, fetch, expected_span }) = &mut self.reading else { return Ok(Next::End) };
            let block = match self.scan.decode(decoder)? {
                DecodeResult::Batch(batch) => return Ok(Next::Batch(self.adapt(&batch)?)),
                DecodeResult::NeedsData(block) => block,
                DecodeResult::Finished => {
                    self.blocks.check_span(&self.scan, expected_span.take(), decoder)?;
                    self.reading = None;
                    return Ok(Next::EndOfRange);
                }
            };
            let waiting = self.scan.metrics.time_fetching.timer();
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
        let compact = |batch| if self.scan.is_compacted { compacted(&batch) } else { Ok(batch) };
        let adapted = self.adapter.adapt(batch).and_then(compact).and_then(|batch| {
            match (&self.virtual_columns, &self.reading) {
                (Some(columns), Some(reading)) => columns.append(&batch, reading.decoder.row_positions()),
                _ => Ok(batch),
            }
        });
        let name = &self.scan.object.name;
        adapted.map_err(|e| match e {
            // A value does not fit the declared column.
            ArrowError::CastError(what) => exec_datafusion_err!("{name}: {what}"),
            e => file_error(e.into(), name),
        })
    }
}

impl BlockSelection {
    /// Starts to read the next range; `None` at the end.
    fn next_range(&mut self, scan: &FileScan) -> Result<Option<RangeReader>> {
        match self {
            BlockSelection::Range { range, first_bytes } => {
                first_bytes.take().map(|bytes| scan.read_range(range.clone(), &bytes)).transpose()
            }
            BlockSelection::Plan(ranges) => ranges.next().map(|bytes| scan.read_blocks(bytes)).transpose(),
            BlockSelection::Index(schedule) => match schedule.next() {
                Some(blocks) => scan.read_blocks(schedule.bytes(&blocks)).map(Some),
                None => {
                    scan.metrics.blocks_pruned.add(schedule.n_pruned());
                    Ok(None)
                }
            },
        }
    }

    /// Returns whether the rows of one range may make later ranges unnecessary.
    fn is_dynamic(&self) -> bool {
        matches!(self, BlockSelection::Index(schedule) if schedule.is_dynamic())
    }

    /// Checks that the blocks of a completed range were where they are expected.
    fn check_span(&self, scan: &FileScan, expected: Option<Range<u64>>, decoder: &Decoder) -> Result<()> {
        let (name, covered) = (&scan.object.name, decoder.covered_range());
        match self {
            BlockSelection::Range { range, .. } => {
                let is_part = *range != (0..scan.file_len);
                let meets = !decoder.hides_marker() && scan.file.boundaries.record(range.clone(), covered);
                if is_part && !meets {
                    return exec_err!(
                        "{name}: a value contains what looks like a block, so the file cannot be read in parts; \
                         `SET datafusion.optimizer.repartition_file_scans = false` reads it whole"
                    );
                }
            }
            BlockSelection::Index(_) if expected != covered => {
                return exec_err!(
                    "{name}: blocks are not at the offsets in its block index, although the file has not changed; \
                     set option `index` to 'ignore' to read the file without its index"
                );
            }
            BlockSelection::Plan(_) if expected != covered => {
                let markers = |span: Option<Range<u64>>| match span {
                    Some(Range { start, end }) => format!("{start} and {end}"),
                    None => "no offset".to_owned(),
                };
                return exec_err!(
                    "{name}: no block boundaries at the offsets in the block access plan: \
                     expected sync markers at {}, found them at {}",
                    markers(expected),
                    markers(covered)
                );
            }
            _ => {}
        }
        Ok(())
    }
}

impl FileScan {
    /// Starts to read all blocks of a range. `first_bytes` are those of the file that are already known.
    fn read_range(&self, range: Range<u64>, first_bytes: &Bytes) -> Result<RangeReader> {
        let mut decoder = self.decoder(range.clone(), self.file_len)?;
        let mut position = decoder.first_offset();
        let known = usize::try_from(position).ok().filter(|at| *at < first_bytes.len());
        if let Some(at) = known {
            let body = first_bytes.slice(at..);
            position += body.len() as u64;
            decoder.feed(Buffer::from(body));
        }
        let bytes_scanned = self.metrics.bytes_scanned.clone();
        let fetch = Fetch::new(self.object.clone(), position..range.end, self.readahead, bytes_scanned);
        Ok(RangeReader { decoder, fetch, expected_span: None })
    }

    /// Starts to read adjacent blocks, which fill these bytes. Nothing after them is read: the decoder takes their end
    /// for the end of the file.
    fn read_blocks(&self, bytes: Range<u64>) -> Result<RangeReader> {
        let (marker, end) = (self.file.header.sync.len() as u64, bytes.end);
        let range = bytes.start.saturating_sub(marker)..end;
        let expected_span = Some(range.start..end.saturating_sub(marker));
        let decoder = self.decoder(range, end)?;
        let (wanted, bytes_scanned) = (decoder.first_offset()..end, self.metrics.bytes_scanned.clone());
        let fetch = Fetch::exact_range(self.object.clone(), wanted, self.readahead, bytes_scanned);
        Ok(RangeReader { decoder, fetch, expected_span })
    }

    /// Creates a decoder for the blocks of this range of the file.
    fn decoder(&self, range: Range<u64>, file_len: u64) -> Result<Decoder> {
        let (header, program) = (&self.file.header, Arc::clone(&self.program));
        let decoder = match range == (0..self.file_len) {
            true => Decoder::new(header, program),
            false => Decoder::for_range(header, program, range, file_len),
        };
        let decoder = match &self.filter {
            Some((predicate, program)) => {
                let (metrics, values) = (self.metrics.filter.clone(), &self.partition_values);
                let filter = predicate.for_file(values, program.arrow_schema(), &self.object.name, metrics)?;
                decoder.with_filter(program, filter)
            }
            None => decoder,
        };
        let decoder = if self.is_sent { decoder.with_end_check() } else { decoder };
        Ok(if self.row_positions { decoder.with_row_positions() } else { decoder })
    }

    /// Decodes the next batch from the bytes fetched so far, and updates the metrics.
    fn decode(&self, decoder: &mut Decoder) -> Result<DecodeResult> {
        let (metrics, name) = (&self.metrics, &self.object.name);
        let (blocks, decompressing) = (decoder.blocks_read(), decoder.time_decompressing());
        let time = metrics.time_decoding.timer();
        let result = decoder.try_decode().map_err(|e| file_error(e, name))?;
        time.done();
        metrics.blocks_read.add((decoder.blocks_read() - blocks) as usize);
        metrics.time_decompressing.add_duration(decoder.time_decompressing() - decompressing);
        for damaged in decoder.take_damage() {
            metrics.blocks_damaged.add(1);
            if let Some(observer) = &self.observer {
                observer.block_skipped(name, &damaged);
            }
        }
        Ok(result)
    }
}
