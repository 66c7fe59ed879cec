//! Schemas and what they become.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::schema::{Field, Kind, NodeId};
use avro_testing::{Evolution, check_all, check_seeds};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn parse(json: &str) -> Schema {
    Schema::parse(json, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {json}"))
}

fn merge(schemas: &[Schema], conflicts: OnConflict) -> Result<MergedSchema> {
    let labels: Vec<String> = (1..=schemas.len()).map(|n| format!("v{n}")).collect();
    MergedSchema::of(labels.iter().map(String::as_str).zip(schemas), conflicts, &Limits::default())
}

fn merge_json(schemas: &[&str], conflicts: OnConflict) -> Result<MergedSchema> {
    merge(&schemas.iter().map(|json| parse(json)).collect::<Vec<_>>(), conflicts)
}

/// Types of a field `f`, and what they become: the field's JSON without its name, or the error.
fn check_types(conflicts: OnConflict, cases: &[(&[&str], &str)]) {
    check_all(cases, |(types, want)| {
        let record = |t: &&str| format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{t}}}]}}"#);
        let schemas: Vec<Schema> = types.iter().map(record).map(|json| parse(&json)).collect();
        let found = match merge(&schemas, conflicts) {
            Ok(merged) => serde_json::from_str::<Json>(merged.schema.json()).unwrap()["fields"][0]["type"].to_string(),
            Err(e) => e.to_string(),
        };
        assert_eq!(found, *want, "{types:?}");
    });
}

