//! Table functions: arguments and results.

use crate::support::counting::Counting;
use crate::support::{Dir, Row, SYNC, avro, check, record, row, run, session};
use datafusion::prelude::SessionContext;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use url::Url;

const VALID: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid");

fn numbers(range: std::ops::Range<i64>) -> Vec<u8> {
    let rows: Vec<Row> = range.map(|i| row().long(i)).collect();
    avro(&record(&[r#"{"name": "n", "type": "long"}"#]), &rows, 3)
}

fn files() -> Dir {
    let dir = Dir::new();
    dir.write("a.avro", numbers(0..10));
    dir.write("d/b.avro", numbers(10..20));
    dir.write("d/c.data", numbers(20..21));
    dir.write("it's.avro", numbers(0..4));
    dir.write("hive/k=01/a.avro", numbers(0..2));
    let wide = record(&[r#"{"name": "n", "type": "string"}"#]);
    dir.write("text.avro", avro(&wide, &[row().string("x")], 1));
    let old = record(&[r#"{"name": "n", "type": "int"}"#]);
    dir.write("old.avro", avro(&old, &[row().long(5)], 1));
    dir.write("reader.avsc", record(&[r#"{"name": "m", "type": "long", "aliases": ["n"]}"#]));
    dir.write("bad.avro", "this is not Avro");
    dir
}

/// Calls of `read_avro`.
const READS: &[(&str, &str)] = &[
    ("SELECT sum(n) AS s FROM read_avro('$DIR/a.avro')", "s\n45"),
    ("SELECT sum(n) AS s FROM READ_AVRO('$DIR/a.avro') AS t WHERE t.n > 5", "s\n30"),
    ("SELECT sum(n) AS s FROM read_avro('$DIR/d/')", "s\n145"),
    ("SELECT sum(n) AS s FROM read_avro('$DIR/d/', file_extension => '')", "s\n165"),
    ("SELECT sum(n) AS s FROM read_avro('$DIR/d/', file_extension = '.data')", "s\n20"),
    ("SELECT sum(n) AS s FROM read_avro('$DIR/d/', 'file_extension', '.data')", "s\n20"),
    ("SELECT sum(n) AS s FROM read_avro(['$DIR/a.avro', '$DIR/d/*'])", "s\n210"),
    ("SELECT sum(n) AS s FROM read_avro('$DIR/{a,d/b}.avro')", "s\n190"),
    ("SELECT sum(n) AS s FROM read_avro('$DIR/it''s.avro')", "s\n6"),
    ("SELECT sum(n) AS s FROM read_avro(concat('$DIR/', 'a', '.avro'))", "s\n45"),
    ("SELECT a.n FROM read_avro('$DIR/a.avro') a JOIN read_avro('$DIR/old.avro') b ON a.n = b.n", "n\n5"),
    (
        "SELECT arrow_typeof(n) AS t FROM read_avro(['$DIR/text.avro', '$DIR/a.avro'], union_by_name => 'widen') LIMIT 1",
        "t\nStruct...",
    ),
    ("SELECT arrow_typeof(n) AS t FROM read_avro('$DIR/text.avro', strings => 'plain')", "t\nUtf8"),
    (
        "SELECT m, k FROM read_avro('$DIR/hive', reader_schema => '$DIR/reader.avsc', Partition_Types => 'string')",
        "m | k\n0 | 01\n1 | 01",
    ),
    (
        r#"SELECT * FROM read_avro('$DIR/old.avro', reader_schema => '{"type":"record","name":"r","fields":[{"name":"n","type":"long"},{"name":"x","type":"int","default":3}]}')"#,
        "n | x\n5 | 3",
    ),
    (
        "SELECT arrow_typeof(n) AS t FROM read_avro(['$DIR/old.avro', '$DIR/a.avro'], union_by_name => true) LIMIT 1",
        "t\nInt64",
    ),
    ("SELECT * FROM read_avro('$DIR/a.avro', recursion_levels => 2) LIMIT 1", "n\n0"),
    ("CREATE VIEW v AS SELECT * FROM read_avro('$DIR/a.avro', enums => 'string')", ""),
    ("SELECT count(*) AS c FROM v", "c\n10"),
    ("SELECT * FROM read_avro(['$DIR/old.avro', '$DIR/a.avro'], union_by_name => false)", "error: External error: ..."),
    (
        "SELECT * FROM read_avro('$DIR/a.avro', colour => 'red')",
        "error: Error during planning: unknown Avro read option `colour`; read options are ...",
    ),
    (
        "SELECT * FROM read_avro('$DIR/a.avro', enums => 'red')",
        "error: Error during planning: option `enums`: expected dictionary or string, found `red`",
    ),
    (
        "SELECT * FROM read_avro('$DIR/a.avro', enums => NULL)",
        "error: Error during planning: read_avro: the option `enums` must be a constant",
    ),
    (
        "SELECT * FROM read_avro('$DIR/a.avro', 'enums')",
        "error: Error during planning: write read_avro('path'), with ...",
    ),
    ("SELECT * FROM read_avro()", "error: Error during planning: write read_avro('path'), with ..."),
    ("SELECT * FROM read_avro([])", "error: Error during planning: write read_avro('path'), with ..."),
    ("SELECT * FROM read_avro(7)", "error: Error during planning: write read_avro('path'), with ..."),
    (
        "SELECT * FROM read_avro('$DIR/gone.avro')",
        "error: Error during planning: no such file or directory: $DIR/gone.avro",
    ),
    (
        "SELECT * FROM read_avro(['$DIR/a.avro', '$DIR/gone/*'])",
        "error: Error during planning: no such directory: $DIR/gone/...",
    ),
    (
        "SELECT * FROM read_avro('$DIR/bad.avro')",
        "error: External error: $DIR/bad.avro: not an Avro container file: ...",
    ),
    ("SELECT * FROM read_avro(['$DIR/a.avro', '$DIR/text.avro'])", "error: External error: ..."),
];

#[tokio::test]
async fn read_avro_works_on_one_thread() {
    check(&session(2), &files(), READS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn read_avro_works_on_worker_threads() {
    let ctx = session(2);
    let dir = files();
    let dir = tokio::spawn(async move {
        check(&ctx, &dir, READS).await;
        dir
    });
    dir.await.unwrap();
}

async fn remote() -> (SessionContext, Arc<Counting>) {
    let store = InMemory::new();
    for (path, bytes) in [("d/a.avro", numbers(0..10)), ("d/b.avro", numbers(0..5)), ("x/c.avro", b"Obj\x01".to_vec())]
    {
        store.put(&Path::from(path), bytes.into()).await.unwrap();
    }
    let (ctx, store) = (session(2), Arc::new(Counting::new(Arc::new(store))));
    ctx.register_object_store(&Url::parse("s3://b").unwrap(), Arc::clone(&store) as Arc<dyn ObjectStore>);
    (ctx, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn read_avro_reads_urls() {
    let (ctx, _) = remote().await;
    let cases = [
        ("SELECT sum(n) AS s FROM read_avro('s3://b/d/*.avro')", "s\n55"),
        ("SELECT count(*) AS c FROM avro_blocks('s3://b/d/')", "c\n6"),
        (
            "SELECT file, header_bytes FROM avro_metadata('s3://b/{d,y}/a.avro', file_extension => '') WHERE key = 'avro.codec'",
            "file | header_bytes\ns3://b/d/a.avro | 126",
        ),
        (
            "SELECT * FROM avro_schema('s3://b/x/c.avro')",
            "error: External error: s3://b/x/c.avro: the file ends inside its header",
        ),
        (
            "SELECT * FROM avro_blocks('s3://b/x/c.avro')",
            "error: External error: s3://b/x/c.avro: the file ends inside its header",
        ),
        (
            "SELECT file, reason FROM avro_damage(['s3://b/x', 's3://b/d'])",
            "file | reason\ns3://b/x/c.avro | the file ends inside its header",
        ),
    ];
    check(&ctx, &Dir::new(), &cases).await;
}

#[tokio::test]
async fn read_avro_of_url_on_one_thread_is_an_error() {
    let (ctx, _) = remote().await;
    let cases = [(
        "SELECT * FROM read_avro('s3://b/d/*.avro')",
        "error: Error during planning: read_avro() of a URL requires a multi-threaded Tokio runtime; ...",
    )];
    check(&ctx, &Dir::new(), &cases).await;
}

#[tokio::test]
async fn avro_metadata_lists_header_entries() {
    let dir = files();
    let schema = r#"{"type": "record", "name": "r", "fields": [{"name": "n", "type": "long"}]}"#;
    let header = row().raw(b"Obj\x01").long(4).string("avro.schema").string(schema);
    let header = header.string("writer").string("me").string("raw").bytes(&[0xff, 0]).string("writer").string("");
    let file = header.long(0).raw(&SYNC).long(1).bytes(&row().long(7).0).raw(&SYNC);
    dir.write("noted.avro", &file.0);
    let cases: &[(&str, &str)] = &[
        (
            "SELECT * FROM avro_metadata('$DIR/noted.avro')",
            &format!(
                "file | key | value | bytes | file_bytes | header_bytes | sync | error
                 $DIR/noted.avro | avro.schema | {schema} | {} | {2} | {1} | a573796e63006d61726b6572fffefd01 | null
                 $DIR/noted.avro | writer | me | 6d65 | {2} | {1} | a573796e63006d61726b6572fffefd01 | null
                 $DIR/noted.avro | raw | null | ff00 | {2} | {1} | a573796e63006d61726b6572fffefd01 | null
                 $DIR/noted.avro | writer |  |  | {2} | {1} | a573796e63006d61726b6572fffefd01 | null",
                schema.bytes().map(|byte| format!("{byte:02x}")).collect::<String>(),
                file.0.len() - 19,
                file.0.len(),
            ),
        ),
        (
            "SELECT value, count(*) AS c FROM avro_metadata(['$DIR/a.avro', '$DIR/d']) WHERE key = 'avro.codec' GROUP BY value",
            "value | c\nnull | 2",
        ),
        ("SELECT key FROM avro_metadata('$DIR/a.avro') LIMIT 1", "key\navro.codec"),
        (
            "SELECT file, key, left(error, 29) AS error FROM avro_metadata('$DIR/*.avro') WHERE error IS NOT NULL",
            "file | key | error\n$DIR/bad.avro | null | not an Avro container file: i",
        ),
        (
            "SELECT * FROM avro_metadata('$DIR/gone')",
            "error: Error during planning: no such file or directory: $DIR/gone",
        ),
        ("SELECT * FROM avro_metadata()", "error: Error during planning: write avro_metadata('path'), with..."),
    ];
    check(&session(3), &dir, cases).await;
}

#[tokio::test]
async fn avro_blocks_lists_blocks() {
    let dir = files();
    let good = numbers(0..10);
    // The blocks are of 1 + 1 + 3 + 16 bytes, the last of two less.
    let first = good.len() - 3 * 21 - 19;
    let mut marker = good.clone();
    marker[first + 21 + 5] ^= 1;
    dir.write("damaged/marker.avro", marker);
    dir.write("damaged/cut.avro", &good[..good.len() - 3]);
    dir.write("damaged/head.avro", &good[..first + 1]);
    let mut count = good.clone();
    count[first + 21] = 1;
    dir.write("damaged/count.avro", count);
    dir.write("none.avro", numbers(0..0));
    let offset = |block: usize| first + block * 21;
    let expected = format!(
        "file | block | offset | bytes | rows | stored | decompressed
         $DIR/a.avro | 0 | {} | 21 | 3 | 3 | 3
         $DIR/a.avro | 1 | {} | 21 | 3 | 3 | 3
         $DIR/a.avro | 2 | {} | 21 | 3 | 3 | 3
         $DIR/a.avro | 3 | {} | 19 | 1 | 1 | 1",
        offset(0),
        offset(1),
        offset(2),
        offset(3),
    );
    let error = |what: &str, block: u64, offset: usize| {
        format!("error: External error: $DIR/damaged/{what} (block {block}, file offset {offset})")
    };
    let cases: &[(&str, &str)] = &[
        ("SELECT * FROM avro_blocks('$DIR/a.avro')", &expected),
        ("SELECT * FROM avro_blocks('$DIR/none.avro')", ""),
        (
            "SELECT file, sum(\"rows\") AS n FROM avro_blocks(['$DIR/a.avro', '$DIR/d']) GROUP BY file ORDER BY file",
            "file | n\n$DIR/a.avro | 10\n$DIR/d/b.avro | 10",
        ),
        ("SELECT block FROM avro_blocks('$DIR/a.avro') LIMIT 2", "block\n0\n1"),
        (
            "SELECT block FROM avro_blocks('$DIR/damaged/cut.avro')",
            &error("cut.avro: the file ends inside a block", 3, offset(3)),
        ),
        (
            "SELECT block FROM avro_blocks('$DIR/damaged/head.avro')",
            &error("head.avro: the file ends inside a block's count and size", 0, first),
        ),
        (
            "SELECT block FROM avro_blocks('$DIR/damaged/count.avro')",
            &error("count.avro: damaged container: a block's count is -1", 1, first + 21),
        ),
        (
            "SELECT block FROM avro_blocks('$DIR/damaged/marker.avro')",
            "error: External error: $DIR/damaged/marker.avro: ...",
        ),
        (
            "SELECT * FROM avro_blocks('$DIR/bad.avro')",
            "error: External error: $DIR/bad.avro: not an Avro container file: ...",
        ),
    ];
    for partitions in [1, 3] {
        check(&session(partitions), &dir, cases).await;
    }
}

#[tokio::test]
async fn calls_of_one_function_are_different_tables() {
    let dir = files();
    let cases: &[(&str, &str)] = &[
        (
            "SELECT (SELECT max(n) FROM read_avro('$DIR/a.avro')) AS a, (SELECT max(n) FROM read_avro('$DIR/d')) AS b,
             1 + (SELECT max(n) FROM read_avro('$DIR/old.avro')) AS c",
            "a | b | c\n9 | 19 | 6",
        ),
        (
            "SELECT (SELECT max(value) FROM generate_series(1, 5)) AS a, (SELECT max(value) FROM generate_series(1, 2)) AS b",
            "a | b\n5 | 2",
        ),
        (
            "SELECT sum(a.n + b.n) AS s FROM read_avro('$DIR/a.avro') a, read_avro('$DIR/d') b WHERE a.n + 10 = b.n",
            "s\n190",
        ),
        (
            "SELECT read_avro.n FROM read_avro('$DIR/a.avro') AS read_avro WHERE n IN (SELECT n FROM read_avro('$DIR/old.avro'))",
            "n\n5",
        ),
    ];
    for partitions in [1, 3] {
        check(&session(partitions), &dir, cases).await;
    }
}

#[tokio::test]
async fn avro_files_lists_files_that_cannot_be_read() {
    let dir = Dir::new();
    let good = numbers(0..10);
    dir.write("a.avro", &good);
    dir.write("b.data", numbers(0..0));
    dir.write("cut.avro", &good[..good.len() - 3]);
    dir.write("empty.avro", "");
    dir.write("page.html", "<html></html>");
    let columns = "split_part(file, '/', -1) AS f, codec, \"rows\", blocks, schema, error";
    let all = format!("SELECT {columns} FROM avro_files('$DIR') ORDER BY f");
    let cut = good.len() - 19;
    let expected = format!(
        "f | codec | rows | blocks | schema | error
         a.avro | null | 10 | 4 | r | null
         b.data | null | 0 | 0 | r | null
         cut.avro | null | null | null | r | the file ends inside a block (block 3, file offset {cut})
         empty.avro | null | null | null | null | not an Avro container file: it is empty
         page.html | null | null | null | null | not an Avro container file: it starts with <htm (file offset 0)"
    );
    let cases: &[(&str, &str)] = &[
        (&all, &expected),
        // One file that is not Avro is a row too.
        ("SELECT count(error) AS n FROM avro_files('$DIR/empty.avro')", "n\n1"),
        ("SELECT sum(bytes) > 0 AS b FROM avro_files('$DIR', file_extension => '.avro')", "b\ntrue"),
    ];
    check(&session(3), &dir, cases).await;
}

#[tokio::test]
async fn avro_blocks_agrees_with_row_counts() {
    let ctx = session(2);
    // The blocks of a file lie side by side from the end of its header to the end of it.
    let sql = format!(
        "SELECT m.file, file_bytes - header_bytes - coalesce(sum(b.bytes), 0) AS difference
         FROM (SELECT DISTINCT file, file_bytes, header_bytes FROM avro_metadata('{VALID}')) m
         LEFT JOIN avro_blocks('{VALID}') b ON b.file = m.file
         GROUP BY m.file, file_bytes, header_bytes"
    );
    let sql = format!("SELECT count(*) AS files, count(*) FILTER (WHERE difference <> 0) AS wrong FROM ({sql})");
    let wrong = run(&ctx, &sql).await;
    let files = std::fs::read_dir(VALID).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "avro")).collect();
    assert!(files.len() > 100);
    assert_eq!(wrong, format!("files | wrong\n{} | 0", files.len()));
    let mut compared = 0;
    for file in files {
        let file = file.display();
        let rows = run(&ctx, &format!("SELECT count(*) AS n FROM '{file}'")).await;
        let blocks = run(&ctx, &format!("SELECT coalesce(sum(\"rows\"), 0) AS n FROM avro_blocks('{file}')")).await;
        // A file may have columns that SQL cannot tell apart.
        if !rows.starts_with("error") {
            assert_eq!(rows, blocks, "{file}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    // The length that a codec records is the decompressed length.
    let sql = format!(
        "SELECT count(DISTINCT sum) AS sums FROM (SELECT file, sum(decompressed) AS sum
         FROM avro_blocks('{VALID}/codec-{{null,snappy,zstandard}}.avro') GROUP BY file)"
    );
    assert_eq!(run(&ctx, &sql).await, "sums\n1");
}

/// Large blocks are not read, small ones are read together.
#[tokio::test]
async fn avro_blocks_skips_data() {
    let schema = record(&[r#"{"name": "b", "type": "bytes"}"#]);
    let rows = |n: usize, len: usize| -> Vec<Row> { (0..n).map(|_| row().bytes(&vec![7; len])).collect() };
    let store = InMemory::new();
    store.put(&Path::from("large.avro"), avro(&schema, &rows(12, 1 << 20), 1).into()).await.unwrap();
    store.put(&Path::from("small.avro"), avro(&schema, &rows(3000, 1000), 1).into()).await.unwrap();
    let (ctx, store) = (session(1), Arc::new(Counting::new(Arc::new(store))));
    ctx.register_object_store(&Url::parse("s3://b").unwrap(), Arc::clone(&store) as Arc<dyn ObjectStore>);
    for (path, blocks, gets_max, bytes_max) in [("large", 12, 14, 2 << 20), ("small", 3000, 5, 4 << 20)] {
        store.take_gets();
        let text = run(&ctx, &format!("SELECT count(*) AS n FROM avro_blocks('s3://b/{path}.avro')")).await;
        assert_eq!(text, format!("n\n{blocks}"));
        let gets = store.take_gets();
        let bytes: u64 = gets.iter().map(|(_, range)| range.end - range.start).sum();
        assert!(gets.len() <= gets_max && bytes <= bytes_max, "{path}: {} reads of {bytes} bytes", gets.len());
    }
}

#[tokio::test]
async fn avro_schema_lists_fields() {
    let dir = files();
    let schema = record(&[
        r#"{"name": "id", "type": "long", "doc": "who", "aliases": ["key", "ident"]}"#,
        r#"{"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": null}"#,
        r#"{"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "item", "namespace": "shop", "fields": [
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {"a": "b"}}]}}}"#,
        r#"{"name": "by", "type": {"type": "map", "values": ["null", "shop.item"]}}"#,
        r#"{"name": "pick", "type": ["null", "string", "shop.item", {"type": "fixed", "name": "f", "size": 4}]}"#,
        r#"{"name": "tree", "type": {"type": "record", "name": "node", "fields": [
            {"name": "v", "type": "int", "default": 7}, {"name": "next", "type": ["null", "node"]}]}}"#,
        r#"{"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["A"]}}"#,
    ]);
    dir.write("schema.avro", avro(&schema, &[], 1));
    dir.write("value.avro", avro(r#"{"type": "array", "items": "int"}"#, &[], 1));
    let cases: &[(&str, &str)] = &[
        (
            "SELECT path, avro_type, logical_type, nullable, \"default\", doc, aliases FROM avro_schema('$DIR/schema.avro')",
            r#"path | avro_type | logical_type | nullable | default | doc | aliases
            id | long | null | false | null | who | [key, ident]
            at | null | long | timestamp-micros | true | null | null | []
            items | array<record shop.item> | null | false | null | null | []
            items.price | bytes | decimal | false | null | null | []
            items.tags | map<string> | null | false | {"a":"b"} | null | []
            by | map<null | record shop.item> | null | false | null | null | []
            by.price | bytes | decimal | false | null | null | []
            by.tags | map<string> | null | false | {"a":"b"} | null | []
            pick | null | string | record shop.item | fixed(4) f | null | true | null | null | []
            pick.price | bytes | decimal | false | null | null | []
            pick.tags | map<string> | null | false | {"a":"b"} | null | []
            tree | record node | null | false | null | null | []
            tree.v | int | null | false | 7 | null | []
            tree.next | null | record node | null | true | null | null | []
            kind | enum kind | null | false | null | null | []"#,
        ),
        (
            "SELECT path, arrow_type FROM avro_schema('$DIR/schema.avro') WHERE path IN ('at', 'items.price', 'kind', 'tree.next')",
            "path | arrow_type
            at | Timestamp(µs, \"UTC\")
            items.price | Decimal128(9, 2)
            tree.next | Utf8View
            kind | Dictionary(Int32, Utf8)",
        ),
        (
            "SELECT path FROM avro_schema('$DIR/schema.avro', unions => 'struct', recursion_levels => 1) WHERE path LIKE 'pick%' OR path LIKE 'tree%'",
            "path\npick\npick.price\npick.tags\ntree\ntree.v\ntree.next\ntree.next.v\ntree.next.next",
        ),
        ("SELECT arrow_type FROM avro_schema('$DIR/text.avro', strings => 'plain')", "arrow_type\nUtf8"),
        ("SELECT path, avro_type FROM avro_schema('$DIR/value.avro')", "path | avro_type\nvalue | array<int>"),
        (
            "SELECT file, avro_type FROM avro_schema('$DIR/{old,a}.avro') ORDER BY file",
            "file | avro_type\n$DIR/a.avro | long\n$DIR/old.avro | int",
        ),
        (
            "SELECT * FROM avro_schema('$DIR/bad.avro')",
            "error: External error: $DIR/bad.avro: not an Avro container file: ...",
        ),
    ];
    check(&session(2), &dir, cases).await;
    // Every file has rows, and no file is too odd.
    let sql = format!("SELECT count(DISTINCT file) AS c FROM avro_schema('{VALID}')");
    let files = std::fs::read_dir(VALID).unwrap().map(|entry| entry.unwrap().file_name());
    let n = files.filter(|name| name.to_string_lossy().ends_with(".avro")).count();
    let found = run(&session(2), &sql).await;
    let found: usize = found.strip_prefix("c\n").unwrap_or_else(|| panic!("{found}")).parse().unwrap();
    // A record may have no fields.
    assert!(found <= n && found + 5 > n, "{found} of {n}");
}
