//! Values and formats: small arrays and their exact text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::*;
use avro_testing::check_all;
use expect_test::{Expect, expect};

use super::value::ColumnFormatter;
use super::{Counts, Display, Format, TextStyle, printable};

/// Checks each value as text and as JSON; a null's text is empty.
fn check_values(field: &Field, array: &dyn Array, expected: &[(&str, &str)]) {
    let column = ColumnFormatter::new(field, array, TextStyle::default()).unwrap();
    let mut found = Vec::new();
    for row in 0..array.len() {
        let (mut text, mut json) = (String::new(), String::new());
        column.text(row, &mut text).unwrap();
        column.json(row, &mut json).unwrap();
        serde_json::from_str::<serde_json::Value>(&json).expect("valid JSON");
        found.push((text, json));
    }
    let found: Vec<_> = found.iter().map(|(text, json)| (text.as_str(), json.as_str())).collect();
    assert_eq!(found, expected, "{}", array.data_type());
}

fn check(array: impl Array, expected: &[(&str, &str)]) {
    check_values(&Field::new("c", array.data_type().clone(), true), &array, expected);
}

const NULL: (&str, &str) = ("", "null");

#[test]
fn numbers_and_booleans_have_text_and_json() {
    check(NullArray::new(1), &[NULL]);
    check(BooleanArray::from(vec![Some(true), Some(false), None]), &[("true", "true"), ("false", "false"), NULL]);
    check(Int64Array::from(vec![i64::MIN, 0]), &[("-9223372036854775808", "-9223372036854775808"), ("0", "0")]);
    check(UInt8Array::from(vec![255]), &[("255", "255")]);
    check(
        Float64Array::from(vec![1.5, 0.1, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]),
        &[
            ("1.5", "1.5"),
            ("0.1", "0.1"),
            ("1e300", "1e300"),
            ("NaN", "\"NaN\""),
            ("inf", "\"Infinity\""),
            ("-inf", "\"-Infinity\""),
            ("-0.0", "-0.0"),
        ],
    );
    check(Float32Array::from(vec![0.1]), &[("0.1", "0.1")]);
    let decimal = Decimal128Array::from(vec![-12345, 5]).with_precision_and_scale(10, 2).unwrap();
    check(decimal, &[("-123.45", "-123.45"), ("0.05", "0.05")]);
}

#[test]
fn decimals_have_all_their_digits() {
    let cases: [(i128, u8, i8, &str); 9] = [
        (0, 4, 2, "0.00"),
        (-5, 4, 2, "-0.05"),
        (-99, 2, 2, "-0.99"),
        (100, 4, 2, "1.00"),
        (7, 4, 0, "7"),
        (-7, 4, -3, "-7000"),
        // More digits than the precision.
        (99999, 4, 2, "999.99"),
        (-(1 << 40), 4, 2, "-10995116277.76"),
        (i128::MIN, 38, 0, "-170141183460469231731687303715884105728"),
    ];
    check_all(cases, |(value, precision, scale, expected)| {
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).unwrap();
        check(array, &[(expected, expected)]);
        let array = Decimal256Array::from(vec![i256::from_i128(value)]);
        check(array.with_precision_and_scale(precision, scale).unwrap(), &[(expected, expected)]);
    });
    check(Decimal32Array::from(vec![5]).with_precision_and_scale(4, 2).unwrap(), &[("0.05", "0.05")]);
    check(Decimal64Array::from(vec![-1234567]).with_precision_and_scale(4, 2).unwrap(), &[("-12345.67", "-12345.67")]);
}

