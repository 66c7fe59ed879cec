//! Strings and bytes as Arrow's views.

use super::varint::sized;
use super::{Cpu, Kernel, Source};
use std::hint::select_unpredictable;

/// For each length up to 12 the bytes that a view holds, and last the prefix that it holds of longer ones.
const KEPT: [u128; 14] = {
    let mut kept = [0; 14];
    let mut len = 0;
    while len < 13 {
        kept[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    kept[13] = 0xffff_ffff;
    kept
};

/// Arrow's view of bytes: the length; the bytes themselves if there are at most twelve, else four of them, the buffer and
/// the offset in it. Without a branch: lengths of text are hard to predict.
///
/// # Safety
/// `len` bytes at `from` are in the block of `source`, and 16 are readable.
#[inline(always)]
unsafe fn view(from: *const u8, len: usize, source: &Source) -> u128 {
    // SAFETY: the caller's promise.
    let head = u128::from_le(unsafe { from.cast::<u128>().read_unaligned() });
    let kept = head & KEPT[len.min(13)];
    let low = len as u64 | ((kept as u64) << 32);
    let inside = (kept >> 32) as u64;
    let offset = from as usize - source.start as usize;
    let outside = u64::from(source.buffer) | ((offset as u64) << 32);
    let high = select_unpredictable(len > 12, outside, inside);
    u128::from(low) | (u128::from(high) << 64)
}

#[derive(Clone, Copy)]
pub(in crate::program) struct Bytes;

impl Kernel for Bytes {
    type Slot = u128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> u128 {
        // SAFETY: the caller's promise, and what `sized` gives is in the block, with padding behind.
        unsafe {
            let (from, len) = sized::<C>(at, source, present, bad);
            view(from, len, source)
        }
    }
}

#[derive(Clone, Copy)]
pub(in crate::program) struct Utf8;

impl Kernel for Utf8 {
    type Slot = u128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> u128 {
        // SAFETY: the caller's promise, and what `sized` gives is in the block, with padding behind.
        unsafe {
            let (from, len) = sized::<C>(at, source, present, bad);
            if !is_ascii::<C>(from, len) && !is_utf8(std::slice::from_raw_parts(from, len)) {
                *bad = true;
                return 0;
            }
            view(from, len, source)
        }
    }
}

/// # Safety
/// `len` bytes at `from` are readable, and 64 more. `C` fits the CPU.
#[inline(always)]
unsafe fn is_ascii<C: Cpu>(from: *const u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { if len <= 64 { C::is_ascii_64(from, len) } else { std::slice::from_raw_parts(from, len).is_ascii() } }
}

#[cold]
#[inline(never)]
fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}
