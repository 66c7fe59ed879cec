//! The run loop: runs a program over blocks and writes slabs.
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
//! - **R1**: the program is verified (`program::verify`), and the body and its ops are of this program. So slabs and
//!   levels exist, an op writes slabs of its body's level, and a slab is as wide as the value that the op writes.
//! - **R2**: each lane has room in the body's level for the slots that the body writes. Several lanes run only the body
//!   of the rows, whose slabs they share: the addresses are equal in all lanes, and each lane writes its own rows' slots.
//! - **R3**: the cursor of each lane is in its block or at the block's end, and each op keeps it there. Between the index
//!   of a nullable value and the value, it is at most one byte further.
//! - **R4**: [`PADDING`](crate::PADDING) readable bytes follow each block.
//! - **R5**: the CPU has the instructions of the kernel set `C`.
//!
//! [`run`] establishes R1 to R4, and [`dispatch`] R5.

mod dispatch;
#[cfg(test)]
mod hostile_tests;
mod kernels;
mod lane;
mod lanes;
mod ops;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use dispatch::CpuKind;

use crate::column::{Finished, Parts, ROWS};
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind};
use crate::program::{Body, Op, Program};
use arrow_buffer::Buffer;
use dispatch::{Nested, run_rows};
use lane::{Place, Runner};
use lanes::{deal, most_lanes};
use ops::column::{has_bulk, read_columns};
use ops::fused_varints::read_together;
use ops::nullable::{Always, Masked, Nullable, NullableMasked};
use ops::scalar::ReadScalar;
use ops::{nested, nullable, scalar, skip};
use std::sync::Arc;

/// Rows of a block to be decoded.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
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
    /// One of the pieces is damaged.
    Damaged,
    /// The rows are too large together for memory or for Arrow's arrays, with the error for it.
    TooLarge(Error),
}

/// Decodes all rows of the pieces, in order. `blocks` are the buffers that the pieces name; `slots_per_row` is the
/// expected number of slots of each level per row, if that is known.
pub(crate) fn run(
    program: &Program,
    pieces: &mut [Piece],
    blocks: Arc<[Buffer]>,
    slots_per_row: &[f64],
) -> Result<Finished, Stop> {
    let max = program.options.limits.batch_bytes;
    let lanes = deal(pieces, most_lanes(program));
    let rows: Vec<usize> = lanes.iter().map(|lane| lane.iter().map(|piece| piece.n_rows).sum()).collect();
    let row_bytes = program.layout.slot_bytes(ROWS).saturating_mul(rows.iter().sum());
    let Some(left) = max.checked_sub(row_bytes) else { return Err(Stop::TooLarge(too_large(row_bytes, max))) };
    let mut parts = Parts::new(&program.layout, &rows, left / lanes.len().max(1), slots_per_row);
    let mut runners: Vec<Runner<'_>> = Vec::with_capacity(lanes.len());
    let mut first_row = 0;
    // The buffer of constants is the first, if there is one.
    let constants = program.constants.buffer();
    let first_buffer = u32::from(constants.is_some());
    for ((lane, pieces), rows) in parts.lanes.drain(..).zip(lanes).zip(&rows) {
        runners.push(Runner::new(lane, first_row, first_buffer, pieces));
        first_row += rows;
    }
    let ran = run_lanes(program, &mut runners);
    if let Some(error) = runners.iter_mut().find_map(|runner| runner.too_large.take()) {
        return Err(Stop::TooLarge(error));
    }
    ran.map_err(|Faulted| Stop::Damaged)?;
    parts.lanes = runners.into_iter().map(|runner| runner.lane).collect();
    let blocks = match constants {
        Some(buffer) => std::iter::once(buffer).chain(blocks.iter().cloned()).collect(),
        None => blocks,
    };
    // SAFETY: `run_lanes` ran the program on every row of every lane without a fault.
    Ok(unsafe { parts.join(&program.layout, &rows, blocks, first_buffer as usize, max) })
}

