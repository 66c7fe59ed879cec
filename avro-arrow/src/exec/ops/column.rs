//! Bodies of one scalar: reads many values of a column at once.

use crate::column::BufferId;
use crate::exec::kernels::{self, Cpu};
use crate::exec::lane::LaneCursor;
use crate::program::ScalarEncoding;
use arrow_buffer::IntervalMonthDayNano;
use std::hint::cold_path;

/// Whether [`read_column`] supports this encoding.
#[inline(always)]
pub(in crate::exec) fn has_bulk(encoding: ScalarEncoding) -> bool {
    match encoding {
        ScalarEncoding::Boolean
        | ScalarEncoding::Int
        | ScalarEncoding::Long
        | ScalarEncoding::Float
        | ScalarEncoding::Double
        | ScalarEncoding::Enum(_) => true,
        ScalarEncoding::Fixed(_) | ScalarEncoding::Duration => true,
        ScalarEncoding::Bytes
        | ScalarEncoding::String
        | ScalarEncoding::Decimal128
        | ScalarEncoding::Decimal256
        | ScalarEncoding::FixedDecimal128(_)
        | ScalarEncoding::FixedDecimal256(_) => false,
        // A file that was written with another schema is not the common case.
        ScalarEncoding::IntToLong
        | ScalarEncoding::IntToFloat
        | ScalarEncoding::IntToDouble
        | ScalarEncoding::LongToFloat
        | ScalarEncoding::LongToDouble => false,
        ScalarEncoding::FloatToDouble | ScalarEncoding::Symbol(_) | ScalarEncoding::SymbolText(_) => false,
        ScalarEncoding::Times(_) | ScalarEncoding::Scaled128(_) | ScalarEncoding::Scaled256(_) => false,
    }
}

/// Values of a column that one lane reads before the next lane reads some.
const TURN: usize = 64;

/// Reads `n` values of each lane into the slots from the cursor's on. The lanes take turns, so that the CPU can begin
/// with the next lane's values before it has finished one's.
///
/// # Safety
/// R1 to R5, for a body of this encoding.
#[inline(always)]
pub(in crate::exec) unsafe fn read_columns<C: Cpu, const K: usize>(
    encoding: ScalarEncoding,
    to: BufferId,
    cursors: &mut [LaneCursor; K],
    slots: *const *mut u8,
    n: usize,
    bad: &mut bool,
) {
    let mut left = n;
    while left > 0 {
        let turn = left.min(if K == 1 { left } else { TURN });
        for cursor in cursors.iter_mut() {
            // SAFETY: R1 to R5.
            unsafe { read_column::<C>(encoding, to, cursor, slots, turn, bad) };
            cursor.slot += turn;
        }
        left -= turn;
    }
}

/// Reads `n` values into the slots from the cursor's on.
///
/// # Safety
/// R1 to R5, for a body of this encoding.
#[inline(always)]
pub(in crate::exec) unsafe fn read_column<C: Cpu>(
    encoding: ScalarEncoding,
    to: BufferId,
    cursor: &mut LaneCursor,
    slots: *const *mut u8,
    n: usize,
    bad: &mut bool,
) {
    let (at, source) = (&mut cursor.at, &cursor.source);
    // SAFETY: R1 and R2: the `n` slots from the cursor's on are the body's, as wide as `ScalarEncoding::width`; R3, R4
    // and R5.
    unsafe {
        let slot = (*slots.add(to.index())).add(cursor.slot * encoding.width());
        match encoding {
            ScalarEncoding::Long => {
                let to = slot.cast::<i64>();
                kernels::longs::<C>(at, source, n, bad, |i, bits| {
                    to.add(i).write_unaligned((bits >> 1) as i64 ^ -((bits & 1) as i64));
                });
            }
            ScalarEncoding::Int => {
                let to = slot.cast::<i32>();
                let any = kernels::longs::<C>(at, source, n, bad, |i, bits| {
                    to.add(i).write_unaligned((bits as u32 >> 1) as i32 ^ -((bits & 1) as i32));
                });
                *bad |= any > u64::from(u32::MAX);
            }
            ScalarEncoding::Enum(symbols) => {
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
            ScalarEncoding::Duration => {
                // No overflow: buffers of this many slots were allocated.
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
                let width = encoding.width();
                // No overflow: buffers of this many slots were allocated.
                let bytes = kernels::fixed(at, n * width, source, bad);
                if bytes.is_empty() {
                    cold_path();
                    return;
                }
                slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                *bad |= encoding == ScalarEncoding::Boolean && bytes.iter().fold(0, |all, byte| all | byte) > 1;
            }
        }
    }
}
