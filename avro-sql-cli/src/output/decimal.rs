//! Decimals as text, with all of their digits. Arrow's formatter cuts a value that has more digits than its type's precision down to
//! them, which is another number; such values are in files whose writers did not look at the precision.

use std::fmt::Write;

use arrow::array::{Array, AsArray, Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array};
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};

pub(super) struct Decimals<'a> {
    values: Values<'a>,
    scale: i8,
}

enum Values<'a> {
    Of32(&'a Decimal32Array),
    Of64(&'a Decimal64Array),
    Of128(&'a Decimal128Array),
    Of256(&'a Decimal256Array),
}

impl<'a> Decimals<'a> {
    /// The decimals of an array; None if it has other values.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        let (values, scale) = match array.data_type() {
            DataType::Decimal32(_, scale) => (Values::Of32(array.as_primitive::<Decimal32Type>()), scale),
            DataType::Decimal64(_, scale) => (Values::Of64(array.as_primitive::<Decimal64Type>()), scale),
            DataType::Decimal128(_, scale) => (Values::Of128(array.as_primitive::<Decimal128Type>()), scale),
            DataType::Decimal256(_, scale) => (Values::Of256(array.as_primitive::<Decimal256Type>()), scale),
            _ => return None,
        };
        Some(Decimals { values, scale: *scale })
    }

    /// Writes the value of a row, which is not null.
    pub(super) fn write(&self, row: usize, to: &mut String) {
        let start = to.len();
        // Writing to a String cannot fail.
        let _ = match &self.values {
            Values::Of32(values) => write!(to, "{}", values.value(row)),
            Values::Of64(values) => write!(to, "{}", values.value(row)),
            Values::Of128(values) => write!(to, "{}", values.value(row)),
            Values::Of256(values) => write!(to, "{}", values.value(row)),
        };
        place_point(to, start, self.scale);
    }
}

/// Makes the integer that begins at `start` the decimal of this scale.
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
