//! Lanes: the distribution of slices over them, and a running lane: the slices it reads one after the other, its own
//! levels that it writes, its cursor within a body, and the steps that move it.

use super::kernels::BlockSource;
use super::{BlockSlice, Faulted, too_large};
use crate::column::{BufferId, LaneBuffers, LevelId, SLOTS_MAX};
use crate::encoding::Cursor;
use crate::error::{Error, ErrorKind};
use crate::program::{Body, Branch, Branches, Nulls, Op, Program};

/// The maximum useful number of lanes. It is lower with many columns, as each lane writes to its own position in each
/// column, and the CPU holds only a limited number of positions in its cache. (Lineitem, 16 columns: 4 lanes 7 %
/// faster than 8; one of 100 columns: 8 lanes 5 % faster than 4; all 100: 2 lanes 12 % faster than 8.) Rows of only
/// nested values gain nothing from lanes, and must be merged afterwards.
pub(super) fn max_lanes(program: &Program) -> usize {
    let is_nested = |op: &Op| {
        matches!(
            op,
            Op::Items { .. } | Op::SwitchBranch { .. } | Op::Union { .. } | Op::Json { .. } | Op::SkipItems { .. }
        )
    };
    if program.body(program.row).unwrap_or_default().iter().all(is_nested) {
        return 1;
    }
    match program.layout.levels.first().map_or(0, Vec::len) {
        0..=6 => 8,
        7..=24 => 4,
        _ => 2,
    }
}

/// Distributes slices over at most `most` lanes, in runs with about equal numbers of rows.
pub(super) fn assign_blocks_to_lanes(slices: &mut [BlockSlice], most: usize) -> Vec<&mut [BlockSlice]> {
    let n_lanes = match slices.len() {
        0 | 1 => 1,
        2 | 3 => 2,
        4..8 => 4,
        _ => 8,
    };
    let n_lanes = n_lanes.min(most);
    let mut rows_left: usize = slices.iter().map(|slice| slice.n_rows).sum();
    let mut rest = slices;
    let mut lanes = Vec::with_capacity(n_lanes);
    for lane in 0..n_lanes {
        let share = rows_left.div_ceil(n_lanes - lane);
        let (mut n, mut rows) = (0, 0);
        for slice in rest.iter() {
            // The last lane takes the rest.
            if lane + 1 < n_lanes && n > 0 && rows + slice.n_rows / 2 > share {
                break;
            }
            n += 1;
            rows += slice.n_rows;
        }
        let (taken, left) = rest.split_at_mut(n);
        lanes.push(taken);
        rest = left;
        rows_left -= rows;
    }
    lanes
}

/// An op, linked to the code that runs it on one lane.
pub(super) struct Step {
    pub(super) run: StepFn,
    /// The op. Its bodies are those of the [`LinkedProgram`].
    pub(super) op: Op,
    /// The buffer that a read writes.
    pub(super) to: BufferId,
    /// The operand of a read's encoding; for [`Op::FusedVarints`] the index of its first op in the program.
    pub(super) operand: u32,
    /// The nulls of a nullable read.
    pub(super) nulls: Nulls,
}

/// Runs a step on a lane, at its [slot](Lane::slot), from a cursor on, and returns the cursor after it. The lane's slot
/// is the same afterwards, also on a fault: a body runs on to its end.
///
/// # Safety
/// R1 to R5, for this step.
pub(super) type StepFn = for<'a> unsafe fn(&Step, &mut Lane<'a>, *const u8) -> *const u8;

/// The code of a kind of step on a CPU.
pub(super) trait StepCode<C> {
    /// See [`StepFn`].
    ///
    /// # Safety
    /// R1 to R5, for a step of this kind.
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8;

    /// Whether [`StepCode::run_common`] does anything.
    const HAS_COMMON: bool = false;

