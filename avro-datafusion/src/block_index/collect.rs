//! What there is to know of a file's blocks: blocks as they are framed and batches as they are decoded in, the rows, null counts and
//! bounds of each block out. Batches need not begin or end where blocks do.

use super::format::{BlockStats, ColumnStats};
use super::leaves::{Leaf, column_at};
use super::value::{Side, Value, extremes};
use arrow_array::{Array, ArrayRef, RecordBatch};
use avro_arrow::container::RawBlock;
use datafusion::arrow::buffer::NullBuffer;
use std::collections::VecDeque;
use std::sync::Arc;

/// Collects what is known of consecutive blocks.
#[derive(Debug)]
pub(crate) struct Collector {
    leaves: Arc<[Leaf]>,
    /// The blocks that are framed and of which not all rows have come.
    waiting: VecDeque<Waiting>,
    done: Vec<BlockStats>,
}

#[derive(Debug)]
struct Waiting {
    offset: u64,
    end: u64,
    rows: u64,
    /// Rows still to come.
    left: u64,
    columns: Vec<Column>,
}

/// What is known of a column so far.
#[derive(Debug, Clone, Default)]
struct Column {
    nulls: u64,
    /// Are there rows of which it cannot be said whether they are null?
    unsure: bool,
    /// Is there a value that has no place among the others?
    unordered: bool,
    extremes: Option<(Value, Value)>,
}

impl Collector {
    pub(crate) fn new(leaves: Arc<[Leaf]>) -> Collector {
        Collector { leaves, waiting: VecDeque::new(), done: vec![] }
    }

    /// The next block of the file. Its rows come later.
    pub(crate) fn block(&mut self, block: &RawBlock) {
        let (offset, end, rows) = (block.offset, block.end, block.rows);
        let columns = vec![Column::default(); self.leaves.len()];
        self.waiting.push_back(Waiting { offset, end, rows, left: rows, columns });
        self.pass_on();
    }

    /// The next rows. False: they are of no block.
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

    /// Moves blocks that are complete on.
    fn pass_on(&mut self) {
        while let Some(block) = self.waiting.pop_front_if(|block| block.left == 0) {
            let columns = block.columns.into_iter().map(Column::finish).collect();
            let Waiting { offset, end, rows, .. } = block;
            self.done.push(BlockStats { offset, bytes: end - offset, rows, columns });
        }
    }

    /// All blocks. None if of some there were fewer rows than they said.
    pub(crate) fn finish(mut self) -> Option<Vec<BlockStats>> {
        self.pass_on();
        self.waiting.is_empty().then_some(self.done)
    }
}

impl Column {
    fn add(&mut self, array: &ArrayRef, around: Option<NullBuffer>) {
        self.nulls += array.null_count() as u64;
        // A row may have a value here although the struct around it is null. Whether that counts is not for the index to say.
        if around.is_some() {
            let both = NullBuffer::union(around.as_ref(), array.nulls()).map_or(0, |nulls| nulls.null_count());
            self.unsure |= both != array.null_count();
        }
        let Some((least, greatest)) = extremes(array) else { return };
        if least.is_nan() || greatest.is_nan() {
            self.unordered = true;
            return;
        }
        match &mut self.extremes {
            Some((a, b)) => {
                if least.is_beyond(a, Side::Least) {
                    *a = least;
                }
                if greatest.is_beyond(b, Side::Greatest) {
                    *b = greatest;
                }
            }
            none => *none = Some((least, greatest)),
        }
    }

    fn finish(self) -> ColumnStats {
        let nulls = (!self.unsure).then_some(self.nulls);
        let Some((least, greatest)) = self.extremes.filter(|_| !self.unordered) else {
            return ColumnStats { nulls, ..ColumnStats::default() };
        };
        let (mut min, mut max) = (least.bound(Side::Least), greatest.bound(Side::Greatest));
        for bound in [&mut min, &mut max].into_iter().flatten() {
            bound.exact &= !self.unsure;
        }
        ColumnStats { nulls, min, max }
    }
}
