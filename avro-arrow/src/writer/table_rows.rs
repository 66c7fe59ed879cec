//! The rows that are encoded together.

use arrow_buffer::BooleanBuffer;
use std::ops::Range;

/// Some rows of a batch, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableRows {
    /// The first, and their number.
    pub(super) from: usize,
    pub(super) len: usize,
}

impl TableRows {
    #[inline]
    pub(super) fn all(self) -> Range<usize> {
        self.from..self.from + self.len
    }

    /// Maps the index of each row's value.
    #[inline]
    pub(super) fn map<T>(self, make: impl FnMut(usize) -> T) -> Vec<T> {
        self.all().map(make).collect()
    }

    /// Calls `then` with the bit of each row.
    #[inline]
    pub(super) fn each_bit(self, bits: &BooleanBuffer, then: impl FnMut(bool)) {
        bits.slice(self.from, self.len).iter().for_each(then);
    }
}
