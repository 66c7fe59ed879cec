//! Queries over small Avro files: paths, columns of every type, files with different schemas. SQL and expected results.

use crate::support::{Dir, Row, avro, check, record, row, run, session};
use avro_datafusion::{AvroOptions, AvroSessionExt, Partitions, Paths, Unions};
use datafusion::arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::common::{Result, TableReference};
use datafusion::prelude::DataFrame;
use std::fs::File;
use std::sync::Arc;

const PEOPLE: &[&str] = &[
    r#"{"name": "id", "type": "long", "doc": "who"}"#,
    r#"{"name": "name", "type": "string"}"#,
    r#"{"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["cat", "dog"]}}"#,
    r#"{"name": "score", "type": ["null", "double"], "default": null}"#,
    r#"{"name": "tags", "type": {"type": "array", "items": "string"}}"#,
    r#"{"name": "attrs", "type": {"type": "map", "values": "long"}}"#,
    r#"{"name": "home", "type": {"type": "record", "name": "home", "fields": [
        {"name": "city", "type": "string", "doc": "nested"}, {"name": "zip", "type": ["int", "null"]}]}}"#,
    r#"{"name": "pick", "type": ["null", "string", "long"]}"#,
    r#"{"name": "key", "type": {"type": "fixed", "name": "key", "size": 2}}"#,
    r#"{"name": "day", "type": {"type": "int", "logicalType": "date"}}"#,
    r#"{"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}"#,
    r#"{"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}"#,
    r#"{"name": "gap", "type": {"type": "fixed", "name": "gap", "size": 12, "logicalType": "duration"}}"#,
    r#"{"name": "uid", "type": {"type": "fixed", "name": "uid", "size": 16, "logicalType": "uuid"}}"#,
    r#"{"name": "blob", "type": "bytes"}"#,
];

fn people() -> Vec<u8> {
    let rows: Vec<Row> = (0..5_i64)
        .map(|i| {
            let r = row().long(i).string(&format!("name {i} of some length")).long(i % 2);
            let r = if i % 2 == 0 { r.long(0) } else { r.long(1).double(i as f64 / 2.0) };
            let r = (0..i % 3).fold(r, |r, k| if k == 0 { r.long(i % 3).string("a") } else { r.string("b") }).long(0);
            let r = r.long(1).string("n").long(i * 10).long(0);
            let r = r.string("Bonn").long(i % 2);
            let r = if i % 2 == 0 { r.long(53000 + i) } else { r };
            let r = match i % 3 {
                0 => r.long(0),
                1 => r.long(1).string("text"),
                _ => r.long(2).long(i),
            };
            let r = r.raw(&[i as u8, 0xff]).long(19_000 + i).long(1_700_000_000_000_000 + i).bytes(&[(i * 3) as u8]);
            let gap = [i as u32, 2, 3].map(u32::to_le_bytes).concat();
            r.raw(&gap).raw(&[i as u8; 16]).bytes(&[0, i as u8])
        })
        .collect();
    avro(&record(PEOPLE), &rows, 2)
}

