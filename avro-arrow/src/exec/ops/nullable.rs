//! Whether a value is present: always, by the mask of predication, by the index of a union with null, or by both.

use crate::exec::kernels::{self, BlockSource, Cpu};
use crate::exec::lane::{LaneCursor, write};
use crate::program::Nulls;

/// The way in which an op determines whether its value is present.
pub(in crate::exec) trait Presence {
    /// Whether the value is nullable: then its validity is written.
    const IS_NULLABLE: bool;

    /// Whether the value at the cursor is present. `mask` is that of the cursor, `nulls` are the op's, if it has some.
    ///
    /// # Safety
    /// R3, R4 and R5; the cursor may then be one byte after the end, until the value is read.
    unsafe fn is_present<C: Cpu>(
        nulls: Nulls,
        mask: u64,
        at: &mut *const u8,
        source: &BlockSource,
        bad: &mut bool,
    ) -> bool;

    /// [`Presence::is_present`] and the cursor after the index; `None` where that is not one byte.
    ///
    /// # Safety
    /// R3, R4 and R5.
    unsafe fn is_present_common(nulls: Nulls, mask: u64, at: *const u8) -> Option<(bool, *const u8)>;
}

/// Every value is present.
pub(in crate::exec) struct Always;

/// Values in an absent record are absent.
pub(in crate::exec) struct Masked;

/// The index of a union with null precedes the value.
pub(in crate::exec) struct Nullable;

/// [`Nullable`], in a record that may be absent.
pub(in crate::exec) struct NullableMasked;

impl Presence for Always {
    const IS_NULLABLE: bool = false;

    #[inline(always)]
    unsafe fn is_present<C: Cpu>(_: Nulls, _: u64, _: &mut *const u8, _: &BlockSource, _: &mut bool) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn is_present_common(_: Nulls, _: u64, at: *const u8) -> Option<(bool, *const u8)> {
        Some((true, at))
    }
}

impl Presence for Masked {
    const IS_NULLABLE: bool = false;

    #[inline(always)]
    unsafe fn is_present<C: Cpu>(_: Nulls, mask: u64, _: &mut *const u8, _: &BlockSource, _: &mut bool) -> bool {
        mask & 1 != 0
    }

    #[inline(always)]
    unsafe fn is_present_common(_: Nulls, mask: u64, at: *const u8) -> Option<(bool, *const u8)> {
        Some((mask & 1 != 0, at))
    }
}

impl Presence for Nullable {
    const IS_NULLABLE: bool = true;

    #[inline(always)]
    unsafe fn is_present<C: Cpu>(
        nulls: Nulls,
        _: u64,
        at: &mut *const u8,
        source: &BlockSource,
        bad: &mut bool,
    ) -> bool {
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::is_present::<C>(at, source, nulls.null_branch, true, bad) }
    }

    #[inline(always)]
    unsafe fn is_present_common(nulls: Nulls, _: u64, at: *const u8) -> Option<(bool, *const u8)> {
        // SAFETY: R4.
        unsafe { kernels::is_present_common(at, nulls.null_branch, true) }
    }
}

impl Presence for NullableMasked {
    const IS_NULLABLE: bool = true;

    #[inline(always)]
    unsafe fn is_present<C: Cpu>(
        nulls: Nulls,
        mask: u64,
        at: &mut *const u8,
        source: &BlockSource,
        bad: &mut bool,
    ) -> bool {
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::is_present::<C>(at, source, nulls.null_branch, mask & 1 != 0, bad) }
    }

    #[inline(always)]
    unsafe fn is_present_common(nulls: Nulls, mask: u64, at: *const u8) -> Option<(bool, *const u8)> {
        // SAFETY: R4.
        unsafe { kernels::is_present_common(at, nulls.null_branch, mask & 1 != 0) }
    }
}

/// Reads whether a nullable record is present, writes that, and begins the record.
///
/// # Safety
/// R1 to R5, for an op with these nulls.
#[inline(always)]
pub(in crate::exec) unsafe fn push_mask<C: Cpu, const K: usize>(
    nulls: Nulls,
    cursors: &mut [LaneCursor; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    for LaneCursor { at, source, slot, mask } in cursors {
        // SAFETY: R1 to R5.
        let present = unsafe {
            let present = NullableMasked::is_present::<C>(nulls, *mask, at, source, bad);
            write(slots, nulls.valid, *slot, u8::from(present));
            present
        };
        kernels::check(at, source, bad);
        *mask = (*mask << 1) | u64::from(present);
    }
}

/// Ends the record that was entered last.
#[inline(always)]
pub(in crate::exec) fn pop_mask<const K: usize>(cursors: &mut [LaneCursor; K]) {
    for cursor in cursors {
        cursor.mask >>= 1;
    }
}
