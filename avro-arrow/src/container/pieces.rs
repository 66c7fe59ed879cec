//! Pieces of a file in their order, as they were fed: seen as one run of bytes, given out without a copy where that is possible.

use crate::encoding::{PADDING, PaddedBytes};
use arrow_buffer::Buffer;
use std::collections::VecDeque;

/// The bytes that were fed and not yet consumed.
#[derive(Debug)]
pub(super) struct Pieces {
    /// None of them is empty.
    pieces: VecDeque<Buffer>,
    /// Bytes of the first piece that are consumed; always less than its length.
    head: usize,
    /// Offset in the file of the first byte not consumed.
    offset: u64,
    /// Bytes fed and not consumed.
    pending: usize,
}

impl Pieces {
    /// No bytes yet; the first to come is at this offset of the file.
    pub(super) fn new(offset: u64) -> Self {
        Pieces { pieces: VecDeque::new(), head: 0, offset, pending: 0 }
    }

    pub(super) fn push(&mut self, piece: Buffer) {
        if !piece.is_empty() {
            self.pending += piece.len();
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Pieces::new(self.end());
    }

    /// Offset in the file of the first byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset in the file behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.pending as u64
    }

    /// Bytes that are there.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// The bytes that are there without a gap in memory; empty only if there are none.
    pub(super) fn front(&self) -> &[u8] {
        self.pieces.front().and_then(|piece| piece.get(self.head..)).unwrap_or_default()
    }

    /// Copies bytes from `at` on, as many as there are room and bytes for, and says how many.
    pub(super) fn peek(&self, at: usize, out: &mut [u8]) -> usize {
        let (mut skip, mut n) = (self.head + at, 0);
        for piece in &self.pieces {
            let (Some(from), Some(to)) = (piece.get(skip..), out.get_mut(n..)) else {
                skip -= piece.len(); // `skip` is beyond the piece, or `from` would be there
                continue;
            };
            let len = from.len().min(to.len());
            if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
                to.copy_from_slice(from);
            }
            (skip, n) = (0, n + len);
            if n == out.len() {
                break;
            }
        }
        n
    }

    /// Goes on by `n` bytes, or by all where there are fewer.
    pub(super) fn consume(&mut self, n: usize) {
        let n = n.min(self.pending);
        self.offset += n as u64;
        self.pending -= n;
        self.head += n;
        while let Some(first) = self.pieces.front()
            && self.head >= first.len()
        {
            self.head -= first.len();
            self.pieces.pop_front();
        }
    }

    /// Takes the first `n` bytes, or all where there are fewer. They are copied only where they lie in several pieces, or at
    /// the very end of one.
    pub(super) fn take(&mut self, n: usize) -> PaddedBytes {
        let n = n.min(self.pending);
        let taken = match self.pieces.front() {
            Some(first) if self.head + n <= first.len() => PaddedBytes::slice_of(first, self.head..self.head + n),
            _ => {
                // All of these bytes are there: nothing is reserved for bytes that are only promised.
                let mut bytes = Vec::with_capacity(n + PADDING);
                let mut skip = self.head;
                for piece in &self.pieces {
                    let from = piece.get(skip..).unwrap_or_default();
                    bytes.extend_from_slice(from.get(..n - bytes.len()).unwrap_or(from));
                    if bytes.len() == n {
                        break;
                    }
                    skip = 0;
                }
                PaddedBytes::from_vec(bytes)
            }
        };
        self.consume(n);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_run_of_bytes() {
        let all: Vec<u8> = (0..100).collect();
        for size in [1, 2, 3, 7, 50, 99, 100] {
            for skip in [0, 1, 6, 49, 100] {
                for n in [0, 1, 5, 51, 100] {
                    let mut pieces = Pieces::new(1000);
                    all.chunks(size).for_each(|piece| pieces.push(Buffer::from(piece)));
                    pieces.consume(skip);
                    assert_eq!(pieces.front().is_empty(), skip == 100);
                    for at in [0, 1, 20, 100, 200] {
                        let mut out = [0; 30];
                        let got = pieces.peek(at, &mut out);
                        let from = (skip + at).min(100);
                        assert_eq!(out[..got], all[from..(from + 30).min(100)], "{size} {skip} {at}");
                    }
                    let end = (skip + n).min(100);
                    assert_eq!(&*pieces.take(n), &all[skip..end], "{size} {skip} {n}");
                    assert_eq!((pieces.offset(), pieces.end()), (1000 + end as u64, 1100));
                    assert_eq!(pieces.pending(), 100 - end);
                }
            }
        }
    }
}
