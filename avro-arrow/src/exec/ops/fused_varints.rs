//! Consecutive ints and longs: reads a few varints at once if they are short, else one after the other.

use crate::exec::kernels::{self, BlockSource, Cpu, Kernel};
use crate::exec::lane::{LaneCursor, write};
use crate::program::{Op, ScalarEncoding};

/// Runs ops that each read an int or a long.
///
/// # Safety
/// R1 to R5, for these ops, which are two to four, each of an int or a long.
#[inline(always)]
pub(in crate::exec) unsafe fn read_fused_varints<C: Cpu, const K: usize>(
    reads: &[Op],
    cursors: &mut [LaneCursor; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    for LaneCursor { at, source, slot, .. } in cursors {
        // SAFETY: R1 to R5.
        unsafe {
            if let Some(after) = read_short_varints::<C>(reads, *at, source, *slot, slots) {
                *at = after;
            } else {
                for op in reads {
                    match *op {
                        Op::Read { encoding: ScalarEncoding::Long, to } => {
                            let value = kernels::Long.read::<C>(at, source, true, bad);
                            write(slots, to, *slot, value);
                        }
                        Op::Read { to, .. } => {
                            let value = kernels::Int.read::<C>(at, source, true, bad);
                            write(slots, to, *slot, value);
                        }
                        _ => *bad = true,
                    }
                }
            }
        }
    }
}

/// Runs such ops for one lane if the varints are short, and returns the cursor after them; `None` if they are not, or
/// are not in the block.
///
/// # Safety
/// R1 to R5, for these ops, which are two to four, each of an int or a long.
#[inline(always)]
pub(in crate::exec) unsafe fn read_short_varints<C: Cpu>(
    reads: &[Op],
    at: *const u8,
    source: &BlockSource,
    slot: usize,
    slots: *const *mut u8,
) -> Option<*const u8> {
    // SAFETY: R1 to R5; `few_varints` has the length of at most twelve of the readable bytes (R4).
    unsafe {
        let (values, len) = C::few_varints(at, reads.len())?;
        let after = at.add(len);
        if after > source.end {
            return None;
        }
        for (op, value) in reads.iter().zip(values) {
            match *op {
                Op::Read { encoding: ScalarEncoding::Long, to } => write(slots, to, slot, i64::from(value)),
                Op::Read { to, .. } => write(slots, to, slot, value),
                _ => return None,
            }
        }
        Some(after)
    }
}
