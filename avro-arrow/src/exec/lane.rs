//! A running lane: the pieces it reads one after the other, its own levels that it writes, and its cursor within a body.

use super::kernels::Source;
use super::{Faulted, Piece, too_large};
use crate::column::{Lane, LevelId, SLOTS_MAX, SlabId};
use crate::encoding::Cursor;
use crate::error::{Error, ErrorKind};
use crate::program::Program;

/// A running lane.
pub(super) struct Runner<'a> {
    pub(super) lane: Lane,
    /// The pieces not yet finished; the current one is the first.
    pub(super) pieces: &'a mut [Piece],
    /// The block being read.
    pub(super) source: Source,
    pub(super) at: *const u8,
    /// Rows left in the current piece.
    pub(super) rows_left: usize,
    /// Index of the next row among the rows of all lanes.
    pub(super) row: usize,
    /// Index of the first of the pieces' buffers among those that views point into.
    first_buffer: u32,
    pub(super) zero_width_items: u64,
    /// The text of the current JSON value.
    pub(super) text: Vec<u8>,
    pub(super) fault: bool,
    /// The error of a level that could not grow.
    pub(super) too_large: Option<Error>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(lane: Lane, first_row: usize, first_buffer: u32, pieces: &'a mut [Piece]) -> Self {
        let nowhere = std::ptr::null();
        let mut runner = Runner {
            lane,
            pieces,
            source: Source::new(nowhere, nowhere, 0),
            at: nowhere,
            rows_left: 0,
            row: first_row,
            first_buffer,
            zero_width_items: 0,
            text: Vec::new(),
            fault: false,
            too_large: None,
        };
        runner.begin_piece();
        runner
    }

    /// Starts the front piece, if there is one.
    fn begin_piece(&mut self) {
        let Some(piece) = self.pieces.first() else { return };
        let start = piece.data.padded_ptr();
        let end = piece.end.min(piece.data.len());
        // SAFETY: at most at the end of the data, which is padded.
        let (at, end) = unsafe { (start.add(piece.at.min(end)), start.add(end)) };
        self.source = Source::new(start, end, self.first_buffer + piece.buffer);
        self.at = at;
        self.rows_left = piece.n_rows;
        self.zero_width_items = piece.zero_width_items;
    }

    /// Ends the front piece, whose rows are all read, and starts the next.
    pub(super) fn end_piece(&mut self) -> Result<(), Faulted> {
        let Some((piece, rest)) = std::mem::take(&mut self.pieces).split_first_mut() else { return Ok(()) };
        piece.at = self.at as usize - self.source.start as usize;
        piece.zero_width_items = self.zero_width_items;
        // A block must end with its last row.
        if piece.ends_block && piece.at != piece.end {
            return Err(Faulted);
        }
        self.pieces = rest;
        self.begin_piece();
        Ok(())
    }

    /// A cursor over the rest of the block.
    ///
    /// # Safety
    /// `at` is in its block or at its end; the cursor is not used after the run, which keeps the block.
    pub(super) unsafe fn rest<'b>(&self) -> Cursor<'b> {
        let len = self.source.end as usize - self.at as usize;
        // SAFETY: the caller's promise.
        Cursor::new(unsafe { std::slice::from_raw_parts(self.at, len) })
    }

    pub(super) fn level_len(&self, level: LevelId) -> usize {
        // SAFETY: `verify` checked that the level exists; a lane has all levels of its program.
        unsafe { self.lane.levels.get_unchecked(level.index()).len }
    }

    /// Makes room for `n` more slots in a level; `false` if that is too many.
    #[inline(always)]
    pub(super) fn reserve(&mut self, program: &Program, level: LevelId, n: usize) -> bool {
        // SAFETY: as above.
        let state = unsafe { *self.lane.levels.get_unchecked(level.index()) };
        n <= state.capacity - state.len || self.grow(program, level, n)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, program: &Program, level: LevelId, n: usize) -> bool {
        let grown = if self.level_len(level).saturating_add(n) > SLOTS_MAX {
            let what = "more than 2^28 items of arrays and maps, or bytes of JSON, in one row".to_string();
            Err(ErrorKind::Unsupported { what }.into())
        } else {
            let max = program.options.limits.batch_bytes;
            self.lane.grow(&program.layout, level, n).map_err(|bytes| too_large(max.saturating_add(bytes), max))
        };
        self.too_large = grown.err();
        self.too_large.is_none()
    }

    pub(super) fn set_level_len(&mut self, level: LevelId, len: usize) {
        // SAFETY: as above.
        unsafe { self.lane.levels.get_unchecked_mut(level.index()).len = len }
    }

    /// Writes a slot.
    ///
    /// # Safety
    /// `position` is below the capacity of the slab's level in this lane, and the slab's width is that of `T`.
    #[inline(always)]
    pub(super) unsafe fn write<T>(&self, slab: SlabId, position: usize, value: T) {
        // SAFETY: the caller's promise.
        unsafe { write(self.lane.slots.as_ptr(), slab, position, value) }
    }
}

/// The position of a lane, which each op advances.
pub(super) struct Place {
    pub(super) at: *const u8,
    pub(super) source: Source,
    /// The slot of the level that is being written.
    pub(super) slot: usize,
    /// The mask of predication: for each entered record, the innermost in the lowest bit, whether it and its enclosing
    /// records are present.
    pub(super) inside: u64,
}

impl Place {
    pub(super) fn new(at: *const u8, source: Source, slot: usize) -> Self {
        Place { at, source, slot, inside: 1 }
    }

    #[inline(always)]
    pub(super) fn is_inside(&self) -> bool {
        self.inside & 1 != 0
    }
}

/// Writes a slot.
///
/// # Safety
/// R1 and R2: `slots` are a lane's, the slab exists and its width is that of `T`, and `position` is below the capacity of
/// the slab's level in that lane.
#[inline(always)]
pub(super) unsafe fn write<T>(slots: *const *mut u8, slab: SlabId, position: usize, value: T) {
    // SAFETY: R1: the slab exists; R2: the slot is in its memory, by the invariant of `Slots`.
    unsafe { (*slots.add(slab.index())).cast::<T>().add(position).write_unaligned(value) }
}
