//! The values of events: each moves a cursor of a block, and returns what a slot holds.

use crate::limit::rows::{Cpu, decimal_of};
use std::arch::x86_64::_pext_u64;
use std::hint::{cold_path, select_unpredictable};

/// The block that is read.
pub(super) struct Source {
    pub(super) end: *const u8,
    /// What makes the second half of a view of an address in its upper half.
    pub(super) view: u64,
}

/// Moves the cursor back to the end if it is after it.
#[inline(always)]
fn check(at: &mut *const u8, block: &Source, bad: &mut bool) {
    if *at > block.end {
        cold_path();
        *bad = true;
        *at = block.end;
    }
}

/// All of the following: a value, or zero if none is present. The cursor is at most a byte after the end of its block,
/// until it is checked.
///
/// # Safety
/// 64 bytes at the cursor are readable, and the CPU has BMI2.
#[inline(always)]
pub(super) unsafe fn long(at: &mut *const u8, present: bool, block: &Source, bad: &mut bool) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        let word = at.cast::<u64>().read_unaligned() & u64::from(present).wrapping_neg();
        let stops = !word & 0x8080_8080_8080_8080;
        if stops == 0 {
            cold_path();
            let (value, after, fine) = rare_long(*at, block.end);
            (*at, *bad) = (after, *bad | !fine);
            return value;
        }
        *at = at.add((stops.trailing_zeros() as usize >> 3) + usize::from(present));
        check(at, block, bad);
        let bits = _pext_u64(word & (stops ^ (stops - 1)), 0x7f7f_7f7f_7f7f_7f7f);
        (bits >> 1) as i64 ^ -((bits & 1) as i64)
    }
}

/// A varint of any length, the cursor after it, and whether it is one.
///
/// # Safety
/// The cursor is at most at the end.
#[cold]
#[inline(never)]
unsafe fn rare_long(at: *const u8, end: *const u8) -> (i64, *const u8, bool) {
    // SAFETY: what is left of the block.
    let bytes = unsafe { std::slice::from_raw_parts(at, (end as usize).saturating_sub(at as usize)) };
    let mut bits = 0;
    for (nth, &byte) in bytes.iter().take(10).enumerate() {
        bits |= u64::from(byte & 0x7f) << (7 * nth);
        if byte < 0x80 {
            return ((bits >> 1) as i64 ^ -((bits & 1) as i64), at.wrapping_add(nth + 1), nth < 9 || byte <= 1);
        }
    }
    (0, end, false)
}

/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn int(at: &mut *const u8, present: bool, block: &Source, bad: &mut bool) -> i32 {
    // SAFETY: the caller's promise.
    let value = unsafe { long(at, present, block, bad) };
    *bad |= i64::from(value as i32) != value;
    value as i32
}

/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn index(at: &mut *const u8, below: u64, present: bool, block: &Source, bad: &mut bool) -> i32 {
    // SAFETY: the caller's promise.
    let value = unsafe { long(at, present, block, bad) };
    *bad |= value as u64 >= below;
    value as i32
}

/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn boolean(at: &mut *const u8, block: &Source, bad: &mut bool) -> u8 {
    // SAFETY: the caller's promise.
    let [byte] = unsafe { raw(at, true, block, bad) };
    *bad |= byte > 1;
    byte & 1
}

/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn raw<const N: usize>(at: &mut *const u8, present: bool, block: &Source, bad: &mut bool) -> [u8; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let value = at.cast::<[u8; N]>().read_unaligned();
        *at = at.add(if present { N } else { 0 });
        check(at, block, bad);
        select_unpredictable(present, value, [0; N])
    }
}

/// The index of a union of null and another type.
///
/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn is_present(at: &mut *const u8, outer: bool, block: &Source, bad: &mut bool) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let byte = at.read() & u8::from(outer).wrapping_neg();
        if byte & !2 != 0 {
            cold_path();
            return index(at, 2, true, block, bad) == 1;
        }
        *at = at.add(usize::from(outer));
        byte == 2
    }
}

/// Items of a list: how many, and where they end, if the file says that.
pub(super) struct Run {
    pub(super) n: usize,
    end: Option<*const u8>,
}

impl Run {
    /// Notes it if they did not end where the file says.
    #[inline(always)]
    pub(super) fn check(&self, at: *const u8, bad: &mut bool) {
        *bad |= self.end.is_some_and(|end| end != at);
    }
}

