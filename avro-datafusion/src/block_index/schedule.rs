//! In which order a file's blocks are read, and which are not: an index, a filter and an order of rows in; one stretch of blocks
//! after the other out. Before each, a filter that changes is looked at again.

use super::model::{FileIndex, MARKER};
use super::prune::{Columns, Pruner};
use arrow_array::Array;
use arrow_schema::SortOptions;
use datafusion::arrow::compute::sort_to_indices;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the first and of the longest stretch where what is read first may make the rest unwanted.
const STRETCH_FIRST: u64 = 256 << 10;
const STRETCH_MAX: u64 = 8 << 20;

/// The column that rows are wanted in the order of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) column: usize,
    pub(crate) path: Vec<String>,
    pub(crate) options: SortOptions,
}

/// The blocks of a part of a file, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Schedule {
    index: Arc<FileIndex>,
    pruner: Option<Pruner>,
    /// The blocks of this part.
    blocks: Range<usize>,
    /// For each of them: is it still to be read?
    left: Vec<bool>,
    /// The best first, where some are better than others.
    order: Option<Order>,
    /// Where in the order, or among the blocks, the next is looked for.
    at: usize,
    /// Bytes of the next stretch, if that is bounded.
    stretch: Option<u64>,
    /// Bytes of unwanted blocks that are read rather than left out.
    gap: u64,
    n_read: usize,
}

#[derive(Debug)]
struct Order {
    blocks: Vec<usize>,
    /// The place of each block in that.
    ranks: Vec<usize>,
}

impl Schedule {
    /// Of the blocks whose preceding marker begins in `part`.
    pub(crate) fn new(index: Arc<FileIndex>, part: &Range<u64>, gap: u64) -> Schedule {
        let starts = index.starts().get(..index.n_blocks()).unwrap_or_default();
        let place = |at: u64| starts.partition_point(|start| start.saturating_sub(MARKER) < at);
        let blocks = place(part.start)..place(part.end).max(place(part.start));
        let left = vec![true; blocks.len()];
        Schedule { index, pruner: None, at: 0, blocks, left, order: None, stretch: None, gap, n_read: 0 }
    }

    /// Only those blocks that may have rows which a filter is true for.
    pub(crate) fn with_pruner(mut self, pruner: Pruner) -> Schedule {
        if pruner.is_dynamic() {
            self.stretch = Some(STRETCH_FIRST);
        }
        self.pruner = Some(pruner);
        self
    }

    /// Those blocks first that have the first rows in this order. Only for filters that change is that of use.
    pub(crate) fn with_order(mut self, key: &SortKey, columns: Columns<'_>) -> Schedule {
        if self.stretch.is_some() {
            self.order = Order::of(key, columns, &self.index);
        }
        self
    }

