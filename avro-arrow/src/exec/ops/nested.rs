//! Nested values: unions, arrays, maps and JSON text, read or skipped one lane at a time. A step gets a lane at its
//! slot and a cursor, writes slots in levels of the lane's own, and returns the cursor after the value. The bodies of
//! items and branches are steps too.

use super::column::{has_bulk, read_column};
use super::encoding::KernelOf;
use super::scalar::read_always;
use super::skip::after_bytes;
use crate::column::{BufferId, LevelId};
use crate::exec::kernels::{self, BlockSource, Cpu, Kernel};
use crate::exec::lane::{Lane, LaneCursor, Step, StepCode, run_steps};
use crate::json;
use crate::program::{Branch, Branches, Op};
use std::marker::PhantomData;

/// Takes the operands of a step's op, which is of the step's kind (R1). Another op is a fault.
macro_rules! op_of {
    ($step:ident, $lane:ident, $at:ident, $pattern:pat) => {
        let $pattern = $step.op else {
            $lane.fault = true;
            return $at;
        };
    };
}

/// Reads the index of a branch; `None` on a fault.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
unsafe fn branch<C: Cpu>(branches: Branches, lane: &mut Lane<'_>, at: &mut *const u8) -> Option<Branch> {
    let Branches { first, n } = branches;
    // One byte nearly always, as for a block of items.
    // SAFETY: R3, R4 and R5.
    let index = match unsafe { small_block(*at, &lane.source) } {
        Some((index, after)) if index < n as usize => {
            *at = after;
            index
        }
        // SAFETY: R3, R4 and R5.
        _ => unsafe { kernels::Index(n).read::<C>(at, &lane.source, true, &mut lane.fault) as usize },
    };
    let branch = lane.linked.branches.get(first as usize + index).copied();
    if lane.fault { None } else { branch }
}

/// Reads the index of a union and runs the branch's body at the same slot.
pub(in crate::exec) struct SwitchBranch;

impl<C: Cpu> StepCode<C> for SwitchBranch {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, mut at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::SwitchBranch { branches });
        // SAFETY: R1: the branches write buffers of the op's level, so R2 is this function's; R3, R4 and R5.
        unsafe {
            let Some(branch) = branch::<C>(branches, lane, &mut at) else {
                lane.fault = true;
                return at;
            };
            run_steps(lane.linked.body(branch.body), lane, at)
        }
    }
}

/// Reads the index of a union, and writes the branch and its value.
pub(in crate::exec) struct Union;

impl<C: Cpu> StepCode<C> for Union {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, mut at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::Union { ids, offsets, branches });
        // SAFETY: R1 to R5.
        unsafe {
            let Some(branch) = branch::<C>(branches, lane, &mut at) else {
                lane.fault = true;
                return at;
            };
            write_branch((ids, offsets), branch, lane, at)
        }
    }
}

/// Writes a branch that is not in the data, and its value.
pub(in crate::exec) struct WriteUnionBranch;

impl<C: Cpu> StepCode<C> for WriteUnionBranch {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::WriteUnionBranch { ids, offsets, branch });
        // SAFETY: R1 to R5.
        unsafe { write_branch((ids, offsets), branch, lane, at) }
    }
}

/// Writes a branch and the position of its value, and the value there by running its body.
///
/// # Safety
/// R1 to R5, for a step with these buffers and this branch.
#[inline(always)]
unsafe fn write_branch(
    (ids, offsets): (BufferId, BufferId),
    Branch { body, level, id }: Branch,
    lane: &mut Lane<'_>,
    mut at: *const u8,
) -> *const u8 {
    if !lane.reserve(level, 1) {
        lane.fault = true;
        return at;
    }
    let position = lane.level_len(level);
    // SAFETY: R1, R3, R4 and R5; R2: this function's for the op's slot, and `reserve` made room for the branch's.
    unsafe {
        lane.write(ids, lane.slot, id);
        lane.write(offsets, lane.slot, position as i32);
        let slot = std::mem::replace(&mut lane.slot, position);
        at = run_steps(lane.linked.body(body), lane, at);
        lane.slot = slot;
    }
    lane.set_level_len(level, position + 1);
    at
}

/// Writes the items of a default, each by a body of its own.
pub(in crate::exec) struct DefaultItems;

