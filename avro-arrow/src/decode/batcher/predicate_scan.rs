//! Predicate scans: decodes the filter's columns of blocks with the start of each row, and turns the picked rows into
//! blocks that keep their positions.

use super::{Batcher, RowRange};
use crate::codec::Block;
use crate::encoding::{PADDING, PaddedBytes};
use crate::error::Result;
use crate::program::Program;
use crate::reference::Located;
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use std::sync::Arc;

/// The rows of one predicate scan.
pub(crate) struct PredicateScan {
    /// The filter's columns.
    pub(crate) columns: RecordBatch,
    /// The start of each row in its block's buffer.
    pub(crate) starts: ScalarBuffer<u32>,
    /// The blocks of the rows, in order.
    pub(crate) parts: Vec<ScannedRows>,
}

/// A block's rows, or consecutive ones.
pub(crate) struct ScannedRows {
    block: Block,
    /// Index in the block of the first row.
    first_row: u64,
    pub(crate) n_rows: usize,
    /// Start of the first row and end of the last in the block.
    from: usize,
    to: usize,
    /// Start of the block in the buffer to which the starts of rows refer.
    block_start: usize,
}

/// The original positions of rows picked from a block. Without runs, the positions are unchanged.
#[derive(Debug, Default)]
pub(crate) struct SelectedRows {
    runs: Vec<RowRun>,
}

/// Consecutive rows: the index and the offset of the first in the file's block and among the picked rows. Blocks have
/// less than 4 GiB.
#[derive(Debug)]
struct RowRun {
    row: u32,
    at: u32,
    to_row: u32,
    to_at: u32,
}

impl Batcher {
    /// Locates errors with this program's reader, as a predicate scan reads few columns.
    pub(crate) fn with_error_locator(self, program: &Arc<Program>) -> Self {
        Batcher { error_locator: Some(Arc::clone(program)), ..self }
    }

    /// Scans the next blocks. Returns `None` if it needs more blocks first or, at the `end`, after the last block.
    pub(crate) fn next_predicate_scan(&mut self, end: bool) -> Result<Option<PredicateScan>> {
        if !self.wants_to_decode(end) {
            return Ok(None);
        }
        let Some((pieces, mut columns, n_rows)) = self.decoded(end)? else { return Ok(None) };
        let starts = columns.pop();
        let starts = starts.as_ref().and_then(|starts| starts.as_any().downcast_ref::<UInt32Array>());
        let starts = starts.map(|starts| starts.values().clone()).unwrap_or_default();
        let parts = self.queue.iter().zip(&pieces).map(|(pending, piece)| {
            let block_start = piece.end - pending.block.data.len();
            ScannedRows {
                block: pending.block.clone(),
                first_row: pending.block.rows - pending.rows_left,
                n_rows: piece.n_rows,
                from: pending.at,
                to: piece.at - block_start,
                block_start,
            }
        });
        let parts = parts.collect();
        self.take_decoded(&pieces);
        Ok(Some(PredicateScan { columns: self.batch_of(columns, n_rows)?, starts, parts }))
    }

    /// Takes all blocks that wait to be scanned.
    pub(crate) fn take_queue(&mut self) -> Vec<ScannedRows> {
        (self.queued_rows, self.queued_bytes) = (0, 0);
        let parts = self.queue.drain(..).map(|pending| ScannedRows {
            first_row: pending.block.rows - pending.rows_left,
            n_rows: usize::try_from(pending.rows_left).unwrap_or(usize::MAX),
            from: pending.at,
            to: pending.block.data.len(),
            block_start: 0,
            block: pending.block,
        });
        parts.collect()
    }
}

impl ScannedRows {
    /// Returns all its rows, without a copy.
    pub(crate) fn all(self) -> (Block, SelectedRows) {
        let whole = self.n_rows as u64 == self.block.rows;
        let runs = if whole { vec![] } else { vec![self.run(0, self.from, 0, 0)] };
        let data = self.block.data.slice(self.from..self.to);
        (Block { rows: self.n_rows as u64, data, ..self.block }, SelectedRows { runs })
    }

    /// Returns the rows whose bits are set. `starts` begins at its first row.
    pub(crate) fn pick(self, starts: &[u32], rows: &BooleanBuffer) -> (Block, SelectedRows) {
        let start_of = |row: usize| match starts.get(row) {
            Some(&start) if row < self.n_rows => (start as usize).saturating_sub(self.block_start),
            _ => self.to,
        };
        let bytes_of =
            |(first, end): (usize, usize)| self.block.data.get(start_of(first)..start_of(end)).unwrap_or(&[]);
        let (mut n_rows, mut n_bytes) = (0, 0);
        let runs = rows.set_slices().map(|(first, end)| {
            let run = self.run(first, start_of(first), n_rows, n_bytes);
            n_rows += end - first;
            n_bytes += bytes_of((first, end)).len();
            run
        });
        let runs = runs.collect();
        // With room for the padding that `from_vec` adds.
        let mut data = Vec::with_capacity(n_bytes + PADDING);
        for run in rows.set_slices() {
            data.extend_from_slice(bytes_of(run));
        }
        let data = PaddedBytes::from_vec(data);
        (Block { rows: n_rows as u64, data, ..self.block }, SelectedRows { runs })
    }

    fn run(&self, row: usize, at: usize, to_row: usize, to_at: usize) -> RowRun {
        RowRun {
            row: (self.first_row as usize + row) as u32,
            at: at as u32,
            to_row: to_row as u32,
            to_at: to_at as u32,
        }
    }
}

impl SelectedRows {
    /// Converts the position of a fault to the file's block.
    pub(crate) fn in_block(&self, mut located: Located) -> Located {
        let run = self.runs.partition_point(|run| u64::from(run.to_row) <= located.row);
        if let Some(run) = run.checked_sub(1).and_then(|run| self.runs.get(run)) {
            located.row = located.row - u64::from(run.to_row) + u64::from(run.row);
            located.offset = located.offset - run.to_at as usize + run.at as usize;
        }
        located
    }

    /// Appends the positions of these rows in the file's block.
    pub(super) fn split(&self, mut rows: RowRange, to: &mut Vec<RowRange>) {
        if self.runs.is_empty() {
            to.push(rows);
            return;
        }
        let mut run = self.runs.partition_point(|run| u64::from(run.to_row) <= rows.row);
        while rows.n_rows > 0
            && let Some(this) = run.checked_sub(1).and_then(|run| self.runs.get(run))
        {
            let inside = rows.row - u64::from(this.to_row);
            // Up to the start of the next run.
            let next = self.runs.get(run).map_or(u64::MAX, |next| u64::from(next.to_row));
            let n_rows = rows.n_rows.min(usize::try_from(next - rows.row).unwrap_or(usize::MAX));
            to.push(RowRange { row: u64::from(this.row) + inside, n_rows, ..rows });
            rows.row += n_rows as u64;
            rows.n_rows -= n_rows;
            run += 1;
        }
    }
}
