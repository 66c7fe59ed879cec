//! The framer: cuts the bytes of a file, fed in pieces, into whole blocks as they are stored. It does no I/O.
//!
//! It reads a whole file, or a byte range of one. A range owns the blocks whose preceding sync marker begins inside
//! it, the header's marker included, so that ranges that cover a file own each block exactly once, wherever they were
//! cut. Nothing says where in a range the first marker is, so its 16 bytes are searched for. They may also occur
//! inside a block: a candidate is accepted only if the file ends after it, or if a count and a size follow, and the
//! marker again after `size` bytes:
//!
//! ```text
//! Search ⇄ Candidate ──agrees with what follows──▶ Frame ──count, size──▶ Body ──`size` bytes, marker──▶ Frame …
//!    └────────no more markers in the range───────▶ Done ◀── the file ends, or one block of the next range is checked
//! ```
//!
//! A search passes over a marker whose block is damaged, as if the marker were inside a block. So that no block is
//! lost without an error, a range also checks the frame and the end of the first block after its own: the one that the
//! next range finds.
//!
//! Where corrupt blocks are skipped, a stretch that cannot be framed is lost up to the next marker that a search
//! accepts. That marker may be in another range, whose search passes over the stretch too. So a lost stretch belongs
//! to the range in which it begins, and a range reads on beyond its end to the next accepted marker, which is where
//! the next range begins. Only if a marker itself is damaged and a whole block follows it, nothing is lost but the
//! block before it:
//!
//! ```text
//! Frame, Body ──damaged──▶ Search ⇄ Candidate ──agrees──▶ Frame
//! Body ──wrong marker──▶ Beyond ──a whole block follows──▶ Frame, else Search
//! ```

mod frame;
mod hidden;
mod second;

use super::byte_queue::ByteQueue;
use super::header::{Header, MAGIC, SYNC_LEN};
use crate::codec::{RawBlock, block_bytes_max};
use crate::damage::DamagedBlock;
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::options::OnCorruptBlock;
use arrow_buffer::Buffer;
pub use frame::Frame;
use memchr::memmem::Finder;
use second::First;
use std::ops::Range;

/// Cuts the bytes of a file, or of a byte range, into blocks.
#[derive(Debug)]
pub struct Framer {
    finder: Finder<'static>,
    sync: [u8; SYNC_LEN],
    /// Maximum size of a block.
    max: usize,
    /// Offset in the file of the first byte to feed.
    start: u64,
    /// A marker that begins here or later precedes no block of this range.
    range_end: u64,
    /// The end of the file, once it is known.
    file_len: Option<u64>,
    /// Whether the file was finished before its stated length.
    cut: bool,
    finished: bool,
    pieces: ByteQueue,
    state: FramerState,
    /// Index of the next block.
    index: u64,
    /// Whether the next block belongs to this range; if not, it is only checked.
    owned: bool,
    /// Offsets of the marker before the range's first block and of the marker after its last.
    covered: Option<Range<u64>>,
    on_corrupt_block: OnCorruptBlock,
    /// The stretch being skipped, up to the next readable block.
    lost: Option<Lost>,
    /// Skipped blocks that were not yet taken.
    damaged: Vec<DamagedBlock>,
    /// Properties of the header, with which a second header is compared.
    first: First,
    /// Whether markers inside the last block of the range are looked for, and whether there is one.
    checks_end: bool,
    hides_marker: bool,
}

/// The beginning of a lost stretch.
#[derive(Debug)]
struct Lost {
    offset: u64,
    /// A possible frame of a block at that offset.
    frame: Option<Frame>,
    error: Error,
}

#[derive(Debug, Clone, Copy)]
enum FramerState {
    /// Before the first marker of the range.
    Search,
    /// At 16 bytes that equal the marker.
    Candidate,
    /// At the file's last marker, which this range only checks.
    Tail,
    /// After a marker.
    Frame,
    /// At a block's frame, which was read.
    Body {
        frame: Frame,
        offset: u64,
    },
    /// At a block's frame, where the marker does not follow the data. Perhaps nothing else is wrong.
    Beyond {
        frame: Frame,
    },
    /// After the first marker that is not in the range, which the next range may or may not find.
    Handover,
    Done,
}

