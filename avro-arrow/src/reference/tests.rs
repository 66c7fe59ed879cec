//! Tables of single values, and random schemas and rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::options::{Enums, LogicalMaps, Options, Strings, Unions};
use crate::schema::Schema;
use arrow_array::{Array, cast::AsArray};
use arrow_buffer::i256;
use arrow_schema::ArrowError;
use avro_testing::wire;
use avro_testing::{Rng, check_all, check_seeds, corrupt, evolved_schema, random_rows_of, random_schema};
use std::collections::BTreeMap;

fn plan(schema: &str, options: &Options) -> Plan {
    let schema = Schema::parse(schema, &options.limits).expect(schema);
    Plan::new(&schema, options).expect("a plan")
}

fn int(value: i128) -> Value {
    Value::Decimal(i256::from_i128(value))
}

#[test]
fn reference_decodes_each_type() {
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":10}"#;
    let wide = r#"{"type":"bytes","logicalType":"decimal","precision":40}"#;
    let duration = r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#;
    let text = |s: &str| Value::String(s.into());
    let mut low = vec![40, 0xff, 0xff, 0xff, 0xff, 0x80];
    low.extend([0; 15]);
    let max = [32, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let cases: Vec<(&str, &[u8], Value)> = vec![
        (r#""null""#, &[], Value::Null),
        (r#""boolean""#, &[1], Value::Boolean(true)),
        (r#"{"type":"int","logicalType":"date"}"#, &[3], Value::Int(-2)),
        (r#""long""#, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Value::Long(i64::MIN)),
        (r#""float""#, &[0, 0, 0xc0, 0x3f], Value::Float(1.5)),
        (r#""double""#, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], Value::Double(1.5)),
        (r#""bytes""#, &[4, 0, 0xff], Value::Bytes(vec![0, 0xff])),
        (r#""string""#, &[4, 0xc3, 0xa9], text("é")),
        (r#"{"type":"fixed","name":"F","size":1}"#, &[9], Value::Fixed(vec![9])),
        (r#"{"type":"fixed","name":"F","size":0}"#, &[], Value::Fixed(vec![])),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, &[2], Value::Enum(1)),
        (decimal, &[0], int(0)),
        (decimal, &[2, 0xff], int(-1)),
        (decimal, &[4, 0, 0xff], int(255)),
        (decimal, &max, int(i128::MAX)),
        (decimal, &low, int(i128::MIN)),
        (wide, &[2, 0x80], int(-128)),
        (
            duration,
            &[1, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            Value::Duration { months: 1, days: 2, millis: u32::MAX },
        ),
        (r#"["null","int"]"#, &[0], Value::Null),
        (r#"["null","int"]"#, &[2, 2], Value::Int(1)),
        (r#"["int","null"]"#, &[2], Value::Null),
        (r#"["int"]"#, &[0, 2], Value::Int(1)),
        (r#"["int","string","null"]"#, &[4], Value::Union(2, Box::new(Value::Null))),
        (r#"["int","string","null"]"#, &[2, 2, b'a'], Value::Union(1, Box::new(text("a")))),
        (r#"{"type":"array","items":"int"}"#, &[2, 2, 1, 2, 4, 0], Value::List(vec![Value::Int(1), Value::Int(2)])),
        (r#"{"type":"map","values":"int"}"#, &[2, 2, b'k', 2, 0], Value::Map(vec![(text("k"), Value::Int(1))])),
        (
            r#"{"type":"array","items":{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}}"#,
            &[2, 2, 0, 0],
            Value::List(vec![Value::Record(vec![Value::Json(r#"{"n":null}"#.into())])]),
        ),
    ];
    check_all(cases, |(schema, bytes, want)| {
        let limits = Limits::default();
        let plan = plan(schema, &Options::default());
        let got = decode_rows(&plan, bytes, 1, &limits);
        assert_eq!(got, Ok(vec![vec![want]]), "{schema} {bytes:?}");
        assert_eq!(to_batch(&plan, got.unwrap()).unwrap().num_rows(), 1, "{schema} {bytes:?}");
    });
}

#[test]
fn reference_locates_each_fault() {
    let limits = Limits { zero_width_items: 5, value_nesting: 2, ..Limits::default() };
    let fields = |types: &[&str]| {
        let fields: Vec<_> =
            types.iter().zip("abcdef".chars()).map(|(t, n)| format!(r#"{{"name":"{n}","type":{t}}}"#)).collect();
        format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))
    };
    let inner = r#"{"type":"record","name":"I","fields":[{"name":"x","type":"boolean"},{"name":"y","type":"string"}]}"#;
    let in_array = fields(&["\"int\"", &format!(r#"{{"type":"array","items":{inner}}}"#)]);
    let in_map = fields(&["\"int\"", &format!(r#"{{"type":"map","values":{inner}}}"#)]);
    let in_union = fields(&["\"int\"", &format!(r#"["null","string",{inner}]"#)]);
    let nullable = fields(&["[\"null\",\"int\"]"]);
    let nulls = fields(&[r#"{"type":"array","items":"null"}"#, r#"{"type":"array","items":"null"}"#]);
    let nothing = fields(&["\"null\"", r#"{"type":"record","name":"E","fields":[]}"#]);
    let decimal = fields(&["\"int\"", r#"{"type":"bytes","logicalType":"decimal","precision":10}"#]);
    let duration = fields(&["\"int\"", r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#]);
    let list = r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"n","type":["null","L"]}]}"#;
    let over = |value| limit("zero_width_items", value, 5);
    let deep = limit("value_nesting", 3, 2);
    let mut large = vec![0, 34, 1];
    large.extend([0; 16]);

    type Case<'a> = (&'a str, u64, &'a [u8], Fault, u64, usize, &'a str);
    let cases: &[Case<'_>] = &[
        ("\"int\"", 3, &[0, 0], Fault::End, 2, 2, "value"),
        ("\"int\"", 1, &[0, 0], Fault::TrailingBytes(1), 1, 1, ""),
        ("\"boolean\"", 1, &[7], Fault::Boolean(7), 0, 0, "value"),
        (&in_array, 1, &[0, 4, 1, 2, b'a', 2, 2, b'a', 0], Fault::Boolean(2), 0, 5, "b[].x"),
        (&in_array, 1, &[0, 4, 1, 2, b'a', 1, 2, 0xff, 0], Fault::Utf8, 0, 6, "b[].y"),
        (&in_array, 1, &[0, 8, 1, 0, 0], Fault::ItemCount(4), 0, 1, "b"),
        (&in_array, 1, &[0, 1, 6, 1, 0, 0], Fault::ItemBytes { stated: 3, found: 2 }, 0, 1, "b"),
        (&in_map, 1, &[0, 2, 2, b'k', 2, 0, 0], Fault::Boolean(2), 0, 4, "b{}.x"),
        (&in_map, 1, &[0, 2, 2, 0xff, 1, 0, 0], Fault::Utf8, 0, 2, "b{key}"),
        (&in_union, 2, &[0, 0, 0, 4, 1, 1, 0], Fault::NegativeLength(-1), 1, 5, "b<I>.y"),
        (&in_union, 1, &[0, 6], Fault::UnionBranch(3), 0, 1, "b"),
        (&nullable, 1, &[1], Fault::UnionBranch(-1), 0, 0, "a"),
        (&nullable, 1, &[4], Fault::UnionBranch(2), 0, 0, "a"),
        ("[\"int\"]", 1, &[2], Fault::UnionBranch(1), 0, 0, "value"),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, 1, &[2], Fault::EnumSymbol(1), 0, 0, "value"),
        (&nulls, 2, &[4, 0, 4, 0, 4, 0], over(6), 1, 4, "a"),
        (&nulls, 1, &[4, 0, 8, 0], over(6), 0, 2, "b"),
        (&nothing, 6, &[], over(6), 0, 0, ""),
        (&decimal, 1, &large, Fault::DecimalRange, 0, 1, "b"),
        (&duration, 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0], Fault::DurationRange(1 << 31), 0, 1, "b"),
        (list, 1, &[0, 2, 0, 2, 0, 2, 0, 0], deep, 0, 6, "n"),
        (list, 1, &[0, 2, 0, 3], Fault::UnionBranch(-2), 0, 3, "n"),
    ];
    check_all(cases, |(schema, rows, bytes, fault, row, offset, path)| {
        let options = Options { limits: limits.clone(), ..Options::default() };
        let plan = plan(schema, &options);
        let want = Located { fault: *fault, row: *row, offset: *offset, path: path.to_string(), unread: None };
        assert_eq!(decode_rows(&plan, bytes, *rows, &limits), Err(want.clone()), "{schema} {bytes:?}");
        assert_eq!(locate(&plan, bytes, *rows, &limits), Some(want), "{schema} {bytes:?}");
    });
}

#[test]
fn reference_skips_unprojected_fields() {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"boolean"},{"name":"b","type":"int"},
        {"name":"c","type":{"type":"array","items":"string"}},{"name":"d","type":"int"}]}"#;
    let options = Options { projection: Some(vec!["d".into(), "b".into()]), ..Options::default() };
    let plan = plan(schema, &options);
    // Neither the boolean nor the string is valid.
    let rows = decode_rows(&plan, &[9, 2, 2, 2, 0xff, 0, 4], 1, &options.limits);
    assert_eq!(rows, Ok(vec![vec![Value::Int(2), Value::Int(1)]]));
    let cut = locate(&plan, &[9, 2, 2, 2], 1, &options.limits).unwrap();
    assert_eq!((cut.fault, cut.offset, cut.path.as_str()), (Fault::End, 3, "c"));
}

#[test]
fn located_fault_prints_position() {
    let plan = plan(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"boolean"}]}"#, &Options::default());
    let error = locate(&plan, &[1, 7], 2, &Limits::default()).unwrap().into_error();
    assert_eq!(error.to_string(), "boolean 7 is neither 0 nor 1 (field a, row 1, offset in block 1)");
}

#[test]
fn reference_reads_pairs_as_map() {
    let schema = r#"{"type":"array","logicalType":"map","items":{"type":"record","name":"P","fields":[
        {"name":"key","type":"int"},{"name":"value","type":["null","string"]}]}}"#;
    let options = Options { logical_maps: LogicalMaps::Map, ..Options::default() };
    let plan = plan(schema, &options);
    let rows = decode_rows(&plan, &[4, 2, 0, 4, 2, 2, b'a', 0, 0], 2, &options.limits).unwrap();
    let batch = to_batch(&plan, rows).unwrap();
    let map = batch.column(0).as_map();
    assert_eq!((map.value_length(0), map.value_length(1), map.values().null_count()), (2, 0, 1));
}

/// A file without compression and codec: its schema, and of each block the rows and the bytes.
fn file(schema: &str, blocks: &[(u8, &[u8])]) -> Vec<u8> {
    let blocks = blocks.iter().flat_map(|(rows, bytes)| wire::block((*rows).into(), bytes));
    wire::header(&[("avro.schema", schema.as_bytes())]).into_iter().chain(blocks).collect()
}

#[test]
fn reference_reads_files() {
    let options = Options::default();
    let valid = file(r#""boolean""#, &[(2, &[1, 0]), (0, &[]), (1, &[1])]);
    let batches = read(valid.as_slice(), &options).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2, 1]);
    assert!(batches.iter().all(|batch| batch.schema().field(0).name() == "value"));
    type Blocks<'a> = &'a [(u8, &'a [u8])];
    let cases: [(Blocks<'_>, &str); 3] = [
        (
            &[(1, &[1]), (2, &[1, 7])],
            "boolean 7 is neither 0 nor 1 (field value, row 1, block 1, file offset 63, offset in block 1)",
        ),
        (
            &[(1, &[1, 0])],
            "1 bytes are left in the block after its last row (row 1, block 0, file offset 44, offset in block 1)",
        ),
        (
            &[(2, &[1])],
            "a value runs past the end of its block (field value, row 1, block 0, file offset 44, offset in block 1)",
        ),
    ];
    check_all(cases, |(blocks, want)| {
        let error = read(file(r#""boolean""#, blocks).as_slice(), &options).unwrap_err();
        assert_eq!(error.to_string(), want);
    });
    assert!(read(&valid[..valid.len() - 1], &options).unwrap_err().is_corrupt());
}

/// What plans are made of, as their `Debug` prints it.
const SHAPES: &[&str] = &[
    "Scalar(Null)",
    "Scalar(Boolean)",
    "Scalar(Int)",
    "Scalar(Long)",
    "Scalar(Float)",
    "Scalar(Double)",
    "Scalar(Bytes)",
    "Scalar(String)",
    "Scalar(Fixed(",
    "Scalar(Fixed(0))",
    "Scalar(Enum(",
    "Scalar(DecimalBytes)",
    "Scalar(DecimalFixed(",
    "Scalar(Duration)",
    "Decimal128(",
    "Decimal256(",
    "Items {",
    "Entries(",
    "form: List(",
    "form: Map(",
    "Record(RecordSource {",
    "steps: []",
    "Branch {",
    "Json(",
    "Single(",
    "null_branch: 0",
    "null_branch: 1",
    "Timestamp(",
    "Date32",
    // Of readers with a schema of their own.
    "Scalar(IntToLong)",
    "Scalar(IntToFloat)",
    "Scalar(IntToDouble)",
    "Scalar(LongToFloat)",
    "Scalar(LongToDouble)",
    "Scalar(FloatToDouble)",
    "Scalar(Symbol {",
    "Skip(",
    "Default {",
    "Present(",
    "Branches {",
    "None",
];

/// All options that change what arrays are made, for a seed.
fn random_options(rng: &mut Rng) -> Options {
    Options {
        strings: rng.pick(Strings::View, &[Strings::Utf8]),
        enums: rng.pick(Enums::Dictionary, &[Enums::String]),
        unions: rng.pick(Unions::Dense, &[Unions::Struct]),
        logical_maps: rng.pick(LogicalMaps::List, &[LogicalMaps::Map]),
        recursion_levels: rng.below(3),
        ..Options::default()
    }
}

#[test]
fn reference_on_random_rows_equals_json_and_skip() {
    let (mut n_json, mut n_unread, mut n_refused) = (0, 0, 0);
    let mut seen: BTreeMap<&str, usize> = SHAPES.iter().map(|shape| (*shape, 0)).collect();
    check_seeds(0..3_000, |rng| {
        let text = random_schema(rng);
        let mut options = random_options(rng);
        let schema = Schema::parse(&text, &options.limits).expect(&text);
        if rng.one_in(2) {
            options.reader_schema =
                evolved_schema(rng, &text).and_then(|text| Schema::parse(&text, &options.limits).ok());
        }
        let plan = match Plan::new(&schema, &options) {
            Ok(plan) => plan,
            Err(error) if matches!(error.kind(), crate::ErrorKind::Resolve { .. }) => {
                n_refused += 1;
                return;
            }
            Err(error) => panic!("{error}: {text}"),
        };
        let printed = format!("{:?} {:?}", plan.row, plan.target);
        seen.iter_mut().for_each(|(shape, n)| *n += usize::from(printed.contains(shape)));
        let n_rows = rng.below(12);
        let mut bytes = random_rows_of(rng, &text, n_rows);
        let rows = decode_rows(&plan, &bytes, n_rows as u64, &options.limits);
        let rows = match rows {
            Ok(rows) => rows,
            // What some of a writer's values meet who has other types.
            Err(located) if options.reader_schema.is_some() && is_unread(located.fault) => {
                n_unread += 1;
                return;
            }
            Err(located) => panic!("{located:?}: {text}"),
        };
        assert_eq!(locate(&plan, &bytes, n_rows as u64, &options.limits), None);
        let batch = to_batch(&plan, rows).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((batch.num_rows(), batch.schema()), (n_rows, plan.arrow.clone()));
        valid(&batch.into()).unwrap_or_else(|error| panic!("{error}: {text}"));

        let (mut writing, mut skipping) = (Cursor::new(&bytes), Cursor::new(&bytes));
        for _ in 0..n_rows {
            let mut json = Vec::new();
            write_json(&plan.resolution, plan.resolution.root, &mut writing, &mut json, &options.limits).expect(&text);
            skip_value(&schema, schema.root(), &mut skipping, &options.limits).expect(&text);
            assert_eq!(writing.at(), skipping.at(), "{text}");
            let parsed = serde_json::from_slice::<serde_json::Value>(&json);
            assert!(parsed.is_ok(), "{}", String::from_utf8_lossy(&json));
            n_json += 1;
        }
        assert_eq!(writing.remaining(), 0);

        // Of damaged bytes both walks say the same, and what they accept makes arrays.
        corrupt(rng, &mut bytes);
        match decode_rows(&plan, &bytes, n_rows as u64, &options.limits) {
            Ok(rows) => drop(to_batch(&plan, rows).unwrap_or_else(|error| panic!("{error}: {text}"))),
            Err(located) => {
                assert!(located.offset <= bytes.len());
                assert_eq!(locate(&plan, &bytes, n_rows as u64, &options.limits), Some(located));
            }
        }
    });
    assert!(n_json > 9_000, "{n_json}");
    assert!(n_unread > 50 && (50..1_000).contains(&n_refused), "{n_unread} {n_refused}");
    assert!(seen.values().all(|n| *n > 20), "the generator has to make all of these: {seen:?}");
}

/// Whether the value is valid for the writer, and the reader cannot represent it.
fn is_unread(fault: Fault) -> bool {
    matches!(fault, Fault::UnreadBranch { .. } | Fault::UnreadSymbol { .. } | Fault::Utf8 | Fault::DecimalRange)
}

fn valid(batch: &arrow_array::StructArray) -> Result<(), ArrowError> {
    batch.to_data().validate_full()
}
