//! Schemas as text in, their arenas printed or their errors out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::schema::Sizes;
use avro_testing::check_all;
use std::fmt::Write;
use std::path::Path;

/// Prints a type. A named type is spelled out where it is met first, and is `&name` after that.
fn print(schema: &Schema) -> String {
    let mut out = String::new();
    print_node(schema, schema.root(), &mut vec![false; schema.len()], &mut out);
    out
}

fn print_node(schema: &Schema, id: NodeId, seen: &mut [bool], out: &mut String) {
    let node = schema.node(id);
    if std::mem::replace(&mut seen[id.index()], true) {
        return write!(out, "&{}", node.kind.name().unwrap()).unwrap();
    }
    let aliases = |aliases: &[Name]| aliases.iter().map(|a| format!("|{a}")).collect::<String>();
    match &node.kind {
        Kind::Array(items) => {
            out.push_str("array<");
            print_node(schema, *items, seen, out);
            out.push('>');
        }
        Kind::Map(values) => {
            out.push_str("map<");
            print_node(schema, *values, seen, out);
            out.push('>');
        }
        Kind::Union(branches) => {
            for (idx, branch) in branches.iter().enumerate() {
                out.push_str(if idx == 0 { "[" } else { ", " });
                print_node(schema, *branch, seen, out);
            }
            out.push_str(if branches.is_empty() { "[]" } else { "]" });
        }
        Kind::Fixed(t) => write!(out, "fixed {}{}({})", t.name, aliases(&t.aliases), t.size).unwrap(),
        Kind::Enum(t) => {
            write!(out, "enum {}{}({})", t.name, aliases(&t.aliases), t.symbols.join(" ")).unwrap();
            t.default.iter().for_each(|d| write!(out, "={d}").unwrap());
        }
        Kind::Record(t) => {
            write!(out, "record {}{}{{", t.name, aliases(&t.aliases)).unwrap();
            for (idx, field) in t.fields.iter().enumerate() {
                out.push_str(if idx == 0 { "" } else { ", " });
                out.push_str(&field.name);
                field.aliases.iter().for_each(|a| write!(out, "|{a}").unwrap());
                out.push_str(": ");
                print_node(schema, field.node, seen, out);
                field.default.iter().for_each(|d| write!(out, " = {d}").unwrap());
                print_rest(&field.doc, &field.attributes, out);
            }
            out.push('}');
        }
        primitive => out.push_str(primitive.word()),
    }
    node.logical.iter().for_each(|l| write!(out, "@{l:?}").unwrap());
    let doc = match &node.kind {
        Kind::Fixed(t) => &t.doc,
        Kind::Enum(t) => &t.doc,
        Kind::Record(t) => &t.doc,
        _ => &None,
    };
    print_rest(doc, &node.attributes, out);
}

fn print_rest(doc: &Option<String>, attributes: &Attributes, out: &mut String) {
    doc.iter().for_each(|d| write!(out, " ({d})").unwrap());
    if !attributes.is_empty() {
        write!(out, " {}", Json::Object(attributes.clone())).unwrap();
    }
}

fn parse(text: &str) -> Result<Schema> {
    Schema::parse(text, &Limits::default())
}