/// The result of a look at an offset of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// More bytes are needed.
    Unknown,
    /// Not the frame of a whole block.
    Nothing,
    /// A block, followed by a marker.
    Block,
    /// The frame of a block that is too large to hold, so that its end cannot be checked.
    TooLarge,
    /// The end of the file.
    End,
}

impl Framer {
    /// Creates a framer for all blocks of a file, to be fed from `header.len` on.
    pub fn new(header: &Header, limits: &Limits) -> Framer {
        let mut framer = Framer::starting(header, limits, header.len, FramerState::Frame);
        framer.behind_marker();
        framer
    }

    /// Creates a framer for the blocks whose preceding sync marker begins in `range`, of a file with `file_len` bytes.
    /// Feed it from [`first_offset`](Self::first_offset) on until it [is done](Self::is_done).
    pub fn for_range(header: &Header, range: Range<u64>, file_len: u64, limits: &Limits) -> Framer {
        let first_marker = header.len.saturating_sub(SYNC_LEN as u64);
        let last_marker = file_len.saturating_sub(SYNC_LEN as u64);
        let (start, state) = if range.start <= first_marker {
            (header.len, FramerState::Frame)
        } else if range.start <= last_marker {
            (range.start, FramerState::Search)
        } else {
            // No marker can begin in the range. The last range of a file still checks the file's end, as a search does
            // not recognize a block that is cut.
            (last_marker, FramerState::Tail)
        };
        let mut framer = Framer::starting(header, limits, start, state);
        framer.range_end = range.end;
        framer.file_len = Some(file_len);
        match state {
            _ if range.is_empty() => framer.done(),
            FramerState::Frame if first_marker >= range.end => framer.done(),
            FramerState::Frame => framer.behind_marker(),
            FramerState::Tail if range.start >= file_len || range.end < file_len => framer.done(),
            _ => {}
        }
        framer
    }

    fn starting(header: &Header, limits: &Limits, start: u64, state: FramerState) -> Framer {
        Framer {
            finder: Finder::new(&header.sync).into_owned(),
            sync: header.sync,
            max: block_bytes_max(limits),
            start,
            range_end: u64::MAX,
            file_len: None,
            cut: false,
            finished: false,
            pieces: ByteQueue::new(start),
            state,
            index: 0,
            owned: true,
            covered: None,
            on_corrupt_block: OnCorruptBlock::Error,
            lost: None,
            damaged: Vec::new(),
            first: First::of(header, limits),
            checks_end: false,
            hides_marker: false,
        }
    }

    /// Sets whether corrupt blocks are errors or are skipped. Call it before bytes are fed.
    #[must_use]
    pub fn with_on_corrupt_block(self, on_corrupt_block: OnCorruptBlock) -> Framer {
        Framer { on_corrupt_block, ..self }
    }

    /// Takes the blocks skipped since the last call, in the order of the file.
    pub fn take_damage(&mut self) -> Vec<DamagedBlock> {
        std::mem::take(&mut self.damaged)
    }

    /// Returns the offset in the file of the first byte to feed.
    pub fn first_offset(&self) -> u64 {
        self.start
    }

    /// Adds the next bytes of the file, any number. A block inside one buffer is not copied and keeps the buffer
    /// alive.
    pub fn feed(&mut self, bytes: Buffer) {
        if !self.is_done() && !self.finished {
            self.pieces.push(bytes);
        }
    }

    /// Signals the end of the file.
    pub fn finish(&mut self) {
        if self.finished {
            return;
        }
        let end = self.pieces.end();
        self.finished = true;
        self.cut = self.file_len.is_some_and(|len| end < len);
        self.file_len = Some(self.file_len.map_or(end, |len| len.min(end)));
    }

    /// Returns the next block. `None` if more bytes are needed, or if there are no more blocks because the framer [is
    /// done](Self::is_done) or was [finished](Self::finish).
    ///
    /// A file must end after a block. Blocks without rows and bytes are passed over. There are no blocks after an
    /// error. Under [`OnCorruptBlock::Skip`] there are no errors but [skipped blocks](Self::take_damage).
    pub fn next_block(&mut self) -> Result<Option<RawBlock>> {
        loop {
            match self.run() {
                Err(error) if self.on_corrupt_block == OnCorruptBlock::Skip => self.lose(error),
                Err(error) => {
                    self.done();
                    return Err(error);
                }
                block => return block,
            }
        }
    }

