//! Decimals on bytes and on fixed.

use super::varint::sized;
use super::{BlockSource, Cpu, Kernel, Portable, check, fixed};
use arrow_buffer::i256;
use std::hint::select_unpredictable;

/// A decimal's bytes, most significant first, as an `i128`; `None` if they do not fit.
// SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte
// order".
pub(crate) fn decimal128(bytes: &[u8]) -> Option<i128> {
    extended(bytes).map(i128::from_be_bytes)
}

/// A decimal's bytes, most significant first, as an `i256`; `None` where they do not fit.
pub(crate) fn decimal256(bytes: &[u8]) -> Option<i256> {
    extended(bytes).map(i256::from_be_bytes)
}

/// The sign-extended last `N` bytes, if all before them only extend the sign.
fn extended<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let sign = if bytes.first().is_some_and(|&b| b & 0x80 != 0) { 0xff } else { 0 };
    let mut value = [sign; N];
    match bytes.len().checked_sub(N) {
        None => value.get_mut(N - bytes.len()..)?.copy_from_slice(bytes),
        Some(more) => {
            let (extension, kept) = bytes.split_at_checked(more)?;
            value.copy_from_slice(kept);
            let same_sign = value.first().is_some_and(|&b| b & 0x80 == sign & 0x80);
            if extension.iter().any(|&b| b != sign) || !same_sign {
                return None;
            }
        }
    }
    Some(value)
}

/// A decimal of `len` bytes at `from`, which has a fast path for what fits 64 bits.
///
/// # Safety
/// `len` bytes at `from` are readable, and 16 more.
#[inline(always)]
unsafe fn decimal128_at(from: *const u8, len: usize, bad: &mut bool) -> i128 {
    if len <= 8 {
        // SAFETY: R4: readable.
        let word = u64::from_be(unsafe { from.cast::<u64>().read_unaligned() });
        let value = (word as i64).wrapping_shr(64 - 8 * len as u32);
        return i128::from(select_unpredictable(len > 0, value, 0));
    }
    if len <= 16 {
        // SAFETY: R4: readable.
        let word = u128::from_be(unsafe { from.cast::<u128>().read_unaligned() });
        return (word as i128).wrapping_shr(128 - 8 * len as u32);
    }
    // SAFETY: R3 to R5.
    decimal128(unsafe { std::slice::from_raw_parts(from, len) }).unwrap_or_else(|| {
        *bad = true;
        0
    })
}

#[derive(Clone, Copy)]
pub(in crate::exec) struct Decimal128;

impl Kernel for Decimal128 {
    type Slot = i128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i128 {
        // SAFETY: R3 to R5.
        let (value, after) =
            unsafe { short_decimal128(*at, present).unwrap_or_else(|| long_decimal128(*at, source, bad)) };
        *at = after;
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
    ) -> Option<(i128, *const u8)> {
        // SAFETY: R3 and R4.
        let (value, after) = unsafe { short_decimal128(at, present)? };
        (after <= source.end).then_some((value, after))
    }
}

/// A decimal of one to seven bytes, if one is present, and the cursor after it, at most eight bytes further; `None` for
/// other lengths.
///
/// # Safety
/// R4.
#[inline(always)]
unsafe fn short_decimal128(at: *const u8, present: bool) -> Option<(i128, *const u8)> {
    // The length and up to seven bytes in one word. A value that is absent is a zero of one byte.
    // SAFETY: R4: readable.
    let word = u64::from_le(unsafe { at.cast::<u64>().read_unaligned() });
    let word = select_unpredictable(present, word, 2);
    // The length less one, or something large if it is 0, negative, or longer than a byte.
    let more = (word as u8).rotate_right(1).wrapping_sub(1);
    if more >= 7 {
        return None;
    }
    // SAFETY: R4: at most eight of the readable bytes.
    let after = unsafe { at.add(select_unpredictable(present, usize::from(more) + 2, 0)) };
    Some((i128::from((word.swap_bytes() << 8) as i64 >> ((u32::from(more) * 8) ^ 56)), after))
}

/// # Safety
/// R3 and R4, as for [`Kernel::read`].
#[inline(never)]
unsafe fn long_decimal128(at: *const u8, source: &BlockSource, bad: &mut bool) -> (i128, *const u8) {
    let mut after = at;
    // SAFETY: R3 to R5; `sized` returns bytes in the block, and R4: padding follows them.
    let value = unsafe {
        let (from, len) = sized::<Portable>(&mut after, source, true, bad);
        decimal128_at(from, len, bad)
    };
    (value, after)
}

#[derive(Clone, Copy)]
pub(in crate::exec) struct Decimal256;

impl Kernel for Decimal256 {
    type Slot = i256;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i256 {
        // SAFETY: R3 to R5; `sized` returns bytes in the block.
        let bytes = unsafe {
            let (from, len) = sized::<C>(at, source, present, bad);
            std::slice::from_raw_parts(from, len)
        };
        decimal256(bytes).unwrap_or_else(|| {
            *bad = true;
            i256::ZERO
        })
    }
}

/// A decimal on `fixed` of this many bytes.
#[derive(Clone, Copy)]
pub(in crate::exec) struct FixedDecimal128(pub(in crate::exec) u32);

impl Kernel for FixedDecimal128 {
    type Slot = i128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i128 {
        // What is loaded may be more than the slice of `fixed`, so not through its address.
        let from = *at;
        // SAFETY: R3; the bytes are in the block, with padding after it (R4), or none at all.
        unsafe {
            let len = fixed(at, if present { self.0 as usize } else { 0 }, source, bad).len();
            if len == 0 { 0 } else { decimal128_at(from, len, bad) }
        }
    }
}

/// A decimal on `fixed` of this many bytes, as an `i256`.
#[derive(Clone, Copy)]
pub(in crate::exec) struct FixedDecimal256(pub(in crate::exec) u32);

impl Kernel for FixedDecimal256 {
    type Slot = i256;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i256 {
        // SAFETY: R3 to R5.
        let bytes = unsafe { fixed(at, if present { self.0 as usize } else { 0 }, source, bad) };
        decimal256(bytes).unwrap_or_else(|| {
            *bad = true;
            i256::ZERO
        })
    }
}
