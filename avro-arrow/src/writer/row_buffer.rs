//! The bytes of rows: appends encoded values one after the other.
//!
//! A short value is a [`ShortValue`] or an [`InlineValue`] of eight or 16 bytes, which is stored whole. The bytes after
//! its end are overwritten by the next value. So no value is copied byte by byte, and no branch depends on its length.

use super::short_value::{SHORT_VALUE_BYTES, ShortValue};
use crate::encoding::long_word;
use std::hint::cold_path;

/// The first 15 bytes of a value and their number, or a mark that it has more.
pub(super) type InlineValue = u128;

/// Bytes that an inline value holds.
pub(super) const INLINE_BYTES: usize = 15;

/// A value that is too long for an inline value.
pub(super) const TOO_LONG: InlineValue = 0xff << 120;

/// A value that cannot be written.
pub(super) const UNWRITABLE: InlineValue = 0xfe << 120;

/// The inline value of the first `len` bytes of a word, whose other bytes are 0.
#[inline]
pub(super) fn inline_value(word: u128, len: usize) -> InlineValue {
    word | ((len as u128) << 120)
}

/// The inline value of these bytes.
#[inline]
pub(super) fn inline_bytes(bytes: &[u8]) -> InlineValue {
    if bytes.len() > INLINE_BYTES {
        return TOO_LONG;
    }
    let mut word = [0; 16];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    inline_value(u128::from_le_bytes(word), bytes.len())
}

/// The inline value of a `long`.
#[inline]
pub(super) fn inline_long(value: i64) -> InlineValue {
    let (word, len) = long_word(value);
    inline_value(word, len)
}

/// The inline value of `value` after the few bytes of `tag`.
#[inline]
pub(super) fn behind(tag: InlineValue, value: InlineValue) -> InlineValue {
    let (tag_len, len) = ((tag >> 120) as u32, (value >> 120) as u32);
    // As for all branches but those of very large unions.
    if tag_len == 1 && len < INLINE_BYTES as u32 {
        let word = (tag & 0xff) | ((value << 16) >> 8);
        return inline_value(word, len as usize + 1);
    }
    if tag_len + len > INLINE_BYTES as u32 {
        return TOO_LONG;
    }
    let word = |inline_value: InlineValue| inline_value & (u128::MAX >> 8);
    inline_value(word(tag) | (word(value) << (8 * tag_len)), (tag_len + len) as usize)
}

/// The rows.
#[derive(Debug, Default)]
pub(super) struct RowBuffer {
    /// The written bytes, and room after them.
    bytes: Vec<u8>,
    len: usize,
}

