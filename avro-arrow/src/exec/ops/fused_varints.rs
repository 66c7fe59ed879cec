//! Consecutive ints and longs: reads a few varints at once if they are short, else one after the other.

use crate::exec::kernels::{self, Cpu, Kernel};
use crate::exec::lane::{Place, write};
use crate::program::{Leaf, Op};

/// Runs ops that each read an int or a long.
///
/// # Safety
/// R1 to R5, for these ops, which are two to four, each of an int or a long.
#[inline(always)]
pub(in crate::exec) unsafe fn read_together<C: Cpu, const K: usize>(
    reads: &[Op],
    places: &mut [Place; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    for place in places {
        // SAFETY: R1 to R5; `few_varints` moves the cursor by at most twelve of the readable bytes (R4), which is checked.
        unsafe {
            if let Some((values, len)) = C::few_varints(place.at, reads.len()) {
                place.at = place.at.add(len);
                kernels::check(&mut place.at, &place.source, bad);
                for (op, value) in reads.iter().zip(values) {
                    match *op {
                        Op::Read { leaf: Leaf::Long, to } => write(slots, to, place.slot, i64::from(value)),
                        Op::Read { to, .. } => write(slots, to, place.slot, value),
                        _ => *bad = true,
                    }
                }
            } else {
                for op in reads {
                    match *op {
                        Op::Read { leaf: Leaf::Long, to } => {
                            let value = kernels::Long.read::<C>(&mut place.at, &place.source, true, bad);
                            write(slots, to, place.slot, value);
                        }
                        Op::Read { to, .. } => {
                            let value = kernels::Int.read::<C>(&mut place.at, &place.source, true, bad);
                            write(slots, to, place.slot, value);
                        }
                        _ => *bad = true,
                    }
                }
            }
        }
    }
}
