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

mod dispatch;
#[cfg(test)]
mod hostile_tests;
mod kernels;
mod lane;
mod lanes;
mod ops;
mod place;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use dispatch::CpuKind;

use crate::column::{Finished, Parts, ROWS};
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind};
use crate::program::{Body, Leaf, Op, Program, SkipLeaf};
use arrow_buffer::Buffer;
use kernels::{Cpu, Kernel};
use lane::Runner;
use lanes::{deal, most_lanes};
use ops::column::{has_bulk, read_column};
use ops::fused_varints::read_together;
use ops::nested::{branch, call, choose, given, items, json_text, skip_value, text, union};
use place::{Place, read_fixed, write, zero};
use std::array::from_mut;
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

/// Runs rows with the code for the current CPU.
///
/// # Safety
/// As [`run_body`], but for the CPU.
unsafe fn run_rows<const K: usize>(
    program: &Program,
    body: Body,
    runners: &mut [Runner<'_>; K],
    first: [usize; K],
    n: usize,
) {
    match CpuKind::at_hand() {
        // SAFETY: the caller's promise, and the CPU has what it needs.
        #[cfg(target_arch = "x86_64")]
        CpuKind::Avx512 => unsafe { run_body_avx512::<K>(program, body, runners, first, n) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        CpuKind::Avx2 => unsafe { run_body_avx2::<K>(program, body, runners, first, n) },
        // SAFETY: the caller's promise.
        CpuKind::Portable => unsafe { run_body::<kernels::Portable, K>(program, body, runners, first, n) },
    }
}

/// # Safety
/// As [`run_body`]; the CPU has these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_body_avx512<const K: usize>(
    program: &Program,
    body: Body,
    runners: &mut [Runner<'_>; K],
    first: [usize; K],
    n: usize,
) {
    // SAFETY: the caller's promise; this function's features are those of `Avx512`.
    unsafe { run_body::<kernels::Avx512, K>(program, body, runners, first, n) }
}

/// # Safety
/// As [`run_body`]; the CPU has these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_body_avx2<const K: usize>(
    program: &Program,
    body: Body,
    runners: &mut [Runner<'_>; K],
    first: [usize; K],
    n: usize,
) {
    // SAFETY: the caller's promise; this function's features are those of `Avx2`.
    unsafe { run_body::<kernels::Avx2, K>(program, body, runners, first, n) }
}

/// Runs a body on one lane, for [`run_body`] to call recursively.
trait Nested: Cpu {
    /// # Safety
    /// As [`run_body`].
    unsafe fn run_nested(program: &Program, body: Body, runner: &mut Runner<'_>, first: usize, n: usize);
}

impl Nested for kernels::Portable {
    #[inline(never)]
    unsafe fn run_nested(program: &Program, body: Body, runner: &mut Runner<'_>, first: usize, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run_body::<Self, 1>(program, body, from_mut(runner), [first], n) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Nested for kernels::Avx2 {
    #[inline(never)]
    unsafe fn run_nested(program: &Program, body: Body, runner: &mut Runner<'_>, first: usize, n: usize) {
        // SAFETY: the caller's promise; this type is only used where the CPU has what it needs.
        unsafe { run_body_avx2::<1>(program, body, from_mut(runner), [first], n) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Nested for kernels::Avx512 {
    #[inline(never)]
    unsafe fn run_nested(program: &Program, body: Body, runner: &mut Runner<'_>, first: usize, n: usize) {
        // SAFETY: the caller's promise; this type is only used where the CPU has what it needs.
        unsafe { run_body_avx512::<1>(program, body, from_mut(runner), [first], n) }
    }
}

/// Runs a body `n` times on each lane, from each lane's cursor on, for the slots from its `first` on. On a fault it
/// stops, and the lane records it.
///
/// # Safety
/// `program` is verified and the body is one of its; every lane has room for the slots in the body's level; `at` of
/// each lane is in its block or at its end, and `PADDING` readable bytes follow the block; `C` fits the CPU.
#[inline(always)]
unsafe fn run_body<C: Nested, const K: usize>(
    program: &Program,
    body: Body,
    runners: &mut [Runner<'_>; K],
    first: [usize; K],
    n: usize,
) {
    let ops = program.body(body);
    // Copies that the writes below cannot alias.
    let mut places: [Place; K] =
        std::array::from_fn(|j| Place { at: runners[j].at, source: runners[j].source, slot: first[j], inside: 1 });
    let mut bad = false;
    // Several lanes run the body of the rows only, whose slabs they share (`Lane::new`): the addresses are the same in
    // each, and the slots that a lane writes are its own rows'.
    let slots: *const *mut u8 = runners[0].lane.slots.as_ptr();
    if let [Op::Read { leaf, to }] = *ops
        && has_bulk(leaf)
    {
        // In turns, so that the CPU can begin with the next lane's values before it has finished one's.
        let mut left = n;
        while left > 0 {
            let turn = left.min(if K == 1 { left } else { BULK_TURN });
            for place in &mut places {
                // SAFETY: as for `read` below.
                unsafe { read_column::<C>(leaf, to, place, slots, turn, &mut bad) };
                place.slot += turn;
            }
            left -= turn;
        }
        for (place, runner) in places.iter().zip(runners.iter_mut()) {
            runner.at = place.at;
            runner.fault |= bad;
        }
        return;
    }
    for _ in 0..n {
        let mut rest = ops.iter();
        while let Some(op) = rest.next() {
            // Whether there is a value, for this way of reading.
            macro_rules! present {
                ($place:ident, always) => {
                    true
                };
                ($place:ident, inside) => {
                    $place.is_inside()
                };
                ($place:ident, nulls $nulls:ident) => {
                    kernels::is_present::<C>(&mut $place.at, &$place.source, $nulls.null_branch, true, &mut bad)
                };
                ($place:ident, nulls_inside $nulls:ident) => {{
                    let inside = $place.is_inside();
                    kernels::is_present::<C>(&mut $place.at, &$place.source, $nulls.null_branch, inside, &mut bad)
                }};
            }
            // Whether a nullable value is valid.
            macro_rules! valid {
                ($place:ident, $present:ident, $how:ident) => {};
                ($place:ident, $present:ident, $how:ident $nulls:ident) => {
                    write(slots, $nulls.valid, $place.slot, u8::from($present))
                };
            }
            // Reads one value of each lane through a kernel.
            macro_rules! read {
                ($kernel:expr, $to:expr, $($how:tt)+) => {
                    for place in &mut places {
                        // SAFETY: the kernel's are this function's conditions, and each op leaves `at` within the
                        // block; `verify` checked that the slabs are of this level and width.
                        unsafe {
                            let present = present!(place, $($how)+);
                            let value = $kernel.read::<C>(&mut place.at, &place.source, present, &mut bad);
                            write(slots, $to, place.slot, value);
                            valid!(place, present, $($how)+);
                        }
                    }
                };
            }
            // Copies a fixed number of bytes to their slot.
            macro_rules! fixed {
                ($n:expr, $to:expr, $($how:tt)+) => {
                    for place in &mut places {
                        // SAFETY: as above.
                        unsafe {
                            let present = present!(place, $($how)+);
                            if present {
                                read_fixed(place, $n, slots, $to, &mut bad);
                            } else {
                                kernels::check(&mut place.at, &place.source, &mut bad);
                                zero(slots, $to, $n as usize, place.slot);
                            }
                            valid!(place, present, $($how)+);
                        }
                    }
                };
            }
            macro_rules! leaf {
                ($leaf:expr, $to:expr, $($how:tt)+) => {
                    match $leaf {
                        Leaf::Boolean => read!(kernels::Boolean, $to, $($how)+),
                        Leaf::Int => read!(kernels::Int, $to, $($how)+),
                        Leaf::Long => read!(kernels::Long, $to, $($how)+),
                        Leaf::Float => read!(kernels::Raw::<4>, $to, $($how)+),
                        Leaf::Double => read!(kernels::Raw::<8>, $to, $($how)+),
                        Leaf::Enum(n) => read!(kernels::Index(n), $to, $($how)+),
                        Leaf::Bytes => read!(kernels::Bytes, $to, $($how)+),
                        Leaf::String => read!(kernels::Utf8, $to, $($how)+),
                        Leaf::Decimal128 => read!(kernels::Decimal128, $to, $($how)+),
                        Leaf::Decimal256 => read!(kernels::Decimal256, $to, $($how)+),
                        Leaf::FixedDecimal128(n) => read!(kernels::FixedDecimal128(n), $to, $($how)+),
                        Leaf::FixedDecimal256(n) => read!(kernels::FixedDecimal256(n), $to, $($how)+),
                        Leaf::Duration => read!(kernels::Duration, $to, $($how)+),
                        Leaf::Fixed(16) => read!(kernels::Raw::<16>, $to, $($how)+),
                        Leaf::Fixed(n) => fixed!(n, $to, $($how)+),
                        Leaf::IntToLong => read!(kernels::IntTo::<i64>::INT, $to, $($how)+),
                        Leaf::IntToFloat => read!(kernels::IntTo::<f32>::INT, $to, $($how)+),
                        Leaf::IntToDouble => read!(kernels::IntTo::<f64>::INT, $to, $($how)+),
                        Leaf::LongToFloat => read!(kernels::LongTo::<f32>::LONG, $to, $($how)+),
                        Leaf::LongToDouble => read!(kernels::LongTo::<f64>::LONG, $to, $($how)+),
                        Leaf::FloatToDouble => read!(kernels::FloatTo::<f64>::FLOAT, $to, $($how)+),
                        Leaf::Symbol(table) => match program.constants.table_of(table) {
                            Some(table) => read!(kernels::Found(table), $to, $($how)+),
                            None => bad = true,
                        },
                        Leaf::Times(rescale) => match program.constants.rescale_of(rescale) {
                            Some(rescale) => read!(kernels::Times(rescale), $to, $($how)+),
                            None => bad = true,
                        },
                        Leaf::Scaled128(rescale) => match program.constants.rescale_of(rescale) {
                            Some(rescale) => read!(kernels::Scaled128(rescale), $to, $($how)+),
                            None => bad = true,
                        },
                        Leaf::Scaled256(rescale) => match program.constants.rescale_of(rescale) {
                            Some(rescale) => read!(kernels::Scaled256(rescale), $to, $($how)+),
                            None => bad = true,
                        },
                        Leaf::SymbolText(texts) => match program.constants.texts_of(texts) {
                            Some(texts) => read!(kernels::Found(texts), $to, $($how)+),
                            None => bad = true,
                        },
                    }
                };
            }
            // Skips a value in each lane.
            macro_rules! skip {
                (|$place:ident| $skip:expr) => {
                    for $place in &mut places {
                        // SAFETY: as for `read`.
                        unsafe { $skip };
                    }
                };
            }
            // Runs nested values lane by lane, with the lane's cursor.
            macro_rules! nested {
                (|$runner:ident, $slot:ident| $call:expr) => {
                    for (place, $runner) in places.iter_mut().zip(runners.iter_mut()) {
                        $runner.at = place.at;
                        let $slot = place.slot;
                        // SAFETY: this function's conditions; `verify` checked levels and bodies.
                        unsafe { $call };
                        place.at = $runner.at;
                        bad |= $runner.fault;
                    }
                };
            }
            match *op {
                Op::Start { to } => {
                    for place in &places {
                        let start = place.at as usize - place.source.start as usize;
                        // SAFETY: as for `read`. Buffers are smaller than 4 GiB.
                        unsafe { write(slots, to, place.slot, start as u32) };
                    }
                }
                Op::Read { leaf, to } => leaf!(leaf, to, always),
                Op::Together { n } => {
                    let reads = rest.as_slice().get(..usize::from(n)).unwrap_or_default();
                    rest = rest.as_slice().get(usize::from(n)..).unwrap_or_default().iter();
                    for place in &mut places {
                        // SAFETY: as for `read`.
                        unsafe { read_together::<C>(reads, place, slots, &mut bad) };
                    }
                }
                Op::ReadNullable { leaf, to, nulls } => leaf!(leaf, to, nulls nulls),
                Op::ReadInside { leaf, to } => leaf!(leaf, to, inside),
                Op::ReadNullableInside { leaf, to, nulls } => leaf!(leaf, to, nulls_inside nulls),
                Op::Enter { nulls } => {
                    for place in &mut places {
                        // SAFETY: as for `read`.
                        let present = unsafe {
                            let present = present!(place, nulls_inside nulls);
                            valid!(place, present, nulls_inside nulls);
                            present
                        };
                        kernels::check(&mut place.at, &place.source, &mut bad);
                        place.inside = (place.inside << 1) | u64::from(present);
                    }
                }
                Op::Leave => {
                    for place in &mut places {
                        place.inside >>= 1;
                    }
                }
                Op::Single => {
                    for place in &mut places {
                        // SAFETY: as for `read`.
                        unsafe { kernels::Index(1).read::<C>(&mut place.at, &place.source, true, &mut bad) };
                    }
                }
                Op::Choose { .. } => nested!(|runner, slot| choose::<C>(program, op, runner, slot)),
                Op::Union { .. } => nested!(|runner, slot| union::<C>(program, op, runner, slot)),
                Op::Items { .. } | Op::SkipItems { .. } => {
                    for (place, runner) in places.iter_mut().zip(runners.iter_mut()) {
                        // SAFETY: as for `nested`. (The cursor is handed over, so that it need not go through memory.)
                        place.at = unsafe { items::<C>(program, op, runner, place.slot, place.at) };
                        bad |= runner.fault;
                    }
                }
                Op::Json { .. } => nested!(|runner, slot| json_text(program, op, runner, slot)),
                Op::Branch { .. } => nested!(|runner, slot| branch::<C>(program, op, runner, slot)),
                Op::Given { .. } => nested!(|runner, slot| given::<C>(program, op, runner, slot)),
                Op::Text { .. } => nested!(|runner, slot| text(program, op, runner, slot)),
                Op::Call { .. } => nested!(|runner, _slot| call::<C>(program, op, runner)),
                Op::SkipValue { .. } => nested!(|runner, _slot| skip_value(program, op, runner)),
                Op::Zero { to, width } => {
                    for place in &places {
                        // SAFETY: as for `read`.
                        unsafe { zero(slots, to, width as usize, place.slot) };
                    }
                }
                Op::One { to } => {
                    for place in &places {
                        // SAFETY: as for `read`.
                        unsafe { write(slots, to, place.slot, 1u8) };
                    }
                }
                Op::Constant { to, slot } => {
                    let bytes = program.constants.slot_bytes(slot).unwrap_or_default();
                    for place in &places {
                        // SAFETY: as for `read`; `verify` checked that the slab is as wide as the constant.
                        unsafe {
                            let slot = (*slots.add(to.index())).add(place.slot * bytes.len());
                            slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                        }
                    }
                }
                Op::View { to, view } => {
                    let view = program.constants.view_of(view).unwrap_or_default();
                    for place in &places {
                        // SAFETY: as for `read`.
                        unsafe { write(slots, to, place.slot, view) };
                    }
                }
                Op::Fail => bad = true,
                Op::End { ends, level } => {
                    for (place, runner) in places.iter().zip(runners.iter()) {
                        // SAFETY: as for `read`.
                        unsafe { write(slots, ends, place.slot, runner.level_len(level) as i32) };
                    }
                }
                Op::SkipFixed { bytes } => {
                    for place in &mut places {
                        let left = place.source.end as usize - place.at as usize;
                        bad |= bytes > left as u64;
                        // SAFETY: at most to the end.
                        place.at = unsafe { place.at.add(left.min(bytes as usize)) };
                    }
                }
                Op::SkipVarints { n: 1 } => skip!(|place| {
                    kernels::skip_varint(&mut place.at, &place.source, true, &mut bad);
                }),
                Op::SkipVarints { n } => {
                    skip!(|place| kernels::skip_varints::<C>(&mut place.at, n, &place.source, &mut bad));
                }
                // One after the other in each lane, and not lane after lane: so lanes do not wait for themselves.
                Op::SkipNullable { skip: SkipLeaf::Varint, null_branch, n } => {
                    for _ in 0..n {
                        skip!(|place| {
                            let (at, source) = (&mut place.at, &place.source);
                            let present = kernels::is_present::<C>(at, source, null_branch, true, &mut bad);
                            kernels::skip_varint(at, source, present, &mut bad);
                        });
                    }
                }
                Op::SkipNullable { skip: SkipLeaf::Bytes, null_branch, n } => {
                    for _ in 0..n {
                        skip!(|place| {
                            let (at, source) = (&mut place.at, &place.source);
                            let present = kernels::is_present::<C>(at, source, null_branch, true, &mut bad);
                            kernels::sized::<C>(at, source, present, &mut bad);
                        });
                    }
                }
                Op::SkipNullable { skip: SkipLeaf::Fixed(bytes), null_branch, n } => {
                    for _ in 0..n {
                        skip!(|place| {
                            let (at, source) = (&mut place.at, &place.source);
                            let present = kernels::is_present::<C>(at, source, null_branch, true, &mut bad);
                            kernels::fixed(at, if present { bytes as usize } else { 0 }, source, &mut bad);
                        });
                    }
                }
                Op::SkipBytes { n } => {
                    for _ in 0..n {
                        skip!(|place| {
                            kernels::sized::<C>(&mut place.at, &place.source, true, &mut bad);
                        });
                    }
                }
            }
        }
        if bad {
            break;
        }
        for place in &mut places {
            place.slot += 1;
        }
    }
    for (place, runner) in places.iter().zip(runners.iter_mut()) {
        runner.at = place.at;
        runner.fault |= bad;
    }
}

/// Values of a column that one lane reads before the next lane reads some.
const BULK_TURN: usize = 64;
