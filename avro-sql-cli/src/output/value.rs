//! One value as text: plain for tables and CSV, or JSON. Covers every Arrow type; nested values are JSON in both.
//!
//! Choices where JSON leaves one: bytes are hex after `\x`, in every format; `NaN` and infinities are strings; a union is the value
//! of its branch, with a tag where [`UnionText`] asks for one (`union.rs`); times are ISO 8601, a uuid has its usual form.

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

use super::UnionText;
use super::decimal::Decimals;
use super::union::Branches;

/// Formatting of what Arrow's own formatter writes well; nulls never reach it.
const FORMAT: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

/// A column made ready for writing its values.
pub(super) struct Column<'a> {
    nulls: Option<NullBuffer>,
    values: Values<'a>,
}

type RangeOf<'a> = Box<dyn Fn(usize) -> Range<usize> + 'a>;
type IndexOf<'a> = Box<dyn Fn(usize) -> usize + 'a>;

enum Values<'a> {
    Null,
    /// Numbers and booleans: the text is JSON too.
    Bare(ArrayFormatter<'a>),
    /// Likewise.
    Decimal(Decimals<'a>),
    /// The text is a JSON number unless it is `NaN` or an infinity.
    Float(ArrayFormatter<'a>),
    /// Dates and times: the text goes between quotes. The array is there for values beyond the calendar.
    Quoted(ArrayFormatter<'a>, &'a dyn Array),
    Text(Strings<'a>),
    Bytes(Bytes<'a>),
    Uuid(&'a FixedSizeBinaryArray),
    Interval(Intervals<'a>),
    List(RangeOf<'a>, Box<Column<'a>>),
    Map(&'a MapArray, Box<Column<'a>>, Box<Column<'a>>),
    /// Names are JSON already, with the colon.
    Struct(Vec<(String, Column<'a>)>),
    Union(Branches<'a>),
    /// A dictionary or runs: the value is that of another array.
    Indirect(IndexOf<'a>, Box<Column<'a>>),
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

impl<'a> Column<'a> {
    /// Makes the column ready.
    pub(super) fn new(field: &Field, array: &'a dyn Array, unions: UnionText) -> Result<Self, ArrowError> {
        let formatter = || ArrayFormatter::try_new(array, &FORMAT);
        let child = |field: &Field, array: &'a ArrayRef| Column::new(field, array.as_ref(), unions).map(Box::new);
        let values = match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Utf8 => Values::Text(Strings::Plain(array.as_string())),
            DataType::LargeUtf8 => Values::Text(Strings::Large(array.as_string())),
            DataType::Utf8View => Values::Text(Strings::View(array.as_string_view())),
            DataType::Binary => Values::Bytes(Bytes::Plain(array.as_binary())),
            DataType::LargeBinary => Values::Bytes(Bytes::Large(array.as_binary())),
            DataType::BinaryView => Values::Bytes(Bytes::View(array.as_binary_view())),
            DataType::FixedSizeBinary(16) if field.extension_type_name() == Some("arrow.uuid") => {
                Values::Uuid(array.as_fixed_size_binary())
            }
            DataType::FixedSizeBinary(_) => Values::Bytes(Bytes::Fixed(array.as_fixed_size_binary())),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Values::Float(formatter()?),
            DataType::Interval(IntervalUnit::YearMonth) => Values::Interval(Intervals::Months(array.as_primitive())),
            DataType::Interval(IntervalUnit::DayTime) => Values::Interval(Intervals::DayTime(array.as_primitive())),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Values::Interval(Intervals::MonthDayNano(array.as_primitive()))
            }
            kind if kind.is_temporal() => Values::Quoted(formatter()?, array),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                Values::List(Box::new(|i| range(offsets, i)), child(item, list.values())?)
            }
            DataType::LargeList(item) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                Values::List(Box::new(|i| range(offsets, i)), child(item, list.values())?)
            }
            DataType::ListView(item) => {
                let list = array.as_list_view::<i32>();
                Values::List(
                    Box::new(|i| from_size(list.value_offset(i), list.value_size(i))),
                    child(item, list.values())?,
                )
            }
            DataType::LargeListView(item) => {
                let list = array.as_list_view::<i64>();
                Values::List(
                    Box::new(|i| from_size(list.value_offset(i), list.value_size(i))),
                    child(item, list.values())?,
                )
            }
            DataType::FixedSizeList(item, _) => {
                let list = array.as_fixed_size_list();
                Values::List(
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
                Values::Map(map, child(key, map.keys())?, child(value, map.values())?)
            }
            DataType::Struct(fields) => {
                let mut columns = Vec::with_capacity(fields.len());
                for (field, array) in fields.iter().zip(array.as_struct().columns()) {
                    let mut name = String::new();
                    quote(field.name(), &mut name);
                    name.push(':');
                    columns.push((name, Column::new(field, array.as_ref(), unions)?));
                }
                Values::Struct(columns)
            }
            DataType::Union(fields, mode) => Values::Union(Branches::new(fields, *mode, array.as_union(), unions)?),
            DataType::Dictionary(_, _) => downcast_dictionary_array! {
                array => {
                    let values = child(field, array.values())?;
                    let keys = array.keys().values();
                    Values::Indirect(
                        Box::new(move |i| keys.get(i).map_or(usize::MAX, |k| k.as_usize())),
                        values,
                    )
                },
                kind => return Err(unsupported(kind)),
            },
            DataType::RunEndEncoded(_, item) => downcast_run_array! {
                array => Values::Indirect(Box::new(move |i| array.get_physical_index(i)), child(item, array.values())?),
                kind => return Err(unsupported(kind)),
            },
            _ => match Decimals::of(array) {
                Some(decimals) => Values::Decimal(decimals),
                None => Values::Bare(formatter()?),
            },
        };
        // Logical nulls also see the nulls of a dictionary's values and of a union's branches.
        Ok(Column { nulls: array.logical_nulls(), values })
    }

    /// Is the value null?
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The value as plain text; nothing for a null.
    pub(super) fn text(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            return Ok(());
        }
        match &self.values {
            Values::Bare(values) | Values::Float(values) => values.value(row).write(to),
            Values::Decimal(values) => {
                values.write(row, to);
                Ok(())
            }
            Values::Quoted(values, array) => time(values, *array, row, to),
            Values::Text(values) => {
                to.push_str(values.get(row));
                Ok(())
            }
            Values::Bytes(values) => {
                to.push_str("\\x");
                hex(values.get(row), to);
                Ok(())
            }
            Values::Uuid(values) => {
                uuid(values.value(row), to);
                Ok(())
            }
            Values::Interval(values) => {
                values.write(row, to);
                Ok(())
            }
            Values::Union(branches) => branches.text(row, to),
            Values::Indirect(index, values) => values.text(index(row), to),
            Values::Null | Values::List(..) | Values::Map(..) | Values::Struct(_) => self.json(row, to),
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self, row: usize, to: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            to.push_str("null");
            return Ok(());
        }
        match &self.values {
            Values::Null => to.push_str("null"),
            Values::Bare(values) => values.value(row).write(to)?,
            Values::Decimal(values) => values.write(row, to),
            Values::Float(values) => {
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
            Values::Text(values) => quote(values.get(row), to),
            Values::Bytes(values) => {
                to.push_str("\"\\\\x");
                hex(values.get(row), to);
                to.push('"');
            }
            Values::Quoted(..) | Values::Uuid(_) | Values::Interval(_) => {
                to.push('"');
                self.text(row, to)?;
                to.push('"');
            }
            Values::List(range, items) => {
                to.push('[');
                for (n, item) in range(row).enumerate() {
                    if n > 0 {
                        to.push(',');
                    }
                    items.json(item, to)?;
                }
                to.push(']');
            }
            Values::Map(map, keys, values) => {
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
            Values::Struct(columns) => object(columns, row, to)?,
            Values::Union(branches) => branches.json(row, to)?,
            Values::Indirect(index, values) => values.json(index(row), to)?,
        }
        Ok(())
    }
}

/// A row as a JSON object. Names are JSON already, with the colon.
pub(super) fn object(columns: &[(String, Column<'_>)], row: usize, to: &mut String) -> Result<(), ArrowError> {
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

/// A JSON string.
pub(super) fn quote(text: &str, to: &mut String) {
    to.push('"');
    let mut rest = text;
    // Only ASCII characters are special, so looking at bytes is enough, and much quicker.
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
    /// As ISO 8601, such as `P1M2DT3.5S`.
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

/// A date or time; the bare number where it is beyond what the calendar reaches.
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

/// Item `i` of a list with these offsets.
fn range<O: Copy + TryInto<usize>>(offsets: &[O], i: usize) -> Range<usize> {
    let at = |i: usize| offsets.get(i).and_then(|o| (*o).try_into().ok()).unwrap_or(0);
    at(i)..at(i + 1)
}

/// The items from an offset on, as many as a size says.
fn from_size<O: TryInto<usize>>(offset: O, size: O) -> Range<usize> {
    let offset = offset.try_into().unwrap_or(0);
    offset..offset + size.try_into().unwrap_or(0)
}

fn unsupported(kind: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("values of type {kind}"))
}
