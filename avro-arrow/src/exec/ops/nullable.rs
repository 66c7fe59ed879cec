//! Whether a value is present: always, by the mask of predication, by the index of a union with null, or by both.

use crate::exec::kernels::{self, Cpu};
use crate::exec::lane::{Place, write};
use crate::program::Nulls;

/// The way in which an op determines whether its value is present.
pub(in crate::exec) trait Presence: Copy {
    /// Whether the value at the cursor is present.
    ///
    /// # Safety
    /// R3, R4 and R5; the cursor may then be one byte after the end, until the value is read.
    unsafe fn is_present<C: Cpu>(self, place: &mut Place, bad: &mut bool) -> bool;

    /// Writes whether the value is valid, if it is nullable.
    ///
    /// # Safety
    /// R1 and R2, for an op with these nulls.
    #[inline(always)]
    unsafe fn write_valid(self, slots: *const *mut u8, place: &Place, present: bool) {
        let _ = (slots, place, present);
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
    unsafe fn is_present<C: Cpu>(self, _: &mut Place, _: &mut bool) -> bool {
        true
    }
}

impl Presence for Masked {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, place: &mut Place, _: &mut bool) -> bool {
        place.is_inside()
    }
}

impl Presence for Nullable {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, place: &mut Place, bad: &mut bool) -> bool {
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::is_present::<C>(&mut place.at, &place.source, self.0.null_branch, true, bad) }
    }

    #[inline(always)]
    unsafe fn write_valid(self, slots: *const *mut u8, place: &Place, present: bool) {
        // SAFETY: R1 and R2.
        unsafe { write(slots, self.0.valid, place.slot, u8::from(present)) }
    }
}

impl Presence for NullableMasked {
    #[inline(always)]
    unsafe fn is_present<C: Cpu>(self, place: &mut Place, bad: &mut bool) -> bool {
        let inside = place.is_inside();
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::is_present::<C>(&mut place.at, &place.source, self.0.null_branch, inside, bad) }
    }

    #[inline(always)]
    unsafe fn write_valid(self, slots: *const *mut u8, place: &Place, present: bool) {
        // SAFETY: R1 and R2.
        unsafe { write(slots, self.0.valid, place.slot, u8::from(present)) }
    }
}

/// Reads whether a nullable record is present, writes that, and begins the record.
///
/// # Safety
/// R1 to R5, for an op with these nulls.
#[inline(always)]
pub(in crate::exec) unsafe fn enter<C: Cpu, const K: usize>(
    nulls: Nulls,
    places: &mut [Place; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    for place in places {
        // SAFETY: R1 to R5.
        let present = unsafe {
            let present = NullableMasked(nulls).is_present::<C>(place, bad);
            NullableMasked(nulls).write_valid(slots, place, present);
            present
        };
        kernels::check(&mut place.at, &place.source, bad);
        place.inside = (place.inside << 1) | u64::from(present);
    }
}

/// Ends the record that was entered last.
#[inline(always)]
pub(in crate::exec) fn leave<const K: usize>(places: &mut [Place; K]) {
    for place in places {
        place.inside >>= 1;
    }
}