/// Files of one column `n`.
fn numbers(range: std::ops::Range<i64>) -> Vec<u8> {
    let rows: Vec<Row> = range.map(|i| row().long(i)).collect();
    avro(&record(&[r#"{"name": "n", "type": "long"}"#]), &rows, 3)
}

fn files() -> Dir {
    let dir = Dir::new();
    dir.write("people.avro", people());
    dir.write("logs/2024/01/a.avro", numbers(0..10));
    dir.write("logs/2024/02/b.avro", numbers(10..20));
    dir.write("logs/2025/c.AVRO", numbers(20..30));
    dir.write("logs/2025/empty.avro", "");
    dir.write("logs/2025/notes.txt", "not data");
    dir.write("logs/_SUCCESS", "");
    dir.write("logs/_temporary/0/x.avro", "half written");
    dir.write("logs/.hidden.avro", "hidden");
    dir.write("hive/day=2024-01-01/region=eu%2Fwest/0.avro", numbers(0..3));
    dir.write("hive/day=2024-01-02/region=us/0.avro", numbers(3..6));
    dir.write("hive/day=2024-01-03/region=__HIVE_DEFAULT_PARTITION__/0.avro", numbers(6..7));
    dir.write("odd/part-00000", numbers(0..4));
    dir.write("odd/with space & 100% [x]#.avro", numbers(0..5));
    dir.write("empty/a.avro", "");
    dir.write("mixed/a.parquet", "");
    dir.write("bad/a.avro", "this is not Avro");
    dir.write("t.csv", "a,b\n1,2\n3,4\n");
    dir.write("t.json", "{\"a\": 1}\n");
    dir.write("one.avro", avro(r#""int""#, &[row().long(1), row().long(2)], 1));
    dir.write("none.avro", avro(&record(&[r#"{"name": "n", "type": "long"}"#]), &[], 1));
    dir.write("fieldless.avro", avro(&record(&[]), &[row(), row(), row()], 2));
    dir.write("twice.avro", {
        let schema = record(&[r#"{"name": "a", "type": "int"}"#, r#"{"name": "a", "type": "int"}"#]);
        avro(&schema, &[row().long(1).long(2)], 1)
    });
    dir
}

#[tokio::test]
async fn from_path_finds_files() {
    let dir = files();
    let ctx = session(2);
    let cases = [
        ("SELECT count(*) AS c, sum(n) AS s FROM '$DIR/logs'", "c | s\n30 | 435"),
        ("SELECT count(*) AS c FROM '$DIR/logs/'", "c\n30"),
        ("SELECT count(*) AS c FROM '$DIR/logs/2024/'", "c\n20"),
        ("SELECT count(*) AS c FROM '$DIR/logs/2024/01/a.avro'", "c\n10"),
        ("SELECT count(*) AS c FROM '$DIR/logs/2025/c.AVRO'", "c\n10"),
        ("SELECT count(*) AS c FROM '$DIR/logs/**/*.avro'", "c\n20"),
        ("SELECT count(*) AS c FROM '$DIR/logs/2024/*/?.avro'", "c\n20"),
        ("SELECT count(*) AS c FROM '$DIR/logs/*/*/[b-z].avro'", "c\n10"),
        ("SELECT count(*) AS c FROM '$DIR/logs/2024/../2024/0*/*'", "c\n20"),
        ("SELECT count(*) AS c FROM 'file://$DIR/logs/2024/01/a.avro'", "c\n10"),
        ("SELECT count(*) AS c FROM 'file://$DIR/logs/**/?.avro'", "c\n20"),
        ("SELECT count(*) AS c FROM '$DIR/odd/part-00000'", "c\n4"),
        ("SELECT count(*) AS c FROM '$DIR/odd/part-*'", "c\n4"),
        ("SELECT count(*) AS c FROM '$DIR/odd/with space & 100% [x]#.avro'", "c\n5"),
        // A file without an extension is data if it is Avro.
        ("SELECT count(*) AS c FROM '$DIR/odd'", "c\n9"),
        ("SELECT count(*) AS c, sum(value) AS s FROM '$DIR/one.avro'", "c | s\n2 | 3"),
        ("SELECT * FROM '$DIR/none.avro'", ""),
        ("SELECT count(*) AS c FROM '$DIR/none.avro'", "c\n0"),
        ("SELECT count(*) AS c FROM '$DIR/fieldless.avro'", "c\n3"),
        // Other formats go DataFusion's way.
        ("SELECT a + b AS s FROM '$DIR/t.csv'", "s\n3\n7"),
        ("SELECT * FROM '$DIR/t.json'", "a\n1"),
        // Errors name what is wrong with a path.
        (
            "SELECT * FROM '$DIR/nothing.avro'",
            "error: Error during planning: no such file or directory: $DIR/nothing.avro",
        ),
        ("SELECT * FROM '$DIR/nothing/'", "error: Error during planning: no such file or directory: $DIR/nothing/"),
        (
            "SELECT * FROM '$DIR/nothing/*.avro'",
            "error: Error during planning: no such directory: $DIR/nothing/ (of $DIR/nothing/*.avro)",
        ),
        ("SELECT * FROM '$DIR/logs/*.avro'", "error: Error during planning: no Avro files at $DIR/logs/*.avro"),
        ("SELECT * FROM '$DIR/logs/9*'", "error: Error during planning: no files at $DIR/logs/9*"),
        (
            "SELECT * FROM '$DIR/logs/2025/notes.txt'",
            "error: External error: $DIR/logs/2025/notes.txt: not an Avro container file: ...",
        ),
        (
            "SELECT * FROM '$DIR/empty/*.avro'",
            "error: Error during planning: no Avro files at $DIR/empty/*.avro; left out: 1 empty file",
        ),
        ("SELECT * FROM 'nothing.avro'", "error: Error during planning: no such file or directory: nothing.avro"),
        ("SELECT * FROM nothing", "error: Error during planning: table 'datafusion.public.nothing' not found"),
        (
            "SELECT * FROM '$DIR/bad/a.avro'",
            "error: External error: $DIR/bad/a.avro: not an Avro container file: it starts with this (file offset 0)",
        ),
        (
            "SELECT * FROM '$DIR/empty/a.avro'",
            "error: External error: $DIR/empty/a.avro: not an Avro container file: it is empty",
        ),
        (
            "SELECT * FROM '$DIR/twice.avro'",
            "error: Error during planning: $DIR/twice.avro: two columns are named `a`, which SQL cannot distinguish",
        ),
        (
            "SELECT * FROM 'sftp://host/x.avro'",
            "error: Error during planning: no object store for sftp://; supported are ...",
        ),
    ];
    check(&ctx, &dir, &cases).await;
}

#[tokio::test]
async fn create_external_table_options_apply_or_fail() {
    let dir = files();
    let ctx = session(2);
    let cases = [
        ("CREATE EXTERNAL TABLE logs STORED AS AVRO LOCATION '$DIR/logs/'", ""),
        ("SELECT count(*) AS c, max(n) AS m FROM logs", "c | m\n30 | 29"),
        ("CREATE EXTERNAL TABLE globbed STORED AS AVRO LOCATION '$DIR/logs/2024/**/*.avro'", ""),
        ("SELECT count(*) AS c FROM globbed", "c\n20"),
        ("CREATE EXTERNAL TABLE part STORED AS AVRO LOCATION '$DIR/odd/part-00000'", ""),
        ("SELECT sum(n) AS s FROM part", "s\n6"),
        ("CREATE EXTERNAL TABLE hive STORED AS AVRO LOCATION '$DIR/hive/'", ""),
        (
            "SELECT region, day, sum(n) AS s FROM hive GROUP BY region, day ORDER BY day",
            "region | day | s\neu/west | 2024-01-01 | 3\nus | 2024-01-02 | 12\nnull | 2024-01-03 | 6",
        ),
        ("SELECT n FROM hive WHERE day = '2024-01-02' AND n > 3 ORDER BY n", "n\n4\n5"),
        ("SELECT DISTINCT day FROM hive WHERE region IS NULL", "day\n2024-01-03"),
        (
            "CREATE EXTERNAL TABLE typed (n BIGINT, extra TEXT, day DATE) STORED AS AVRO PARTITIONED BY (day) LOCATION '$DIR/hive/'",
            "error: Error during planning: no file has the declared column `extra`; available: n",
        ),
        (
            "CREATE EXTERNAL TABLE typed (N BIGINT, day DATE) STORED AS AVRO PARTITIONED BY (day) LOCATION '$DIR/hive/'",
            "",
        ),
        (
            "SELECT * FROM typed WHERE day > DATE '2024-01-01' ORDER BY n LIMIT 2",
            "n | day\n3 | 2024-01-02\n4 | 2024-01-02",
        ),
        ("CREATE EXTERNAL TABLE some (n BIGINT, day DATE) STORED AS AVRO LOCATION '$DIR/hive/'", ""),
        ("SELECT * FROM some ORDER BY n DESC LIMIT 1", "n | day\n6 | 2024-01-03"),
        ("CREATE EXTERNAL TABLE flat STORED AS AVRO LOCATION '$DIR/hive/' OPTIONS('partitions' 'ignore')", ""),
        ("SELECT * FROM flat ORDER BY n LIMIT 1", "n\n0"),
        (
            "CREATE EXTERNAL TABLE p STORED AS AVRO LOCATION '$DIR/people.avro' OPTIONS('unions' 'struct', 'enums' 'string')",
            "",
        ),
        ("SELECT arrow_typeof(pick) AS t, arrow_typeof(kind) AS k FROM p LIMIT 1", "t | k\nStruct..."),
        (
            "CREATE EXTERNAL TABLE e1 STORED AS AVRO LOCATION '$DIR/people.avro' OPTIONS('colour' 'red')",
            "error: Error during planning: unknown Avro option `colour`; read options are strings, ...",
        ),
        (
            "CREATE EXTERNAL TABLE e2 STORED AS AVRO LOCATION '$DIR/gone/'",
            "error: Error during planning: no such file or directory: $DIR/gone/",
        ),
        (
            "CREATE EXTERNAL TABLE e3 STORED AS AVRO LOCATION '$DIR/mixed/'",
            "error: Error during planning: no Avro files at $DIR/mixed/; left out: 1 empty file",
        ),
    ];
    check(&ctx, &dir, &cases).await;
}

#[tokio::test]
async fn select_returns_every_type() {
    let dir = files();
    let ctx = session(2);
    let path = dir.path().join("people.avro");
    ctx.register_avro_table("people", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    let cases = [
        (
            "SELECT id, name FROM people ORDER BY id LIMIT 2",
            "id | name\n0 | name 0 of some length\n1 | name 1 of some length",
        ),
        ("SELECT kind, count(*) AS c FROM people GROUP BY kind ORDER BY kind", "kind | c\ncat | 3\ndog | 2"),
        ("SELECT count(*) AS c FROM people WHERE kind = 'cat'", "c\n3"),
        ("SELECT id, score FROM people WHERE score IS NOT NULL ORDER BY id", "id | score\n1 | 0.5\n3 | 1.5"),
        ("SELECT id, tags FROM people ORDER BY id DESC LIMIT 3", "id | tags\n4 | [a]\n3 | []\n2 | [a, b]"),
        ("SELECT id, unnest(tags) AS tag FROM people ORDER BY id, tag", "id | tag\n1 | a\n2 | a\n2 | b\n4 | a"),
        ("SELECT attrs['n'] AS n FROM people ORDER BY id LIMIT 2", "n\n0\n10"),
        (
            "SELECT home.city, home['zip'] AS zip FROM people ORDER BY id LIMIT 2",
            "people.home[city] | zip\nBonn | 53000\nBonn | null",
        ),
        ("SELECT sum(home.zip) AS z FROM people WHERE home.city = 'Bonn'", "z\n159006"),
        (
            "SELECT id, pick FROM people ORDER BY id LIMIT 3",
            "id | pick\n0 | null\n1 | {string: text, long: null}\n2 | {string: null, long: 2}",
        ),
        ("SELECT encode(key, 'hex') AS k FROM people ORDER BY id LIMIT 2", "k\n00ff\n01ff"),
        ("SELECT max(day) AS d, min(at) AS a FROM people", "d | a\n2022-01-12 | 2023-11-14T22:13:20Z"),
        ("SELECT sum(amount) AS s FROM people", "s\n0.30"),
        ("SELECT gap FROM people ORDER BY id DESC LIMIT 1", "gap\n4 mons 2 days 0.003000000 secs"),
        ("SELECT uid FROM people ORDER BY id DESC LIMIT 1", "uid\n04040404040404040404040404040404"),
        ("SELECT blob FROM people WHERE blob = X'0002'", "blob\n0002"),
        ("SELECT count(*) AS c, count(score) AS s FROM people", "c | s\n5 | 2"),
        ("SELECT a.id FROM people a JOIN people b ON a.name = b.name AND a.id = b.id ORDER BY 1 LIMIT 1", "id\n0"),
        (
            "SELECT * FROM people WHERE id = 2",
            "id | name | kind | score | tags | attrs | home | pick | key | day | at | amount | gap | uid | blob
             2 | name 2 of some length | cat | null | [a, b] | {n: 20} | {city: Bonn, zip: 53002} | {string: null, long: 2} | 02ff | \
             2022-01-10 | 2023-11-14T22:13:20.000002Z | 0.06 | 2 mons 2 days 0.003000000 secs | \
             02020202020202020202020202020202 | 0002",
        ),
        ("SELECT count(*) AS c FROM (SELECT * FROM people ORDER BY name) WHERE id >= 0", "c\n5"),
        ("SELECT count(*) AS c FROM (SELECT * FROM people UNION ALL SELECT * FROM people)", "c\n10"),
        ("SELECT random() < 2 AS r, 1 AS one FROM people LIMIT 1", "r | one\ntrue | 1"),
        ("SELECT 1 AS one FROM people", "one\n1\n1\n1\n1\n1"),
    ];
    check(&ctx, &dir, &cases).await;
}

#[tokio::test]
async fn schemas_merge_by_name() {
    let dir = Dir::new();
    let v1 = record(&[r#"{"name": "a", "type": "int"}"#, r#"{"name": "b", "type": "string", "doc": "old"}"#]);
    let v2 = record(&[
        r#"{"name": "b", "type": "string", "doc": "new"}"#,
        r#"{"name": "a", "type": "long"}"#,
        r#"{"name": "c", "type": {"type": "record", "name": "c", "fields": [{"name": "x", "type": "int"}]}}"#,
    ]);
    let v3 = record(&[
        r#"{"name": "c", "type": {"type": "record", "name": "c", "fields": [
            {"name": "y", "type": "string"}, {"name": "x", "type": ["null", "long"]}]}}"#,
        r#"{"name": "a", "type": "int"}"#,
        r#"{"name": "d", "type": {"type": "array", "items": "int"}}"#,
    ]);
    dir.write("t/1.avro", avro(&v1, &[row().long(1).string("one")], 1));
    dir.write("t/2.avro", avro(&v2, &[row().string("two").long(1 << 40).long(7)], 1));
    dir.write("t/3.avro", avro(&v3, &[row().string("y").long(1).long(1 << 41).long(3).long(1).long(5).long(0)], 1));
    let x = |schema: &str| record(&[&format!(r#"{{"name": "x", "type": {schema}}}"#)]);
    dir.write("conflict/a.avro", avro(&x(r#""int""#), &[row().long(1)], 1));
    dir.write("conflict/b.avro", avro(&x(r#""string""#), &[row().string("s")], 1));
    let cases = [
        (
            "SELECT * FROM '$DIR/t' ORDER BY b NULLS LAST",
            "a | b | c | d
             1 | one | null | null
             1099511627776 | two | {x: 7, y: null} | null
             3 | null | {x: 2199023255552, y: y} | [5]",
        ),
        ("SELECT a FROM '$DIR/t' ORDER BY a", "a\n1\n3\n1099511627776"),
        ("SELECT count(*) AS c, count(b) AS b, count(d) AS d FROM '$DIR/t'", "c | b | d\n3 | 2 | 1"),
        ("SELECT c.x FROM '$DIR/t' WHERE c.y = 'y'", "$DIR/t.c[x]\n2199023255552"),
        ("SELECT d FROM '$DIR/t/[12].avro'", "error: Schema error: No field named d.\n..."),
        (
            "SELECT * FROM '$DIR/conflict'",
            "error: External error: `x` is int in $DIR/conflict/a.avro but string in $DIR/conflict/b.avro: these types \
             cannot be merged",
        ),
    ];
    check(&session(2), &dir, &cases).await;
}

/// Files that come, go or change after the table was registered.
#[tokio::test]
async fn scan_sees_changed_files() {
    let dir = Dir::new();
    dir.write("t/1.avro", numbers(0..10));
    let ctx = session(2);
    let path = dir.path().join("t");
    ctx.register_avro_table("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    let count = "SELECT count(*) AS c FROM t";
    check(&ctx, &dir, &[(count, "c\n10")]).await;
    dir.write("t/2.avro", numbers(10..15));
    check(&ctx, &dir, &[(count, "c\n15")]).await;
    dir.write("t/1.avro", numbers(0..20));
    check(&ctx, &dir, &[(count, "c\n25"), ("SELECT sum(n) AS s FROM t", "s\n250")]).await;
    let other = record(&[r#"{"name": "m", "type": "long"}"#]);
    dir.write("t/3.avro", avro(&other, &[row().long(1)], 1));
    let missing = "error: External error: $DIR/t/3.avro: the reader's schema does not fit the file's: the writer has no field `n`, \
                   and the reader no default";
    check(&ctx, &dir, &[("SELECT sum(n) AS s FROM t", missing)]).await;
    // A file that was cut is an error, not fewer rows.
    let whole = numbers(0..10);
    dir.write("t/3.avro", &whole[..whole.len() - 3]);
    let found = dir.hide(&run(&ctx, "SELECT sum(n) AS s FROM t").await);
    assert!(found.starts_with("error: External error: $DIR/t/3.avro: the file ends inside"), "{found}");
    let found = dir.hide(&run(&ctx, count).await);
    assert!(found.starts_with("error: External error: $DIR/t/3.avro: the file ends inside"), "{found}");
    std::fs::remove_dir_all(&path).unwrap();
    let found = run(&ctx, count).await;
    assert!(found.starts_with("error: Error during planning: no Avro files at"), "{found}");
}

#[tokio::test]
async fn register_avro_table_takes_options_and_paths() {
    let dir = files();
    let ctx = session(2);
    let paths = ["logs/2024", "hive/**/*.avro"].map(|path| dir.path().join(path).to_str().unwrap().to_owned());
    ctx.register_avro_table("both", paths, AvroOptions::default().with_partitions(Partitions::Ignore)).await.unwrap();
    check(&ctx, &dir, &[("SELECT count(*) AS c, sum(n) AS s FROM both", "c | s\n27 | 211")]).await;

    let people = dir.path().join("people.avro");
    let options = AvroOptions::default().with_unions(Unions::Struct);
    let frame = ctx.read_avro_table(people.to_str().unwrap(), options).await.unwrap();
    assert_eq!(frame.clone().count().await.unwrap(), 5);
    assert!(frame.schema().field_with_unqualified_name("pick").unwrap().data_type().is_nested());

    let nothing = ctx.read_avro_table(Vec::<String>::new(), AvroOptions::default()).await.unwrap_err();
    assert_eq!(nothing.strip_backtrace(), "Error during planning: a table needs at least one path");
}

/// `AvroSessionExt` needs no registration of the crate.
#[tokio::test]
async fn register_avro_table_works_with_plain_context() {
    let dir = files();
    let ctx = datafusion::prelude::SessionContext::new();
    let path = dir.path().join("logs");
    ctx.register_avro_table("logs", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    check(&ctx, &dir, &[("SELECT count(*) AS c FROM logs", "c\n30")]).await;
}

/// DataFusion's feature `avro` gives `SessionContext` inherent methods of these names. Turning it on would build
/// DataFusion again, so a type with such methods stands in for it: calls of the trait must not be ambiguous with, or
/// hidden by, them.
#[tokio::test]
async fn session_ext_does_not_collide_with_inherent_avro_methods() {
    struct WithInherentMethods(datafusion::prelude::SessionContext);

    impl WithInherentMethods {
        async fn register_avro(&self, _name: &str, _path: &str, _options: ()) {}
        async fn read_avro(&self, _path: &str, _options: ()) {}
    }

    #[async_trait::async_trait]
    impl AvroSessionExt for WithInherentMethods {
        async fn register_avro_table(
            &self,
            name: impl Into<TableReference> + Send,
            paths: impl Into<Paths> + Send,
            options: AvroOptions,
        ) -> Result<()> {
            self.0.register_avro_table(name, paths, options).await
        }

        async fn read_avro_table(&self, paths: impl Into<Paths> + Send, options: AvroOptions) -> Result<DataFrame> {
            self.0.read_avro_table(paths, options).await
        }
    }

    let dir = files();
    let path = dir.path().join("logs").display().to_string();
    let ctx = WithInherentMethods(datafusion::prelude::SessionContext::new());
    ctx.register_avro("logs", &path, ()).await;
    ctx.read_avro(&path, ()).await;
    ctx.register_avro_table("logs", path.as_str(), AvroOptions::default()).await.unwrap();
    assert_eq!(ctx.read_avro_table(path, AvroOptions::default()).await.unwrap().count().await.unwrap(), 30);
}

/// A null record of an Arrow array may have values in its fields, which are not those of the null.
#[tokio::test]
async fn fields_of_null_records_in_arrow_data_are_null() {
    let dir = Dir::new();
    let ctx = session(1);
    avro_datafusion::compat::enable_sql_semantics(&ctx).unwrap();
    let x: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
    let fields = Fields::from(vec![Field::new("x", DataType::Int64, true)]);
    let records = StructArray::new(fields.clone(), vec![x], Some(vec![true, false, true].into()));
    let item = Arc::new(Field::new("item", DataType::Struct(fields), true));
    let offsets = OffsetBuffer::from_lengths([1, 1, 1]);
    let lists = ListArray::new(item, offsets, Arc::new(records.clone()), None);
    let columns: [(&str, ArrayRef); 2] = [("r", Arc::new(records)), ("l", Arc::new(lists))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = dir.path().join("masked.arrow");
    let mut writer = FileWriter::try_new(File::create(&path).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    ctx.register_batch("memory", batch).unwrap();
    for table in ["memory".to_owned(), format!("'{}'", path.display())] {
        let fields = format!("SELECT t.r['x'] AS x, t.l[1]['x'] AS y, t.r IS NULL AS n FROM {table} AS t");
        assert_eq!(run(&ctx, &fields).await, "x | y | n\n1 | 1 | false\nnull | null | true\nnull | null | false");
        let counts =
            format!("SELECT count(t.r['x']) AS n, sum(t.r['x']) AS s FROM {table} AS t WHERE t.r['x'] IS NOT NULL");
        assert_eq!(run(&ctx, &counts).await, "n | s\n1 | 1");
    }
}
