//! Tables of values with their texts and faults, and types made to exhaust memory or the stack.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::schema::Schema;
use avro_testing::check_all;

const LIST: &str = r#"{"type":"record","name":"n.L","fields":[{"name":"v","type":"int"},
    {"name":"next","type":["null","L"]}]}"#;
const MANY: Limits = Limits {
    block_bytes: 1000,
    batch_bytes: 1 << 30,
    metadata_bytes: 1 << 20,
    schema_nodes: 100,
    arrow_fields: 100,
    nesting: 10,
    value_nesting: 3,
    zero_width_items: 5,
};

/// A result and where the cursor stood.
type Place<T> = (T, usize);

/// Writes and skips one value. The text or fault, where the cursor stands, and the same for skipping.
fn run(schema: &str, bytes: &[u8]) -> (Place<Result<String, Fault>>, Place<Option<Fault>>) {
    let schema = Schema::parse(schema, &Limits::default()).unwrap();
    let resolution = Resolution::same(&schema);
    let (mut writing, mut skipping) = (Cursor::new(bytes), Cursor::new(bytes));
    let mut out = b"before".to_vec();
    let written = write_json(&resolution, resolution.root, &mut writing, &mut out, &MANY);
    let text = written.map(|()| String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_string());
    let skipped = skip_value(&schema, schema.root(), &mut skipping, &MANY);
    ((text, writing.at()), (skipped.err(), skipping.at()))
}

