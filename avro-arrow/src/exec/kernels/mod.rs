//! Kernels: how one value is read from a cursor, without branches where that pays.
//!
//! A kernel is given a cursor that is at most a byte after the end of its block, and [`PADDING`](crate::PADDING)
//! readable bytes follow every block. So it may load what it is about to read before it checks anything. What it
//! finds wrong it notes in `bad`; its value then does not matter, but its cursor is at most at the end again.
//!
//! The furthest loads, in bytes after the end of the block ([`FURTHEST`] is the last line's, and `tests` tries all):
//!
//! | what | its cursor is after the end by | loads from there | so up to |
//! |---|---|---|---|
//! | `Boolean`, `short_sized`: a byte | 1 | 1 | 2 |
//! | `long_if`, `skip_varint`: nine or ten bytes | 1 | 10 | 11 |
//! | `is_present` before a varint: a byte, then those of `long_if` | 0 | 1 + 10 | 11 |
//! | `Raw`, `Duration` | 1 | 16 | 17 |
//! | `Decimal128`: length and value in one word | 1 | 8 | 9 |
//! | decimals after `sized` or `fixed`, whose value is in the block | 0 | 16 | 16 |
//! | `few_varints` | 0 | 16 | 16 |
//! | `view` after `sized` | 0 | 12 | 12 |
//! | `is_ascii_64`, `is_short_utf8` after `short_sized` | 0 | 64 | 64 |
//! | `ends`, `varints_len` in `skip_varints` | 1 | 64 | 65 |
//! | `longs`: eight bytes from the last of 64 on | 0 | 63 + 8 | 71 |
//!
//! A cursor that is not checked yet is at most 65 bytes after the end: `short_sized` moves it over a length and 63
//! bytes, `longs` and `skip_varints` over 64. That is in the padding too, as addresses must be.

mod bulk;
mod cpu;
mod decimal;
#[cfg(target_arch = "x86_64")]
mod few;
mod promote;
mod rescale;
#[cfg(test)]
mod tests;
mod text;
mod varint;

pub(super) use bulk::longs;
#[cfg(target_arch = "x86_64")]
pub(super) use cpu::{Avx2, Avx512};
pub(super) use cpu::{Cpu, Portable};
pub(super) use decimal::{Decimal128, Decimal256, FixedDecimal128, FixedDecimal256};
pub(super) use promote::{FloatTo, Found, IntTo, LongTo};
pub(super) use rescale::{Scaled128, Scaled256, Times};
pub(super) use text::{Bytes, Utf8};
pub(super) use varint::{
    is_present, is_present_common, sized, sized_common, skip_varint, skip_varint_common, skip_varints,
    skip_varints_common,
};

use arrow_buffer::IntervalMonthDayNano;
use std::hint::{cold_path, select_unpredictable};
use varint::{long_if, short_long_if};

/// How far after the end of its block a kernel loads, see above.
const FURTHEST: usize = 71;
const _: () = assert!(FURTHEST <= crate::PADDING);

/// What a kernel knows of the block it reads from.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSource {
    /// The first byte of the buffer that the block is in, from which views count.
    pub(super) start: *const u8,
    /// The byte after the block's last.
    pub(super) end: *const u8,
    /// What makes the second half of a view of an address in its upper half: the index of the buffer in the lower half,
    /// and the address of `start` taken off.
    view: u64,
}

impl BlockSource {
    /// A block that ends at `end`, in the buffer of this index that begins at `start`.
    pub(super) fn new(start: *const u8, end: *const u8, buffer: u32) -> BlockSource {
        BlockSource { start, end, view: u64::from(buffer).wrapping_sub((start as u64) << 32) }
    }
}

/// Reads one value into a slot.
pub(super) trait Kernel: Copy {
    /// What the slot holds.
    type Slot: Copy;
    /// Reads the value at `at` and moves `at` after it; or, where no value is `present`, gives a zero and moves
    /// nowhere. Whether one is present should not be branched on: nulls are hard to predict.
    ///
    /// # Safety
    /// R3, R4 and R5, as [`exec`](crate::exec) numbers them: `at` and `source` are of one block, `at` is at most one
    /// byte after its end, [`PADDING`](crate::PADDING) readable bytes follow the end, and `C` fits the CPU.
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool)
    -> Self::Slot;

    /// Whether [`Kernel::read_common`] reads anything.
    const HAS_COMMON: bool = false;

    /// Reads a common value, without a call to a function; `None`, for any other and for what is wrong. Returns the
    /// value and the cursor after it, which is in the block or at its end.
    ///
    /// # Safety
    /// As for [`Kernel::read`].
    #[inline(always)]
    unsafe fn read_common<C: Cpu>(
        self,
        at: *const u8,
        source: &BlockSource,
        present: bool,
    ) -> Option<(Self::Slot, *const u8)> {
        let _ = (at, source, present);
        None
    }
}

/// Moves `at` back to the end if it is after it.
#[inline(always)]
pub(super) fn check(at: &mut *const u8, source: &BlockSource, bad: &mut bool) {
    if *at > source.end {
        cold_path();
        *bad = true;
        *at = source.end;
    }
}

/// All bits set if a value is present, else 0.
#[inline(always)]
fn mask(present: bool) -> u64 {
    u64::from(present).wrapping_neg()
}

#[derive(Clone, Copy)]
pub(super) struct Boolean;