#[test]
fn text_and_bytes_have_text_and_json() {
    let texts = [Some("a"), Some(""), Some("q\"\\\n\r\t\u{1}\u{7f}é😀"), None];
    let expected =
        [("a", "\"a\""), ("", "\"\""), ("q\"\\\n\r\t\u{1}\u{7f}é😀", "\"q\\\"\\\\\\n\\r\\t\\u0001\u{7f}é😀\""), NULL];
    check(StringArray::from_iter(texts), &expected);
    check(LargeStringArray::from_iter(texts), &expected);
    check(StringViewArray::from_iter(texts), &expected);
    let bytes = [Some(b"\x00\xffA".as_slice()), Some(b""), None];
    let expected = [("\\x00ff41", r#""\\x00ff41""#), ("\\x", r#""\\x""#), NULL];
    check(BinaryArray::from_iter(bytes), &expected);
    check(LargeBinaryArray::from_iter(bytes), &expected);
    check(BinaryViewArray::from_iter(bytes), &expected);
    let fixed = FixedSizeBinaryArray::try_new(2, Buffer::from(b"\x01\x02"), None).unwrap();
    check(fixed, &[("\\x0102", r#""\\x0102""#)]);
    let empty = FixedSizeBinaryArray::try_new_with_len(0, Buffer::default(), None, 1).unwrap();
    check(empty, &[("\\x", r#""\\x""#)]);
}

#[test]
fn uuid_has_its_usual_form() {
    let bytes = Buffer::from((0u8..16).collect::<Vec<_>>());
    let array = FixedSizeBinaryArray::try_new(16, bytes, None).unwrap();
    let name = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())]);
    let field = Field::new("c", array.data_type().clone(), true).with_metadata(name);
    let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
    check_values(&field, &array, &[(text, &format!("\"{text}\""))]);
    check(array, &[("\\x000102030405060708090a0b0c0d0e0f", r#""\\x000102030405060708090a0b0c0d0e0f""#)]);
}

#[test]
fn dates_and_times_are_iso_8601() {
    check(Date32Array::from(vec![0, -1]), &[("1970-01-01", "\"1970-01-01\""), ("1969-12-31", "\"1969-12-31\"")]);
    check(Date32Array::from(vec![i32::MAX]), &[("2147483647", "\"2147483647\"")]);
    check(Time32MillisecondArray::from(vec![1]), &[("00:00:00.001", "\"00:00:00.001\"")]);
    check(Time64MicrosecondArray::from(vec![-1]), &[("-1", "\"-1\"")]);
    let instants = TimestampMicrosecondArray::from(vec![Some(1), Some(i64::MAX), None]).with_timezone("UTC");
    check(
        instants,
        &[
            ("1970-01-01T00:00:00.000001Z", "\"1970-01-01T00:00:00.000001Z\""),
            ("9223372036854775807", "\"9223372036854775807\""),
            NULL,
        ],
    );
    check(TimestampMillisecondArray::from(vec![0]), &[("1970-01-01T00:00:00", "\"1970-01-01T00:00:00\"")]);
    let intervals = [(1, 2, 3_500_000_000), (0, 0, 0), (-1, 0, -1), (0, 5, 0)];
    let intervals = IntervalMonthDayNanoArray::from_iter_values(
        intervals.map(|(months, days, nanos)| IntervalMonthDayNano::new(months, days, nanos)),
    );
    check(
        intervals,
        &[
            ("P1M2DT3.5S", "\"P1M2DT3.5S\""),
            ("PT0S", "\"PT0S\""),
            ("P-1MT-0.000000001S", "\"P-1MT-0.000000001S\""),
            ("P5D", "\"P5D\""),
        ],
    );
    check(DurationMillisecondArray::from(vec![1500]), &[("PT1.5S", "\"PT1.5S\"")]);
}

#[test]
fn nested_value_is_json() {
    let lists = [Some(vec![Some(1), None]), Some(vec![]), None];
    let expected = [("[1,null]", "[1,null]"), ("[]", "[]"), NULL];
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone());
    check(list.slice(0, 3), &expected);
    check(list.slice(1, 2), &expected[1..]);
    check(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone()), &expected);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None], 1);
    check(fixed, &[("[1]", "[1]"), NULL]);

    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x,\"y\""), None]));
    let record = StructArray::new(
        vec![Field::new("na\"me", DataType::Utf8, true), Field::new("l", list.data_type().clone(), true)].into(),
        vec![inner, Arc::new(list.slice(0, 2))],
        None,
    );
    check(
        record,
        &[
            ("{\"na\\\"me\":\"x,\\\"y\\\"\",\"l\":[1,null]}", "{\"na\\\"me\":\"x,\\\"y\\\"\",\"l\":[1,null]}"),
            ("{\"na\\\"me\":null,\"l\":[]}", "{\"na\\\"me\":null,\"l\":[]}"),
        ],
    );
    check(StructArray::new_empty_fields(1, None), &[("{}", "{}")]);

    let mut map = MapBuilder::new(None, StringViewBuilder::new(), Int32Builder::new());
    map.keys().append_value("a\"b");
    map.values().append_value(1);
    map.keys().append_value("");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    check(map.finish(), &[("{\"a\\\"b\":1,\"\":null}", "{\"a\\\"b\":1,\"\":null}"), NULL]);
}

