//! Nested values: unions, arrays, maps and JSON text, read or skipped one lane at a time. An op gets a lane at its
//! cursor, writes slots in levels of the lane's own, and leaves the cursor after the value.

use super::column::{has_bulk, read_column};
use crate::column::{LevelId, SlabId};
use crate::exec::dispatch::Nested;
use crate::exec::kernels::{self, Cpu, Kernel, Source};
use crate::exec::lane::{Place, Runner, write};
use crate::json;
use crate::program::{Body, Branch, Branches, Op, Program};
use crate::resolve::PairId;
use crate::schema::NodeId;

/// Runs a nested op on one lane after the other. The op moves the lane's own cursor.
#[inline(always)]
pub(in crate::exec) fn on_each<'a, const K: usize>(
    places: &mut [Place; K],
    runners: &mut [Runner<'a>; K],
    bad: &mut bool,
    run: impl Fn(&mut Runner<'a>, usize),
) {
    for (place, runner) in places.iter_mut().zip(runners.iter_mut()) {
        runner.at = place.at;
        run(runner, place.slot);
        place.at = runner.at;
        *bad |= runner.fault;
    }
}

/// [`on_each`], but the op gets the cursor and returns it, so that the cursor need not go through memory.
#[inline(always)]
pub(in crate::exec) fn at_each<'a, const K: usize>(
    places: &mut [Place; K],
    runners: &mut [Runner<'a>; K],
    bad: &mut bool,
    run: impl Fn(&mut Runner<'a>, usize, *const u8) -> *const u8,
) {
    for (place, runner) in places.iter_mut().zip(runners.iter_mut()) {
        place.at = run(runner, place.slot, place.at);
        *bad |= runner.fault;
    }
}

/// Reads the index of a branch, below `n`; 0 on a fault.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
unsafe fn branch_index<C: Cpu>(runner: &mut Runner<'_>, n: u32) -> usize {
    // SAFETY: R3, R4 and R5.
    unsafe { kernels::Index(n).read::<C>(&mut runner.at, &runner.source, true, &mut runner.fault) as usize }
}

/// Reads the index of a union and runs the branch's body at the same slot.
///
/// # Safety
/// R1 to R5, for the slot of an op with these branches.
#[inline(always)]
pub(in crate::exec) unsafe fn choose<C: Nested>(
    program: &Program,
    branches: Branches,
    runner: &mut Runner<'_>,
    slot: usize,
) {
    // SAFETY: R1: the branches write slabs of the op's level, so R2 is this function's; R3, R4 and R5.
    unsafe {
        let chosen = branch_index::<C>(runner, branches.n);
        let Some(branch) = program.branch(branches, chosen) else { return runner.fault = true };
        if !runner.fault && !branch.body.is_empty() {
            C::run_nested(program, branch.body, runner, slot, 1);
        }
    }
}

/// Reads the index of a union, and writes the branch and its value.
///
/// # Safety
/// R1 to R5, for the slot of an op with these slabs and branches.
#[inline(always)]
pub(in crate::exec) unsafe fn union<C: Nested>(
    program: &Program,
    slabs: (SlabId, SlabId),
    branches: Branches,
    runner: &mut Runner<'_>,
    slot: usize,
) {
    // SAFETY: R1 to R5.
    unsafe {
        let chosen = branch_index::<C>(runner, branches.n);
        let Some(branch) = program.branch(branches, chosen) else { return runner.fault = true };
        write_union::<C>(program, slabs, branch, runner, slot);
    }
}

/// Writes a branch and the position of its value, and the value there by running its body.
///
/// # Safety
/// R1 to R5, for the slot of an op with these slabs and this branch.
#[inline(always)]
pub(in crate::exec) unsafe fn write_union<C: Nested>(
    program: &Program,
    (ids, offsets): (SlabId, SlabId),
    Branch { body, level, id }: Branch,
    runner: &mut Runner<'_>,
    slot: usize,
) {
    if runner.fault || !runner.reserve(program, level, 1) {
        return runner.fault = true;
    }
    let position = runner.level_len(level);
    // SAFETY: R1, R3, R4 and R5; R2: this function's for the op's slot, and `reserve` made room for the branch's.
    unsafe {
        runner.write(ids, slot, id);
        runner.write(offsets, slot, position as i32);
        if !body.is_empty() {
            C::run_nested(program, body, runner, position, 1);
        }
    }
    runner.set_level_len(level, position + 1);
}

/// Writes the items of a default, each by a body of its own.
///
/// # Safety
/// R1 to R5, for the slot of an op with this slab, level and these items.
pub(in crate::exec) unsafe fn given<C: Nested>(
    program: &Program,
    (ends, level): (SlabId, LevelId),
    items: Branches,
    runner: &mut Runner<'_>,
    slot: usize,
) {
    let Some(items) = program.branches(items) else { return runner.fault = true };
    if runner.fault || !runner.reserve(program, level, items.len()) {
        return runner.fault = true;
    }
    let first = runner.level_len(level);
    // SAFETY: R1, R3, R4 and R5; R2: this function's for the op's slot, and `reserve` made room for the items.
    unsafe {
        for (at, item) in items.iter().enumerate() {
            C::run_nested(program, item.body, runner, first + at, 1);
        }
        runner.write(ends, slot, (first + items.len()) as i32);
    }
    runner.set_level_len(level, first + items.len());
}

/// Writes the length of a level, for an absent list.
///
/// # Safety
/// R1 and R2, for an op with this slab and level.
#[inline(always)]
pub(in crate::exec) unsafe fn write_end<const K: usize>(
    ends: SlabId,
    level: LevelId,
    places: &[Place; K],
    runners: &[Runner<'_>; K],
    slots: *const *mut u8,
) {
    for (place, runner) in places.iter().zip(runners) {
        // SAFETY: R1 and R2.
        unsafe { write(slots, ends, place.slot, runner.level_len(level) as i32) };
    }
}

/// An array or map that is read.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Items {
    pub(in crate::exec) ends: SlabId,
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
    runner: &mut Runner<'_>,
    slot: usize,
    mut at: *const u8,
) -> *const u8 {
    let source = runner.source;
    loop {
        // SAFETY: R3, R4 and R5.
        let Some(block) = (unsafe { item_block::<C>(&mut at, &source) }) else {
            runner.fault = true;
            return at;
        };
        if block.n_items == 0 {
            break;
        }
        let too_many = if op.zero_width {
            runner.zero_width_items = runner.zero_width_items.saturating_add(block.n_items);
            runner.zero_width_items > program.options.limits.zero_width_items
        } else {
            block.n_items > bytes_left(at, &source) as u64
        };
        let n = block.n_items as usize;
        if runner.fault || too_many || !runner.reserve(program, op.level, n) {
            runner.fault = true;
            return at;
        }
        let first = runner.level_len(op.level);
        let before = at;
        // SAFETY: R1, R3, R4 and R5; R2: `reserve` made room for the items.
        at = unsafe { read_items::<C>(program, op.body, runner, at, first, n) };
        runner.set_level_len(op.level, first + n);
        // The items must end where the block's size says.
        let moved = at as usize - before as usize;
        runner.fault |= block.size.is_some_and(|size| size != moved);
        if runner.fault {
            return at;
        }
    }
    // SAFETY: R1 and R2.
    unsafe { runner.write(op.ends, slot, runner.level_len(op.level) as i32) };
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
    runner: &mut Runner<'_>,
    at: *const u8,
    first: usize,
    n: usize,
) -> *const u8 {
    match program.body(body) {
        Some([]) => at,
        // Here, and not by a call: what comes next waits for the cursor.
        Some(&[Op::Read { leaf, to }]) if has_bulk(leaf) => {
            let mut place = Place::new(at, runner.source, first);
            // SAFETY: R1 to R5.
            unsafe { read_column::<C>(leaf, to, &mut place, runner.lane.slots.as_ptr(), n, &mut runner.fault) };
            place.at
        }
        // SAFETY: R1 to R5.
        _ => unsafe { run_items::<C>(program, body, runner, at, first, n) },
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
    runner: &mut Runner<'_>,
    mut at: *const u8,
) -> *const u8 {
    let source = runner.source;
    loop {
        // SAFETY: R3, R4 and R5.
        let Some(block) = (unsafe { item_block::<C>(&mut at, &source) }) else {
            runner.fault = true;
            return at;
        };
        if block.n_items == 0 || runner.fault {
            return at;
        }
        let left = bytes_left(at, &source);
        at = match (block.size, program.body(body)) {
            // SAFETY: R3: `item_block` checked that the block ends in its file block.
            (Some(size), _) => unsafe { at.add(size) },
            (None, Some([])) => at,
            (None, Some(&[Op::SkipFixed { bytes }])) => {
                let bytes = bytes.saturating_mul(block.n_items);
                runner.fault |= bytes > left as u64;
                // SAFETY: R3: at most to the end of the block.
                unsafe { at.add(left.min(bytes as usize)) }
            }
            // SAFETY: R1, R3, R4 and R5; R2: the body writes nothing.
            (None, _) => unsafe { run_items::<C>(program, body, runner, at, 0, block.n_items as usize) },
        };
        if runner.fault {
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
unsafe fn item_block<C: Cpu>(at: &mut *const u8, source: &Source) -> Option<ItemBlock> {
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
fn bytes_left(at: *const u8, source: &Source) -> usize {
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
    runner: &mut Runner<'_>,
    at: *const u8,
    first: usize,
    n: usize,
) -> *const u8 {
    runner.at = at;
    // SAFETY: R1 to R5.
    unsafe { C::run_nested(program, body, runner, first, n) };
    runner.at
}

/// The slab of a text's end, and the level and slab of its bytes.
type TextSlabs = (SlabId, LevelId, SlabId);

/// Reads a value and writes it as JSON text.
///
/// # Safety
/// R1 to R4, for the slot of an op with these slabs.
pub(in crate::exec) unsafe fn json_text(
    program: &Program,
    slabs: TextSlabs,
    pair: PairId,
    runner: &mut Runner<'_>,
    slot: usize,
) {
    // SAFETY: R3; the cursor is not used after this function.
    let mut cursor = unsafe { runner.rest() };
    let mut text = std::mem::take(&mut runner.text);
    text.clear();
    let limits = &program.options.limits;
    let written = json::write_json(&program.plan.resolution, pair, &mut cursor, &mut text, limits);
    runner.fault |= written.is_err();
    // SAFETY: R3: `cursor` is within the rest of the block; R1 and R2 for the write.
    unsafe {
        runner.at = runner.at.add(cursor.at());
        write_text(program, slabs, &text, runner, slot);
    }
    runner.text = text;
}

/// Writes a constant as text.
///
/// # Safety
/// R1 and R2, for the slot of an op with these slabs.
pub(in crate::exec) unsafe fn text(
    program: &Program,
    slabs: TextSlabs,
    text: u32,
    runner: &mut Runner<'_>,
    slot: usize,
) {
    let Some(text) = program.constants.slot_bytes(text) else { return runner.fault = true };
    // SAFETY: R1 and R2.
    unsafe { write_text(program, slabs, text, runner, slot) };
}

/// Appends text to a level of bytes, and writes where it ends.
///
/// # Safety
/// R1 and R2, for the slot of an op with these slabs.
unsafe fn write_text(
    program: &Program,
    (ends, level, bytes): TextSlabs,
    text: &[u8],
    runner: &mut Runner<'_>,
    slot: usize,
) {
    let n = text.len();
    if runner.fault || !runner.reserve(program, level, n) {
        return runner.fault = true;
    }
    let first = runner.level_len(level);
    // SAFETY: R1: the level's slab is one of bytes; R2: this function's for the op's slot, and `reserve` made room for the
    // text.
    unsafe {
        let to = runner.lane.slots.get_unchecked(bytes.index()).add(first);
        to.copy_from_nonoverlapping(text.as_ptr(), n);
        runner.write(ends, slot, (first + n) as i32);
    }
    runner.set_level_len(level, first + n);
}

/// Runs the body that skips a record.
///
/// # Safety
/// R1 and R3 to R5.
#[inline(always)]
pub(in crate::exec) unsafe fn call<C: Nested>(program: &Program, sub: u32, runner: &mut Runner<'_>) {
    // A body runs on to its end after a fault, and bodies that each call another twice would for ever.
    if runner.fault {
        return;
    }
    let Some(&body) = program.subs.get(sub as usize) else { return runner.fault = true };
    // SAFETY: R1, R3, R4 and R5; R2: a sub-program writes nothing.
    unsafe { C::run_nested(program, body, runner, 0, 1) };
}

/// Skips a value of a recursive type.
///
/// # Safety
/// R3.
pub(in crate::exec) unsafe fn skip_value(program: &Program, node: NodeId, runner: &mut Runner<'_>) {
    // SAFETY: R3; the cursor is not used after this function.
    let mut cursor = unsafe { runner.rest() };
    runner.fault |= json::skip_value(&program.plan.schema, node, &mut cursor, &program.options.limits).is_err();
    // SAFETY: R3: `cursor` is within the rest of the block.
    runner.at = unsafe { runner.at.add(cursor.at()) };
}
