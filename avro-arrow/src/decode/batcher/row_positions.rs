//! Records for each batch where its rows are in the file.

use super::{Batcher, QueuedBlock};
use crate::exec::BlockSlice;
use std::collections::VecDeque;

/// Consecutive rows of a block, all in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowRange {
    /// Index of the block in the file, or in the byte range that is read.
    pub block: u64,
    /// Offset of the block in the file.
    pub offset: u64,
    /// Index of the first row in the file, or in the byte range.
    pub row: u64,
    /// Number of rows.
    pub n_rows: usize,
}

/// Positions of the rows of batches. While batches are being made, `RowRange::row` is an index in the block.
#[derive(Debug, Default)]
pub(super) struct RowPositions {
    /// Of the batches that are ready.
    ready: VecDeque<Vec<RowRange>>,
    /// Of rows that are only counted.
    counted: VecDeque<RowRange>,
    /// Of the last batch that was returned.
    last: Vec<RowRange>,
}

impl Batcher {
    /// Records the positions of the rows of each batch from now on.
    pub(crate) fn with_row_positions(self) -> Self {
        Batcher { row_positions: Some(Box::default()), ..self }
    }

    /// Whether row positions are recorded.
    pub(crate) fn has_row_positions(&self) -> bool {
        self.row_positions.is_some()
    }

    /// Takes the positions of the rows of the last batch, in its order.
    pub(crate) fn take_row_positions(&mut self) -> Vec<RowRange> {
        self.row_positions.as_mut().map(|row_positions| std::mem::take(&mut row_positions.last)).unwrap_or_default()
    }

    /// Records the positions of the rows of the queue's next pieces, for batches of `batch_size` rows.
    pub(super) fn record_batch_positions(&mut self, pieces: &[BlockSlice], batch_size: usize) {
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

    /// Moves to the next ready batch.
    pub(super) fn give_row_positions(&mut self) {
        if let Some(row_positions) = &mut self.row_positions {
            row_positions.last = row_positions.ready.pop_front().unwrap_or_default();
        }
    }

    /// Records the positions of rows that are only counted, as no column is read.
    pub(super) fn record_counted_positions(&mut self, run: RowRange) {
        if let Some(row_positions) = &mut self.row_positions {
            row_positions.counted.push_back(run);
        }
    }

    /// Moves to the next batch of `n_rows` counted rows.
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

impl QueuedBlock {
    /// Appends the positions of the next rows in the block.
    fn runs(&self, n_rows: usize, to: &mut Vec<RowRange>) {
        let first = self.block.rows - self.rows_left;
        let at = RowRange { block: self.block.index, offset: self.block.offset, row: first, n_rows };
        self.picked.split(at, to);
    }
}
