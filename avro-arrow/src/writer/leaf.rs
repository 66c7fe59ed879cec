//! Encodes single values of columns that are neither words nor texts, as slots if they are short. The loops over rows
//! are in `rows`.

use super::out::{LONG, Out, SLOT_BYTES, Slot, UNFIT, slot, slot_of, slot_of_long};
use arrow_array::BinaryViewArray;
use arrow_buffer::{ArrowNativeType, Buffer, IntervalMonthDayNano, ScalarBuffer, i256};
use std::collections::BTreeMap;

/// Scalar values. All indices are of values that exist.
pub(super) trait Leaf {
    /// Whether all values can be written, including the values of nulls.
    const SURE: bool = true;

    /// The value, or [`UNFIT`].
    fn slot(&self, at: usize) -> Slot;

    /// Why a value cannot be written.
    fn why(&self, _at: usize) -> String {
        String::new()
    }

    /// Writes a value that is too long for a slot.
    fn put(&self, _at: usize, _out: &mut Out) {}
}

/// Values without bytes.
pub(super) struct Nothing;

impl Leaf for Nothing {
    #[inline]
    fn slot(&self, _: usize) -> Slot {
        slot(0, 0)
    }
}

/// Integers, some of which take more than eight bytes.
pub(super) struct Longs<'a>(pub(super) &'a ScalarBuffer<i64>);

impl Leaf for Longs<'_> {
    #[inline]
    fn slot(&self, at: usize) -> Slot {
        slot_of_long(self.0.get(at).copied().unwrap_or_default())
    }
}

/// The slot of a length below 64 and `n` bytes, the first of `bytes`, which fit.
#[inline]
fn sized_slot(bytes: u128, n: usize) -> Slot {
    let own = bytes & FIRST.get(n).copied().unwrap_or_default();
    slot((own << 8) | (n as u128 * 2), n + 1)
}

/// Masks of the first bytes of a word: a load is faster than shifts of 128 bits.
const FIRST: [u128; SLOT_BYTES] = {
    let mut masks = [0; SLOT_BYTES];
    let mut n = 1;
    while n < SLOT_BYTES {
        masks[n] = u128::MAX >> (128 - 8 * n);
        n += 1;
    }
    masks
};

/// Values of a fixed size.
pub(super) struct Fixed<'a>(pub(super) &'a Buffer, pub(super) usize);

impl Fixed<'_> {
    #[inline]
    fn value(&self, at: usize) -> &[u8] {
        self.0.get(at * self.1..(at + 1) * self.1).unwrap_or_default()
    }
}

impl Leaf for Fixed<'_> {
    #[inline]
    fn slot(&self, at: usize) -> Slot {
        slot_of(self.value(at))
    }

    fn put(&self, at: usize, out: &mut Out) {
        out.extend(self.value(at));
    }
}

/// Values of a fixed size from views, whose lengths are checked.
pub(super) struct FixedViews<'a>(pub(super) &'a BinaryViewArray, pub(super) usize);

impl Leaf for FixedViews<'_> {
    const SURE: bool = false;

    fn slot(&self, at: usize) -> Slot {
        let value = self.0.value(at);
        if value.len() == self.1 { slot_of(value) } else { UNFIT }
    }

    fn why(&self, at: usize) -> String {
        format!("a value has {} bytes, expected a fixed of {}", self.0.value(at).len(), self.1)
    }

    fn put(&self, at: usize, out: &mut Out) {
        out.extend(self.0.value(at));
    }
}

/// Values that are already encoded, by the end of each; and why the invalid ones cannot be.
pub(super) struct Encoded<'a>(pub(super) &'a [usize], pub(super) &'a [u8], pub(super) &'a BTreeMap<usize, String>);

impl Encoded<'_> {
    fn value(&self, at: usize) -> &[u8] {
        let end = |at: usize| self.0.get(at).copied().unwrap_or_default();
        self.1.get(end(at)..end(at + 1)).unwrap_or_default()
    }
}

impl Leaf for Encoded<'_> {
    const SURE: bool = false;

    fn slot(&self, at: usize) -> Slot {
        if self.2.contains_key(&at) { UNFIT } else { slot_of(self.value(at)) }
    }

    fn why(&self, at: usize) -> String {
        self.2.get(&at).cloned().unwrap_or_default()
    }

    fn put(&self, at: usize, out: &mut Out) {
        out.extend(self.value(at));
    }
}

/// Indices of symbols, by key.
pub(super) struct Symbols<'a>(pub(super) &'a ScalarBuffer<i32>, pub(super) &'a [Option<i32>]);