impl<C: Cpu> StepCode<C> for DefaultItems {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, mut at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::DefaultItems { offsets, level, items });
        let items = lane.linked.branches(items);
        if !lane.reserve(level, items.len()) {
            lane.fault = true;
            return at;
        }
        let first = lane.level_len(level);
        // SAFETY: R1, R3, R4 and R5; R2: this function's for the op's slot, and `reserve` made room for the items.
        unsafe {
            lane.write(offsets, lane.slot, (first + items.len()) as i32);
            let slot = std::mem::replace(&mut lane.slot, first);
            for item in items {
                at = run_steps(lane.linked.body(item.body), lane, at);
                lane.slot += 1;
            }
            lane.slot = slot;
        }
        lane.set_level_len(level, first + items.len());
        at
    }
}

/// Writes the length of a level, for an absent list.
pub(in crate::exec) struct WriteOffset;

impl<C: Cpu> StepCode<C> for WriteOffset {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::WriteOffset { offsets, level });
        // SAFETY: R1 and R2.
        unsafe { lane.write(offsets, lane.slot, lane.level_len(level) as i32) };
        at
    }
}

/// Reads the items of an array or map.
pub(in crate::exec) struct Items<I>(PhantomData<I>);

/// How the items of a block are read.
pub(in crate::exec) trait ReadItems<C> {
    /// Reads `n` items to the slots from the lane's on, and returns the cursor after them. May move the lane's slot.
    ///
    /// # Safety
    /// R1 to R5, for the body of items.
    unsafe fn read(body: &[Step], lane: &mut Lane<'_>, at: *const u8, n: usize) -> *const u8;
}

/// Items of any body.
pub(in crate::exec) struct EachItem;

impl<C> ReadItems<C> for EachItem {
    #[inline(always)]
    unsafe fn read(body: &[Step], lane: &mut Lane<'_>, mut at: *const u8, n: usize) -> *const u8 {
        for _ in 0..n {
            // SAFETY: R1 to R5.
            at = unsafe { run_steps(body, lane, at) };
            lane.slot += 1;
            if lane.fault {
                break;
            }
        }
        at
    }
}

/// Items without bytes and without buffers.
pub(in crate::exec) struct NoItems;

impl<C> ReadItems<C> for NoItems {
    #[inline(always)]
    unsafe fn read(_: &[Step], _: &mut Lane<'_>, at: *const u8, _: usize) -> *const u8 {
        at
    }
}

/// Items of an encoding that [`has_bulk`].
pub(in crate::exec) struct BulkItems;

impl<C: Cpu> ReadItems<C> for BulkItems {
    #[inline(always)]
    unsafe fn read(body: &[Step], lane: &mut Lane<'_>, at: *const u8, n: usize) -> *const u8 {
        let &[Step { op: Op::Read { encoding, to }, .. }] = body else {
            lane.fault = true;
            return at;
        };
        debug_assert!(has_bulk(encoding));
        let mut cursor = LaneCursor::new(at, lane.source, lane.slot);
        // SAFETY: R1 to R5.
        unsafe { read_column::<C>(encoding, to, &mut cursor, lane.slots(), n, &mut lane.fault) };
        cursor.at
    }
}

/// Items of one value, read by a kernel.
pub(in crate::exec) struct KernelItems<V>(PhantomData<V>);

impl<C: Cpu, V: KernelOf> ReadItems<C> for KernelItems<V> {
    #[inline(always)]
    unsafe fn read(body: &[Step], lane: &mut Lane<'_>, mut at: *const u8, n: usize) -> *const u8 {
        let ([item], first) = (body, lane.slot) else {
            lane.fault = true;
            return at;
        };
        for slot in first..first + n {
            // SAFETY: R1 to R5.
            at = unsafe { read_always::<C, V>(item, lane, slot, at) };
        }
        at
    }
}

/// Entries of a map: a key and a value, each read by a kernel.
pub(in crate::exec) struct KernelEntries<K, V>(PhantomData<(K, V)>);

impl<C: Cpu, K: KernelOf, V: KernelOf> ReadItems<C> for KernelEntries<K, V> {
    #[inline(always)]
    unsafe fn read(body: &[Step], lane: &mut Lane<'_>, mut at: *const u8, n: usize) -> *const u8 {
        let ([key, value], first) = (body, lane.slot) else {
            lane.fault = true;
            return at;
        };
        for slot in first..first + n {
            // SAFETY: R1 to R5.
            at = unsafe {
                let at = read_always::<C, K>(key, lane, slot, at);
                read_always::<C, V>(value, lane, slot, at)
            };
        }
        at
    }
}

impl<C: Cpu, I: ReadItems<C>> StepCode<C> for Items<I> {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, mut at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::Items { offsets, level, body, zero_width });
        let body = lane.linked.body(body);
        let slot = lane.slot;
        let mut len = lane.level_len(level);
        loop {
            // SAFETY: R3, R4 and R5.
            let Some(block) = (unsafe { item_block::<C>(&mut at, &lane.source) }) else {
                lane.fault = true;
                return at;
            };
            if block.n_items == 0 {
                break;
            }
            let too_many = if zero_width {
                lane.zero_width_items = lane.zero_width_items.saturating_add(block.n_items);
                lane.zero_width_items > lane.program.options.limits.zero_width_items
            } else {
                block.n_items > bytes_left(at, &lane.source) as u64
            };
            let n = block.n_items as usize;
            if too_many || !lane.reserve(level, n) {
                lane.fault = true;
                return at;
            }
            let before = at;
            lane.slot = len;
            // SAFETY: R1, R3, R4 and R5; R2: `reserve` made room for the items.
            at = unsafe { I::read(body, lane, at, n) };
            // After a fault too: the steps after this one run on, and write to this slot.
            lane.slot = slot;
            len += n;
            lane.set_level_len(level, len);
            // The items must end where the block's size says.
            let moved = at as usize - before as usize;
            lane.fault |= block.size.is_some_and(|size| size != moved);
            if lane.fault {
                return at;
            }
        }
        // SAFETY: R1 and R2.
        unsafe { lane.write(offsets, slot, len as i32) };
        at
    }

    const HAS_COMMON: bool = true;

    /// Reads one block of items without a size, and the end.
    #[inline(always)]
    unsafe fn run_common(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> Result<*const u8, *const u8> {
        let Op::Items { offsets, level, body, zero_width: false } = step.op else { return Err(at) };
        // SAFETY: R3 to R5.
        let (n, mut at) = unsafe { small_block(at, &lane.source).ok_or(at)? };
        let mut len = lane.level_len(level);
        if n > 0 {
            if n > bytes_left(at, &lane.source) || !lane.reserve(level, n) {
                lane.fault = true;
                return Ok(at);
            }
            let body = lane.linked.body(body);
            let slot = std::mem::replace(&mut lane.slot, len);
            // SAFETY: R1, R3, R4 and R5; R2: `reserve` made room for the items.
            at = unsafe { I::read(body, lane, at, n) };
            lane.slot = slot;
            len += n;
            lane.set_level_len(level, len);
            if lane.fault {
                return Ok(at);
            }
            // SAFETY: R3 to R5.
            match unsafe { small_block(at, &lane.source) } {
                Some((0, after)) => at = after,
                _ => return Err(at),
            }
        }
        // SAFETY: R1 and R2.
        unsafe { lane.write(offsets, lane.slot, len as i32) };
        Ok(at)
    }
}

