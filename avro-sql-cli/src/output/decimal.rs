//! Decimals as text, with all their digits. Arrow's formatter truncates a value with more digits than its precision,
//! which changes the number; writers that ignore the precision make such values.

use std::fmt::Write;

use arrow::array::{Array, AsArray, Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array};
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};

pub(super) struct Decimals<'a> {
    values: DecimalValues<'a>,
    scale: i8,
}

enum DecimalValues<'a> {
    Of32(&'a Decimal32Array),
    Of64(&'a Decimal64Array),
    Of128(&'a Decimal128Array),
    Of256(&'a Decimal256Array),
}

impl<'a> Decimals<'a> {
    /// Returns the decimals of an array, or `None` for other types.
    pub(super) fn try_new(array: &'a dyn Array) -> Option<Self> {
        let (values, scale) = match array.data_type() {
            DataType::Decimal32(_, scale) => (DecimalValues::Of32(array.as_primitive::<Decimal32Type>()), scale),
            DataType::Decimal64(_, scale) => (DecimalValues::Of64(array.as_primitive::<Decimal64Type>()), scale),
            DataType::Decimal128(_, scale) => (DecimalValues::Of128(array.as_primitive::<Decimal128Type>()), scale),
            DataType::Decimal256(_, scale) => (DecimalValues::Of256(array.as_primitive::<Decimal256Type>()), scale),
            _ => return None,
        };
        Some(Decimals { values, scale: *scale })
    }

    /// Appends the value of a row, which must not be null.
    pub(super) fn write(&self, row: usize, to: &mut String) {
        let start = to.len();
        // Writing to a String cannot fail.
        let _ = match &self.values {
            DecimalValues::Of32(values) => write!(to, "{}", values.value(row)),
            DecimalValues::Of64(values) => write!(to, "{}", values.value(row)),
            DecimalValues::Of128(values) => write!(to, "{}", values.value(row)),
            DecimalValues::Of256(values) => write!(to, "{}", values.value(row)),
        };
        place_point(to, start, self.scale);
    }
}

/// Turns the integer that begins at `start` into a decimal of this scale.
fn place_point(to: &mut String, start: usize, scale: i8) {
    let digits_at = start + usize::from(to.get(start..).is_some_and(|number| number.starts_with('-')));
    let n_digits = to.len() - digits_at;
    let places = usize::from(scale.unsigned_abs());
    if scale < 0 {
        to.extend(std::iter::repeat_n('0', places));
    } else if places > 0 {
        if n_digits <= places {
            to.insert_str(digits_at, &"0".repeat(places + 1 - n_digits));
        }
        to.insert(to.len() - places, '.');
    }
}
