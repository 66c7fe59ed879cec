//! Rows of one lane or of several in lockstep: each op of several lanes is dispatched once, and runs on one lane after
//! the other.

use super::kernels::Cpu;
use super::lane::{Lane, LaneCursor, Step, run_steps};
use super::ops::column::{has_bulk, read_columns};
use super::ops::flat::fused_ops;
use super::ops::fused_varints::read_fused_varints;
use super::ops::nullable::{self, Always, Masked, Nullable, NullableMasked};
use super::ops::{scalar, skip};
use crate::program::Op;

/// Runs `n` rows on each lane, from each lane's cursor and row on. On a fault it stops, and the lane records it.
///
/// # Safety
/// R1 to R5, for lanes of one program.
#[inline(always)]
pub(super) unsafe fn run_rows<C: Cpu, const K: usize>(lanes: &mut [Lane<'_>; K], n: usize) {
    let linked = lanes[0].linked;
    let steps = linked.body(linked.row);
    if let [Step { op: Op::Read { encoding, to }, .. }] = *steps
        && has_bulk(encoding)
    {
        let mut bad = false;
        let mut cursors = lanes.each_ref().map(|lane| LaneCursor::new(lane.at, lane.source, lane.row));
        // SAFETY: R1 to R5.
        unsafe { read_columns::<C, K>(encoding, to, &mut cursors, lanes[0].slots(), n, &mut bad) };
        end(&cursors, lanes, bad);
    } else if let [lane] = &mut lanes[..] {
        // SAFETY: R1 to R5.
        unsafe { run_lane(steps, lane, n) };
    } else {
        // SAFETY: R1 to R5.
        unsafe { run_in_lockstep::<C, K>(steps, lanes, n) };
    }
}

/// Runs `n` rows on one lane.
///
/// # Safety
/// R1 to R5.
#[inline(always)]
unsafe fn run_lane(steps: &[Step], lane: &mut Lane<'_>, n: usize) {
    let mut at = lane.at;
    for slot in lane.row..lane.row + n {
        lane.slot = slot;
        // SAFETY: R1 to R5.
        at = unsafe { run_steps(steps, lane, at) };
        if lane.fault {
            break;
        }
    }
    lane.at = at;
}

/// Runs `n` rows on each of several lanes.
///
/// # Safety
/// R1 to R5.
#[inline(always)]
unsafe fn run_in_lockstep<C: Cpu, const K: usize>(steps: &[Step], lanes: &mut [Lane<'_>; K], n: usize) {
    // Copies that the writes below cannot alias.
    let mut cursors: [LaneCursor; K] = lanes.each_ref().map(|lane| LaneCursor::new(lane.at, lane.source, lane.row));
    let mut bad = false;
    for _ in 0..n {
        // SAFETY: R1 to R5.
        unsafe { run_row::<C, K>(steps, &mut cursors, lanes, &mut bad) };
        if bad {
            break;
        }
        for cursor in cursors.iter_mut() {
            cursor.slot += 1;
        }
    }
    end(&cursors, lanes, bad);
}

/// Gives the cursors back to their lanes.
#[inline(always)]
fn end<const K: usize>(cursors: &[LaneCursor; K], lanes: &mut [Lane<'_>; K], bad: bool) {
    for (cursor, lane) in cursors.iter().zip(lanes) {
        lane.at = cursor.at;
        lane.fault |= bad;
    }
}

/// Runs the ops of a row once on each lane.
///
/// # Safety
/// R1 to R5, for the steps of a row.
#[inline(always)]
unsafe fn run_row<C: Cpu, const K: usize>(
    steps: &[Step],
    cursors: &mut [LaneCursor; K],
    lanes: &mut [Lane<'_>; K],
    bad: &mut bool,
) {
    let program = lanes[0].program;
    let (constants, slots) = (&program.constants, lanes[0].slots());
    for step in steps {
        // SAFETY: R1: the op is of a verified body; R2, R3, R4 and R5 as for this function. Each op keeps R3.
        unsafe {
            match step.op {
                Op::RecordRowStart { to } => scalar::write_start(to, cursors, slots),
                Op::Read { encoding, .. } => {
                    scalar::read::<C, Always, K>(step, encoding, cursors, slots, constants, bad);
                }
                Op::FusedVarints { n } => {
                    read_fused_varints::<C, K>(fused_ops(program, step.operand, n), cursors, slots, bad);
                }
                Op::ReadNullable { encoding, .. } => {
                    scalar::read::<C, Nullable, K>(step, encoding, cursors, slots, constants, bad);
                }
                Op::ReadMasked { encoding, .. } => {
                    scalar::read::<C, Masked, K>(step, encoding, cursors, slots, constants, bad);
                }
                Op::ReadNullableMasked { encoding, .. } => {
                    scalar::read::<C, NullableMasked, K>(step, encoding, cursors, slots, constants, bad);
                }
                Op::PushMask { nulls } => nullable::push_mask::<C, K>(nulls, cursors, slots, bad),
                Op::PopMask => nullable::pop_mask(cursors),
                Op::ExpectBranch0 => skip::expect_branch_0::<C, K>(cursors, bad),
                Op::WriteZeros { to, width } => scalar::write_zeros(to, width, cursors, slots),
                Op::WriteValid { to } => scalar::write_each(to, 1u8, cursors, slots),
                Op::Constant { to, slot } => scalar::write_constant(to, slot, constants, cursors, slots, bad),
                Op::View { to, view } => scalar::write_view(to, view, constants, cursors, slots, bad),
                Op::Unresolvable => *bad = true,
                Op::SkipFixed { bytes } => skip::skip_fixed(bytes, cursors, bad),
                Op::SkipVarints { n } => skip::skip_varints::<C, K>(n, cursors, bad),
                Op::SkipNullable { skip, null_branch, n } => {
                    skip::skip_nullable::<C, K>(skip, null_branch, n, cursors, bad);
                }
                Op::SkipBytes { n } => skip::skip_bytes::<C, K>(n, cursors, bad),
                Op::SwitchBranch { .. }
                | Op::Union { .. }
                | Op::Items { .. }
                | Op::SkipItems { .. }
                | Op::Json { .. }
                | Op::WriteOffset { .. }
                | Op::WriteUnionBranch { .. }
                | Op::DefaultItems { .. }
                | Op::Text { .. }
                | Op::Call { .. }
                | Op::SkipValue { .. } => {
                    for (cursor, lane) in cursors.iter_mut().zip(lanes.iter_mut()) {
                        lane.slot = cursor.slot;
                        cursor.at = (step.run)(step, lane, cursor.at);
                        *bad |= lane.fault;
                    }
                }
            }
        }
    }
}
