//! One value of at most eight bytes.

/// Bytes of a short value.
pub(super) const SHORT_VALUE_BYTES: usize = 8;

/// The bytes of a value, the first lowest, and their number. The bytes above have any value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShortValue {
    pub(super) bytes: u64,
    pub(super) len: u8,
}
