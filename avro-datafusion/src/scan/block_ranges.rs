//! Scans of chosen blocks: for each byte range that an index or an access plan selects, a decoder and the fetch of its
//! bytes.

use crate::block_index::BlockSchedule;
use crate::diagnostics::metrics::ScanMetrics;
use crate::io::readahead::{Fetch, Object, ReadaheadPolicy};
use crate::scan::row_filter::ScanPredicate;
use crate::schema::header_cache::FileHeader;
use avro_arrow::{Decoder, FilterProgram, Program};
use datafusion::common::{Result, ScalarValue, exec_err};
use std::ops::Range;
use std::sync::Arc;

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
    pub(crate) is_shared: bool,
    pub(crate) metrics: ScanMetrics,
}

/// Reads some blocks of a file: byte range after byte range, with a decoder for each.
pub(crate) struct BlockRanges {
    pub(crate) scan: FileScan,
    pub(crate) blocks: BlockSelection,
    /// Where the sync markers around the current range begin.
    span: Option<Range<u64>>,
    ended: bool,
}

/// Chooses the byte ranges to read.
pub(crate) enum BlockSelection {
    /// The file's block index does.
    Index(Box<BlockSchedule>),
    /// The caller does, by a [`BlockAccessPlan`](crate::BlockAccessPlan).
    Plan(std::vec::IntoIter<Range<u64>>),
}

impl BlockSelection {
    fn next_range(&mut self) -> Option<Range<u64>> {
        match self {
            BlockSelection::Index(schedule) => schedule.next().map(|blocks| schedule.bytes(&blocks)),
            BlockSelection::Plan(ranges) => ranges.next(),
        }
    }

    /// Returns the number of blocks that were pruned. A plan does not say which blocks it leaves out.
    fn n_pruned(&self) -> usize {
        match self {
            BlockSelection::Index(schedule) => schedule.n_pruned(),
            BlockSelection::Plan(_) => 0,
        }
    }
}

impl FileScan {
    /// Creates a decoder for the blocks of this range of the file.
    pub(crate) fn decoder(&self, range: Range<u64>, file_len: u64) -> Result<Decoder> {
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
        let decoder = if self.is_shared { decoder.with_end_check() } else { decoder };
        Ok(if self.row_positions { decoder.with_row_positions() } else { decoder })
    }

    /// Fetches a range of the file, and the rest of its last block.
    pub(crate) fn fetch(&self, wanted: Range<u64>) -> Fetch {
        Fetch::new(self.object.clone(), wanted, self.readahead, self.metrics.bytes_scanned.clone())
    }

    /// Fetches exactly these bytes.
    fn fetch_exact_range(&self, wanted: Range<u64>) -> Fetch {
        Fetch::exact_range(self.object.clone(), wanted, self.readahead, self.metrics.bytes_scanned.clone())
    }
}

impl BlockRanges {
    pub(crate) fn new(scan: FileScan, blocks: BlockSelection) -> BlockRanges {
        BlockRanges { scan, blocks, span: None, ended: false }
    }

    /// Returns the decoder and the fetch of the next range; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Decoder, Fetch)>> {
        let Some(bytes) = self.blocks.next_range() else {
            if !std::mem::replace(&mut self.ended, true) {
                self.scan.metrics.blocks_pruned.add(self.blocks.n_pruned());
            }
            return Ok(None);
        };
        // Nothing after the last block is read: the decoder takes its end for the end of the file.
        let (marker, end) = (self.scan.file.header.sync.len() as u64, bytes.end);
        let range = bytes.start.saturating_sub(marker)..end;
        self.span = Some(range.start..end.saturating_sub(marker));
        let decoder = self.scan.decoder(range, end)?;
        let fetch = self.scan.fetch_exact_range(decoder.first_offset()..end);
        Ok(Some((decoder, fetch)))
    }

    /// Returns whether the rows of one range may make later ranges unnecessary.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(&self.blocks, BlockSelection::Index(schedule) if schedule.is_dynamic())
    }

    /// Checks that the blocks of the current range were where they are expected.
    pub(crate) fn check(&self, decoder: &Decoder) -> Result<()> {
        if self.span == decoder.covered_range() {
            return Ok(());
        }
        let name = &self.scan.object.name;
        match &self.blocks {
            BlockSelection::Index(_) => exec_err!(
                "{name}: blocks are not at the offsets in its block index, although the file has not changed; \
                 set option `index` to 'ignore' to read the file without its index"
            ),
            BlockSelection::Plan(_) => exec_err!(
                "{name}: no block boundaries at the offsets in the block access plan: expected sync markers at {:?}, found {:?}",
                self.span,
                decoder.covered_range()
            ),
        }
    }
}
