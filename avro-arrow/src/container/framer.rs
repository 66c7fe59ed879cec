//! The framer: the file's bytes go in, piece by piece, and whole blocks as they are stored come out. It does no I/O.
//!
//! It reads a whole file, or a byte range of one. A range owns the blocks whose preceding sync marker begins inside it, the
//! header's marker included, so ranges that cover a file own each block exactly once, wherever they were cut. As nothing says
//! where in a range the first marker is, its 16 bytes are searched for, and as they may stand inside a block too, a place that
//! has them is believed only if the file ends behind it or if a count and a size follow, and the marker again behind so many
//! bytes:
//!
//! ```text
//! Search ⇄ Candidate ──agrees with what follows──▶ Frame ──count, size──▶ Body ──so many bytes, marker──▶ Frame …
//!    └────────no more markers in the range───────▶ Done ◀── the file ends, or one block of the next range is behind
//! ```
//!
//! A search passes over a marker whose block is damaged, as if it stood inside a block. So that no block is lost without an
//! error, a range also looks at the frame and the end of the first block behind its own: the one that the next range finds.
//!
//! Where damage is to be skipped, what cannot be framed is lost up to the next place where a search would go on. That may be
//! in another range, whose search passes over all of it too: so a stretch that is lost is the range's in which it begins, and
//! a range reads on, beyond its end, until it comes to a marker that a search believes, which is where the next begins. Only
//! a marker that is damaged itself, with a whole block right behind it, loses no more than the block before it:
//!
//! ```text
//! Frame, Body ──damaged──▶ Search ⇄ Candidate ──agrees──▶ Frame
//! Body ──wrong marker──▶ Beyond ──a whole block follows──▶ Frame, else Search
//! ```

mod second;

use super::header::{Header, MAGIC, SYNC_LEN};
use super::pieces::Pieces;
use crate::codec::{RawBlock, block_bytes_max};
use crate::damage::DamagedBlock;
use crate::encoding::{Cursor, PaddedBytes};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::limits::Limits;
use crate::options::OnCorruptBlock;
use arrow_buffer::Buffer;
use memchr::memmem::Finder;
use second::First;
use std::ops::Range;

/// Cuts a file's bytes, or those of a range of it, into blocks.
#[derive(Debug)]
pub struct Framer {
    finder: Finder<'static>,
    sync: [u8; SYNC_LEN],
    /// The most bytes that a block may have.
    max: usize,
    /// Offset in the file of the first byte to feed.
    start: u64,
    /// A marker that begins here or later starts no block of ours.
    range_end: u64,
    /// Where the file ends, once that is known.
    file_len: Option<u64>,
    /// The file was finished before the length that it was said to have.
    cut: bool,
    finished: bool,
    pieces: Pieces,
    state: State,
    /// Index of the next block.
    index: u64,
    /// Is the next block ours? Else it is only looked at.
    owned: bool,
    /// Offsets of the marker before our first block and of the one behind our last.
    covered: Option<Range<u64>>,
    on_corrupt_block: OnCorruptBlock,
    /// What is being skipped, up to where a block can be read again.
    lost: Option<Lost>,
    /// What was skipped, and not yet taken.
    damaged: Vec<DamagedBlock>,
    /// What a second header is compared with.
    first: First,
}

/// The beginning of a stretch that is lost.
#[derive(Debug)]
struct Lost {
    offset: u64,
    /// What may be a block's frame there.
    frame: Option<Frame>,
    error: Error,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Where the first marker of the range may begin.
    Search,
    /// At the 16 bytes of a marker, which may or may not be one.
    Candidate,
    /// At what should be the file's last marker, which is not for us to read on from.
    Tail,
    /// Behind a marker.
    Frame,
    /// At a block's frame, which was read.
    Body {
        frame: Frame,
        offset: u64,
    },
    /// At a block's frame, where the marker is not behind its data: is that all that is wrong?
    Beyond {
        frame: Frame,
    },
    /// Behind a marker, the first that is not in the range: does the next range find it?
    Handover,
    Done,
}

/// What is seen at some place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// More bytes are needed to tell.
    Unknown,
    /// No frame of a whole block.
    Nothing,
    /// A block, with a marker behind it.
    Block,
    /// The frame of a block of more bytes than may be held to look behind it.
    TooLarge,
    /// The end of the file.
    End,
}

/// What stands before a block's data, as it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Rows of the block.
    pub rows: u64,
    /// Bytes of the data, as they are stored.
    pub size: u64,
    /// Bytes of the frame itself.
    pub len: usize,
}

