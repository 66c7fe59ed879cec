//! The memory that the program writes: slabs of the rows, which lanes share from their own first rows on, and each
//! lane's own slabs for the levels below, whose lengths are not known in advance.

use super::{Layout, LevelId, ROWS, SlabId};
use arrow_buffer::MutableBuffer;

/// Distance at which addresses map to the same lines of a first-level cache.
const PAGE_BYTES: usize = 4096;
/// Page offset between consecutive slabs of the rows (3 cache lines), to avoid cache-set conflicts.
const STAGGER_BYTES: usize = 192;

/// Memory is reserved for this multiple of the expected slots, up to a maximum size.
const EXPECTED_AND_MORE: f64 = 1.1;
const EXPECTED_BYTES_MAX: usize = 64 << 20;

/// Maximum number of slots of a level in one lane: positions are `i32`, and all lanes together, at most eight, stay
/// below 2³¹.
pub(crate) const SLOTS_MAX: usize = i32::MAX as usize / 8;

/// Addresses of slot 0 of each slab, for one lane.
///
/// Invariant: for every slab of a level below the rows, the memory from its address on is valid for `width * capacity`
/// bytes, where the capacity is the level's [`Level::capacity`] in the same lane; for a slab of the rows, which all
/// lanes share, it is valid for the rows that the lane was made for. Only [`Lane::new`] and [`Lane::grow`] set them.
pub(crate) type Slots = Vec<*mut u8>;

/// One level of one lane.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Level {
    /// Number of slots written.
    pub(crate) len: usize,
    /// Number of slots that there is memory for.
    pub(crate) capacity: usize,
}

/// The memory that one lane writes to.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) slots: Slots,
    pub(crate) levels: Vec<Level>,
    /// The slabs below the rows. The slabs of the rows are shared, so theirs are empty here.
    own: Vec<MutableBuffer>,
    /// Bytes that these may still grow by.
    bytes_left: usize,
}

/// A slab of the rows, for all lanes.
#[derive(Debug, Default)]
pub(crate) struct RowsSlab {
    memory: MutableBuffer,
    /// Bytes before slot 0.
    first: usize,
    /// Bytes of the slots.
    len: usize,
}

/// Allocates the slabs of the rows.
///
/// All are written at about the same row at the same time. Large allocations begin at the same page offset, and a
/// cache keeps only a few lines of each offset: so each slab begins a little further into its memory than the one
/// before. (A hand-written decoder for lineitem, 16 columns, 4 lanes: 0.26 s without, 0.14 s with.)
pub(crate) fn rows_slabs(layout: &Layout, n_rows: usize) -> Vec<RowsSlab> {
    let mut n_before = 0;
    let slabs = layout.slabs.iter().map(|spec| {
        if spec.level != ROWS {
            return RowsSlab::default();
        }
        let len = n_rows * spec.width;
        let mut memory = MutableBuffer::with_capacity(len + PAGE_BYTES);
        let first = (n_before * STAGGER_BYTES).wrapping_sub(memory.as_ptr() as usize) % PAGE_BYTES;
        memory.resize(first, 0);
        n_before += 1;
        RowsSlab { memory, first, len }
    });
    slabs.collect()
}

impl RowsSlab {
    /// Returns the memory with its slots written, and their offset in it, a multiple of 64 bytes.
    ///
    /// # Safety
    /// Every slot is written.
    pub(crate) unsafe fn into_written(mut self) -> (MutableBuffer, usize) {
        assert!(self.first + self.len <= self.memory.capacity());
        // SAFETY: the slots are written, by the caller's promise, and what is before them in `rows_slabs`; within the
        // allocation, by the assertion.
        unsafe { self.memory.set_len(self.first + self.len) };
        (self.memory, self.first)
    }
}

