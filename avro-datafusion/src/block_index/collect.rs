//! Collects block statistics from blocks and decoded batches, whose boundaries need not match.

use super::format::{BlockStats, ColumnStats};
use super::leaves::{Leaf, column_at};
use super::value::{BoundSide, Value, min_max};
use arrow_array::{Array, ArrayRef, RecordBatch};
use avro_arrow::container::RawBlock;
use datafusion::arrow::buffer::NullBuffer;
use std::collections::VecDeque;
use std::sync::Arc;

/// Collects statistics of consecutive blocks.
#[derive(Debug)]
pub(crate) struct Collector {
    leaves: Arc<[Leaf]>,
    /// Blocks that are framed but not fully decoded.
    waiting: VecDeque<Waiting>,
    done: Vec<BlockStats>,
}

#[derive(Debug)]
struct Waiting {
    offset: u64,
    end: u64,
    rows: u64,
    /// Rows not yet decoded.
    left: u64,
    columns: Vec<Column>,
}

/// Statistics of a column so far.
#[derive(Debug, Clone, Default)]
struct Column {
    nulls: u64,
    /// Whether the null count is unknown, because a struct around the values is null.
    unsure: bool,
    /// Whether a value is NaN, which has no order.
    unordered: bool,
    min_max: Option<(Value, Value)>,
}

impl Collector {
    pub(crate) fn new(leaves: Arc<[Leaf]>) -> Collector {
        Collector { leaves, waiting: VecDeque::new(), done: vec![] }
    }

    /// Adds the next block of the file. Its rows follow.
    pub(crate) fn block(&mut self, block: &RawBlock) {
        let (offset, end, rows) = (block.offset, block.end, block.rows);
        let columns = vec![Column::default(); self.leaves.len()];
        self.waiting.push_back(Waiting { offset, end, rows, left: rows, columns });
        self.pass_on();
    }

    /// Adds the next rows; returns `false` if they belong to no block.
    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> bool {
        let columns: Vec<_> = self.leaves.iter().map(|leaf| column_at(batch, &leaf.path)).collect();
        let mut at = 0;
        while at < batch.num_rows() {
            self.pass_on();
            let Some(block) = self.waiting.front_mut() else { return false };
            let n = usize::try_from(block.left).unwrap_or(usize::MAX).min(batch.num_rows() - at);
            for (column, found) in block.columns.iter_mut().zip(&columns) {
                match found {
                    Some((array, around)) => {
                        column.add(&array.slice(at, n), around.as_ref().map(|around| around.slice(at, n)));
                    }
                    None => *column = Column { unsure: true, unordered: true, ..Column::default() },
                }
            }
            block.left -= n as u64;
            at += n;
        }
        self.pass_on();
        true
    }

    /// Moves complete blocks to the output.
    fn pass_on(&mut self) {
        while let Some(block) = self.waiting.pop_front_if(|block| block.left == 0) {
            let columns = block.columns.into_iter().map(Column::finish).collect();
            let Waiting { offset, end, rows, .. } = block;
            self.done.push(BlockStats { offset, bytes: end - offset, rows, columns });
        }
    }

    /// Returns all blocks; `None` if a block has fewer rows than it declared.
    pub(crate) fn finish(mut self) -> Option<Vec<BlockStats>> {
        self.pass_on();
        self.waiting.is_empty().then_some(self.done)
    }
}

impl Column {
    fn add(&mut self, array: &ArrayRef, around: Option<NullBuffer>) {
        self.nulls += array.null_count() as u64;
        // A row may have a value here although the struct around it is null. The index does not decide whether that
        // counts as null.
        if around.is_some() {
            let both = NullBuffer::union(around.as_ref(), array.nulls()).map_or(0, |nulls| nulls.null_count());
            self.unsure |= both != array.null_count();
        }
        let Some((min, max)) = min_max(array) else { return };
        if min.is_nan() || max.is_nan() {
            self.unordered = true;
            return;
        }
        match &mut self.min_max {
            Some((a, b)) => {
                if min.is_beyond(a, BoundSide::Min) {
                    *a = min;
                }
                if max.is_beyond(b, BoundSide::Max) {
                    *b = max;
                }
            }
            none => *none = Some((min, max)),
        }
    }

    fn finish(self) -> ColumnStats {
        let nulls = (!self.unsure).then_some(self.nulls);
        let Some((min, max)) = self.min_max.filter(|_| !self.unordered) else {
            return ColumnStats { nulls, ..ColumnStats::default() };
        };
        let (mut min, mut max) = (min.bound(BoundSide::Min), max.bound(BoundSide::Max));
        for bound in [&mut min, &mut max].into_iter().flatten() {
            bound.exact &= !self.unsure;
        }
        ColumnStats { nulls, min, max }
    }
}
