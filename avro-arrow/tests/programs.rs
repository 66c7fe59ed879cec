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
            boolean -> b0
            the next 2 as fused varints
            int -> b1
            long -> b2
            float -> b3
            double -> b4
            string -> b5
            bytes -> b6
            fixed(3) -> b7
            enum of 2 -> b8
        "#]],
    );
}

#[test]
fn program_of_columns_in_another_order() {
    check_columns(
        FLAT,
        &["i", "c", "a"],
        expect![[r#"
            boolean -> b2
            skip 1 varints
            long -> b1
            skip 12 bytes
            skip 2 lengths and bytes
            skip 3 bytes
            enum of 2 -> b0
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
            null or long -> b0, valid b1
            string or null -> b2, valid b3
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
            switch branch
             0:
              zeros(4) -> b0
              zeros(16) -> b1
              zeros(1) -> b2
              no items -> b4, level 1
              zeros(1) -> b5
             1:
              valid -> b5
              int -> b0
              null or string -> b1, valid b2
              items -> b4, level 1
                int -> b3
            switch branch
             0:
              valid -> b9
              items -> b8, level 2
                string -> b6
                int -> b7
             1:
              no items -> b8, level 2
              zeros(1) -> b9
        "#]],
    );
}

#[test]
fn program_of_union_of_one_branch() {
    check(
        r#"{"name": "a", "type": ["int"]}"#,
        expect![[r#"
            expect branch 0
            int -> b0
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
            double -> b0
            int -> b1
            double -> b2
            int -> b3
        "#]],
    );
}

#[test]
fn program_of_array_of_records() {
    check(
        r#"{"name": "a", "type": {"type": "array", "items": {"type": "record", "name": "P", "fields": [
            {"name": "x", "type": "int"}, {"name": "tags", "type": {"type": "array", "items": "string"}}]}}}"#,
        expect![[r#"
            items -> b3, level 1
              int -> b0
              items -> b2, level 2
                string -> b1
        "#]],
    );
}

#[test]
fn program_of_array_of_nulls_is_limited() {
    check(
        r#"{"name": "a", "type": {"type": "array", "items": "null"}}"#,
        expect![[r#"
            items -> b0, level 1, limited
        "#]],
    );
}

#[test]
fn program_of_map() {
    check(
        r#"{"name": "a", "type": {"type": "map", "values": ["null", "double"]}}"#,
        expect![[r#"
            items -> b3, level 1
              string -> b0
              null or double -> b1, valid b2
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
            union -> b0, offsets b1
             0:
             1:
              int -> b2
             2:
              items -> b4, level 4
                string -> b3
            switch branch
             0:
              branch 0 -> b5, offsets b6, level 5
                zeros(4) -> b7
              zeros(1) -> b9
             1:
              valid -> b9
              union -> b5, offsets b6
               0:
                int -> b7
               1:
                string -> b8
        "#]],
    );
}

#[test]
fn program_of_union_as_struct() {
    check_with(
        UNIONS,
        &Options::default().with_unions(Unions::Struct),
        expect![[r#"
            switch branch
             0:
              zeros(1) -> b0
              zeros(4) -> b1
              zeros(1) -> b2
              no items -> b4, level 1
              zeros(1) -> b5
             1:
              valid -> b0
              valid -> b2
              int -> b1
              no items -> b4, level 1
              zeros(1) -> b5
             2:
              valid -> b0
              zeros(4) -> b1
              zeros(1) -> b2
              valid -> b5
              items -> b4, level 1
                string -> b3
            switch branch
             0:
              zeros(4) -> b6
              zeros(1) -> b7
              zeros(16) -> b8
              zeros(1) -> b9
              zeros(1) -> b10
             1:
              valid -> b10
              switch branch
               0:
                valid -> b7
                int -> b6
                zeros(16) -> b8
                zeros(1) -> b9
               1:
                zeros(4) -> b6
                zeros(1) -> b7
                valid -> b9
                string -> b8
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
            int -> b0
            switch branch
             0:
              zeros(4) -> b1
              no items -> b3, level 1
              zeros(1) -> b4
              zeros(1) -> b5
             1:
              valid -> b5
              int -> b1
              switch branch
               0:
                no items -> b3, level 1
                zeros(1) -> b4
               1:
                valid -> b4
                record as json -> b3, level 1, b2
        "#]],
    );
    check_with(
        NODE,
        &Options::default().with_recursion_levels(1),
        expect![[r#"
            int -> b0
            switch branch
             0:
              zeros(4) -> b1
              zeros(4) -> b2
              no items -> b4, level 1
              zeros(1) -> b5
              zeros(1) -> b6
              zeros(1) -> b7
             1:
              valid -> b7
              int -> b1
              switch branch
               0:
                zeros(4) -> b2
                no items -> b4, level 1
                zeros(1) -> b5
                zeros(1) -> b6
               1:
                valid -> b6
                int -> b2
                switch branch
                 0:
                  no items -> b4, level 1
                  zeros(1) -> b5
                 1:
                  valid -> b5
                  record as json -> b4, level 1, b3
        "#]],
    );
}

#[test]
fn program_skips_recursive_type() {
    check_columns(
        NODE,
        &["value"],
        expect![[r#"
            int -> b0
            switch branch
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
            int -> b0
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
        int -> b0
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
            switch branch
             0:
              skip 1 lengths and bytes
             1:
             2:
              skip 8 bytes
            switch branch
             0:
             1:
              skip items
            int -> b0
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
            decimal128 -> b0
            decimal256 -> b1
            fixed(4) decimal128 -> b2
            null or fixed(32) decimal256 -> b3, valid b4
            duration -> b5
            fixed(16) -> b6
            string -> b7
            long -> b8
        "#]],
    );
}

#[test]
fn program_of_empty_records() {
    check("", expect![[""]]);
    check(
        r#"{"name": "a", "type": {"type": "record", "name": "E", "fields": []}}, {"name": "b", "type": ["null", "E"]}"#,
        expect![[r#"
            null or record, valid b0
        "#]],
    );
}

#[test]
fn program_of_other_top_levels() {
    check_schema(
        r#""string""#,
        &Options::default(),
        expect![[r#"
            string -> b0
        "#]],
    );
    check_schema(
        r#"["null", {"type": "array", "items": "int"}]"#,
        &Options::default(),
        expect![[r#"
            switch branch
             0:
              no items -> b1, level 1
              zeros(1) -> b2
             1:
              valid -> b2
              items -> b1, level 1
                int -> b0
        "#]],
    );
}

#[test]
fn filter_program_walks_rows() {
    check_walk(
        FLAT,
        &["f", "b"],
        expect![[r#"
            row start -> b2
            skip 1 bytes
            int -> b1
            skip 1 varints
            skip 12 bytes
            string -> b0
            skip 1 lengths and bytes
            skip 3 bytes
            skip 1 varints
        "#]],
    );
    check_walk(
        FLAT,
        &[],
        expect![[r#"
        row start -> b0
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
            row start -> b2
            items -> b1, level 1
              string -> b0
            skip null or varint
        "#]],
    );
    check_walk(
        "",
        &[],
        expect![[r#"
        row start -> b0
    "#]],
    );
}
