//! The bytes of rows: appends encoded values one after the other.
//!
//! A short value is a [`Word`] or a [`Slot`] of eight or 16 bytes, which is stored whole. The bytes after its end are
//! overwritten by the next value. So no value is copied byte by byte, and no branch depends on its length.

use super::words::{WORD_BYTES, Word};
use crate::encoding::long_word;
use std::hint::cold_path;

/// The first 15 bytes of a value and their number, or a mark that it has more.
pub(super) type Slot = u128;

/// Bytes that a slot holds.
pub(super) const SLOT_BYTES: usize = 15;

/// A value that is too long for a slot.
pub(super) const LONG: Slot = 0xff << 120;

/// A value that cannot be written.
pub(super) const UNFIT: Slot = 0xfe << 120;

/// The slot of the first `len` bytes of a word, whose other bytes are 0.
#[inline]
pub(super) fn slot(word: u128, len: usize) -> Slot {
    word | ((len as u128) << 120)
}

/// The slot of these bytes.
#[inline]
pub(super) fn slot_of(bytes: &[u8]) -> Slot {
    if bytes.len() > SLOT_BYTES {
        return LONG;
    }
    let mut word = [0; 16];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    slot(u128::from_le_bytes(word), bytes.len())
}

/// The slot of a `long`.
#[inline]
pub(super) fn slot_of_long(value: i64) -> Slot {
    let (word, len) = long_word(value);
    slot(word, len)
}

/// The slot of a value after the few bytes of another.
#[inline]
pub(super) fn behind(tag: Slot, value: Slot) -> Slot {
    let (tag_len, len) = ((tag >> 120) as u32, (value >> 120) as u32);
    // As for all branches but those of very large unions.
    if tag_len == 1 && len < SLOT_BYTES as u32 {
        let word = (tag & 0xff) | ((value << 16) >> 8);
        return slot(word, len as usize + 1);
    }
    if tag_len + len > SLOT_BYTES as u32 {
        return LONG;
    }
    let word = |slot: Slot| slot & (u128::MAX >> 8);
    slot(word(tag) | (word(value) << (8 * tag_len)), (tag_len + len) as usize)
}

/// The rows.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// The written bytes, and room after them.
    bytes: Vec<u8>,
    len: usize,
}

impl Out {
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

    /// Makes room for `n` bytes and a slot.
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
    pub(super) fn slots(&mut self, slots: &[Slot]) -> Option<usize> {
        let mut at = self.len;
        for (index, slot) in slots.iter().enumerate() {
            if *slot == LONG {
                self.len = at;
                return Some(index);
            }
            if let Some(to) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *to = slot.to_le_bytes();
            }
            at += (slot >> 120) as usize;
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
            self.slots(&[slot_of_long(value)]);
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

    /// Stores at most [`WORDS_MAX`] words at `at`, which is where the written bytes end, and returns where they end.
    #[inline(always)]
    pub(super) fn words(&mut self, at: usize, words: impl Iterator<Item = Word>) -> usize {
        if at + WORDS_ROOM > self.bytes.len() {
            cold_path();
            self.grow(at, WORDS_ROOM);
        }
        let Some(room) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<WORDS_ROOM>) else { return at };
        // A byte, so that the bounds need no check.
        let mut end = 0u8;
        for word in words {
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
        // Copies the length of most texts; surplus bytes are overwritten.
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

/// Maximum number of words stored at once; the sum of their lengths fits a byte.
pub(super) const WORDS_MAX: usize = 30;
const WORDS_ROOM: usize = 1 << 8 | WORD_BYTES;
const _: () = assert!(WORDS_MAX * WORD_BYTES < 1 << 8);

/// Bytes that are copied at once.
const SHORT: usize = 48;
