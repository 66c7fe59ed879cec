//! The batcher's part in saying where rows are: the pieces of a chunk in, for each batch the runs of rows that it has out.

use super::{Batcher, Pending};
use crate::program::Piece;
use std::collections::VecDeque;

/// Rows of a batch that follow one another in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsAt {
    /// Index of the block in the file, or in the byte range that is read.
    pub block: u64,
    /// Offset of the block in the file.
    pub offset: u64,
    /// Index of the first of the rows in the file, or in the range.
    pub row: u64,
    /// How many there are.
    pub n_rows: usize,
}

/// Where the rows of batches are. While batches are being made, `RowsAt::row` is an index in the block.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Of the batches that are ready.
    ready: VecDeque<Vec<RowsAt>>,
    /// Of rows that are counted.
    counted: VecDeque<RowsAt>,
    /// Of the batch that was given last.
    last: Vec<RowsAt>,
}

impl Batcher {
    /// From here on, it says where the rows of each batch are.
    pub(crate) fn with_places(self) -> Self {
        Batcher { places: Some(Box::default()), ..self }
    }

    /// Does it?
    pub(crate) fn has_places(&self) -> bool {
        self.places.is_some()
    }

    /// Where the rows of the last batch are, in its order. Taken once.
    pub(crate) fn take_places(&mut self) -> Vec<RowsAt> {
        self.places.as_mut().map(|places| std::mem::take(&mut places.last)).unwrap_or_default()
    }

    /// Notes where the rows of these pieces of the queue are, of which batches of so many rows are made.
    pub(super) fn place_batches(&mut self, pieces: &[Piece], batch_size: usize) {
        let Some(places) = &mut self.places else { return };
        let mut runs = vec![];
        for (pending, piece) in self.queue.iter().zip(pieces) {
            pending.runs(piece.n_rows, &mut runs);
        }
        let mut batch = vec![];
        let mut room = batch_size;
        for mut run in runs {
            while run.n_rows > 0 {
                let n_rows = run.n_rows.min(room);
                batch.push(RowsAt { n_rows, ..run });
                run.row += n_rows as u64;
                run.n_rows -= n_rows;
                room -= n_rows;
                if room == 0 {
                    places.ready.push_back(std::mem::take(&mut batch));
                    room = batch_size;
                }
            }
        }
        if !batch.is_empty() {
            places.ready.push_back(batch);
        }
    }

    /// A ready batch is given.
    pub(super) fn give_places(&mut self) {
        if let Some(places) = &mut self.places {
            places.last = places.ready.pop_front().unwrap_or_default();
        }
    }

    /// Notes where rows are of which no column is wanted.
    pub(super) fn place_counted(&mut self, run: RowsAt) {
        if let Some(places) = &mut self.places {
            places.counted.push_back(run);
        }
    }

    /// A batch of so many of those is given.
    pub(super) fn give_counted_places(&mut self, n_rows: usize) {
        let Some(places) = &mut self.places else { return };
        places.last.clear();
        let mut room = n_rows;
        while room > 0
            && let Some(first) = places.counted.front_mut()
        {
            let n_rows = first.n_rows.min(room);
            places.last.push(RowsAt { n_rows, ..*first });
            first.row += n_rows as u64;
            first.n_rows -= n_rows;
            room -= n_rows;
            if first.n_rows == 0 {
                places.counted.pop_front();
            }
        }
    }
}

impl Pending {
    /// Appends where its next rows were in the file's block.
    fn runs(&self, n_rows: usize, to: &mut Vec<RowsAt>) {
        let first = self.block.rows - self.rows_left;
        let at = RowsAt { block: self.block.index, offset: self.block.offset, row: first, n_rows };
        self.picked.split(at, to);
    }
}
