//! Bytes followed by padding, so that a load of up to 64 bytes at any of them stays in its allocation.

use arrow_buffer::Buffer;
use std::ops::{Deref, Range};

/// Number of readable bytes after every [`PaddedBytes`].
pub const PADDING: usize = 96;

/// A range of a shared buffer, followed by at least [`PADDING`] more bytes of any value in that buffer. It
/// dereferences to the range.
#[derive(Debug, Clone)]
pub struct PaddedBytes {
    /// Invariant, checked in `slice_of` and kept by `slice`: `range.end + PADDING <= buffer.len()` and `range.start <=
    /// range.end`.
    buffer: Buffer,
    range: Range<usize>,
}

impl PaddedBytes {
    /// Returns a range of `buffer`, shared if enough bytes follow it, else copied. A range beyond the buffer is cut to
    /// it.
    pub fn slice_of(buffer: &Buffer, range: Range<usize>) -> Self {
        let padded = range.end.checked_add(PADDING).is_some_and(|end| end <= buffer.len());
        if padded && range.start <= range.end {
            return PaddedBytes { buffer: buffer.clone(), range };
        }
        let end = range.end.min(buffer.len());
        Self::from_vec(buffer.get(range.start.min(end)..end).unwrap_or_default().to_vec())
    }

    /// Takes the bytes of a vector and appends padding, without a copy if the capacity suffices.
    pub fn from_vec(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        bytes.resize(len + PADDING, 0);
        PaddedBytes { buffer: Buffer::from_vec(bytes), range: 0..len }
    }

    /// Returns a range of these bytes, shared. A range beyond them is cut to them.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let at = self.range.start;
        PaddedBytes { buffer: self.buffer.clone(), range: at + start..at + end }
    }

    /// The address of the first byte, through which the padding may be read too. The address of the slice would be
    /// valid for the slice only.
    pub(crate) fn padded_ptr(&self) -> *const u8 {
        self.buffer.as_ptr().wrapping_add(self.range.start)
    }

    /// Returns the bytes without padding, as a buffer that shares them.
    pub fn to_buffer(&self) -> Buffer {
        self.buffer.slice_with_length(self.range.start, self.range.len())
    }
}

impl Deref for PaddedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_bytes_share_buffer_with_room_for_padding() {
        let buffer = Buffer::from_vec((0u8..200).collect::<Vec<_>>());
        let shared = PaddedBytes::slice_of(&buffer, 10..200 - PADDING);
        assert_eq!(&*shared, &buffer[10..200 - PADDING]);
        assert_eq!(shared.as_ptr(), buffer[10..].as_ptr());
        let copied = PaddedBytes::slice_of(&buffer, 10..201 - PADDING);
        assert_eq!(&*copied, &buffer[10..201 - PADDING]);
        assert_ne!(copied.as_ptr(), buffer[10..].as_ptr());
        for bytes in [shared, copied, PaddedBytes::from_vec(vec![]), PaddedBytes::slice_of(&buffer, 300..400)] {
            assert!(bytes.range.end + PADDING <= bytes.buffer.len());
            assert_eq!(bytes.to_buffer().as_slice(), &*bytes);
            for (range, want) in [(0..0, 0..0), (1..9, 1..9), (7..1000, 7..bytes.len()), (500..900, 0..0)] {
                let part = bytes.slice(range);
                assert_eq!(&*part, bytes.get(want).unwrap_or_default());
                assert!(part.range.end + PADDING <= part.buffer.len());
            }
        }
    }
}