#[test]
fn merge_widens_types() {
    let conflict = |a: &str, b: &str| format!("`f` is {a} in v1 but {b} in v2: these types cannot be merged");
    let owned = [
        conflict("int", "string"),
        conflict("int (date)", "int"),
        conflict("long (timestamp-millis)", "long (timestamp-micros)"),
        conflict("bytes (decimal(4, 1))", "bytes (decimal(4, 2))"),
        conflict("fixed F(4)", "fixed F(5)"),
        conflict("record P", "int"),
        conflict("int", "string"),
        conflict("array", "map"),
        conflict("enum E", "string"),
        conflict("bytes (decimal(4, 1))", "bytes"),
        conflict("long (timestamp-millis)", "long (local-timestamp-millis)"),
        conflict("bytes (decimal(76, 0))", "bytes (decimal(76, 76))"),
    ];
    let [int_string, date, millis, scale, size, record, nullable, array, symbols, plain, local, too_many] =
        owned.each_ref().map(|s| s.as_str());
    let dec = |p: u32, s: u32| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{p},"scale":{s}}}"#);
    let [dec41, dec42, dec61] = [dec(4, 1), dec(4, 2), dec(6, 1)];
    check_types(
        OnConflict::Error,
        &[
            (&["\"int\"", "\"int\""], "\"int\""),
            (&["\"int\"", "\"long\""], "\"long\""),
            (&["\"long\"", "\"int\""], "\"long\""),
            (&["\"int\"", "\"float\""], "\"double\""),
            (&["\"float\"", "\"long\"", "\"int\""], "\"double\""),
            (&["\"float\"", "\"double\""], "\"double\""),
            (&["\"string\"", "\"bytes\""], "\"bytes\""),
            (&["\"string\"", r#"{"type":"string","logicalType":"uuid"}"#], "\"string\""),
            (&["\"null\"", "\"int\""], r#"["null","int"]"#),
            (&["\"int\"", "\"null\""], r#"["null","int"]"#),
            (&["\"int\"", r#"["int","null"]"#], r#"["int","null"]"#),
            (&[r#"["null","int"]"#, "\"long\""], r#"["null","long"]"#),
            (&[r#"["int"]"#, "\"int\""], "\"int\""),
            (&["[]", "[ ]"], "[]"),
            (&[r#"["int","string"]"#, "\"long\""], r#"["long","string"]"#),
            (&["\"long\"", r#"["int","string"]"#], r#"["long","string"]"#),
            (&[r#"["double","int"]"#, "\"long\""], r#"["int","long","double"]"#),
            (&[r#"["int","string"]"#, "\"boolean\"", "\"null\""], r#"["null","int","string","boolean"]"#),
            (&["\"int\"", "\"string\"", r#"["int","string"]"#], r#"["int","string"]"#),
            (
                &[r#"{"type":"array","items":"int"}"#, r#"{"type":"array","items":["null","long"]}"#],
                r#"{"type":"array","items":["null","long"]}"#,
            ),
            (
                &[r#"{"type":"map","values":"float"}"#, r#"{"type":"map","values":"double","x":1}"#],
                r#"{"type":"map","values":"double","x":1}"#,
            ),
            (
                &[
                    r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}"#,
                    r#"{"type":"enum","name":"n.E","symbols":["C","B"],"default":"B"}"#,
                ],
                r#"{"type":"enum","name":"E","namespace":"n","aliases":[".E"],"symbols":["A","B","C"],"default":"A"}"#,
            ),
            // Nothing else can be meant, so names do not matter.
            (
                &[r#"{"type":"fixed","name":"F","size":4}"#, r#"["null",{"type":"fixed","name":"G","size":4}]"#],
                r#"["null",{"type":"fixed","name":"G","aliases":["F"],"size":4}]"#,
            ),
            (&[&dec41, &dec61], &dec61),
            // Attributes of a logical type that is not valid do not become valid on another kind.
            (&[r#"{"type":"int","logicalType":"timestamp-millis"}"#, "\"long\""], "\"long\""),
            (&["\"int\"", "\"string\""], int_string),
            (&[r#"{"type":"int","logicalType":"date"}"#, "\"int\""], date),
            (
                &[
                    r#"{"type":"long","logicalType":"timestamp-millis"}"#,
                    r#"{"type":"long","logicalType":"timestamp-micros"}"#,
                ],
                millis,
            ),
            (&[&dec41, &dec42], scale),
            (&[&dec41, "\"bytes\""], plain),
            (&[r#"{"type":"fixed","name":"F","size":4}"#, r#"{"type":"fixed","name":"F","size":5}"#], size),
            (&[r#"{"type":"record","name":"P","fields":[]}"#, "\"int\""], record),
            (&[r#"["null","int"]"#, r#"["string","null"]"#], nullable),
            (&[r#"{"type":"array","items":"int"}"#, r#"{"type":"map","values":"int"}"#], array),
            (&[r#"{"type":"enum","name":"E","symbols":["A"]}"#, "\"string\""], symbols),
        ],
    );
    check_types(
        OnConflict::Widen,
        &[
            (&["\"int\"", "\"string\"", "\"long\""], r#"["long","string"]"#),
            (&[r#"["null","int"]"#, r#"["string","null"]"#], r#"["null","int","string"]"#),
            (
                &[r#"{"type":"fixed","name":"n.F","size":4}"#, r#"{"type":"fixed","name":"n.F","size":5}"#],
                r#"[{"type":"fixed","name":"F","namespace":"n","size":4},{"type":"fixed","name":"F_1","namespace":"n","aliases":["F"],"size":5}]"#,
            ),
            (
                &[r#"{"type":"record","name":"P","fields":[]}"#, r#"{"type":"enum","name":"P","symbols":[]}"#],
                r#"[{"type":"record","name":"P","fields":[]},{"type":"enum","name":"P_1","aliases":["P"],"symbols":[]}]"#,
            ),
            (
                &[r#"{"type":"int","logicalType":"date"}"#, "\"string\""],
                r#"[{"type":"int","logicalType":"date"},"string"]"#,
            ),
            (
                &[
                    r#"{"type":"long","logicalType":"timestamp-millis"}"#,
                    r#"{"type":"long","logicalType":"timestamp-micros"}"#,
                ],
                r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            ),
            (
                &[
                    r#"{"type":"int","logicalType":"date"}"#,
                    r#"["null",{"type":"long","logicalType":"timestamp-millis"}]"#,
                ],
                r#"["null",{"type":"long","logicalType":"timestamp-millis"}]"#,
            ),
            (
                &[
                    r#"{"type":"long","logicalType":"timestamp-millis"}"#,
                    r#"{"type":"long","logicalType":"local-timestamp-millis"}"#,
                ],
                local,
            ),
            (&[&dec41, &dec42], &dec(5, 2)),
            (
                &[&dec42, r#"{"type":"fixed","name":"F","size":9,"logicalType":"decimal","precision":20,"scale":0}"#],
                &dec(22, 2),
            ),
            (&[&dec(76, 0), &dec(76, 76)], too_many),
        ],
    );
}

/// Schemas, the merged schema, and a line for each field.
fn check(schemas: &[&str], want: &str, fields: &[&str]) {
    let merged = merge_json(schemas, OnConflict::Error).unwrap();
    assert_eq!(merged.schema.json().parse::<Json>().unwrap(), want.parse::<Json>().unwrap());
    assert_eq!(merged.fields.iter().map(Provenance::to_string).collect::<Vec<_>>(), fields);
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
}

#[test]
fn merge_matches_fields_in_any_order() {
    check(
        &[
            &record("R", r#"{"name":"a","type":"int"},{"name":"b","type":"string","doc":"B"}"#),
            &record(
                "R",
                r#"{"name":"c","type":"int","default":7},{"name":"b","type":"string"},{"name":"a","type":"long"}"#,
            ),
            &record("Other", r#"{"name":"b","type":["null","string"],"field-id":3}"#),
        ],
        r#"{"type":"record","name":"Other","aliases":["R"],"fields":[
            {"name":"a","type":["null","long"],"default":null},
            {"name":"b","type":["null","string"],"doc":"B","field-id":3},
            {"name":"c","type":"int","default":7}]}"#,
        &[
            "a: v1 … v2 (2); int, long to long; null where missing, as in v3",
            "b: v1 … v3 (3); nullable in v3",
            "c: v2; 7 where missing, as in v1",
        ],
    );
}

#[test]
fn merge_follows_aliases_of_renamed_fields() {
    let new = record("R", r#"{"name":"new","type":"long","aliases":["older","old"]}"#);
    let old = record("R", r#"{"name":"old","type":"int"}"#);
    check(
        &[&old, &new],
        &record("R", r#"{"name":"new","type":"long","aliases":["old","older"]}"#),
        &["new: v1 … v2 (2); renamed from old; int, long to long"],
    );
    // The last schema's name is the one.
    check(
        &[&new, &old],
        &record("R", r#"{"name":"old","type":"long","aliases":["new","older"]}"#),
        &["old: v1 … v2 (2); renamed from new; long, int to long"],
    );
    // A schema with both names has two columns, and an alias that is a column's name is ignored.
    check(
        &[&new, &record("R", r#"{"name":"old","type":"int"},{"name":"new","type":"int"}"#)],
        &record(
            "R",
            r#"{"name":"new","type":"long","aliases":["older"]},{"name":"old","type":["null","int"],"default":null}"#,
        ),
        &["new: v1 … v2 (2); long, int to long", "old: v2; null where missing, as in v1"],
    );
    // One after the other.
    check(
        &[
            &record("R", r#"{"name":"a","type":"int"}"#),
            &record("R", r#"{"name":"b","type":"int","aliases":["a"]}"#),
            &record("R", r#"{"name":"c","type":"int","aliases":["b"]}"#),
        ],
        &record("R", r#"{"name":"c","type":"int","aliases":["a","b"]}"#),
        &["c: v1 … v3 (3); renamed from a, b"],
    );
}

#[test]
fn merge_of_nested_types_defines_each_once() {
    let old = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":{"type":"array","items":{"type":"record","name":"n.P","fields":[{"name":"x","type":"int"}]}}},
        {"name":"b","type":"n.P"}]}"#;
    let new = r#"{"type":"record","name":"R","fields":[
        {"name":"b","type":["null",{"type":"record","name":"m.P","fields":[{"name":"y","type":"int"},{"name":"x","type":"float"}]}]},
        {"name":"a","type":{"type":"array","items":"m.P"}},
        {"name":"c","type":{"type":"map","values":"m.P"}}]}"#;
    check(
        &[old, new],
        r#"{"type":"record","name":"R","fields":[
            {"name":"a","type":{"type":"array","items":{"type":"record","name":"P","namespace":"m","aliases":["n.P"],"fields":[
                {"name":"x","type":"double"},{"name":"y","type":["null","int"],"default":null}]}}},
            {"name":"b","type":["null","m.P"]},
            {"name":"c","type":["null",{"type":"map","values":"m.P"}],"default":null}]}"#,
        &[
            "a: v1 … v2 (2)",
            "a[].x: v1 … v2 (2); int, float to double",
            "a[].y: v2; null where missing, as in v1",
            "b: v1 … v2 (2); nullable in v2",
            "c: v2; null where missing, as in v1",
        ],
    );
}

#[test]
fn merge_of_recursive_types() {
    let list = |name: &str, more: &str| {
        record(name, &format!(r#"{{"name":"value","type":"int"}},{{"name":"next","type":["null","{name}"]}}{more}"#))
    };
    check(
        &[&list("Node", ""), &list("Item", r#",{"name":"x","type":"int"}"#)],
        r#"{"type":"record","name":"Item","aliases":["Node"],"fields":[{"name":"value","type":"int"},
            {"name":"next","type":["null","Item"]},{"name":"x","type":["null","int"],"default":null}]}"#,
        &["value: v1 … v2 (2)", "next: v1 … v2 (2)", "x: v2; null where missing, as in v1"],
    );
    // One unrolled, one not.
    let unrolled = r#"{"type":"record","name":"A","fields":[{"name":"next","type":["null",
        {"type":"record","name":"B","fields":[{"name":"next","type":["null","A"]}]}]}]}"#;
    let merged =
        merge_json(&[unrolled, &record("A", r#"{"name":"next","type":["null","A"]}"#)], OnConflict::Error).unwrap();
    assert_eq!(
        merged.schema.json(),
        r#"{"type":"record","name":"A","aliases":["B"],"fields":[{"name":"next","type":["null","A"]}]}"#
    );
}

#[test]
fn merge_gives_unlike_types_of_one_name_two_names() {
    let p = |field: &str, inner: &str| {
        format!(
            r#"{{"name":"{field}","type":{{"type":"record","name":"n.P","fields":[{{"name":"{inner}","type":"int"}}]}}}}"#
        )
    };
    check(
        &[&record("R", &p("a", "x")), &record("R", &p("b", "y"))],
        r#"{"type":"record","name":"R","fields":[
            {"name":"a","type":["null",{"type":"record","name":"P","namespace":"n","fields":[{"name":"x","type":"int"}]}],"default":null},
            {"name":"b","type":["null",{"type":"record","name":"P_1","namespace":"n","aliases":["P"],"fields":[
                {"name":"y","type":"int"}]}],"default":null}]}"#,
        &["a: v1; null where missing, as in v2", "a.x: v1", "b: v2; null where missing, as in v1", "b.y: v2"],
    );
}

/// A default in the first schema, a second schema, the merged default.
#[test]
fn merge_keeps_and_adds_defaults() {
    let cases = [
        (r#""type":"int","default":1"#, r#"{"name":"g","type":"int"}"#, "1"),
        (r#""type":"long","default":1.0"#, r#"{"name":"g","type":"int"}"#, "1"),
        (r#""type":"double","default":"NaN""#, r#"{"name":"g","type":"int"}"#, "\"NaN\""),
        // Not valid.
        (r#""type":"int","default":"x""#, r#"{"name":"g","type":"int"}"#, "null"),
        (r#""type":"int","default":3000000000"#, r#"{"name":"g","type":"int"}"#, "null"),
        (r#""type":"bytes","default":"\u0100""#, r#"{"name":"g","type":"int"}"#, "null"),
        (r#""type":["int","null"],"default":1"#, r#"{"name":"g","type":"int"}"#, "1"),
        (r#""type":["null","int"],"default":1"#, r#"{"name":"g","type":"int"}"#, "1"),
        (r#""type":{"type":"fixed","name":"F","size":2},"default":"\u00ff\u0000""#, "", "\"ÿ\\u0000\""),
        (r#""type":{"type":"enum","name":"E","symbols":["A"]},"default":"B""#, "", "null"),
        (r#""type":{"type":"array","items":"int"},"default":[1,2]"#, "", "[1,2]"),
        (r#""type":{"type":"map","values":["null","int"]},"default":{"k":null}"#, "", r#"{"k":null}"#),
        // A newer one that is valid.
        (r#""type":"int","default":1"#, r#"{"name":"f","type":"long","default":2}"#, "2"),
        (r#""type":"int","default":1"#, r#"{"name":"f","type":"long","default":"x"}"#, "1"),
        (r#""type":"int""#, r#"{"name":"f","type":"long"}"#, "none"),
        // The bytes of the text.
        (r#""type":"string","default":"é""#, r#"{"name":"f","type":"bytes"}"#, "\"Ã©\""),
        // Fields of the default are called as they are now, and those that are left out have defaults.
        (
            r#""type":{"type":"record","name":"S","fields":[{"name":"x","type":"int"},{"name":"z","type":"int","default":5}]},"default":{"x":1}"#,
            r#"{"name":"f","type":{"type":"record","name":"S","fields":[
                {"name":"y","type":"int","aliases":["x"]},{"name":"w","type":"int"}]}}"#,
            r#"{"y":1}"#,
        ),
        (r#""type":{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]},"default":{}"#, "", "null"),
        // A default that needs itself.
        (
            r#""type":{"type":"record","name":"S","fields":[{"name":"x","type":["S","null"],"default":{}}]},"default":{}"#,
            "",
            "null",
        ),
    ];
    check_all(cases, |(field, other, want)| {
        let schemas = [record("R", &format!(r#"{{"name":"f",{field}}}"#)), record("R", other)];
        let merged = merge_json(&schemas.each_ref().map(String::as_str), OnConflict::Error).unwrap();
        let json: Json = serde_json::from_str(merged.schema.json()).unwrap();
        let found = json["fields"][0].get("default").map_or("none".to_owned(), Json::to_string);
        assert_eq!(found, want, "{field}");
    });
}

#[test]
fn strict_merge_refuses_differences() {
    let conflict =
        |path: &str, a: &str, b: &str| format!("{path} is {a} in v1 but {b} in v2: these types cannot be merged");
    let f = |name: &str, t: &str| record("R", &format!(r#"{{"name":"{name}","type":{t}}}"#));
    let cases = [
        (f("a", "\"int\""), f("a", "\"int\"").replace("\"R\"", "\"Q\""), String::new()),
        (f("a", "\"int\""), f("a", r#"{"type":"int","x":1}"#), String::new()),
        (f("a", "\"int\""), f("a", "\"long\""), conflict("`a`", "int", "long")),
        (f("a", "\"int\""), f("a", r#"["null","int"]"#), conflict("`a`", "int", "union [null, int]")),
        (f("a", "\"int\""), f("b", "\"int\""), {
            conflict("the outermost type", "a record with `a` as field 1", "a record with `b` as field 1")
        }),
        (f("a", "\"int\""), record("R", ""), {
            conflict("the outermost type", "a record with `a` as field 1", "a record of 0 fields")
        }),
        (
            f("a", r#"{"type":"array","items":{"type":"enum","name":"E","symbols":["A"]}}"#),
            f("a", r#"{"type":"array","items":{"type":"enum","name":"E","symbols":["B"]}}"#),
            conflict("`a[]`", "enum E [A]", "enum E [B]"),
        ),
        (f("a", r#"["null","R"]"#), f("a", r#"["null","R"]"#).replace("\"R\"", "\"Q\""), {
            conflict("`a<record>`", "record R", "record Q")
        }),
    ];
    check_all(cases, |(a, b, want)| {
        let found = merge_json(&[&a, &b], OnConflict::Strict).err().map_or(String::new(), |e| e.to_string());
        assert_eq!(found, want, "{a} {b}");
    });
}

#[test]
fn merge_of_other_top_levels() {
    check(
        &["\"int\"", "\"long\""],
        "\"long\"",
        &[": int, long to long"].map(|_| "the top level: v1 … v2 (2); int, long to long"),
    );
    check(&["\"string\""], "\"string\"", &[]);
    assert_eq!(
        merge_json(&["\"int\"", &record("R", "")], OnConflict::Error).unwrap_err().to_string(),
        "the outermost type is int in v1 but record R in v2: these types cannot be merged"
    );
    assert_eq!(merge(&[], OnConflict::Error).unwrap_err().to_string(), "no schemas to merge");
}

#[test]
fn names_hidden_by_a_namespace_and_those_of_primitive_types() {
    // In the namespace `n`, `P` would be `n.P`; and a type without a namespace called `int` could not be referred to.
    let schema = |more: &str| {
        format!(
            r#"{{"type":"record","name":"R","fields":[
            {{"name":"a","type":{{"type":"record","name":"P","fields":[{{"name":"x","type":"int"}}{more}]}}}},
            {{"name":"b","type":{{"type":"record","name":"n.P","fields":[]}}}},
            {{"name":"c","type":{{"type":"record","name":"n.Q","fields":[
                {{"name":"p","type":{{"type":"record","name":"P","namespace":"","fields":[{{"name":"x","type":"int"}}{more}]}}}},
                {{"name":"i","type":{{"type":"record","name":"int","namespace":"","fields":[]}}}}]}}}},
            {{"name":"d","type":{{"type":"record","name":"int","fields":[]}}}}]}}"#
        )
    };
    let merged = merge_json(&[&schema(""), &schema(r#",{"name":"y","type":"int"}"#)], OnConflict::Error)
        .unwrap()
        .schema
        .json()
        .to_owned();
    assert!(merged.contains(r#"{"name":"p","type":".P"}"#), "{merged}");
    assert!(merged.contains(r#"{"name":"d","type":"int_1"}"#), "{merged}");
    parse(&merged);
}

/// Types that double at every level, types inside themselves by cycles of different lengths, wide and long chains.
#[test]
fn merge_of_hostile_schemas_ends() {
    let doubling = |inner: &str| {
        let mut fields = vec![format!(
            r#"{{"name":"f0","type":{{"type":"record","name":"R0","fields":[{{"name":"x","type":{inner}}}]}}}}"#
        )];
        for n in 1..60 {
            let last = n - 1;
            fields.push(format!(
                r#"{{"name":"f{n}","type":{{"type":"record","name":"R{n}","fields":[
                    {{"name":"a","type":"R{last}"}},{{"name":"b","type":"R{last}"}}]}}}}"#
            ));
        }
        record("R", &fields.join(","))
    };
    let cycle = |length: usize| {
        let mut inner = "\"C0\"".to_owned();
        for n in (0..length).rev() {
            inner =
                format!(r#"{{"type":"record","name":"C{n}","fields":[{{"name":"next","type":["null",{inner}]}}]}}"#);
        }
        inner
    };
    let cycles: Vec<String> = [2, 3, 5, 7, 11, 13, 17, 19].into_iter().map(cycle).collect();
    let start = Instant::now();
    let merged = merge_json(&[&doubling("\"int\""), &doubling("\"long\"")], OnConflict::Error).unwrap();
    assert_eq!(merged.fields.len(), 60 + 1 + 59 * 2);
    merge_json(&cycles.iter().map(String::as_str).collect::<Vec<_>>(), OnConflict::Error).unwrap();
    // A chain that one schema defines from its end, and another from its start.
    let chain = |from_the_start: bool| {
        let n_types = 60;
        let types: Vec<String> = (0..n_types)
            .map(|n| match (n, from_the_start) {
                (0, _) | (_, true) => format!(r#"{{"type":"record","name":"L{n}","fields":[]}}"#),
                _ => format!(r#"{{"type":"record","name":"L{n}","fields":[{{"name":"x","type":"L{}"}}]}}"#, n - 1),
            })
            .collect();
        let field = |n: usize| format!(r#"{{"name":"f{n}","type":{}}}"#, types[n]);
        let fields: Vec<String> =
            if from_the_start { (0..n_types).rev().map(field).collect() } else { (0..n_types).map(field).collect() };
        record("R", &fields.join(","))
    };
    let error = merge_json(&[&chain(true), &chain(false)], OnConflict::Error).unwrap_err().to_string();
    assert!(error.starts_with("not supported: a merged schema of more than 120 levels of JSON"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn merge_of_thousands_of_files_is_fast() {
    let schema = |n: usize| {
        let fields = (0..100).filter(|f| !(f * 7_usize + n).is_multiple_of(11)).map(|f| {
            let t = if (f + n).is_multiple_of(13) { "\"long\"" } else { "\"int\"" };
            format!(r#"{{"name":"f{f}","type":{t}}},{{"name":"r{f}","type":["null",{{"type":"record","name":"P{f}","fields":[
                {{"name":"x","type":{t}}},{{"name":"y{}","type":"string"}}]}}]}}"#, n % 5)
        });
        parse(&record("R", &fields.chain([format!(r#"{{"name":"v{n}","type":"int"}}"#)]).collect::<Vec<_>>().join(",")))
    };
    let schemas: Vec<Schema> = (0..300).map(schema).collect();
    let files: Vec<Schema> = (0..5_000).map(|n| schemas[n % schemas.len()].clone()).collect();
    let start = Instant::now();
    let merged = merge(&files, OnConflict::Error).unwrap();
    let took = start.elapsed();
    assert_eq!(merged.fields.len(), 200 + 300 + 100 * 6);
    assert_eq!(merged.fields[0].n_sources, (0..5_000).filter(|n| !(7_usize + n % 300).is_multiple_of(11)).count());
    // It takes less than half a second of a CPU; the machine may be busy.
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// A type without what depends on the order of the schemas: the order of fields, symbols and branches, the current name
/// of a field, attributes, names of types, and the values of defaults other than null.
fn normal(schema: &Schema, id: NodeId, open: &mut Vec<NodeId>) -> String {
    let node = schema.node(id);
    if open.contains(&id) {
        return format!("up {}", open.iter().rev().position(|o| *o == id).unwrap());
    }
    open.push(id);
    let text = match &node.kind {
        Kind::Record(record) => {
            let mut field = |f: &Field| {
                let names: BTreeSet<&String> = f.aliases.iter().chain([&f.name]).collect();
                let default = f.default.as_ref().map(Json::is_null);
                format!("{names:?} {} {default:?}", normal(schema, f.node, open))
            };
            let fields: BTreeSet<String> = record.fields.iter().map(&mut field).collect();
            format!("record {fields:?}")
        }
        Kind::Union(branches) => {
            format!("{:?}", branches.iter().map(|b| normal(schema, *b, open)).collect::<BTreeSet<_>>())
        }
        Kind::Array(inner) | Kind::Map(inner) => {
            // Iceberg's map is one by the names of fields.
            format!("{} of {}", node.kind.word(), normal(schema, *inner, open))
        }
        Kind::Enum(e) => format!("enum {:?}", e.symbols.iter().collect::<BTreeSet<_>>()),
        Kind::Fixed(fixed) => format!("fixed {} {:?}", fixed.size, node.logical),
        kind => format!("{} {:?}", kind.word(), node.logical),
    };
    open.pop();
    text
}

#[test]
fn merge_of_random_family_reads_each_version() {
    let (mut merged_some, mut conflicting) = (0, 0);
    check_seeds(0..2_000, |rng| {
        let family: Vec<Schema> = Evolution::family(rng).iter().map(|json| parse(json)).collect();
        let merged = match merge(&family, OnConflict::Widen) {
            Ok(merged) => merged.schema,
            Err(e) => {
                assert!(matches!(e.kind(), crate::ErrorKind::Conflict { .. }), "{e}");
                conflicting += 1;
                return;
            }
        };
        merged_some += 1;
        for schema in &family {
            // Nothing new comes from what is in it.
            let again = [merged.clone(), schema.clone(), merged.clone()];
            let again = merge(&again, OnConflict::Widen).unwrap_or_else(|e| panic!("{e}")).schema;
            assert_eq!(again.json(), merged.json(), "{}", schema.json());
        }
        let mut other_order = family.clone();
        other_order.reverse();
        let shift = rng.below(family.len());
        other_order.rotate_left(shift);
        let other = merge(&other_order, OnConflict::Widen).unwrap_or_else(|e| panic!("{e}")).schema;
        let [a, b] = [&other, &merged].map(|schema| normal(schema, schema.root(), &mut Vec::new()));
        assert_eq!(a, b, "{} {}", other.json(), merged.json());
    });
    assert!(merged_some > conflicting * 4, "{merged_some} merged, {conflicting} in conflict");
}

/// Every one of the schemas can be read with the merged one: all types, all branches of unions, all symbols of enums.
#[test]
fn merge_of_random_family_resolves_each_version() {
    use crate::resolve::{Action, Resolution};
    let mut n = 0;
    check_seeds(0..4_000, |rng| {
        let family: Vec<Schema> = Evolution::family(rng).iter().map(|json| parse(json)).collect();
        for conflicts in [OnConflict::Error, OnConflict::Widen] {
            let Ok(merged) = merge(&family, conflicts) else { continue };
            for schema in &family {
                let all = || format!("{}\n{}", schema.json(), merged.schema.json());
                let resolution = Resolution::new(
                    schema,
                    &merged.schema,
                    crate::options::FieldMatch::Name,
                    crate::resolve::Rules::LENIENT,
                    &Limits::default(),
                );
                let resolution = resolution.unwrap_or_else(|e| panic!("{e} {}", all()));
                n += 1;
                let (mut todo, mut seen) = (vec![resolution.root], std::collections::HashSet::new());
                while let Some(id) = todo.pop() {
                    if !seen.insert(id) {
                        continue;
                    }
                    match &resolution.pair(id).action {
                        Action::Convert(_) => {}
                        Action::Symbols(symbols) => assert!(symbols.iter().all(Option::is_some), "{}", all()),
                        Action::Items(items) => todo.push(*items),
                        Action::Record(record) => {
                            assert!(record.fields.iter().all(Option::is_some), "{}", all());
                            todo.extend(record.fields.iter().flatten().map(|(_, pair)| *pair));
                        }
                        Action::FromUnion(branches) => {
                            assert!(branches.iter().all(Option::is_some), "{}", all());
                            todo.extend(branches.iter().flatten());
                        }
                        Action::ToUnion { value, .. } => todo.push(*value),
                        Action::Nothing => panic!("{}", all()),
                    }
                }
            }
        }
    });
    assert!(n > 10_000, "{n}");
}
