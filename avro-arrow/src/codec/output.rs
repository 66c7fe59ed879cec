//! The output of codecs that decompress a stream: it grows as it fills, up to a limit.

use super::{COUNTED_ABOVE, too_large};
use crate::encoding::PADDING;
use crate::error::Result;

/// Decompressed data, written in parts.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// Bytes that were dropped, as they are only counted.
    dropped: usize,
    /// Maximum number of bytes.
    pub(super) max: usize,
    /// Maximum number of bytes that are kept without counting them first.
    kept_max: usize,
}

impl Output {
    /// Reserves memory for the expected bytes and padding.
    fn with_room(expected: usize, kept_max: usize, max: usize) -> Result<Output> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(expected.min(max) + PADDING).map_err(|_| too_large(expected as u64, max))?;
        Ok(Output { bytes, dropped: 0, max, kept_max })
    }

    fn len(&self) -> usize {
        self.dropped + self.bytes.len()
    }

    /// Makes room for more: doubles the capacity, up to the limit and its padding. Fails if the output exceeds the
    /// limit.
    pub(super) fn grow(&mut self) -> Result<()> {
        let (len, max) = (self.bytes.len(), self.max);
        if self.len() > max {
            return Err(too_large(self.len() as u64, max));
        }
        if len < self.bytes.capacity() {
            return Ok(());
        }
        if self.kept_max == 0 {
            self.dropped += len;
            self.bytes.clear();
            return Ok(());
        }
        if len >= self.kept_max {
            return Err(too_large(len as u64, self.kept_max));
        }
        let room = len.max(1024).min(max - len + PADDING);
        self.bytes.try_reserve_exact(room).map_err(|_| too_large((len + room) as u64, max))
    }
}

/// Decompresses a stream, and again if its output is much larger than predicted.
pub(super) fn kept(
    expected: usize,
    max: usize,
    mut decompress: impl FnMut(&mut Output) -> Result<()>,
) -> Result<Vec<u8>> {
    let kept_max = COUNTED_ABOVE.max(expected + PADDING);
    let mut out = Output::with_room(expected, kept_max, max)?;
    match decompress(&mut out) {
        Ok(()) => return Ok(out.bytes),
        Err(error) if out.len() < kept_max || out.len() > max => return Err(error),
        Err(_) => drop(out),
    }
    let mut counted = Output::with_room(64 << 10, 0, max)?;
    decompress(&mut counted)?;
    if counted.len() > max {
        return Err(too_large(counted.len() as u64, max));
    }
    let mut out = Output::with_room(counted.len(), max + PADDING, max)?;
    decompress(&mut out)?;
    Ok(out.bytes)
}