#[test]
fn parse_of_valid_schemas_gives_their_nodes() {
    for (text, expected) in SCHEMAS {
        let schema = parse(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        assert_eq!(print(&schema), *expected, "{text}");
    }
}

const SCHEMAS: &[(&str, &str)] = &[
    // Primitive types, and everything around them.
    (r#""null""#, "null"),
    (r#" "boolean"  "#, "boolean"),
    (r#"["int","long","float","double","bytes","string"]"#, "[int, long, float, double, bytes, string]"),
    (r#"{"type":"int"}"#, "int"),
    (r#"{"type":{"type":{"type":"int"}}}"#, "int"),
    ("int", "int"),
    (" string\0\0", "string"),
    ("{\"type\":\"array\",\"items\":\"long\"}\n\0\0\0", "array<long>"),
    (r#"{"type":["null","string"]}"#, "[null, string]"),
    ("[]", "[]"),
    (r#"["string","string"]"#, "[string, string]"),
    (r#"["null",{"type":"map","values":["null","int"]}]"#, "[null, map<[null, int]>]"),
    // Attributes are kept in their order, but for those that were understood.
    (
        r#"{"type":"string","z":1,"avro.java.string":"String","doc":"d","a":[null]}"#,
        r#"string {"z":1,"avro.java.string":"String","doc":"d","a":[null]}"#,
    ),
    (
        r#"{"type":"array","items":{"type":"int","x":1},"element-id":5,"default":[]}"#,
        r#"array<int {"x":1}> {"element-id":5,"default":[]}"#,
    ),
    (r#"{"type":{"type":"int","a":1,"b":1},"b":2}"#, r#"int {"a":1,"b":2}"#),
    (r#"{"type":["null","int"],"a":1}"#, r#"[null, int] {"a":1}"#),
    // Logical types.
    (r#"{"type":"int","logicalType":"date"}"#, "int@Date"),
    (r#"{"type":{"type":"int","logicalType":"date"}}"#, "int@Date"),
    (r#"{"type":{"type":"string"},"logicalType":"uuid","x":1}"#, r#"string@Uuid {"x":1}"#),
    (r#"{"type":{"type":"bytes","precision":4},"logicalType":"decimal"}"#, "bytes@Decimal { precision: 4, scale: 0 }"),
    (r#"{"type":{"type":"int","logicalType":"date"},"logicalType":"x"}"#, r#"int@Date {"logicalType":"x"}"#),
    (r#"{"type":"long","logicalType":"date"}"#, r#"long {"logicalType":"date"}"#),
    (r#"{"type":"string","logicalType":"colour","precision":1}"#, r#"string {"logicalType":"colour","precision":1}"#),
    (r#"{"type":"int","logicalType":7}"#, r#"int {"logicalType":7}"#),
    (r#"{"type":"int","logicalType":"time-millis","scale":1}"#, r#"int@TimeMillis {"scale":1}"#),
    (r#"{"type":"long","logicalType":"time-micros"}"#, "long@TimeMicros"),
    (
        r#"{"type":"long","logicalType":"timestamp-millis","adjust-to-utc":true}"#,
        r#"long@TimestampMillis {"adjust-to-utc":true}"#,
    ),
    (r#"{"type":"long","logicalType":"timestamp-micros"}"#, "long@TimestampMicros"),
    (r#"{"type":"long","logicalType":"timestamp-nanos"}"#, "long@TimestampNanos"),
    (r#"{"type":"long","logicalType":"timestamp-nanos","adjust-to-utc":false}"#, "long@LocalTimestampNanos"),
    (r#"{"type":"long","logicalType":"local-timestamp-millis"}"#, "long@LocalTimestampMillis"),
    (r#"{"type":"long","logicalType":"local-timestamp-micros"}"#, "long@LocalTimestampMicros"),
    (r#"{"type":"long","logicalType":"local-timestamp-nanos"}"#, "long@LocalTimestampNanos"),
    (r#"{"type":"bytes","logicalType":"big-decimal"}"#, "bytes@BigDecimal"),
    (r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#, "fixed U(16)@Uuid"),
    (r#"{"type":"fixed","name":"U","size":15,"logicalType":"uuid"}"#, r#"fixed U(15) {"logicalType":"uuid"}"#),
    (r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#, "fixed D(12)@Duration"),
    (r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":9}"#, "bytes@Decimal { precision: 9, scale: 9 }"),
    (
        r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":10}"#,
        r#"bytes {"logicalType":"decimal","precision":9,"scale":10}"#,
    ),
    (r#"{"type":"bytes","logicalType":"decimal","precision":0}"#, r#"bytes {"logicalType":"decimal","precision":0}"#),
    (r#"{"type":"bytes","logicalType":"decimal"}"#, r#"bytes {"logicalType":"decimal"}"#),
    (
        r#"{"type":"bytes","logicalType":"decimal","precision":"9"}"#,
        r#"bytes {"logicalType":"decimal","precision":"9"}"#,
    ),
    (
        r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":-1}"#,
        r#"bytes {"logicalType":"decimal","precision":9,"scale":-1}"#,
    ),
    (
        r#"{"type":"bytes","logicalType":"decimal","precision":9.0}"#,
        r#"bytes {"logicalType":"decimal","precision":9.0}"#,
    ),
    (
        r#"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":9}"#,
        "fixed F(4)@Decimal { precision: 9, scale: 0 }",
    ),
    (
        r#"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":10}"#,
        r#"fixed F(4) {"logicalType":"decimal","precision":10}"#,
    ),
    (
        r#"{"type":"fixed","name":"F","size":0,"logicalType":"decimal","precision":1}"#,
        r#"fixed F(0) {"logicalType":"decimal","precision":1}"#,
    ),
    (
        r#"{"type":"array","logicalType":"map","items":{"type":"record","name":"E","fields":[
            {"name":"key","type":"int"},{"name":"value","type":"string"}]}}"#,
        "array<record E{key: int, value: string}>@Map",
    ),
    (
        r#"{"type":"array","logicalType":"map","items":{"type":"record","name":"E","fields":[
            {"name":"key","type":"int"}]}}"#,
        r#"array<record E{key: int}> {"logicalType":"map"}"#,
    ),
    (
        r#"{"type":"record","name":"R","logicalType":"date","fields":[
            {"name":"f","type":"int","logicalType":"date"}]}"#,
        r#"record R{f: int {"logicalType":"date"}} {"logicalType":"date"}"#,
    ),
    // Records, their fields and what is wrong with them without harm.
    (r#"{"type":"error","name":"E","fields":[]}"#, "record E{}"),
    (
        r#"{"type":"record","name":"R","doc":"d","aliases":["S","x.T",".U"],"namespace":"n","x":1,"fields":[
            {"name":"f","doc":"e","aliases":["g"],"order":"ignore","type":"int","default":"no int"},
            {"name":"f","type":["int","null"],"default":null}]}"#,
        r#"record n.R|n.S|x.T|U{f|g: int = "no int" (e) {"order":"ignore"}, f: [int, null] = null} (d) {"x":1}"#,
    ),
    (
        r#"{"type":"record","name":"R","doc":7,"aliases":"S","namespace":null,"fields":[]}"#,
        r#"record R{} {"doc":7,"aliases":"S"}"#,
    ),
    (
        r#"{"type":"record","name":"T$-1","namespace":"a$","fields":[{"name":"n-me","type":"int"},{"name":"","type":"T$-1"}]}"#,
        "record a$.T$-1{n-me: int, : &a$.T$-1}",
    ),
    (
        r#"{"type":"enum","name":"E","symbols":["1","a b","a b",""],"default":"z","aliases":["F"]}"#,
        "enum E|F(1 a b a b )=z",
    ),
    (r#"{"type":"enum","name":"E","symbols":[],"default":1}"#, r#"enum E() {"default":1}"#),
    (r#"{"type":"fixed","name":"F","size":0}"#, "fixed F(0)"),
    (r#"{"type":"fixed","name":"F","size":"16"}"#, "fixed F(16)"),
    // Namespaces.
    (
        r#"{"type":"record","name":"lsst.v10_0.alert","fields":[
            {"name":"diaSource","type":{"type":"record","name":"lsst.v10_0.diaSource","fields":[{"name":"id","type":"long"}]}},
            {"name":"prv","type":["null",{"type":"array","items":"diaSource"}]},
            {"name":"nxt","type":{"type":"array","items":"lsst.v10_0.diaSource"}}]}"#,
        "record lsst.v10_0.alert{diaSource: record lsst.v10_0.diaSource{id: long}, \
         prv: [null, array<&lsst.v10_0.diaSource>], nxt: array<&lsst.v10_0.diaSource>}",
    ),
    (
        r#"{"type":"record","name":"a.b.R","namespace":"unused","fields":[
            {"name":"f","type":{"type":"fixed","name":"F","size":1}},
            {"name":"g","type":{"type":"fixed","name":"F","namespace":"c","size":2}},
            {"name":"h","type":{"type":"fixed","name":"F","namespace":"","size":3}},
            {"name":"i","type":["F","c.F",".F"]}]}"#,
        "record a.b.R{f: fixed a.b.F(1), g: fixed c.F(2), h: fixed F(3), i: [&a.b.F, &c.F, &F]}",
    ),
    (
        r#"{"type":"record","name":"R","fields":[
            {"name":"s","type":{"type":"record","name":"x.S","fields":[
                {"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"r","type":["null","R"]}]}},
            {"name":"e","type":"x.E"}]}"#,
        "record R{s: record x.S{e: enum x.E(A), r: [null, &R]}, e: &x.E}",
    ),
    (r#"{"namespace":"outer","type":{"type":"fixed","name":"F","size":1}}"#, "fixed F(1)"),
    // Names of types that are words of the language. Those of primitive types always mean the primitive type.
    (
        r#"{"type":"record","name":"record","fields":[
            {"name":"a","type":{"type":"enum","name":"array","symbols":[]}},
            {"name":"b","type":["null","record","array",{"type":"array","items":"array"}]},
            {"name":"c","type":{"type":"array"}},
            {"name":"d","type":{"type":"fixed","name":"union","size":1}},
            {"name":"e","type":["union",{"type":"record"}]}]}"#,
        "record record{a: enum array(), b: [null, &record, &array, array<&array>], c: &array, d: fixed union(1), \
         e: [&union, &record]}",
    ),
    (
        r#"[{"type":"fixed","name":"int","size":1},{"type":"fixed","name":"n.long","size":1},"int","long","n.long"]"#,
        "[fixed int(1), fixed n.long(1), int, long, &n.long]",
    ),
    // References: attributes beside them have nowhere to go.
    (
        r#"[{"type":"fixed","name":"F","size":12},{"type":"F","logicalType":"duration"},{"type":{"type":"F"},"x":1}]"#,
        "[fixed F(12), &F, &F]",
    ),
    (
        r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}"#,
        "record List{next: [null, &List]}",
    ),
    (
        r#"{"type":"record","name":"n.A","fields":[{"name":"b","type":{"type":"record","name":"B","fields":[
            {"name":"a","type":{"type":"map","values":"A"}},{"name":"b","type":["null","n.B"]}]}},{"name":"c","type":"B"}]}"#,
        "record n.A{b: record n.B{a: map<&n.A>, b: [null, &n.B]}, c: &n.B}",
    ),
    // An equal definition again, whatever its prose; here its own name and a name inside it occur again, too.
    (
        r#"[{"type":"record","name":"R","doc":"1","fields":[
               {"name":"a","type":{"type":"enum","name":"E","symbols":["A"]},"default":"A"},{"name":"r","type":["null",{"type":"array","items":"R"}]}]},
            {"type":"record","name":"R","doc":"2","fields":[
               {"name":"a","type":"E"},{"name":"r","type":{"type":["null",{"type":"array","items":"R"}]}}]},
            {"type":"map","values":{"type":"record","name":"R","fields":[
               {"name":"a","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"r","type":["null",{"type":"array","items":"R"}]}]}},
            {"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":"1"}]"#,
        r#"[record R{a: enum E(A) = "A", r: [null, array<&R>]} (1), &R, map<&R>, fixed F(1), &F]"#,
    ),
];

#[test]
fn parse_of_invalid_schema_names_place_and_fault() {
    for (text, expected) in ERRORS {
        match parse(text) {
            Ok(schema) => panic!("{text}\nis {}", print(&schema)),
            Err(e) => assert_eq!(e.to_string(), format!("invalid Avro schema: {expected}"), "{text}"),
        }
    }
}

const ERRORS: &[(&str, &str)] = &[
    ("", "not JSON (EOF while parsing a value at line 1 column 0) at $"),
    ("{\"type\":\"int\"", "not JSON (EOF while parsing an object at line 1 column 13) at $"),
    ("\"int\" \"int\"", "not JSON (trailing characters at line 1 column 7) at $"),
    ("integer", "not JSON (expected value at line 1 column 1) at $"),
    ("null", "a type must be a string, an object or an array, not null at $"),
    ("7", "a type must be a string, an object or an array, not a number at $"),
    (r#"{"type":true}"#, "a type must be a string, an object or an array, not a boolean at $.type"),
    ("{}", "the object has no `type` at $"),
    (r#""String""#, "unknown type `String`; did you mean `string`? at $"),
    (r#""record""#, "`record` is not a type by itself; write an object with `type` and `fields` at $"),
    (r#"{"type":"record","name":"R"}"#, "record `R` has no `fields` at $"),
    (r#"{"type":"record","fields":[]}"#, "record has no `name` at $"),
    (r#"{"type":"record","name":1,"fields":[]}"#, "the name of a record must be a string, not a number at $.name"),
    (
        r#"{"type":"record","name":"R","fields":{}}"#,
        "the fields of a record must be an array, not an object at $.fields",
    ),
    (
        r#"{"type":"record","name":"R","namespace":1,"fields":[]}"#,
        "a namespace must be a string, not a number at $.namespace",
    ),
    (r#"{"type":"record","name":"R","fields":["int"]}"#, "a field must be an object, not a string at $.fields[0]"),
    (r#"{"type":"record","name":"R","fields":[{"type":"int"}]}"#, "field has no `name` at $.fields[0]"),
    (r#"{"type":"record","name":"R","fields":[{"name":"a"}]}"#, "field `a` has no `type` at $.fields[0]"),
    (
        r#"{"type":"record","name":"n.R","fields":[{"name":"a","type":"int"},{"name":"b","type":["null",{"type":"Later"}]}]}"#,
        "type `n.Later` is not defined before its use at $.fields[1].type[1].type",
    ),
    (
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"array","items":"int"}]}"#,
        "`array` is not a type by itself; write an object with `type` and `items` at $.fields[0].type",
    ),
    (r#"["F",{"type":"fixed","name":"F","size":1}]"#, "type `F` is not defined before its use at $[0]"),
    (r#"{"type":"enum","name":"E"}"#, "enum `E` has no `symbols` at $"),
    (r#"{"type":"enum","symbols":[]}"#, "enum has no `name` at $"),
    (
        r#"{"type":"enum","name":"E","symbols":["A",1]}"#,
        "the symbols of an enum must be an array of strings at $.symbols",
    ),
    (r#"{"type":"fixed","name":"F"}"#, "fixed `F` has no `size` at $"),
    (r#"{"type":"fixed","size":1}"#, "fixed has no `name` at $"),
    (r#"{"type":"fixed","name":"F","size":-1}"#, "the size of a fixed must be a non-negative integer at $.size"),
    (r#"{"type":"fixed","name":"F","size":1.5}"#, "the size of a fixed must be a non-negative integer at $.size"),
    (r#"{"type":"fixed","name":"F","size":"x"}"#, "the size of a fixed must be a non-negative integer at $.size"),
    (r#"{"type":"array"}"#, "array has no `items` at $"),
    (
        r#"{"type":"map","values":{"type":"array","items":0}}"#,
        "a type must be a string, an object or an array, not a number at $.values.items",
    ),
    (r#"["null",["int"]]"#, "a union cannot directly contain a union at $[1]"),
    (r#"["null",{"type":["int"]}]"#, "a union cannot directly contain a union at $[1]"),
    (
        r#"[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]"#,
        "`F` is defined twice, with different definitions at $[1]",
    ),
    (
        r#"[{"type":"fixed","name":"F","size":1},{"type":"enum","name":"F","symbols":[]}]"#,
        "`F` is defined twice, with different definitions at $[1]",
    ),
    (
        r#"[{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]}]},
            {"type":"record","name":"R","fields":[{"name":"a","type":["int","null"]}]}]"#,
        "`R` is defined twice, with different definitions at $[1]",
    ),
    (
        r#"[{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]},
            {"type":"record","name":"R","fields":[{"name":"a","type":{"type":"int","logicalType":"date"}}]}]"#,
        "`R` is defined twice, with different definitions at $[1]",
    ),
    (
        r#"[{"type":"record","name":"R","fields":[]},{"type":"map","values":
            {"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":1}}]}}]"#,
        "`R` is defined twice, with different definitions at $[1].values",
    ),
    (
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"R","fields":[]}}]}"#,
        "`R` is defined again inside itself at $.fields[0].type",
    ),
    ("\"\\u001b[31m\\n\"", r"type `\u{1b}[31m\n` is not defined before its use at $"),
];

#[test]
fn parse_error_cuts_long_names() {
    let e = parse(&format!("\"{}\"", "é".repeat(5000))).unwrap_err().to_string();
    assert_eq!(e, format!("invalid Avro schema: type `{}…` is not defined before its use at $", "é".repeat(100)));
}

#[test]
fn parse_keeps_text_without_trailing_space() {
    assert_eq!(parse(" \"int\"\n\0").unwrap().json(), "\"int\"");
}

#[test]
fn parse_beyond_limit_is_an_error() {
    let nested = |levels| format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels));
    // Levels that are not in the text: each record refers to the one before it.
    let chained = |levels: usize| {
        let record = |i: usize| match i {
            0 => r#"{"type":"record","name":"R0","fields":[]}"#.to_owned(),
            i => format!(r#"{{"type":"record","name":"R{i}","fields":[{{"name":"f","type":"R{}"}}]}}"#, i - 1),
        };
        format!("[{}]", (0..levels).map(record).collect::<Vec<_>>().join(","))
    };
    let flat = Limits { nesting: 3, ..Limits::default() };
    let tight = Limits { schema_nodes: 4, ..Limits::default() };
    let cases = [
        (&flat, nested(3), None),
        (&flat, nested(4), Some("4 exceeds the limit `nesting` (3)")),
        (&tight, r#"["int","int","int"]"#.to_owned(), None),
        (&tight, r#"["int","int","int","int"]"#.to_owned(), Some("5 exceeds the limit `schema_nodes` (4)")),
        (&Limits::default(), nested(100), None),
        (&Limits::default(), nested(100_000), Some("100000 exceeds the limit `nesting` (128)")),
        (&Limits::default(), chained(127), None),
        (&Limits::default(), chained(128), Some("129 exceeds the limit `nesting` (128)")),
        (&Limits::default(), chained(50_000), Some("129 exceeds the limit `nesting` (128)")),
        (
            &Limits::default(),
            format!("[{}\"int\"]", "\"int\",".repeat(100_000)),
            Some("100001 exceeds the limit `schema_nodes` (100000)"),
        ),
    ];
    check_all(cases, |(limits, text, expected)| {
        let found = Schema::parse(&text, limits).err().map(|e| e.to_string());
        let fits = found.as_deref().unwrap_or("ok").starts_with(expected.unwrap_or("ok"));
        assert!(fits, "{}\n{found:?}", text.get(..80).unwrap_or(&text));
    });
}

#[test]
fn min_and_fixed_size_of_each_type() {
    let doubling = |levels: usize, last: &str| {
        let open =
            (1..=levels).rev().map(|i| format!(r#"{{"type":"record","name":"D{i}","fields":[{{"name":"a","type":"#));
        let close = (1..=levels).map(|i| match i {
            1 => format!(r#"}},{{"name":"b","type":{last}}}]}}"#),
            i => format!(r#"}},{{"name":"b","type":"D{}"}}]}}"#, i - 1),
        });
        format!("{}{last}{}", open.collect::<String>(), close.collect::<String>())
    };
    let fixed_huge = r#"{"type":"fixed","name":"F","size":9223372036854775807}"#;
    let cases = [
        (r#""null""#, 0, Some(0)),
        (r#""boolean""#, 1, Some(1)),
        (r#""long""#, 1, None),
        (r#"["float"]"#, 5, None),
        (r#"["double","float"]"#, 5, None),
        ("[]", 1, None),
        (r#"{"type":"array","items":"double"}"#, 1, None),
        (r#"{"type":"fixed","name":"F","size":0}"#, 0, Some(0)),
        (r#"{"type":"record","name":"R","fields":[]}"#, 0, Some(0)),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"float"},
               {"name":"b","type":{"type":"record","name":"S","fields":[{"name":"c","type":"double"}]}},{"name":"d","type":"S"}]}"#,
            20,
            Some(20),
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"float"},{"name":"b","type":["null","int"]}]}"#,
            5,
            None,
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":["R","float"]}]}"#,
            2,
            None,
        ),
        (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"float"},{"name":"b","type":"R"}]}"#, 4, None),
        (&doubling(24, r#""double""#), 8 << 24, Some(8 << 24)),
        (&doubling(30, r#""long""#), 1 << 30, None),
        (&doubling(40, r#""null""#), 0, Some(0)),
        (
            &format!(
                r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{fixed_huge}}},
                   {{"name":"b","type":"F"}},{{"name":"c","type":"F"}}]}}"#
            ),
            u64::MAX,
            None,
        ),
    ];
    check_all(cases, |(text, min, fixed)| {
        let schema = parse(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        let sizes = Sizes::of(&schema);
        assert_eq!((sizes.min(schema.root()), sizes.fixed(schema.root())), (min, fixed), "{text}");
    });
}

#[test]
fn parse_marks_recursive_types() {
    let cases = [
        (r#"["int"]"#, ""),
        (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"R"}]}"#, "R"),
        (r#"["null",{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"]}]}]"#, "R union"),
        (
            r#"{"type":"record","name":"A","fields":[
                {"name":"x","type":{"type":"record","name":"X","fields":[{"name":"y","type":"int"}]}},
                {"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":{"type":"array","items":"A"}}]}},
                {"name":"c","type":{"type":"record","name":"C","fields":[{"name":"b","type":"B"},{"name":"x","type":"X"}]}}]}"#,
            "A B array C",
        ),
        (
            r#"{"type":"record","name":"T","fields":[{"name":"l","type":
                {"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}}]}"#,
            "L union",
        ),
    ];
    check_all(cases, |(text, expected)| {
        let schema = parse(text).unwrap();
        let ids = (0..schema.len()).map(|idx| NodeId(idx as u32)).filter(|id| schema.is_recursive(*id));
        let names = ids.map(|id| match &schema.node(id).kind {
            named if named.name().is_some() => named.name().unwrap().to_string(),
            unnamed => unnamed.word().to_owned(),
        });
        assert_eq!(names.collect::<Vec<_>>().join(" "), expected, "{text}");
    });
}

/// A chain of recursive types that is not deep anywhere in the text, and 40 000 types deep when followed from its end.
#[test]
fn parse_of_long_recursive_chain_takes_no_stack() {
    let mut fields = String::new();
    for i in 0..20_000 {
        let before = if i == 0 { "null".to_owned() } else { format!("B{}", i - 1) };
        let inner = format!(r#"{{"type":"record","name":"B{i}","fields":[{{"name":"a","type":["null","A{i}"]}}]}}"#);
        let outer = format!(r#"{{"name":"b","type":{inner}}},{{"name":"c","type":["null","{before}"]}}"#);
        fields += &format!(r#",{{"name":"f{i}","type":{{"type":"record","name":"A{i}","fields":[{outer}]}}}}"#);
    }
    let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, &fields[1..]);
    let schema = Schema::parse(&text, &Limits { schema_nodes: 1_000_000, ..Limits::default() }).unwrap();
    assert!(schema.is_recursive(NodeId(1)) && !schema.is_recursive(schema.root()));
    assert_eq!(Sizes::of(&schema).min(schema.root()), 40_000);
}

/// The schema of a container file's header, read the short way.
fn schema_of(file: &[u8]) -> Option<String> {
    fn long(bytes: &mut &[u8]) -> Option<i64> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = bytes.split_first()?;
            *bytes = rest;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((n >> 1) as i64 ^ -((n & 1) as i64));
            }
        }
        None
    }
    fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let len = usize::try_from(long(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(len)?;
        *bytes = rest;
        Some(text)
    }
    let mut bytes = file.strip_prefix(b"Obj\x01")?;
    loop {
        let count = long(&mut bytes)?;
        if count < 0 {
            long(&mut bytes)?;
        }
        if count == 0 {
            return None;
        }
        for _ in 0..count.unsigned_abs() {
            let (key, value) = (text(&mut bytes)?, text(&mut bytes)?);
            if key == b"avro.schema" {
                return String::from_utf8(value.to_vec()).ok();
            }
        }
    }
}

/// Every schema of a collection of files from many projects, where that collection is beside the workspace.
#[test]
fn parse_of_foreign_schemas_succeeds() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared/data/avro"));
    let Some(folder) = beside.into_iter().find(|dir| dir.join("MANIFEST.tsv").is_file()) else {
        eprintln!("note: no collection of files beside the workspace, nothing tested");
        return;
    };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let (mut n_parsed, mut failures) = (0, Vec::new());
    for line in manifest.lines().skip(1) {
        let mut columns = line.split('\t');
        let (Some(name), Some(kind)) = (columns.next(), columns.next()) else { continue };
        let file = std::fs::read(folder.join(name)).unwrap();
        let Some(text) = schema_of(&file) else {
            if kind == "valid" && file.starts_with(b"Obj\x01") {
                failures.push(format!("{name}: no schema in the header"));
            }
            continue;
        };
        let features = columns.nth(7).unwrap_or_default();
        match parse(&text) {
            Err(e) if kind == "valid" => failures.push(format!("{name}: {e}")),
            Err(_) => {}
            Ok(schema) => {
                n_parsed += 1;
                let recursive = (0..schema.len()).any(|idx| schema.is_recursive(NodeId(idx as u32)));
                if kind == "valid" && recursive != features.contains("RECURSIVE") {
                    failures.push(format!("{name}: recursive {recursive}, but {features}"));
                }
                let sizes = Sizes::of(&schema);
                let root = schema.root();
                assert!(sizes.fixed(root).is_none_or(|n| n == sizes.min(root)), "{name}");
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    eprintln!("{n_parsed} schemas parsed");
}
