//! Single values as text: plain for tables and CSV, or JSON. All Arrow types are covered; nested values are JSON in
//! both.
//!
//! Where JSON leaves a choice: bytes are hex digits after `\x`, in every format; `NaN` and infinities are strings; a
//! union is the value of its branch, with a tag if [`TextStyle`] asks for it (`union.rs`); times are ISO 8601, a uuid
//! has its usual form.
//!
//! The writers of `arrow-csv` and `arrow-json` are not used: they lack dense unions, decimals beyond their precision,
//! and one text for all formats.

use std::fmt::Write;
use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, IntervalDayTimeArray,
    IntervalMonthDayNanoArray, IntervalYearMonthArray, LargeBinaryArray, LargeStringArray, MapArray, StringArray,
    StringViewArray, downcast_dictionary_array, downcast_run_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType, Field, IntervalUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::TextStyle;
use super::decimal::Decimals;
use super::union::Branches;

/// Options of Arrow's formatter; nulls never reach it.
const FORMAT: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

/// A column prepared for writing values.
pub(super) struct ColumnFormatter<'a> {
    nulls: Option<NullBuffer>,
    values: ColumnValues<'a>,
}

type RangeOf<'a> = Box<dyn Fn(usize) -> Range<usize> + 'a>;
type IndexOf<'a> = Box<dyn Fn(usize) -> usize + 'a>;

