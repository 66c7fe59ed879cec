//! Varints, lengths, and the index of a union with null.

use super::cpu::CONTINUES;
use super::{BlockSource, Cpu, Index, Kernel, Portable, check, mask};
use std::hint::cold_path;

// SPEC: Binary Encoding, Primitive Types: variable-length zig-zag coding.
/// If one is present, a zig-zag varint of at most ten bytes and 64 bits; else 0. `at` may end up to ten bytes further,
/// after the end of the block.
///
/// # Safety
/// 16 bytes are readable at `at`. `C` fits the CPU.
#[inline(always)]
pub(super) unsafe fn long_if<C: Cpu>(at: &mut *const u8, present: bool, bad: &mut bool) -> i64 {
    // SAFETY: R3 to R5.
    let (value, after) = unsafe {
        short_long_if::<C>(*at, present).unwrap_or_else(|| {
            cold_path();
            long_of_nine_or_ten(*at, bad)
        })
    };
    *at = after;
    value
}

/// [`long_if`] and the cursor after it, at most eight bytes further; `None` for a varint of nine bytes or more.
///
/// # Safety
/// As for [`long_if`].
#[inline(always)]
pub(super) unsafe fn short_long_if<C: Cpu>(at: *const u8, present: bool) -> Option<(i64, *const u8)> {
    // A value that is absent is a zero of one byte, less that byte.
    // SAFETY: R4: readable.
    let word = u64::from_le(unsafe { at.cast::<u64>().read_unaligned() }) & mask(present);
    let stops = !word & CONTINUES;
    if stops == 0 {
        return None;
    }
    // All bits up to the first byte that ends a varint.
    let until_stop = stops ^ (stops - 1);
    // SAFETY: R5; the cursor moves by at most eight of the readable bytes (R4).
    let (bits, after) = unsafe {
        let after = at.add((stops.trailing_zeros() as usize >> 3) + usize::from(present));
        (C::gather_sevens(word & until_stop), after)
    };
    Some(((bits >> 1) as i64 ^ -((bits & 1) as i64), after))
}

/// The value and the cursor after it. (Functions that are called take and return cursors by value: one whose address is
/// taken is in memory, and what comes next waits for it.)
///
/// # Safety
/// Ten bytes are readable at `at`, and the first eight do not end the varint.
#[cold]
#[inline(never)]
unsafe fn long_of_nine_or_ten(at: *const u8, bad: &mut bool) -> (i64, *const u8) {
    // SAFETY: R4: readable.
    let bytes = unsafe { at.cast::<[u8; 10]>().read_unaligned() };
    let mut cursor = crate::encoding::Cursor::new(&bytes);
    let value = cursor.long().unwrap_or_else(|_| {
        *bad = true;
        0
    });
    // SAFETY: R4: within the readable bytes.
    (value, unsafe { at.add(cursor.at()) })
}

/// Reads the index of a union of null and one other branch, and returns whether it is the other; `false` in an absent
/// record, where there is no index. `at` may end a byte after the end of the block, which the kernel that reads the
/// value notices.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn is_present<C: Cpu>(
    at: &mut *const u8,
    source: &BlockSource,
    null_branch: u8,
    record_present: bool,
    bad: &mut bool,
) -> bool {
    // SAFETY: R4: one byte is readable, and more after it; R3 and R5.
    let branch = unsafe {
        let byte = at.read() & mask(record_present) as u8;
        if byte & !2 == 0 {
            *at = at.add(usize::from(record_present));
            byte >> 1
        } else {
            cold_path();
            // Longer than needed, or wrong.
            Index(2).read::<C>(at, source, true, bad) as u8
        }
    };
    (branch != null_branch) & record_present
}

/// [`is_present`] and the cursor after the index, if that is one byte, as it always should be.
///
/// # Safety
/// R4.
#[inline(always)]
pub(in crate::exec) unsafe fn is_present_common(
    at: *const u8,
    null_branch: u8,
    record_present: bool,
) -> Option<(bool, *const u8)> {
    // SAFETY: R4: one byte is readable, and more after it.
    let (byte, after) = unsafe { (at.read() & mask(record_present) as u8, at.add(usize::from(record_present))) };
    (byte & !2 == 0).then_some(((byte >> 1 != null_branch) & record_present, after))
}

/// Reads a length and moves the cursor after the bytes; returns their address and length. On a fault, and if no value
/// is present, the length is 0.
///
/// # Safety
/// R3, R4 and R5, as for [`Kernel::read`].
#[inline(always)]
pub(in crate::exec) unsafe fn sized<C: Cpu>(
    at: &mut *const u8,
    source: &BlockSource,
    present: bool,
    bad: &mut bool,
) -> (*const u8, usize) {
    // SAFETY: R3 to R5.
    unsafe {
        match short_sized(at, source, present, bad) {
            Some((from, len)) => (from, len),
            None => {
                let (from, len) = long_sized(*at, source, bad);
                *at = from.add(len);
                (from, len)
            }
        }
    }
}

