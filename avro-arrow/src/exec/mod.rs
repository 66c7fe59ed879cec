//! The run loop: runs a program over blocks and writes buffers.
//!
//! In short, for a program of ops and rows of blocks:
//!
//! ```text
//! for each row: for each op: for each lane: read the value at the lane's cursor, write it to the row's slot
//! ```
//!
//! A lane is a run of blocks of its own, and lanes are decoded as interleaved streams. The start of a field depends on
//! all fields before it, so a single cursor waits for itself most of the time. The cursors of several lanes do not
//! wait for each other, and each op is dispatched once for all. The numbers of the lanes' rows are known in advance,
//! so each lane writes from its own first row on and nothing is merged afterwards. Nested values (unions, arrays,
//! maps) are decoded lane by lane, by the same loop over one lane, in levels of the lane's own.
//!
//! If you change what an op writes, change `verify` too: the `unsafe` code here cites it.
//!
//! # What the `unsafe` code relies on
//!
//! Each `SAFETY` line here, in `ops` and in `kernels` names the promises that it uses:
//!
//! - **R1**: the program is verified (`program::verify`), and the body and its ops are of this program. So buffers and
//!   levels exist, an op writes buffers of its body's level, and a buffer is as wide as the value that the op writes.
//! - **R2**: each lane has room in the body's level for the slots that the body writes. Several lanes run only the body
//!   of the rows, whose buffers they share: the addresses are equal in all lanes, and each lane writes its own rows'
//!   slots.
//! - **R3**: the cursor of each lane is in its block or at the block's end, and each op keeps it there. Between the
//!   index of a nullable value and the value, it is at most one byte further.
//! - **R4**: [`PADDING`](crate::PADDING) readable bytes follow each block.
//! - **R5**: the CPU has the instructions of the kernel set `C`.
//!
//! [`run`] establishes R1 to R4, and [`dispatch`] R5.

mod dispatch;
mod kernels;
mod lane;
mod ops;

pub use dispatch::CpuKind;

use crate::column::{FilledBuffers, OutputBuffers, ROWS};
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind};
use crate::program::{Body, Op, Program};
use arrow_buffer::Buffer;
use dispatch::{Nested, run_rows};
use lane::{Lane, LaneCursor, assign_blocks_to_lanes, max_lanes};
use ops::column::{has_bulk, read_columns};
use ops::fused_varints::read_fused_varints;
use ops::nullable::{Always, Masked, Nullable, NullableMasked};
use ops::scalar::ReadScalar;
use ops::{nested, nullable, scalar, skip};
use std::sync::Arc;

/// Rows of a block to be decoded.
#[derive(Debug, Clone)]
pub(crate) struct BlockSlice {
    /// The block, or a buffer that contains it. Views count from its start.
    pub(crate) data: PaddedBytes,
    /// The start of the first row; after the run, the end of the last row.
    pub(crate) at: usize,
    /// The end of the block.
    pub(crate) end: usize,
    pub(crate) n_rows: usize,
    /// Whether these are the last rows of the block, after which no bytes may be left.
    pub(crate) ends_block: bool,
    /// The index of the buffer that views point into, among those given to the run.
    pub(crate) buffer: u32,
    /// Items without bytes in this block so far.
    pub(crate) zero_width_items: u64,
}

/// Why nothing was decoded.
#[derive(Debug)]
pub(crate) enum Stop {
    /// One of the slices is damaged.
    Damaged,
    /// The rows are too large together for memory or for Arrow's arrays, with the error for it.
    TooLarge(Error),
}

/// Decodes all rows of the slices, in order. `blocks` are the buffers that the slices name; `slots_per_row` is the
/// expected number of slots of each level per row, if that is known.
pub(crate) fn run(
    program: &Program,
    slices: &mut [BlockSlice],
    blocks: Arc<[Buffer]>,
    slots_per_row: &[f64],
) -> Result<FilledBuffers, Stop> {
    let max = program.options.limits.batch_bytes;
    let assigned = assign_blocks_to_lanes(slices, max_lanes(program));
    let rows: Vec<usize> = assigned.iter().map(|slices| slices.iter().map(|slice| slice.n_rows).sum()).collect();
    let row_bytes = program.layout.slot_bytes(ROWS).saturating_mul(rows.iter().sum());
    let Some(left) = max.checked_sub(row_bytes) else { return Err(Stop::TooLarge(too_large(row_bytes, max))) };
    let mut output = OutputBuffers::new(&program.layout, &rows, left / assigned.len().max(1), slots_per_row);
    let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(assigned.len());
    let mut first_row = 0;
    // The buffer of constants is the first, if there is one.
    let constants = program.constants.buffer();
    let first_buffer = u32::from(constants.is_some());
    for ((buffers, slices), rows) in output.lanes.drain(..).zip(assigned).zip(&rows) {
        lanes.push(Lane::new(buffers, first_row, first_buffer, slices));
        first_row += rows;
    }
    let ran = run_lanes(program, &mut lanes);
    if let Some(error) = lanes.iter_mut().find_map(|lane| lane.too_large.take()) {
        return Err(Stop::TooLarge(error));
    }
    ran.map_err(|Faulted| Stop::Damaged)?;
    output.lanes = lanes.into_iter().map(|lane| lane.buffers).collect();
    let blocks = match constants {
        Some(buffer) => std::iter::once(buffer).chain(blocks.iter().cloned()).collect(),
        None => blocks,
    };
    // SAFETY: `run_lanes` ran the program on every row of every lane without a fault.
    let filled = unsafe { output.join(&program.layout, &rows, blocks, first_buffer as usize, max) };
    filled.map_err(Stop::TooLarge)
}

