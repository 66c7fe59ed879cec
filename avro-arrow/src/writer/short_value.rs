//! One value of at most eight bytes.

use super::plan::ColumnTags;
use crate::encoding::short_long_word;

/// Bytes of a short value.
pub(super) const SHORT_VALUE_BYTES: usize = 8;

/// The bytes of a value, the first lowest, and their number. The bytes above have any value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShortValue {
    pub(super) bytes: u64,
    pub(super) len: u8,
}

/// The length bit of values that do not fit.
pub(super) const TOO_LONG: u8 = 0x80;

#[inline]
pub(super) fn unless(fits: bool) -> u8 {
    u8::from(!fits) << 7
}

/// A `long`, which may not fit.
#[inline]
pub(super) fn long(value: i64) -> ShortValue {
    let (bytes, len) = short_long_word(value);
    ShortValue { bytes, len: len as u8 | unless(len <= SHORT_VALUE_BYTES) }
}

/// The tag of a branch.
pub(super) fn tag(branch: usize) -> ShortValue {
    long(branch as i64)
}

/// The tags before a column's values, which may take no bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TagBytes {
    pub(super) value: ShortValue,
    pub(super) null: ShortValue,
}

impl TagBytes {
    pub(super) fn new(tags: &ColumnTags) -> TagBytes {
        let bytes = |branch: Option<usize>| branch.map(tag).unwrap_or_default();
        TagBytes { value: bytes(tags.value), null: bytes(tags.null) }
    }
}
