//! Kernels of values in smaller units than they were written in: instants, times, and decimals with more digits after
//! the point.

use super::decimal::decimal256;
use super::{BlockSource, Cpu, Int, Kernel, Long, fixed, sized};
use crate::program::Rescale;
use arrow_buffer::i256;
use std::hint::cold_path;

impl Rescale {
    /// The decimal, with the zeros; 0 where it has become too large.
    ///
    /// # Safety
    /// R3, R4 and R5, as for [`Kernel::read`].
    #[inline(always)]
    unsafe fn decimal<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i256 {
        // SAFETY: R3 to R5; `sized` and `fixed` return bytes in the block.
        let (bytes, zeros) = unsafe {
            match self {
                Rescale::Fixed(size, zeros) => (fixed(at, if present { size as usize } else { 0 }, source, bad), zeros),
                Rescale::Bytes(zeros) => {
                    let (from, len) = sized::<C>(at, source, present, bad);
                    (std::slice::from_raw_parts(from, len), zeros)
                }
                Rescale::Int(_) | Rescale::Long(_) => (&[][..], 0),
            }
        };
        scaled(bytes, zeros).unwrap_or_else(|| {
            cold_path();
            *bad = true;
            i256::ZERO
        })
    }
}

/// A decimal's bytes as a number with this many more zeros; `None` where 256 bits do not hold it.
fn scaled(bytes: &[u8], zeros: u32) -> Option<i256> {
    let factor = i256::from_i128(10).checked_pow(zeros)?;
    decimal256(bytes)?.checked_mul(factor)
}

/// An int or long as a multiple of itself.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Times(pub(in crate::exec) Rescale);

impl Kernel for Times {
    type Slot = i64;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i64 {
        // SAFETY: R3 to R5.
        let (value, factor) = unsafe {
            match self.0 {
                Rescale::Int(factor) => (Int.read::<C>(at, source, present, bad).into(), factor),
                Rescale::Long(factor) => (Long.read::<C>(at, source, present, bad), factor),
                Rescale::Bytes(_) | Rescale::Fixed(..) => (0, 1),
            }
        };
        value.checked_mul(factor).unwrap_or_else(|| {
            cold_path();
            *bad = true;
            0
        })
    }
}

/// A decimal with more digits after the point.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Scaled128(pub(in crate::exec) Rescale);

impl Kernel for Scaled128 {
    type Slot = i128;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i128 {
        // SAFETY: R3 to R5.
        let value = unsafe { self.0.decimal::<C>(at, source, present, bad) };
        value.to_i128().unwrap_or_else(|| {
            cold_path();
            *bad = true;
            0
        })
    }
}

/// A decimal with more digits after the point, as an `i256`.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Scaled256(pub(in crate::exec) Rescale);

impl Kernel for Scaled256 {
    type Slot = i256;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> i256 {
        // SAFETY: R3 to R5.
        unsafe { self.0.decimal::<C>(at, source, present, bad) }
    }
}
