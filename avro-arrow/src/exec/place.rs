//! The position of a lane, and writes to slots.

use super::kernels::{self, Source};
use crate::column::SlabId;

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
    #[inline(always)]
    pub(super) fn is_inside(&self) -> bool {
        self.inside & 1 != 0
    }
}

/// Writes a slot.
///
/// # Safety
/// `slots` are a lane's; `position` is below the capacity of the slab's level in that lane, and the slab's width is
/// that of `T`.
#[inline(always)]
pub(super) unsafe fn write<T>(slots: *const *mut u8, slab: SlabId, position: usize, value: T) {
    // SAFETY: `verify` checked that the slab exists; within its memory by the caller's promise and `Slots`.
    unsafe { (*slots.add(slab.index())).cast::<T>().add(position).write_unaligned(value) }
}

/// # Safety
/// As [`run_body`](super::run_body), for a slab of width `n`.
#[inline(always)]
pub(super) unsafe fn read_fixed(place: &mut Place, n: u32, slots: *const *mut u8, to: SlabId, bad: &mut bool) {
    let n = n as usize;
    // SAFETY: the caller's promise; `bytes` is empty or `n` long.
    unsafe {
        let bytes = kernels::fixed(&mut place.at, n, &place.source, bad);
        let slot = (*slots.add(to.index())).add(place.slot * n);
        slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
}

/// # Safety
/// As [`write`], for a slab of this width.
#[inline(always)]
pub(super) unsafe fn zero(slots: *const *mut u8, to: SlabId, width: usize, position: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        // Without a call for the usual widths.
        match width {
            1 => write(slots, to, position, 0u8),
            4 => write(slots, to, position, 0u32),
            8 => write(slots, to, position, 0u64),
            16 => write(slots, to, position, 0u128),
            _ => (*slots.add(to.index())).add(position * width).write_bytes(0, width),
        }
    }
}
