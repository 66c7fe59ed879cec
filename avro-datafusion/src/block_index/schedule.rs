//! The order in which the blocks of a file are read. With a dynamic filter, blocks are read in growing ranges, best
//! first, and the filter prunes again before each.

use super::model::{FileIndex, MARKER};
use super::prune::{ColumnMapping, Pruner};
use arrow_array::Array;
use arrow_schema::SortOptions;
use datafusion::arrow::compute::sort_to_indices;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the first and of the largest range if rows read first may prune later blocks.
const FIRST_RANGE_BYTES: u64 = 256 << 10;
const MAX_RANGE_BYTES: u64 = 8 << 20;

/// The column by which the query sorts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) column: usize,
    pub(crate) path: Vec<String>,
    pub(crate) options: SortOptions,
}

/// The blocks of a part of a file, in reading order.
#[derive(Debug)]
pub(crate) struct BlockSchedule {
    index: Arc<FileIndex>,
    pruner: Option<Pruner>,
    /// Blocks of this part.
    blocks: Range<usize>,
    /// Whether each block is still to be read.
    left: Vec<bool>,
    /// Reading order, if not by offset.
    order: Option<BlockOrder>,
    /// Position of the next candidate in the order, or among the blocks.
    at: usize,
    /// Bytes of the next range, if bounded.
    range_bytes: Option<u64>,
    /// Gaps of pruned blocks up to this size are read rather than skipped.
    gap: u64,
    n_read: usize,
}

#[derive(Debug)]
struct BlockOrder {
    blocks: Vec<usize>,
    /// Position of each block in `blocks`.
    ranks: Vec<usize>,
}

impl BlockSchedule {
    /// Creates a schedule of the blocks whose preceding marker begins in `part`.
    pub(crate) fn new(index: Arc<FileIndex>, part: &Range<u64>, gap: u64) -> BlockSchedule {
        let starts = index.starts().get(..index.n_blocks()).unwrap_or_default();
        let place = |at: u64| starts.partition_point(|start| start.saturating_sub(MARKER) < at);
        let blocks = place(part.start)..place(part.end).max(place(part.start));
        let left = vec![true; blocks.len()];
        BlockSchedule { index, pruner: None, at: 0, blocks, left, order: None, range_bytes: None, gap, n_read: 0 }
    }

    /// Restricts the schedule to blocks that may match a filter.
    pub(crate) fn with_pruner(mut self, pruner: Pruner) -> BlockSchedule {
        if pruner.is_dynamic() {
            self.range_bytes = Some(FIRST_RANGE_BYTES);
        }
        self.pruner = Some(pruner);
        self
    }

    /// Reads blocks with the first rows of a sort order first. Only useful with a dynamic filter.
    pub(crate) fn with_order(mut self, key: &SortKey, columns: ColumnMapping<'_>) -> BlockSchedule {
        if self.range_bytes.is_some() {
            self.order = BlockOrder::new(key, columns, &self.index);
        }
        self
    }

