//! Scalars: reads a value of each lane through its kernel, or writes one that is not in the data.

use super::encoding::{KernelOf, with_kernel};
use super::nullable::Presence;
use crate::column::BufferId;
use crate::exec::kernels::{self, BlockSource, Cpu, Kernel};
use crate::exec::lane::{Lane, LaneCursor, Step, StepCode, write};
use crate::program::{Constants, ScalarEncoding, View};
use std::hint::cold_path;
use std::marker::PhantomData;

/// Reads a value of each lane.
///
/// # Safety
/// R1 to R5, for a step of this encoding.
#[inline(always)]
pub(in crate::exec) unsafe fn read<C: Cpu, P: Presence, const K: usize>(
    step: &Step,
    encoding: ScalarEncoding,
    cursors: &mut [LaneCursor; K],
    slots: *const *mut u8,
    constants: &Constants,
    bad: &mut bool,
) {
    // SAFETY: R1 to R5.
    unsafe {
        with_kernel!(
            encoding,
            Kind => match Kind::new(step.operand, constants) {
                Some(kernel) => {
                    debug_assert_eq!(encoding.width(), width_of(&kernel));
                    for LaneCursor { at, source, slot, mask } in cursors {
                        *at = read_at::<C, P, _>(step, kernel, *at, source, *slot, *mask, slots, bad);
                    }
                }
                None => *bad = true,
            },
            fixed => for LaneCursor { at, source, slot, mask } in cursors {
                *at = read_fixed_at::<C, P>(step, *at, source, *slot, *mask, slots, bad);
            }
        )
    }
}

/// The width of a kernel's slots.
fn width_of<V: Kernel>(_: &V) -> usize {
    size_of::<V::Slot>()
}

/// Reads a value of one lane through a kernel.
pub(in crate::exec) struct Read<P, V>(PhantomData<(P, V)>);

impl<C: Cpu, P: Presence, V: KernelOf> StepCode<C> for Read<P, V> {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        let Some(kernel) = V::new(step.operand, &lane.program.constants) else {
            lane.fault = true;
            return at;
        };
        let (slots, slot) = (lane.slots(), lane.slot);
        // SAFETY: R1 to R5.
        unsafe { read_at::<C, P, _>(step, kernel, at, &lane.source, slot, lane.mask, slots, &mut lane.fault) }
    }

    const HAS_COMMON: bool = <V::Kernel<'static> as Kernel>::HAS_COMMON;

    #[inline(always)]
    unsafe fn run_common(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> Result<*const u8, *const u8> {
        let Some(kernel) = V::new(step.operand, &lane.program.constants) else { return Err(at) };
        // SAFETY: R1 and R2 for the writes; R3, R4 and R5 for the kernel.
        unsafe {
            let (present, value) = P::is_present_common(step.nulls, lane.mask, at).ok_or(at)?;
            let (value, after) = kernel.read_common::<C>(value, &lane.source, present).ok_or(at)?;
            let (slots, slot) = (lane.slots(), lane.slot);
            write(slots, step.to, slot, value);
            if P::IS_NULLABLE {
                write(slots, step.nulls.valid, slot, u8::from(present));
            }
            Ok(after)
        }
    }
}

/// Reads a value of one lane to a slot, and returns the cursor after it.
///
/// # Safety
/// R1 to R5, for a step of this kernel that is not nullable, and this slot.
#[inline(always)]
pub(in crate::exec) unsafe fn read_always<C: Cpu, V: KernelOf>(
    step: &Step,
    lane: &mut Lane<'_>,
    slot: usize,
    at: *const u8,
) -> *const u8 {
    let kernel = V::new(step.operand, &lane.program.constants);
    // SAFETY: R1 and R2 for the writes; R3, R4 and R5 for the kernel.
    unsafe {
        match kernel.and_then(|kernel| kernel.read_common::<C>(at, &lane.source, true)) {
            Some((value, after)) => {
                write(lane.slots(), step.to, slot, value);
                after
            }
            None => {
                cold_path();
                lane.slot = slot;
                (step.run)(step, lane, at)
            }
        }
    }
}

/// Copies the bytes of a fixed of one lane.
pub(in crate::exec) struct ReadFixed<P>(PhantomData<P>);

impl<C: Cpu, P: Presence> StepCode<C> for ReadFixed<P> {
    #[inline(always)]
    unsafe fn run(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        let (slots, slot) = (lane.slots(), lane.slot);
        // SAFETY: R1 to R5.
        unsafe { read_fixed_at::<C, P>(step, at, &lane.source, slot, lane.mask, slots, &mut lane.fault) }
    }
}

