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
//! so each lane writes from its own first row on and nothing is merged afterwards (`lockstep`).
//!
//! Nested values (unions, arrays, maps) are decoded lane by lane, in levels of the lane's own. For one lane, the
//! program is linked first (`link`): each op becomes a step, which has the address of the code for this op, encoding
//! and CPU. So a step costs one jump. The code of a step first tries what data usually are (`StepCode::run_common`): no
//! fault, one byte for a length, ASCII. That part calls no other function, so it saves no registers.
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
mod link;
mod lockstep;
mod ops;
mod target;

pub use dispatch::CpuKind;

use crate::column::{FilledBuffers, OutputBuffers, ROWS};
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind};
use crate::program::Program;
use arrow_buffer::Buffer;
use lane::{Lane, assign_blocks_to_lanes, max_lanes};
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
    let cpu = CpuKind::current();
    let linked = cpu.link(program);
    let mut first_row = 0;
    // The buffer of constants is the first, if there is one.
    let constants = program.constants.buffer();
    let first_buffer = u32::from(constants.is_some());
    for ((buffers, slices), rows) in output.lanes.drain(..).zip(assigned).zip(&rows) {
        lanes.push(Lane::new((program, &linked), buffers, first_row, first_buffer, slices));
        first_row += rows;
    }
    let ran = run_lanes(cpu, &mut lanes);
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
fn run_lanes(cpu: CpuKind, lanes: &mut [Lane<'_>]) -> Result<(), Faulted> {
    match lanes.len() {
        8 => run_rows::<8>(cpu, lanes)?,
        4 => run_rows::<4>(cpu, lanes)?,
        2 => run_rows::<2>(cpu, lanes)?,
        _ => {}
    }
    for lane in lanes {
        run_rows::<1>(cpu, std::slice::from_mut(lane))?;
    }
    Ok(())
}

fn run_rows<const K: usize>(cpu: CpuKind, lanes: &mut [Lane<'_>]) -> Result<(), Faulted> {
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
        // SAFETY: `Program::compile` verified the program. `run` made each lane for the rows of its slices, which begin
        // at its first `row`, and each slice's `PaddedBytes` are padded. `run` linked the program for this CPU.
        unsafe { cpu.run_rows::<K>(lanes, n_rows) };
        if lanes.iter().any(|lane| lane.fault) {
            return Err(Faulted);
        }
        for lane in lanes.iter_mut() {
            lane.rows_left -= n_rows;
            lane.row += n_rows;
        }
    }
}