/// Skips the items of an array or map. Skipped items need no memory, and those without bytes no time.
pub(in crate::exec) struct SkipItems;

impl<C: Cpu> StepCode<C> for SkipItems {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, mut at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::SkipItems { body });
        let body = lane.linked.body(body);
        loop {
            // SAFETY: R3, R4 and R5.
            let Some(block) = (unsafe { item_block::<C>(&mut at, &lane.source) }) else {
                lane.fault = true;
                return at;
            };
            if block.n_items == 0 || lane.fault {
                return at;
            }
            let left = bytes_left(at, &lane.source);
            at = match (block.size, body) {
                // SAFETY: R3: `item_block` checked that the block ends in its file block.
                (Some(size), _) => unsafe { at.add(size) },
                (None, []) => at,
                (None, &[Step { op: Op::SkipFixed { bytes }, .. }]) => {
                    let bytes = bytes.saturating_mul(block.n_items);
                    lane.fault |= bytes > left as u64;
                    // SAFETY: R3: at most to the end of the block.
                    unsafe { at.add(left.min(bytes as usize)) }
                }
                // SAFETY: R1, R3, R4 and R5; R2: the body writes nothing.
                (None, _) => unsafe { skip_each(body, lane, at, block.n_items) },
            };
        }
    }

    const HAS_COMMON: bool = true;

    /// Skips one block of items without a size, and the end.
    #[inline(always)]
    unsafe fn run_common(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> Result<*const u8, *const u8> {
        let Op::SkipItems { body } = step.op else { return Err(at) };
        // SAFETY: R3 to R5.
        let (n, first) = unsafe { small_block(at, &lane.source).ok_or(at)? };
        if n == 0 {
            return Ok(first);
        }
        let after = match *lane.linked.body(body) {
            // SAFETY: R3 to R5.
            [Step { op: Op::SkipBytes { n: each }, .. }] => unsafe {
                after_bytes(first, n * each as usize, &lane.source).ok_or(at)?
            },
            ref body => {
                // SAFETY: R1, R3, R4 and R5; R2: the body writes nothing.
                let after = unsafe { skip_each(body, lane, first, n as u64) };
                if lane.fault {
                    return Ok(after);
                }
                after
            }
        };
        // SAFETY: R3 to R5.
        match unsafe { small_block(after, &lane.source) } {
            Some((0, after)) => Ok(after),
            _ => Err(after),
        }
    }
}

