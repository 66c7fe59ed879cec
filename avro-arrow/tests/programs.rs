//! Programs as text: a schema and a projection in, the ops that read its rows out. This is how the compiler is
//! reviewed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use avro_arrow::schema::Schema;
use avro_arrow::{FilterProgram, Limits, Options, Program, Unions};
use expect_test::{Expect, expect};
use std::sync::Arc;

/// The program of a record with these fields, all wanted.
fn check(fields: &str, want: Expect) {
    check_with(fields, &Options::default(), want);
}

/// The program of a record with these fields, of which only those are wanted.
fn check_columns(fields: &str, columns: &[&str], want: Expect) {
    let projection = Some(columns.iter().map(|column| column.to_string()).collect());
    check_with(fields, &Options::default().with_projection(projection), want);
}

fn check_with(fields: &str, options: &Options, want: Expect) {
    check_schema(&format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#), options, want);
}

fn check_schema(schema: &str, options: &Options, want: Expect) {
    let schema = Schema::parse(schema, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {schema}"));
    want.assert_eq(&Program::compile(&schema, options).unwrap().to_string());
}

/// The program that walks the rows of a record with these fields for a filter that looks at those.
fn check_walk(fields: &str, columns: &[&str], want: Expect) {
    let schema = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    let schema = Schema::parse(&schema, &Limits::default()).unwrap();
    let program = Arc::new(Program::compile(&schema, &Options::default()).unwrap());
    let columns: Vec<String> = columns.iter().map(|column| column.to_string()).collect();
    want.assert_eq(&FilterProgram::compile(&program, &columns).unwrap().to_string());
}

const FLAT: &str = r#"
    {"name": "a", "type": "boolean"}, {"name": "b", "type": "int"}, {"name": "c", "type": "long"},
    {"name": "d", "type": "float"}, {"name": "e", "type": "double"}, {"name": "f", "type": "string"},
    {"name": "g", "type": "bytes"}, {"name": "h", "type": {"type": "fixed", "name": "F", "size": 3}},
    {"name": "i", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}}, {"name": "j", "type": "null"}"#;

#[test]
fn program_of_flat_record() {
    check(
        FLAT,
        expect![[r#"
            boolean -> s0
            the next 2 together
            int -> s1
            long -> s2
            float -> s3
            double -> s4
            string -> s5
            bytes -> s6
            fixed(3) -> s7
            enum of 2 -> s8
        "#]],
    );
}

#[test]
fn program_of_columns_in_another_order() {
    check_columns(
        FLAT,
        &["i", "c", "a"],
        expect![[r#"
            boolean -> s2
            skip 1 varints
            long -> s1
            skip 12 bytes
            skip 2 lengths and bytes
            skip 3 bytes
            enum of 2 -> s0
        "#]],
    );
}

#[test]
fn program_of_no_columns_skips_all() {
    check_columns(
        FLAT,
        &[],
        expect![[r#"
            skip 1 bytes
            skip 2 varints
            skip 12 bytes
            skip 2 lengths and bytes
            skip 3 bytes
            skip 1 varints
        "#]],
    );
}

#[test]
fn program_of_nullable_in_both_orders() {
    check(
        r#"{"name": "a", "type": ["null", "long"]}, {"name": "b", "type": ["string", "null"]}"#,
        expect![[r#"
            null or long -> s0, valid s1
            string or null -> s2, valid s3
        "#]],
    );
}

#[test]
fn program_of_nullable_record() {
    check(
        r#"{"name": "a", "type": ["null", {"type": "record", "name": "P", "fields": [
            {"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"]},
            {"name": "z", "type": {"type": "array", "items": "int"}}]}]},
           {"name": "b", "type": [{"type": "map", "values": "int"}, "null"]}"#,
        expect![[r#"
            choose
             0:
              zero(4) -> s0
              zero(16) -> s1
              zero(1) -> s2
              no items -> s4, level 1
              zero(1) -> s5
             1:
              one -> s5
              int -> s0
              null or string -> s1, valid s2
              items -> s4, level 1
                int -> s3
            choose
             0:
              one -> s9
              items -> s8, level 2
                string -> s6
                int -> s7
             1:
              no items -> s8, level 2
              zero(1) -> s9
        "#]],
    );
}

#[test]
fn program_of_union_of_one_branch() {
    check(
        r#"{"name": "a", "type": ["int"]}"#,
        expect![[r#"
            branch 0
            int -> s0
        "#]],
    );
}

#[test]
fn program_of_nested_record() {
    check(
        r#"{"name": "a", "type": {"type": "record", "name": "P", "fields": [
            {"name": "x", "type": "double"},
            {"name": "q", "type": {"type": "record", "name": "Q", "fields": [{"name": "y", "type": "int"}]}}]}},
           {"name": "b", "type": "P"}"#,
        expect![[r#"
            double -> s0
            int -> s1
            double -> s2
            int -> s3
        "#]],
    );
}

#[test]
fn program_of_array_of_records() {
    check(
        r#"{"name": "a", "type": {"type": "array", "items": {"type": "record", "name": "P", "fields": [
            {"name": "x", "type": "int"}, {"name": "tags", "type": {"type": "array", "items": "string"}}]}}}"#,
        expect![[r#"
            items -> s3, level 1
              int -> s0
              items -> s2, level 2
                string -> s1
        "#]],
    );
}

#[test]
fn program_of_array_of_nulls_is_limited() {
    check(
        r#"{"name": "a", "type": {"type": "array", "items": "null"}}"#,
        expect![[r#"
            items -> s0, level 1, limited
        "#]],
    );
}

#[test]
fn program_of_map() {
    check(
        r#"{"name": "a", "type": {"type": "map", "values": ["null", "double"]}}"#,
        expect![[r#"
            items -> s3, level 1
              string -> s0
              null or double -> s1, valid s2
        "#]],
    );
}

const UNIONS: &str = r#"
    {"name": "a", "type": ["null", "int", {"type": "array", "items": "string"}]},
    {"name": "b", "type": ["null", {"type": "record", "name": "P", "fields": [{"name": "u", "type": ["int", "string"]}]}]}"#;

#[test]
fn program_of_dense_union() {
    check(
        UNIONS,
        expect![[r#"
            union -> s0, offsets s1
             0:
             1:
              int -> s2
             2:
              items -> s4, level 4
                string -> s3
            choose
             0:
              branch 0 -> s5, offsets s6, level 5
                zero(4) -> s7
              zero(1) -> s9
             1:
              one -> s9
              union -> s5, offsets s6
               0:
                int -> s7
               1:
                string -> s8
        "#]],
    );
}

#[test]
fn program_of_union_as_struct() {
    check_with(
        UNIONS,
        &Options::default().with_unions(Unions::Struct),
        expect![[r#"
            choose
             0:
              zero(1) -> s0
              zero(4) -> s1
              zero(1) -> s2
              no items -> s4, level 1
              zero(1) -> s5
             1:
              one -> s0
              one -> s2
              int -> s1
              no items -> s4, level 1
              zero(1) -> s5
             2:
              one -> s0
              zero(4) -> s1
              zero(1) -> s2
              one -> s5
              items -> s4, level 1
                string -> s3
            choose
             0:
              zero(4) -> s6
              zero(1) -> s7
              zero(16) -> s8
              zero(1) -> s9
              zero(1) -> s10
             1:
              one -> s10
              choose
               0:
                one -> s7
                int -> s6
                zero(16) -> s8
                zero(1) -> s9
               1:
                zero(4) -> s6
                zero(1) -> s7
                one -> s9
                string -> s8
        "#]],
    );
}

const NODE: &str = r#"{"name": "value", "type": "int"},
    {"name": "next", "type": ["null", {"type": "record", "name": "Node", "fields": [
        {"name": "value", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}]}"#;

#[test]
fn program_of_recursive_type_writes_json() {
    check(
        NODE,
        expect![[r#"
            int -> s0
            choose
             0:
              zero(4) -> s1
              no items -> s3, level 1
              zero(1) -> s4
              zero(1) -> s5
             1:
              one -> s5
              int -> s1
              choose
               0:
                no items -> s3, level 1
                zero(1) -> s4
               1:
                one -> s4
                record as json -> s3, level 1, s2
        "#]],
    );
    check_with(
        NODE,
        &Options::default().with_recursion_levels(1),
        expect![[r#"
            int -> s0
            choose
             0:
              zero(4) -> s1
              zero(4) -> s2
              no items -> s4, level 1
              zero(1) -> s5
              zero(1) -> s6
              zero(1) -> s7
             1:
              one -> s7
              int -> s1
              choose
               0:
                zero(4) -> s2
                no items -> s4, level 1
                zero(1) -> s5
                zero(1) -> s6
               1:
                one -> s6
                int -> s2
                choose
                 0:
                  no items -> s4, level 1
                  zero(1) -> s5
                 1:
                  one -> s5
                  record as json -> s4, level 1, s3
        "#]],
    );
}

#[test]
fn program_skips_recursive_type() {
    check_columns(
        NODE,
        &["value"],
        expect![[r#"
            int -> s0
            choose
             0:
             1:
              skip record
        "#]],
    );
}

#[test]
fn program_fuses_skips() {
    let fields = r#"
        {"name": "a", "type": "double"}, {"name": "b", "type": {"type": "fixed", "name": "F", "size": 16}},
        {"name": "c", "type": "boolean"}, {"name": "d", "type": "null"}, {"name": "e", "type": "float"},
        {"name": "f", "type": "int"}, {"name": "g", "type": {"type": "enum", "name": "E", "symbols": ["A"]}},
        {"name": "h", "type": "long"}, {"name": "i", "type": "string"}, {"name": "j", "type": "bytes"},
        {"name": "k", "type": {"type": "record", "name": "P", "fields": [
            {"name": "x", "type": "long"}, {"name": "y", "type": "float"}, {"name": "z", "type": "double"}]}},
        {"name": "wanted", "type": "int"}, {"name": "l", "type": "P"}, {"name": "m", "type": "F"}"#;
    check_columns(
        fields,
        &["wanted"],
        expect![[r#"
            skip 29 bytes
            skip 3 varints
            skip 2 lengths and bytes
            skip 1 varints
            skip 12 bytes
            int -> s0
            skip 1 varints
            skip 28 bytes
        "#]],
    );
}

#[test]
fn program_calls_skips_of_long_records() {
    // P is seven ops, Q twice as many, S two calls.
    let fields = r#"
        {"name": "a", "type": {"type": "record", "name": "S", "fields": [
            {"name": "q", "type": {"type": "record", "name": "Q", "fields": [
                {"name": "p", "type": {"type": "record", "name": "P", "fields": [
                    {"name": "a", "type": "int"}, {"name": "b", "type": "string"}, {"name": "c", "type": "int"},
                    {"name": "d", "type": ["null", "string"]}, {"name": "e", "type": "float"},
                    {"name": "f", "type": {"type": "array", "items": "long"}}, {"name": "g", "type": "int"}]}},
                {"name": "o", "type": "P"}]}},
            {"name": "r", "type": "Q"}]}},
        {"name": "wanted", "type": "int"}, {"name": "b", "type": "P"}, {"name": "c", "type": "S"}"#;
    check_columns(
        fields,
        &["wanted"],
        expect![[r#"
        call 0
        call 0
        int -> s0
        skip 1 varints
        skip 1 lengths and bytes
        skip 1 varints
        skip null or length and bytes
        skip 4 bytes
        skip items
          skip 1 varints
        skip 1 varints
        call 0
        call 0
        sub 0
          skip 1 varints
          skip 1 lengths and bytes
          skip 1 varints
          skip null or length and bytes
          skip 4 bytes
          skip items
            skip 1 varints
          skip 2 varints
          skip 1 lengths and bytes
          skip 1 varints
          skip null or length and bytes
          skip 4 bytes
          skip items
            skip 1 varints
          skip 1 varints
    "#]],
    );
}

#[test]
fn program_skips_nested_types() {
    let fields = r#"
        {"name": "a", "type": {"type": "array", "items": "double"}},
        {"name": "b", "type": {"type": "array", "items": {"type": "array", "items": ["null", "string"]}}},
        {"name": "c", "type": {"type": "map", "values": "int"}},
        {"name": "d", "type": ["null", "long"]}, {"name": "e", "type": ["string", "null", "double"]},
        {"name": "f", "type": ["null", {"type": "array", "items": "null"}]},
        {"name": "wanted", "type": "int"}"#;
    check_columns(
        fields,
        &["wanted"],
        expect![[r#"
            skip items
              skip 8 bytes
            skip items
              skip items
                skip null or length and bytes
            skip items
              skip 1 lengths and bytes
              skip 1 varints
            skip null or varint
            choose
             0:
              skip 1 lengths and bytes
             1:
             2:
              skip 8 bytes
            choose
             0:
             1:
              skip items
            int -> s0
        "#]],
    );
}

#[test]
fn program_of_decimals_durations_and_uuids() {
    check(
        r#"{"name": "a", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10}},
           {"name": "b", "type": {"type": "bytes", "logicalType": "decimal", "precision": 50}},
           {"name": "c", "type": {"type": "fixed", "name": "F4", "size": 4, "logicalType": "decimal", "precision": 9}},
           {"name": "d", "type": ["null", {"type": "fixed", "name": "F32", "size": 32, "logicalType": "decimal", "precision": 70}]},
           {"name": "e", "type": {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}},
           {"name": "f", "type": {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}},
           {"name": "g", "type": {"type": "string", "logicalType": "uuid"}},
           {"name": "h", "type": {"type": "long", "logicalType": "timestamp-micros"}}"#,
        expect![[r#"
            decimal128 -> s0
            decimal256 -> s1
            fixed(4) decimal128 -> s2
            null or fixed(32) decimal256 -> s3, valid s4
            duration -> s5
            fixed(16) -> s6
            string -> s7
            long -> s8
        "#]],
    );
}

#[test]
fn program_of_empty_records() {
    check("", expect![[""]]);
    check(
        r#"{"name": "a", "type": {"type": "record", "name": "E", "fields": []}}, {"name": "b", "type": ["null", "E"]}"#,
        expect![[r#"
            null or record, valid s0
        "#]],
    );
}

#[test]
fn program_of_other_top_levels() {
    check_schema(
        r#""string""#,
        &Options::default(),
        expect![[r#"
            string -> s0
        "#]],
    );
    check_schema(
        r#"["null", {"type": "array", "items": "int"}]"#,
        &Options::default(),
        expect![[r#"
            choose
             0:
              no items -> s1, level 1
              zero(1) -> s2
             1:
              one -> s2
              items -> s1, level 1
                int -> s0
        "#]],
    );
}

#[test]
fn filter_program_walks_rows() {
    check_walk(
        FLAT,
        &["f", "b"],
        expect![[r#"
            start -> s2
            skip 1 bytes
            int -> s1
            skip 1 varints
            skip 12 bytes
            string -> s0
            skip 1 lengths and bytes
            skip 3 bytes
            skip 1 varints
        "#]],
    );
    check_walk(
        FLAT,
        &[],
        expect![[r#"
        start -> s0
        skip 1 bytes
        skip 2 varints
        skip 12 bytes
        skip 2 lengths and bytes
        skip 3 bytes
        skip 1 varints
    "#]],
    );
    check_walk(
        r#"{"name": "a", "type": {"type": "array", "items": "string"}}, {"name": "b", "type": ["null", "long"]}"#,
        &["a"],
        expect![[r#"
            start -> s2
            items -> s1, level 1
              string -> s0
            skip null or varint
        "#]],
    );
    check_walk(
        "",
        &[],
        expect![[r#"
        start -> s0
    "#]],
    );
}
