//! One decoded value: what the reference decoder makes of bytes, and what its arrays are made of.

use arrow_buffer::i256;

/// A value as the wire has it, before Arrow's layouts. What a number counts (days, microseconds) is in the Arrow type.
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