impl Framer {
    /// A framer for all blocks of a file, to be fed from `header.len` on.
    pub fn new(header: &Header, limits: &Limits) -> Framer {
        let mut framer = Framer::starting(header, limits, header.len, State::Frame);
        framer.behind_marker();
        framer
    }

    /// A framer for the blocks whose preceding sync marker begins in `range`, of a file with so many bytes, to be fed from
    /// [`start`](Self::start) on until it [is done](Self::is_done).
    pub fn for_range(header: &Header, range: Range<u64>, file_len: u64, limits: &Limits) -> Framer {
        let first_marker = header.len.saturating_sub(SYNC_LEN as u64);
        let last_marker = file_len.saturating_sub(SYNC_LEN as u64);
        let (start, state) = if range.start <= first_marker {
            (header.len, State::Frame)
        } else if range.start <= last_marker {
            (range.start, State::Search)
        } else {
            // No marker can begin in the range. Where it is the file's last it still answers for the file's end: a block that
            // is cut looks to a search like no block at all.
            (last_marker, State::Tail)
        };
        let mut framer = Framer::starting(header, limits, start, state);
        framer.range_end = range.end;
        framer.file_len = Some(file_len);
        match state {
            _ if range.is_empty() => framer.done(),
            State::Frame if first_marker >= range.end => framer.done(),
            State::Frame => framer.behind_marker(),
            State::Tail if range.start >= file_len || range.end < file_len => framer.done(),
            _ => {}
        }
        framer
    }

    fn starting(header: &Header, limits: &Limits, start: u64, state: State) -> Framer {
        Framer {
            finder: Finder::new(&header.sync).into_owned(),
            sync: header.sync,
            max: block_bytes_max(limits),
            start,
            range_end: u64::MAX,
            file_len: None,
            cut: false,
            finished: false,
            pieces: Pieces::new(start),
            state,
            index: 0,
            owned: true,
            covered: None,
            on_corrupt_block: OnCorruptBlock::Error,
            lost: None,
            damaged: Vec::new(),
            first: First::of(header, limits),
        }
    }

    /// The same, but damage is treated like this. To be called before bytes are fed.
    #[must_use]
    pub fn with_on_corrupt_block(self, on_corrupt_block: OnCorruptBlock) -> Framer {
        Framer { on_corrupt_block, ..self }
    }

    /// What was skipped since this was last asked for, in the order of the file.
    pub fn take_damage(&mut self) -> Vec<DamagedBlock> {
        std::mem::take(&mut self.damaged)
    }

    /// Offset in the file of the first byte to feed.
    pub fn first_offset(&self) -> u64 {
        self.start
    }

    /// The next bytes of the file. Pieces may be of any size; a block that lies inside one piece is not copied, and keeps the
    /// piece alive.
    pub fn feed(&mut self, bytes: Buffer) {
        if !self.is_done() && !self.finished {
            self.pieces.push(bytes);
        }
    }

    /// There are no more bytes: the file ends here.
    pub fn finish(&mut self) {
        if self.finished {
            return;
        }
        let end = self.pieces.end();
        self.finished = true;
        self.cut = self.file_len.is_some_and(|len| end < len);
        self.file_len = Some(self.file_len.map_or(end, |len| len.min(end)));
    }

    /// The next block. `None`: more bytes are needed, or, where it is [done](Self::is_done) or was
    /// [finished](Self::finish), there are no more blocks. A file that ends anywhere else than behind a block is an error.
    /// Blocks of no rows and no bytes are passed over. After an error there are no more blocks. Under [`OnCorruptBlock::Skip`] there are
    /// no errors, but what there is to [take](Self::take_damage).
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

    /// Is the range complete, so that no more bytes are wanted?
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Offsets of the marker before the range's first block and of the marker behind its last, as far as it has come; `None`
    /// where no marker begins in the range. Among ranges that cover a file, those that have a span meet: each begins where
    /// the one before it ends. Where they do not, one of them believed a marker inside a block, which by itself looks like
    /// one: a whole block inside a value does.
    pub fn covered_range(&self) -> Option<Range<u64>> {
        self.covered.clone()
    }

    /// The block whose end it waits for, from its frame to the end of the marker behind it, where its frame was seen already.
    pub fn needed_range(&self) -> Option<Range<u64>> {
        let here = self.pieces.offset();
        let at = if matches!(self.state, State::Candidate) { SYNC_LEN } else { 0 };
        let frame = match self.state {
            State::Body { frame, .. } => frame,
            State::Candidate | State::Handover => self.frame_at(at, None).ok().flatten()?,
            _ => return None,
        };
        let start = here + at as u64;
        (frame.size <= self.max as u64).then(|| start..start + frame.len_with_data() + SYNC_LEN as u64)
    }

