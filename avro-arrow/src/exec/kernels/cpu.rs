//! Kernels for each kind of CPU, with portable fallbacks of equal results.

/// Bits that mark, in each byte of a word, that a varint goes on.
pub(super) const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// The operations for which CPUs have instructions of their own.
pub(in crate::exec) trait Cpu: Copy {
    /// The low seven bits of each byte, side by side.
    ///
    /// # Safety
    /// The CPU has what the implementing type says.
    unsafe fn gather_sevens(word: u64) -> u64;

    /// A bit for each of the next bytes, 64 at most, that is set where one ends a varint.
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn ends(from: *const u8) -> u64;

    /// The bits of eight varints, before zig-zag decoding, and their length in bytes; `None` if the fast path does not
    /// apply. `ends` is [`Cpu::ends`] at `from`.
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    #[inline(always)]
    unsafe fn eight(from: *const u8, ends: u64) -> Option<([u64; 8], usize)> {
        let _ = (from, ends);
        None
    }

    /// The next `n` varints, two to four, and their length in bytes, if each has at most four bytes and all together
    /// have at most twelve.
    ///
    /// # Safety
    /// 16 bytes at `from` are readable. The CPU has what the implementing type says.
    #[inline(always)]
    unsafe fn few_varints(from: *const u8, n: usize) -> Option<([i32; 4], usize)> {
        let _ = (from, n);
        None
    }

    /// Length in bytes of the next `n` varints; `None` if the fast path does not apply, as for one of nine bytes or
    /// more.
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize>;

    /// Whether these bytes, at most 64, are all below 128.
    ///
    /// # Safety
    /// 64 bytes at `from` are readable. The CPU has what the implementing type says.
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool;
}

/// Any CPU.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Portable;

/// x86-64 with BMI1, BMI2 and AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(in crate::exec) struct Avx2;

/// x86-64 with the instructions of [`Avx2`], and AVX-512 F, BW, VBMI and VBMI2. Examines 64 bytes at a time.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(in crate::exec) struct Avx512;

impl Cpu for Portable {
    #[inline(always)]
    unsafe fn gather_sevens(word: u64) -> u64 {
        let x = word & !CONTINUES;
        let x = (x & 0x007f_007f_007f_007f) | ((x & 0x7f00_7f00_7f00_7f00) >> 1);
        let x = (x & 0x0000_3fff_0000_3fff) | ((x & 0x3fff_0000_3fff_0000) >> 2);
        (x & 0x0fff_ffff) | ((x & 0x0fff_ffff_0000_0000) >> 4)
    }

    #[inline(always)]
    unsafe fn ends(from: *const u8) -> u64 {
        // SAFETY: R4: readable.
        let word = u64::from_le(unsafe { from.cast::<u64>().read_unaligned() });
        // Multiplying moves bit 7 of byte i to bit 56 + i.
        (((!word & CONTINUES) >> 7).wrapping_mul(0x0102_0408_1020_4080)) >> 56
    }

    #[inline(always)]
    unsafe fn varints_len(_: *const u8, _: u32) -> Option<usize> {
        None
    }

    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        // SAFETY: R4: readable.
        unsafe { std::slice::from_raw_parts(from, len) }.is_ascii()
    }
}

#[cfg(target_arch = "x86_64")]
impl Cpu for Avx2 {
    #[inline(always)]
    unsafe fn gather_sevens(word: u64) -> u64 {
        // SAFETY: R4 and R5.
        unsafe { std::arch::x86_64::_pext_u64(word, !CONTINUES) }
    }