    /// Whether the range is complete, so that no more bytes are needed.
    pub fn is_done(&self) -> bool {
        matches!(self.state, FramerState::Done)
    }

    /// Returns the offsets of the marker before the range's first block and of the marker after its last block so far;
    /// `None` if no marker begins in the range.
    ///
    /// The covered ranges of byte ranges that cover a file meet: each begins where the one before ends. If they do
    /// not, one range accepted a marker inside a block. That happens if a value contains a whole block of the file.
    pub fn covered_range(&self) -> Option<Range<u64>> {
        self.covered.clone()
    }

    /// Returns the range of the block whose end is missing, from its frame to the end of the marker after it; `None`
    /// before its frame is known.
    pub fn needed_range(&self) -> Option<Range<u64>> {
        let here = self.pieces.offset();
        let at = if matches!(self.state, FramerState::Candidate) { SYNC_LEN } else { 0 };
        let frame = match self.state {
            FramerState::Body { frame, .. } => frame,
            FramerState::Candidate | FramerState::Handover => self.frame_at(at, None).ok().flatten()?,
            _ => return None,
        };
        let start = here + at as u64;
        (frame.size <= self.max as u64).then(|| start..start + frame.len_with_data() + SYNC_LEN as u64)
    }

    fn run(&mut self) -> Result<Option<RawBlock>> {
        loop {
            let went_on = match self.state {
                FramerState::Done => false,
                FramerState::Search => self.search()?,
                FramerState::Candidate => self.candidate()?,
                FramerState::Tail => self.tail()?,
                FramerState::Frame => self.frame()?,
                FramerState::Beyond { frame } => self.beyond(frame),
                FramerState::Handover => self.handover(),
                FramerState::Body { frame, offset } => match (self.owned, self.body(frame, offset)?) {
                    (_, None) => false,
                    (owned, Some(data)) => {
                        let index = self.index;
                        self.index += 1;
                        if owned && (frame.rows > 0 || frame.size > 0) {
                            let end = offset + frame.len_with_data() + SYNC_LEN as u64;
                            return Ok(Some(RawBlock { rows: frame.rows, data, offset, end, index }));
                        }
                        true
                    }
                },
            };
            if !went_on {
                return Ok(None);
            }
        }
    }

    fn done(&mut self) {
        self.state = FramerState::Done;
        self.pieces.clear();
    }

    fn error(&self, kind: ErrorKind, offset: u64) -> Error {
        Error::new(kind).at(|p| {
            p.offset = Some(offset);
            p.block = Some(self.index);
        })
    }

    /// Bytes from here to the end of the file, if that is known.
    fn remaining(&self) -> Option<u64> {
        self.file_len.map(|len| len.saturating_sub(self.pieces.offset()))
    }

    /// Decides, after a marker was consumed, whether a block follows that is owned, or only checked.
    fn behind_marker(&mut self) {
        let behind = self.pieces.offset();
        let marker = behind.saturating_sub(SYNC_LEN as u64);
        if self.owned {
            self.covered = Some(self.covered.as_ref().map_or(marker, |span| span.start)..marker);
        }
        if !self.owned || (self.file_len == Some(behind) && !self.cut) {
            self.done();
        } else if self.on_corrupt_block == OnCorruptBlock::Skip {
            self.state = if marker < self.range_end { FramerState::Frame } else { FramerState::Handover };
        } else {
            self.owned = marker < self.range_end;
            self.state = FramerState::Frame;
        }
    }

    /// Reads a frame. This function and those like it return whether they made progress; if not, they need more bytes
    /// or are done.
    fn frame(&mut self) -> Result<bool> {
        let (offset, remaining) = (self.pieces.offset(), self.remaining());
        if remaining == Some(0) {
            if self.cut || self.file_len < Some(offset) {
                return Err(self.error(ErrorKind::Truncated { what: "its stated length" }, offset));
            }
            self.done();
            return Ok(false);
        }
        let frame = match self.frame_at(0, remaining) {
            Err(ErrorKind::SecondHeader { .. }) if self.on_corrupt_block == OnCorruptBlock::Skip => {
                return self.second_header(offset);
            }
            Err(kind) => return Err(self.error(kind, offset)),
            Ok(None) => return Ok(false),
            Ok(Some(frame)) => frame,
        };
        if remaining.is_some_and(|n| frame.len_with_data() + SYNC_LEN as u64 > n) {
            return Err(self.error(ErrorKind::Truncated { what: "a block" }, offset));
        }
        if frame.size > self.max as u64 {
            let (value, max) = (frame.size, self.max as u64);
            return Err(self.error(ErrorKind::Limit { limit: "block_bytes", value, max }, offset));
        }
        self.state = FramerState::Body { frame, offset };
        Ok(true)
    }

