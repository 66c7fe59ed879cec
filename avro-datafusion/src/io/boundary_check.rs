//! Checks that the byte ranges of a split file meet at block boundaries.
//!
//! A range starts at the first sync marker in it. A value may contain marker bytes followed by a complete block, and a
//! reader that starts there cannot tell the difference. But the range before it reads that value from its start and
//! ends elsewhere, so the two ranges do not meet. Such a file must be read as one range from its start.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The completed ranges of one file.
#[derive(Debug, Default)]
pub(crate) struct BoundaryCheck(Mutex<BTreeMap<u64, RangeSpan>>);

/// End of a range and the span of the markers around its blocks; keyed by the start of the range.
type RangeSpan = (u64, Option<Range<u64>>);

impl BoundaryCheck {
    /// Records the span of a completed range; returns `false` if it does not meet its neighbors. The check fails for
    /// the neighbor that completes last.
    pub(crate) fn record(&self, range: Range<u64>, span: Option<Range<u64>>) -> bool {
        let mut ranges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ranges.insert(range.start, (range.end, span));
        let (mut range_end, mut span_end) = (0, None);
        ranges.iter().all(|(&start, (end, span))| {
            // The blocks of a range that has not been read are unknown.
            let expected = span_end.take().filter(|_| start == range_end);
            range_end = *end;
            // A range without a marker lies within a block of an earlier range.
            span_end = span.as_ref().map(|span| span.end).or(expected);
            span.as_ref().zip(expected).is_none_or(|(span, expected)| span.start == expected)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn record_detects_neighbors_that_do_not_meet() {
        // Ranges in reading order, their spans, and whether the last one passes.
        type Read = (Range<u64>, Option<Range<u64>>);
        let cases: &[(&[Read], bool)] = &[
            (&[(0..9, Some(4..12)), (9..20, Some(12..30))], true),
            (&[(9..20, Some(12..30)), (0..9, Some(4..12))], true),
            (&[(0..9, Some(4..12)), (9..20, Some(10..30))], false),
            (&[(9..20, Some(10..30)), (0..9, Some(4..12))], false),
            // A range within a block.
            (&[(0..9, Some(4..25)), (9..20, None), (20..30, Some(25..30))], true),
            (&[(0..9, Some(4..25)), (20..30, Some(24..30)), (9..20, None)], false),
            // A range that is not read.
            (&[(0..9, Some(4..12)), (20..30, Some(28..30))], true),
        ];
        check_all(cases, |(found, agree)| {
            let check = BoundaryCheck::default();
            let (last, before) = found.split_last().unwrap();
            assert!(before.iter().all(|(range, span)| check.record(range.clone(), span.clone())), "{found:?}");
            assert_eq!(check.record(last.0.clone(), last.1.clone()), *agree, "{found:?}");
        });
    }
}