#[cold]
fn too_large(bytes: usize, max: usize) -> Error {
    ErrorKind::Limit { limit: "batch_bytes", value: bytes as u64, max: max as u64 }.into()
}

/// A lane cannot go on.
struct Faulted;

/// Runs all rows of all lanes: in lockstep as long as every lane has rows, then lane by lane.
fn run_lanes(program: &Program, runners: &mut [Runner<'_>]) -> Result<(), Faulted> {
    match runners.len() {
        8 => lockstep::<8>(program, runners)?,
        4 => lockstep::<4>(program, runners)?,
        2 => lockstep::<2>(program, runners)?,
        _ => {}
    }
    for runner in runners {
        lockstep::<1>(program, std::slice::from_mut(runner))?;
    }
    Ok(())
}

fn lockstep<const K: usize>(program: &Program, runners: &mut [Runner<'_>]) -> Result<(), Faulted> {
    let Ok(runners) = <&mut [Runner<'_>; K]>::try_from(runners) else { return Ok(()) };
    loop {
        // Blocks of no rows are ended here too.
        for runner in runners.iter_mut() {
            while runner.rows_left == 0 && !runner.pieces.is_empty() {
                runner.end_piece()?;
            }
        }
        let n_rows = runners.iter().map(|runner| runner.rows_left).min().unwrap_or(0);
        if n_rows == 0 {
            return Ok(());
        }
        let first = std::array::from_fn(|j| runners[j].row);
        // SAFETY: `Program::compile` verified the program. `run` made each lane for the rows of its pieces, which begin
        // at its first `row`, and each piece's `PaddedBytes` are padded.
        unsafe { run_rows::<K>(program, program.row, runners, first, n_rows) };
        if runners.iter().any(|runner| runner.fault) {
            return Err(Faulted);
        }
        for runner in runners.iter_mut() {
            runner.rows_left -= n_rows;
            runner.row += n_rows;
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
    runners: &mut [Runner<'_>; K],
    first: [usize; K],
    n: usize,
) {
    debug_assert!(K == 1 || body == program.row);
    let Some(ops) = program.body(body) else { return runners.iter_mut().for_each(|runner| runner.fault = true) };
    // Copies that the writes below cannot alias.
    let mut places: [Place; K] = std::array::from_fn(|j| Place::new(runners[j].at, runners[j].source, first[j]));
    let places = &mut places;
    let mut bad = false;
    let slots: *const *mut u8 = runners[0].lane.slots.as_ptr();
    if let [Op::Read { leaf, to }] = *ops
        && has_bulk(leaf)
    {
        // SAFETY: R1 to R5.
        unsafe { read_columns::<C, K>(leaf, to, places, slots, n, &mut bad) };
    } else {
        for _ in 0..n {
            // SAFETY: R1 to R5.
            unsafe { run_ops::<C, K>(program, ops, places, runners, slots, &mut bad) };
            if bad {
                break;
            }
            for place in places.iter_mut() {
                place.slot += 1;
            }
        }
    }
    for (place, runner) in places.iter().zip(runners.iter_mut()) {
        runner.at = place.at;
        runner.fault |= bad;
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
    places: &mut [Place; K],
    runners: &mut [Runner<'_>; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    let constants = &program.constants;
    let mut rest = ops.iter();
    while let Some(op) = rest.next() {
        // SAFETY: R1: the op is of a verified body; R2, R3, R4 and R5 as for this function. Each op keeps R3.
        unsafe {
            match *op {
                Op::Start { to } => scalar::write_start(to, places, slots),
                Op::Read { leaf, to } => {
                    ReadScalar::<C, _, K>::new(to, Always, places, slots, bad).read(leaf, constants);
                }
                Op::Together { n } => {
                    let (reads, others) = rest.as_slice().split_at_checked(usize::from(n)).unwrap_or_default();
                    *bad |= reads.is_empty();
                    rest = others.iter();
                    read_together::<C, K>(reads, places, slots, bad);
                }
                Op::ReadNullable { leaf, to, nulls } => {
                    ReadScalar::<C, _, K>::new(to, Nullable(nulls), places, slots, bad).read(leaf, constants);
                }
                Op::ReadInside { leaf, to } => {
                    ReadScalar::<C, _, K>::new(to, Masked, places, slots, bad).read(leaf, constants);
                }
                Op::ReadNullableInside { leaf, to, nulls } => {
                    ReadScalar::<C, _, K>::new(to, NullableMasked(nulls), places, slots, bad).read(leaf, constants);
                }
                Op::Enter { nulls } => nullable::enter::<C, K>(nulls, places, slots, bad),
                Op::Leave => nullable::leave(places),
                Op::Single => skip::expect_branch_0::<C, K>(places, bad),
                Op::Choose { branches } => nested::on_each(places, runners, bad, |runner, slot| {
                    nested::choose::<C>(program, branches, runner, slot);
                }),
                Op::Union { ids, offsets, branches } => nested::on_each(places, runners, bad, |runner, slot| {
                    nested::union::<C>(program, (ids, offsets), branches, runner, slot);
                }),
                Op::Items { ends, level, body, zero_width } => {
                    let items = nested::Items { ends, level, body, zero_width };
                    nested::at_each(places, runners, bad, |runner, slot, at| {
                        nested::items::<C>(program, items, runner, slot, at)
                    });
                }
                Op::SkipItems { body } => nested::at_each(places, runners, bad, |runner, _, at| {
                    nested::skip_items::<C>(program, body, runner, at)
                }),
                Op::Json { ends, level, bytes, pair } => nested::on_each(places, runners, bad, |runner, slot| {
                    nested::json_text(program, (ends, level, bytes), pair, runner, slot);
                }),
                Op::Branch { ids, offsets, branch } => nested::on_each(places, runners, bad, |runner, slot| {
                    nested::write_union::<C>(program, (ids, offsets), branch, runner, slot);
                }),
                Op::Given { ends, level, items } => nested::on_each(places, runners, bad, |runner, slot| {
                    nested::given::<C>(program, (ends, level), items, runner, slot);
                }),
                Op::Text { ends, level, bytes, text } => nested::on_each(places, runners, bad, |runner, slot| {
                    nested::text(program, (ends, level, bytes), text, runner, slot);
                }),
                Op::Call { sub } => nested::on_each(places, runners, bad, |runner, _| {
                    nested::call::<C>(program, sub, runner);
                }),
                Op::SkipValue { node } => nested::on_each(places, runners, bad, |runner, _| {
                    nested::skip_value(program, node, runner);
                }),
                Op::Zero { to, width } => scalar::write_zeros(to, width, places, slots),
                Op::One { to } => scalar::write_each(to, 1u8, places, slots),
                Op::Constant { to, slot } => match constants.slot_bytes(slot) {
                    Some(bytes) => scalar::write_bytes(to, bytes, places, slots),
                    None => *bad = true,
                },
                Op::View { to, view } => match constants.view_of(view) {
                    Some(view) => scalar::write_each(to, view, places, slots),
                    None => *bad = true,
                },
                Op::Fail => *bad = true,
                Op::End { ends, level } => nested::write_end(ends, level, places, runners, slots),
                Op::SkipFixed { bytes } => skip::skip_fixed(bytes, places, bad),
                Op::SkipVarints { n } => skip::skip_varints::<C, K>(n, places, bad),
                Op::SkipNullable { skip, null_branch, n } => {
                    skip::skip_nullable::<C, K>(skip, null_branch, n, places, bad);
                }
                Op::SkipBytes { n } => skip::skip_bytes::<C, K>(n, places, bad),
            }
        }
    }
}
