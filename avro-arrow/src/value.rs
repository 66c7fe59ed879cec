//! One value outside of columns: a field's default, or what the reference decoder makes of bytes and its arrays of.

use crate::error::Fault;
use arrow_buffer::i256;
use arrow_schema::DataType;

/// A value as it is encoded. The Arrow type has the unit of numbers (days, microseconds).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    String(String),
    Fixed(Vec<u8>),
    /// Index of the symbol.
    Enum(i32),
    /// Unscaled.
    Decimal(i256),
    Duration {
        months: u32,
        days: u32,
        millis: u32,
    },
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// In the order of the columns, not of the wire.
    Record(Vec<Value>),
    /// Index of the branch, `null` counted, and the value.
    Union(usize, Box<Value>),
    /// Avro's JSON encoding.
    Json(String),
}

impl Value {
    /// Key and value of a record that is an entry of a map.
    pub(crate) fn into_entry(self) -> Option<(Value, Value)> {
        let Value::Record(columns) = self else { return None };
        let [key, value] = <[Value; 2]>::try_from(columns).ok()?;
        Some((key, value))
    }
}

// SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte
// order". Any length: none is 0, and more than needed are copies of the sign.
/// A decimal of this Arrow type.
pub(crate) fn decimal(bytes: &[u8], data_type: &DataType) -> Result<Value, Fault> {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    let (extra, digits) = bytes.split_at(bytes.len().saturating_sub(32));
    let mut wide = [fill; 32];
    for (to, from) in wide.iter_mut().rev().zip(digits.iter().rev()) {
        *to = *from;
    }
    let value = i256::from_be_bytes(wide);
    let fits_256 = extra.iter().all(|byte| *byte == fill) && value.is_negative() == negative;
    let fits = fits_256 && (matches!(data_type, DataType::Decimal256(..)) || value.to_i128().is_some());
    if fits { Ok(Value::Decimal(value)) } else { Err(Fault::DecimalRange) }
}

/// A decimal of this Arrow type, with `zeros` more digits after the point.
pub(crate) fn scaled_decimal(bytes: &[u8], zeros: u32, data_type: &DataType) -> Result<Value, Fault> {
    let wide = DataType::Decimal256(arrow_schema::DECIMAL256_MAX_PRECISION, 0);
    let Value::Decimal(mut value) = decimal(bytes, &wide)? else { return Err(Fault::DecimalRange) };
    for _ in 0..zeros {
        value = value.checked_mul(i256::from_i128(10)).ok_or(Fault::DecimalRange)?;
    }
    let fits = matches!(data_type, DataType::Decimal256(..)) || value.to_i128().is_some();
    if fits { Ok(Value::Decimal(value)) } else { Err(Fault::DecimalRange) }
}

/// A number in a smaller unit.
pub(crate) fn times(value: i64, factor: i64) -> Result<Value, Fault> {
    value.checked_mul(factor).map(Value::Long).ok_or(Fault::UnitRange(value))
}

// SPEC: Logical Types, Duration: "three little-endian unsigned integers that represent durations at different
// granularities of time", months, days and milliseconds.
/// A duration, which has 12 bytes.
pub(crate) fn duration(bytes: &[u8]) -> Result<Value, Fault> {
    let mut counts = bytes.as_chunks::<4>().0.iter().map(|count| u32::from_le_bytes(*count));
    let mut count = || counts.next().ok_or(Fault::End);
    let (months, days, millis) = (count()?, count()?, count()?);
    // Arrow's interval has signed months and days.
    match [months, days].into_iter().find(|count| i32::try_from(*count).is_err()) {
        Some(count) => Err(Fault::DurationRange(count)),
        None => Ok(Value::Duration { months, days, millis }),
    }
}
