//! Nested values: unions, arrays, maps and JSON text, read or skipped one lane at a time. An op gets a lane at its
//! cursor, writes slots in levels of the lane's own, and leaves the cursor after the value.

use super::column::{has_bulk, read_column};
use crate::column::{BufferId, LevelId};
use crate::exec::dispatch::Nested;
use crate::exec::kernels::{self, BlockSource, Cpu, Kernel};
use crate::exec::lane::{Lane, LaneCursor, write};
use crate::json;
use crate::program::{Body, Branch, Branches, Op, Program};
use crate::resolve::PairId;
use crate::schema::NodeId;

/// Runs a nested op on one lane after the other. The op moves the lane's own cursor.
#[inline(always)]
pub(in crate::exec) fn on_each<'a, const K: usize>(
    cursors: &mut [LaneCursor; K],
    lanes: &mut [Lane<'a>; K],
    bad: &mut bool,
    run: impl Fn(&mut Lane<'a>, usize),
) {
    for (cursor, lane) in cursors.iter_mut().zip(lanes.iter_mut()) {
        lane.at = cursor.at;
        run(lane, cursor.slot);
        cursor.at = lane.at;
        *bad |= lane.fault;
    }
}

/// [`on_each`], but the op gets the cursor and returns it, so that the cursor need not go through memory.
#[inline(always)]
pub(in crate::exec) fn at_each<'a, const K: usize>(
    cursors: &mut [LaneCursor; K],
    lanes: &mut [Lane<'a>; K],
    bad: &mut bool,
    run: impl Fn(&mut Lane<'a>, usize, *const u8) -> *const u8,
) {
    for (cursor, lane) in cursors.iter_mut().zip(lanes.iter_mut()) {
        cursor.at = run(lane, cursor.slot, cursor.at);
        *bad |= lane.fault;
    }
}

/// Reads the index of a branch, below `n`; 0 on a fault.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
unsafe fn branch_index<C: Cpu>(lane: &mut Lane<'_>, n: u32) -> usize {
    // SAFETY: R3, R4 and R5.
    unsafe { kernels::Index(n).read::<C>(&mut lane.at, &lane.source, true, &mut lane.fault) as usize }
}

/// Reads the index of a union and runs the branch's body at the same slot.
///
/// # Safety
/// R1 to R5, for the slot of an op with these branches.
#[inline(always)]
pub(in crate::exec) unsafe fn switch_branch<C: Nested>(
    program: &Program,
    branches: Branches,
    lane: &mut Lane<'_>,
    slot: usize,
) {
    // SAFETY: R1: the branches write buffers of the op's level, so R2 is this function's; R3, R4 and R5.
    unsafe {
        let chosen = branch_index::<C>(lane, branches.n);
        let Some(branch) = program.branch(branches, chosen) else { return lane.fault = true };
        if !lane.fault && !branch.body.is_empty() {
            C::run_nested(program, branch.body, lane, slot, 1);
        }
    }
}

/// Reads the index of a union, and writes the branch and its value.
///
/// # Safety
/// R1 to R5, for the slot of an op with these buffers and branches.
#[inline(always)]
pub(in crate::exec) unsafe fn union<C: Nested>(
    program: &Program,
    buffers: (BufferId, BufferId),
    branches: Branches,
    lane: &mut Lane<'_>,
    slot: usize,
) {
    // SAFETY: R1 to R5.
    unsafe {
        let chosen = branch_index::<C>(lane, branches.n);
        let Some(branch) = program.branch(branches, chosen) else { return lane.fault = true };
        write_union::<C>(program, buffers, branch, lane, slot);
    }
}

/// Writes a branch and the position of its value, and the value there by running its body.
///
/// # Safety
/// R1 to R5, for the slot of an op with these buffers and this branch.
#[inline(always)]
pub(in crate::exec) unsafe fn write_union<C: Nested>(
    program: &Program,
    (ids, offsets): (BufferId, BufferId),
    Branch { body, level, id }: Branch,
    lane: &mut Lane<'_>,
    slot: usize,
) {
    if !lane.reserve(program, level, 1) {
        return lane.fault = true;
    }
    let position = lane.level_len(level);
    // SAFETY: R1, R3, R4 and R5; R2: this function's for the op's slot, and `reserve` made room for the branch's.
    unsafe {
        lane.write(ids, slot, id);
        lane.write(offsets, slot, position as i32);
        if !body.is_empty() {
            C::run_nested(program, body, lane, position, 1);
        }
    }
    lane.set_level_len(level, position + 1);
}

/// Writes the items of a default, each by a body of its own.
///
/// # Safety
/// R1 to R5, for the slot of an op with this buffer, level and these items.
pub(in crate::exec) unsafe fn default_items<C: Nested>(
    program: &Program,
    (offsets, level): (BufferId, LevelId),
    items: Branches,
    lane: &mut Lane<'_>,
    slot: usize,
) {
    let Some(items) = program.branches(items) else { return lane.fault = true };
    if !lane.reserve(program, level, items.len()) {
        return lane.fault = true;
    }
    let first = lane.level_len(level);
    // SAFETY: R1, R3, R4 and R5; R2: this function's for the op's slot, and `reserve` made room for the items.
    unsafe {
        for (at, item) in items.iter().enumerate() {
            C::run_nested(program, item.body, lane, first + at, 1);
        }
        lane.write(offsets, slot, (first + items.len()) as i32);
    }
    lane.set_level_len(level, first + items.len());
}

/// Writes the length of a level, for an absent list.
///
/// # Safety
/// R1 and R2, for an op with this buffer and level.
#[inline(always)]
pub(in crate::exec) unsafe fn write_offset<const K: usize>(
    offsets: BufferId,
    level: LevelId,
    cursors: &[LaneCursor; K],
    lanes: &[Lane<'_>; K],
    slots: *const *mut u8,
) {
    for (cursor, lane) in cursors.iter().zip(lanes) {
        // SAFETY: R1 and R2.
        unsafe { write(slots, offsets, cursor.slot, lane.level_len(level) as i32) };
    }
}

/// An array or map that is read.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Items {
    pub(in crate::exec) offsets: BufferId,
    pub(in crate::exec) level: LevelId,
    pub(in crate::exec) body: Body,
    pub(in crate::exec) zero_width: bool,
}

/// Reads the items of an array or map from `at` on, and returns the cursor after them.
///
/// # Safety
/// R1 to R5, for the slot of this op, with `at` as the lane's cursor.
#[inline(always)]
pub(in crate::exec) unsafe fn items<C: Nested>(
    program: &Program,
    op: Items,
    lane: &mut Lane<'_>,
    slot: usize,
    mut at: *const u8,
) -> *const u8 {
    let source = lane.source;
    loop {
        // SAFETY: R3, R4 and R5.
        let Some(block) = (unsafe { item_block::<C>(&mut at, &source) }) else {
            lane.fault = true;
            return at;
        };
        if block.n_items == 0 {
            break;
        }
        let too_many = if op.zero_width {
            lane.zero_width_items = lane.zero_width_items.saturating_add(block.n_items);
            lane.zero_width_items > program.options.limits.zero_width_items
        } else {
            block.n_items > bytes_left(at, &source) as u64
        };
        let n = block.n_items as usize;
        if too_many || !lane.reserve(program, op.level, n) {
            lane.fault = true;
            return at;
        }
        let first = lane.level_len(op.level);
        let before = at;
        // SAFETY: R1, R3, R4 and R5; R2: `reserve` made room for the items.
        at = unsafe { read_items::<C>(program, op.body, lane, at, first, n) };
        lane.set_level_len(op.level, first + n);
        // The items must end where the block's size says.
        let moved = at as usize - before as usize;
        lane.fault |= block.size.is_some_and(|size| size != moved);
        if lane.fault {
            return at;
        }
    }
    // SAFETY: R1 and R2.
    unsafe { lane.write(op.offsets, slot, lane.level_len(op.level) as i32) };
    at
}

/// Reads `n` items to the slots from `first` on, and returns the cursor after them.
///
/// # Safety
/// R1 to R5, for a body of items, with `at` as the lane's cursor.
#[inline(always)]
unsafe fn read_items<C: Nested>(
    program: &Program,
    body: Body,
    lane: &mut Lane<'_>,
    at: *const u8,
    first: usize,
    n: usize,
) -> *const u8 {
    match program.body(body) {
        Some([]) => at,
        // Here, and not by a call: what comes next waits for the cursor.
        Some(&[Op::Read { encoding, to }]) if has_bulk(encoding) => {
            let mut cursor = LaneCursor::new(at, lane.source, first);
            // SAFETY: R1 to R5.
            unsafe { read_column::<C>(encoding, to, &mut cursor, lane.buffers.slots.as_ptr(), n, &mut lane.fault) };
            cursor.at
        }
        // SAFETY: R1 to R5.
        _ => unsafe { run_items::<C>(program, body, lane, at, first, n) },
    }
}

/// Skips the items of an array or map from `at` on, and returns the cursor after them. Skipped items need no memory,
/// and those without bytes no time.
///
/// # Safety
/// R1 and R3 to R5, for an op of this body, with `at` as the lane's cursor.
#[inline(always)]
pub(in crate::exec) unsafe fn skip_items<C: Nested>(
    program: &Program,
    body: Body,
    lane: &mut Lane<'_>,
    mut at: *const u8,
) -> *const u8 {
    let source = lane.source;
    loop {
        // SAFETY: R3, R4 and R5.
        let Some(block) = (unsafe { item_block::<C>(&mut at, &source) }) else {
            lane.fault = true;
            return at;
        };
        if block.n_items == 0 || lane.fault {
            return at;
        }
        let left = bytes_left(at, &source);
        at = match (block.size, program.body(body)) {
            // SAFETY: R3: `item_block` checked that the block ends in its file block.
            (Some(size), _) => unsafe { at.add(size) },
            (None, Some([])) => at,
            (None, Some(&[Op::SkipFixed { bytes }])) => {
                let bytes = bytes.saturating_mul(block.n_items);
                lane.fault |= bytes > left as u64;
                // SAFETY: R3: at most to the end of the block.
                unsafe { at.add(left.min(bytes as usize)) }
            }
            // SAFETY: R1, R3, R4 and R5; R2: the body writes nothing.
            (None, _) => unsafe { run_items::<C>(program, body, lane, at, 0, block.n_items as usize) },
        };
        if lane.fault {
            return at;
        }
    }
}

/// The head of a block of items.
struct ItemBlock {
    n_items: u64,
    /// The block's size in bytes, if it is given; not more than are left.
    size: Option<usize>,
}

// SPEC: Binary Encoding, Complex Types, Arrays and Maps: blocks of a count and items; a negative count is followed by
// the block's size in bytes; a count of zero ends them.
/// Reads the head of a block of items; `None` on a fault.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
unsafe fn item_block<C: Cpu>(at: &mut *const u8, source: &BlockSource) -> Option<ItemBlock> {
    let mut bad = false;
    // SAFETY: R4: one byte is readable.
    let byte = unsafe { at.read() };
    // One byte nearly always. So this is a branch: what follows does not have to wait for the byte to know where it
    // starts.
    if byte & 0x81 == 0 {
        // SAFETY: R4: padding follows.
        *at = unsafe { at.add(1) };
        kernels::check(at, source, &mut bad);
        return (!bad).then_some(ItemBlock { n_items: u64::from(byte >> 1), size: None });
    }
    // SAFETY: R3, R4 and R5.
    let count = unsafe { kernels::Long.read::<C>(at, source, true, &mut bad) };
    let mut size = None;
    if count < 0 {
        // SAFETY: R3, R4 and R5.
        let bytes = unsafe { kernels::Long.read::<C>(at, source, true, &mut bad) };
        // There is no count as large as that of the minimum.
        bad |= count == i64::MIN || bytes < 0 || bytes as u64 > bytes_left(*at, source) as u64;
        size = Some(bytes as usize);
    }
    (!bad).then_some(ItemBlock { n_items: count.unsigned_abs(), size })
}

/// Bytes from the cursor to the end of the block.
#[inline(always)]
fn bytes_left(at: *const u8, source: &BlockSource) -> usize {
    source.end as usize - at as usize
}

/// Runs the body of items `n` times from `at` on, and returns the cursor after them.
///
/// # Safety
/// R1 to R5, with `at` as the lane's cursor.
#[inline(always)]
unsafe fn run_items<C: Nested>(
    program: &Program,
    body: Body,
    lane: &mut Lane<'_>,
    at: *const u8,
    first: usize,
    n: usize,
) -> *const u8 {
    lane.at = at;
    // SAFETY: R1 to R5.
    unsafe { C::run_nested(program, body, lane, first, n) };
    lane.at
}

/// The buffer of a text's end, and the level and buffer of its bytes.
type TextBuffers = (BufferId, LevelId, BufferId);

/// Reads a value and writes it as JSON text.
///
/// # Safety
/// R1 to R4, for the slot of an op with these buffers.
pub(in crate::exec) unsafe fn json_text(
    program: &Program,
    buffers: TextBuffers,
    pair: PairId,
    lane: &mut Lane<'_>,
    slot: usize,
) {
    // SAFETY: R3; the cursor is not used after this function.
    let mut cursor = unsafe { lane.rest() };
    let mut text = std::mem::take(&mut lane.text);
    text.clear();
    let limits = &program.options.limits;
    let written = json::write_json(&program.plan.resolution, pair, &mut cursor, &mut text, limits);
    lane.fault |= written.is_err();
    // SAFETY: R3: `cursor` is within the rest of the block; R1 and R2 for the write.
    unsafe {
        lane.at = lane.at.add(cursor.at());
        write_text(program, buffers, &text, lane, slot);
    }
    lane.text = text;
}

/// Writes a constant as text.
///
/// # Safety
/// R1 and R2, for the slot of an op with these buffers.
pub(in crate::exec) unsafe fn text(
    program: &Program,
    buffers: TextBuffers,
    text: u32,
    lane: &mut Lane<'_>,
    slot: usize,
) {
    let Some(text) = program.constants.slot_bytes(text) else { return lane.fault = true };
    // SAFETY: R1 and R2.
    unsafe { write_text(program, buffers, text, lane, slot) };
}

/// Appends text to a level of bytes, and writes where it ends.
///
/// # Safety
/// R1 and R2, for the slot of an op with these buffers.
unsafe fn write_text(
    program: &Program,
    (offsets, level, bytes): TextBuffers,
    text: &[u8],
    lane: &mut Lane<'_>,
    slot: usize,
) {
    let n = text.len();
    if !lane.reserve(program, level, n) {
        return lane.fault = true;
    }
    let first = lane.level_len(level);
    // SAFETY: R1: the level's buffer is one of bytes; R2: this function's for the op's slot, and `reserve` made room
    // for the text.
    unsafe {
        let to = lane.buffers.slots.get_unchecked(bytes.index()).add(first);
        to.copy_from_nonoverlapping(text.as_ptr(), n);
        lane.write(offsets, slot, (first + n) as i32);
    }
    lane.set_level_len(level, first + n);
}

/// Runs the body that skips a record.
///
/// # Safety
/// R1 and R3 to R5.
#[inline(always)]
pub(in crate::exec) unsafe fn call<C: Nested>(program: &Program, sub: u32, lane: &mut Lane<'_>) {
    // A body runs on to its end after a fault, and bodies that each call another twice would for ever.
    if lane.fault {
        return;
    }
    let Some(&body) = program.subs.get(sub as usize) else { return lane.fault = true };
    // SAFETY: R1, R3, R4 and R5; R2: a sub-program writes nothing.
    unsafe { C::run_nested(program, body, lane, 0, 1) };
}

/// Skips a value of a recursive type.
///
/// # Safety
/// R3.
pub(in crate::exec) unsafe fn skip_value(program: &Program, node: NodeId, lane: &mut Lane<'_>) {
    // SAFETY: R3; the cursor is not used after this function.
    let mut cursor = unsafe { lane.rest() };
    lane.fault |= json::skip_value(&program.plan.schema, node, &mut cursor, &program.options.limits).is_err();
    // SAFETY: R3: `cursor` is within the rest of the block.
    lane.at = unsafe { lane.at.add(cursor.at()) };
}
