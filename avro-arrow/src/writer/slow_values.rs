//! Encodes single values of columns that are neither short values nor strings, as inline values if they are short. The
//! loops over rows are in `rows`.

use super::row_buffer::{
    INLINE_BYTES, InlineValue, RowBuffer, TOO_LONG, UNWRITABLE, inline_bytes, inline_long, inline_value,
};
use arrow_array::BinaryViewArray;
use arrow_buffer::{ArrowNativeType, Buffer, IntervalMonthDayNano, ScalarBuffer, i256};
use std::collections::BTreeMap;

/// Scalar values. All indices are of values that exist.
pub(super) trait SlowValue {
    /// Whether all values can be written, including the values of nulls.
    const SURE: bool = true;

    /// The value, or [`UNWRITABLE`].
    fn inline_value(&self, at: usize) -> InlineValue;

    /// Why a value cannot be written.
    fn why(&self, _at: usize) -> String {
        String::new()
    }

    /// Writes a value that is too long for an inline value.
    fn put(&self, _at: usize, _out: &mut RowBuffer) {}
}

/// Runs code with the values of a scalar column. `Data` must be in scope.
macro_rules! leaf {
    ($data:expr, $leaf:ident => $then:expr) => {
        match $data {
            Data::Long(values) => leaf!(@ $leaf = $crate::writer::slow_values::Longs(values), $then),
            Data::Fixed(values, size) => leaf!(@ $leaf = $crate::writer::slow_values::FixedValues(values, *size), $then),
            Data::FixedViews(views, size) => leaf!(@ $leaf = $crate::writer::slow_values::FixedViews(views, *size), $then),
            Data::Encoded(ends, values, unfit) => leaf!(@ $leaf = $crate::writer::slow_values::Encoded(ends, values, unfit), $then),
            Data::Enum(keys, symbols) => leaf!(@ $leaf = $crate::writer::slow_values::SymbolValues(keys, symbols), $then),
            Data::Decimal128(values, size) => leaf!(@ $leaf = $crate::writer::slow_values::DecimalValues(values, *size), $then),
            Data::Decimal256(values, size) => leaf!(@ $leaf = $crate::writer::slow_values::DecimalValues(values, *size), $then),
            Data::Duration(values) => leaf!(@ $leaf = $crate::writer::slow_values::Durations(values), $then),
            // Always short values.
            Data::Null | Data::Boolean(_) | Data::Int(_) | Data::Float(_) | Data::Double(_) => {
                leaf!(@ $leaf = $crate::writer::slow_values::Nothing, $then)
            }
            // Texts and containers.
            Data::Text(..) | Data::LargeText(..) | Data::Views(_) => leaf!(@ $leaf = $crate::writer::slow_values::Nothing, $then),
            Data::List(..) | Data::Record(_) | Data::Union(..) => leaf!(@ $leaf = $crate::writer::slow_values::Nothing, $then),
        }
    };
    (@ $leaf:ident = $value:expr, $then:expr) => {{
        let $leaf = &$value;
        $then
    }};
}

pub(super) use leaf;

/// Values without bytes.
pub(super) struct Nothing;

impl SlowValue for Nothing {
    #[inline]
    fn inline_value(&self, _: usize) -> InlineValue {
        inline_value(0, 0)
    }
}

/// Integers, some of which take more than eight bytes.
pub(super) struct Longs<'a>(pub(super) &'a ScalarBuffer<i64>);

impl SlowValue for Longs<'_> {
    #[inline]
    fn inline_value(&self, at: usize) -> InlineValue {
        inline_long(self.0.get(at).copied().unwrap_or_default())
    }
}

/// The inline value of a length below 64 and `n` bytes, the first of `bytes`, which fit.
#[inline]
fn sized_inline(bytes: u128, n: usize) -> InlineValue {
    let own = bytes & FIRST.get(n).copied().unwrap_or_default();
    inline_value((own << 8) | (n as u128 * 2), n + 1)
}

/// Masks of the first bytes of a word: a load is faster than shifts of 128 bits.
const FIRST: [u128; INLINE_BYTES] = {
    let mut masks = [0; INLINE_BYTES];
    let mut n = 1;
    while n < INLINE_BYTES {
        masks[n] = u128::MAX >> (128 - 8 * n);
        n += 1;
    }
    masks
};

/// Values of a fixed size.
pub(super) struct FixedValues<'a>(pub(super) &'a Buffer, pub(super) usize);

impl FixedValues<'_> {
    #[inline]
    fn value(&self, at: usize) -> &[u8] {
        self.0.get(at * self.1..(at + 1) * self.1).unwrap_or_default()
    }
}

impl SlowValue for FixedValues<'_> {
    #[inline]
    fn inline_value(&self, at: usize) -> InlineValue {
        inline_bytes(self.value(at))
    }

    fn put(&self, at: usize, out: &mut RowBuffer) {
        out.extend(self.value(at));
    }
}