    /// Parses the frame `at` bytes from here, if `remaining` bytes are left in the file from there on.
    fn frame_at(&self, at: usize, remaining: Option<u64>) -> Result<Option<Frame>, ErrorKind> {
        let mut bytes = [0; Frame::LEN_MAX];
        let n = self.pieces.peek(at, &mut bytes);
        // Bytes fed from beyond the file's end do not count.
        let n = remaining.map_or(n, |remaining| n.min(usize::try_from(remaining).unwrap_or(n)));
        let bytes = bytes.get(..n).unwrap_or_default();
        // A second header, which only its fourth byte distinguishes from a count.
        if n < MAGIC.len() && MAGIC.starts_with(bytes) && remaining != Some(n as u64) && !self.finished {
            return Ok(None);
        }
        match Frame::parse(bytes)? {
            None if remaining == Some(n as u64) => Err(ErrorKind::Truncated { what: "a block's count and size" }),
            frame => Ok(frame),
        }
    }

    // SPEC: Object Container Files: "A file data block consists of: A long indicating the count of objects in this
    // block. A long indicating the size in bytes of the serialized objects in the current block, after any codec is
    // applied. The serialized objects. [...] The file's 16-byte sync marker."
    fn body(&mut self, frame: Frame, offset: u64) -> Result<Option<PaddedBytes>> {
        let at = frame.len + frame.size as usize; // at most `max`, as `frame` has checked
        if self.pieces.pending() < at + SYNC_LEN {
            return match self.finished {
                true => Err(self.error(ErrorKind::Truncated { what: "a block" }, offset)),
                false => Ok(None),
            };
        }
        if !self.has_marker_at(at) {
            return Err(self.error(ErrorKind::SyncMismatch, offset + frame.len_with_data()));
        }
        self.look_into(frame, offset);
        self.pieces.consume(frame.len);
        let data = self.pieces.take(frame.size as usize);
        self.pieces.consume(SYNC_LEN);
        self.behind_marker();
        Ok(Some(data))
    }

    fn has_marker_at(&self, at: usize) -> bool {
        let mut found = [0; SYNC_LEN];
        self.pieces.peek(at, &mut found) == SYNC_LEN && found == self.sync
    }

    /// Whether the search has ended. Reaching the end of the file is an error, as every file ends with a marker.
    fn searched_all(&mut self) -> Result<bool> {
        if self.pieces.offset() >= self.range_end && self.lost.is_none() {
            self.done();
            return Ok(true);
        }
        match self.remaining() {
            // Bytes that this range does not own belong to the range in which they begin.
            Some(n) if n < SYNC_LEN as u64 && self.on_corrupt_block == OnCorruptBlock::Skip => {
                self.found(self.pieces.offset() + n);
                self.done();
                Ok(true)
            }
            Some(n) if n < SYNC_LEN as u64 => {
                Err(self.error(ErrorKind::Truncated { what: "a block" }, self.pieces.offset() + n))
            }
            _ => Ok(false),
        }
    }

    /// Searches for the next 16 bytes that equal the marker.
    fn search(&mut self) -> Result<bool> {
        // A marker may begin at the end of one piece and end in the next: those bytes are searched in a copy.
        let mut across = [0; 2 * (SYNC_LEN - 1)];
        while !self.searched_all()? {
            let front = self.pieces.front();
            let (haystack, found) = if front.len() >= SYNC_LEN {
                (front.len(), self.finder.find(front))
            } else {
                let n = self.pieces.peek(0, &mut across);
                (n, self.finder.find(across.get(..n).unwrap_or_default()))
            };
            if let Some(at) = found {
                self.pieces.consume(at);
                self.state = FramerState::Candidate;
                return Ok(true);
            }
            if haystack < SYNC_LEN {
                return Ok(false);
            }
            self.pieces.consume(haystack - (SYNC_LEN - 1));
        }
        Ok(false)
    }

