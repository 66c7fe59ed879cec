//! Nested values as JSON text.
//!
//! Bytes are hexadecimal digits after `\x`, NaN and infinities are strings, and a union is the value of its branch, as
//! in the command's JSON output.

use std::fmt::Write;
use std::ops::Range;

use super::operand::{is_bytes, is_uuid};
use super::uuid;
use arrow_array::cast::AsArray;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::{Array, ArrayRef, MapArray, UnionArray, make_array};
use arrow_schema::extension::Json;
use arrow_schema::{DataType, Field, IntervalUnit, UnionMode};
use datafusion::arrow::compute::cast;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, exec_err};

const FORMAT: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

/// The field of a column of JSON as text.
pub(crate) fn field(name: &str, is_nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, is_nullable).with_extension_type(Json::default())
}

/// A column made ready for writing its values.
pub(crate) struct Values<'a> {
    array: &'a dyn Array,
    kind: ValueKind<'a>,
}

enum ValueKind<'a> {
    /// Numbers and booleans; `true` if the text may not be a number.
    Bare(ArrayFormatter<'a>, bool),
    Quoted(ArrayFormatter<'a>),
    Hex(ArrayRef),
    Uuid,
    Interval(ArrayRef),
    List(Box<dyn Fn(usize) -> Range<usize> + 'a>, Box<Values<'a>>),
    Map(&'a MapArray, Box<Values<'a>>, Box<Values<'a>>),
    Struct(Vec<(&'a str, Values<'a>)>),
    Union(&'a UnionArray, UnionMode, Vec<(i8, Values<'a>)>),
}

impl<'a> Values<'a> {
    pub(crate) fn new(field: &'a Field, array: &'a dyn Array) -> Result<Values<'a>> {
        let items = |field: &'a Field, array: &'a ArrayRef| {
            Ok::<_, datafusion::error::DataFusionError>(Box::new(Values::new(field, array.as_ref())?))
        };
        let kind = match (field.data_type(), array.data_type()) {
            (_, DataType::FixedSizeBinary(16)) if is_uuid(field) => ValueKind::Uuid,
            (_, DataType::FixedSizeBinary(_)) => {
                ValueKind::Hex(cast(&cast(array, &DataType::Binary)?, &DataType::BinaryView)?)
            }
            (_, other) if is_bytes(other) => ValueKind::Hex(cast(array, &DataType::BinaryView)?),
            (_, DataType::Interval(_) | DataType::Duration(_)) => ValueKind::Interval(make_array(array.to_data())),
            (DataType::List(item), DataType::List(_)) => {
                let list = array.as_list::<i32>();
                let at = |i: usize| list.value_offsets().get(i).and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
                ValueKind::List(Box::new(move |i| at(i)..at(i + 1)), items(item, list.values())?)
            }
            (DataType::LargeList(item), DataType::LargeList(_)) => {
                let list = array.as_list::<i64>();
                let at = |i: usize| list.value_offsets().get(i).and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
                ValueKind::List(Box::new(move |i| at(i)..at(i + 1)), items(item, list.values())?)
            }
            (DataType::FixedSizeList(item, _), DataType::FixedSizeList(_, n)) => {
                let n = usize::try_from(*n).unwrap_or(0);
                ValueKind::List(
                    Box::new(move |i| i * n..(i + 1) * n),
                    items(item, array.as_fixed_size_list().values())?,
                )
            }
            (DataType::Map(entries, _), DataType::Map(..)) => {
                let map = array.as_map();
                let DataType::Struct(fields) = entries.data_type() else { return exec_err!("a map without entries") };
                let [key, value] = fields.as_ref() else { return exec_err!("a map's entries are not keys and values") };
                ValueKind::Map(map, items(key, map.keys())?, items(value, map.values())?)
            }
            (DataType::Struct(fields), DataType::Struct(_)) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let columns =
                    columns.map(|(field, array)| Ok((field.name().as_str(), Values::new(field, array.as_ref())?)));
                ValueKind::Struct(columns.collect::<Result<_>>()?)
            }
            (DataType::Union(fields, _), DataType::Union(_, mode)) => {
                let union = array.as_union();
                let branches = fields.iter().map(|(id, field)| Ok((id, Values::new(field, union.child(id).as_ref())?)));
                ValueKind::Union(union, *mode, branches.collect::<Result<_>>()?)
            }
            (_, other) => {
                let formatter = ArrayFormatter::try_new(array, &FORMAT)?;
                match other {
                    DataType::Float16 | DataType::Float32 | DataType::Float64 => ValueKind::Bare(formatter, true),
                    other if other.is_numeric() || matches!(other, DataType::Boolean | DataType::Null) => {
                        ValueKind::Bare(formatter, false)
                    }
                    _ => ValueKind::Quoted(formatter),
                }
            }
        };
        Ok(Values { array, kind })
    }

    /// Writes a value as text: JSON only if it is nested.
    pub(crate) fn text(&self, row: usize, to: &mut String) -> Result<()> {
        match &self.kind {
            ValueKind::Bare(values, _) | ValueKind::Quoted(values) => values.value(row).write(to)?,
            ValueKind::Interval(array) => interval(array, row, to)?,
            ValueKind::Uuid => to.push_str(&uuid::text(self.array.as_fixed_size_binary().value(row))),
            _ => self.json(row, to)?,
        }
        Ok(())
    }

    /// Writes a value as JSON.
    pub(crate) fn json(&self, row: usize, to: &mut String) -> Result<()> {
        if self.array.is_null(row) || self.array.data_type().is_null() {
            to.push_str("null");
            return Ok(());
        }
        match &self.kind {
            ValueKind::Bare(values, is_float) => {
                let start = to.len();
                values.value(row).write(to)?;
                if *is_float && !to.ends_with(|c: char| c.is_ascii_digit()) {
                    let name = match to.get(start..) {
                        Some("inf") => "\"Infinity\"",
                        Some("-inf") => "\"-Infinity\"",
                        _ => "\"NaN\"",
                    };
                    to.truncate(start);
                    to.push_str(name);
                }
            }
            ValueKind::Quoted(_) | ValueKind::Interval(_) | ValueKind::Uuid => {
                let mut text = String::new();
                self.text(row, &mut text)?;
                quote(&text, to);
            }
            ValueKind::Hex(bytes) => {
                to.push_str("\"\\\\x");
                for byte in bytes.as_binary_view().value(row) {
                    let _ = write!(to, "{byte:02x}"); // writing to a String cannot fail
                }
                to.push('"');
            }
            ValueKind::List(range, items) => {
                between(range(row), ('[', ']'), to, |item, to| items.json(item, to))?;
            }
            ValueKind::Map(map, keys, values) => {
                let at = |i: usize| map.value_offsets().get(i).and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
                between(at(row)..at(row + 1), ('{', '}'), to, |item, to| {
                    let mut key = String::new();
                    keys.text(item, &mut key)?;
                    quote(&key, to);
                    to.push(':');
                    values.json(item, to)
                })?;
            }
            ValueKind::Struct(columns) => between(columns.iter(), ('{', '}'), to, |(name, column), to| {
                quote(name, to);
                to.push(':');
                column.json(row, to)
            })?,
            ValueKind::Union(union, mode, branches) => {
                let id = union.type_id(row);
                let row = if *mode == UnionMode::Dense { union.value_offset(row) } else { row };
                match branches.iter().find(|(other, _)| *other == id) {
                    Some((_, values)) => values.json(row, to)?,
                    None => return exec_err!("a union has no branch {id}"),
                }
            }
        }
        Ok(())
    }
}