#[cold]
fn too_large(bytes: usize, max: usize) -> Error {
    ErrorKind::Limit { limit: "batch_bytes", value: bytes as u64, max: max as u64 }.into()
}

/// A lane cannot go on.
struct Faulted;

/// Runs all rows of all lanes: in lockstep as long as every lane has rows, then lane by lane.
fn run_lanes(program: &Program, lanes: &mut [Lane<'_>]) -> Result<(), Faulted> {
    match lanes.len() {
        8 => lockstep::<8>(program, lanes)?,
        4 => lockstep::<4>(program, lanes)?,
        2 => lockstep::<2>(program, lanes)?,
        _ => {}
    }
    for lane in lanes {
        lockstep::<1>(program, std::slice::from_mut(lane))?;
    }
    Ok(())
}

fn lockstep<const K: usize>(program: &Program, lanes: &mut [Lane<'_>]) -> Result<(), Faulted> {
    let Ok(lanes) = <&mut [Lane<'_>; K]>::try_from(lanes) else { return Ok(()) };
    loop {
        // Blocks of no rows are ended here too.
        for lane in lanes.iter_mut() {
            while lane.rows_left == 0 && !lane.slices.is_empty() {
                lane.end_slice()?;
            }
        }
        let n_rows = lanes.iter().map(|lane| lane.rows_left).min().unwrap_or(0);
        if n_rows == 0 {
            return Ok(());
        }
        let first = std::array::from_fn(|j| lanes[j].row);
        // SAFETY: `Program::compile` verified the program. `run` made each lane for the rows of its slices, which begin
        // at its first `row`, and each slice's `PaddedBytes` are padded.
        unsafe { run_rows::<K>(program, program.row, lanes, first, n_rows) };
        if lanes.iter().any(|lane| lane.fault) {
            return Err(Faulted);
        }
        for lane in lanes.iter_mut() {
            lane.rows_left -= n_rows;
            lane.row += n_rows;
        }
    }
}

/// Runs a body `n` times on each lane, from each lane's cursor on, for the slots from its `first` on. On a fault it
/// stops, and the lane records it.
///
/// # Safety
/// R1 to R5; where there are several lanes (`K > 1`), the body is the program's `row` (R2).
#[inline(always)]
unsafe fn run_body<C: Nested, const K: usize>(
    program: &Program,
    body: Body,
    lanes: &mut [Lane<'_>; K],
    first: [usize; K],
    n: usize,
) {
    debug_assert!(K == 1 || body == program.row);
    let Some(ops) = program.body(body) else { return lanes.iter_mut().for_each(|lane| lane.fault = true) };
    // Copies that the writes below cannot alias.
    let mut cursors: [LaneCursor; K] = std::array::from_fn(|j| LaneCursor::new(lanes[j].at, lanes[j].source, first[j]));
    let cursors = &mut cursors;
    let mut bad = false;
    let slots: *const *mut u8 = lanes[0].buffers.slots.as_ptr();
    if let [Op::Read { encoding, to }] = *ops
        && has_bulk(encoding)
    {
        // SAFETY: R1 to R5.
        unsafe { read_columns::<C, K>(encoding, to, cursors, slots, n, &mut bad) };
    } else {
        for _ in 0..n {
            // SAFETY: R1 to R5.
            unsafe { run_ops::<C, K>(program, ops, cursors, lanes, slots, &mut bad) };
            if bad {
                break;
            }
            for cursor in cursors.iter_mut() {
                cursor.slot += 1;
            }
        }
    }
    for (cursor, lane) in cursors.iter().zip(lanes.iter_mut()) {
        lane.at = cursor.at;
        lane.fault |= bad;
    }
}

/// Runs the ops of a body once on each lane.
///
/// # Safety
/// R1 to R5, as for [`run_body`].
#[inline(always)]
unsafe fn run_ops<C: Nested, const K: usize>(
    program: &Program,
    ops: &[Op],
    cursors: &mut [LaneCursor; K],
    lanes: &mut [Lane<'_>; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    let constants = &program.constants;
    let mut rest = ops.iter();
    while let Some(op) = rest.next() {
        // SAFETY: R1: the op is of a verified body; R2, R3, R4 and R5 as for this function. Each op keeps R3.
        unsafe {
            match *op {
                Op::RecordRowStart { to } => scalar::write_start(to, cursors, slots),
                Op::Read { encoding, to } => {
                    ReadScalar::<C, _, K>::new(to, Always, cursors, slots, bad).read(encoding, constants);
                }
                Op::FusedVarints { n } => {
                    let (reads, others) = rest.as_slice().split_at_checked(usize::from(n)).unwrap_or_default();
                    *bad |= reads.is_empty();
                    rest = others.iter();
                    read_fused_varints::<C, K>(reads, cursors, slots, bad);
                }
                Op::ReadNullable { encoding, to, nulls } => {
                    ReadScalar::<C, _, K>::new(to, Nullable(nulls), cursors, slots, bad).read(encoding, constants);
                }
                Op::ReadMasked { encoding, to } => {
                    ReadScalar::<C, _, K>::new(to, Masked, cursors, slots, bad).read(encoding, constants);
                }
                Op::ReadNullableMasked { encoding, to, nulls } => {
                    ReadScalar::<C, _, K>::new(to, NullableMasked(nulls), cursors, slots, bad)
                        .read(encoding, constants);
                }
                Op::PushMask { nulls } => nullable::push_mask::<C, K>(nulls, cursors, slots, bad),
                Op::PopMask => nullable::pop_mask(cursors),
                Op::ExpectBranch0 => skip::expect_branch_0::<C, K>(cursors, bad),
                Op::SwitchBranch { branches } => nested::on_each(cursors, lanes, bad, |lane, slot| {
                    nested::switch_branch::<C>(program, branches, lane, slot);
                }),
                Op::Union { ids, offsets, branches } => nested::on_each(cursors, lanes, bad, |lane, slot| {
                    nested::union::<C>(program, (ids, offsets), branches, lane, slot);
                }),
                Op::Items { offsets, level, body, zero_width } => {
                    let items = nested::Items { offsets, level, body, zero_width };
                    nested::at_each(cursors, lanes, bad, |lane, slot, at| {
                        nested::items::<C>(program, items, lane, slot, at)
                    });
                }
                Op::SkipItems { body } => {
                    nested::at_each(cursors, lanes, bad, |lane, _, at| nested::skip_items::<C>(program, body, lane, at))
                }
                Op::Json { offsets, level, bytes, pair } => nested::on_each(cursors, lanes, bad, |lane, slot| {
                    nested::json_text(program, (offsets, level, bytes), pair, lane, slot);
                }),
                Op::WriteUnionBranch { ids, offsets, branch } => nested::on_each(cursors, lanes, bad, |lane, slot| {
                    nested::write_union::<C>(program, (ids, offsets), branch, lane, slot);
                }),
                Op::DefaultItems { offsets, level, items } => nested::on_each(cursors, lanes, bad, |lane, slot| {
                    nested::default_items::<C>(program, (offsets, level), items, lane, slot);
                }),
                Op::Text { offsets, level, bytes, text } => nested::on_each(cursors, lanes, bad, |lane, slot| {
                    nested::text(program, (offsets, level, bytes), text, lane, slot);
                }),
                Op::Call { sub } => nested::on_each(cursors, lanes, bad, |lane, _| {
                    nested::call::<C>(program, sub, lane);
                }),
                Op::SkipValue { node } => nested::on_each(cursors, lanes, bad, |lane, _| {
                    nested::skip_value(program, node, lane);
                }),
                Op::WriteZeros { to, width } => scalar::write_zeros(to, width, cursors, slots),
                Op::WriteValid { to } => scalar::write_each(to, 1u8, cursors, slots),
                Op::Constant { to, slot } => match constants.slot_bytes(slot) {
                    Some(bytes) => scalar::write_bytes(to, bytes, cursors, slots),
                    None => *bad = true,
                },
                Op::View { to, view } => match constants.view_of(view) {
                    Some(view) => scalar::write_each(to, view, cursors, slots),
                    None => *bad = true,
                },
                Op::Unresolvable => *bad = true,
                Op::WriteOffset { offsets, level } => nested::write_offset(offsets, level, cursors, lanes, slots),
                Op::SkipFixed { bytes } => skip::skip_fixed(bytes, cursors, bad),
                Op::SkipVarints { n } => skip::skip_varints::<C, K>(n, cursors, bad),
                Op::SkipNullable { skip, null_branch, n } => {
                    skip::skip_nullable::<C, K>(skip, null_branch, n, cursors, bad);
                }
                Op::SkipBytes { n } => skip::skip_bytes::<C, K>(n, cursors, bad),
            }
        }
    }
}
