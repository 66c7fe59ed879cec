//! Blocks that were skipped because they are corrupt.

use crate::error::{Error, ErrorKind, Fault};
use std::ops::Range;

/// A block that was skipped under [`OnCorruptBlock::Skip`](crate::OnCorruptBlock::Skip), or a stretch of the file in
/// which no blocks could be found. None of its rows were returned.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedBlock {
    /// Index of the block in the file or the byte range, from 0. A stretch counts as one block.
    pub block: u64,
    /// Offset in the file of its first byte, which is that of the block's frame (its count and size).
    pub offset: u64,
    /// Number of bytes up to the next readable block, or to the end of the file.
    pub bytes: u64,
    /// Number of lost rows: the count in the block's frame. `None` if that count is not plausible: the sync marker is
    /// not where the frame says, or the bytes are not those of that many rows.
    pub rows: Option<u64>,
    /// What is wrong, and where.
    pub error: Error,
}

impl DamagedBlock {
    /// A block whose frame is valid and whose content is not. `decompressed` is its decompressed size, if known.
    pub(crate) fn framed(
        block: u64,
        bytes: Range<u64>,
        rows: u64,
        decompressed: Option<usize>,
        error: Error,
    ) -> DamagedBlock {
        // The block ends where a value should start.
        let ended = decompressed.is_some_and(|len| error.position().offset_in_block == Some(len as u64));
        // The error is about the row count itself.
        let doubted = match error.kind() {
            ErrorKind::Value(Fault::End) => ended,
            ErrorKind::Value(fault) => matches!(fault, Fault::RowCount(_) | Fault::TrailingBytes(_)),
            ErrorKind::Limit { limit, value, .. } => *limit == "zero_width_items" && *value == rows,
            _ => false,
        };
        let Range { start: offset, end } = bytes;
        DamagedBlock { block, offset, bytes: end - offset, rows: (!doubted).then_some(rows), error }
    }
}

/// Inserts into a list in the order of the file; blocks are found in a slightly different order.
pub(crate) fn insert(list: &mut Vec<DamagedBlock>, found: impl IntoIterator<Item = DamagedBlock>) {
    for damaged in found {
        let at = list.partition_point(|other| other.offset <= damaged.offset);
        list.insert(at, damaged);
    }
}
