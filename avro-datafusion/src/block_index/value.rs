//! Min and max values, and their encoding in an index.
//!
//! | values | bytes |
//! |---|---|
//! | booleans | one byte, 0 or 1 |
//! | integers, dates, times, timestamps | a zig-zag varint |
//! | float, double | 4 or 8 bytes, little-endian |
//! | strings, enums' symbols, bytes, fixed | themselves |
//! | decimals | two's complement of the unscaled value, big-endian, as few bytes as hold it |

use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowNumericType, BinaryViewArray, BooleanArray, Decimal128Array, Decimal256Array, Float32Array,
    Float64Array, Int32Array, Int64Array,
};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::i256;
use std::cmp::Ordering;
use std::sync::Arc;

/// Maximum bytes stored of a string.
pub(crate) const TEXT_MAX: usize = 64;

/// A value that can be compared with others of its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(i256),
}

/// A bound on the values of a block; `exact` if it is one of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: Value,
    pub(crate) exact: bool,
}

/// The side of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoundSide {
    Min,
    Max,
}

impl Value {
    /// Returns whether this value is outside of the other on that side.
    pub(crate) fn is_beyond(&self, other: &Value, side: BoundSide) -> bool {
        let order = match (self, other) {
            (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            (Value::Double(a), Value::Double(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
            _ => Ordering::Equal,
        };
        order == if side == BoundSide::Min { Ordering::Less } else { Ordering::Greater }
    }

    /// Returns whether the value is NaN, which has no order.
    pub(crate) fn is_nan(&self) -> bool {
        match self {
            Value::Float(x) => x.is_nan(),
            Value::Double(x) => x.is_nan(),
            _ => false,
        }
    }

    /// Returns the bound stored for this value; `None` if no bound fits the maximum size.
    pub(crate) fn bound(self, side: BoundSide) -> Option<Bound> {
        let inexact = |value| Some(Bound { value, exact: false });
        match self {
            // Some systems treat the two zeros as equal, others do not.
            Value::Float(0.0) => inexact(Value::Float(if side == BoundSide::Min { -0.0 } else { 0.0 })),
            Value::Double(0.0) => inexact(Value::Double(if side == BoundSide::Min { -0.0 } else { 0.0 })),
            Value::Text(text) if text.len() > TEXT_MAX => {
                let cut = text.get(..text.floor_char_boundary(TEXT_MAX))?;
                inexact(Value::Text(match side {
                    BoundSide::Min => cut.to_owned(),
                    BoundSide::Max => text_above(cut)?,
                }))
            }
            Value::Bytes(bytes) if bytes.len() > TEXT_MAX => {
                let cut = bytes.get(..TEXT_MAX)?;
                inexact(Value::Bytes(match side {
                    BoundSide::Min => cut.to_vec(),
                    BoundSide::Max => bytes_above(cut)?,
                }))
            }
            value => Some(Bound { value, exact: true }),
        }
    }

    /// Returns the encoded value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Value::Boolean(x) => vec![u8::from(*x)],
            Value::Integer(x) => {
                let mut bytes = vec![];
                avro_arrow::put_long(*x, &mut bytes);
                bytes
            }
            Value::Float(x) => x.to_le_bytes().to_vec(),
            Value::Double(x) => x.to_le_bytes().to_vec(),
            Value::Text(x) => x.clone().into_bytes(),
            Value::Bytes(x) => x.clone(),
            Value::Decimal(x) => {
                let bytes = x.to_be_bytes();
                let negative = bytes.first().is_some_and(|first| *first >= 0x80);
                let sign = if negative { 0xff } else { 0 };
                let mut rest = bytes.as_slice();
                while let [first, second, ..] = rest
                    && *first == sign
                    && (*second >= 0x80) == negative
                {
                    rest = rest.get(1..).unwrap_or_default();
                }
                rest.to_vec()
            }
        }
    }
}

/// Returns the smallest text greater than all texts with this prefix, at most as long.
fn text_above(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    while let Some(last) = text.pop() {
        // Surrogate code points are not characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

fn bytes_above(bytes: &[u8]) -> Option<Vec<u8>> {
    let last = bytes.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut above = bytes.get(..=last)?.to_vec();
    *above.last_mut()? += 1;
    Some(above)
}

/// Returns the min and the max; `None` if all values are null or the type is not ordered. If a value is NaN, one of the
/// two is.
pub(crate) fn min_max(array: &ArrayRef) -> Option<(Value, Value)> {
    use DataType::*;
    let integers = |min_max: Option<(i64, i64)>| min_max.map(|(a, b)| (Value::Integer(a), Value::Integer(b)));
    match array.data_type() {
        Boolean => {
            let array = array.as_boolean();
            Some((Value::Boolean(compute::min_boolean(array)?), Value::Boolean(compute::max_boolean(array)?)))
        }
        Int32 => integers(of_primitive::<Int32Type, _>(array)),
        Date32 => integers(of_primitive::<Date32Type, _>(array)),
        Time32(TimeUnit::Millisecond) => integers(of_primitive::<Time32MillisecondType, _>(array)),
        Int64 => integers(of_primitive::<Int64Type, _>(array)),
        Time64(TimeUnit::Microsecond) => integers(of_primitive::<Time64MicrosecondType, _>(array)),
        Timestamp(TimeUnit::Millisecond, _) => integers(of_primitive::<TimestampMillisecondType, _>(array)),
        Timestamp(TimeUnit::Microsecond, _) => integers(of_primitive::<TimestampMicrosecondType, _>(array)),
        Timestamp(TimeUnit::Nanosecond, _) => integers(of_primitive::<TimestampNanosecondType, _>(array)),
        Float32 => of_primitive::<Float32Type, f32>(array).map(|(a, b)| (Value::Float(a), Value::Float(b))),
        Float64 => of_primitive::<Float64Type, f64>(array).map(|(a, b)| (Value::Double(a), Value::Double(b))),
        Decimal128(_, _) => {
            let decimal = |x| Value::Decimal(i256::from_i128(x));
            of_primitive::<Decimal128Type, i128>(array).map(|(a, b)| (decimal(a), decimal(b)))
        }
        Decimal256(_, _) => {
            of_primitive::<Decimal256Type, i256>(array).map(|(a, b)| (Value::Decimal(a), Value::Decimal(b)))
        }
        Utf8View => {
            let text = |x: &str| Value::Text(x.to_owned());
            let array = array.as_string_view();
            Some((text(compute::min_string_view(array)?), text(compute::max_string_view(array)?)))
        }
        BinaryView => {
            let bytes = |x: &[u8]| Value::Bytes(x.to_vec());
            let array = array.as_binary_view();
            Some((bytes(compute::min_binary_view(array)?), bytes(compute::max_binary_view(array)?)))
        }
        FixedSizeBinary(_) => {
            let bytes = |x: &[u8]| Value::Bytes(x.to_vec());
            let array = array.as_fixed_size_binary();
            let (min, max) = (compute::min_fixed_size_binary(array)?, compute::max_fixed_size_binary(array)?);
            Some((bytes(min), bytes(max)))
        }
        _ => None,
    }
}

fn of_primitive<T: ArrowNumericType<Native: Into<N>>, N>(array: &ArrayRef) -> Option<(N, N)> {
    let array = array.as_primitive_opt::<T>()?;
    Some((compute::min(array)?.into(), compute::max(array)?.into()))
}

/// Decodes values of this type; strings and bytes are not view arrays. `None` if some are invalid.
pub(crate) fn decode(bytes: &BinaryViewArray, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    use DataType::*;
    let damaged = || ArrowError::ParseError(format!("invalid bytes of a bound of type {data_type}"));
    /// Decodes each non-null value.
    fn values<T>(bytes: &BinaryViewArray, one: impl Fn(&[u8]) -> Option<T>) -> Option<Vec<Option<T>>> {
        bytes.iter().map(|value| value.map(&one).map_or(Some(None), |value| value.map(Some))).collect()
    }
    let small = |bytes: &[u8]| i32::try_from(varint(bytes)?).ok();
    Ok(match data_type {
        Boolean => {
            let one = |bytes: &[u8]| match bytes {
                [0] => Some(false),
                [1] => Some(true),
                _ => None,
            };
            Arc::new(BooleanArray::from(values(bytes, one).ok_or_else(damaged)?))
        }
        Int32 => Arc::new(Int32Array::from(values(bytes, small).ok_or_else(damaged)?)),
        Date32 | Time32(_) => compute::cast(&Int32Array::from(values(bytes, small).ok_or_else(damaged)?), data_type)?,
        Int64 => Arc::new(Int64Array::from(values(bytes, varint).ok_or_else(damaged)?)),
        Time64(_) | Timestamp(_, _) => {
            compute::cast(&Int64Array::from(values(bytes, varint).ok_or_else(damaged)?), data_type)?
        }
        Float32 => {
            let one = |bytes: &[u8]| Some(f32::from_le_bytes(bytes.try_into().ok()?)).filter(|x| !x.is_nan());
            Arc::new(Float32Array::from(values(bytes, one).ok_or_else(damaged)?))
        }
        Float64 => {
            let one = |bytes: &[u8]| Some(f64::from_le_bytes(bytes.try_into().ok()?)).filter(|x| !x.is_nan());
            Arc::new(Float64Array::from(values(bytes, one).ok_or_else(damaged)?))
        }
        Decimal128(precision, scale) => {
            let one = |bytes: &[u8]| big_endian(bytes)?.to_i128();
            let array = Decimal128Array::from(values(bytes, one).ok_or_else(damaged)?);
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        Decimal256(precision, scale) => {
            let array = Decimal256Array::from(values(bytes, big_endian).ok_or_else(damaged)?);
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        Utf8View => {
            let mut builder = StringBuilder::new();
            for value in bytes {
                builder.append_option(value.map(std::str::from_utf8).transpose().map_err(|_| damaged())?);
            }
            Arc::new(builder.finish())
        }
        BinaryView => {
            let mut builder = BinaryBuilder::new();
            bytes.iter().for_each(|value| builder.append_option(value));
            Arc::new(builder.finish())
        }
        FixedSizeBinary(size) => {
            let mut builder = FixedSizeBinaryBuilder::new(*size);
            for value in bytes {
                match value {
                    Some(value) => builder.append_value(value)?,
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        _ => return Err(damaged()),
    })
}

/// Decodes a varint that spans all the bytes.
fn varint(bytes: &[u8]) -> Option<i64> {
    let (last, before) = bytes.split_last()?;
    if bytes.len() > 10 || *last >= 0x80 || before.iter().any(|byte| *byte < 0x80) {
        return None;
    }
    let bits = bytes.iter().rev().try_fold(0u64, |bits, byte| Some(bits.checked_mul(128)? | u64::from(byte & 0x7f)))?;
    Some((bits >> 1) as i64 ^ -((bits & 1) as i64))
}

fn big_endian(bytes: &[u8]) -> Option<i256> {
    let first = bytes.first()?;
    let mut whole = [if *first >= 0x80 { 0xff } else { 0 }; 32];
    let at = whole.len().checked_sub(bytes.len())?;
    whole.get_mut(at..)?.copy_from_slice(bytes);
    Some(i256::from_be_bytes(whole))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{BinaryViewArray, FixedSizeBinaryArray, StringViewArray, TimestampMicrosecondArray};
    use avro_testing::check_all;

    #[test]
    fn bound_truncates_long_values() {
        let long = |end: &str| format!("{}{end}", "x".repeat(63));
        let text = |text: &str| Value::Text(text.to_owned());
        let bound = |value: Value, side| value.bound(side).map(|bound| (bound.value, bound.exact));
        // A value and, if they differ from it, its lower and its upper bound.
        let cases: Vec<(Value, Option<Value>, Option<Value>)> = vec![
            (text(&long("ab")), Some(text(&long("a"))), Some(text(&long("b")))),
            // Cuts are at character boundaries.
            (text(&long("é!")), Some(text(&long(""))), Some(text(&format!("{}y", "x".repeat(62))))),
            (
                text(&format!("{}\u{10ffff}!", "x".repeat(60))),
                Some(text(&format!("{}\u{10ffff}", "x".repeat(60)))),
                Some(text(&format!("{}y", "x".repeat(59)))),
            ),
            (
                text(&format!("{}\u{d7ff}!", "x".repeat(61))),
                Some(text(&format!("{}\u{d7ff}", "x".repeat(61)))),
                Some(text(&format!("{}\u{e000}", "x".repeat(61)))),
            ),
            (text(&"\u{10ffff}".repeat(17)), Some(text(&"\u{10ffff}".repeat(16))), None),
            (
                Value::Bytes(vec![1; 65]),
                Some(Value::Bytes(vec![1; 64])),
                Some(Value::Bytes([vec![1; 63], vec![2]].concat())),
            ),
            (
                Value::Bytes([vec![1], vec![255; 64]].concat()),
                Some(Value::Bytes([vec![1], vec![255; 63]].concat())),
                Some(Value::Bytes(vec![2])),
            ),
            (Value::Bytes(vec![255; 65]), Some(Value::Bytes(vec![255; 64])), None),
            (Value::Double(0.0), Some(Value::Double(-0.0)), Some(Value::Double(0.0))),
            (Value::Float(-0.0), Some(Value::Float(-0.0)), Some(Value::Float(0.0))),
        ];
        check_all(cases, |(value, min, max)| {
            assert_eq!(bound(value.clone(), BoundSide::Min), min.map(|value| (value, false)), "{value:?}");
            assert_eq!(bound(value.clone(), BoundSide::Max), max.map(|value| (value, false)), "{value:?}");
        });
        for value in [text(&"x".repeat(64)), Value::Bytes(vec![255; 64]), Value::Double(1.0), Value::Integer(0)] {
            assert_eq!(bound(value.clone(), BoundSide::Max), Some((value, true)));
        }
    }

    #[test]
    fn encode_decode_round_trip() {
        let decimal = |values: Vec<i128>| Decimal128Array::from(values).with_precision_and_scale(38, 3).unwrap();
        let wide = |values: Vec<i256>| Decimal256Array::from(values).with_precision_and_scale(76, 0).unwrap();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
            Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, 1, 64, i64::MAX])),
            Arc::new(Float32Array::from(vec![f32::NEG_INFINITY, -1.5, f32::MAX])),
            Arc::new(Float64Array::from(vec![f64::MIN, 1e-300, f64::INFINITY])),
            Arc::new(decimal(vec![-(10i128.pow(37)), -129, -128, -1, 0, 127, 128, 10i128.pow(37)])),
            Arc::new(wide(vec![i256::from_parts(0, -1), i256::from_i128(-1), i256::from_parts(u128::MAX, 1 << 100)])),
            Arc::new(StringViewArray::from(vec!["", "a", "Ä long text, longer than twelve bytes"])),
            Arc::new(BinaryViewArray::from(vec![b"".as_slice(), b"\xff", b"\xff\xff"])),
            Arc::new(FixedSizeBinaryArray::try_from_iter([[1u8, 2], [3, 4]].iter()).unwrap()),
            Arc::new(TimestampMicrosecondArray::from(vec![-5, 5]).with_timezone("UTC")),
            compute::cast(&Int32Array::from(vec![-5, 5]), &DataType::Date32).unwrap(),
        ];
        for array in arrays {
            let (min, max) = min_max(&array).unwrap();
            assert!(min.is_beyond(&max, BoundSide::Min) && max.is_beyond(&min, BoundSide::Max));
            let bytes = BinaryViewArray::from_iter([Some(min.encode()), None, Some(max.encode())]);
            let decoded = decode(&bytes, array.data_type()).unwrap();
            assert!(decoded.is_null(1));
            let back = compute::cast(&decoded, array.data_type()).unwrap();
            assert_eq!(min_max(&back), Some((min, max)), "{}", array.data_type());
            // Bytes that encode no value.
            let odd = BinaryViewArray::from_iter([Some(vec![0x80; 40])]);
            assert_eq!(decode(&odd, array.data_type()).is_ok(), array.data_type() == &DataType::BinaryView);
        }
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None::<i64>]));
        assert_eq!(min_max(&nulls), None);
        for nan in [f64::NAN, -f64::NAN] {
            let (min, max) = min_max(&(Arc::new(Float64Array::from(vec![1.0, nan, 2.0])) as ArrayRef)).unwrap();
            assert!(min.is_nan() || max.is_nan());
        }
    }
}