/// [`sized`] for lengths below 64, which are one byte: a branch that is easy to predict, and the shortest way to the
/// next value. `None`, and nothing moved, for other lengths.
///
/// # Safety
/// R3, R4 and R5, as for [`Kernel::read`].
#[inline(always)]
pub(super) unsafe fn short_sized(
    at: &mut *const u8,
    source: &BlockSource,
    present: bool,
    bad: &mut bool,
) -> Option<(*const u8, usize)> {
    // SAFETY: R4: one byte at the cursor is readable.
    let byte = unsafe { at.read() } & mask(present) as u8;
    if byte & 0x81 != 0 {
        return None;
    }
    let len = usize::from(byte >> 1);
    // SAFETY: R4: padding follows.
    let from = unsafe { at.add(usize::from(present)) };
    // SAFETY: R4: at most 63 bytes further, in the padding.
    *at = unsafe { from.add(len) };
    if *at > source.end {
        cold_path();
        *bad = true;
        *at = source.end;
        return Some((source.end, 0));
    }
    Some((from, len))
}

/// [`short_sized`] without a fault: `None` for that too.
///
/// # Safety
/// R3, R4 and R5, as for [`Kernel::read`].
#[inline(always)]
pub(in crate::exec) unsafe fn sized_common(
    at: *const u8,
    source: &BlockSource,
    present: bool,
) -> Option<(*const u8, usize)> {
    // SAFETY: R4: one byte at the cursor is readable, and 64 after it.
    let (byte, from) = unsafe { (at.read() & mask(present) as u8, at.add(usize::from(present))) };
    let len = usize::from(byte >> 1);
    // SAFETY: R4: at most 127 bytes further, if at all in the padding by the check of the byte.
    (byte & 0x81 == 0 && from.wrapping_add(len) <= source.end).then_some((from, len))
}

/// [`sized`] for any length of a value that is present. The cursor after it is the bytes' end.
///
/// # Safety
/// R3 and R4, as for [`Kernel::read`].
#[inline(never)]
pub(super) unsafe fn long_sized(mut at: *const u8, source: &BlockSource, bad: &mut bool) -> (*const u8, usize) {
    // SAFETY: R3 to R5.
    let len = unsafe { long_if::<Portable>(&mut at, true, bad) };
    let left = source.end as i64 - at as i64;
    if len < 0 || len > left {
        cold_path();
        *bad = true;
        return (source.end, 0);
    }
    (at, len as usize)
}

/// Skips this many varints.
///
/// # Safety
/// R3, R4 and R5, as for [`Kernel::read`].
#[inline(always)]
pub(in crate::exec) unsafe fn skip_varints<C: Cpu>(at: &mut *const u8, n: u32, source: &BlockSource, bad: &mut bool) {
    // SAFETY: R4: 64 bytes are readable; R5.
    if let Some(len) = unsafe { C::varints_len(*at, n) } {
        // SAFETY: R4: at most 64 of the readable bytes.
        *at = unsafe { at.add(len) };
        return check(at, source, bad);
    }
    let mut left = n;
    while left > 0 && !*bad {
        // The varints that end among the examined bytes, or one long varint.
        // SAFETY: R4: 64 bytes are readable; R5.
        let (moved, len) = unsafe {
            let n = left.min(C::ends(*at).count_ones());
            (n, C::varints_len(*at, n))
        };
        match len {
            Some(len) => {
                // SAFETY: R4: at most 64 of the readable bytes.
                *at = unsafe { at.add(len) };
                left -= moved;
                check(at, source, bad);
            }
            None => {
                // SAFETY: R3 to R5.
                unsafe { skip_varint(at, source, true, bad) };
                left -= 1;
            }
        }
    }
}

/// The cursor after this many varints; `None` where [`Cpu::varints_len`] does not apply, and on a fault.
///
/// # Safety
/// R4 and R5, as for [`Kernel::read`].
#[inline(always)]
pub(in crate::exec) unsafe fn skip_varints_common<C: Cpu>(
    at: *const u8,
    n: u32,
    source: &BlockSource,
) -> Option<*const u8> {
    // SAFETY: R4: 64 bytes are readable; R5.
    let after = at.wrapping_add(unsafe { C::varints_len(at, n)? });
    (after <= source.end).then_some(after)
}

/// The cursor after one varint, if one is present; `None` if it has nine bytes or more, and on a fault.
///
/// # Safety
/// R4, as for [`Kernel::read`].
#[inline(always)]
pub(in crate::exec) unsafe fn skip_varint_common(
    at: *const u8,
    source: &BlockSource,
    present: bool,
) -> Option<*const u8> {
    // One that is absent is a zero of one byte, less that byte.
    // SAFETY: R4: readable.
    let word = u64::from_le(unsafe { at.cast::<u64>().read_unaligned() }) & mask(present);
    let stops = !word & CONTINUES;
    let after = at.wrapping_add((stops.trailing_zeros() as usize >> 3) + usize::from(present));
    (stops != 0 && after <= source.end).then_some(after)
}

/// Moves over one varint, if one is present.
///
/// # Safety
/// R3, R4 and R5, as for [`Kernel::read`].
#[inline(always)]
pub(in crate::exec) unsafe fn skip_varint(at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) {
    // SAFETY: R4: readable, and the cursor moves by at most ten of these bytes.
    unsafe {
        // One that is absent is a zero of one byte, less that byte.
        let word = u64::from_le(at.cast::<u64>().read_unaligned()) & mask(present);
        let stops = !word & CONTINUES;
        if stops == 0 {
            cold_path();
            (_, *at) = long_of_nine_or_ten(*at, bad);
        } else {
            *at = at.add((stops.trailing_zeros() as usize >> 3) + usize::from(present));
        }
    }
    check(at, source, bad);
}