/// Values of a fixed size from views, whose lengths are checked.
pub(super) struct FixedViews<'a>(pub(super) &'a BinaryViewArray, pub(super) usize);

impl SlowValue for FixedViews<'_> {
    const SURE: bool = false;

    fn inline_value(&self, at: usize) -> InlineValue {
        let value = self.0.value(at);
        if value.len() == self.1 { inline_bytes(value) } else { UNWRITABLE }
    }

    fn why(&self, at: usize) -> String {
        format!("a value has {} bytes, expected a fixed of {}", self.0.value(at).len(), self.1)
    }

    fn put(&self, at: usize, out: &mut RowBuffer) {
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

impl SlowValue for Encoded<'_> {
    const SURE: bool = false;

    fn inline_value(&self, at: usize) -> InlineValue {
        if self.2.contains_key(&at) { UNWRITABLE } else { inline_bytes(self.value(at)) }
    }

    fn why(&self, at: usize) -> String {
        self.2.get(&at).cloned().unwrap_or_default()
    }

    fn put(&self, at: usize, out: &mut RowBuffer) {
        out.extend(self.value(at));
    }
}

/// Indices of symbols, by key.
pub(super) struct SymbolValues<'a>(pub(super) &'a ScalarBuffer<i32>, pub(super) &'a [Option<i32>]);

impl SlowValue for SymbolValues<'_> {
    const SURE: bool = false;

    #[inline]
    fn inline_value(&self, at: usize) -> InlineValue {
        let key = self.0.get(at).and_then(|key| usize::try_from(*key).ok());
        match key.and_then(|key| self.1.get(key).copied().flatten()) {
            Some(symbol) => inline_long(symbol.into()),
            None => UNWRITABLE,
        }
    }

    fn why(&self, _: usize) -> String {
        "a value is not a symbol of the enum".to_owned()
    }
}

/// Decimals, with a length and as many bytes as needed, or of a fixed size.
pub(super) struct DecimalValues<'a, T: ArrowNativeType>(pub(super) &'a ScalarBuffer<T>, pub(super) Option<usize>);

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
impl SlowValue for DecimalValues<'_, i128> {
    const SURE: bool = false;

    #[inline]
    fn inline_value(&self, at: usize) -> InlineValue {
        let value = self.0.get(at).copied().unwrap_or_default();
        let n = bytes_needed(value);
        match self.1 {
            None if n >= INLINE_BYTES => TOO_LONG,
            None => sized_inline(last_bytes(value, n), n),
            Some(size) if n > size => UNWRITABLE,
            Some(size) if size > INLINE_BYTES => TOO_LONG,
            Some(size) => inline_value(last_bytes(value, size), size),
        }
    }

    fn why(&self, at: usize) -> String {
        too_wide(bytes_needed(self.0.get(at).copied().unwrap_or_default()), self.1)
    }

    fn put(&self, at: usize, out: &mut RowBuffer) {
        let value = self.0.get(at).copied().unwrap_or_default();
        put_decimal(&value.to_be_bytes(), bytes_needed(value), self.1, out);
    }
}

impl DecimalValues<'_, i256> {
    fn value(&self, at: usize) -> (i256, usize) {
        let value = self.0.get(at).copied().unwrap_or_default();
        let sign = if value.is_negative() { i256::MINUS_ONE } else { i256::ZERO };
        (value, (257 - (value ^ sign).leading_zeros()).div_ceil(8) as usize)
    }
}

impl SlowValue for DecimalValues<'_, i256> {
    const SURE: bool = false;

    fn inline_value(&self, at: usize) -> InlineValue {
        match (self.value(at), self.1) {
            ((_, n), Some(size)) if n > size => UNWRITABLE,
            _ => TOO_LONG,
        }
    }

    fn why(&self, at: usize) -> String {
        too_wide(self.value(at).1, self.1)
    }

    fn put(&self, at: usize, out: &mut RowBuffer) {
        let (value, n) = self.value(at);
        put_decimal(&value.to_be_bytes(), n, self.1, out);
    }
}

fn put_decimal(bytes: &[u8], n: usize, size: Option<usize>, out: &mut RowBuffer) {
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
impl SlowValue for Durations<'_> {
    const SURE: bool = false;

    fn inline_value(&self, at: usize) -> InlineValue {
        let value = self.0.get(at).copied().unwrap_or_default();
        let millis = (value.nanoseconds % NANOS_PER_MILLI == 0).then_some(value.nanoseconds / NANOS_PER_MILLI);
        let millis = millis.and_then(|millis| u32::try_from(millis).ok());
        match (u32::try_from(value.months), u32::try_from(value.days), millis) {
            (Ok(months), Ok(days), Some(millis)) => {
                inline_value(u128::from(months) | (u128::from(days) << 32) | (u128::from(millis) << 64), 12)
            }
            _ => UNWRITABLE,
        }
    }

    fn why(&self, _: usize) -> String {
        "a duration has a negative part, a fraction of a millisecond, or a part of more than 32 bits".to_owned()
    }
}
