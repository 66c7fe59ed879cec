//! Kernels: how one value is read from a cursor, without branches where that pays.
//!
//! A kernel is given a cursor that is at most at the end of its block, and [`PADDING`](crate::PADDING) readable bytes stand
//! behind every block. So it may load a varint at the cursor and up to 64 bytes behind it before it checks anything.
//! What it finds wrong it notes in `bad`; its value then does not matter, but its cursor is at most at the end again.

use arrow_buffer::{IntervalMonthDayNano, i256};
use std::hint::select_unpredictable;

/// What a kernel knows of the block it reads from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    /// The first byte of the buffer that the block is in, from which views count.
    pub(super) start: *const u8,
    /// The byte after the block's last.
    pub(super) end: *const u8,
    /// Index of the block among the buffers that views point into.
    pub(super) buffer: u32,
}

/// Bits that mark, in each byte of a word, that a varint goes on.
const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// What the CPU at hand does best.
pub(super) trait Cpu: Copy {
    /// The low seven bits of each byte, side by side.
    ///
    /// # Safety
    /// The CPU has what the implementing type says.
    unsafe fn gather_sevens(word: u64) -> u64;

    /// Bytes of the next `n` varints, where that is known at a glance: none of them is of nine bytes or more.
    ///
    /// # Safety
    /// 32 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize>;

    /// Are these bytes, 64 at most, all below 128?
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool;
}

/// Any CPU.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// x86-64 with BMI1, BMI2 and AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Cpu for Portable {
    #[inline(always)]
    unsafe fn gather_sevens(word: u64) -> u64 {
        let x = word & !CONTINUES;
        let x = (x & 0x007f_007f_007f_007f) | ((x & 0x7f00_7f00_7f00_7f00) >> 1);
        let x = (x & 0x0000_3fff_0000_3fff) | ((x & 0x3fff_0000_3fff_0000) >> 2);
        (x & 0x0fff_ffff) | ((x & 0x0fff_ffff_0000_0000) >> 4)
    }

    #[inline(always)]
    unsafe fn varints_len(_: *const u8, _: u32) -> Option<usize> {
        None
    }

    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        // SAFETY: readable by the caller's promise.
        unsafe { std::slice::from_raw_parts(from, len) }.is_ascii()
    }
}

#[cfg(target_arch = "x86_64")]
impl Cpu for Avx2 {
    #[inline(always)]
    unsafe fn gather_sevens(word: u64) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { std::arch::x86_64::_pext_u64(word, !CONTINUES) }
    }

    #[inline(always)]
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize> {
        use std::arch::x86_64::{_bzhi_u32, _mm256_loadu_si256, _mm256_movemask_epi8, _pdep_u32};
        if n < 2 {
            return None;
        }
        // A bit for each of 32 bytes that a varint goes on after.
        // SAFETY: readable by the caller's promise, as is the CPU.
        let goes_on = unsafe { _mm256_movemask_epi8(_mm256_loadu_si256(from.cast())) } as u32;
        // The n-th byte that ends one. With fewer than n among the 32, there is none.
        // SAFETY: the caller's promise.
        let last = unsafe { _pdep_u32(1u32.checked_shl(n - 1).unwrap_or(0), !goes_on) };
        let len = last.trailing_zeros() + 1;
        // Eight bytes in a row that it goes on after?
        // SAFETY: the caller's promise.
        let goes_on = unsafe { _bzhi_u32(goes_on, len) };
        let two = goes_on & (goes_on >> 1);
        let four = two & (two >> 2);
        (last != 0 && four & (four >> 4) == 0).then_some(len as usize)
    }

    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        use std::arch::x86_64::{_bzhi_u64, _mm256_loadu_si256, _mm256_movemask_epi8};
        // The high bit of each of 64 bytes, without a branch on the length: lengths of text are hard to predict.
        // SAFETY: readable by the caller's promise, as is the CPU.
        unsafe {
            let low = _mm256_movemask_epi8(_mm256_loadu_si256(from.cast())) as u32;
            let high = _mm256_movemask_epi8(_mm256_loadu_si256(from.add(32).cast())) as u32;
            _bzhi_u64(u64::from(low) | (u64::from(high) << 32), len as u32) == 0
        }
    }
}

/// Reads one value into a slot.
pub(super) trait Kernel: Copy {
    /// What the slot holds.
    type Slot: Copy;
    /// Reads the value at `at` and moves `at` behind it; or, where no value is `present`, gives a zero and moves nowhere.
    /// Whether one is present should not be branched on: nulls are hard to predict.
    ///
    /// # Safety
    /// `at` and `source` are of one block, `at` at most at its end, with [`PADDING`](crate::PADDING) readable bytes behind
    /// the end. `C` fits the CPU.
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> Self::Slot;
}

