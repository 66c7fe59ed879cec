//! Cuts the rows of a file into groups, each of which begins where a block of the file does.

use std::ops::Range;

/// Cuts consecutive batches into groups.
pub(super) struct GroupCuts {
    max_rows: usize,
    max_bytes: usize,
    /// The group of the last row, if there was one.
    current: Option<CurrentGroup>,
}

struct CurrentGroup {
    /// Offset of the last block.
    block: u64,
    rows: usize,
    bytes: usize,
}

/// Adjacent rows of a batch that belong to one group.
#[derive(Debug, PartialEq)]
pub(super) struct GroupRows {
    /// Offset of the block with which a new group begins; `None` if these rows belong to the group before.
    pub(super) starts: Option<u64>,
    pub(super) rows: Range<usize>,
}

impl GroupCuts {
    /// A group ends with the block in which it reaches `max_rows` or `max_bytes`.
    pub(super) fn new(max_rows: usize, max_bytes: usize) -> GroupCuts {
        GroupCuts { max_rows, max_bytes, current: None }
    }

    /// Cuts a batch of `n_rows`. The positions are the offsets of its blocks, with their numbers of rows. Returns
    /// `None` if their rows are not all of the batch.
    pub(super) fn cut(
        &mut self,
        n_rows: usize,
        row_bytes: usize,
        positions: impl IntoIterator<Item = (u64, usize)>,
    ) -> Option<Vec<GroupRows>> {
        let mut parts: Vec<GroupRows> = vec![];
        let mut at = 0;
        for (block, n) in positions {
            let rows = at..at + n;
            at = rows.end;
            let continues = self.current.as_ref().is_some_and(|current| {
                current.block == block || (current.rows < self.max_rows && current.bytes < self.max_bytes)
            });
            let current = match &mut self.current {
                Some(current) if continues => current,
                current => {
                    parts.push(GroupRows { starts: Some(block), rows: rows.start..rows.start });
                    current.insert(CurrentGroup { block, rows: 0, bytes: 0 })
                }
            };
            current.block = block;
            current.rows += n;
            current.bytes += n * row_bytes;
            match parts.last_mut() {
                Some(part) => part.rows.end = rows.end,
                None => parts.push(GroupRows { starts: None, rows }),
            }
        }
        (at == n_rows).then_some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_begin_with_blocks() {
        let part = |starts, rows| GroupRows { starts, rows };
        let mut cuts = GroupCuts::new(10, 1000);
        assert_eq!(cuts.cut(8, 1, [(50, 4), (90, 4)]), Some(vec![part(Some(50), 0..8)]));
        // The block of the last row goes on, then the group is full.
        let found = cuts.cut(6, 1, [(90, 3), (130, 2), (170, 1)]);
        assert_eq!(found, Some(vec![part(None, 0..3), part(Some(130), 3..6)]));
        // Rows of more bytes.
        assert_eq!(cuts.cut(2, 999, [(210, 1), (250, 1)]), Some(vec![part(None, 0..1), part(Some(250), 1..2)]));
        assert_eq!(cuts.cut(0, 1, []), Some(vec![]));
        assert_eq!(cuts.cut(3, 1, [(290, 2)]), None);
    }
}
