//! Scalars: reads a value of each lane through its kernel, or writes one that is not in the data.

use super::nullable::Presence;
use crate::column::BufferId;
use crate::exec::kernels::{self, Cpu, Kernel};
use crate::exec::lane::{LaneCursor, write};
use crate::program::{Constants, ScalarEncoding};
use std::marker::PhantomData;

/// An op that reads a scalar: the buffer that it writes, and the lanes that it reads.
pub(in crate::exec) struct ReadScalar<'a, C, P, const K: usize> {
    to: BufferId,
    presence: P,
    cursors: &'a mut [LaneCursor; K],
    slots: *const *mut u8,
    bad: &'a mut bool,
    cpu: PhantomData<C>,
}

impl<'a, C: Cpu, P: Presence, const K: usize> ReadScalar<'a, C, P, K> {
    #[inline(always)]
    pub(in crate::exec) fn new(
        to: BufferId,
        presence: P,
        cursors: &'a mut [LaneCursor; K],
        slots: *const *mut u8,
        bad: &'a mut bool,
    ) -> Self {
        ReadScalar { to, presence, cursors, slots, bad, cpu: PhantomData }
    }

    /// Reads a value of each lane.
    ///
    /// # Safety
    /// R1 to R5, for an op of this encoding.
    #[inline(always)]
    pub(in crate::exec) unsafe fn read(self, encoding: ScalarEncoding, constants: &Constants) {
        // SAFETY: R1 to R5; for R1 `ScalarEncoding::width` is that of the kernel's slot, which `read_with` asserts.
        unsafe {
            match encoding {
                ScalarEncoding::Boolean => self.read_with(encoding, kernels::Boolean),
                ScalarEncoding::Int => self.read_with(encoding, kernels::Int),
                ScalarEncoding::Long => self.read_with(encoding, kernels::Long),
                ScalarEncoding::Float => self.read_with(encoding, kernels::Raw::<4>),
                ScalarEncoding::Double => self.read_with(encoding, kernels::Raw::<8>),
                ScalarEncoding::Enum(n) => self.read_with(encoding, kernels::Index(n)),
                ScalarEncoding::Bytes => self.read_with(encoding, kernels::Bytes),
                ScalarEncoding::String => self.read_with(encoding, kernels::Utf8),
                ScalarEncoding::Decimal128 => self.read_with(encoding, kernels::Decimal128),
                ScalarEncoding::Decimal256 => self.read_with(encoding, kernels::Decimal256),
                ScalarEncoding::FixedDecimal128(n) => self.read_with(encoding, kernels::FixedDecimal128(n)),
                ScalarEncoding::FixedDecimal256(n) => self.read_with(encoding, kernels::FixedDecimal256(n)),
                ScalarEncoding::Duration => self.read_with(encoding, kernels::Duration),
                ScalarEncoding::Fixed(16) => self.read_with(encoding, kernels::Raw::<16>),
                ScalarEncoding::Fixed(n) => self.read_fixed(n as usize),
                ScalarEncoding::IntToLong => self.read_with(encoding, kernels::IntTo::<i64>::INT),
                ScalarEncoding::IntToFloat => self.read_with(encoding, kernels::IntTo::<f32>::INT),
                ScalarEncoding::IntToDouble => self.read_with(encoding, kernels::IntTo::<f64>::INT),
                ScalarEncoding::LongToFloat => self.read_with(encoding, kernels::LongTo::<f32>::LONG),
                ScalarEncoding::LongToDouble => self.read_with(encoding, kernels::LongTo::<f64>::LONG),
                ScalarEncoding::FloatToDouble => self.read_with(encoding, kernels::FloatTo::<f64>::FLOAT),
                ScalarEncoding::Symbol(table) => match constants.table_of(table) {
                    Some(table) => self.read_with(encoding, kernels::Found(table)),
                    None => *self.bad = true,
                },
                ScalarEncoding::Times(rescale) => match constants.rescale_of(rescale) {
                    Some(rescale) => self.read_with(encoding, kernels::Times(rescale)),
                    None => *self.bad = true,
                },
                ScalarEncoding::Scaled128(rescale) => match constants.rescale_of(rescale) {
                    Some(rescale) => self.read_with(encoding, kernels::Scaled128(rescale)),
                    None => *self.bad = true,
                },
                ScalarEncoding::Scaled256(rescale) => match constants.rescale_of(rescale) {
                    Some(rescale) => self.read_with(encoding, kernels::Scaled256(rescale)),
                    None => *self.bad = true,
                },
                ScalarEncoding::SymbolText(texts) => match constants.texts_of(texts) {
                    Some(texts) => self.read_with(encoding, kernels::Found(texts)),
                    None => *self.bad = true,
                },
            }
        }
    }

    /// Reads a value of each lane through a kernel.
    ///
    /// # Safety
    /// R1 to R5, for an op of this encoding.
    #[inline(always)]
    unsafe fn read_with<V: Kernel>(self, encoding: ScalarEncoding, kernel: V) {
        debug_assert_eq!(encoding.width(), size_of::<V::Slot>());
        for cursor in self.cursors {
            // SAFETY: R1 and R2 for the writes; R3, R4 and R5 for the kernel.
            unsafe {
                let present = self.presence.is_present::<C>(cursor, self.bad);
                let value = kernel.read::<C>(&mut cursor.at, &cursor.source, present, self.bad);
                write(self.slots, self.to, cursor.slot, value);
                self.presence.write_valid(self.slots, cursor, present);
            }
        }
    }

    /// Copies `n` bytes of each lane.
    ///
    /// # Safety
    /// R1 to R5, for a buffer of width `n`.
    #[inline(always)]
    unsafe fn read_fixed(self, n: usize) {
        for cursor in self.cursors {
            // SAFETY: R1 and R2 for the writes, of `n` bytes or none; R3, R4 and R5 for the kernels.
            unsafe {
                let present = self.presence.is_present::<C>(cursor, self.bad);
                if present {
                    let bytes = kernels::fixed(&mut cursor.at, n, &cursor.source, self.bad);
                    let slot = (*self.slots.add(self.to.index())).add(cursor.slot * n);
                    slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                } else {
                    kernels::check(&mut cursor.at, &cursor.source, self.bad);
                    write_zero(self.slots, self.to, n, cursor.slot);
                }
                self.presence.write_valid(self.slots, cursor, present);
            }
        }
    }
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
pub(in crate::exec) unsafe fn write_bytes<const K: usize>(
    to: BufferId,
    bytes: &[u8],
    cursors: &[LaneCursor; K],
    slots: *const *mut u8,
) {
    for cursor in cursors {
        // SAFETY: R1 and R2.
        unsafe {
            let slot = (*slots.add(to.index())).add(cursor.slot * bytes.len());
            slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
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
