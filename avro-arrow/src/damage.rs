//! What was skipped: a block that could not be read, and why, for callers who asked to go on without it.

use crate::error::{Error, ErrorKind, Fault};
use std::ops::Range;

/// A block of a file, or a stretch of it in which no blocks can be told apart, that was skipped under
/// [`OnCorruptBlock::Skip`](crate::OnCorruptBlock::Skip). None of its rows were given.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedBlock {
    /// Its index in what was read, from 0. A stretch counts as one block, however many were in it.
    pub block: u64,
    /// Offset in the file at which it begins: that of a block's frame (its count and size).
    pub offset: u64,
    /// Bytes from there to the next block that can be read, or to the end of the file.
    pub bytes: u64,
    /// Rows lost: the count in the block's frame. None where that cannot be believed: its sync marker is not where the frame
    /// says, or its bytes are not those of so many rows.
    pub rows: Option<u64>,
    /// What is wrong, and where.
    pub error: Error,
}

impl DamagedBlock {
    /// A block whose frame is as it should be, with this in it.
    /// Decompressed, it has so many bytes.
    pub(crate) fn framed(
        block: u64,
        bytes: Range<u64>,
        rows: u64,
        decompressed: Option<usize>,
        error: Error,
    ) -> DamagedBlock {
        // Nothing is left where there should be a value.
        let ended = decompressed.is_some_and(|len| error.position().offset_in_block == Some(len as u64));
        // What is wrong with the count itself.
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

/// Puts these into a list in the order of the file, as they are found in a slightly different one.
pub(crate) fn insert(list: &mut Vec<DamagedBlock>, found: impl IntoIterator<Item = DamagedBlock>) {
    for damaged in found {
        let at = list.partition_point(|other| other.offset <= damaged.offset);
        list.insert(at, damaged);
    }
}