#[test]
fn union_value_is_its_branch() {
    let fields = UnionFields::try_new(
        [0, 1, 2],
        [
            Field::new("null", DataType::Null, true),
            Field::new("string", DataType::Utf8, false),
            Field::new("record", DataType::Struct(vec![Field::new("a", DataType::Int32, false)].into()), false),
        ],
    )
    .unwrap();
    let one: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let record = StructArray::new(vec![Field::new("a", DataType::Int32, false)].into(), vec![one], None);
    let union = UnionArray::try_new(
        fields,
        ScalarBuffer::from(vec![1, 0, 2]),
        Some(ScalarBuffer::from(vec![0, 0, 0])),
        vec![Arc::new(NullArray::new(1)), Arc::new(StringArray::from(vec!["s"])), Arc::new(record)],
    )
    .unwrap();
    check(union, &[("s", "\"s\""), NULL, ("{\"a\":7}", "{\"a\":7}")]);
}

#[test]
fn dictionary_and_run_show_their_values() {
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("red"), None]));
    let dictionary = DictionaryArray::new(Int32Array::from(vec![Some(0), Some(1), None]), values);
    check(dictionary, &[("red", "\"red\""), NULL, NULL]);
    let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &Int64Array::from(vec![Some(5), None])).unwrap();
    check(runs, &[("5", "5"), ("5", "5"), NULL]);
}

fn batch(ids: &[i64], names: &[Option<&str>]) -> RecordBatch {
    let mut lists = ListBuilder::new(Int32Builder::new());
    for id in ids {
        lists.append_value([Some(i32::try_from(*id).unwrap()), None]);
    }
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef, false),
        ("na,me", Arc::new(StringArray::from(names.to_vec())), true),
        ("list", Arc::new(lists.finish()), true),
    ])
    .unwrap()
}

fn written(format: Format, max_rows: Option<u64>, batches: &[RecordBatch]) -> (String, Counts) {
    let mut bytes = Vec::new();
    let schema = batch(&[], &[]).schema();
    let mut output = format.output(&mut bytes, &Display { max_rows, ..Display::default() }, &schema);
    output.begin(&schema).unwrap();
    for batch in batches {
        output.batch(batch).unwrap();
    }
    let counts = output.end().unwrap();
    drop(output);
    (String::from_utf8(bytes).unwrap(), counts)
}