impl Kernel for Boolean {
    type Slot = u8;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> u8 {
        // SAFETY: R4: one byte at the cursor is readable.
        let byte = unsafe { at.read() } & mask(present) as u8;
        if byte > 1 {
            cold_path();
            *bad = true;
        }
        // SAFETY: R4: padding follows.
        *at = unsafe { at.add(usize::from(present)) };
        check(at, source, bad);
        byte & 1
    }
}

#[derive(Clone, Copy)]
pub(super) struct Long;

impl Kernel for Long {
    type Slot = i64;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i64 {
        // SAFETY: R3 to R5.
        let value = unsafe { long_if::<C>(at, present, bad) };
        check(at, source, bad);
        value
    }

    const HAS_COMMON: bool = true;

    #[inline(always)]
    unsafe fn read_common<C: Cpu>(
        self,
        at: *const u8,
        source: &BlockSource,
        present: bool,
    ) -> Option<(i64, *const u8)> {
        // SAFETY: R3 to R5.
        let (value, after) = unsafe { short_long_if::<C>(at, present)? };
        (after <= source.end).then_some((value, after))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Int;

impl Kernel for Int {
    type Slot = i32;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i32 {
        // SAFETY: R3 to R5.
        let value = unsafe { Long.read::<C>(at, source, present, bad) };
        if i64::from(value as i32) != value {
            cold_path();
            *bad = true;
        }
        value as i32
    }

    const HAS_COMMON: bool = true;

    #[inline(always)]
    unsafe fn read_common<C: Cpu>(
        self,
        at: *const u8,
        source: &BlockSource,
        present: bool,
    ) -> Option<(i32, *const u8)> {
        // SAFETY: R3 to R5.
        let (value, after) = unsafe { Long.read_common::<C>(at, source, present)? };
        Some((i32::try_from(value).ok()?, after))
    }
}

/// An index below this.
#[derive(Clone, Copy)]
pub(super) struct Index(pub(super) u32);

impl Kernel for Index {
    type Slot = i32;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i32 {
        // SAFETY: R3 to R5.
        let value = unsafe { Long.read::<C>(at, source, present, bad) };
        if value as u64 >= u64::from(self.0) {
            cold_path();
            *bad = true;
            return 0;
        }
        value as i32
    }

    const HAS_COMMON: bool = true;

    #[inline(always)]
    unsafe fn read_common<C: Cpu>(
        self,
        at: *const u8,
        source: &BlockSource,
        present: bool,
    ) -> Option<(i32, *const u8)> {
        // SAFETY: R3 to R5.
        let (value, after) = unsafe { Long.read_common::<C>(at, source, present)? };
        ((value as u64) < u64::from(self.0)).then_some((value as i32, after))
    }
}

/// `N` bytes, unchanged.
#[derive(Clone, Copy)]
pub(super) struct Raw<const N: usize>;

impl<const N: usize> Kernel for Raw<N> {
    type Slot = [u8; N];

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> [u8; N] {
        const { assert!(N <= 16) };
        // SAFETY: R4: 16 bytes at the cursor are readable, and no more than those are read.
        let value = unsafe { at.cast::<[u8; N]>().read_unaligned() };
        // SAFETY: R4: padding follows.
        *at = unsafe { at.add(if present { N } else { 0 }) };
        check(at, source, bad);
        select_unpredictable(present, value, [0; N])
    }
}

/// Moves over `len` bytes and returns them; an empty slice on a fault.
///
/// # Safety
/// R3, as for [`Kernel::read`], and `len` is at most `isize::MAX`.
#[inline(always)]
pub(super) unsafe fn fixed<'a>(at: &mut *const u8, len: usize, source: &BlockSource, bad: &mut bool) -> &'a [u8] {
    if len as u64 as i64 > source.end as i64 - *at as i64 {
        cold_path();
        *bad = true;
        *at = source.end;
        return &[];
    }
    let from = *at;
    // SAFETY: `len` bytes are left in the block, by the check above.
    unsafe {
        *at = from.add(len);
        std::slice::from_raw_parts(from, len)
    }
}

/// Bytes of a duration.
pub(super) const DURATION_BYTES: usize = 12;

/// A duration; its months or days are negative if they exceed Arrow's type.
// SPEC: Logical Types, Duration: "three little-endian, unsigned integers": months, days, milliseconds.
#[inline(always)]
pub(super) fn duration(bytes: &[u8; DURATION_BYTES]) -> IntervalMonthDayNano {
    let [m0, m1, m2, m3, d0, d1, d2, d3, t0, t1, t2, t3] = *bytes;
    let (months, days) = (i32::from_le_bytes([m0, m1, m2, m3]), i32::from_le_bytes([d0, d1, d2, d3]));
    let millis = u32::from_le_bytes([t0, t1, t2, t3]);
    IntervalMonthDayNano::new(months, days, i64::from(millis) * 1_000_000)
}

#[derive(Clone, Copy)]
pub(super) struct Duration;

impl Kernel for Duration {
    type Slot = IntervalMonthDayNano;

    #[inline(always)]
    unsafe fn read<C: Cpu>(
        self,
        at: &mut *const u8,
        source: &BlockSource,
        present: bool,
        bad: &mut bool,
    ) -> IntervalMonthDayNano {
        // SAFETY: R3 to R5.
        let parts = unsafe { Raw::<DURATION_BYTES>.read::<C>(at, source, present, bad) };
        let value = duration(&parts);
        if (value.months | value.days) < 0 {
            cold_path();
            *bad = true;
        }
        value
    }
}
