//! What the CPU at hand does best, and what does the same on any other.

/// Bits that mark, in each byte of a word, that a varint goes on.
pub(super) const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// What the CPU at hand does best.
pub(in crate::program) trait Cpu: Copy {
    /// The low seven bits of each byte, side by side.
    ///
    /// # Safety
    /// The CPU has what the implementing type says.
    unsafe fn gather_sevens(word: u64) -> u64;

    /// Bytes of the next `n` varints, where that is known at a glance: none of them is of nine bytes or more.
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize>;

    /// Are these bytes, 64 at most, all below 128?
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool;
}

/// Any CPU.
#[derive(Clone, Copy)]
pub(in crate::program) struct Portable;

/// x86-64 with BMI1, BMI2 and AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(in crate::program) struct Avx2;

/// As [`Avx2`], with AVX-512F and AVX-512BW: bytes are looked at 64 at a time.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(in crate::program) struct Avx512;

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
        use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8};
        // A bit for each of 32 bytes that a varint goes on after.
        // SAFETY: readable by the caller's promise, as is the CPU.
        let goes_on = unsafe { _mm256_movemask_epi8(_mm256_loadu_si256(from.cast())) } as u32;
        // SAFETY: the caller's promise.
        unsafe { nth_end(u64::from(!goes_on), n) }
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

#[cfg(target_arch = "x86_64")]
impl Cpu for Avx512 {
    #[inline(always)]
    unsafe fn gather_sevens(word: u64) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { Avx2::gather_sevens(word) }
    }

    #[inline(always)]
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize> {
        use std::arch::x86_64::{_mm512_loadu_si512, _mm512_movepi8_mask};
        // SAFETY: readable by the caller's promise, as is the CPU.
        unsafe { nth_end(!_mm512_movepi8_mask(_mm512_loadu_si512(from.cast())), n) }
    }

    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        use std::arch::x86_64::{_bzhi_u64, _mm512_loadu_si512, _mm512_movepi8_mask};
        // SAFETY: as above.
        unsafe { _bzhi_u64(_mm512_movepi8_mask(_mm512_loadu_si512(from.cast())), len as u32) == 0 }
    }
}

/// Bytes up to the `n`-th that ends a varint, of bytes of which the bits say whether they do. None if there are fewer, or if
/// a varint is of nine bytes or more.
///
/// # Safety
/// The CPU has BMI2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn nth_end(ends: u64, n: u32) -> Option<usize> {
    use std::arch::x86_64::{_bzhi_u64, _pdep_u64};
    // SAFETY: the caller's promise.
    let last = unsafe { _pdep_u64(1u64.checked_shl(n.wrapping_sub(1)).unwrap_or(0), ends) };
    let len = last.trailing_zeros() + 1;
    // Eight bytes in a row that it goes on after?
    // SAFETY: the caller's promise.
    let goes_on = unsafe { _bzhi_u64(!ends, len) };
    let two = goes_on & (goes_on >> 1);
    let four = two & (two >> 2);
    (last != 0 && four & (four >> 4) == 0).then_some(len as usize)
}