    /// Returns the next blocks to read; `None` at the end.
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
        self.range_bytes = self.range_bytes.map(|bytes| bytes.saturating_mul(2).min(MAX_RANGE_BYTES));
        Some(blocks)
    }

    /// Returns whether rows of earlier blocks may prune later ones.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.range_bytes.is_some()
    }

    /// Returns the number of pruned blocks, after the end.
    pub(crate) fn n_pruned(&self) -> usize {
        self.blocks.len() - self.n_read
    }

    /// Returns the byte range of these blocks.
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

    /// Extends from this block forward, across small gaps.
    fn from(&self, first: usize) -> Range<usize> {
        let max = self.range_bytes.unwrap_or(u64::MAX);
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

    /// Extends from this block to both sides, better blocks first.
    fn around(&self, first: usize) -> Range<usize> {
        let max = self.range_bytes.unwrap_or(u64::MAX);
        let rank = |block: usize| {
            let rank = self.order.as_ref().and_then(|order| order.ranks.get(block)).copied();
            rank.filter(|_| self.is_left(block))
        };
        let mut blocks = first..first + 1;
        loop {
            let before = blocks.start.checked_sub(1).and_then(rank);
            let wider = match (before, rank(blocks.end)) {
                (None, None) => break,
                (Some(before), Some(after)) if after < before => blocks.start..blocks.end + 1,
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

impl BlockOrder {
    /// Returns `None` if there are no statistics of the column.
    fn new(key: &SortKey, columns: ColumnMapping<'_>, index: &FileIndex) -> Option<BlockOrder> {
        let path: Vec<&str> = key.path.iter().map(String::as_str).collect();
        let (known, _) = columns.known(index, key.column, &path)?;
        let best = if key.options.descending { &known.max } else { &known.min };
        // Blocks without statistics come last.
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
        Some(BlockOrder { blocks, ranks })
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
    use avro_testing::check_all;
    use std::collections::HashMap;

    /// Blocks of 100 bytes from offset 50 with these min values of `a`, max 5 higher, and these null counts.
    fn index(min: &[Option<i64>], nulls: &[u64]) -> Arc<FileIndex> {
        let n = min.len() as u64;
        let bounds = |plus: i64| {
            let values = min.iter().map(|value| value.map(|value| value + plus)).collect::<Int64Array>();
            Bounds { values: Arc::new(values) as ArrayRef, exact: BooleanArray::from(vec![true; min.len()]) }
        };
        let column = IndexColumn { nulls: nulls.to_vec().into(), min: bounds(0), max: bounds(5) };
        Arc::new(FileIndex {
            starts: (0..=n).map(|i| 50 + 100 * i).collect(),
            rows: UInt64Array::from(vec![10; min.len()]),
            n_rows: 10 * n,
            columns: HashMap::from([("a".to_owned(), column)]),
        })
    }

    fn all(mut schedule: BlockSchedule) -> Vec<Range<usize>> {
        std::iter::from_fn(|| schedule.next()).collect()
    }

    #[test]
    fn schedule_assigns_blocks_to_parts() {
        let index = index(&[Some(0); 4], &[0; 4]);
        // A block belongs to the part in which its preceding marker begins, 16 bytes before the block.
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
        check_all(cases, |(part, expected)| {
            assert_eq!(all(BlockSchedule::new(Arc::clone(&index), &part, 0)), Vec::from_iter(expected), "{part:?}");
        });
    }

    #[test]
    fn schedule_merges_small_gaps_into_ranges() {
        // Remaining blocks, gap, range bytes, and the expected ranges.
        type Case = (&'static [u8], u64, Option<u64>, &'static [(usize, usize)]);
        let cases: [Case; 9] = [
            (&[1, 1, 1, 1], 0, None, &[(0, 4)]),
            (&[1, 0, 1, 1], 0, None, &[(0, 1), (2, 4)]),
            (&[1, 0, 1, 1], 100, None, &[(0, 4)]),
            (&[0, 1, 0, 0, 1, 0], 100, None, &[(1, 2), (4, 5)]),
            (&[0, 1, 0, 0, 1, 0], 200, None, &[(1, 5)]),
            (&[0, 0, 0], 100, None, &[]),
            // Each range is twice as long as the previous one.
            (&[1, 1, 1, 1, 1], 0, Some(100), &[(0, 1), (1, 3), (3, 5)]),
            (&[1, 1, 1, 1, 1], 0, Some(10), &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
            (&[1, 0, 1, 1, 1], 100, Some(200), &[(0, 1), (2, 5)]),
        ];
        check_all(cases, |(left, gap, range_bytes, expected)| {
            let index = index(&vec![Some(0); left.len()], &vec![0; left.len()]);
            let mut schedule = BlockSchedule::new(index, &(0..u64::MAX), gap);
            schedule.left = left.iter().map(|left| *left == 1).collect();
            schedule.range_bytes = range_bytes;
            let expected: Vec<_> = expected.iter().map(|(start, end)| *start..*end).collect();
            assert_eq!(all(schedule), expected, "{left:?} {gap} {range_bytes:?}");
        });
    }

    #[test]
    fn schedule_with_order_reads_best_blocks_first() {
        let table = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let file = avro_arrow::schema::Schema::parse("\"int\"", &Default::default()).unwrap();
        let (up, down) = ((false, false), (true, false));
        // Min values, nulls, (descending, nulls first), and the expected order of blocks.
        type Case<'a> = (&'a [Option<i64>], &'a [u64], (bool, bool), &'a [usize]);
        let cases: [Case; 6] = [
            (&[Some(1), Some(2), Some(3)], &[0; 3], up, &[0, 1, 2]),
            (&[Some(1), Some(2), Some(3)], &[0; 3], down, &[2, 1, 0]),
            (&[Some(5), Some(1), Some(3), None], &[0; 4], up, &[1, 2, 0, 3]),
            (&[Some(5), Some(1), Some(3), None], &[0; 4], down, &[0, 2, 1, 3]),
            (&[Some(5), Some(1), Some(3)], &[0, 0, 1], (true, true), &[2, 0, 1]),
            (&[Some(5), Some(1), Some(3)], &[1, 0, 1], (false, true), &[2, 0, 1]),
        ];
        check_all(cases, |(min, nulls, (descending, nulls_first), expected)| {
            let columns = ColumnMapping { table: &table, reader: None, by: FieldMatch::Name, file: &file };
            let options = SortOptions { descending, nulls_first };
            let key = SortKey { column: 0, path: vec![], options };
            let mut schedule = BlockSchedule::new(index(min, nulls), &(0..u64::MAX), 0);
            schedule.range_bytes = Some(1);
            let mut schedule = schedule.with_order(&key, columns);
            let blocks: Vec<_> = std::iter::from_fn(|| {
                schedule.range_bytes = Some(1);
                schedule.next().map(|blocks| blocks.start)
            })
            .collect();
            assert_eq!(blocks, expected, "{min:?} {options:?}");
        });
    }
}