    #[inline(always)]
    unsafe fn ends(from: *const u8) -> u64 {
        use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8};
        // SAFETY: R4: readable; R5.
        let goes_on = unsafe { _mm256_movemask_epi8(_mm256_loadu_si256(from.cast())) } as u32;
        u64::from(!goes_on)
    }

    #[inline(always)]
    unsafe fn few_varints(from: *const u8, n: usize) -> Option<([i32; 4], usize)> {
        use super::few::{LENS, PLACES};
        use std::arch::x86_64::*;
        // SAFETY: R4: readable; R5.
        unsafe {
            let bytes = _mm_loadu_si128(from.cast());
            let goes_on = _mm_movemask_epi8(bytes) as usize & (PLACES.len() - 1);
            let len = usize::from(LENS[goes_on][n.wrapping_sub(1) & 3]);
            if len == 0 {
                std::hint::cold_path();
                return None;
            }
            // Four bytes for each, without the high bits; then seven bits of each byte become 14 of two and 28 of four.
            let apart = _mm_shuffle_epi8(bytes, _mm_loadu_si128(PLACES[goes_on].as_ptr().cast()));
            let sevens = _mm_and_si128(apart, _mm_set1_epi8(0x7f));
            let fourteens = _mm_maddubs_epi16(_mm_set1_epi16(0x8001u16 as i16), sevens);
            let bits = _mm_madd_epi16(fourteens, _mm_set1_epi32(0x4000_0001));
            let sign = _mm_sub_epi32(_mm_setzero_si128(), _mm_and_si128(bits, _mm_set1_epi32(1)));
            let mut values = [0; 4];
            _mm_storeu_si128(values.as_mut_ptr().cast(), _mm_xor_si128(_mm_srli_epi32::<1>(bits), sign));
            Some((values, len))
        }
    }

    #[inline(always)]
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize> {
        // SAFETY: R4 and R5.
        unsafe { nth_end(Self::ends(from), n) }
    }

    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        use std::arch::x86_64::{_bzhi_u64, _mm256_loadu_si256, _mm256_movemask_epi8};
        // The high bit of each of 64 bytes, without a branch on the length: lengths of text are hard to predict.
        // SAFETY: R4: readable; R5.
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
        // SAFETY: R4 and R5.
        unsafe { Avx2::gather_sevens(word) }
    }

    #[inline(always)]
    unsafe fn ends(from: *const u8) -> u64 {
        use std::arch::x86_64::{_mm512_loadu_si512, _mm512_movepi8_mask};
        // SAFETY: R4: readable; R5.
        unsafe { !_mm512_movepi8_mask(_mm512_loadu_si512(from.cast())) }
    }

    #[inline(always)]
    unsafe fn eight(from: *const u8, ends: u64) -> Option<([u64; 8], usize)> {
        use std::arch::x86_64::*;
        const ONES: u64 = 0x0101_0101_0101_0101;
        if ends.count_ones() < 8 {
            return None;
        }
        // SAFETY: R4: readable; R5.
        unsafe {
            let bytes = _mm512_loadu_si512(from.cast());
            // Where each of the eight ends and begins, and its length, in a byte each.
            // (`vpcompressb` would do the first in one instruction, which takes 40 cycles on Zen 5.)
            let (mut after, mut rest) = (0, ends);
            for i in 0..8 {
                after |= (u64::from(rest.trailing_zeros()) + 1) << (8 * i);
                rest &= rest.wrapping_sub(1);
            }
            let first = after << 8;
            let lens = after.wrapping_sub(first);
            if (lens.wrapping_add(0x77 * ONES)) & CONTINUES != 0 {
                // One has nine bytes or more.
                return None;
            }
            // Eight bytes from the beginning of each on; clears those after its end, and all high bits.
            let from_first = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(first as i64));
            let eight_times = _mm512_set4_epi32(0x0808_0808, 0x0808_0808, 0, 0);
            let places =
                _mm512_add_epi8(_mm512_shuffle_epi8(from_first, eight_times), _mm512_set1_epi64(0x0706_0504_0302_0100));
            let spread = _mm512_permutexvar_epi8(places, bytes);
            let bits_of_len = _mm512_slli_epi64::<3>(_mm512_cvtepu8_epi64(_mm_cvtsi64_si128(lens as i64)));
            let not_kept = _mm512_sub_epi64(_mm512_set1_epi64(64), bits_of_len);
            let kept = _mm512_srlv_epi64(_mm512_set1_epi64(!CONTINUES as i64), not_kept);
            let sevens = _mm512_and_si512(spread, kept);
            // Sevens to fourteens, to twenty-eights, to fifty-sixes.
            let fourteens = _mm512_maddubs_epi16(_mm512_set1_epi16(0x8001u16 as i16), sevens);
            let twenty_eights = _mm512_madd_epi16(fourteens, _mm512_set1_epi32(0x4000_0001));
            let low = _mm512_and_si512(twenty_eights, _mm512_set1_epi64(0xffff_ffff));
            let high = _mm512_slli_epi64::<28>(_mm512_srli_epi64::<32>(twenty_eights));
            let mut all = [0u64; 8];
            _mm512_storeu_si512(all.as_mut_ptr().cast(), _mm512_or_si512(low, high));
            // Not taken from `after`, for which the next eight would have to wait.
            Some((all, _pdep_u64(1 << 7, ends).trailing_zeros() as usize + 1))
        }
    }

    #[inline(always)]
    unsafe fn few_varints(from: *const u8, n: usize) -> Option<([i32; 4], usize)> {
        // SAFETY: R4 and R5.
        unsafe { Avx2::few_varints(from, n) }
    }

    #[inline(always)]
    unsafe fn varints_len(from: *const u8, n: u32) -> Option<usize> {
        // SAFETY: R4 and R5.
        unsafe { nth_end(Self::ends(from), n) }
    }

    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        use std::arch::x86_64::{_bzhi_u64, _mm512_loadu_si512, _mm512_movepi8_mask};
        // SAFETY: R4: readable; R5.
        unsafe { _bzhi_u64(_mm512_movepi8_mask(_mm512_loadu_si512(from.cast())), len as u32) == 0 }
    }
}

/// Number of bytes up to the end of the `n`-th varint, from a bit for each byte that ends a varint. `None` if there are
/// fewer varints, or if one has nine bytes or more.
///
/// # Safety
/// The CPU has BMI2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn nth_end(ends: u64, n: u32) -> Option<usize> {
    use std::arch::x86_64::{_bzhi_u64, _pdep_u64};
    // SAFETY: R4 and R5.
    let last = unsafe { _pdep_u64(1u64.checked_shl(n.wrapping_sub(1)).unwrap_or(0), ends) };
    let len = last.trailing_zeros() + 1;
    // Whether eight bytes in a row have the continuation bit.
    // SAFETY: R4 and R5.
    let goes_on = unsafe { _bzhi_u64(!ends, len) };
    let two = goes_on & (goes_on >> 1);
    let four = two & (two >> 2);
    (last != 0 && four & (four >> 4) == 0).then_some(len as usize)
}