    /// Runs the step where the data are as usual, with no call to another function but steps. The error is the cursor
    /// from which on [`StepCode::run`] is to do it. (A function that may call others saves and restores many registers
    /// first; one that only ends in a call of `run` does not.)
    ///
    /// # Safety
    /// As for [`StepCode::run`].
    #[inline(always)]
    unsafe fn run_common(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> Result<*const u8, *const u8> {
        let _ = (step, lane);
        Err(at)
    }
}

/// A program whose ops are steps. Its bodies are ranges of steps.
pub(super) struct LinkedProgram {
    pub(super) steps: Vec<Step>,
    pub(super) branches: Vec<Branch>,
    pub(super) subs: Vec<Body>,
    pub(super) row: Body,
}

impl LinkedProgram {
    /// The steps of a body, all of which exist (R1).
    #[inline(always)]
    pub(super) fn body(&self, body: Body) -> &[Step] {
        self.steps.get(body.start as usize..body.end as usize).unwrap_or_default()
    }

    /// The branches of a step, all of which exist (R1).
    #[inline(always)]
    pub(super) fn branches(&self, branches: Branches) -> &[Branch] {
        let first = branches.first as usize;
        self.branches.get(first..first + branches.n as usize).unwrap_or_default()
    }
}

/// Runs steps one after the other from a cursor on, at the lane's slot, and returns the cursor after them.
///
/// # Safety
/// R1 to R5, for a body of these steps.
#[inline(always)]
pub(super) unsafe fn run_steps(steps: &[Step], lane: &mut Lane<'_>, mut at: *const u8) -> *const u8 {
    for step in steps {
        // SAFETY: R1 to R5.
        at = unsafe { (step.run)(step, lane, at) };
    }
    at
}

/// A running lane.
pub(super) struct Lane<'a> {
    pub(super) program: &'a Program,
    pub(super) linked: &'a LinkedProgram,
    pub(super) buffers: LaneBuffers,
    /// The slot that is written, of the level whose body runs.
    pub(super) slot: usize,
    /// The mask of predication, see [`LaneCursor::mask`].
    pub(super) mask: u64,
    /// The slices not yet finished; the current one is the first.
    pub(super) slices: &'a mut [BlockSlice],
    /// The block being read.
    pub(super) source: BlockSource,
    pub(super) at: *const u8,
    /// Rows left in the current slice.
    pub(super) rows_left: usize,
    /// Index of the next row among the rows of all lanes.
    pub(super) row: usize,
    /// Index of the first of the slices' buffers among those that views point into.
    first_buffer: u32,
    pub(super) zero_width_items: u64,
    /// The text of the current JSON value.
    pub(super) text: Vec<u8>,
    pub(super) fault: bool,
    /// The error of a level that could not grow.
    pub(super) too_large: Option<Error>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        (program, linked): (&'a Program, &'a LinkedProgram),
        buffers: LaneBuffers,
        first_row: usize,
        first_buffer: u32,
        slices: &'a mut [BlockSlice],
    ) -> Self {
        let nowhere = std::ptr::null();
        let mut lane = Lane {
            program,
            linked,
            buffers,
            slot: first_row,
            mask: 1,
            slices,
            source: BlockSource::new(nowhere, nowhere, 0),
            at: nowhere,
            rows_left: 0,
            row: first_row,
            first_buffer,
            zero_width_items: 0,
            text: Vec::new(),
            fault: false,
            too_large: None,
        };
        lane.begin_slice();
        lane
    }

    /// Starts the front slice, if there is one.
    fn begin_slice(&mut self) {
        let Some(slice) = self.slices.first() else { return };
        let start = slice.data.padded_ptr();
        let end = slice.end.min(slice.data.len());
        // SAFETY: at most at the end of the data, which is padded.
        let (at, end) = unsafe { (start.add(slice.at.min(end)), start.add(end)) };
        self.source = BlockSource::new(start, end, self.first_buffer + slice.buffer);
        self.at = at;
        self.rows_left = slice.n_rows;
        self.zero_width_items = slice.zero_width_items;
    }

    /// Ends the front slice, whose rows are all read, and starts the next.
    pub(super) fn end_slice(&mut self) -> Result<(), Faulted> {
        let Some((slice, rest)) = std::mem::take(&mut self.slices).split_first_mut() else { return Ok(()) };
        slice.at = self.at as usize - self.source.start as usize;
        slice.zero_width_items = self.zero_width_items;
        // A block must end with its last row.
        if slice.ends_block && slice.at != slice.end {
            return Err(Faulted);
        }
        self.slices = rest;
        self.begin_slice();
        Ok(())
    }

    /// A cursor over the rest of the block, from `at` on.
    ///
    /// # Safety
    /// R3; the cursor is not used after the run, which keeps the block.
    pub(super) unsafe fn rest<'b>(&self, at: *const u8) -> Cursor<'b> {
        let len = self.source.end as usize - at as usize;
        // SAFETY: R3: `len` bytes are left in the block.
        Cursor::new(unsafe { std::slice::from_raw_parts(at, len) })
    }

    /// The addresses of the buffers' slots.
    #[inline(always)]
    pub(super) fn slots(&self) -> *const *mut u8 {
        self.buffers.slots.as_ptr()
    }

    pub(super) fn level_len(&self, level: LevelId) -> usize {
        // SAFETY: R1: the level exists; a lane has all levels of its program.
        unsafe { self.buffers.levels.get_unchecked(level.index()).len }
    }

    /// Makes room for `n` more slots in a level. On `false` it did not: that is too many, or there was a fault before,
    /// after which slots may not be written.
    #[inline(always)]
    pub(super) fn reserve(&mut self, level: LevelId, n: usize) -> bool {
        if self.fault {
            return false;
        }
        // SAFETY: R1: the level exists.
        let state = unsafe { *self.buffers.levels.get_unchecked(level.index()) };
        n <= state.capacity - state.len || self.grow(level, n)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, level: LevelId, n: usize) -> bool {
        let program = self.program;
        let grown = if self.level_len(level).saturating_add(n) > SLOTS_MAX {
            let what = "more than 2^28 items of arrays and maps, or bytes of JSON, in one row".to_string();
            Err(ErrorKind::Unsupported { what }.into())
        } else {
            let max = program.options.limits.batch_bytes;
            // SAFETY: `reserve` found no fault, so all slots below the length are written (`set_level_len`).
            let grown = unsafe { self.buffers.grow(&program.layout, level, n) };
            grown.map_err(|bytes| too_large(max.saturating_add(bytes), max))
        };
        self.too_large = grown.err();
        self.too_large.is_none()
    }

    /// Sets the number of written slots of a level, of at most its capacity. Unless the lane has a fault, every buffer
    /// of the level is written up to there: [`LaneBuffers::grow`] and [`LaneBuffers::into_buffers`] rely on it.
    pub(super) fn set_level_len(&mut self, level: LevelId, len: usize) {
        // SAFETY: R1: the level exists.
        unsafe { self.buffers.levels.get_unchecked_mut(level.index()).len = len }
    }

    /// Writes a slot.
    ///
    /// # Safety
    /// R1 and R2: `position` is below the capacity of the buffer's level in this lane, and the buffer's width is that
    /// of `T`.
    #[inline(always)]
    pub(super) unsafe fn write<T>(&self, buffer: BufferId, position: usize, value: T) {
        // SAFETY: R1 and R2.
        unsafe { write(self.buffers.slots.as_ptr(), buffer, position, value) }
    }
}

/// The position of a lane, which each op advances.
pub(super) struct LaneCursor {
    pub(super) at: *const u8,
    pub(super) source: BlockSource,
    /// The slot of the level that is being written.
    pub(super) slot: usize,
    /// The mask of predication: for each entered record, the innermost in the lowest bit, whether it and its enclosing
    /// records are present.
    pub(super) mask: u64,
}

impl LaneCursor {
    pub(super) fn new(at: *const u8, source: BlockSource, slot: usize) -> Self {
        LaneCursor { at, source, slot, mask: 1 }
    }
}

/// Writes a slot.
///
/// # Safety
/// R1 and R2: `slots` are a lane's, the buffer exists and its width is that of `T`, and `position` is below the
/// capacity of the buffer's level in that lane.
#[inline(always)]
pub(super) unsafe fn write<T>(slots: *const *mut u8, buffer: BufferId, position: usize, value: T) {
    // SAFETY: R1: the buffer exists; R2: the slot is in its memory, by the invariant of `Slots`.
    unsafe { (*slots.add(buffer.index())).cast::<T>().add(position).write_unaligned(value) }
}