/// Moves `at` back to the end if it is behind it.
#[inline(always)]
pub(super) fn check(at: &mut *const u8, source: &Source, bad: &mut bool) {
    if *at > source.end {
        *bad = true;
        *at = source.end;
    }
}

// SPEC: Binary Encoding, Primitive Types: variable-length zig-zag coding.
/// A zig-zag varint of at most ten bytes and 64 bits. `at` may end up to ten bytes behind the end of the block.
///
/// # Safety
/// 16 bytes are readable at `at`. `C` fits the CPU.
#[inline(always)]
pub(super) unsafe fn long<C: Cpu>(at: &mut *const u8, bad: &mut bool) -> i64 {
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
unsafe fn long_if<C: Cpu>(at: &mut *const u8, present: bool, bad: &mut bool) -> i64 {
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
pub(super) unsafe fn is_present<C: Cpu>(at: &mut *const u8, source: &Source, null_branch: u8, bad: &mut bool) -> bool {
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
unsafe fn sized<C: Cpu>(at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> (*const u8, usize) {
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
pub(super) unsafe fn skip_sized<C: Cpu>(at: &mut *const u8, n: u32, source: &Source, bad: &mut bool) {
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
pub(super) unsafe fn skip_varints<C: Cpu>(at: &mut *const u8, n: u32, source: &Source, bad: &mut bool) {
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

#[derive(Clone, Copy)]
pub(super) struct Boolean;

impl Kernel for Boolean {
    type Slot = u8;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> u8 {
        // SAFETY: one byte at the cursor is readable.
        let byte = unsafe { at.read() };
        *bad |= (byte > 1) & present;
        // SAFETY: padding follows.
        *at = unsafe { at.add(usize::from(present)) };
        check(at, source, bad);
        byte & u8::from(present)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Long;

impl Kernel for Long {
    type Slot = i64;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i64 {
        // SAFETY: the caller's promise.
        let value = unsafe { long_if::<C>(at, present, bad) };
        check(at, source, bad);
        value
    }
}

#[derive(Clone, Copy)]
pub(super) struct Int;

impl Kernel for Int {
    type Slot = i32;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i32 {
        // SAFETY: the caller's promise.
        let value = unsafe { Long.read::<C>(at, source, present, bad) };
        *bad |= i64::from(value as i32) != value;
        value as i32
    }
}

/// An index below this.
#[derive(Clone, Copy)]
pub(super) struct Index(pub(super) u32);

impl Kernel for Index {
    type Slot = i32;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i32 {
        // SAFETY: the caller's promise.
        let value = unsafe { Long.read::<C>(at, source, present, bad) };
        if value as u64 >= u64::from(self.0) {
            *bad = true;
            return 0;
        }
        value as i32
    }
}

/// `N` bytes as they are.
#[derive(Clone, Copy)]
pub(super) struct Raw<const N: usize>;

impl<const N: usize> Kernel for Raw<N> {
    type Slot = [u8; N];

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> [u8; N] {
        const { assert!(N <= 16) };
        // SAFETY: 16 bytes at the cursor are readable.
        let value = unsafe { at.cast::<[u8; N]>().read_unaligned() };
        // SAFETY: padding follows.
        *at = unsafe { at.add(if present { N } else { 0 }) };
        check(at, source, bad);
        select_unpredictable(present, value, [0; N])
    }
}

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
pub(super) struct Bytes;

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
pub(super) struct Utf8;

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

/// A decimal's bytes, most significant first, as an `i128`; none where they do not fit.
// SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte order".
pub(crate) fn decimal128(bytes: &[u8]) -> Option<i128> {
    extended(bytes).map(i128::from_be_bytes)
}

/// As [`decimal128`], as an `i256`.
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
/// `len` bytes at `from` are readable, and 8 more.
#[inline(always)]
unsafe fn decimal128_at(from: *const u8, len: usize, bad: &mut bool) -> i128 {
    if len <= 8 {
        // SAFETY: readable by the caller's promise.
        let word = u64::from_be(unsafe { from.cast::<u64>().read_unaligned() });
        let value = (word as i64).wrapping_shr(64 - 8 * len as u32);
        return i128::from(select_unpredictable(len > 0, value, 0));
    }
    // SAFETY: the caller's promise.
    decimal128(unsafe { std::slice::from_raw_parts(from, len) }).unwrap_or_else(|| {
        *bad = true;
        0
    })
}

#[derive(Clone, Copy)]
pub(super) struct Decimal128;

impl Kernel for Decimal128 {
    type Slot = i128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i128 {
        // SAFETY: the caller's promise, and what `sized` gives is in the block, with padding behind.
        unsafe {
            let (from, len) = sized::<C>(at, source, present, bad);
            decimal128_at(from, len, bad)
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Decimal256;

impl Kernel for Decimal256 {
    type Slot = i256;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i256 {
        // SAFETY: the caller's promise, and what `sized` gives is in the block.
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

/// So many bytes, moved over; none on a fault.
///
/// # Safety
/// As [`Kernel::read`].
#[inline(always)]
pub(super) unsafe fn fixed<'a>(at: &mut *const u8, len: usize, source: &Source, bad: &mut bool) -> &'a [u8] {
    if len > source.end as usize - *at as usize {
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

/// A decimal on `fixed` of so many bytes.
#[derive(Clone, Copy)]
pub(super) struct FixedDecimal128(pub(super) u32);

impl Kernel for FixedDecimal128 {
    type Slot = i128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i128 {
        // SAFETY: the caller's promise; the bytes are in the block, with padding behind, or none at all.
        unsafe {
            let bytes = fixed(at, if present { self.0 as usize } else { 0 }, source, bad);
            if bytes.is_empty() { 0 } else { decimal128_at(bytes.as_ptr(), bytes.len(), bad) }
        }
    }
}

/// As [`FixedDecimal128`].
#[derive(Clone, Copy)]
pub(super) struct FixedDecimal256(pub(super) u32);

impl Kernel for FixedDecimal256 {
    type Slot = i256;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &Source, present: bool, bad: &mut bool) -> i256 {
        // SAFETY: the caller's promise.
        let bytes = unsafe { fixed(at, if present { self.0 as usize } else { 0 }, source, bad) };
        decimal256(bytes).unwrap_or_else(|| {
            *bad = true;
            i256::ZERO
        })
    }
}

#[derive(Clone, Copy)]
pub(super) struct Duration;

impl Kernel for Duration {
    type Slot = IntervalMonthDayNano;

    // SPEC: Logical Types, Duration: "three little-endian, unsigned integers": months, days, milliseconds.
    #[inline(always)]
    unsafe fn read<C: Cpu>(
        self,
        at: &mut *const u8,
        source: &Source,
        present: bool,
        bad: &mut bool,
    ) -> IntervalMonthDayNano {
        // SAFETY: the caller's promise.
        let parts = unsafe { Raw::<12>.read::<C>(at, source, present, bad) };
        let bits = parts.iter().rev().fold(0u128, |bits, &byte| (bits << 8) | u128::from(byte));
        let (months, days, millis) = (bits as i32, (bits >> 32) as i32, (bits >> 64) as u32);
        *bad |= (months | days) < 0;
        IntervalMonthDayNano::new(months, days, i64::from(millis) * 1_000_000)
    }
}

#[cfg(test)]
#[allow(clippy::undocumented_unsafe_blocks)]
mod tests {
    use super::*;
    use crate::bytes::{Cursor, PADDING};

    fn read<C: Cpu, K: Kernel>(kernel: K, bytes: &[u8]) -> (K::Slot, usize, bool) {
        let padded = [bytes, &[0xff; PADDING]].concat();
        let start = padded.as_ptr();
        let source = Source { start, end: unsafe { start.add(bytes.len()) }, buffer: 7 };
        let (mut at, mut bad) = (start, false);
        let slot = unsafe { kernel.read::<C>(&mut at, &source, true, &mut bad) };
        assert!(at <= source.end);
        (slot, at as usize - start as usize, bad)
    }

    fn longs<C: Cpu>() {
        let mut encoded = vec![vec![0x80; 12], vec![0xff; 9], vec![0x80, 0x80, 0], vec![]];
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, !(1u64 << shift), 0x5a5a_5a5a_5a5a_5a5a >> shift] {
                let mut bytes = vec![];
                let mut rest = value;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
                encoded.push(bytes);
            }
        }
        for bytes in encoded {
            for cut in 0..=bytes.len() {
                let bytes = &bytes[..cut];
                let mut cursor = Cursor::new(bytes);
                let want = cursor.long();
                let (value, moved, bad) = read::<C, _>(Long, bytes);
                assert_eq!(bad, want.is_err(), "{bytes:x?}");
                if let Ok(want) = want {
                    assert_eq!((value, moved), (want, cursor.at()), "{bytes:x?}");
                }
                let fits = want.ok().filter(|v| i32::try_from(*v).is_ok());
                assert_eq!(read::<C, _>(Int, bytes).2, fits.is_none(), "{bytes:x?}");
            }
        }
    }

    #[test]
    fn longs_are_those_of_the_plain_cursor() {
        longs::<Portable>();
        #[cfg(target_arch = "x86_64")]
        if crate::program::run::has_avx2() {
            longs::<Avx2>();
        }
    }

    fn skips<C: Cpu>() {
        let mut rng = crate::testing::Rng::new(1);
        for _ in 0..20_000 {
            let n = 1 + rng.below(12);
            let mut bytes = Vec::new();
            for _ in 0..n {
                let more = rng.pick(0, &[0, 0, 1, 1, 2, 3, 4, 7, 8, 9, 10]);
                bytes.extend((0..more).map(|_| 0x80 | rng.bits() as u8));
                bytes.push(rng.pick(0, &[1, 2, 0x7f]));
            }
            bytes.truncate(bytes.len() - rng.pick(0, &[0, 0, 1]));
            let mut cursor = Cursor::new(&bytes);
            let want = (0..n).try_for_each(|_| cursor.long().map(|_| ()));
            let padded = [&bytes[..], &[0xff; PADDING]].concat();
            let start = padded.as_ptr();
            let source = Source { start, end: unsafe { start.add(bytes.len()) }, buffer: 0 };
            let (mut at, mut bad) = (start, false);
            unsafe { skip_varints::<C>(&mut at, n as u32, &source, &mut bad) };
            assert_eq!(bad, want.is_err(), "{n} {bytes:x?}");
            if !bad {
                assert_eq!(at as usize - start as usize, cursor.at(), "{n} {bytes:x?}");
            }
        }
    }

    #[test]
    fn skipped_longs_are_those_of_the_plain_cursor() {
        skips::<Portable>();
        #[cfg(target_arch = "x86_64")]
        if crate::program::run::has_avx2() {
            skips::<Avx2>();
        }
    }

    #[test]
    fn text_is_checked() {
        check_text::<Portable>();
        #[cfg(target_arch = "x86_64")]
        if crate::program::run::has_avx2() {
            check_text::<Avx2>();
        }
    }

    fn check_text<C: Cpu>() {
        for len in 0..70usize {
            for at in 0..len {
                for (inserted, valid) in [("é", true), ("\u{7f}", true), ("€", true)] {
                    let mut text = "x".repeat(at) + inserted;
                    text += &"y".repeat(len.saturating_sub(text.len()));
                    let len = text.len();
                    let bytes = [
                        &[(len * 2) as u8 | if len > 63 { 0x80 } else { 0 }][..],
                        &[1][..usize::from(len > 63)],
                        text.as_bytes(),
                    ]
                    .concat();
                    let (view, moved, bad) = read::<C, _>(Utf8, &bytes);
                    assert_eq!((view as u32 as usize, moved, bad), (len, bytes.len(), !valid));
                    if let Some(high) = bytes.iter().rposition(|&b| b == 0xc3 || b == 0xe2) {
                        let mut broken = bytes.clone();
                        broken[high] = 0xf8;
                        assert!(read::<C, _>(Utf8, &broken).2, "{broken:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn decimals() {
        let cases: [(&[u8], Option<i128>); 9] = [
            (&[], Some(0)),
            (&[0xff], Some(-1)),
            (&[0x00, 0xff], Some(255)),
            (&[0x80, 0, 0, 0, 0, 0, 0, 0], Some(i64::MIN as i128)),
            (&[0, 0x80, 0, 0, 0, 0, 0, 0, 0], Some(1 << 63)),
            (&[0xff; 40], Some(-1)),
            (&[0; 17], Some(0)),
            (&[0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ];
        for (bytes, want) in cases {
            let encoded = [&[bytes.len() as u8 * 2], bytes].concat();
            let (value, _, bad) = read::<Portable, _>(Decimal128, &encoded);
            assert_eq!((!bad).then_some(value), want, "{bytes:x?}");
            let fixed = read::<Portable, _>(FixedDecimal128(bytes.len() as u32), bytes);
            assert_eq!((!fixed.2).then_some(fixed.0), want, "{bytes:x?}");
            let (value, _, bad) = read::<Portable, _>(Decimal256, &encoded);
            assert!(!bad && want.is_none_or(|want| value == i256::from_i128(want)));
        }
    }
}