    /// The next blocks to read; none at the end.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        if let Some(pruner) = &mut self.pruner
            && pruner.refresh()
        {
            for (block, left) in self.blocks.clone().zip(&mut self.left) {
                *left &= pruner.wants(block);
            }
        }
        let first = self.first()?;
        let blocks = match &self.order {
            Some(_) => self.around(first),
            None => self.from(first),
        };
        for block in blocks.clone() {
            if let Some(left) = self.left.get_mut(block - self.blocks.start) {
                *left = false;
            }
        }
        self.n_read += blocks.len();
        self.stretch = self.stretch.map(|bytes| bytes.saturating_mul(2).min(STRETCH_MAX));
        Some(blocks)
    }

    /// May what is read make more blocks unwanted?
    pub(crate) fn is_dynamic(&self) -> bool {
        self.stretch.is_some()
    }

    /// Blocks that were left out, once there are no more.
    pub(crate) fn n_pruned(&self) -> usize {
        self.blocks.len() - self.n_read
    }

    /// Bytes of these blocks.
    pub(crate) fn bytes(&self, blocks: &Range<usize>) -> Range<u64> {
        let start = |block: usize| self.index.starts().get(block).copied().unwrap_or(0);
        start(blocks.start)..start(blocks.end)
    }

    fn is_left(&self, block: usize) -> bool {
        self.blocks.contains(&block) && self.left.get(block - self.blocks.start) == Some(&true)
    }

    fn first(&mut self) -> Option<usize> {
        loop {
            let block = match &self.order {
                Some(order) => *order.blocks.get(self.at)?,
                None => self.blocks.start.checked_add(self.at).filter(|block| self.blocks.contains(block))?,
            };
            if self.is_left(block) {
                return Some(block);
            }
            self.at += 1;
        }
    }

    /// From this block on, over small gaps.
    fn from(&self, first: usize) -> Range<usize> {
        let max = self.stretch.unwrap_or(u64::MAX);
        let mut blocks = first..first + 1;
        for block in first + 1..self.blocks.end {
            let bytes = self.bytes(&(first..block + 1));
            if bytes.end - bytes.start > max {
                break;
            }
            if self.is_left(block) {
                blocks.end = block + 1;
            } else {
                let gap = self.bytes(&(blocks.end..block + 1));
                if gap.end - gap.start > self.gap {
                    break;
                }
            }
        }
        blocks
    }

    /// This block and those around it, the better first.
    fn around(&self, first: usize) -> Range<usize> {
        let max = self.stretch.unwrap_or(u64::MAX);
        let rank = |block: usize| {
            let rank = self.order.as_ref().and_then(|order| order.ranks.get(block)).copied();
            rank.filter(|_| self.is_left(block))
        };
        let mut blocks = first..first + 1;
        loop {
            let before = blocks.start.checked_sub(1).and_then(rank);
            let wider = match (before, rank(blocks.end)) {
                (None, None) => break,
                (Some(before), Some(behind)) if behind < before => blocks.start..blocks.end + 1,
                (None, Some(_)) => blocks.start..blocks.end + 1,
                (Some(_), _) => blocks.start - 1..blocks.end,
            };
            let bytes = self.bytes(&wider);
            if bytes.end - bytes.start > max {
                break;
            }
            blocks = wider;
        }
        blocks
    }
}