/// Reads a value through a kernel, and returns the cursor after it.
///
/// # Safety
/// R1 to R5, for a step of this kernel, and `slot` of its level.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn read_at<C: Cpu, P: Presence, V: Kernel>(
    step: &Step,
    kernel: V,
    mut at: *const u8,
    source: &BlockSource,
    slot: usize,
    mask: u64,
    slots: *const *mut u8,
    bad: &mut bool,
) -> *const u8 {
    // SAFETY: R1 and R2 for the writes; R3, R4 and R5 for the kernel.
    unsafe {
        let present = P::is_present::<C>(step.nulls, mask, &mut at, source, bad);
        let value = kernel.read::<C>(&mut at, source, present, bad);
        write(slots, step.to, slot, value);
        if P::IS_NULLABLE {
            write(slots, step.nulls.valid, slot, u8::from(present));
        }
    }
    at
}

/// Copies the bytes of a fixed, and returns the cursor after them.
///
/// # Safety
/// R1 to R5, for a step whose operand is the size, and `slot` of its level.
#[inline(always)]
unsafe fn read_fixed_at<C: Cpu, P: Presence>(
    step: &Step,
    mut at: *const u8,
    source: &BlockSource,
    slot: usize,
    mask: u64,
    slots: *const *mut u8,
    bad: &mut bool,
) -> *const u8 {
    let n = step.operand as usize;
    // SAFETY: R1 and R2 for the writes, of `n` bytes or none; R3, R4 and R5 for the kernels.
    unsafe {
        let present = P::is_present::<C>(step.nulls, mask, &mut at, source, bad);
        if present {
            let bytes = kernels::fixed(&mut at, n, source, bad);
            let slot = (*slots.add(step.to.index())).add(slot * n);
            slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        } else {
            kernels::check(&mut at, source, bad);
            write_zero(slots, step.to, n, slot);
        }
        if P::IS_NULLABLE {
            write(slots, step.nulls.valid, slot, u8::from(present));
        }
    }
    at
}

/// Writes the offset of each cursor in its buffer.
///
/// # Safety
/// R1 and R2, for a buffer of `u32`.
#[inline(always)]
pub(in crate::exec) unsafe fn write_start<const K: usize>(
    to: BufferId,
    cursors: &[LaneCursor; K],
    slots: *const *mut u8,
) {
    for cursor in cursors {
        let start = cursor.at as usize - cursor.source.start as usize;
        // SAFETY: R1 and R2. Buffers are smaller than 4 GiB.
        unsafe { write(slots, to, cursor.slot, start as u32) };
    }
}

/// Writes a value to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a buffer of the width of `T`.
#[inline(always)]
pub(in crate::exec) unsafe fn write_each<T: Copy, const K: usize>(
    to: BufferId,
    value: T,
    cursors: &[LaneCursor; K],
    slots: *const *mut u8,
) {
    for cursor in cursors {
        // SAFETY: R1 and R2.
        unsafe { write(slots, to, cursor.slot, value) };
    }
}

/// Copies these bytes to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a buffer as wide as the bytes.
#[inline(always)]
unsafe fn write_bytes<const K: usize>(to: BufferId, bytes: &[u8], cursors: &[LaneCursor; K], slots: *const *mut u8) {
    for cursor in cursors {
        // SAFETY: R1 and R2.
        unsafe {
            let slot = (*slots.add(to.index())).add(cursor.slot * bytes.len());
            slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }
}

/// Writes a constant to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a buffer of this constant's width.
#[inline(always)]
pub(in crate::exec) unsafe fn write_constant<const K: usize>(
    to: BufferId,
    constant: u32,
    constants: &Constants,
    cursors: &[LaneCursor; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    match constants.slot_bytes(constant) {
        // SAFETY: R1 and R2.
        Some(bytes) => unsafe { write_bytes(to, bytes, cursors, slots) },
        None => *bad = true,
    }
}

/// Writes the view of a constant to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a buffer of views.
#[inline(always)]
pub(in crate::exec) unsafe fn write_view<const K: usize>(
    to: BufferId,
    view: u32,
    constants: &Constants,
    cursors: &[LaneCursor; K],
    slots: *const *mut u8,
    bad: &mut bool,
) {
    match constants.view_of(view) {
        // SAFETY: R1 and R2.
        Some(view) => unsafe { write_each(to, view, cursors, slots) },
        None => *bad = true,
    }
}

/// Writes zeros to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a buffer of this width.
#[inline(always)]
pub(in crate::exec) unsafe fn write_zeros<const K: usize>(
    to: BufferId,
    width: u32,
    cursors: &[LaneCursor; K],
    slots: *const *mut u8,
) {
    for cursor in cursors {
        // SAFETY: R1 and R2.
        unsafe { write_zero(slots, to, width as usize, cursor.slot) };
    }
}

/// Writes zeros to a slot.
///
/// # Safety
/// R1 and R2, for a buffer of this width.
#[inline(always)]
unsafe fn write_zero(slots: *const *mut u8, to: BufferId, width: usize, position: usize) {
    // SAFETY: R1 and R2.
    unsafe {
        // Without a call for the usual widths.
        match width {
            1 => write(slots, to, position, 0u8),
            4 => write(slots, to, position, 0u32),
            8 => write(slots, to, position, 0u64),
            16 => write(slots, to, position, 0u128),
            _ => (*slots.add(to.index())).add(position * width).write_bytes(0, width),
        }
    }
}
