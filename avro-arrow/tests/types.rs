//! The type table: an Avro type in, the Arrow field that it becomes out, as text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_schema::Field;
use avro_arrow::schema::Schema;
use avro_arrow::{Enums, Limits, LogicalMaps, Options, Program, Strings, Unions};
use expect_test::{Expect, expect};
use std::fmt::Write;

/// A line for each of these Avro types: the type, and the Arrow field of a record's field of it.
fn check(options: &Options, types: &[&str], want: Expect) {
    let mut lines = String::new();
    for avro in types {
        let schema = format!(r#"{{"type": "record", "name": "R", "fields": [{{"name": "f", "type": {avro}}}]}}"#);
        let avro = avro.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(lines, "{avro}\n    {}", first_field(&schema, options)).unwrap();
    }
    want.assert_eq(&lines);
}

/// A line for each of these fields of a record: the field, and the Arrow field that it becomes.
fn check_fields(fields: &[&str], want: Expect) {
    let mut lines = String::new();
    for field in fields {
        let schema = format!(r#"{{"type": "record", "name": "R", "fields": [{field}]}}"#);
        let field = field.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(lines, "{field}\n    {}", first_field(&schema, &Options::default())).unwrap();
    }
    want.assert_eq(&lines);
}

fn first_field(schema: &str, options: &Options) -> String {
    let schema = Schema::parse(schema, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {schema}"));
    match Program::compile(&schema, options) {
        Ok(program) => print(program.arrow_schema().field(0)),
        Err(error) => format!("error: {error}"),
    }
}

/// Type, nullability, metadata sorted by key.
fn print(field: &Field) -> String {
    let mut text = field.data_type().to_string();
    if field.is_nullable() {
        text.push_str(", nullable");
    }
    let mut metadata: Vec<_> = field.metadata().iter().collect();
    metadata.sort();
    for (key, value) in metadata {
        write!(text, ", {key}={value}").unwrap();
    }
    text
}

#[test]
fn primitive_types_map_to_arrow() {
    let types = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"].map(|t| format!("\"{t}\""));
    check(
        &Options::default(),
        &types.each_ref().map(String::as_str),
        expect![[r#"
            "null"
                Null, nullable
            "boolean"
                Boolean
            "int"
                Int32
            "long"
                Int64
            "float"
                Float32
            "double"
                Float64
            "bytes"
                BinaryView
            "string"
                Utf8View
        "#]],
    );
}

#[test]
fn logical_types_map_to_arrow() {
    check(
        &Options::default(),
        &[
            r#"{"type": "int", "logicalType": "date"}"#,
            r#"{"type": "int", "logicalType": "time-millis"}"#,
            r#"{"type": "long", "logicalType": "time-micros"}"#,
            r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
            r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
            r#"{"type": "long", "logicalType": "timestamp-nanos"}"#,
            r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#,
            r#"{"type": "long", "logicalType": "local-timestamp-micros"}"#,
            r#"{"type": "long", "logicalType": "local-timestamp-nanos"}"#,
            r#"{"type": "string", "logicalType": "uuid"}"#,
            r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#,
            r#"{"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 38}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 39}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 76, "scale": 1}"#,
            r#"{"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 3}"#,
            r#"{"type": "fixed", "name": "D", "size": 32, "logicalType": "decimal", "precision": 76}"#,
        ],
        expect![[r#"
            {"type": "int", "logicalType": "date"}
                Date32, avro.logicalType=date
            {"type": "int", "logicalType": "time-millis"}
                Time32(ms), avro.logicalType=time-millis
            {"type": "long", "logicalType": "time-micros"}
                Time64(µs), avro.logicalType=time-micros
            {"type": "long", "logicalType": "timestamp-millis"}
                Timestamp(ms, "UTC"), avro.logicalType=timestamp-millis
            {"type": "long", "logicalType": "timestamp-micros"}
                Timestamp(µs, "UTC"), avro.logicalType=timestamp-micros
            {"type": "long", "logicalType": "timestamp-nanos"}
                Timestamp(ns, "UTC"), avro.logicalType=timestamp-nanos
            {"type": "long", "logicalType": "local-timestamp-millis"}
                Timestamp(ms), avro.logicalType=local-timestamp-millis
            {"type": "long", "logicalType": "local-timestamp-micros"}
                Timestamp(µs), avro.logicalType=local-timestamp-micros
            {"type": "long", "logicalType": "local-timestamp-nanos"}
                Timestamp(ns), avro.logicalType=local-timestamp-nanos
            {"type": "string", "logicalType": "uuid"}
                Utf8View, avro.logicalType=uuid
            {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}
                FixedSizeBinary(16), ARROW:extension:name=arrow.uuid, avro.logicalType=uuid, avro.name=U
            {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}
                Interval(MonthDayNano), avro.logicalType=duration, avro.name=D
            {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
                Decimal128(10, 2), avro.logicalType=decimal
            {"type": "bytes", "logicalType": "decimal", "precision": 38}
                Decimal128(38, 0), avro.logicalType=decimal
            {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 39}
                Decimal256(39, 39), avro.logicalType=decimal
            {"type": "bytes", "logicalType": "decimal", "precision": 76, "scale": 1}
                Decimal256(76, 1), avro.logicalType=decimal
            {"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 3}
                Decimal128(18, 3), avro.logicalType=decimal, avro.name=D
            {"type": "fixed", "name": "D", "size": 32, "logicalType": "decimal", "precision": 76}
                Decimal256(76, 0), avro.logicalType=decimal, avro.name=D
        "#]],
    );
}

#[test]
fn invalid_and_unknown_logical_types_are_their_base_type() {
    check(
        &Options::default(),
        &[
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 77}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 7}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 0}"#,
            r#"{"type": "bytes", "logicalType": "decimal"}"#,
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": -1}"#,
            r#"{"type": "fixed", "name": "D", "size": 2, "logicalType": "decimal", "precision": 5}"#,
            r#"{"type": "string", "logicalType": "decimal", "precision": 5}"#,
            r#"{"type": "bytes", "logicalType": "big-decimal"}"#,
            r#"{"type": "long", "logicalType": "date"}"#,
            r#"{"type": "int", "logicalType": "timestamp-millis"}"#,
            r#"{"type": "long", "logicalType": "time-millis"}"#,
            r#"{"type": "fixed", "name": "D", "size": 11, "logicalType": "duration"}"#,
            r#"{"type": "fixed", "name": "U", "size": 15, "logicalType": "uuid"}"#,
            r#"{"type": "int", "logicalType": "duration"}"#,
            r#"{"type": "long", "logicalType": "no such type"}"#,
            r#"{"type": "int", "logicalType": 5}"#,
        ],
        expect![[r#"
            {"type": "bytes", "logicalType": "decimal", "precision": 77}
                BinaryView, avro.logicalType=decimal, avro.precision=77, avro.scale=0
            {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 7}
                BinaryView, avro.logicalType=decimal, avro.precision=5, avro.scale=7
            {"type": "bytes", "logicalType": "decimal", "precision": 0}
                BinaryView, avro.logicalType=decimal, avro.precision=0
            {"type": "bytes", "logicalType": "decimal"}
                BinaryView, avro.logicalType=decimal
            {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": -1}
                BinaryView, avro.logicalType=decimal, avro.precision=5, avro.scale=-1
            {"type": "fixed", "name": "D", "size": 2, "logicalType": "decimal", "precision": 5}
                FixedSizeBinary(2), avro.logicalType=decimal, avro.name=D, avro.precision=5
            {"type": "string", "logicalType": "decimal", "precision": 5}
                Utf8View, avro.logicalType=decimal, avro.precision=5
            {"type": "bytes", "logicalType": "big-decimal"}
                BinaryView, avro.logicalType=big-decimal
            {"type": "long", "logicalType": "date"}
                Int64, avro.logicalType=date
            {"type": "int", "logicalType": "timestamp-millis"}
                Int32, avro.logicalType=timestamp-millis
            {"type": "long", "logicalType": "time-millis"}
                Int64, avro.logicalType=time-millis
            {"type": "fixed", "name": "D", "size": 11, "logicalType": "duration"}
                FixedSizeBinary(11), avro.logicalType=duration, avro.name=D
            {"type": "fixed", "name": "U", "size": 15, "logicalType": "uuid"}
                FixedSizeBinary(15), avro.logicalType=uuid, avro.name=U
            {"type": "int", "logicalType": "duration"}
                Int32, avro.logicalType=duration
            {"type": "long", "logicalType": "no such type"}
                Int64, avro.logicalType=no such type
            {"type": "int", "logicalType": 5}
                Int32, avro.logicalType=5
        "#]],
    );
}

/// One of each kind that is made of others, or has a name.
const NESTED: [&str; 14] = [
    r#"{"type": "fixed", "name": "F", "size": 5}"#,
    r#"{"type": "fixed", "name": "F", "size": 0}"#,
    r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#,
    r#"{"type": "array", "items": "int"}"#,
    r#"{"type": "array", "items": ["null", "string"]}"#,
    r#"{"type": "map", "values": "bytes"}"#,
    r#"{"type": "map", "values": ["long", "null"]}"#,
    r#"{"type": "record", "name": "a.P", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "P"]}]}"#,
    r#"{"type": "record", "name": "Empty", "fields": []}"#,
    r#"["null", "string"]"#,
    r#"["double", "null"]"#,
    r#"["string"]"#,
    r#"["null", "int", "string"]"#,
    r#"{"type": "array", "logicalType": "map", "items": {"type": "record", "name": "KV", "fields": [
        {"name": "key", "type": "int"}, {"name": "value", "type": ["null", "string"]}]}}"#,
];

#[test]
fn nested_types_map_to_arrow() {
    check(
        &Options::default(),
        &NESTED,
        expect![[r#"
            {"type": "fixed", "name": "F", "size": 5}
                FixedSizeBinary(5), avro.name=F
            {"type": "fixed", "name": "F", "size": 0}
                FixedSizeBinary(0), avro.name=F
            {"type": "enum", "name": "E", "symbols": ["A", "B"]}
                Dictionary(Int32, Utf8), avro.name=E
            {"type": "array", "items": "int"}
                List(non-null Int32)
            {"type": "array", "items": ["null", "string"]}
                List(Utf8View)
            {"type": "map", "values": "bytes"}
                Map("entries": non-null Struct("key": non-null Utf8View, "value": non-null BinaryView), unsorted)
            {"type": "map", "values": ["long", "null"]}
                Map("entries": non-null Struct("key": non-null Utf8View, "value": Int64), unsorted)
            {"type": "record", "name": "a.P", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "P"]}]}
                Struct("x": non-null Int32, "y": Utf8View, metadata: {"avro.name": "a.P"}), avro.name=a.P
            {"type": "record", "name": "Empty", "fields": []}
                Struct(), avro.name=Empty
            ["null", "string"]
                Utf8View, nullable
            ["double", "null"]
                Float64, nullable
            ["string"]
                Utf8View
            ["null", "int", "string"]
                Union(Dense, 0: ("null": Null), 1: ("int": non-null Int32), 2: ("string": non-null Utf8View)), nullable
            {"type": "array", "logicalType": "map", "items": {"type": "record", "name": "KV", "fields": [ {"name": "key", "type": "int"}, {"name": "value", "type": ["null", "string"]}]}}
                List(non-null Struct("key": non-null Int32, "value": Utf8View), metadata: {"avro.name": "KV"}), avro.logicalType=map
        "#]],
    );
}

#[test]
fn nested_types_map_to_arrow_by_options() {
    let options = Options::default()
        .with_strings(Strings::Utf8)
        .with_enums(Enums::String)
        .with_unions(Unions::Struct)
        .with_logical_maps(LogicalMaps::Map)
        .with_recursion_levels(1);
    check(
        &options,
        &NESTED,
        expect![[r#"
            {"type": "fixed", "name": "F", "size": 5}
                FixedSizeBinary(5), avro.name=F
            {"type": "fixed", "name": "F", "size": 0}
                FixedSizeBinary(0), avro.name=F
            {"type": "enum", "name": "E", "symbols": ["A", "B"]}
                Utf8, avro.name=E
            {"type": "array", "items": "int"}
                List(non-null Int32)
            {"type": "array", "items": ["null", "string"]}
                List(Utf8)
            {"type": "map", "values": "bytes"}
                Map("entries": non-null Struct("key": non-null Utf8, "value": non-null Binary), unsorted)
            {"type": "map", "values": ["long", "null"]}
                Map("entries": non-null Struct("key": non-null Utf8, "value": Int64), unsorted)
            {"type": "record", "name": "a.P", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "P"]}]}
                Struct("x": non-null Int32, "y": Struct("x": non-null Int32, "y": Utf8, metadata: {"avro.name": "a.P"}), metadata: {"avro.name": "a.P"}), avro.name=a.P
            {"type": "record", "name": "Empty", "fields": []}
                Struct(), avro.name=Empty
            ["null", "string"]
                Utf8, nullable
            ["double", "null"]
                Float64, nullable
            ["string"]
                Utf8
            ["null", "int", "string"]
                Struct("int": Int32, "string": Utf8), nullable
            {"type": "array", "logicalType": "map", "items": {"type": "record", "name": "KV", "fields": [ {"name": "key", "type": "int"}, {"name": "value", "type": ["null", "string"]}]}}
                Map("entries": non-null Struct("key": non-null Int32, "value": Utf8), metadata: {"avro.name": "KV"}, unsorted), avro.logicalType=map
        "#]],
    );
}

#[test]
fn unions_map_to_arrow() {
    let types = [
        r#"["int", "string"]"#,
        r#"["null"]"#,
        r#"[]"#,
        r#"["null", {"type": "array", "items": ["null", "int", "string"]}]"#,
        r#"["null", {"type": "long", "logicalType": "timestamp-micros"}, "string"]"#,
        r#"[{"type": "record", "name": "a.N", "fields": []}, {"type": "enum", "name": "E", "symbols": ["A"]}, "null"]"#,
        r#"[{"type": "fixed", "name": "a.N", "size": 1}, {"type": "fixed", "name": "b.N", "size": 2}]"#,
    ];
    check(
        &Options::default(),
        &types,
        expect![[r#"
            ["int", "string"]
                Union(Dense, 0: ("int": non-null Int32), 1: ("string": non-null Utf8View))
            ["null"]
                Null, nullable
            []
                error: not supported: a union of 0 branches
            ["null", {"type": "array", "items": ["null", "int", "string"]}]
                List(Union(Dense, 0: ("null": Null), 1: ("int": non-null Int32), 2: ("string": non-null Utf8View))), nullable
            ["null", {"type": "long", "logicalType": "timestamp-micros"}, "string"]
                Union(Dense, 0: ("null": Null), 1: ("long": non-null Timestamp(µs, "UTC"), metadata: {"avro.logicalType": "timestamp-micros"}), 2: ("string": non-null Utf8View)), nullable
            [{"type": "record", "name": "a.N", "fields": []}, {"type": "enum", "name": "E", "symbols": ["A"]}, "null"]
                Union(Dense, 0: ("N": non-null Struct(), metadata: {"avro.name": "a.N"}), 1: ("E": non-null Dictionary(Int32, Utf8), metadata: {"avro.name": "E"}), 2: ("null": Null)), nullable
            [{"type": "fixed", "name": "a.N", "size": 1}, {"type": "fixed", "name": "b.N", "size": 2}]
                Union(Dense, 0: ("a.N": non-null FixedSizeBinary(1), metadata: {"avro.name": "a.N"}), 1: ("b.N": non-null FixedSizeBinary(2), metadata: {"avro.name": "b.N"}))
        "#]],
    );
    check(
        &Options::default().with_unions(Unions::Struct),
        &types,
        expect![[r#"
            ["int", "string"]
                Struct("int": Int32, "string": Utf8View)
            ["null"]
                Null, nullable
            []
                error: not supported: a union of 0 branches
            ["null", {"type": "array", "items": ["null", "int", "string"]}]
                List(Struct("int": Int32, "string": Utf8View)), nullable
            ["null", {"type": "long", "logicalType": "timestamp-micros"}, "string"]
                Struct("long": Timestamp(µs, "UTC"), metadata: {"avro.logicalType": "timestamp-micros"}, "string": Utf8View), nullable
            [{"type": "record", "name": "a.N", "fields": []}, {"type": "enum", "name": "E", "symbols": ["A"]}, "null"]
                Struct("N": Struct(), metadata: {"avro.name": "a.N"}, "E": Dictionary(Int32, Utf8), metadata: {"avro.name": "E"}), nullable
            [{"type": "fixed", "name": "a.N", "size": 1}, {"type": "fixed", "name": "b.N", "size": 2}]
                Struct("a.N": FixedSizeBinary(1), metadata: {"avro.name": "a.N"}, "b.N": FixedSizeBinary(2), metadata: {"avro.name": "b.N"})
        "#]],
    );
}

#[test]
fn attributes_become_metadata() {
    check_fields(
        &[
            r#"{"name": "f", "type": "int", "doc": "what it is", "aliases": ["old", "older"]}"#,
            r#"{"name": "f", "type": "int", "field-id": 7, "custom": {"a": [1, 2]}, "text": "t"}"#,
            r#"{"name": "f", "type": {"type": "int", "logicalType": "weeks", "unit": "w"}}"#,
            r#"{"name": "f", "type": "int", "default": 5, "order": "ignore"}"#,
            r#"{"name": "f", "type": {"type": "array", "items": "int", "element-id": 3}, "field-id": 2}"#,
            r#"{"name": "f", "type": {"type": "record", "name": "n.S", "doc": "d", "aliases": ["T"], "fields": [
                {"name": "x", "type": "int", "doc": "inside", "field-id": 9}]}}"#,
            r#"{"name": "f", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1}]}"#,
        ],
        expect![[r#"
            {"name": "f", "type": "int", "doc": "what it is", "aliases": ["old", "older"]}
                Int32, avro.aliases=["old","older"], avro.doc=what it is
            {"name": "f", "type": "int", "field-id": 7, "custom": {"a": [1, 2]}, "text": "t"}
                Int32, PARQUET:field_id=7, avro.custom={"a":[1,2]}, avro.text=t
            {"name": "f", "type": {"type": "int", "logicalType": "weeks", "unit": "w"}}
                Int32, avro.logicalType=weeks, avro.unit=w
            {"name": "f", "type": "int", "default": 5, "order": "ignore"}
                Int32, avro.order=ignore
            {"name": "f", "type": {"type": "array", "items": "int", "element-id": 3}, "field-id": 2}
                List(non-null Int32, metadata: {"PARQUET:field_id": "3"}), PARQUET:field_id=2
            {"name": "f", "type": {"type": "record", "name": "n.S", "doc": "d", "aliases": ["T"], "fields": [ {"name": "x", "type": "int", "doc": "inside", "field-id": 9}]}}
                Struct("x": non-null Int32, metadata: {"PARQUET:field_id": "9", "avro.doc": "inside"}), avro.name=n.S
            {"name": "f", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1}]}
                Decimal128(4, 1), nullable, avro.logicalType=decimal
        "#]],
    );
}

#[test]
fn other_top_levels_are_one_column() {
    let schemas = [
        r#""string""#,
        r#""null""#,
        r#"["null", "int"]"#,
        r#"{"type": "array", "items": "long"}"#,
        r#"["null", {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}]"#,
        r#"{"type": "long", "logicalType": "timestamp-millis", "unit": "ms"}"#,
    ];
    let mut lines = String::new();
    for schema in schemas {
        let parsed = Schema::parse(schema, &Limits::default()).unwrap();
        let arrow = Program::compile(&parsed, &Options::default()).unwrap().arrow_schema().clone();
        assert_eq!(arrow.fields().len(), 1);
        assert_eq!(arrow.metadata()["avro.schema"], parsed.json());
        writeln!(lines, "{schema}\n    {}: {}", arrow.field(0).name(), print(arrow.field(0))).unwrap();
    }
    expect![[r#"
        "string"
            value: Utf8View
        "null"
            value: Null, nullable
        ["null", "int"]
            value: Int32, nullable
        {"type": "array", "items": "long"}
            value: List(non-null Int64)
        ["null", {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}]
            value: Struct("a": non-null Int32), nullable, avro.name=R
        {"type": "long", "logicalType": "timestamp-millis", "unit": "ms"}
            value: Timestamp(ms, "UTC"), avro.logicalType=timestamp-millis, avro.unit=ms
    "#]]
    .assert_eq(&lines);
}
