//! Bodies of one scalar: reads a whole column at once.

use crate::column::SlabId;
use crate::exec::kernels::{self, Cpu};
use crate::exec::lane::Place;
use crate::program::Leaf;
use arrow_buffer::IntervalMonthDayNano;
use std::hint::cold_path;

/// Whether [`read_column`] supports this leaf.
#[inline(always)]
pub(in crate::exec) fn has_bulk(leaf: Leaf) -> bool {
    match leaf {
        Leaf::Boolean | Leaf::Int | Leaf::Long | Leaf::Float | Leaf::Double | Leaf::Enum(_) => true,
        Leaf::Fixed(_) | Leaf::Duration => true,
        Leaf::Bytes
        | Leaf::String
        | Leaf::Decimal128
        | Leaf::Decimal256
        | Leaf::FixedDecimal128(_)
        | Leaf::FixedDecimal256(_) => false,
        // A file that was written with another schema is not the common case.
        Leaf::IntToLong | Leaf::IntToFloat | Leaf::IntToDouble | Leaf::LongToFloat | Leaf::LongToDouble => false,
        Leaf::FloatToDouble | Leaf::Symbol(_) | Leaf::SymbolText(_) => false,
        Leaf::Times(_) | Leaf::Scaled128(_) | Leaf::Scaled256(_) => false,
    }
}

/// Values of a column that one lane reads before the next lane reads some.
const TURN: usize = 64;

/// Reads `n` values of each lane into the slots from the place's on. The lanes take turns, so that the CPU can begin with
/// the next lane's values before it has finished one's.
///
/// # Safety
/// R1 to R5, for a body of this leaf.
#[inline(always)]
pub(in crate::exec) unsafe fn read_columns<C: Cpu, const K: usize>(
    leaf: Leaf,
    to: SlabId,
    places: &mut [Place; K],
    slots: *const *mut u8,
    n: usize,
    bad: &mut bool,
) {
    let mut left = n;
    while left > 0 {
        let turn = left.min(if K == 1 { left } else { TURN });
        for place in places.iter_mut() {
            // SAFETY: R1 to R5.
            unsafe { read_column::<C>(leaf, to, place, slots, turn, bad) };
            place.slot += turn;
        }
        left -= turn;
    }
}

/// Reads `n` values into the slots from the place's on.
///
/// # Safety
/// R1 to R5, for a body of this leaf.
#[inline(always)]
pub(in crate::exec) unsafe fn read_column<C: Cpu>(
    leaf: Leaf,
    to: SlabId,
    place: &mut Place,
    slots: *const *mut u8,
    n: usize,
    bad: &mut bool,
) {
    let (at, source) = (&mut place.at, &place.source);
    // SAFETY: R1 and R2: the `n` slots from the place's on are the body's, as wide as `Leaf::width`; R3, R4 and R5.
    unsafe {
        let slot = (*slots.add(to.index())).add(place.slot * leaf.width());
        match leaf {
            Leaf::Long => {
                let to = slot.cast::<i64>();
                kernels::longs::<C>(at, source, n, bad, |i, bits| {
                    to.add(i).write_unaligned((bits >> 1) as i64 ^ -((bits & 1) as i64));
                });
            }
            Leaf::Int => {
                let to = slot.cast::<i32>();
                let any = kernels::longs::<C>(at, source, n, bad, |i, bits| {
                    to.add(i).write_unaligned((bits as u32 >> 1) as i32 ^ -((bits & 1) as i32));
                });
                *bad |= any > u64::from(u32::MAX);
            }
            Leaf::Enum(symbols) => {
                let to = slot.cast::<i32>();
                let any = kernels::longs::<C>(at, source, n, bad, |i, bits| {
                    to.add(i).write_unaligned((bits >> 1) as i32);
                });
                // Odd ones are negative numbers.
                *bad |= any & 1 != 0 || any > u64::from(u32::MAX);
                // The maximum is computed once all values are written, several at a time. (While reading: 30 %
                // slower.)
                let largest = (0..n).fold(0, |largest, i| to.add(i).read_unaligned().cast_unsigned().max(largest));
                *bad |= n > 0 && largest >= symbols;
            }
            Leaf::Duration => {
                // No overflow: slabs of this many slots were allocated.
                let bytes = kernels::fixed(at, n * kernels::DURATION_BYTES, source, bad);
                let to = slot.cast::<IntervalMonthDayNano>();
                let mut signs = 0;
                for (i, parts) in bytes.as_chunks().0.iter().enumerate() {
                    let value = kernels::duration(parts);
                    signs |= value.months | value.days;
                    to.add(i).write_unaligned(value);
                }
                *bad |= signs < 0;
            }
            _ => {
                let width = leaf.width();
                // No overflow: slabs of this many slots were allocated.
                let bytes = kernels::fixed(at, n * width, source, bad);
                if bytes.is_empty() {
                    cold_path();
                    return;
                }
                slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                *bad |= leaf == Leaf::Boolean && bytes.iter().fold(0, |all, byte| all | byte) > 1;
            }
        }
    }
}