/// The next items of a list; none at its end.
///
/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn items(at: &mut *const u8, block: &Source, bad: &mut bool) -> Option<Run> {
    // SAFETY: the caller's promise.
    unsafe {
        let n = long(at, true, block, bad);
        let left = block.end as usize - *at as usize;
        if n.unsigned_abs() as usize > left || *bad {
            cold_path();
            *bad = true;
            return None;
        }
        let mut end = None;
        if n < 0 {
            cold_path();
            let bytes = long(at, true, block, bad);
            end = Some(at.wrapping_offset(bytes as isize));
        }
        (n != 0).then_some(Run { n: n.unsigned_abs() as usize, end })
    }
}

/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn decimal(at: &mut *const u8, block: &Source, bad: &mut bool) -> i128 {
    // SAFETY: the caller's promise.
    unsafe {
        let word = at.cast::<u64>().read_unaligned();
        let more = (word as u8).rotate_right(1).wrapping_sub(1);
        if more >= 7 {
            cold_path();
            let (from, len) = rare_sized(at, block, bad);
            let (value, fine) = decimal_of(std::slice::from_raw_parts(from, len)).map_or((0, false), |v| (v, true));
            *bad |= !fine;
            return value;
        }
        *at = at.add(usize::from(more) + 2);
        check(at, block, bad);
        i128::from((word.swap_bytes() << 8) as i64 >> ((u32::from(more) * 8) ^ 56))
    }
}

/// A length of any size, and as many bytes.
///
/// # Safety
/// As [`long`].
#[inline(always)]
unsafe fn rare_sized(at: &mut *const u8, block: &Source, bad: &mut bool) -> (*const u8, usize) {
    // SAFETY: the caller's promise.
    let len = unsafe { long(at, true, block, bad) } as usize;
    if len > block.end as usize - *at as usize {
        *bad = true;
        return (*at, 0);
    }
    let from = *at;
    *at = from.wrapping_add(len);
    (from, len)
}

/// Masks, by length, of the bytes of a view that are text.
const KEPT: [(u32, u64); 64] = {
    let mut kept = [(u32::MAX, 0); 64];
    let mut len = 0;
    while len <= 12 {
        let bits: u128 = (1 << (8 * len)) - 1;
        kept[len] = (bits as u32, (bits >> 32) as u64);
        len += 1;
    }
    kept
};

/// A view of checked text.
///
/// # Safety
/// As [`long`].
#[inline(always)]
pub(super) unsafe fn text<C: Cpu>(at: &mut *const u8, present: bool, block: &Source, bad: &mut bool) -> u128 {
    // SAFETY: the caller's promise.
    unsafe {
        let byte = at.read() & u8::from(present).wrapping_neg();
        if byte & 0x81 != 0 {
            cold_path();
            let (view, after, fine) = rare_text(*at, block);
            (*at, *bad) = (after, *bad | !fine);
            return view;
        }
        let len = usize::from(byte >> 1);
        let from = at.add(usize::from(present));
        *at = from.add(len);
        check(at, block, bad);
        if !C::is_ascii_64(from, len) {
            *bad |= !is_utf8(from, len);
        }
        view(from, len, block)
    }
}

/// # Safety
/// `len` bytes and 12 are readable.
#[inline(always)]
unsafe fn view(from: *const u8, len: usize, block: &Source) -> u128 {
    // SAFETY: the caller's promise.
    let (first, second) = unsafe { (from.cast::<u32>().read_unaligned(), from.add(4).cast::<u64>().read_unaligned()) };
    let (kept_first, kept_second) = KEPT[len.min(KEPT.len() - 1)];
    let low = len as u64 | (u64::from(first & kept_first) << 32);
    let outside = ((from as u64) << 32).wrapping_add(block.view);
    let high = select_unpredictable(len > 12, outside, second & kept_second);
    u128::from(low) | (u128::from(high) << 64)
}

/// # Safety
/// As [`long`].
#[inline(never)]
unsafe fn rare_text(mut at: *const u8, block: &Source) -> (u128, *const u8, bool) {
    let mut bad = false;
    // SAFETY: the caller's promise.
    unsafe {
        let (from, len) = rare_sized(&mut at, block, &mut bad);
        (view(from, len, block), at, !bad && is_utf8(from, len))
    }
}

/// # Safety
/// `len` bytes are readable.
#[inline(never)]
unsafe fn is_utf8(from: *const u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(from, len) }).is_ok()
}
