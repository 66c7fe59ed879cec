//! The parts of a file that are read where an index says which: blocks in their order of reading in, for each stretch of them a decoder
//! and its bytes out.

use crate::block_index::Schedule;
use crate::diagnostics::metrics::ScanMetrics;
use crate::io::readahead::{Fetch, Object, Pace};
use crate::scan::row_filter::ScanPredicate;
use crate::schema::header_cache::FileHeader;
use avro_arrow::{Decoder, FilterProgram, Program};
use datafusion::common::{Result, ScalarValue, exec_err};
use std::ops::Range;
use std::sync::Arc;

/// What it takes to read any part of a file.
pub(crate) struct FilePart {
    pub(crate) object: Object,
    pub(crate) file_len: u64,
    pub(crate) file: Arc<FileHeader>,
    pub(crate) program: Arc<Program>,
    /// Which rows are wanted, if not all.
    pub(crate) filter: Option<(Arc<ScanPredicate>, Arc<FilterProgram>)>,
    pub(crate) partition_values: Vec<ScalarValue>,
    pub(crate) pace: Pace,
    /// Is it asked where rows are?
    pub(crate) places: bool,
    pub(crate) metrics: ScanMetrics,
}

/// The stretches of a file, one after the other.
pub(crate) struct Stretches {
    pub(crate) part: FilePart,
    pub(crate) schedule: Schedule,
    /// Where the markers around the blocks that are being read begin.
    span: Option<Range<u64>>,
    ended: bool,
}

impl FilePart {
    /// What decodes the blocks of this range of the file.
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
        Ok(if self.places { decoder.with_row_positions() } else { decoder })
    }

    /// What reads the blocks of a range of the file, and on to the end of the last one.
    pub(crate) fn fetch(&self, wanted: Range<u64>) -> Fetch {
        Fetch::new(self.object.clone(), wanted, self.pace, self.metrics.bytes_scanned.clone())
    }

    /// What reads these bytes and no more.
    fn fetch_exactly(&self, wanted: Range<u64>) -> Fetch {
        Fetch::exactly(self.object.clone(), wanted, self.pace, self.metrics.bytes_scanned.clone())
    }
}

impl Stretches {
    pub(crate) fn new(part: FilePart, schedule: Schedule) -> Stretches {
        Stretches { part, schedule, span: None, ended: false }
    }

    /// What reads the next stretch; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Decoder, Fetch)>> {
        let Some(blocks) = self.schedule.next() else {
            if !std::mem::replace(&mut self.ended, true) {
                self.part.metrics.blocks_pruned.add(self.schedule.n_pruned());
            }
            return Ok(None);
        };
        let bytes = self.schedule.bytes(&blocks);
        // Nothing behind the last block is of interest: it is as if the file ended there.
        let (marker, end) = (self.part.file.header.sync.len() as u64, bytes.end);
        let range = bytes.start.saturating_sub(marker)..end;
        self.span = Some(range.start..end.saturating_sub(marker));
        let decoder = self.part.decoder(range, end)?;
        let fetch = self.part.fetch_exactly(decoder.first_offset()..end);
        Ok(Some((decoder, fetch)))
    }

    /// May what is read of one stretch make others unwanted?
    pub(crate) fn may_end(&self) -> bool {
        self.schedule.is_dynamic()
    }

    /// Checks that a stretch that was read is what the index said.
    pub(crate) fn check(&self, decoder: &Decoder) -> Result<()> {
        match self.span == decoder.covered_range() {
            true => Ok(()),
            false => exec_err!(
                "{}: its blocks are not where its index says, although it has not changed since; the option \
                 `index` = 'ignore' reads it without",
                self.part.object.name
            ),
        }
    }
}
