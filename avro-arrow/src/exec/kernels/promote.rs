//! Kernels of values whose type is not the reader's: promoted numbers, and symbols of another enum.

use super::{BlockSource, Cpu, Int, Kernel, Long, Raw};
use crate::program::View;
use std::hint::cold_path;
use std::marker::PhantomData;

/// The value that `K` reads, as a `T`.
#[derive(Clone, Copy)]
pub(in crate::exec) struct As<K, T>(K, PhantomData<T>);

pub(in crate::exec) type IntTo<T> = As<Int, T>;
pub(in crate::exec) type LongTo<T> = As<Long, T>;
pub(in crate::exec) type FloatTo<T> = As<Raw<4>, T>;

impl<T> IntTo<T> {
    pub(in crate::exec) const INT: Self = As(Int, PhantomData);
}

impl<T> LongTo<T> {
    pub(in crate::exec) const LONG: Self = As(Long, PhantomData);
}

impl<T> FloatTo<T> {
    pub(in crate::exec) const FLOAT: Self = As(Raw::<4>, PhantomData);
}

/// Conversion of a number to the nearest value of another type.
pub(in crate::exec) trait Promote<T> {
    fn promote(self) -> T;
}

impl Promote<i64> for i32 {
    fn promote(self) -> i64 {
        self.into()
    }
}

impl Promote<f32> for i32 {
    fn promote(self) -> f32 {
        self as f32
    }
}

impl Promote<f64> for i32 {
    fn promote(self) -> f64 {
        self.into()
    }
}

impl Promote<f32> for i64 {
    fn promote(self) -> f32 {
        self as f32
    }
}

impl Promote<f64> for i64 {
    fn promote(self) -> f64 {
        self as f64
    }
}

impl Promote<f64> for [u8; 4] {
    fn promote(self) -> f64 {
        f32::from_le_bytes(self).into()
    }
}

impl<K: Kernel<Slot: Promote<T>>, T: Copy> Kernel for As<K, T> {
    type Slot = T;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> T {
        // SAFETY: R3 to R5.
        unsafe { self.0.read::<C>(at, source, present, bad) }.promote()
    }
}

/// What the index of a symbol becomes.
pub(in crate::exec) trait FromSymbol: Copy {
    type Slot: Copy + Default;
    fn slot(self) -> Option<Self::Slot>;
}

/// The reader's index of the symbol, if the reader has it.
impl FromSymbol for Option<u32> {
    type Slot = u32;

    #[inline(always)]
    fn slot(self) -> Option<u32> {
        self
    }
}

/// The symbol's text.
impl FromSymbol for View {
    type Slot = u128;

    #[inline(always)]
    fn slot(self) -> Option<u128> {
        Some(self.view)
    }
}

/// An index of a list that has the value; an index without a value is a fault.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Found<'a, T>(pub(in crate::exec) &'a [T]);

impl<T: FromSymbol> Kernel for Found<'_, T> {
    type Slot = T::Slot;

    #[inline(always)]
    unsafe fn read<C: Cpu>(self, at: &mut *const u8, source: &BlockSource, present: bool, bad: &mut bool) -> T::Slot {
        // SAFETY: R3 to R5.
        let index = unsafe { Long.read::<C>(at, source, present, bad) };
        let found = usize::try_from(index).ok().and_then(|index| self.0.get(index)?.slot());
        match found {
            Some(found) if present => found,
            _ if !present => T::Slot::default(),
            _ => {
                cold_path();
                *bad = true;
                T::Slot::default()
            }
        }
    }
}
