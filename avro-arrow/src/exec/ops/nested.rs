//! What is nested, at run time: unions, arrays, maps, JSON text and the skips of them, a lane at a time. In come an op
//! and a lane at its cursor; out go slots in the levels of the lane's own, and the cursor after the value.

use super::column::{has_bulk, read_column};
use crate::column::{LevelId, SlabId};
use crate::exec::Nested;
use crate::exec::kernels::{self, Cpu, Kernel, Source};
use crate::exec::lane::Runner;
use crate::exec::place::Place;
use crate::json;
use crate::program::{Body, Branch, Op, Program};

/// Reads a branch's index of a lane; 0 on a fault.
///
/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
unsafe fn branch_index<C: Cpu>(runner: &mut Runner<'_>, n: u32) -> usize {
    // SAFETY: the caller's promise.
    unsafe { kernels::Index(n).read::<C>(&mut runner.at, &runner.source, true, &mut runner.fault) as usize }
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
pub(in crate::exec) unsafe fn choose<C: Nested>(program: &Program, op: &Op, runner: &mut Runner<'_>, slot: usize) {
    let Op::Choose { branches } = *op else { return };
    // SAFETY: the caller's promise; the branch's slots are those of this op's level.
    unsafe {
        let chosen = branch_index::<C>(runner, branches.n);
        let Some(branch) = program.branches(branches).get(chosen) else { return runner.fault = true };
        if !runner.fault && !branch.body.is_empty() {
            C::run_nested(program, branch.body, runner, slot, 1);
        }
    }
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
pub(in crate::exec) unsafe fn union<C: Nested>(program: &Program, op: &Op, runner: &mut Runner<'_>, slot: usize) {
    let Op::Union { ids, offsets, branches } = *op else { return };
    // SAFETY: the caller's promise.
    unsafe {
        let chosen = branch_index::<C>(runner, branches.n);
        let Some(branch) = program.branches(branches).get(chosen) else { return runner.fault = true };
        write_union::<C>(program, (ids, offsets), *branch, runner, slot);
    }
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
pub(in crate::exec) unsafe fn branch<C: Nested>(program: &Program, op: &Op, runner: &mut Runner<'_>, slot: usize) {
    let Op::Branch { ids, offsets, branch } = *op else { return };
    // SAFETY: the caller's promise.
    unsafe { write_union::<C>(program, (ids, offsets), branch, runner, slot) }
}

/// Writes a branch and the position of its value, and the value there by running its body.
///
/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
unsafe fn write_union<C: Nested>(
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
    // SAFETY: the caller's promise; room for one more slot was made.
    unsafe {
        runner.write(ids, slot, id);
        runner.write(offsets, slot, position as i32);
        if !body.is_empty() {
            C::run_nested(program, body, runner, position, 1);
        }
    }
    runner.set_level_len(level, position + 1);
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
pub(in crate::exec) unsafe fn given<C: Nested>(program: &Program, op: &Op, runner: &mut Runner<'_>, slot: usize) {
    let Op::Given { ends, level, items } = *op else { return };
    let items = program.branches(items);
    if runner.fault || !runner.reserve(program, level, items.len()) {
        return runner.fault = true;
    }
    let first = runner.level_len(level);
    // SAFETY: the caller's promise; room for the items was made.
    unsafe {
        for (at, item) in items.iter().enumerate() {
            C::run_nested(program, item.body, runner, first + at, 1);
        }
        runner.write(ends, slot, (first + items.len()) as i32);
    }
    runner.set_level_len(level, first + items.len());
}

// SPEC: Binary Encoding, Complex Types, Arrays and Maps: blocks of a count and items; a negative count is followed by
// the block's size in bytes; a count of zero ends them.
/// Reads the items of an array or map from `at` on, or skips them, and gives where the lane is then.
///
/// # Safety
/// As [`run_body`](crate::exec::run_body), of which `at` is the lane's in place of the runner's.
#[inline(always)]
pub(in crate::exec) unsafe fn items<C: Nested>(
    program: &Program,
    op: &Op,
    runner: &mut Runner<'_>,
    slot: usize,
    mut at: *const u8,
) -> *const u8 {
    let (written, body, zero_width) = match *op {
        Op::Items { ends, level, body, zero_width } => (Some((ends, level)), body, zero_width),
        Op::SkipItems { body } => (None, body, false),
        _ => return at,
    };
    let source = runner.source;
    loop {
        // SAFETY: the caller's promise.
        let Some((count, size)) = (unsafe { count::<C>(&mut at, &source) }) else {
            runner.fault = true;
            return at;
        };
        if count == 0 {
            break;
        }
        let left = source.end as usize - at as usize;
        let n = count.unsigned_abs();
        // What is only skipped needs no memory, and no time for items without bytes.
        let too_many = if written.is_none() {
            false
        } else if zero_width {
            runner.zero_width_items = runner.zero_width_items.saturating_add(n);
            runner.zero_width_items > program.options.limits.zero_width_items
        } else {
            n > left as u64
        };
        if runner.fault || too_many || size.is_some_and(|size| size < 0 || size as u64 > left as u64) {
            runner.fault = true;
            return at;
        }
        let n = n as usize;
        let before = at;
        match (written, size) {
            (Some((_, level)), _) => {
                if !runner.reserve(program, level, n) {
                    runner.fault = true;
                    return at;
                }
                let first = runner.level_len(level);
                // SAFETY: the caller's promise; room for the items was made.
                unsafe {
                    match *program.body(body) {
                        [] => {}
                        // Here, and not by a call: what comes next waits for the cursor.
                        [Op::Read { leaf, to }] if has_bulk(leaf) => {
                            let mut place = Place { at: before, source, slot: first, inside: 1 };
                            let slots = runner.lane.slots.as_ptr();
                            read_column::<C>(leaf, to, &mut place, slots, n, &mut runner.fault);
                            at = place.at;
                        }
                        _ => at = run_body_of_items::<C>(program, body, runner, at, first, n),
                    }
                }
                runner.set_level_len(level, first + n);
                // The size is a promise that is kept or broken by the items.
                let moved = at as usize - before as usize;
                runner.fault |= size.is_some_and(|size| size as usize != moved);
            }
            // SAFETY: at most to the end of the block, by the check above.
            (None, Some(size)) => at = unsafe { before.add(size as usize) },
            (None, None) => match *program.body(body) {
                [Op::SkipFixed { bytes }] => {
                    let bytes = bytes.saturating_mul(n as u64);
                    runner.fault |= bytes > left as u64;
                    // SAFETY: at most to the end of the block.
                    at = unsafe { before.add(left.min(bytes as usize)) };
                }
                [] => {}
                // SAFETY: the caller's promise; the body writes nothing.
                _ => at = unsafe { run_body_of_items::<C>(program, body, runner, at, 0, n) },
            },
        }
        if runner.fault {
            return at;
        }
    }
    if let Some((ends, level)) = written {
        // SAFETY: the caller's promise.
        unsafe { runner.write(ends, slot, runner.level_len(level) as i32) };
    }
    at
}

/// The count of a block of items and, if it is negative, the block's size in bytes; none on a fault.
///
/// # Safety
/// As [`run_body`](crate::exec::run_body), with `at` at most at the end.
#[inline(always)]
unsafe fn count<C: Cpu>(at: &mut *const u8, source: &Source) -> Option<(i64, Option<i64>)> {
    let mut bad = false;
    // SAFETY: the caller's promise: one byte is readable.
    let byte = unsafe { at.read() };
    // One byte nearly always. So this is a branch: what follows does not have to wait for the byte to know where it
    // starts.
    let counted = if byte & 0x81 == 0 {
        // SAFETY: padding follows.
        *at = unsafe { at.add(1) };
        kernels::check(at, source, &mut bad);
        (i64::from(byte >> 1), None)
    } else {
        // SAFETY: the caller's promise.
        let count = unsafe { kernels::Long.read::<C>(at, source, true, &mut bad) };
        if count < 0 {
            // No count of items is as large as that one's.
            bad |= count == i64::MIN;
            // SAFETY: the caller's promise.
            (count, Some(unsafe { kernels::Long.read::<C>(at, source, true, &mut bad) }))
        } else {
            (count, None)
        }
    };
    (!bad).then_some(counted)
}

/// Runs the body of items from `at` on, and gives where the lane is then.
///
/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
unsafe fn run_body_of_items<C: Nested>(
    program: &Program,
    body: Body,
    runner: &mut Runner<'_>,
    at: *const u8,
    first: usize,
    n: usize,
) -> *const u8 {
    runner.at = at;
    // SAFETY: the caller's promise.
    unsafe { C::run_nested(program, body, runner, first, n) };
    runner.at
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
pub(in crate::exec) unsafe fn json_text(program: &Program, op: &Op, runner: &mut Runner<'_>, slot: usize) {
    let Op::Json { ends, level, bytes, pair } = *op else { return };
    // SAFETY: the caller's promise.
    let mut cursor = unsafe { runner.rest() };
    let mut text = std::mem::take(&mut runner.text);
    text.clear();
    let limits = &program.options.limits;
    let written = json::write_json(&program.plan.resolution, pair, &mut cursor, &mut text, limits);
    runner.fault |= written.is_err();
    // SAFETY: the cursor is within the rest of the block; the caller's promise.
    unsafe {
        runner.at = runner.at.add(cursor.at());
        write_text(program, (ends, level, bytes), &text, runner, slot);
    }
    runner.text = text;
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
pub(in crate::exec) unsafe fn text(program: &Program, op: &Op, runner: &mut Runner<'_>, slot: usize) {
    let Op::Text { ends, level, bytes, text } = *op else { return };
    let text = program.constants.slot_bytes(text).unwrap_or_default();
    // SAFETY: the caller's promise.
    unsafe { write_text(program, (ends, level, bytes), text, runner, slot) };
}

/// Appends text to a level of bytes, and writes where it ends.
///
/// # Safety
/// As [`run_body`](crate::exec::run_body).
unsafe fn write_text(
    program: &Program,
    (ends, level, bytes): (SlabId, LevelId, SlabId),
    text: &[u8],
    runner: &mut Runner<'_>,
    slot: usize,
) {
    let n = text.len();
    if runner.fault || !runner.reserve(program, level, n) {
        return runner.fault = true;
    }
    let first = runner.level_len(level);
    // SAFETY: room for the text was made, and `verify` checked that the level's slab is one of bytes.
    unsafe {
        let to = runner.lane.slots.get_unchecked(bytes.index()).add(first);
        to.copy_from_nonoverlapping(text.as_ptr(), n);
        runner.write(ends, slot, (first + n) as i32);
    }
    runner.set_level_len(level, first + n);
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
#[inline(always)]
pub(in crate::exec) unsafe fn call<C: Nested>(program: &Program, op: &Op, runner: &mut Runner<'_>) {
    let Op::Call { sub } = *op else { return };
    // A body runs on to its end after a fault, and bodies that each call another twice would for ever.
    if runner.fault {
        return;
    }
    let Some(&body) = program.subs.get(sub as usize) else { return };
    // SAFETY: the caller's promise; a sub-program writes nothing.
    unsafe { C::run_nested(program, body, runner, 0, 1) };
}

/// # Safety
/// As [`run_body`](crate::exec::run_body).
pub(in crate::exec) unsafe fn skip_value(program: &Program, op: &Op, runner: &mut Runner<'_>) {
    let Op::SkipValue { node } = *op else { return };
    // SAFETY: the caller's promise.
    let mut cursor = unsafe { runner.rest() };
    runner.fault |= json::skip_value(&program.plan.schema, node, &mut cursor, &program.options.limits).is_err();
    // SAFETY: the cursor is within the rest of the block.
    runner.at = unsafe { runner.at.add(cursor.at()) };
}
