//! The batcher's part in saying where rows are: the pieces of a chunk in, for each batch the runs of rows that it has out.

use super::{Batcher, Pending};
use crate::program::Piece;
use std::collections::VecDeque;

/// Rows of a batch that follow one another in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowRange {
    /// Index of the block in the file, or in the byte range that is read.
    pub block: u64,
    /// Offset of the block in the file.
    pub offset: u64,
    /// Index of the first of the rows in the file, or in the range.
    pub row: u64,
    /// How many there are.
    pub n_rows: usize,
}

/// Where the rows of batches are. While batches are being made, `RowRange::row` is an index in the block.
#[derive(Debug, Default)]
pub(super) struct RowPositions {
    /// Of the batches that are ready.
    ready: VecDeque<Vec<RowRange>>,
    /// Of rows that are counted.
    counted: VecDeque<RowRange>,
    /// Of the batch that was given last.
    last: Vec<RowRange>,
}

impl Batcher {
    /// From here on, it says where the rows of each batch are.
    pub(crate) fn with_row_positions(self) -> Self {
        Batcher { row_positions: Some(Box::default()), ..self }
    }

    /// Does it?
    pub(crate) fn has_row_positions(&self) -> bool {
        self.row_positions.is_some()
    }

    /// Where the rows of the last batch are, in its order. Taken once.
    pub(crate) fn take_row_positions(&mut self) -> Vec<RowRange> {
        self.row_positions.as_mut().map(|row_positions| std::mem::take(&mut row_positions.last)).unwrap_or_default()
    }

    /// Notes where the rows of these pieces of the queue are, of which batches of so many rows are made.
    pub(super) fn record_batch_positions(&mut self, pieces: &[Piece], batch_size: usize) {
        let Some(row_positions) = &mut self.row_positions else { return };
        let mut runs = vec![];
        for (pending, piece) in self.queue.iter().zip(pieces) {
            pending.runs(piece.n_rows, &mut runs);
        }
        let mut batch = vec![];
        let mut room = batch_size;
        for mut run in runs {
            while run.n_rows > 0 {
                let n_rows = run.n_rows.min(room);
                batch.push(RowRange { n_rows, ..run });
                run.row += n_rows as u64;
                run.n_rows -= n_rows;
                room -= n_rows;
                if room == 0 {
                    row_positions.ready.push_back(std::mem::take(&mut batch));
                    room = batch_size;
                }
            }
        }
        if !batch.is_empty() {
            row_positions.ready.push_back(batch);
        }
    }

    /// A ready batch is given.
    pub(super) fn give_row_positions(&mut self) {
        if let Some(row_positions) = &mut self.row_positions {
            row_positions.last = row_positions.ready.pop_front().unwrap_or_default();
        }
    }

    /// Notes where rows are of which no column is wanted.
    pub(super) fn record_counted_positions(&mut self, run: RowRange) {
        if let Some(row_positions) = &mut self.row_positions {
            row_positions.counted.push_back(run);
        }
    }

    /// A batch of so many of those is given.
    pub(super) fn give_counted_row_positions(&mut self, n_rows: usize) {
        let Some(row_positions) = &mut self.row_positions else { return };
        row_positions.last.clear();
        let mut room = n_rows;
        while room > 0
            && let Some(first) = row_positions.counted.front_mut()
        {
            let n_rows = first.n_rows.min(room);
            row_positions.last.push(RowRange { n_rows, ..*first });
            first.row += n_rows as u64;
            first.n_rows -= n_rows;
            room -= n_rows;
            if first.n_rows == 0 {
                row_positions.counted.pop_front();
            }
        }
    }
}

impl Pending {
    /// Appends where its next rows were in the file's block.
    fn runs(&self, n_rows: usize, to: &mut Vec<RowRange>) {
        let first = self.block.rows - self.rows_left;
        let at = RowRange { block: self.block.index, offset: self.block.offset, row: first, n_rows };
        self.picked.split(at, to);
    }
}
