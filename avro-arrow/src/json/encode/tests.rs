//! Tables of texts with their bytes and errors; random values there and back; schemas and texts made to take forever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::json::Decoder;
use avro_testing::{check_all, check_seeds, random_rows_of, random_schema};
use std::time::{Duration, Instant};

const LIST: &str = r#"{"type":"record","name":"n.L","fields":[{"name":"v","type":"int"},
    {"name":"next","type":["null","L"]}]}"#;

fn schema(json: &str) -> Schema {
    Schema::parse(json, &Limits::default()).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// A record of one field.
fn field(kind: &str, default: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{kind},"default":{default}}}]}}"#)
}

fn encoded(json: &str, form: Form, text: &str) -> Result<Vec<u8>, String> {
    let schema = schema(json);
    let mut out = b"before".to_vec();
    let done = Encoder::new(&schema, form, &Limits::default()).encode(text, schema.root(), &mut out);
    let bytes = out.strip_prefix(b"before").unwrap().to_vec();
    match done {
        Ok(()) => Ok(bytes),
        Err(e) => {
            assert_eq!(bytes, b"", "{text}");
            Err(e.to_string())
        }
    }
}

const FIXED: &str = r#"{"type":"fixed","name":"a.F","size":2}"#;
const ENUM: &str = r#"{"type":"enum","name":"E","symbols":["A","B","NaN"]}"#;