impl RowBuffer {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to.min(self.len)).unwrap_or_default()
    }

    /// Drops the first bytes.
    pub(super) fn drop_front(&mut self, n: usize) {
        self.bytes.copy_within(n.min(self.len)..self.len, 0);
        self.len = self.len.saturating_sub(n);
    }

    /// Makes room for `n` bytes and an inline value.
    #[inline]
    pub(super) fn reserve(&mut self, n: usize) {
        let needed = self.len + n + 16;
        if needed > self.bytes.len() {
            self.bytes.resize(needed.max(2 * self.bytes.len()), 0);
        }
    }

    /// Appends values up to the first that is long, and returns its index. [`reserve`](Self::reserve) must have made
    /// room.
    #[inline]
    pub(super) fn inline_values(&mut self, inline_values: &[InlineValue]) -> Option<usize> {
        let mut at = self.len;
        for (index, inline_value) in inline_values.iter().enumerate() {
            if *inline_value == TOO_LONG {
                self.len = at;
                return Some(index);
            }
            if let Some(to) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *to = inline_value.to_le_bytes();
            }
            at += (inline_value >> 120) as usize;
        }
        self.len = at;
        None
    }

    #[inline]
    pub(super) fn long(&mut self, value: i64) {
        self.reserve(16);
        // As for most counts.
        if let (0..64, Some(to)) = (value, self.bytes.get_mut(self.len)) {
            *to = value as u8 * 2;
            self.len += 1;
        } else {
            self.inline_values(&[inline_long(value)]);
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        if let Some(to) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    /// Appends a length and these bytes.
    pub(super) fn sized(&mut self, bytes: &[u8]) {
        self.long(bytes.len() as i64);
        self.extend(bytes);
    }

    /// Stores the first `len` bytes of a word, at most 16, at `at`, which is where the written bytes end, and returns
    /// where they end.
    #[inline(always)]
    pub(super) fn word(&mut self, at: usize, word: u128, len: usize) -> usize {
        match self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            Some(to) => *to = word.to_le_bytes(),
            None => {
                cold_path();
                self.grow(at, 16);
                self.inline_values(&[inline_value(word & (u128::MAX >> 8), len)]);
            }
        }
        at + len
    }

    /// Stores a short value at `at`, which is where the written bytes end, and returns where it ends.
    #[inline(always)]
    pub(super) fn short_value(&mut self, at: usize, value: ShortValue) -> usize {
        self.word(at, value.bytes.into(), value.len.into())
    }

    /// Stores at most [`SHORT_VALUES_MAX`] short values at `at`, which is where the written bytes end, and returns
    /// where they end.
    #[inline(always)]
    pub(super) fn short_values(&mut self, at: usize, short_values: impl Iterator<Item = ShortValue>) -> usize {
        if at + SHORT_VALUES_ROOM > self.bytes.len() {
            cold_path();
            self.grow(at, SHORT_VALUES_ROOM);
        }
        let Some(room) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<SHORT_VALUES_ROOM>) else {
            return at;
        };
        // A byte, so that the bounds need no check.
        let mut end = 0u8;
        for word in short_values {
            if let Some(to) = room.get_mut(usize::from(end)..).and_then(<[u8]>::first_chunk_mut) {
                *to = word.bytes.to_le_bytes();
            }
            end = end.wrapping_add(word.len);
        }
        at + usize::from(end)
    }

    /// Stores a text of `n` bytes after its front of at most three bytes, its tag and length, and returns where it
    /// ends.
    #[inline(always)]
    pub(super) fn text(&mut self, at: usize, bytes: &[u8], n: usize, front: [u8; 2], front_len: u8) -> usize {
        // Copies the length of most strings; surplus bytes are overwritten.
        if n <= SHORT
            && let Some(from) = bytes.first_chunk::<SHORT>()
            && let Some(room) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<{ 3 + SHORT }>)
        {
            [room[0], room[1]] = front;
            // At most three, visibly for the compiler.
            let front_len = usize::from(front_len & 3);
            if let Some(to) = room.get_mut(front_len..).and_then(<[u8]>::first_chunk_mut) {
                *to = *from;
            }
            return at + front_len + n;
        }
        cold_path();
        self.any_text(at, bytes, n, front, front_len)
    }

    #[inline(never)]
    fn any_text(&mut self, at: usize, bytes: &[u8], n: usize, front: [u8; 2], front_len: u8) -> usize {
        self.len = at;
        if n <= SHORT {
            self.extend(front.get(..usize::from(front_len)).unwrap_or_default());
            self.extend(bytes.get(..n).unwrap_or_default());
        } else {
            // All but the length, which is longer.
            self.extend(front.get(..usize::from(front_len).saturating_sub(1)).unwrap_or_default());
            self.sized(bytes.get(..n).unwrap_or_default());
        }
        self.reserve(3 + SHORT);
        self.len
    }

    #[inline(never)]
    fn grow(&mut self, at: usize, n: usize) {
        self.len = at;
        self.reserve(n);
    }

    /// Sets the end of the written bytes.
    #[inline]
    pub(super) fn set_len(&mut self, len: usize) {
        self.len = len;
    }
}

/// Maximum number of short values stored at once; the sum of their lengths fits a byte.
pub(super) const SHORT_VALUES_MAX: usize = 30;
const SHORT_VALUES_ROOM: usize = 1 << 8 | SHORT_VALUE_BYTES;
const _: () = assert!(SHORT_VALUES_MAX * SHORT_VALUE_BYTES < 1 << 8);

/// Bytes that are copied at once.
const SHORT: usize = 48;
