//! Varints, lengths, and the index of a union with null.

use super::cpu::CONTINUES;
use super::{Cpu, Index, Kernel, Long, Source, check};
use std::hint::select_unpredictable;

// SPEC: Binary Encoding, Primitive Types: variable-length zig-zag coding.
/// A zig-zag varint of at most ten bytes and 64 bits. `at` may end up to ten bytes behind the end of the block.
///
/// # Safety
/// 16 bytes are readable at `at`. `C` fits the CPU.
#[inline(always)]
pub(in crate::program) unsafe fn long<C: Cpu>(at: &mut *const u8, bad: &mut bool) -> i64 {
    // SAFETY: readable by the caller's promise.
    let word = u64::from_le(unsafe { at.cast::<u64>().read_unaligned() });
    let stops = !word & CONTINUES;
    if stops == 0 {
        // SAFETY: the caller's promise.
        return unsafe { long_of_nine_or_ten(at, bad) };
    }
    // All bits up to the first byte that ends a varint.
    let until_stop = stops ^ (stops - 1);
    // SAFETY: the caller's promise; the cursor moves by at most eight of the readable bytes.
    let bits = unsafe {
        *at = at.add((stops.trailing_zeros() as usize >> 3) + 1);
        C::gather_sevens(word & until_stop)
    };
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}

/// # Safety
/// Ten bytes are readable at `at`, and the first eight do not end the varint.
#[cold]
#[inline(never)]
unsafe fn long_of_nine_or_ten(at: &mut *const u8, bad: &mut bool) -> i64 {
    // SAFETY: readable by the caller's promise.
    let bytes = unsafe { at.cast::<[u8; 10]>().read_unaligned() };
    let mut cursor = crate::bytes::Cursor::new(&bytes);
    let value = cursor.long().unwrap_or_else(|_| {
        *bad = true;
        0
    });
    // SAFETY: within the readable bytes.
    *at = unsafe { at.add(cursor.at()) };
    value
}

/// A [`long`] if one is present, else 0.
///
/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn long_if<C: Cpu>(at: &mut *const u8, present: bool, bad: &mut bool) -> i64 {
    let (mut ahead, mut bad_ahead) = (*at, false);
    // SAFETY: the caller's promise.
    let value = unsafe { long::<C>(&mut ahead, &mut bad_ahead) };
    *at = select_unpredictable(present, ahead, *at);
    *bad |= bad_ahead & present;
    select_unpredictable(present, value, 0)
}

/// The index of a union of null and one other: is it the other?
///
/// # Safety
/// As [`Kernel::read`].
#[inline(always)]
pub(in crate::program) unsafe fn is_present<C: Cpu>(
    at: &mut *const u8,
    source: &Source,
    null_branch: u8,
    bad: &mut bool,
) -> bool {
    // SAFETY: one byte is readable, and where it is in the block the cursor may move behind it.
    let branch = unsafe {
        let byte = at.read();
        if byte & !2 == 0 && *at < source.end {
            *at = at.add(1);
            byte >> 1
        } else {
            // Longer than needed, or wrong.
            Index(2).read::<C>(at, source, true, bad) as u8
        }
    };
    branch != null_branch
}

/// A length, and the cursor moved behind the bytes; their address and length. On a fault the length is 0.
///
/// # Safety
/// As [`Kernel::read`].
#[inline(always)]
pub(super) unsafe fn sized<C: Cpu>(
    at: &mut *const u8,
    source: &Source,
    present: bool,
    bad: &mut bool,
) -> (*const u8, usize) {
    // SAFETY: one byte at the cursor is readable, and padding follows.
    let (byte, behind) = unsafe { (at.read(), at.add(usize::from(present))) };
    // Nearly all lengths are below 64, one byte: a branch that is easy to predict, and the shortest way to the next value.
    let len = if byte & 0x81 == 0 {
        *at = behind;
        i64::from(select_unpredictable(present, byte >> 1, 0))
    } else {
        // SAFETY: the caller's promise.
        unsafe { long_if::<C>(at, present, bad) }
    };
    let left = source.end as isize - *at as isize;
    if len < 0 || len > left as i64 {
        *bad = true;
        *at = source.end;
        return (source.end, 0);
    }
    let from = *at;
    // SAFETY: `len` bytes are left in the block, by the check above.
    *at = unsafe { from.add(len as usize) };
    (from, len as usize)
}

/// Moves over so many lengths and bytes.
///
/// # Safety
/// As [`Kernel::read`].
#[inline(always)]
pub(in crate::program) unsafe fn skip_sized<C: Cpu>(at: &mut *const u8, n: u32, source: &Source, bad: &mut bool) {
    let mut ahead = *at;
    for _ in 0..n {
        // SAFETY: the caller's promise.
        unsafe { sized::<C>(&mut ahead, source, true, bad) };
    }
    *at = ahead;
}

/// Moves over so many varints.
///
/// # Safety
/// As [`Kernel::read`].
#[inline(always)]
pub(in crate::program) unsafe fn skip_varints<C: Cpu>(at: &mut *const u8, n: u32, source: &Source, bad: &mut bool) {
    let mut ahead = *at;
    // SAFETY: the caller's promise: 64 bytes are readable.
    match unsafe { C::varints_len(ahead, n) } {
        // SAFETY: at most 32 of the readable bytes.
        Some(len) => ahead = unsafe { ahead.add(len) },
        None => {
            for _ in 0..n {
                // SAFETY: the caller's promise.
                unsafe { Long.read::<C>(&mut ahead, source, true, bad) };
            }
        }
    }
    check(&mut ahead, source, bad);
    *at = ahead;
}