impl Order {
    /// None if nothing is known of the column.
    fn of(key: &SortKey, columns: Columns<'_>, index: &FileIndex) -> Option<Order> {
        let path: Vec<&str> = key.path.iter().map(String::as_str).collect();
        let (known, _) = columns.known(index, key.column, &path)?;
        let best = if key.options.descending { &known.max } else { &known.min };
        // Blocks of which nothing is known come last.
        let options = SortOptions { nulls_first: false, ..key.options };
        let sorted = sort_to_indices(best, Some(options), None).ok()?;
        let sorted = sorted.values().iter().map(|block| *block as usize);
        let has_nulls = |block: &usize| !known.nulls.is_valid(*block) || known.nulls.value(*block) > 0;
        let blocks: Vec<usize> = match key.options.nulls_first {
            true => {
                let (first, then): (Vec<_>, Vec<_>) = sorted.partition(has_nulls);
                first.into_iter().chain(then).collect()
            }
            false => sorted.collect(),
        };
        let mut ranks = vec![usize::MAX; index.n_blocks()];
        for (rank, block) in blocks.iter().enumerate() {
            *ranks.get_mut(*block)? = rank;
        }
        Some(Order { blocks, ranks })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::model::{Bounds, IndexColumn};
    use super::*;
    use arrow_array::{ArrayRef, BooleanArray, Int64Array, UInt64Array};
    use arrow_schema::{DataType, Field, Schema};
    use avro_arrow::FieldMatch;
    use std::collections::HashMap;

    /// Blocks of 100 bytes, the first of which begins at 50, with these least values of `a`, each 5 below the greatest, and these nulls.
    fn index(least: &[Option<i64>], nulls: &[u64]) -> Arc<FileIndex> {
        let n = least.len() as u64;
        let bounds = |plus: i64| {
            let values = least.iter().map(|value| value.map(|value| value + plus)).collect::<Int64Array>();
            Bounds { values: Arc::new(values) as ArrayRef, exact: BooleanArray::from(vec![true; least.len()]) }
        };
        let column = IndexColumn { nulls: nulls.to_vec().into(), min: bounds(0), max: bounds(5) };
        Arc::new(FileIndex {
            starts: (0..=n).map(|i| 50 + 100 * i).collect(),
            rows: UInt64Array::from(vec![10; least.len()]),
            n_rows: 10 * n,
            columns: HashMap::from([("a".to_owned(), column)]),
        })
    }

    fn all(mut schedule: Schedule) -> Vec<Range<usize>> {
        std::iter::from_fn(|| schedule.next()).collect()
    }

    #[test]
    fn blocks_of_parts() {
        let index = index(&[Some(0); 4], &[0; 4]);
        // A block belongs to the part that the marker before it begins in, 16 bytes before itself.
        let cases = [
            (0..450, Some(0..4)),
            (0..34, None),
            (0..35, Some(0..1)),
            (35..450, Some(1..4)),
            (35..135, Some(1..2)),
            (134..135, Some(1..2)),
            (135..200, None),
            (335..450, None),
            (334..335, Some(3..4)),
            (0..0, None),
        ];
        for (part, expected) in cases {
            assert_eq!(all(Schedule::new(Arc::clone(&index), &part, 0)), Vec::from_iter(expected), "{part:?}");
        }
    }

    #[test]
    fn gaps_and_stretches() {
        // Which blocks are left, the gap that is read, the bytes of a stretch, and the stretches.
        type Case = (&'static [u8], u64, Option<u64>, &'static [(usize, usize)]);
        let cases: [Case; 9] = [
            (&[1, 1, 1, 1], 0, None, &[(0, 4)]),
            (&[1, 0, 1, 1], 0, None, &[(0, 1), (2, 4)]),
            (&[1, 0, 1, 1], 100, None, &[(0, 4)]),
            (&[0, 1, 0, 0, 1, 0], 100, None, &[(1, 2), (4, 5)]),
            (&[0, 1, 0, 0, 1, 0], 200, None, &[(1, 5)]),
            (&[0, 0, 0], 100, None, &[]),
            // The next is twice as long.
            (&[1, 1, 1, 1, 1], 0, Some(100), &[(0, 1), (1, 3), (3, 5)]),
            (&[1, 1, 1, 1, 1], 0, Some(10), &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
            (&[1, 0, 1, 1, 1], 100, Some(200), &[(0, 1), (2, 5)]),
        ];
        for (left, gap, stretch, expected) in cases {
            let index = index(&vec![Some(0); left.len()], &vec![0; left.len()]);
            let mut schedule = Schedule::new(index, &(0..u64::MAX), gap);
            schedule.left = left.iter().map(|left| *left == 1).collect();
            schedule.stretch = stretch;
            let expected: Vec<_> = expected.iter().map(|(start, end)| *start..*end).collect();
            assert_eq!(all(schedule), expected, "{left:?} {gap} {stretch:?}");
        }
    }

    #[test]
    fn the_best_first() {
        let table = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let file = avro_arrow::schema::Schema::parse("\"int\"", &Default::default()).unwrap();
        let (up, down) = ((false, false), (true, false));
        // Least values, nulls, descending and nulls first, and the blocks in their order.
        type Case<'a> = (&'a [Option<i64>], &'a [u64], (bool, bool), &'a [usize]);
        let cases: [Case; 6] = [
            (&[Some(1), Some(2), Some(3)], &[0; 3], up, &[0, 1, 2]),
            (&[Some(1), Some(2), Some(3)], &[0; 3], down, &[2, 1, 0]),
            (&[Some(5), Some(1), Some(3), None], &[0; 4], up, &[1, 2, 0, 3]),
            (&[Some(5), Some(1), Some(3), None], &[0; 4], down, &[0, 2, 1, 3]),
            (&[Some(5), Some(1), Some(3)], &[0, 0, 1], (true, true), &[2, 0, 1]),
            (&[Some(5), Some(1), Some(3)], &[1, 0, 1], (false, true), &[2, 0, 1]),
        ];
        for (least, nulls, (descending, nulls_first), expected) in cases {
            let columns = Columns { table: &table, reader: None, by: FieldMatch::Name, file: &file };
            let options = SortOptions { descending, nulls_first };
            let key = SortKey { column: 0, path: vec![], options };
            let mut schedule = Schedule::new(index(least, nulls), &(0..u64::MAX), 0);
            schedule.stretch = Some(1);
            let mut schedule = schedule.with_order(&key, columns);
            let blocks: Vec<_> = std::iter::from_fn(|| {
                schedule.stretch = Some(1);
                schedule.next().map(|blocks| blocks.start)
            })
            .collect();
            assert_eq!(blocks, expected, "{least:?} {options:?}");
        }
    }
}
