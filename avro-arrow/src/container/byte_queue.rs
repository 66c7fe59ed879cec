//! A queue of fed bytes: pieces of a file seen as one run of bytes, and returned without a copy where possible.

use crate::encoding::{PADDING, PaddedBytes};
use arrow_buffer::Buffer;
use std::collections::VecDeque;

/// The bytes that were fed and not yet consumed.
#[derive(Debug)]
pub(super) struct ByteQueue {
    /// None of the pieces is empty.
    pieces: VecDeque<Buffer>,
    /// Consumed bytes of the first piece, always fewer than its length.
    head: usize,
    /// Offset in the file of the first byte not consumed.
    offset: u64,
    /// Bytes fed and not consumed.
    pending: usize,
}

impl ByteQueue {
    /// Creates an empty queue; the next byte to be fed is at this offset of the file.
    pub(super) fn new(offset: u64) -> Self {
        ByteQueue { pieces: VecDeque::new(), head: 0, offset, pending: 0 }
    }

    pub(super) fn push(&mut self, piece: Buffer) {
        if !piece.is_empty() {
            self.pending += piece.len();
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = ByteQueue::new(self.end());
    }

    /// Offset in the file of the first byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset in the file after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.pending as u64
    }

    /// Number of bytes in the queue.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// The first bytes that are contiguous in memory; empty only if the queue is.
    pub(super) fn front(&self) -> &[u8] {
        self.pieces.front().and_then(|piece| piece.get(self.head..)).unwrap_or_default()
    }

    /// Copies bytes from `at` on until `out` is full or the queue ends, and returns their number.
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

    /// Consumes `n` bytes, or all if there are fewer.
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

    /// Takes the first `n` bytes, or all if there are fewer. They are copied only if they span pieces or end with a
    /// piece.
    pub(super) fn take(&mut self, n: usize) -> PaddedBytes {
        let n = n.min(self.pending);
        let taken = match self.pieces.front() {
            Some(first) if self.head + n <= first.len() => PaddedBytes::slice_of(first, self.head..self.head + n),
            _ => {
                // All of these bytes are present: memory is not reserved for promised bytes.
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
    fn pieces_of_any_size_read_as_one_run() {
        let all: Vec<u8> = (0..100).collect();
        for size in [1, 2, 3, 7, 50, 99, 100] {
            for skip in [0, 1, 6, 49, 100] {
                for n in [0, 1, 5, 51, 100] {
                    let mut pieces = ByteQueue::new(1000);
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