impl Leaf for Symbols<'_> {
    const SURE: bool = false;

    #[inline]
    fn slot(&self, at: usize) -> Slot {
        let key = self.0.get(at).and_then(|key| usize::try_from(*key).ok());
        match key.and_then(|key| self.1.get(key).copied().flatten()) {
            Some(symbol) => slot_of_long(symbol.into()),
            None => UNFIT,
        }
    }

    fn why(&self, _: usize) -> String {
        "a value is not a symbol of the enum".to_owned()
    }
}

/// Decimals, with a length and as many bytes as needed, or of a fixed size.
pub(super) struct Decimals<'a, T: ArrowNativeType>(pub(super) &'a ScalarBuffer<T>, pub(super) Option<usize>);

/// The number of bytes that a number needs, including its sign.
#[inline]
fn bytes_needed(value: i128) -> usize {
    // Most fit a register.
    let bits = match i64::try_from(value) {
        Ok(value) => 65 - (value ^ (value >> 63)).leading_zeros(),
        Err(_) => 129 - (value ^ (value >> 127)).leading_zeros(),
    };
    bits.div_ceil(8) as usize
}

fn too_wide(n: usize, size: Option<usize>) -> String {
    format!("a decimal takes {n} bytes, but its fixed has {}", size.unwrap_or_default())
}

/// The last bytes of a number in big-endian order, at the start of a word.
#[inline]
fn last_bytes(value: i128, n: usize) -> u128 {
    match n {
        0 => 0,
        1..=8 => ((value as u64) << (64 - 8 * n)).swap_bytes().into(),
        _ => ((value as u128) << (128 - 8 * n)).swap_bytes(),
    }
}

// SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte
// order".
impl Leaf for Decimals<'_, i128> {
    const SURE: bool = false;

    #[inline]
    fn slot(&self, at: usize) -> Slot {
        let value = self.0.get(at).copied().unwrap_or_default();
        let n = bytes_needed(value);
        match self.1 {
            None if n >= SLOT_BYTES => LONG,
            None => sized_slot(last_bytes(value, n), n),
            Some(size) if n > size => UNFIT,
            Some(size) if size > SLOT_BYTES => LONG,
            Some(size) => slot(last_bytes(value, size), size),
        }
    }

    fn why(&self, at: usize) -> String {
        too_wide(bytes_needed(self.0.get(at).copied().unwrap_or_default()), self.1)
    }

    fn put(&self, at: usize, out: &mut Out) {
        let value = self.0.get(at).copied().unwrap_or_default();
        put_decimal(&value.to_be_bytes(), bytes_needed(value), self.1, out);
    }
}

impl Decimals<'_, i256> {
    fn value(&self, at: usize) -> (i256, usize) {
        let value = self.0.get(at).copied().unwrap_or_default();
        let sign = if value.is_negative() { i256::MINUS_ONE } else { i256::ZERO };
        (value, (257 - (value ^ sign).leading_zeros()).div_ceil(8) as usize)
    }
}

impl Leaf for Decimals<'_, i256> {
    const SURE: bool = false;

    fn slot(&self, at: usize) -> Slot {
        match (self.value(at), self.1) {
            ((_, n), Some(size)) if n > size => UNFIT,
            _ => LONG,
        }
    }

    fn why(&self, at: usize) -> String {
        too_wide(self.value(at).1, self.1)
    }

    fn put(&self, at: usize, out: &mut Out) {
        let (value, n) = self.value(at);
        put_decimal(&value.to_be_bytes(), n, self.1, out);
    }
}

fn put_decimal(bytes: &[u8], n: usize, size: Option<usize>, out: &mut Out) {
    let digits = bytes.get(bytes.len().saturating_sub(n)..).unwrap_or_default();
    let Some(size) = size else { return out.sized(digits) };
    let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
    (n..size).for_each(|_| out.extend(&[sign]));
    out.extend(digits);
}

/// Durations of non-negative months, days and milliseconds.
pub(super) struct Durations<'a>(pub(super) &'a ScalarBuffer<IntervalMonthDayNano>);

const NANOS_PER_MILLI: i64 = 1_000_000;

// SPEC: Logical Types, Duration: "three little-endian unsigned integers".
impl Leaf for Durations<'_> {
    const SURE: bool = false;

    fn slot(&self, at: usize) -> Slot {
        let value = self.0.get(at).copied().unwrap_or_default();
        let millis = (value.nanoseconds % NANOS_PER_MILLI == 0).then_some(value.nanoseconds / NANOS_PER_MILLI);
        let millis = millis.and_then(|millis| u32::try_from(millis).ok());
        match (u32::try_from(value.months), u32::try_from(value.days), millis) {
            (Ok(months), Ok(days), Some(millis)) => {
                slot(u128::from(months) | (u128::from(days) << 32) | (u128::from(millis) << 64), 12)
            }
            _ => UNFIT,
        }
    }

    fn why(&self, _: usize) -> String {
        "a duration has a negative part, a fraction of a millisecond, or a part of more than 32 bits".to_owned()
    }
}
