//! Where the blocks of byte ranges are: what each scan of a range found in, an error out where neighbours do not agree.
//!
//! A range begins at the first sync marker in it. Marker bytes followed by a whole block may also stand inside a value, where
//! somebody put them on purpose; who begins to read there cannot tell. But the range before reads that value from its start
//! and ends elsewhere, so that the two do not meet. Such a file can be read only from its start, in one range.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The spans of the ranges of one file that were read to their end.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<BTreeMap<u64, Found>>);

/// The end of a range, and where the markers around its blocks begin; by the start of the range.
type Found = (u64, Option<Range<u64>>);

impl Spans {
    /// Notes where a range's blocks are; false if that is not where those of the ranges next to it end and begin. Whichever
    /// of two neighbours is read last notices.
    pub(crate) fn agree(&self, range: Range<u64>, span: Option<Range<u64>>) -> bool {
        let mut ranges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ranges.insert(range.start, (range.end, span));
        let (mut range_end, mut span_end) = (0, None);
        ranges.iter().all(|(&start, (end, span))| {
            // Of what is before a range that was not read nothing is known.
            let expected = span_end.take().filter(|_| start == range_end);
            range_end = *end;
            // A range without a marker lies inside a block of one before it.
            span_end = span.as_ref().map(|span| span.end).or(expected);
            span.as_ref().zip(expected).is_none_or(|(span, expected)| span.start == expected)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_meet() {
        // Ranges in the order they are read, their spans, and whether the last one is noticed.
        type Read = (Range<u64>, Option<Range<u64>>);
        let cases: &[(&[Read], bool)] = &[
            (&[(0..9, Some(4..12)), (9..20, Some(12..30))], true),
            (&[(9..20, Some(12..30)), (0..9, Some(4..12))], true),
            (&[(0..9, Some(4..12)), (9..20, Some(10..30))], false),
            (&[(9..20, Some(10..30)), (0..9, Some(4..12))], false),
            // One that lies inside a block.
            (&[(0..9, Some(4..25)), (9..20, None), (20..30, Some(25..30))], true),
            (&[(0..9, Some(4..25)), (20..30, Some(24..30)), (9..20, None)], false),
            // One that is not read.
            (&[(0..9, Some(4..12)), (20..30, Some(28..30))], true),
        ];
        for (found, agree) in cases {
            let spans = Spans::default();
            let (last, before) = found.split_last().unwrap();
            assert!(before.iter().all(|(range, span)| spans.agree(range.clone(), span.clone())), "{found:?}");
            assert_eq!(spans.agree(last.0.clone(), last.1.clone()), *agree, "{found:?}");
        }
    }
}