#[test]
fn encode_reads_both_forms() {
    let two = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":"d"}]}"#;
    let cases: &[(&str, &str, &[u8])] = &[
        (r#""null""#, "null", &[]),
        (r#""boolean""#, "true", &[1]),
        (r#""int""#, "-2147483648", &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        (r#""int""#, "3.0", &[6]),
        (r#""int""#, "1e2", &[0xc8, 1]),
        (r#""long""#, "9223372036854775807", &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        (r#""long""#, "-0", &[0]),
        (r#""float""#, "0.1", &0.1f32.to_le_bytes()),
        (r#""float""#, r#""-Infinity""#, &f32::NEG_INFINITY.to_le_bytes()),
        (r#""double""#, "1", &1f64.to_le_bytes()),
        (r#""double""#, "-0.0", &(-0f64).to_le_bytes()),
        (r#""double""#, r#""NaN""#, &f64::NAN.to_le_bytes()),
        (r#""string""#, r#""é\n\ud83e\udd80""#, "\u{e}é\n🦀".as_bytes()),
        (r#""bytes""#, r#""a\u0000ÿ\u00e9""#, &[8, b'a', 0, 0xff, 0xe9]),
        (FIXED, r#""\u0001\u0080""#, &[1, 0x80]),
        (ENUM, r#""B""#, &[2]),
        (r#"{"type":"array","items":"int"}"#, "[]", &[0]),
        (r#"{"type":"array","items":"int"}"#, "[1, 2]", &[4, 2, 4, 0]),
        (r#"{"type":"map","values":"int"}"#, r#"{"a":1,"a":2,"":3}"#, &[6, 2, b'a', 2, 2, b'a', 4, 0, 6, 0]),
        (two, r#"{"a":1,"b":"x"}"#, &[2, 2, b'x']),
        (two, r#"{"b":"x","a":1}"#, &[2, 2, b'x']),
        (two, r#"{"a":1}"#, &[2, 2, b'd']),
        (r#"{"type":"record","name":"R","fields":[]}"#, "{}", &[]),
    ];
    check_all(cases, |(json, text, want)| {
        for form in [Form::Avro, Form::Plain] {
            assert_eq!(encoded(json, form, text), Ok(want.to_vec()), "{json} {text}");
        }
    });
}

#[test]
fn encode_finds_branch_of_union() {
    let named = format!(r#"["null",{FIXED},{ENUM},"string"]"#);
    let records = r#"[{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},
        {"type":"record","name":"B","fields":[{"name":"x","type":"string"}]},
        {"type":"record","name":"C","fields":[{"name":"x","type":["null","long"]},{"name":"y","type":"int","default":7}]},
        {"type":"map","values":["null","boolean"]}]"#;
    let avro: &[(&str, &str, &[u8])] = &[
        (r#"["null","long"]"#, "null", &[0]),
        (r#"["null","long"]"#, r#"{"long":1}"#, &[2, 2]),
        (&named, r#"{"a.F":"ab"}"#, &[2, b'a', b'b']),
        (&named, r#"{"F":"ab"}"#, &[2, b'a', b'b']),
        (&named, r#"{"E":"A"}"#, &[4, 0]),
        (&named, r#"{"string":"A"}"#, &[6, 2, b'A']),
        (LIST, r#"{"v":1,"next":{"n.L":{"v":2,"next":null}}}"#, &[2, 2, 4, 0]),
    ];
    let plain: &[(&str, &str, &[u8])] = &[
        (r#"["null","long"]"#, "1", &[2, 2]),
        (r#"["null","long"]"#, "1.0", &[2, 2]),
        (r#"["int","long","double","string"]"#, "1", &[0, 2]),
        (r#"["int","long","double","string"]"#, "4294967296", &[2, 0x80, 0x80, 0x80, 0x80, 0x20]),
        (r#"["int","double","string"]"#, "1.0", &[2, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        // The first branch that loses nothing; the first at all, where each would.
        (r#"["float","double"]"#, "0.1", &[0, 0xcd, 0xcc, 0xcc, 0x3d]),
        (r#"["float","double"]"#, "0.30000000000000004", &[2, 0x34, 0x33, 0x33, 0x33, 0x33, 0x33, 0xd3, 0x3f]),
        (r#"["float","long"]"#, "16777216", &[0, 0, 0, 0x80, 0x4b]),
        (r#"["float","long"]"#, "16777217", &[2, 0x82, 0x80, 0x80, 0x10]),
        (r#"["double","long"]"#, "9007199254740993", &[2, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]),
        (r#"["float","string"]"#, "16777217", &[0, 0, 0, 0x80, 0x4b]),
        (&named, r#""ab""#, &[2, b'a', b'b']),
        (&named, r#""A""#, &[4, 0]),
        (&named, r#""abc""#, &[6, 6, b'a', b'b', b'c']),
        (records, r#"{"x":1}"#, &[0, 2]),
        (records, r#"{"x":"s"}"#, &[2, 2, b's']),
        (records, r#"{"x":null}"#, &[4, 0, 14]),
        (records, r#"{"x":1,"y":2}"#, &[4, 2, 2, 4]),
        (records, r#"{"x":true}"#, &[6, 2, 2, b'x', 2, 1, 0]),
        (records, "{}", &[6, 0]),
        (LIST, r#"{"v":1,"next":{"v":2,"next":null}}"#, &[2, 2, 4, 0]),
        (r#"[{"type":"array","items":"int"},"null"]"#, "[1]", &[0, 2, 2, 0]),
    ];
    for (form, cases) in [(Form::Avro, avro), (Form::Plain, plain)] {
        for (json, text, want) in cases {
            assert_eq!(encoded(json, form, text), Ok(want.to_vec()), "{json} {text}");
        }
    }
}

/// Defaults are as schemas have them: of unions any branch, not only the first.
#[test]
fn encode_fills_in_defaults() {
    let long = |kind: &str, default: &str| field(kind, default);
    let cases: &[(String, &[u8])] = &[
        (long(r#""long""#, "1.0"), &[2]),
        (long(r#""float""#, "1e300"), &f32::INFINITY.to_le_bytes()),
        (long(r#""bytes""#, r#""\u00ff""#), &[2, 0xff]),
        (long(r#"["null","string"]"#, "null"), &[0]),
        (long(r#"["null","string"]"#, r#""x""#), &[2, 2, b'x']),
        (long(r#"["null",{"type":"array","items":["int","string"]}]"#, r#"[1,"x"]"#), &[2, 4, 0, 2, 2, 2, b'x', 0]),
        (long(&field(r#""int""#, "3").replace("\"R\"", "\"S\""), r#"{"other":1}"#), &[6]),
    ];
    check_all(cases, |(json, want)| {
        assert_eq!(encoded(json, Form::Avro, "{}"), Ok(want.to_vec()), "{json}");
        let schema = schema(json);
        let Kind::Record(record) = &schema.node(schema.root()).kind else { panic!() };
        let [field] = record.fields.as_slice() else { panic!() };
        let mut encoder = Encoder::new(&schema, Form::Avro, &Limits::default());
        let mut out = Vec::new();
        encoder.encode_default(field.default.as_ref().unwrap(), field.node, &mut out).unwrap();
        assert_eq!(out, *want, "{json}");
    });
}

#[test]
fn encode_of_wrong_value_names_path_and_type() {
    let nested = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"map","values":
        {"type":"array","items":["null","long",{"type":"record","name":"n.S","fields":[{"name":"b","type":"int"}]}]}}}]}"#;
    let fixed = FIXED;
    let cases: &[(&str, Form, &str, &str)] = &[
        (r#""int""#, Form::Avro, "[1", "byte 2: not JSON: expected `,` or `]`"),
        (r#""int""#, Form::Avro, "1.5", "$: expected int, found 1.5"),
        (r#""int""#, Form::Avro, "2147483648", "$: expected int, found 2147483648"),
        (r#""long""#, Form::Avro, "9223372036854775808", "$: expected long, found 9223372036854775808"),
        (r#""float""#, Form::Avro, "1e39", "$: expected float, found 1e39"),
        (r#""double""#, Form::Avro, r#""x""#, r#"$: expected double, found "x""#),
        (r#""string""#, Form::Avro, "null", "$: expected string, found null"),
        (r#""string""#, Form::Avro, "[1,2]", "$: expected string, found an array of 2"),
        (r#""bytes""#, Form::Avro, "\"\u{100}\"", "$: expected bytes as characters up to U+00FF, found \"\u{100}\""),
        (fixed, Form::Avro, r#""a""#, r#"$: expected 2 characters up to U+00FF for fixed a.F(2), found "a""#),
        (ENUM, Form::Avro, r#""C""#, r#"$: expected enum E: A, B, NaN, found "C""#),
        (
            nested,
            Form::Avro,
            r#"{"a":{"k":[],"l m":[null,{"n.S":{"b":true}}]}}"#,
            r#"$.a["l m"][1]["n.S"].b: expected int, found true"#,
        ),
        (nested, Form::Plain, r#"{"a":{"k":[null,3,{"b":"x"}]}}"#, r#"$.a.k[2].b: expected int, found "x""#),
        (nested, Form::Plain, r#"{"a":{"k":[true]}}"#, "$.a.k[0]: expected one of null, long, n.S, found true"),
        (
            nested,
            Form::Avro,
            r#"{"a":{"k":[1]}}"#,
            r#"$.a.k[0]: expected one of null, {"long": …}, {"n.S": …}, found 1; --plain reads unions without tags"#,
        ),
        (
            nested,
            Form::Avro,
            r#"{"a":{"k":[{"int":1}]}}"#,
            r#"$.a.k[0]: expected one of null, {"long": …}, {"n.S": …}, found the key "int"; --plain reads unions without tags"#,
        ),
        (nested, Form::Avro, "{}", "$: record R needs a field `a`, which has no default"),
        (nested, Form::Avro, r#"{"a":{},"b":1}"#, r#"$: record R has no field "b""#),
        (nested, Form::Avro, r#"{"a":{},"a":{}}"#, r#"$: the field "a" occurs twice"#),
        (
            r#"["int",{"type":"map","values":"int"},{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}]"#,
            Form::Plain,
            r#"{"a":"x"}"#,
            "$: expected one of int, map, R, found an object of 1",
        ),
    ];
    check_all(cases, |(json, form, text, want)| {
        assert_eq!(encoded(json, *form, text), Err(want.to_string()), "{json} {text}");
    });
    let useless = "$.a: the default of `a` in record R, which is not given, is of no use for its type";
    assert_eq!(encoded(&field(r#""int""#, r#""x""#), Form::Avro, "{}"), Err(useless.to_string()));
    assert_eq!(encoded(&field(r#"["null","R"]"#, "{}"), Form::Avro, "{}"), Err(useless.to_string()));
}

/// Bytes → JSON → bytes → JSON: the texts are the same. Without tags, what was written can be read.
#[test]
fn encode_of_random_rows_gives_their_json_again() {
    let limits = Limits::default();
    let (mut n_same, mut n_plain, mut n_refused) = (0, 0, 0);
    check_seeds(0..3_000, |rng| {
        let json = random_schema(rng);
        let Ok(schema) = Schema::parse(&json, &limits) else { return };
        let rows = random_rows_of(rng, &json, 3);
        let decoders = [Form::Avro, Form::Plain].map(|form| Decoder::new(&schema, form, &limits));
        let mut encoders = [Form::Avro, Form::Plain].map(|form| Encoder::new(&schema, form, &limits));
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let [mut avro, mut plain] = [Vec::new(), Vec::new()];
            let Ok(n) = decoders[0].decode(rest, &mut avro) else { break };
            let mut bytes = Vec::new();
            let text = std::str::from_utf8(&avro).unwrap();
            encoders[0].encode(text, schema.root(), &mut bytes).unwrap_or_else(|e| panic!("{json}\n{text}\n{e}"));
            let mut again = Vec::new();
            assert_eq!(decoders[0].decode(&bytes, &mut again).unwrap(), bytes.len());
            assert_eq!(std::str::from_utf8(&again).unwrap(), text, "{json}");
            n_same += 1;

            decoders[1].decode(rest, &mut plain).unwrap();
            let text = std::str::from_utf8(&plain).unwrap();
            bytes.clear();
            // Made-up decimals may have more digits than their precision, which is refused.
            if let Err(e) = encoders[1].encode(text, schema.root(), &mut bytes) {
                assert!(json.contains("decimal"), "{json}\n{text}\n{e}");
                n_refused += 1;
                break;
            }
            assert_eq!(decoders[1].decode(&bytes, &mut again).unwrap(), bytes.len());
            n_plain += 1;
            if n == 0 {
                break;
            }
            rest = rest.get(n..).unwrap();
        }
    });
    assert!(n_same > 3_000 && n_plain + n_refused == n_same, "{n_same} {n_plain} {n_refused}");
    assert!(n_refused < n_same / 20, "{n_refused}");
}

#[test]
fn encode_of_deep_nesting_takes_no_stack() {
    let schema = schema(LIST);
    let n = 50_000;
    let mut bytes = [0, 2].repeat(n - 1);
    bytes.extend([0, 0]);
    let limits = Limits { value_nesting: n, ..Limits::default() };
    let few = Limits { value_nesting: n - 1, ..Limits::default() };
    for form in [Form::Avro, Form::Plain] {
        let mut text = Vec::new();
        Decoder::new(&schema, form, &limits).decode(&bytes, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let mut out = Vec::new();
        Encoder::new(&schema, form, &limits).encode(&text, schema.root(), &mut out).unwrap();
        assert_eq!(out, bytes);
        let error = Encoder::new(&schema, form, &few).encode(&text, schema.root(), &mut out).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { limit: "value_nesting", .. }), "{error}");
    }
}

/// Unions in unions, each with several branches that fit but for the innermost value.
#[test]
fn encode_of_nested_unions_tries_each_branch_once() {
    let mut json = r#"["int"]"#.to_string();
    let mut text = "true".to_string();
    for level in 0..28 {
        let branch = |of: usize, kind: &str| {
            format!(r#"{{"type":"record","name":"R{level}_{of}","fields":[{{"name":"a","type":{kind}}}]}}"#)
        };
        // A named type can be defined once, so the others refer to what the first holds.
        let inner = if level == 0 { json.clone() } else { refer(level - 1) };
        json = format!("[{},{},{}]", branch(0, &json), branch(1, &inner), branch(2, &inner));
        text = format!(r#"{{"a":{text}}}"#);
    }
    fn refer(level: usize) -> String {
        format!(r#"["R{level}_0","R{level}_1","R{level}_2"]"#)
    }
    let start = Instant::now();
    let error = encoded(&json, Form::Plain, &text).unwrap_err();
    assert_eq!(error, "$: expected one of R27_0, R27_1, R27_2, found an object of 1");
    assert!(encoded(&json, Form::Plain, &text.replace("true", "1")).is_ok());
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

/// Defaults in defaults, each twice: a short text for much.
#[test]
fn encode_of_defaults_that_double_ends() {
    let levels = |bottom: &str| {
        let mut json = format!(r#"{{"type":"record","name":"R0","fields":[{bottom}]}}"#);
        for level in 1..28 {
            let below = level - 1;
            json = format!(
                r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{json},"default":{{}}}},
                    {{"name":"b","type":"R{below}","default":{{}}}}]}}"#
            );
        }
        json
    };
    assert_eq!(encoded(&levels(""), Form::Avro, "{}"), Ok(Vec::new()));
    let error = encoded(&levels(r#"{"name":"x","type":"int","default":1}"#), Form::Avro, "{}").unwrap_err();
    assert!(error.contains("is of no use"), "{error}");

    // And many at a time.
    let fields: Vec<String> =
        (0..5_000).map(|n| format!(r#"{{"name":"f{n}","type":"null","default":null}}"#)).collect();
    let json = format!(r#"{{"type":"array","items":{{"type":"record","name":"R","fields":[{}]}}}}"#, fields.join(","));
    let schema = schema(&json);
    let limits = Limits { block_bytes: 1_000_000, ..Limits::default() };
    let text = format!("[{}{{}}]", "{},".repeat(100_000));
    let error = Encoder::new(&schema, Form::Plain, &limits).encode(&text, schema.root(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { limit: "block_bytes", .. }), "{error}");
}

fn readable(json: &str, text: &str) -> Result<Vec<u8>, String> {
    let schema = schema(json);
    let mut out = Vec::new();
    let done = Encoder::readable(&schema, &Limits::default()).encode(text, schema.root(), &mut out);
    done.map(|()| out).map_err(|e| e.to_string())
}

const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;

#[test]
fn encode_reads_readable_values() {
    let logical = |base: &str, word: &str| format!(r#"{{"type":"{base}","logicalType":"{word}"}}"#);
    let records = r#"[{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},
        {"type":"record","name":"n.B","fields":[{"name":"x","type":"int"}]},"null"]"#;
    let cases: &[(&str, &str, &[u8])] = &[
        (r#""int""#, r#""-3""#, &[5]),
        (r#""boolean""#, r#""TRUE""#, &[1]),
        (r#""float""#, r#""0.1""#, &0.1f32.to_le_bytes()),
        (r#""double""#, r#""-inf""#, &f64::NEG_INFINITY.to_le_bytes()),
        (r#""bytes""#, r#""\\x00ff""#, &[4, 0, 0xff]),
        (FIXED, r#""\\x00ff""#, &[0, 0xff]),
        (DECIMAL, "100.00", &[4, 0x27, 0x10]),
        (DECIMAL, r#""100""#, &[4, 0x27, 0x10]),
        (&logical("int", "date"), r#""1970-01-02""#, &[2]),
        (&logical("int", "date"), r#""2147483647""#, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (&logical("long", "timestamp-millis"), r#""1970-01-01T00:00:00.001Z""#, &[2]),
        (&logical("long", "timestamp-millis"), r#""1970-01-01T01:00:00+01:00""#, &[0]),
        (&logical("long", "timestamp-millis"), "5", &[10]),
        // Branches that look alike have tags, and others need none.
        (r#"["null","int","long"]"#, r#"{"long":1}"#, &[4, 2]),
        (r#"["null","int","long"]"#, "1", &[2, 2]),
        (r#"["null","long","double"]"#, "1", &[2, 2]),
        (r#"["null","long","double"]"#, "1.0", &[4, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        (r#"["long","string"]"#, r#""1""#, &[2, 2, b'1']),
        (r#"["string","double"]"#, r#""NaN""#, &[0, 6, b'N', b'a', b'N']),
        (r#"["string","double"]"#, r#"{"double":"NaN"}"#, &[2, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]),
        (r#"["string","bytes"]"#, r#"{"bytes":"\\xff"}"#, &[2, 2, 0xff]),
        (records, r#"{"B":{"x":1}}"#, &[2, 2]),
        (records, "null", &[4]),
        // Records inside themselves are text, and what is missing is null.
        (LIST, r#"{"v":1,"next":"{\"v\":2,\"next\":null}"}"#, &[2, 2, 4, 0]),
        (LIST, r#"{"v":1}"#, &[2, 0]),
    ];
    check_all(cases, |(json, text, want)| {
        assert_eq!(readable(json, text), Ok(want.to_vec()), "{json} {text}");
    });
    let errors: &[(&str, &str, &str)] = &[
        (r#""bytes""#, r#""00ff""#, r#"$: expected `\x` and hex digits, such as `\x00ff`, for bytes, found "00ff""#),
        (r#""int""#, "1.5", "$: expected int, found 1.5"),
        (
            DECIMAL,
            "0.001",
            "$: expected a number of at most 9 digits, 2 of them after the point (bytes (decimal(9, 2))), found 0.001",
        ),
        (
            &logical("long", "local-timestamp-millis"),
            r#""1970-01-01T00:00:00Z""#,
            r#"$: expected long (local-timestamp-millis), such as `2024-02-29T23:59:59.999`, found "1970-01-01T00:00:00Z""#,
        ),
        (r#""string""#, "5", "$: expected string, found 5"),
    ];
    check_all(errors, |(json, text, want)| {
        assert_eq!(readable(json, text), Err((*want).to_string()), "{json} {text}");
    });
}

#[test]
fn encode_cell_reads_by_type() {
    let cases: &[(&str, Option<&str>, &[u8])] = &[
        (r#"["null","string"]"#, None, &[0]),
        (r#"["null","string"]"#, Some(""), &[2, 0]),
        (r#""string""#, None, &[0]),
        (r#""string""#, Some("5"), &[2, b'5']),
        (r#""long""#, Some("5"), &[10]),
        (r#"["null","long","string"]"#, Some("5"), &[2, 10]),
        (r#"["null","long","string"]"#, Some("a,b"), &[4, 6, b'a', b',', b'b']),
        (r#"["null","long","string"]"#, Some(r#"{"string":"5"}"#), &[4, 2, b'5']),
        (r#"["null","long","string"]"#, Some("[1]"), &[4, 6, b'[', b'1', b']']),
        (r#"{"type":"array","items":"long"}"#, Some("[1]"), &[2, 2, 0]),
    ];
    check_all(cases, |(json, cell, want)| {
        let schema = schema(json);
        let mut out = Vec::new();
        Encoder::readable(&schema, &Limits::default()).encode_cell(*cell, schema.root(), &mut out).unwrap();
        assert_eq!(out, *want, "{json} {cell:?}");
    });
    let schema = schema(r#""long""#);
    let error = Encoder::readable(&schema, &Limits::default()).encode_cell(None, schema.root(), &mut Vec::new());
    assert_eq!(error.unwrap_err().to_string(), "$: expected long, found an empty cell");
}

/// Decimals are bytes in the specification's encoding, and numbers in the plain one.
#[test]
fn encode_reads_decimals_of_both_forms() {
    assert_eq!(encoded(DECIMAL, Form::Avro, r#""'\u0010""#), Ok(vec![4, 0x27, 0x10]));
    // Two digits may well be the bytes that they are.
    assert_eq!(encoded(DECIMAL, Form::Avro, r#""10""#), Ok(vec![4, b'1', b'0']));
    let error = encoded(DECIMAL, Form::Avro, r#""100.00""#).unwrap_err();
    assert!(error.contains("--plain reads numbers"), "{error}");
    for text in ["100.00", "100", r#""100.00""#, "1e2"] {
        assert_eq!(encoded(DECIMAL, Form::Plain, text), Ok(vec![4, 0x27, 0x10]), "{text}");
    }
    assert!(encoded(DECIMAL, Form::Plain, r#""'\u0010""#).is_err());
    // Text is that of the union's string.
    let union = format!(r#"["null",{DECIMAL},"string"]"#);
    assert_eq!(encoded(&union, Form::Plain, r#""1""#), Ok(vec![4, 2, b'1']));
    assert_eq!(encoded(&union, Form::Plain, "1"), Ok(vec![2, 2, 100]));
}