enum ColumnValues<'a> {
    Null,
    /// Numbers and booleans: the text is JSON too.
    Bare(ArrayFormatter<'a>),
    /// Decimals: the text is JSON too.
    Decimal(Decimals<'a>),
    /// The text is a JSON number unless it is `NaN` or an infinity.
    Float(ArrayFormatter<'a>),
    /// Dates and times: JSON quotes the text. The array is kept for values beyond the calendar.
    Quoted(ArrayFormatter<'a>, &'a dyn Array),
    Text(Strings<'a>),
    /// The number is the maximum of bytes that are written.
    Bytes(Bytes<'a>, Option<usize>),
    Uuid(&'a FixedSizeBinaryArray),
    Interval(Intervals<'a>),
    List(RangeOf<'a>, Box<ColumnFormatter<'a>>),
    Map(&'a MapArray, Box<ColumnFormatter<'a>>, Box<ColumnFormatter<'a>>),
    /// Names are JSON already, with the colon.
    Struct(Vec<(String, ColumnFormatter<'a>)>),
    Union(Branches<'a>),
    /// A dictionary or run array: the value is that of another array.
    Indirect(IndexOf<'a>, Box<ColumnFormatter<'a>>),
}

enum Strings<'a> {
    Plain(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
}

enum Bytes<'a> {
    Plain(&'a BinaryArray),
    Large(&'a LargeBinaryArray),
    View(&'a BinaryViewArray),
    Fixed(&'a FixedSizeBinaryArray),
}

enum Intervals<'a> {
    Months(&'a IntervalYearMonthArray),
    DayTime(&'a IntervalDayTimeArray),
    MonthDayNano(&'a IntervalMonthDayNanoArray),
}

impl<'a> ColumnFormatter<'a> {
    /// Prepares a column.
    pub(super) fn new(field: &Field, array: &'a dyn Array, style: TextStyle) -> Result<Self, ArrowError> {
        let formatter = || ArrayFormatter::try_new(array, &FORMAT);
        let child =
            |field: &Field, array: &'a ArrayRef| ColumnFormatter::new(field, array.as_ref(), style).map(Box::new);
        let values = match array.data_type() {
            DataType::Null => ColumnValues::Null,
            DataType::Utf8 => ColumnValues::Text(Strings::Plain(array.as_string())),
            DataType::LargeUtf8 => ColumnValues::Text(Strings::Large(array.as_string())),
            DataType::Utf8View => ColumnValues::Text(Strings::View(array.as_string_view())),
            DataType::Binary => ColumnValues::Bytes(Bytes::Plain(array.as_binary()), style.bytes_max),
            DataType::LargeBinary => ColumnValues::Bytes(Bytes::Large(array.as_binary()), style.bytes_max),
            DataType::BinaryView => ColumnValues::Bytes(Bytes::View(array.as_binary_view()), style.bytes_max),
            DataType::FixedSizeBinary(16) if field.extension_type_name() == Some("arrow.uuid") => {
                ColumnValues::Uuid(array.as_fixed_size_binary())
            }
            DataType::FixedSizeBinary(_) => {
                ColumnValues::Bytes(Bytes::Fixed(array.as_fixed_size_binary()), style.bytes_max)
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnValues::Float(formatter()?),
            DataType::Interval(IntervalUnit::YearMonth) => {
                ColumnValues::Interval(Intervals::Months(array.as_primitive()))
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                ColumnValues::Interval(Intervals::DayTime(array.as_primitive()))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                ColumnValues::Interval(Intervals::MonthDayNano(array.as_primitive()))
            }
            kind if kind.is_temporal() => ColumnValues::Quoted(formatter()?, array),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                ColumnValues::List(Box::new(|i| range(offsets, i)), child(item, list.values())?)
            }
            DataType::LargeList(item) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                ColumnValues::List(Box::new(|i| range(offsets, i)), child(item, list.values())?)
            }
            DataType::ListView(item) => {
                let list = array.as_list_view::<i32>();
                ColumnValues::List(
                    Box::new(|i| from_size(list.value_offset(i), list.value_size(i))),
                    child(item, list.values())?,
                )
            }
            DataType::LargeListView(item) => {
                let list = array.as_list_view::<i64>();
                ColumnValues::List(
                    Box::new(|i| from_size(list.value_offset(i), list.value_size(i))),
                    child(item, list.values())?,
                )
            }
            DataType::FixedSizeList(item, _) => {
                let list = array.as_fixed_size_list();
                ColumnValues::List(
                    Box::new(|i| from_size(list.value_offset(i), list.value_length())),
                    child(item, list.values())?,
                )
            }
            DataType::Map(entries, _) => {
                let map = array.as_map();
                let (key, value) = match entries.data_type() {
                    DataType::Struct(fields) if fields.len() == 2 => (&fields[0], &fields[1]),
                    _ => return Err(ArrowError::SchemaError("a map's entries are not keys and values".to_owned())),
                };
                ColumnValues::Map(map, child(key, map.keys())?, child(value, map.values())?)
            }
            DataType::Struct(fields) => {
                let mut columns = Vec::with_capacity(fields.len());
                for (field, array) in fields.iter().zip(array.as_struct().columns()) {
                    let mut name = String::new();
                    quote(field.name(), &mut name);
                    name.push(':');
                    columns.push((name, ColumnFormatter::new(field, array.as_ref(), style)?));
                }
                ColumnValues::Struct(columns)
            }
            DataType::Union(fields, mode) => {
                ColumnValues::Union(Branches::new(fields, *mode, array.as_union(), style)?)
            }
            DataType::Dictionary(_, _) => downcast_dictionary_array! {
                array => {
                    let values = child(field, array.values())?;
                    let keys = array.keys().values();
                    ColumnValues::Indirect(
                        Box::new(move |i| keys.get(i).map_or(usize::MAX, |k| k.as_usize())),
                        values,
                    )
                },
                kind => return Err(unsupported(kind)),
            },
            DataType::RunEndEncoded(_, item) => downcast_run_array! {
                array => ColumnValues::Indirect(Box::new(move |i| array.get_physical_index(i)), child(item, array.values())?),
                kind => return Err(unsupported(kind)),
            },
            _ => match Decimals::try_new(array) {
                Some(decimals) => ColumnValues::Decimal(decimals),
                None => ColumnValues::Bare(formatter()?),
            },
        };
        // Logical nulls include the nulls of a dictionary's values and of a union's branches.
        Ok(ColumnFormatter { nulls: array.logical_nulls(), values })
    }

    /// Whether the value is null.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value as plain text; nothing for a null.
    pub(super) fn text(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            return Ok(());
        }
        match &self.values {
            ColumnValues::Bare(values) | ColumnValues::Float(values) => values.value(row).write(to),
            ColumnValues::Decimal(values) => {
                values.write(row, to);
                Ok(())
            }
            ColumnValues::Quoted(values, array) => time(values, *array, row, to),
            ColumnValues::Text(values) => {
                to.push_str(values.get(row));
                Ok(())
            }
            ColumnValues::Bytes(values, max) => {
                to.push('\\');
                binary(values.get(row), *max, to);
                Ok(())
            }
            ColumnValues::Uuid(values) => {
                uuid(values.value(row), to);
                Ok(())
            }
            ColumnValues::Interval(values) => {
                values.write(row, to);
                Ok(())
            }
            ColumnValues::Union(branches) => branches.text(row, to),
            ColumnValues::Indirect(index, values) => values.text(index(row), to),
            ColumnValues::Null | ColumnValues::List(..) | ColumnValues::Map(..) | ColumnValues::Struct(_) => {
                self.json(row, to)
            }
        }
    }

    /// Appends the value as JSON.
    pub(super) fn json(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            to.push_str("null");
            return Ok(());
        }
        match &self.values {
            ColumnValues::Null => to.push_str("null"),
            ColumnValues::Bare(values) => values.value(row).write(to)?,
            ColumnValues::Decimal(values) => values.write(row, to),
            ColumnValues::Float(values) => {
                let start = to.len();
                values.value(row).write(to)?;
                if !to.ends_with(|c: char| c.is_ascii_digit()) {
                    let name = match to.get(start..) {
                        Some("inf") => "\"Infinity\"",
                        Some("-inf") => "\"-Infinity\"",
                        _ => "\"NaN\"",
                    };
                    to.truncate(start);
                    to.push_str(name);
                }
            }
            ColumnValues::Text(values) => quote(values.get(row), to),
            ColumnValues::Bytes(values, max) => {
                to.push_str("\"\\\\");
                binary(values.get(row), *max, to);
                to.push('"');
            }
            ColumnValues::Quoted(..) | ColumnValues::Uuid(_) | ColumnValues::Interval(_) => {
                to.push('"');
                self.text(row, to)?;
                to.push('"');
            }
            ColumnValues::List(range, items) => {
                to.push('[');
                for (n, item) in range(row).enumerate() {
                    if n > 0 {
                        to.push(',');
                    }
                    items.json(item, to)?;
                }
                to.push(']');
            }
            ColumnValues::Map(map, keys, values) => {
                to.push('{');
                for (n, item) in range(map.value_offsets(), row).enumerate() {
                    if n > 0 {
                        to.push(',');
                    }
                    let mut key = String::new();
                    keys.text(item, &mut key)?;
                    quote(&key, to);
                    to.push(':');
                    values.json(item, to)?;
                }
                to.push('}');
            }
            ColumnValues::Struct(columns) => object(columns, row, to)?,
            ColumnValues::Union(branches) => branches.json(row, to)?,
            ColumnValues::Indirect(index, values) => values.json(index(row), to)?,
        }
        Ok(())
    }
}

/// Appends a row as a JSON object. Names are JSON already, with the colon.
pub(super) fn object(columns: &[(String, ColumnFormatter<'_>)], row: usize, to: &mut String) -> Result<(), ArrowError> {
    to.push('{');
    for (n, (name, column)) in columns.iter().enumerate() {
        if n > 0 {
            to.push(',');
        }
        to.push_str(name);
        column.json(row, to)?;
    }
    to.push('}');
    Ok(())
}

/// Appends a JSON string.
pub(super) fn quote(text: &str, to: &mut String) {
    to.push('"');
    let mut rest = text;
    // Only ASCII characters are special, so a scan of bytes is enough, and much faster.
    while let Some(at) = rest.bytes().position(|b| b < b' ' || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        to.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => to.push_str("\\\""),
            Some('\\') => to.push_str("\\\\"),
            Some('\n') => to.push_str("\\n"),
            Some('\r') => to.push_str("\\r"),
            Some('\t') => to.push_str("\\t"),
            Some(control) => {
                let _ = write!(to, "\\u{:04x}", u32::from(control)); // writing to a String cannot fail
            }
            None => {}
        }
        rest = characters.as_str();
    }
    to.push_str(rest);
    to.push('"');
}

impl Strings<'_> {
    fn get(&self, row: usize) -> &str {
        match self {
            Strings::Plain(values) => values.value(row),
            Strings::Large(values) => values.value(row),
            Strings::View(values) => values.value(row),
        }
    }
}

impl Bytes<'_> {
    fn get(&self, row: usize) -> &[u8] {
        match self {
            Bytes::Plain(values) => values.value(row),
            Bytes::Large(values) => values.value(row),
            Bytes::View(values) => values.value(row),
            Bytes::Fixed(values) => values.value(row),
        }
    }
}

impl Intervals<'_> {
    /// Appends a duration as ISO 8601, such as `P1M2DT3.5S`.
    fn write(&self, row: usize, to: &mut String) {
        let (months, days, nanos) = match self {
            Intervals::Months(values) => (values.value(row), 0, 0),
            Intervals::DayTime(values) => {
                let value = values.value(row);
                (0, value.days, i64::from(value.milliseconds) * 1_000_000)
            }
            Intervals::MonthDayNano(values) => {
                let value = values.value(row);
                (value.months, value.days, value.nanoseconds)
            }
        };
        to.push('P');
        if months != 0 {
            let _ = write!(to, "{months}M"); // writing to a String cannot fail, here and below
        }
        if days != 0 {
            let _ = write!(to, "{days}D");
        }
        if nanos != 0 || (months, days) == (0, 0) {
            let sign = if nanos < 0 { "-" } else { "" };
            let (seconds, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
            let _ = write!(to, "T{sign}{seconds}");
            if rest != 0 {
                let fraction = format!("{rest:09}");
                let _ = write!(to, ".{}", fraction.trim_end_matches('0'));
            }
            to.push('S');
        }
    }
}

/// Appends a date or time, or the bare number if it is beyond the calendar.
fn time(values: &ArrayFormatter<'_>, array: &dyn Array, row: usize, to: &mut String) -> Result<(), ArrowError> {
    let start = to.len();
    if values.value(row).write(to).is_ok() {
        return Ok(());
    }
    to.truncate(start);
    let number = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => DataType::Int32,
        _ => DataType::Int64,
    };
    let number = cast(&array.slice(row, 1), &number)?;
    ArrayFormatter::try_new(number.as_ref(), &FORMAT)?.value(0).write(to)
}

/// Appends `x` and the hex digits of the bytes; beyond the maximum, the number of bytes instead of the rest.
fn binary(bytes: &[u8], max: Option<usize>, to: &mut String) {
    to.push('x');
    match max.and_then(|max| bytes.get(..max)).filter(|start| start.len() < bytes.len()) {
        Some(start) => {
            hex(start, to);
            let _ = write!(to, "… ({} bytes)", bytes.len()); // writing to a String cannot fail
        }
        None => hex(bytes, to),
    }
}

fn hex(bytes: &[u8], to: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    to.reserve(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            to.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
}

fn uuid(bytes: &[u8], to: &mut String) {
    for (n, byte) in bytes.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            to.push('-');
        }
        hex(std::slice::from_ref(byte), to);
    }
}

/// Returns the range of item `i` of a list with these offsets.
fn range<O: Copy + TryInto<usize>>(offsets: &[O], i: usize) -> Range<usize> {
    let at = |i: usize| offsets.get(i).and_then(|o| (*o).try_into().ok()).unwrap_or(0);
    at(i)..at(i + 1)
}

/// Returns the range of `size` items from an offset.
fn from_size<O: TryInto<usize>>(offset: O, size: O) -> Range<usize> {
    let offset = offset.try_into().unwrap_or(0);
    offset..offset + size.try_into().unwrap_or(0)
}

fn unsupported(kind: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("values of type {kind}"))
}