#[test]
fn decode_writes_json_of_both_forms() {
    let cases: &[(&str, &[u8], &str)] = &[
        (r#""null""#, &[], "null"),
        (r#""boolean""#, &[1], "true"),
        (r#""int""#, &[0xff, 0xff, 0xff, 0xff, 0x0f], "-2147483648"),
        (r#""long""#, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "9223372036854775807"),
        (r#""float""#, &0.1f32.to_le_bytes(), "0.1"),
        (r#""float""#, &f32::NAN.to_le_bytes(), r#""NaN""#),
        (r#""double""#, &1e300f64.to_le_bytes(), "1e300"),
        (r#""double""#, &(-0.0f64).to_le_bytes(), "-0.0"),
        (r#""double""#, &f64::INFINITY.to_le_bytes(), r#""Infinity""#),
        (r#""double""#, &f64::NEG_INFINITY.to_le_bytes(), r#""-Infinity""#),
        (r#""bytes""#, &[10, b'a', b'"', 0, 0xe9, 0xff], "\"a\\\"\\u0000éÿ\""),
        (r#""string""#, "\x14\\\n\u{7f}é🦀\t".as_bytes(), "\"\\\\\\n\u{7f}é🦀\\t\""),
        (r#"{"type":"fixed","name":"F","size":2}"#, &[1, 0x80], "\"\\u0001\u{80}\""),
        (r#"{"type":"fixed","name":"F","size":0}"#, &[], r#""""#),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, &[2], r#""B""#),
        (r#"{"type":"array","items":"int"}"#, &[0], "[]"),
        (r#"{"type":"array","items":"int"}"#, &[2, 2, 3, 4, 4, 6, 0], "[1,2,3]"),
        (r#"{"type":"array","items":"null"}"#, &[4, 2, 0], "[null,null,null]"),
        (r#"{"type":"map","values":"int"}"#, &[3, 12, 2, b'a', 2, 2, b'"', 4, 0], r#"{"a":1,"\"":2}"#),
        (r#"["null","int",{"type":"enum","name":"x.E","symbols":["A"]}]"#, &[0], "null"),
        (r#"["null","int",{"type":"enum","name":"x.E","symbols":["A"]}]"#, &[2, 1], r#"{"int":-1}"#),
        (r#"["null","int",{"type":"enum","name":"x.E","symbols":["A"]}]"#, &[4, 0], r#"{"x.E":"A"}"#),
        (r#"{"type":"record","name":"R","fields":[]}"#, &[], "{}"),
        (LIST, &[2, 2, 4, 0], r#"{"v":1,"next":{"n.L":{"v":2,"next":null}}}"#),
    ];
    check_all(cases, |(schema, bytes, want)| {
        // The size of the map's block: `3, 12` says 2 entries of 6 bytes.
        let want = ((Ok(want.to_string()), bytes.len()), (None, bytes.len()));
        assert_eq!(run(schema, bytes), want, "{schema} {bytes:?}");
    });
}

#[test]
fn decode_of_damaged_value_names_the_fault() {
    let union = r#"["null","int"]"#;
    let ints = r#"{"type":"array","items":"int"}"#;
    let nulls = r#"{"type":"array","items":"null"}"#;
    let map = r#"{"type":"map","values":"int"}"#;
    let items = |n| Fault::ItemCount(n);
    let size = |stated, found| Fault::ItemBytes { stated, found };
    // The fault of writing and where the cursor stands then; the same of skipping, which finds less.
    type Case<'a> = (&'a str, &'a [u8], (Fault, usize), (Option<Fault>, usize));
    let cases: &[Case<'_>] = &[
        (r#""boolean""#, &[2], (Fault::Boolean(2), 0), (None, 1)),
        (r#""int""#, &[0x80, 0x80, 0x80, 0x80, 0x10], (Fault::IntRange(1 << 31), 0), (None, 5)),
        (r#""long""#, &[0x80], (Fault::End, 0), (Some(Fault::End), 0)),
        (r#""string""#, &[2, 0xff], (Fault::Utf8, 0), (None, 2)),
        (r#""string""#, &[1], (Fault::NegativeLength(-1), 0), (Some(Fault::NegativeLength(-1)), 0)),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, &[2], (Fault::EnumSymbol(1), 0), (None, 1)),
        (union, &[1], (Fault::UnionBranch(-1), 0), (Some(Fault::UnionBranch(-1)), 0)),
        (union, &[4], (Fault::UnionBranch(2), 0), (Some(Fault::UnionBranch(2)), 0)),
        (union, &[2], (Fault::End, 1), (Some(Fault::End), 1)),
        (ints, &[2, 2, 8, 0, 0], (items(4), 2), (Some(Fault::End), 5)),
        (ints, &[1, 4, 0, 0, 0], (size(2, 1), 0), (None, 5)),
        (ints, &[1, 4, 0, 0], (size(2, 1), 0), (Some(Fault::End), 4)),
        (ints, &[1, 1, 0, 0], (size(-1, 0), 0), (Some(size(-1, 0)), 0)),
        (ints, &[2, 2], (Fault::End, 2), (Some(Fault::End), 2)),
        (nulls, &[4, 8, 0], (limit("zero_width_items", 6, 5), 1), (None, 3)),
        (map, &[2, 2, 0xff, 0, 0], (Fault::Utf8, 1), (None, 5)),
        (LIST, &[0, 2, 0, 2, 0, 2, 0, 0], (limit("value_nesting", 4, 3), 6), (Some(limit("value_nesting", 4, 3)), 6)),
    ];
    check_all(cases, |(schema, bytes, written, skipped)| {
        let got = run(schema, bytes);
        assert_eq!(got, ((Err(written.0), written.1), *skipped), "{schema} {bytes:?}");
    });
}

#[test]
fn decode_of_deep_nesting_takes_no_stack() {
    let schema = Schema::parse(LIST, &Limits::default()).unwrap();
    let resolution = Resolution::same(&schema);
    let mut bytes = [0, 2].repeat(99_999);
    bytes.extend([0, 0]);
    let limits = Limits { value_nesting: 100_000, ..Limits::default() };
    let mut out = Vec::new();
    let mut cursor = Cursor::new(&bytes);
    assert_eq!(write_json(&resolution, resolution.root, &mut cursor, &mut out, &limits), Ok(()));
    assert_eq!(skip_value(&schema, schema.root(), &mut Cursor::new(&bytes), &limits), Ok(()));
    assert_eq!((cursor.remaining(), out.iter().filter(|b| **b == b'{').count()), (0, 199_999));
    let few = Limits { value_nesting: 99_999, ..Limits::default() };
    let fault = Err(limit("value_nesting", 100_000, 99_999));
    assert_eq!(write_json(&resolution, resolution.root, &mut Cursor::new(&bytes), &mut out, &few), fault);
}

/// Forty levels of records that each hold the next twice, with no bytes at the bottom.
#[test]
fn decode_of_types_that_double_ends() {
    let mut text = r#"{"type":"record","name":"R0","fields":[]}"#.to_string();
    for level in 1..40 {
        let below = level - 1;
        text = format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{text}}},{{"name":"b","type":"R{below}"}}]}}"#
        );
    }
    let limits = Limits { block_bytes: 10_000, ..Limits::default() };
    let schema = Schema::parse(&text, &limits).unwrap();
    let resolution = Resolution::same(&schema);
    assert!(is_zero_width(&schema, schema.root()));
    assert_eq!(skip_value(&schema, schema.root(), &mut Cursor::new(&[]), &limits), Ok(()));
    let written = write_json(&resolution, resolution.root, &mut Cursor::new(&[]), &mut Vec::new(), &limits);
    assert!(matches!(written, Err(Fault::Limit { limit: "block_bytes", .. })), "{written:?}");
}

/// Defaults are written where records end, many at a time.
#[test]
fn decode_writes_defaults() {
    let schema = |json: &str| Schema::parse(json, &Limits::default()).unwrap();
    let default = "x".repeat(600);
    let reader = LIST.replace("]}]}", &format!(r#"]}},{{"name":"d","type":"string","default":"{default}"}}]}}"#));
    let resolution = Resolution::new(
        &schema(LIST),
        &schema(&reader),
        Default::default(),
        crate::resolve::Rules::LENIENT,
        &Limits::default(),
    )
    .unwrap();
    let write =
        |bytes: &[u8]| write_json(&resolution, resolution.root, &mut Cursor::new(bytes), &mut Vec::new(), &MANY);
    assert_eq!(write(&[2, 0]), Ok(()));
    let fault = write(&[2, 2, 2, 2, 2, 0]).unwrap_err();
    assert!(matches!(fault, Fault::Limit { limit: "block_bytes", max: 1000, .. }), "{fault:?}");
}