#[test]
fn formats_write_expected_text() {
    let batches = [batch(&[1, 20], &[Some("a\"b,\nc\td\\"), None]), batch(&[], &[]), batch(&[3], &[Some("")])];
    let cases: [(Format, Expect, Expect); 5] = [
        (
            Format::Csv,
            expect![[r#"
                id,"na,me",list
                1,"a""b,
                c	d\","[1,null]"
                20,,"[20,null]"
                3,"","[3,null]"
            "#]],
            expect![[r#"
                id,"na,me",list
            "#]],
        ),
        (
            Format::Tsv,
            expect![[r#"
                id	na,me	list
                1	a"b,\nc\td\\	[1,null]
                20		[20,null]
                3	""	[3,null]
            "#]],
            expect![[r#"
                id	na,me	list
            "#]],
        ),
        (
            Format::Json,
            expect![[r#"
                [
                {"id":1,"na,me":"a\"b,\nc\td\\","list":[1,null]},
                {"id":20,"na,me":null,"list":[20,null]},
                {"id":3,"na,me":"","list":[3,null]}
                ]
            "#]],
            expect![[r#"
                []
            "#]],
        ),
        (
            Format::Ndjson,
            expect![[r#"
                {"id":1,"na,me":"a\"b,\nc\td\\","list":[1,null]}
                {"id":20,"na,me":null,"list":[20,null]}
                {"id":3,"na,me":"","list":[3,null]}
            "#]],
            expect![""],
        ),
        (
            Format::Table,
            expect![[r#"
                +--------+---------+-----------+
                |     id | na,me   | list      |
                | BIGINT | VARCHAR | INTEGER[] |
                +--------+---------+-----------+
                |      1 | a"b,    | [1,null]  |
                |        | c\td\   |           |
                |     20 | NULL    | [20,null] |
                |      3 |         | [3,null]  |
                +--------+---------+-----------+
            "#]],
            expect![[r#"
                +--------+---------+-----------+
                |     id | na,me   | list      |
                | BIGINT | VARCHAR | INTEGER[] |
                +--------+---------+-----------+
                +--------+---------+-----------+
            "#]],
        ),
    ];
    check_all(cases, |(format, rows, none)| {
        let (text, counts) = written(format, None, &batches);
        rows.assert_eq(&text);
        assert_eq!(counts, Counts::all(3, 3));
        none.assert_eq(&written(format, None, &[]).0);
    });
}

#[test]
fn table_shows_at_most_max_rows() {
    let batches = [batch(&[1, 2], &[None, None]), batch(&[3], &[None])];
    for (max_rows, shown) in [(None, 3), (Some(1), 1), (Some(2), 2), (Some(3), 3), (Some(9), 3)] {
        let (text, counts) = written(Format::Table, max_rows, &batches);
        assert_eq!(counts, Counts { rows_shown: shown, ..Counts::all(3, 3) });
        let gap = u64::from(shown < 3);
        assert_eq!(u64::try_from(text.lines().count()).unwrap(), shown + gap + 5);
        // Other formats are for programs and write all rows.
        assert_eq!(written(Format::Csv, max_rows, &batches).1, Counts::all(3, 3));
    }
}

#[test]
fn table_continues_after_sizing_rows() {
    let many: Vec<i64> = (0..10_500).collect();
    let names = vec![None; many.len()];
    let (text, counts) =
        written(Format::Table, None, &[batch(&many, &names), batch(&[100_000], &[Some("wide as a house")])]);
    assert_eq!(counts.rows, 10_501);
    assert_eq!(text.lines().count(), 10_501 + 5);
    assert_eq!(text.lines().nth(4 + 1000), Some("|    1000 | NULL    | [1000,null] |"), "{text:.300}");
    assert!(text.contains("|  100000 | wide as a house | [100000,null] |\n"));
}

#[test]
fn control_characters_are_escaped() {
    for (text, expected) in [
        ("a\tb\nc é😀", "a\\tb\nc é😀"),
        ("\u{1b}[31m\u{7f}\u{85}", "\\u{1b}[31m\\u{7f}\\u{85}"),
        ("a\u{202e}txt.exe\u{2069}", "a\\u{202e}txt.exe\\u{2069}"),
        ("👩\u{200d}👧", "👩\u{200d}👧"),
    ] {
        assert_eq!(printable(text), expected);
    }
}

#[test]
fn table_widths_hold_for_first_and_last_rows() {
    let ids: Vec<i64> = (0..3000).map(|n| n * n).collect();
    let batches: Vec<_> = ids.chunks(700).map(|ids| batch(ids, &vec![None; ids.len()])).collect();
    let (text, counts) = written(Format::Table, Some(5), &batches);
    assert_eq!(counts, Counts { rows_shown: 5, ..Counts::all(3000, 3) });
    expect![[r#"
        +---------+---------+----------------+
        |      id | na,me   | list           |
        |  BIGINT | VARCHAR | INTEGER[]      |
        +---------+---------+----------------+
        |       0 | NULL    | [0,null]       |
        |       1 | NULL    | [1,null]       |
        |       4 | NULL    | [4,null]       |
        |       … | …       | …              |
        | 8988004 | NULL    | [8988004,null] |
        | 8994001 | NULL    | [8994001,null] |
        +---------+---------+----------------+
    "#]]
    .assert_eq(&text);
}
