//! Record batches in, a line of JSON for each row out, by the rules of `testdata/README.md`: from the Arrow data alone.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use serde_json::Value as Json;
use std::fmt::Write;

/// A line for each row of the batches.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| {
        let mut line = String::new();
        let schema = batch.schema_ref();
        let columns = schema.fields().iter().zip(batch.columns());
        object(columns.map(|(field, column)| (field.name().as_str(), column.as_ref())), row, &mut line);
        line
    })
    .collect()
}

/// Are they the same rows? Where the expected line has `{"json":…}` the other has that JSON as text.
pub(crate) fn assert_lines(what: &str, got: &[String], want: &[&str]) {
    for (row, (got, want)) in got.iter().zip(want).enumerate() {
        let same = got == want || (want.contains(r#"{"json":"#) && same_value(&parse(got), &parse(want)));
        assert!(same, "{what}, row {row}\n got {got}\nwant {want}");
    }
    assert_eq!(got.len(), want.len(), "{what}: number of rows");
}

/// These columns of a line.
pub(crate) fn pick(line: &str, columns: &[&str]) -> String {
    let Json::Object(mut row) = parse(line) else { panic!("{line} is not an object") };
    let picked = columns.iter().map(|name| (name.to_string(), row.remove(*name).unwrap()));
    Json::Object(picked.collect()).to_string()
}

fn parse(line: &str) -> Json {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

fn same_value(got: &Json, want: &Json) -> bool {
    match (got, want) {
        (Json::String(text), Json::Object(object)) if object.len() == 1 && object.contains_key("json") => {
            parse(text) == object["json"]
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same_value(a.1, b.1))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (a, b) => a == b,
    }
}

fn value(array: &dyn Array, row: usize, out: &mut String) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    macro_rules! number {
        ($type:ty) => {
            write!(out, "{}", array.as_primitive::<$type>().value(row)).unwrap()
        };
        (in quotes $type:ty) => {
            write!(out, "\"{:?}\"", array.as_primitive::<$type>().value(row)).unwrap()
        };
    }
    use TimeUnit::{Microsecond, Millisecond, Nanosecond};
    match array.data_type() {
        DataType::Null => out.push_str("null"),
        DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)).unwrap(),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::Date32 => number!(Date32Type),
        DataType::Time32(Millisecond) => number!(Time32MillisecondType),
        DataType::Time64(Microsecond) => number!(Time64MicrosecondType),
        DataType::Timestamp(Millisecond, _) => number!(TimestampMillisecondType),
        DataType::Timestamp(Microsecond, _) => number!(TimestampMicrosecondType),
        DataType::Timestamp(Nanosecond, _) => number!(TimestampNanosecondType),
        DataType::Float32 => number!(in quotes Float32Type),
        DataType::Float64 => number!(in quotes Float64Type),
        DataType::Decimal128(..) => number!(in quotes Decimal128Type),
        DataType::Decimal256(..) => write!(out, "\"{}\"", array.as_primitive::<Decimal256Type>().value(row)).unwrap(),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let v = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let millis = v.nanoseconds / 1_000_000;
            write!(out, r#"{{"months":{},"days":{},"millis":{millis}}}"#, v.months, v.days).unwrap();
        }
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::Utf8View => text(array.as_string_view().value(row), out),
        DataType::Binary => hex(array.as_binary::<i32>().value(row), out),
        DataType::BinaryView => hex(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row), out),
        DataType::Dictionary(..) => {
            let array = array.as_dictionary::<Int32Type>();
            value(array.values(), array.key(row).unwrap(), out);
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            list((0..items.len()).map(|item| (items.as_ref(), item)), out);
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let mut separator = "[";
            for entry in 0..entries.len() {
                out.push_str(separator);
                list(entries.columns().iter().map(|column| (column.as_ref(), entry)), out);
                separator = ",";
            }
            out.push_str(if entries.is_empty() { "[]" } else { "]" });
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            object(columns.map(|(field, column)| (field.name().as_str(), column.as_ref())), row, out);
        }
        DataType::Union(fields, _) => {
            let array = array.as_union();
            let id = array.type_id(row);
            let name = fields.iter().find(|(field_id, _)| *field_id == id).unwrap().1.name();
            out.push_str(r#"{"branch":"#);
            text(name, out);
            out.push_str(r#","value":"#);
            value(array.child(id), array.value_offset(row), out);
            out.push('}');
        }
        other => panic!("{other} is not a type of the table"),
    }
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a dyn Array)>, row: usize, out: &mut String) {
    out.push('{');
    for (at, (name, array)) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        text(name, out);
        out.push(':');
        value(array, row, out);
    }
    out.push('}');
}

fn list<'a>(items: impl Iterator<Item = (&'a dyn Array, usize)>, out: &mut String) {
    out.push('[');
    for (at, (array, row)) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        value(array, row, out);
    }
    out.push(']');
}

fn text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).unwrap());
}

fn hex(bytes: &[u8], out: &mut String) {
    out.push('"');
    for byte in bytes {
        write!(out, "{byte:02x}").unwrap();
    }
    out.push('"');
}
