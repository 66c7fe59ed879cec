//! Scalars: reads a value of each lane through its kernel, or writes one that is not in the data.

use super::nullable::Presence;
use crate::column::SlabId;
use crate::exec::kernels::{self, Cpu, Kernel};
use crate::exec::lane::{Place, write};
use crate::program::{Constants, Leaf};
use std::marker::PhantomData;

/// An op that reads a scalar: the slab that it writes, and the lanes that it reads.
pub(in crate::exec) struct ReadScalar<'a, C, P, const K: usize> {
    to: SlabId,
    presence: P,
    places: &'a mut [Place; K],
    slots: *const *mut u8,
    bad: &'a mut bool,
    cpu: PhantomData<C>,
}

impl<'a, C: Cpu, P: Presence, const K: usize> ReadScalar<'a, C, P, K> {
    #[inline(always)]
    pub(in crate::exec) fn new(
        to: SlabId,
        presence: P,
        places: &'a mut [Place; K],
        slots: *const *mut u8,
        bad: &'a mut bool,
    ) -> Self {
        ReadScalar { to, presence, places, slots, bad, cpu: PhantomData }
    }

    /// Reads a value of each lane.
    ///
    /// # Safety
    /// R1 to R5, for an op of this leaf.
    #[inline(always)]
    pub(in crate::exec) unsafe fn read(self, leaf: Leaf, constants: &Constants) {
        // SAFETY: R1 to R5; for R1 `Leaf::width` is that of the kernel's slot, which `read_with` asserts.
        unsafe {
            match leaf {
                Leaf::Boolean => self.read_with(leaf, kernels::Boolean),
                Leaf::Int => self.read_with(leaf, kernels::Int),
                Leaf::Long => self.read_with(leaf, kernels::Long),
                Leaf::Float => self.read_with(leaf, kernels::Raw::<4>),
                Leaf::Double => self.read_with(leaf, kernels::Raw::<8>),
                Leaf::Enum(n) => self.read_with(leaf, kernels::Index(n)),
                Leaf::Bytes => self.read_with(leaf, kernels::Bytes),
                Leaf::String => self.read_with(leaf, kernels::Utf8),
                Leaf::Decimal128 => self.read_with(leaf, kernels::Decimal128),
                Leaf::Decimal256 => self.read_with(leaf, kernels::Decimal256),
                Leaf::FixedDecimal128(n) => self.read_with(leaf, kernels::FixedDecimal128(n)),
                Leaf::FixedDecimal256(n) => self.read_with(leaf, kernels::FixedDecimal256(n)),
                Leaf::Duration => self.read_with(leaf, kernels::Duration),
                Leaf::Fixed(16) => self.read_with(leaf, kernels::Raw::<16>),
                Leaf::Fixed(n) => self.read_fixed(n as usize),
                Leaf::IntToLong => self.read_with(leaf, kernels::IntTo::<i64>::INT),
                Leaf::IntToFloat => self.read_with(leaf, kernels::IntTo::<f32>::INT),
                Leaf::IntToDouble => self.read_with(leaf, kernels::IntTo::<f64>::INT),
                Leaf::LongToFloat => self.read_with(leaf, kernels::LongTo::<f32>::LONG),
                Leaf::LongToDouble => self.read_with(leaf, kernels::LongTo::<f64>::LONG),
                Leaf::FloatToDouble => self.read_with(leaf, kernels::FloatTo::<f64>::FLOAT),
                Leaf::Symbol(table) => match constants.table_of(table) {
                    Some(table) => self.read_with(leaf, kernels::Found(table)),
                    None => *self.bad = true,
                },
                Leaf::Times(rescale) => match constants.rescale_of(rescale) {
                    Some(rescale) => self.read_with(leaf, kernels::Times(rescale)),
                    None => *self.bad = true,
                },
                Leaf::Scaled128(rescale) => match constants.rescale_of(rescale) {
                    Some(rescale) => self.read_with(leaf, kernels::Scaled128(rescale)),
                    None => *self.bad = true,
                },
                Leaf::Scaled256(rescale) => match constants.rescale_of(rescale) {
                    Some(rescale) => self.read_with(leaf, kernels::Scaled256(rescale)),
                    None => *self.bad = true,
                },
                Leaf::SymbolText(texts) => match constants.texts_of(texts) {
                    Some(texts) => self.read_with(leaf, kernels::Found(texts)),
                    None => *self.bad = true,
                },
            }
        }
    }

