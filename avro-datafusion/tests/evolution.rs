//! Tables over files with different schemas, and the options that resolve them: SQL and expected results.

use crate::support::{Dir, avro, check, record, row, session};
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use avro_datafusion::{AvroOptions, AvroSessionExt, FieldMatch, Limits, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// Three files of a table of users, each of the next version of its program.
fn users() -> Dir {
    let dir = Dir::new();
    let v1 = record(&[
        r#"{"name": "id", "type": "int"}"#,
        r#"{"name": "name", "type": "string"}"#,
        r#"{"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["GUEST", "MEMBER"]}}"#,
        r#"{"name": "home", "type": {"type": "record", "name": "Home", "fields": [{"name": "city", "type": "string"}]}}"#,
        r#"{"name": "visits", "type": {"type": "array", "items": {"type": "record", "name": "Visit", "fields": [
            {"name": "page", "type": "string"}]}}}"#,
    ]);
    let v2 = record(&[
        r#"{"name": "visits", "type": {"type": "array", "items": {"type": "record", "name": "Visit", "fields": [
            {"name": "seconds", "type": "int", "default": -1}, {"name": "page", "type": "string"}]}}}"#,
        r#"{"name": "id", "type": "long"}"#,
        r#"{"name": "full_name", "aliases": ["name"], "type": ["null", "string"], "default": null}"#,
        r#"{"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["ADMIN", "MEMBER", "GUEST"]}}"#,
        r#"{"name": "home", "type": {"type": "record", "name": "Home", "fields": [
            {"name": "zip", "type": ["null", "int"], "default": null}, {"name": "city", "type": "string"}]}}"#,
        r#"{"name": "mail", "type": "string", "default": "nobody@example.org"}"#,
    ]);
    let v3 = record(&[
        r#"{"name": "id", "type": "long"}"#,
        r#"{"name": "full_name", "type": ["null", "string"], "default": null}"#,
        r#"{"name": "score", "type": "double"}"#,
        r#"{"name": "mail", "type": "string"}"#,
    ]);
    let text = "a name that no view holds";
    dir.write(
        "t/1.avro",
        avro(&v1, &[row().long(1).string(text).long(1).string("Bonn").long(1).string("/").long(0)], 1),
    );
    let second = row().long(1).long(9).string("/x").long(0).long(1 << 40).long(1).string("two").long(0);
    dir.write("t/2.avro", avro(&v2, &[second.long(1).long(5311).string("Ulm").string("two@example.org")], 1));
    dir.write("t/3.avro", avro(&v3, &[row().long(3).long(0).double(0.5).string("three@example.org")], 1));
    dir
}

#[tokio::test]
async fn schemas_merge_into_one_table() {
    let cases = [
        (
            "SELECT id, full_name, kind, mail, score FROM '$DIR/t' ORDER BY id",
            "id | full_name | kind | mail | score
             1 | a name that no view holds | MEMBER | nobody@example.org | null
             3 | null | null | three@example.org | 0.5
             1099511627776 | two | ADMIN | two@example.org | null",
        ),
        (
            "SELECT home, visits FROM '$DIR/t' ORDER BY id",
            "home | visits
             {city: Bonn, zip: null} | [{page: /, seconds: -1}]
             null | null
             {city: Ulm, zip: 5311} | [{page: /x, seconds: 9}]",
        ),
        (
            "SELECT kind, count(*) AS n FROM '$DIR/t' GROUP BY kind ORDER BY 1",
            "kind | n\nADMIN | 1\nMEMBER | 1\nnull | 1",
        ),
        ("SELECT count(*) AS n, sum(id) AS s FROM '$DIR/t'", "n | s\n3 | 1099511627780"),
        (
            "CREATE EXTERNAL TABLE strict STORED AS AVRO LOCATION '$DIR/t' OPTIONS('union_by_name' 'strict')",
            "error: External error: ...",
        ),
    ];
    check(&session(2), &users(), &cases).await;
}