/// Formats an interval as in ISO 8601, such as `P1M2DT3.5S`.
fn interval(array: &ArrayRef, row: usize, to: &mut String) -> Result<()> {
    let array = cast(&array.slice(row, 1), &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let value = array.as_primitive::<IntervalMonthDayNanoType>().value(0);
    let nanos = value.nanoseconds;
    to.push('P');
    // Writing to a String cannot fail.
    if value.months != 0 {
        let _ = write!(to, "{}M", value.months);
    }
    if value.days != 0 {
        let _ = write!(to, "{}D", value.days);
    }
    if nanos != 0 || (value.months, value.days) == (0, 0) {
        let sign = if nanos < 0 { "-" } else { "" };
        let (seconds, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
        let _ = write!(to, "T{sign}{seconds}");
        if rest != 0 {
            let fraction = format!("{rest:09}");
            let _ = write!(to, ".{}", fraction.trim_end_matches('0'));
        }
        to.push('S');
    }
    Ok(())
}

/// Writes items in brackets, separated by commas.
fn between<T>(
    items: impl Iterator<Item = T>,
    (open, close): (char, char),
    to: &mut String,
    mut write: impl FnMut(T, &mut String) -> Result<()>,
) -> Result<()> {
    to.push(open);
    for (n, item) in items.enumerate() {
        if n > 0 {
            to.push(',');
        }
        write(item, to)?;
    }
    to.push(close);
    Ok(())
}

/// Writes a JSON string.
pub(crate) fn quote(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(to, "\\u{:04x}", u32::from(c)); // writing to a String cannot fail
            }
            c => to.push(c),
        }
    }
    to.push('"');
}