    fn run(&mut self) -> Result<Option<RawBlock>> {
        loop {
            let went_on = match self.state {
                State::Done => false,
                State::Search => self.search()?,
                State::Candidate => self.candidate()?,
                State::Tail => self.tail()?,
                State::Frame => self.frame()?,
                State::Beyond { frame } => self.beyond(frame),
                State::Handover => self.handover(),
                State::Body { frame, offset } => match (self.owned, self.body(frame, offset)?) {
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
        self.state = State::Done;
        self.pieces.clear();
    }

    fn error(&self, kind: ErrorKind, offset: u64) -> Error {
        Error::new(kind).at(|p| {
            p.offset = Some(offset);
            p.block = Some(self.index);
        })
    }

    /// Bytes from here to the end of the file, where that is known.
    fn remaining(&self) -> Option<u64> {
        self.file_len.map(|len| len.saturating_sub(self.pieces.offset()))
    }

    /// A marker was just consumed: is there a block behind it that we own, or that we only look at?
    fn behind_marker(&mut self) {
        let behind = self.pieces.offset();
        let marker = behind.saturating_sub(SYNC_LEN as u64);
        if self.owned {
            self.covered = Some(self.covered.as_ref().map_or(marker, |span| span.start)..marker);
        }
        if !self.owned || (self.file_len == Some(behind) && !self.cut) {
            self.done();
        } else if self.on_corrupt_block == OnCorruptBlock::Skip {
            self.state = if marker < self.range_end { State::Frame } else { State::Handover };
        } else {
            self.owned = marker < self.range_end;
            self.state = State::Frame;
        }
    }

    /// Reads a frame. Those of these functions that say whether they went on need more bytes or are done if not.
    fn frame(&mut self) -> Result<bool> {
        let (offset, remaining) = (self.pieces.offset(), self.remaining());
        if remaining == Some(0) {
            if self.cut || self.file_len < Some(offset) {
                return Err(self.error(ErrorKind::Truncated { what: "the length it was said to have" }, offset));
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
        self.state = State::Body { frame, offset };
        Ok(true)
    }

    /// The frame that stands at the `at`-th byte from here, where `remaining` bytes are left in the file from there on.
    fn frame_at(&self, at: usize, remaining: Option<u64>) -> Result<Option<Frame>, ErrorKind> {
        let mut bytes = [0; Frame::LEN_MAX];
        let n = self.pieces.peek(at, &mut bytes);
        // Bytes that were fed from behind the file's end are not the file's.
        let n = remaining.map_or(n, |remaining| n.min(usize::try_from(remaining).unwrap_or(n)));
        let bytes = bytes.get(..n).unwrap_or_default();
        // The start of a second header, which only its fourth byte tells from a count.
        if n < MAGIC.len() && MAGIC.starts_with(bytes) && remaining != Some(n as u64) && !self.finished {
            return Ok(None);
        }
        match Frame::parse(bytes)? {
            None if remaining == Some(n as u64) => Err(ErrorKind::Truncated { what: "a block's count and size" }),
            frame => Ok(frame),
        }
    }

    // SPEC: Object Container Files: "A file data block consists of: A long indicating the count of objects in this block. A
    // long indicating the size in bytes of the serialized objects in the current block, after any codec is applied. The
    // serialized objects. [...] The file's 16-byte sync marker."
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

    /// Is the search over? It is an error to come to the file's end, as every file ends with a marker.
    fn searched_all(&mut self) -> Result<bool> {
        if self.pieces.offset() >= self.range_end && self.lost.is_none() {
            self.done();
            return Ok(true);
        }
        match self.remaining() {
            // What is not ours is for the range in which it begins.
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

    /// Looks for the next 16 bytes that are the marker's.
    fn search(&mut self) -> Result<bool> {
        // A marker may begin in the last bytes of one piece and end in the next: those are searched in a copy.
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
                self.state = State::Candidate;
                return Ok(true);
            }
            if haystack < SYNC_LEN {
                return Ok(false);
            }
            self.pieces.consume(haystack - (SYNC_LEN - 1));
        }
        Ok(false)
    }

    /// Here are the marker's 16 bytes. Do they begin a block?
    fn candidate(&mut self) -> Result<bool> {
        if self.searched_all()? {
            return Ok(false);
        }
        match self.seen_at(SYNC_LEN) {
            Seen::Unknown => return Ok(false),
            Seen::Nothing => {
                self.pieces.consume(1);
                self.state = State::Search;
            }
            // One that is too large is an error that names the limit.
            Seen::Block | Seen::TooLarge | Seen::End => {
                self.pieces.consume(SYNC_LEN);
                self.found(self.pieces.offset());
                self.behind_marker();
            }
        }
        Ok(true)
    }

    /// What is at the `at`-th byte from here?
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

    /// Begins a stretch that is lost, here, and goes to look for its end.
    fn lose(&mut self, error: Error) {
        let offset = self.pieces.offset();
        let frame = self.frame_at(0, self.remaining()).ok().flatten();
        self.state = match frame {
            Some(frame) if matches!(error.kind(), ErrorKind::SyncMismatch) => State::Beyond { frame },
            _ => State::Search,
        };
        self.lost = Some(Lost { offset, frame, error });
    }

    /// Ends the stretch that is lost, if there is one.
    fn found(&mut self, end: u64) {
        let Some(Lost { offset, frame, error }) = self.lost.take() else { return };
        // A frame is believed if its block ends where the next one begins.
        let len = |frame: &Frame| frame.len_with_data() + SYNC_LEN as u64;
        let rows = frame.filter(|frame| end.checked_sub(offset) == Some(len(frame))).map(|frame| frame.rows);
        self.damaged.push(DamagedBlock { block: self.index, offset, bytes: end - offset, rows, error });
        self.index += 1;
        let marker = end.saturating_sub(SYNC_LEN as u64);
        self.covered = self.covered.as_ref().map(|span| span.start..marker);
    }

    /// Here is a block without its marker. Does another one begin where that marker should end, or the file end there?
    fn beyond(&mut self, frame: Frame) -> bool {
        let behind = frame.len + frame.size as usize + SYNC_LEN; // these bytes are there, as `body` has checked
        match self.seen_at(behind) {
            Seen::Unknown => return false,
            Seen::Block | Seen::End => {
                self.pieces.consume(behind);
                self.found(self.pieces.offset());
                // Ours, wherever it begins: no search finds it.
                self.state = State::Frame;
                if self.remaining() == Some(0) && !self.cut {
                    self.done();
                }
            }
            // Without a marker before it, what looks like a frame is none.
            Seen::Nothing | Seen::TooLarge => self.state = State::Search,
        }
        true
    }

    /// Behind the first marker that is not in the range. If a search does not believe it, what follows is still ours.
    fn handover(&mut self) -> bool {
        match self.seen_at(0) {
            Seen::Unknown => return false,
            Seen::Nothing => self.state = State::Frame,
            Seen::Block | Seen::TooLarge | Seen::End => self.done(),
        }
        true
    }

    /// Does the file end with a marker?
    fn tail(&mut self) -> Result<bool> {
        if self.pieces.pending() < SYNC_LEN && !self.finished && self.on_corrupt_block == OnCorruptBlock::Error {
            return Ok(false);
        }
        // What is wrong there is skipped in the range in which it begins.
        if !self.has_marker_at(0) && self.on_corrupt_block == OnCorruptBlock::Error {
            let end = self.file_len.unwrap_or_default();
            return Err(self.error(ErrorKind::Truncated { what: "a block" }, end));
        }
        self.done();
        Ok(false)
    }
}

impl Frame {
    /// The most bytes of a frame: two longs.
    pub const LEN_MAX: usize = 20;

    /// The frame at the start of `bytes`, or `None` where they end inside it. An error where a number is negative or has more
    /// than 64 bits.
    pub fn parse(bytes: &[u8]) -> Result<Option<Frame>, ErrorKind> {
        // As a count of rows, its first byte would be a negative one.
        if bytes.starts_with(&MAGIC) {
            return Err(ErrorKind::SecondHeader { unlike: None });
        }
        let mut cursor = Cursor::new(bytes);
        let mut long = |bad: &'static str, negative: &'static str| match cursor.long() {
            Err(Fault::End) => Ok(None),
            Err(_) => Err(ErrorKind::Container { what: bad, value: None }),
            Ok(value) => match u64::try_from(value) {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(ErrorKind::Container { what: negative, value: Some(value) }),
            },
        };
        let Some(rows) = long("a block's count is not a number of 64 bits", "a block's count is")? else {
            return Ok(None);
        };
        let Some(size) = long("a block's size is not a number of 64 bits", "a block's size is")? else {
            return Ok(None);
        };
        Ok(Some(Frame { rows, size, len: cursor.at() }))
    }

    /// Bytes of the frame and its data; the sync marker is behind them.
    pub fn len_with_data(&self) -> u64 {
        self.size.saturating_add(self.len as u64)
    }
}
