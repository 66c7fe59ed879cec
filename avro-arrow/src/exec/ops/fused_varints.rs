//! Consecutive ints and longs: reads a few varints at once if they are short, else one after the other.

use crate::exec::kernels::{self, Cpu, Kernel};
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
    for cursor in cursors {
        // SAFETY: R1 to R5; `few_varints` moves the cursor by at most twelve of the readable bytes (R4), which is
        // checked.
        unsafe {
            if let Some((values, len)) = C::few_varints(cursor.at, reads.len()) {
                cursor.at = cursor.at.add(len);
                kernels::check(&mut cursor.at, &cursor.source, bad);
                for (op, value) in reads.iter().zip(values) {
                    match *op {
                        Op::Read { encoding: ScalarEncoding::Long, to } => {
                            write(slots, to, cursor.slot, i64::from(value))
                        }
                        Op::Read { to, .. } => write(slots, to, cursor.slot, value),
                        _ => *bad = true,
                    }
                }
            } else {
                for op in reads {
                    match *op {
                        Op::Read { encoding: ScalarEncoding::Long, to } => {
                            let value = kernels::Long.read::<C>(&mut cursor.at, &cursor.source, true, bad);
                            write(slots, to, cursor.slot, value);
                        }
                        Op::Read { to, .. } => {
                            let value = kernels::Int.read::<C>(&mut cursor.at, &cursor.source, true, bad);
                            write(slots, to, cursor.slot, value);
                        }
                        _ => *bad = true,
                    }
                }
            }
        }
    }
}
