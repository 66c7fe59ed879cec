//! Strings and bytes as Arrow's views.

use super::varint::{long_sized, short_sized, sized_common};
use super::{BlockSource, Cpu, Kernel};
use std::hint::{cold_path, select_unpredictable};

/// Number of lengths in [`KEPT`]: those of one byte.
const LENGTHS: usize = 64;

/// Masks, by length, of the first four bytes and of the eight after them that a view holds: all of a text of at most
/// twelve bytes, else the first four.
const KEPT: [(u32, u64); LENGTHS] = {
    let mut kept = [(u32::MAX, 0); LENGTHS];
    let mut len = 0;
    while len <= 12 {
        let bits: u128 = (1 << (8 * len)) - 1;
        kept[len] = (bits as u32, (bits >> 32) as u64);
        len += 1;
    }
    kept
};

/// Arrow's view of bytes: the length; the bytes themselves if there are at most twelve, else four of them, the buffer
/// and the offset in it. Without a branch: lengths of text are hard to predict.
///
/// # Safety
/// `len` bytes at `from` are in the block of `source`, and 12 are readable.
#[inline(always)]
unsafe fn view(from: *const u8, len: usize, source: &BlockSource) -> u128 {
    // SAFETY: R3 to R5.
    let (first, second) = unsafe { (from.cast::<u32>().read_unaligned(), from.add(4).cast::<u64>().read_unaligned()) };
    let (kept_first, kept_second) = KEPT[len.min(LENGTHS - 1)];
    let low = len as u64 | (u64::from(u32::from_le(first) & kept_first) << 32);
    let outside = ((from as u64) << 32).wrapping_add(source.view);
    let high = select_unpredictable(len > 12, outside, u64::from_le(second) & kept_second);
    u128::from(low) | (u128::from(high) << 64)
}

#[derive(Clone, Copy)]
pub(in crate::exec) struct Bytes;

impl Kernel for Bytes {
    type Slot = u128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> u128 {
        // SAFETY: R3 to R5; `sized` returns bytes in the block, and R4: padding follows them.
        unsafe {
            match short_sized(at, source, present, bad) {
                Some((from, len)) => view(from, len, source),
                None => {
                    let (view, after) = long_bytes(*at, source, bad);
                    *at = after;
                    view
                }
            }
        }
    }

    const HAS_COMMON: bool = true;

    #[inline(always)]
    unsafe fn read_common<C: Cpu>(
        self,
        at: *const u8,
        source: &BlockSource,
        present: bool,
    ) -> Option<(u128, *const u8)> {
        // SAFETY: R3 to R5; `sized_common` returns bytes in the block, and R4: padding follows them.
        unsafe {
            let (from, len) = sized_common(at, source, present)?;
            Some((view(from, len, source), from.add(len)))
        }
    }
}

/// # Safety
/// R3 and R4, as for [`Kernel::read`].
#[inline(never)]
unsafe fn long_bytes(at: *const u8, source: &BlockSource, bad: &mut bool) -> (u128, *const u8) {
    // SAFETY: R3 and R4, as in `Bytes`.
    unsafe {
        let (from, len) = long_sized(at, source, bad);
        (view(from, len, source), from.add(len))
    }
}

#[derive(Clone, Copy)]
pub(in crate::exec) struct Utf8;

impl Kernel for Utf8 {
    type Slot = u128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> u128 {
        // SAFETY: R3 to R5; `short_sized` returns bytes in the block, and R4: padding follows them.
        unsafe {
            match short_sized(at, source, present, bad) {
                Some((from, len)) => {
                    if !C::is_ascii_64(from, len) {
                        *bad |= !is_short_utf8(from, len);
                    }
                    view(from, len, source)
                }
                None => {
                    let (view, after) = long_text(*at, source, bad);
                    *at = after;
                    view
                }
            }
        }
    }

    const HAS_COMMON: bool = true;

    #[inline(always)]
    unsafe fn read_common<C: Cpu>(
        self,
        at: *const u8,
        source: &BlockSource,
        present: bool,
    ) -> Option<(u128, *const u8)> {
        // SAFETY: R3 to R5; `sized_common` returns bytes in the block, and R4: padding follows them.
        unsafe {
            let (from, len) = sized_common(at, source, present)?;
            C::is_ascii_64(from, len).then(|| (view(from, len, source), from.add(len)))
        }
    }
}

/// # Safety
/// R3 and R4, as for [`Kernel::read`].
#[inline(never)]
unsafe fn long_text(at: *const u8, source: &BlockSource, bad: &mut bool) -> (u128, *const u8) {
    // SAFETY: R3 and R4, as in `Utf8`.
    unsafe {
        let (from, len) = long_sized(at, source, bad);
        let bytes = std::slice::from_raw_parts(from, len);
        if !is_utf8(bytes) {
            cold_path();
            *bad = true;
        }
        (view(from, len, source), from.add(len))
    }
}

/// Whether these bytes are UTF-8. `simdutf8` is fast from 64 bytes on, so they are padded with zeros. (Short texts that
/// are not ASCII: 11 million a second without, 60 with.)
///
/// # Safety
/// 64 bytes at `from` are readable, of which `len` are the text.
#[inline(never)]
unsafe fn is_short_utf8(from: *const u8, len: usize) -> bool {
    const KEPT: [u8; 128] = {
        let mut kept = [0; 128];
        let mut at = 0;
        while at < 64 {
            kept[at] = 0xff;
            at += 1;
        }
        kept
    };
    // SAFETY: R4: readable.
    let mut bytes = unsafe { from.cast::<[u8; 64]>().read_unaligned() };
    let kept = KEPT.iter().skip(64 - len.min(64));
    bytes.iter_mut().zip(kept).for_each(|(byte, kept)| *byte &= kept);
    is_utf8(&bytes)
}

#[inline(never)]
fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}