    /// Checks whether a block follows the candidate.
    fn candidate(&mut self) -> Result<bool> {
        if self.searched_all()? {
            return Ok(false);
        }
        match self.seen_at(SYNC_LEN) {
            Seen::Unknown => return Ok(false),
            Seen::Nothing => {
                self.pieces.consume(1);
                self.state = FramerState::Search;
            }
            // A block that is too large is an error that names the limit.
            Seen::Block | Seen::TooLarge | Seen::End => {
                self.pieces.consume(SYNC_LEN);
                self.found(self.pieces.offset());
                self.behind_marker();
            }
        }
        Ok(true)
    }

    /// Looks at the bytes `at` bytes from here.
    fn seen_at(&self, at: usize) -> Seen {
        let remaining = self.remaining().map(|n| n.saturating_sub(at as u64));
        if remaining == Some(0) {
            return Seen::End;
        }
        let frame = match self.frame_at(at, remaining) {
            Err(_) => return Seen::Nothing,
            Ok(None) => return Seen::Unknown,
            Ok(Some(frame)) => frame,
        };
        if remaining.is_some_and(|n| frame.len_with_data() + SYNC_LEN as u64 > n) {
            return Seen::Nothing;
        }
        if frame.size > self.max as u64 {
            return Seen::TooLarge;
        }
        let next = at + frame.len + frame.size as usize; // at most `max`
        if self.pieces.pending() < next + SYNC_LEN {
            return Seen::Unknown;
        }
        if self.has_marker_at(next) { Seen::Block } else { Seen::Nothing }
    }

    /// Begins a lost stretch here, and searches for its end.
    fn lose(&mut self, error: Error) {
        let offset = self.pieces.offset();
        let frame = self.frame_at(0, self.remaining()).ok().flatten();
        self.state = match frame {
            Some(frame) if matches!(error.kind(), ErrorKind::SyncMismatch) => FramerState::Beyond { frame },
            _ => FramerState::Search,
        };
        self.lost = Some(Lost { offset, frame, error });
    }

    /// Ends the lost stretch, if there is one.
    fn found(&mut self, end: u64) {
        let Some(Lost { offset, frame, error }) = self.lost.take() else { return };
        // The frame is plausible if its block ends where the next one begins.
        let len = |frame: &Frame| frame.len_with_data() + SYNC_LEN as u64;
        let rows = frame.filter(|frame| end.checked_sub(offset) == Some(len(frame))).map(|frame| frame.rows);
        self.damaged.push(DamagedBlock { block: self.index, offset, bytes: end - offset, rows, error });
        self.index += 1;
        let marker = end.saturating_sub(SYNC_LEN as u64);
        self.covered = self.covered.as_ref().map(|span| span.start..marker);
    }

    /// Checks whether another block, or the file's end, follows a block without its marker.
    fn beyond(&mut self, frame: Frame) -> bool {
        let behind = frame.len + frame.size as usize + SYNC_LEN; // these bytes are there, as `body` has checked
        match self.seen_at(behind) {
            Seen::Unknown => return false,
            Seen::Block | Seen::End => {
                self.pieces.consume(behind);
                self.found(self.pieces.offset());
                // It belongs to this range wherever it begins, as no search finds it.
                self.state = FramerState::Frame;
                if self.remaining() == Some(0) && !self.cut {
                    self.done();
                }
            }
            // Without a marker before it, an apparent frame does not count.
            Seen::Nothing | Seen::TooLarge => self.state = FramerState::Search,
        }
        true
    }

    /// Handles the first marker that is not in the range. If a search does not accept it, the bytes after it still
    /// belong to this range.
    fn handover(&mut self) -> bool {
        match self.seen_at(0) {
            Seen::Unknown => return false,
            Seen::Nothing => self.state = FramerState::Frame,
            Seen::Block | Seen::TooLarge | Seen::End => self.done(),
        }
        true
    }

    /// Checks that the file ends with a marker.
    fn tail(&mut self) -> Result<bool> {
        if self.pieces.pending() < SYNC_LEN && !self.finished && self.on_corrupt_block == OnCorruptBlock::Error {
            return Ok(false);
        }
        // A damaged end is skipped by the range in which it begins.
        if !self.has_marker_at(0) && self.on_corrupt_block == OnCorruptBlock::Error {
            let end = self.file_len.unwrap_or_default();
            return Err(self.error(ErrorKind::Truncated { what: "a block" }, end));
        }
        self.done();
        Ok(false)
    }
}