/// The number of items of a block without a size, of a byte, and the cursor after it; `None` for others and on a fault.
///
/// # Safety
/// R3 and R4.
#[inline(always)]
unsafe fn small_block(at: *const u8, source: &BlockSource) -> Option<(usize, *const u8)> {
    // SAFETY: R4: one byte is readable, and padding follows.
    let (byte, after) = unsafe { (at.read(), at.add(1)) };
    (byte & 0x81 == 0 && after <= source.end).then_some((usize::from(byte >> 1), after))
}

/// Runs the body of skipped items `n` times, and returns the cursor after them.
///
/// # Safety
/// R1 and R3 to R5, for a body that writes nothing.
#[inline(always)]
unsafe fn skip_each(body: &[Step], lane: &mut Lane<'_>, mut at: *const u8, n: u64) -> *const u8 {
    for _ in 0..n {
        // SAFETY: R1, R3, R4 and R5; R2: the body writes nothing.
        at = unsafe { run_steps(body, lane, at) };
        if lane.fault {
            break;
        }
    }
    at
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

/// The buffer of a text's end, and the level and buffer of its bytes.
type TextBuffers = (BufferId, LevelId, BufferId);

/// Reads a value and writes it as JSON text.
pub(in crate::exec) struct JsonText;

impl<C: Cpu> StepCode<C> for JsonText {
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::Json { offsets, level, bytes, pair });
        // SAFETY: R3; the cursor is not used after this function.
        let mut cursor = unsafe { lane.rest(at) };
        let mut text = std::mem::take(&mut lane.text);
        text.clear();
        let program = lane.program;
        let written = json::write_json(&program.plan.resolution, pair, &mut cursor, &mut text, &program.options.limits);
        lane.fault |= written.is_err();
        // SAFETY: R1 and R2.
        unsafe { write_text((offsets, level, bytes), &text, lane) };
        lane.text = text;
        // SAFETY: R3: `cursor` is within the rest of the block.
        unsafe { at.add(cursor.at()) }
    }
}

/// Writes a constant as text.
pub(in crate::exec) struct Text;

impl<C: Cpu> StepCode<C> for Text {
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::Text { offsets, level, bytes, text });
        match lane.program.constants.slot_bytes(text) {
            // SAFETY: R1 and R2.
            Some(text) => unsafe { write_text((offsets, level, bytes), text, lane) },
            None => lane.fault = true,
        }
        at
    }
}

/// Appends text to a level of bytes, and writes where it ends.
///
/// # Safety
/// R1 and R2, for a step with these buffers.
unsafe fn write_text((offsets, level, bytes): TextBuffers, text: &[u8], lane: &mut Lane<'_>) {
    let n = text.len();
    if !lane.reserve(level, n) {
        return lane.fault = true;
    }
    let first = lane.level_len(level);
    // SAFETY: R1: the level's buffer is one of bytes; R2: this function's for the op's slot, and `reserve` made room
    // for the text.
    unsafe {
        let to = lane.buffers.slots.get_unchecked(bytes.index()).add(first);
        to.copy_from_nonoverlapping(text.as_ptr(), n);
        lane.write(offsets, lane.slot, (first + n) as i32);
    }
    lane.set_level_len(level, first + n);
}

/// Runs the body that skips a record.
pub(in crate::exec) struct CallSub;

impl<C: Cpu> StepCode<C> for CallSub {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::Call { sub });
        // A body runs on to its end after a fault, and bodies that each call another twice would for ever.
        if lane.fault {
            return at;
        }
        let Some(&body) = lane.linked.subs.get(sub as usize) else {
            lane.fault = true;
            return at;
        };
        // SAFETY: R1, R3, R4 and R5; R2: a sub-program writes nothing.
        unsafe { run_steps(lane.linked.body(body), lane, at) }
    }
}

/// Skips a value of a recursive type.
pub(in crate::exec) struct SkipValue;

impl<C: Cpu> StepCode<C> for SkipValue {
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        op_of!(step, lane, at, Op::SkipValue { node });
        // SAFETY: R3; the cursor is not used after this function.
        let mut cursor = unsafe { lane.rest(at) };
        let program = lane.program;
        lane.fault |= json::skip_value(&program.plan.schema, node, &mut cursor, &program.options.limits).is_err();
        // SAFETY: R3: `cursor` is within the rest of the block.
        unsafe { at.add(cursor.at()) }
    }
}