    /// Reads a value of each lane through a kernel.
    ///
    /// # Safety
    /// R1 to R5, for an op of this leaf.
    #[inline(always)]
    unsafe fn read_with<V: Kernel>(self, leaf: Leaf, kernel: V) {
        debug_assert_eq!(leaf.width(), size_of::<V::Slot>());
        for place in self.places {
            // SAFETY: R1 and R2 for the writes; R3, R4 and R5 for the kernel.
            unsafe {
                let present = self.presence.is_present::<C>(place, self.bad);
                let value = kernel.read::<C>(&mut place.at, &place.source, present, self.bad);
                write(self.slots, self.to, place.slot, value);
                self.presence.write_valid(self.slots, place, present);
            }
        }
    }

    /// Copies `n` bytes of each lane.
    ///
    /// # Safety
    /// R1 to R5, for a slab of width `n`.
    #[inline(always)]
    unsafe fn read_fixed(self, n: usize) {
        for place in self.places {
            // SAFETY: R1 and R2 for the writes, of `n` bytes or none; R3, R4 and R5 for the kernels.
            unsafe {
                let present = self.presence.is_present::<C>(place, self.bad);
                if present {
                    let bytes = kernels::fixed(&mut place.at, n, &place.source, self.bad);
                    let slot = (*self.slots.add(self.to.index())).add(place.slot * n);
                    slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                } else {
                    kernels::check(&mut place.at, &place.source, self.bad);
                    write_zero(self.slots, self.to, n, place.slot);
                }
                self.presence.write_valid(self.slots, place, present);
            }
        }
    }
}

/// Writes the offset of each cursor in its buffer.
///
/// # Safety
/// R1 and R2, for a slab of `u32`.
#[inline(always)]
pub(in crate::exec) unsafe fn write_start<const K: usize>(to: SlabId, places: &[Place; K], slots: *const *mut u8) {
    for place in places {
        let start = place.at as usize - place.source.start as usize;
        // SAFETY: R1 and R2. Buffers are smaller than 4 GiB.
        unsafe { write(slots, to, place.slot, start as u32) };
    }
}

/// Writes a value to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a slab of the width of `T`.
#[inline(always)]
pub(in crate::exec) unsafe fn write_each<T: Copy, const K: usize>(
    to: SlabId,
    value: T,
    places: &[Place; K],
    slots: *const *mut u8,
) {
    for place in places {
        // SAFETY: R1 and R2.
        unsafe { write(slots, to, place.slot, value) };
    }
}

/// Copies these bytes to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a slab as wide as the bytes.
#[inline(always)]
pub(in crate::exec) unsafe fn write_bytes<const K: usize>(
    to: SlabId,
    bytes: &[u8],
    places: &[Place; K],
    slots: *const *mut u8,
) {
    for place in places {
        // SAFETY: R1 and R2.
        unsafe {
            let slot = (*slots.add(to.index())).add(place.slot * bytes.len());
            slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }
}

/// Writes zeros to the slot of each lane.
///
/// # Safety
/// R1 and R2, for a slab of this width.
#[inline(always)]
pub(in crate::exec) unsafe fn write_zeros<const K: usize>(
    to: SlabId,
    width: u32,
    places: &[Place; K],
    slots: *const *mut u8,
) {
    for place in places {
        // SAFETY: R1 and R2.
        unsafe { write_zero(slots, to, width as usize, place.slot) };
    }
}

/// Writes zeros to a slot.
///
/// # Safety
/// R1 and R2, for a slab of this width.
#[inline(always)]
unsafe fn write_zero(slots: *const *mut u8, to: SlabId, width: usize, position: usize) {
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