impl Lane {
    /// Creates a lane that writes `n_rows` rows from `first_row` on to `rows`, made by [`rows_slabs`] for at least
    /// that many rows. The levels below the rows may take `bytes_left` bytes.
    pub(crate) fn new(
        layout: &Layout,
        rows: &mut [RowsSlab],
        first_row: usize,
        n_rows: usize,
        bytes_left: usize,
    ) -> Lane {
        let levels = vec![Level::default(); layout.levels.len()];
        let slots = layout.slabs.iter().zip(rows).map(|(spec, slab)| {
            assert!(spec.level != ROWS || (first_row + n_rows) * spec.width <= slab.len);
            assert!(slab.first + slab.len <= slab.memory.capacity());
            // SAFETY: within the allocation, by the assertion above.
            unsafe { slab.memory.as_mut_ptr().add(slab.first) }
        });
        let slots = slots.collect();
        let own = layout.slabs.iter().map(|_| MutableBuffer::with_capacity(0)).collect();
        Lane { slots, levels, own, bytes_left }
    }

    /// Reserves memory for the expected slots of a level below the rows, unless that is much: more is added when it is
    /// needed.
    pub(crate) fn expect(&mut self, layout: &Layout, level: LevelId, slots: f64) {
        let slots = ((slots * EXPECTED_AND_MORE) as usize).min(SLOTS_MAX);
        if slots > 0 && slots.saturating_mul(layout.slot_bytes(level)) <= EXPECTED_BYTES_MAX {
            // An error is ignored: the lane fails when it needs the memory.
            let _ = self.grow(layout, level, slots);
        }
    }

    /// Makes room for `more` slots in a level below the rows, up to [`SLOTS_MAX`] if that suffices. The error is the
    /// number of missing bytes.
    pub(crate) fn grow(&mut self, layout: &Layout, level_id: LevelId, more: usize) -> Result<(), usize> {
        let (Some(level), Some(slabs)) = (self.levels.get_mut(level_id.index()), layout.levels.get(level_id.index()))
        else {
            return Ok(());
        };
        let slot_bytes = layout.slot_bytes(level_id);
        let bytes = |capacity: usize| (capacity - level.capacity).saturating_mul(slot_bytes);
        let needed = level.len + more;
        let mut capacity = needed.max((level.capacity * 2).min(SLOTS_MAX)).max(64);
        if bytes(capacity) > self.bytes_left {
            capacity = needed;
        }
        match self.bytes_left.checked_sub(bytes(capacity)) {
            Some(left) => self.bytes_left = left,
            None => return Err(bytes(capacity) - self.bytes_left),
        }
        for &SlabId(id) in slabs {
            let id = id as usize;
            let (Some(spec), Some(slab), Some(slot)) =
                (layout.slabs.get(id), self.own.get_mut(id), self.slots.get_mut(id))
            else {
                continue;
            };
            let written = level.len * spec.width;
            assert!(written <= slab.capacity());
            // SAFETY: every slot below `len` is written: a body writes all slabs of its level (`program::verify`)
            // before the level's length is set, and after a fault, which ends a body early, no level of items or of a
            // branch grows (`items`, `write_union`; text is never partly written). They fit by the assertion.
            unsafe { slab.set_len(written) };
            slab.reserve(capacity * spec.width - written);
            *slot = slab.as_mut_ptr();
        }
        level.capacity = capacity;
        Ok(())
    }

    /// Returns the slabs below the rows, by id, each as long as its level; and the length of each level.
    ///
    /// # Safety
    /// The program has run to its end on this lane without a fault, so every slot below each level's length is
    /// written.
    pub(crate) unsafe fn into_slabs(mut self, layout: &Layout) -> (Vec<MutableBuffer>, Vec<usize>) {
        for (slab, spec) in self.own.iter_mut().zip(&layout.slabs) {
            let len = self.levels.get(spec.level.index()).map_or(0, |level| level.len);
            if spec.level != ROWS {
                let bytes = len * spec.width;
                assert!(bytes <= slab.capacity());
                // SAFETY: written, by the caller's promise, and within the allocation, by the assertion.
                unsafe { slab.set_len(bytes) };
            }
        }
        (self.own, self.levels.iter().map(|level| level.len).collect())
    }
}
