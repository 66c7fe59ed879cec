//! Runs of varints, as items of an array or rows of one column. The start of a value does not wait for the value before
//! it.

use super::varint::long_if;
use super::{BlockSource, Cpu, check};
use std::hint::cold_path;

/// Reads `n` varints and passes the bits of each to `put`, before zig-zag decoding. Returns the bitwise or of all.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn longs<C: Cpu>(
    at: &mut *const u8,
    source: &BlockSource,
    n: usize,
    bad: &mut bool,
    mut put: impl FnMut(usize, u64),
) -> u64 {
    let mut i = 0;
    // The bits of eight at once are kept apart until the end, so that one instruction updates them.
    let (mut any, mut any_of_eight) = (0, [0; 8]);
    while i < n {
        // SAFETY: R4: 64 bytes at the cursor are readable; R5.
        let mut ends = unsafe { C::ends(*at) };
        let window = *at;
        if n - i >= 8
            // SAFETY: R4: 64 bytes at the window are readable; R5.
            && let Some((eight, len)) = unsafe { C::eight(window, ends) }
        {
            any_of_eight.iter_mut().zip(eight).for_each(|(any, bits)| *any |= bits);
            for (j, bits) in eight.into_iter().enumerate() {
                put(i + j, bits);
            }
            i += 8;
            // SAFETY: R4: within the 64 bytes.
            *at = unsafe { window.add(len) };
            check(at, source, bad);
            continue;
        }
        let mut from = 0;
        while ends != 0 && i < n {
            let until = ends.trailing_zeros() as usize + 1;
            ends &= ends - 1;
            let len = until - from;
            if len > 8 {
                cold_path();
                break;
            }
            // SAFETY: R4: eight bytes within the 64, or in the padding after them.
            let word = u64::from_le(unsafe { window.add(from).cast::<u64>().read_unaligned() });
            // SAFETY: R5.
            let bits = unsafe { C::gather_sevens(word & (u64::MAX >> (64 - 8 * len))) };
            any |= bits;
            put(i, bits);
            from = until;
            i += 1;
        }
        // SAFETY: R4: within the 64 bytes.
        *at = unsafe { window.add(from) };
        if from == 0 {
            cold_path();
            // A varint of nine bytes or more.
            // SAFETY: R3 to R5.
            let value = unsafe { long_if::<C>(at, true, bad) };
            let bits = ((value << 1) ^ (value >> 63)) as u64;
            any |= bits;
            put(i, bits);
            i += 1;
        }
        check(at, source, bad);
        if *bad {
            cold_path();
            // The values no longer matter, but every slot is written.
            (i..n).for_each(|i| put(i, 0));
            break;
        }
    }
    any_of_eight.into_iter().fold(any, |any, bits| any | bits)
}
