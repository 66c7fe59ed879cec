//! Whether a value is present: always, by the mask of predication, by the index of a union with null, or by both.

use crate::exec::kernels::{self, Cpu};
use crate::exec::lane::{LaneCursor, write};
use crate::program::Nulls;

/// The way in which an op determines whether its value is present.
pub(in crate::exec) trait Presence: Copy {
    /// Whether the value at the cursor is present.
    ///
    /// # Safety
    /// R3, R4 and R5; the cursor may then be one byte after the end, until the value is read.
    unsafe fn is_present<C: Cpu>(self, cursor: &mut LaneCursor, bad: &mut bool) -> bool;

    /// Writes whether the value is valid, if it is nullable.
    ///
    /// # Safety
    /// R1 and R2, for an op with these nulls.
    #[inline(always)]
    unsafe fn write_valid(self, slots: *const *mut u8, cursor: &LaneCursor, present: bool) {
        let _ = (slots, cursor, present);
    }
}

/// Every value is present.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Always;

/// Values in an absent record are absent.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Masked;

/// The index of a union with null precedes the value.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Nullable(pub(in crate::exec) Nulls);

/// [`Nullable`], in a record that may be absent.
#[derive(Clone, Copy)]
pub(in crate::exec) struct NullableMasked(pub(in crate::exec) Nulls);

impl Presence for Always {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, _: &mut LaneCursor, _: &mut bool) -> bool {
        true
    }
}

impl Presence for Masked {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, cursor: &mut LaneCursor, _: &mut bool) -> bool {
        cursor.record_is_present()
    }
}

impl Presence for Nullable {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, cursor: &mut LaneCursor, bad: &mut bool) -> bool {
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::is_present::<C>(&mut cursor.at, &cursor.source, self.0.null_branch, true, bad) }
    }

    #[inline(always)]
    unsafe fn write_valid(self, slots: *const *mut u8, cursor: &LaneCursor, present: bool) {
        // SAFETY: R1 and R2.
        unsafe { write(slots, self.0.valid, cursor.slot, u8::from(present)) }
    }
}

impl Presence for NullableMasked {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, cursor: &mut LaneCursor, bad: &mut bool) -> bool {
        let record_present = cursor.record_is_present();
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::is_present::<C>(&mut cursor.at, &cursor.source, self.0.null_branch, record_present, bad) }
    }

    #[inline(always)]
    unsafe fn write_valid(self, slots: *const *mut u8, cursor: &LaneCursor, present: bool) {
        // SAFETY: R1 and R2.
        unsafe { write(slots, self.0.valid, cursor.slot, u8::from(present)) }
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
    for cursor in cursors {
        // SAFETY: R1 to R5.
        let present = unsafe {
            let present = NullableMasked(nulls).is_present::<C>(cursor, bad);
            NullableMasked(nulls).write_valid(slots, cursor, present);
            present
        };
        kernels::check(&mut cursor.at, &cursor.source, bad);
        cursor.mask = (cursor.mask << 1) | u64::from(present);
    }
}

/// Ends the record that was entered last.
#[inline(always)]
pub(in crate::exec) fn pop_mask<const K: usize>(cursors: &mut [LaneCursor; K]) {
    for cursor in cursors {
        cursor.mask >>= 1;
    }
}