#[tokio::test]
async fn conflicts_become_unions() {
    let dir = Dir::new();
    let x = |schema: &str| record(&[&format!(r#"{{"name": "x", "type": {schema}}}"#)]);
    dir.write("t/a.avro", avro(&x(r#""int""#), &[row().long(1)], 1));
    dir.write("t/b.avro", avro(&x(r#""string""#), &[row().string("s")], 1));
    let cases = [
        (
            "SELECT * FROM '$DIR/t'",
            "error: External error: `x` is int in $DIR/t/a.avro but string in $DIR/t/b.avro: these types cannot be merged",
        ),
        ("CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION '$DIR/t' OPTIONS('union_by_name' 'widen')", ""),
        ("SELECT * FROM t", "x\n{int: 1, string: null}\n{int: null, string: s}"),
        ("SELECT count(*) AS n FROM t WHERE x = 1 OR x = 's'", "n\n2"),
        (
            "CREATE EXTERNAL TABLE s STORED AS AVRO LOCATION '$DIR/t' OPTIONS('union_by_name' 'widen', 'unions' 'struct')",
            "",
        ),
        ("SELECT x['int'] AS i, x['string'] AS s FROM s", "i | s\n1 | null\nnull | s"),
    ];
    check(&session(1), &dir, &cases).await;
}

#[tokio::test]
async fn reader_schema_resolves_files() {
    let dir = users();
    dir.write(
        "reader.avsc",
        record(&[
            r#"{"name": "who", "aliases": ["full_name", "name"], "type": ["null", "string"]}"#,
            r#"{"name": "id", "type": "double"}"#,
            r#"{"name": "since", "type": {"type": "int", "logicalType": "date"}, "default": 0}"#,
        ]),
    );
    let cases = [
        ("CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION '$DIR/t' OPTIONS('reader_schema' '$DIR/reader.avsc')", ""),
        (
            "SELECT * FROM t ORDER BY id",
            "who | id | since
             a name that no view holds | 1.0 | 1970-01-01
             null | 3.0 | 1970-01-01
             two | 1099511627776.0 | 1970-01-01",
        ),
        ("SELECT count(*) AS n FROM t", "n\n3"),
        (
            r#"CREATE EXTERNAL TABLE u STORED AS AVRO LOCATION '$DIR/t'
               OPTIONS('reader_schema' '{"type":"record","name":"R","fields":[{"name":"id","type":"int"}]}')"#,
            "",
        ),
        (
            "SELECT * FROM u",
            "error: External error: $DIR/t/2.avro: the reader's schema does not fit the file's: id: long cannot be read as int",
        ),
    ];
    check(&session(1), &dir, &cases).await;
}

/// Columns that the caller gives: found by name and cast, or by their ids.
#[tokio::test]
async fn declared_arrow_columns_are_cast() {
    let dir = users();
    let files = dir.path().join("t");
    let ctx = session(1);
    let columns = ArrowSchema::new(vec![
        Field::new("mail", DataType::Utf8, true),
        Field::new("id", DataType::Utf8View, true),
        Field::new("more", DataType::Int16, true),
    ]);
    let options = AvroOptions::default().with_schema(Arc::new(columns));
    ctx.register_avro_table("t", files.to_str().unwrap(), options).await.unwrap();
    let rows = "mail | id | more
                null | 1 | null
                two@example.org | 1099511627776 | null
                three@example.org | 3 | null";
    check(&ctx, &dir, &[("SELECT * FROM t", rows)]).await;

    let with_id = |name: &str, data_type, id: &str| {
        let metadata = HashMap::from([("PARQUET:field_id".to_string(), id.to_string())]);
        Field::new(name, data_type, true).with_metadata(metadata)
    };
    let v1 = record(&[
        r#"{"name": "a", "type": "int", "field-id": 1}"#,
        r#"{"name": "b", "type": "string", "field-id": 2}"#,
    ]);
    let v2 = record(&[
        r#"{"name": "b", "type": "long", "field-id": 1}"#,
        r#"{"name": "a", "type": "string", "field-id": 3}"#,
    ]);
    dir.write("ids/1.avro", avro(&v1, &[row().long(1).string("one")], 1));
    dir.write("ids/2.avro", avro(&v2, &[row().long(2).string("two")], 1));
    let columns = ArrowSchema::new(vec![
        with_id("number", DataType::Int64, "1"),
        with_id("old", DataType::Utf8View, "2"),
        with_id("new", DataType::Utf8View, "3"),
    ]);
    let options = AvroOptions::default().with_schema(Arc::new(columns));
    ctx.register_avro_table("ids", dir.path().join("ids").to_str().unwrap(), options).await.unwrap();
    check(&ctx, &dir, &[("SELECT * FROM ids", "number | old | new\n1 | one | null\n2 | null | two")]).await;

    let reader = record(&[r#"{"name": "n", "type": "long", "field-id": 1}"#]);
    let reader_schema = Some(Schema::parse(&reader, &Limits::default()).unwrap());
    let options = AvroOptions::default().with_reader_schema(reader_schema).with_field_match(FieldMatch::Id);
    ctx.register_avro_table("by_id", dir.path().join("ids").to_str().unwrap(), options).await.unwrap();
    check(&ctx, &dir, &[("SELECT sum(n) AS s FROM by_id", "s\n3")]).await;
}
