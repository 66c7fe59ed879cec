//! Block access plans: which blocks of a file a scan reads, chosen outside of this crate.

use datafusion::common::{Result, plan_err};
use std::ops::Range;

/// The blocks of one file that a scan reads, for callers that have their own index.
///
/// Attach it to a [`PartitionedFile`](datafusion::datasource::listing::PartitionedFile) with `with_extension`, as
/// DataFusion's `ParquetAccessPlan`. A scan then reads these blocks, in this order, and nothing else of the file. The
/// scan's own filter still applies to their rows. A plan takes the place of the file's [block index](crate::index).
///
/// A range covers one or more whole, adjacent blocks: from the first byte of a block, its row count, to the end of the
/// sync marker after the last one. The table function `avro_blocks` returns the offset and the length of each block.
/// The scan checks that markers are where the ranges say; if not, it fails. If a query uses the virtual column `_block`
/// or `_row`, the scan fails too, since these count from the start of the file.
///
/// ```
/// use avro_datafusion::BlockAccessPlan;
/// use datafusion::datasource::listing::PartitionedFile;
///
/// # fn plan() -> datafusion::error::Result<()> {
/// let blocks = BlockAccessPlan::try_new([1_200..66_000, 131_000..196_500])?;
/// let file = PartitionedFile::new("events.avro", 1_000_000).with_extension(blocks);
/// # assert!(file.extension::<BlockAccessPlan>().is_some());
/// # Ok(())
/// # }
/// # plan().unwrap();
/// ```
///
/// A scan of such files is made with [`AvroFormat`](crate::AvroFormat): its `file_source` reads them, its
/// `create_physical_plan` makes the plan of a `FileScanConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAccessPlan {
    ranges: Vec<Range<u64>>,
}

impl BlockAccessPlan {
    /// Creates a plan of these byte ranges of a file.
    ///
    /// # Errors
    /// If a range is empty, or begins before the end of the previous one.
    pub fn try_new(ranges: impl IntoIterator<Item = Range<u64>>) -> Result<Self> {
        let ranges: Vec<_> = ranges.into_iter().collect();
        let mut end = 0;
        for range in &ranges {
            if range.is_empty() {
                return plan_err!("block access plan: range {}..{} is empty", range.start, range.end);
            }
            if range.start < end {
                return plan_err!(
                    "block access plan: range {}..{} begins before {end}, the end of the previous range",
                    range.start,
                    range.end
                );
            }
            end = range.end;
        }
        Ok(BlockAccessPlan { ranges })
    }

    /// Returns the byte ranges, in ascending order.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Returns the ranges whose preceding sync marker begins in `part`, adjacent ones as one.
    ///
    /// Every range of the plan is in exactly one of the parts into which a file is split.
    pub(crate) fn within(&self, part: &Range<u64>, marker_bytes: u64) -> Vec<Range<u64>> {
        let mut within: Vec<Range<u64>> = vec![];
        for range in self.ranges.iter().filter(|range| part.contains(&range.start.saturating_sub(marker_bytes))) {
            match within.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => within.push(range.clone()),
            }
        }
        within
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn try_new_rejects_empty_and_overlapping_ranges() {
        let cases: [(&[Range<u64>], &str); 4] = [
            (&[], "ok"),
            (&[50..60, 60..70, 90..95], "ok"),
            (&[50..50], "range 50..50 is empty"),
            (&[50..60, 59..70], "range 59..70 begins before 60"),
        ];
        check_all(cases, |(ranges, expected)| match BlockAccessPlan::try_new(ranges.to_vec()) {
            Ok(plan) => assert_eq!((plan.ranges(), expected), (ranges, "ok")),
            Err(e) => assert!(e.to_string().contains(expected), "{e}"),
        });
    }

    #[test]
    fn within_assigns_each_range_to_one_part() {
        let plan = BlockAccessPlan::try_new([50..150, 150..250, 300..400]).unwrap();
        let cases: [(Range<u64>, &[Range<u64>]); 5] = [
            (0..500, &[50..250, 300..400]),
            (0..134, &[50..150]),
            (134..135, &[150..250]),
            (135..284, &[]),
            (284..500, &[300..400]),
        ];
        check_all(cases, |(part, expected)| {
            assert_eq!(plan.within(&part, 16), expected, "{part:?}");
        });
    }
}
