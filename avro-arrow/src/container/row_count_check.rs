//! The check of a block's declared row count against the bytes that its rows take at least.

use crate::codec::{
    Codec, DEFLATE_RATIO_MAX, SNAPPY_RATIO_MAX, block_bytes_max, stated_snappy_len, stated_zstandard_len,
    zstandard_len_max,
};
use crate::error::Fault;
use crate::limits::Limits;

/// Whether a block can hold its declared rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsFit {
    /// It can, as far as is known without decompression.
    Yes,
    /// It cannot.
    No,
    /// Only decompression can tell.
    Unknown,
}

/// Bytes of a block that the check examines: the longest header of a zstandard frame.
pub(crate) const PREFIX_LEN: usize = 18;

/// Checks declared row counts of blocks of one schema. Rows without bytes are accepted up to the limit on them, in a
/// block without bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowCountCheck {
    /// The minimum size of a row.
    min_row_bytes: u64,
    /// Maximum number of rows without bytes.
    zero_width_max: u64,
    /// Maximum size of a decompressed block.
    block_bytes_max: u64,
}

impl RowCountCheck {
    pub(crate) fn new(min_row_bytes: u64, limits: &Limits) -> Self {
        RowCountCheck {
            min_row_bytes,
            zero_width_max: limits.zero_width_items,
            block_bytes_max: block_bytes_max(limits) as u64,
        }
    }

    /// Checks `rows` against the stored bytes of a block.
    pub(crate) fn stored(self, codec: Codec, stored: &[u8], rows: u64) -> RowsFit {
        self.prefix(codec, stored, stored.len() as u64, rows)
    }

    /// Checks `rows` against the stored length of a block alone; `false` if there are certainly too many.
    pub(crate) fn stored_len(self, codec: Codec, stored_len: u64, rows: u64) -> bool {
        self.prefix(codec, &[], stored_len, rows) != RowsFit::No
    }

    /// Checks `rows` against the length of a decompressed block. Rows without bytes pass even if there are bytes, which
    /// decoding then finds.
    pub(crate) fn decompressed(self, len: usize, rows: u64) -> Result<(), Fault> {
        if self.stored_len(Codec::Null, len as u64, rows) { Ok(()) } else { Err(self.fault(rows)) }
    }

    /// The fault of a block that cannot hold its rows.
    pub(crate) fn fault(self, rows: u64) -> Fault {
        match self.min_row_bytes {
            0 => Fault::Limit { limit: "zero_width_items", value: rows, max: self.zero_width_max },
            _ => Fault::RowCount(i64::try_from(rows).unwrap_or(i64::MAX)),
        }
    }

    /// Checks `rows` against `stored_len` bytes that start with `prefix`.
    pub(crate) fn prefix(self, codec: Codec, prefix: &[u8], stored_len: u64, rows: u64) -> RowsFit {
        let fits = |fit: bool| if fit { RowsFit::Yes } else { RowsFit::No };
        let needed = rows.saturating_mul(self.min_row_bytes);
        let max = self.block_bytes_max;
        if needed == 0 {
            // No rows, or rows without bytes. If the block has bytes, only decompression can tell whether they belong
            // there.
            let too_many = self.min_row_bytes == 0 && rows > self.zero_width_max;
            return if !too_many && stored_len > 0 { RowsFit::Unknown } else { fits(!too_many) };
        }
        match codec {
            Codec::Null => fits(needed <= stored_len),
            Codec::Deflate => fits(needed <= stored_len.saturating_mul(DEFLATE_RATIO_MAX)),
            // A damaged length and a length beyond the limit are distinguished by the decompressor.
            Codec::Snappy => match stated_snappy_len(prefix) {
                Some(len) if len <= max && len <= stored_len.saturating_mul(SNAPPY_RATIO_MAX) => fits(needed <= len),
                _ => RowsFit::Unknown,
            },
            Codec::Zstandard if needed > zstandard_len_max(stored_len) => RowsFit::No,
            // More frames may follow the first, so its size can only confirm.
            Codec::Zstandard => match stated_zstandard_len(prefix) {
                Some(len) if needed <= len && len <= max && len <= zstandard_len_max(stored_len) => RowsFit::Yes,
                _ => RowsFit::Unknown,
            },
            Codec::Bzip2 | Codec::Xz => RowsFit::Unknown,
        }
    }
}
