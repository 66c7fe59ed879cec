//! Unions of more types than Arrow's unions can have: text in Avro's JSON encoding, and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_arrow::schema::Schema;
use avro_arrow::{Error, Limits, Options, ReaderBuilder, Unions, WriterBuilder, reference};
use avro_testing::check_all;
use avro_testing::wire::{block, bytes, file, long};
use support::json::lines;

/// A record of a field of a union of these types and 130 more, and an int.
fn schema(types: &str, default: &str) -> String {
    let more: Vec<String> = (0..130).map(|n| format!(r#"{{"type":"fixed","name":"n.F{n}","size":1}}"#)).collect();
    let union = format!("[{types},{}]", more.join(","));
    format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"u","type":{union}{default}}},{{"name":"i","type":"int"}}]}}"#
    )
}

fn row(branch: i64, value: &[u8], i: i64) -> Vec<u8> {
    [long(branch), value.to_vec(), long(i)].concat()
}

fn read(file: &[u8], reader: Option<&str>, unions: Unions) -> String {
    let reader_schema = reader.map(|json| Schema::parse(json, &Limits::default()).unwrap());
    let options = Options::default().with_reader_schema(reader_schema).with_unions(unions);
    let text = |read: Result<Vec<_>, Error>| read.map_or_else(|e| format!("error: {e}"), |b| lines(&b).join("\n"));
    let fast = text(ReaderBuilder::new().with_options(options.clone()).build(file).and_then(|reader| reader.collect()));
    assert_eq!(fast, text(reference::read(file, &options)));
    fast
}

#[test]
fn wide_union_is_read_as_text() {
    let rows = [row(0, b"", 1), row(1, &bytes(b"a\"b"), 2), row(2, &long(7), 3), row(132, b"z", 4)];
    let blocks: Vec<_> = (0..9).map(|_| block(4, &rows.concat())).collect();
    let nullable = schema(r#""null","string","int""#, "");
    let written = file(&nullable, "null", &blocks);
    let one = [
        r#"{"u":null,"i":1}"#,
        r#"{"u":"{\"string\":\"a\\\"b\"}","i":2}"#,
        r#"{"u":"{\"int\":7}","i":3}"#,
        r#"{"u":"{\"n.F129\":\"z\"}","i":4}"#,
    ]
    .join("\n");
    let expected = vec![one; 9].join("\n");
    for unions in [Unions::Dense, Unions::Struct] {
        assert_eq!(read(&written, None, unions), expected);
        assert_eq!(read(&written, Some(&nullable), unions), expected);
    }

    // What is read is written again as it was.
    let reader = ReaderBuilder::new().build(written.as_slice()).unwrap();
    let mut writer = WriterBuilder::new(reader.schema()).build(Vec::new()).unwrap();
    for batch in reader {
        writer.write(&batch.unwrap()).unwrap();
    }
    assert_eq!(read(&writer.finish().unwrap(), None, Unions::Dense), expected);
}

#[test]
fn wide_union_resolves_to_reader_schema() {
    let written = |fields: &str, row: &[u8]| {
        file(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#), "null", &[block(1, row)])
    };
    let u = |kind: &str| format!(r#"{{"name":"u","type":{kind}}},{{"name":"i","type":"int"}}"#);
    let i = r#"{"name":"i","type":"int"}"#;
    let (nullable, plain) = (r#""null","string""#, r#""string","null""#);
    let cases = [
        (written(&u(r#""string""#), &[bytes(b"x"), long(5)].concat()), schema(nullable, ""), r#""{\"string\":\"x\"}""#),
        (written(&u(r#"["null","string"]"#), &row(0, b"", 5)), schema(nullable, ""), "null"),
        (written(&u(r#"["null","string"]"#), &row(1, &bytes(b"x"), 5)), schema(plain, ""), r#""{\"string\":\"x\"}""#),
        (written(&u(r#"["string"]"#), &row(0, &bytes(b"x"), 5)), schema(r#""string""#, ""), r#""{\"string\":\"x\"}""#),
        (written(i, &long(5)), schema(nullable, r#","default":null"#), "null"),
        (written(i, &long(5)), schema(plain, r#","default":"d""#), r#""{\"string\":\"d\"}""#),
    ];
    check_all(cases, |(file, reader, expected)| {
        assert_eq!(read(&file, Some(&reader), Unions::Dense), format!(r#"{{"u":{expected},"i":5}}"#));
    });
}
