//! Writes from SQL: statements, and the resulting files or errors.

use crate::support::{self, Dir, check, query, run, session};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::path::Path;
use std::time::Duration;

/// The files below a directory, as paths below it, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut found = vec![];
    let mut directories = vec![dir.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => directories.push(path),
                false => found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// The paths, with `*` for the names of files.
fn directories(dir: &Path) -> Vec<String> {
    let directory = |path: &String| format!("{}/*", path.rsplit_once('/').map_or("", |(parent, _)| parent));
    files(dir).iter().map(directory).collect()
}

/// Fails unless the directory is soon empty: dropped writes are cleaned up in the background.
async fn is_empty_soon(dir: &Path) {
    for _ in 0..3_000 {
        if files(dir).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(files(dir), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_round_trips_every_type() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/valid");
    let (dir, ctx) = (Dir::new(), session(2));
    let mut names: Vec<_> = files(&testdata).into_iter().filter(|name| name.ends_with(".avro")).collect();
    // Names that Avro does not allow are replaced.
    names.retain(|name| name != "names-dollar.avro");
    assert!(names.len() > 20, "{names:?}");
    let mut wrong = vec![];
    for name in names {
        let from = testdata.join(&name).display().to_string();
        let Ok(expected) = query(&ctx, &format!("SELECT * FROM '{from}'")).await else { continue };
        let to = dir.path().join(&name).display().to_string();
        let written = run(&ctx, &format!("COPY (SELECT * FROM '{from}') TO '{to}'")).await;
        let n_rows: usize = expected.iter().map(RecordBatch::num_rows).sum();
        if written != format!("count\n{n_rows}") {
            wrong.push(format!("{name}: {written}"));
            continue;
        }
        let found = query(&ctx, &format!("SELECT * FROM '{to}'")).await.unwrap();
        let (expected, found) = (support::lines(&expected), support::lines(&found));
        if expected != found {
            wrong.push(format!("{name}\n--- expected\n{expected}\n--- found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_options_apply_or_fail() {
    let (dir, ctx) = (Dir::new(), session(2));
    dir.write("s.avsc", support::record(&[r#"{"name": "n", "type": ["null", "int"], "doc": "a number"}"#]));
    check(
        &ctx,
        &dir,
        &[
            ("COPY (VALUES (1, 'a'), (2, NULL)) TO '$DIR/a.avro'", "count\n2"),
            ("SELECT * FROM '$DIR/a.avro'", "column1 | column2\n1 | a\n2 | null"),
            ("SELECT value FROM avro_metadata('$DIR/a.avro') WHERE key = 'avro.codec'", "value\nsnappy"),
            ("COPY (VALUES (1)) TO '$DIR/b.avro' OPTIONS (codec 'deflate', level 9)", "count\n1"),
            ("SELECT value FROM avro_metadata('$DIR/b.avro') WHERE key = 'avro.codec'", "value\ndeflate"),
            ("COPY (VALUES (1)) TO '$DIR/b.avro' OPTIONS (codec 'snappy')", "count\n1"),
            ("SELECT value FROM avro_metadata('$DIR/b.avro') WHERE key = 'avro.codec'", "value\nsnappy"),
            ("COPY (VALUES (1)) TO '$DIR/out' STORED AS AVRO OPTIONS (codec 'null')", "count\n1"),
            ("SELECT value FROM avro_metadata('$DIR/out') WHERE key = 'avro.codec'", "value\nnull"),
            (
                "COPY (SELECT value FROM generate_series(1, 10000)) TO '$DIR/c.avro' OPTIONS (codec 'null', block_size '1KB')",
                "count\n10000",
            ),
            ("SELECT count(*) > 15 AS many, sum(rows) AS rows FROM avro_blocks('$DIR/c.avro')", "many | rows\ntrue | 10000"),
            ("SELECT sum(value) AS sum FROM '$DIR/c.avro'", "sum\n50005000"),
            ("COPY (SELECT 7 AS n) TO '$DIR/d.avro' OPTIONS (schema '$DIR/s.avsc', 'metadata::made.by' 'me')", "count\n1"),
            ("SELECT n, arrow_typeof(n) AS type FROM '$DIR/d.avro'", "n | type\n7 | Int32"),
            ("COPY (SELECT 1 AS n) TO '$DIR/i.avro' OPTIONS (write_index 'true')", "count\n1"),
            ("SELECT rows, built FROM avro_index('$DIR/i.avro')", "rows | built\n1 | false"),
            (
                "COPY (SELECT 1) TO '$DIR/e.avro' OPTIONS (colour 'red')",
                "error: Error during planning: unknown Avro option `colour`; read options are ...",
            ),
            (
                "COPY (SELECT 1) TO '$DIR/e.avro' OPTIONS (strings 'plain')",
                "error: Error during planning: `strings` is a read option; write options are codec, level, \
                 block_size, schema, check_schema, write_index, metadata::KEY",
            ),
            (
                "COPY (SELECT 1) TO '$DIR/e.avro' OPTIONS (codec 'lzo')",
                "error: Error during planning: option `codec`: expected null or ...",
            ),
            ("COPY (SELECT 1) TO '$DIR/e.avro' OPTIONS (codec 'zstandard', level 99)", "error: Error during planning: level 99 is not valid for zstandard; ..."),
            ("COPY (SELECT 1) TO '$DIR/e.avro' OPTIONS (block_size '0')", "error: Error during planning: option `block_size`: expected a size such as 65536 or 256KB, found `0`"),
            ("COPY (SELECT 1) TO '$DIR/e.avro' OPTIONS (schema '{}')", "error: option `schema`..."),
        ],
    )
    .await;
    let found = run(&ctx, &dir.show("SELECT * FROM avro_metadata('$DIR/d.avro')")).await;
    assert!(found.contains("made.by"), "{found}");
    assert!(dir.path().join(".i.avro.avroidx").exists());
    assert!(!dir.path().join("e.avro").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_write_leaves_no_file() {
    let (dir, ctx) = (Dir::new(), session(2));
    let strict = support::record(&[r#"{"name": "n", "type": "long"}"#]);
    std::fs::create_dir(dir.path().join("out")).unwrap();
    let nulls = "(SELECT nullif(value, 99999) AS n FROM generate_series(1, 100000))";
    let zero = "(SELECT 1 / (value - 99999) AS n FROM generate_series(1, 100000))";
    let cases = [
        (format!("COPY {nulls} TO '$DIR/out/a.avro' OPTIONS (schema '{strict}')"), "n"),
        (format!("COPY {nulls} TO '$DIR/out' STORED AS AVRO OPTIONS (schema '{strict}', block_size 1000)"), "n"),
        (format!("COPY {zero} TO '$DIR/out/b.avro' OPTIONS (block_size 1000, codec 'null')"), "Divide by zero"),
        (format!("COPY (SELECT n, n % 5 AS k FROM {zero}) TO '$DIR/out/' STORED AS AVRO PARTITIONED BY (k)"), "Divide by zero"),
        ("COPY (SELECT 1 AS m) TO '$DIR/out/c.avro' OPTIONS (schema '{\"type\": \"record\", \"name\": \"r\", \"fields\": \
          [{\"name\": \"n\", \"type\": \"long\"}]}')".to_owned(), "n"),
        ("COPY (SELECT 1 AS a, arrow_cast(100, 'Decimal128(3, -2)') AS d) TO '$DIR/out/c.avro'".to_owned(), "Decimal128(3, -2)"),
        ("COPY (SELECT 1 AS a, X'ff' AS b) TO '$DIR/out/' STORED AS AVRO PARTITIONED BY (b)".to_owned(), "cannot partition by column `b` of type"),
    ];
    for (sql, expected) in cases {
        let found = run(&ctx, &dir.show(&sql)).await;
        assert!(found.starts_with("error: ") && found.contains(expected), "{sql}\n{found}");
        is_empty_soon(&dir.path().join("out")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_replaces_file_atomically() {
    let (dir, ctx) = (Dir::new(), session(2));
    check(
        &ctx,
        &dir,
        &[
            ("COPY (SELECT 1 AS n) TO '$DIR/a.avro'", "count\n1"),
            (
                "COPY (SELECT 1 / (value - 99999) AS n FROM generate_series(1, 100000)) TO '$DIR/a.avro'",
                "error: Arrow error: Divide by zero error",
            ),
            ("SELECT * FROM '$DIR/a.avro'", "n\n1"),
            ("COPY (SELECT n + 1 AS n FROM '$DIR/a.avro') TO '$DIR/a.avro'", "count\n1"),
            ("SELECT * FROM '$DIR/a.avro'", "n\n2"),
            ("COPY (SELECT 1 AS n WHERE false) TO '$DIR/none.avro'", "count\n0"),
            ("SELECT count(*) AS rows, max(n) AS max FROM '$DIR/none.avro'", "rows | max\n0 | null"),
        ],
    )
    .await;
    assert_eq!(files(dir.path()), ["a.avro", "none.avro"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_by_names_directories() {
    let (dir, ctx) = (Dir::new(), session(2));
    let rows = "(VALUES (1, 'x/y', DATE '2024-01-31'), (2, NULL, DATE '2024-01-31'), (3, 'x/y', NULL), (4, 'ü %=', NULL)) \
                AS t(n, k, d)";
    check(
        &ctx,
        &dir,
        &[
            (&format!("COPY (SELECT * FROM {rows}) TO '$DIR/p' STORED AS AVRO PARTITIONED BY (k, d)"), "count\n4"),
            (
                "SELECT * FROM '$DIR/p' ORDER BY n",
                "n | k | d\n1 | x/y | 2024-01-31\n2 | null | 2024-01-31\n3 | x/y | null\n4 | ü %= | null",
            ),
            ("SELECT n FROM '$DIR/p' WHERE k = 'x/y' ORDER BY n", "n\n1\n3"),
            (
                &format!(
                    "COPY (SELECT n, k FROM {rows}) TO '$DIR/q/' STORED AS AVRO PARTITIONED BY (k) \
                     OPTIONS ('execution.keep_partition_by_columns' 'true')"
                ),
                "count\n4",
            ),
            ("SELECT n, k FROM '$DIR/q' ORDER BY n", "n | k\n1 | x/y\n2 | null\n3 | x/y\n4 | ü %="),
            (&format!("COPY (SELECT * FROM {rows}) TO '$DIR/r' STORED AS AVRO PARTITIONED BY (z)"), "error: ..."),
        ],
    )
    .await;
    let names = directories(&dir.path().join("p"));
    assert!(names.contains(&"k=__HIVE_DEFAULT_PARTITION__/d=2024-01-31/*".to_owned()), "{names:?}");
    assert_eq!(names.len(), 4, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn insert_adds_files() {
    let (dir, ctx) = (Dir::new(), session(2));
    dir.write("one.avro", support::avro(&support::record(&[r#"{"name": "a", "type": "long"}"#]), &[], 1));
    dir.write("old/one.avro", {
        let colour = r#"{"name": "c", "type": {"type": "enum", "name": "x.Colour", "symbols": ["red", "blue"]}}"#;
        let fields = [r#"{"name": "a", "type": "int", "doc": "first"}"#, colour];
        support::avro(&support::record(&fields), &[support::row().long(1).long(0)], 1)
    });
    check(
        &ctx,
        &dir,
        &[
            (
                "CREATE EXTERNAL TABLE t (a BIGINT, b VARCHAR) STORED AS AVRO LOCATION '$DIR/new/t/' OPTIONS (codec 'snappy')",
                "",
            ),
            ("SELECT count(*) FROM t", "count(*)\n0"),
            ("INSERT INTO t VALUES (1, 'x')", "count\n1"),
            ("INSERT INTO t (b) VALUES ('y')", "count\n1"),
            ("INSERT INTO t SELECT * FROM t", "count\n2"),
            ("INSERT INTO t SELECT * FROM t WHERE a > 5", "count\n0"),
            ("SELECT a, b, count(*) AS n FROM t GROUP BY 1, 2 ORDER BY 2", "a | b | n\n1 | x | 2\nnull | y | 2"),
            ("SELECT DISTINCT value FROM avro_metadata('$DIR/new/t/') WHERE key = 'avro.codec'", "value\nsnappy"),
            // Into a table with files: new files have its schema.
            ("CREATE EXTERNAL TABLE old STORED AS AVRO LOCATION '$DIR/old/'", ""),
            ("INSERT INTO old VALUES (2, 'blue')", "count\n1"),
            ("SELECT * FROM old ORDER BY a", "a | c\n1 | red\n2 | blue"),
            ("SELECT DISTINCT avro_type FROM avro_schema('$DIR/old/') WHERE path = 'c'", "avro_type\nenum x.Colour"),
            ("INSERT INTO old VALUES (3, 'green')", "error: ..."),
            ("INSERT INTO old VALUES (NULL, 'red')", "error: ..."),
            ("SELECT count(*) FROM old", "count(*)\n2"),
            (
                "CREATE EXTERNAL TABLE p (n BIGINT, k VARCHAR) STORED AS AVRO PARTITIONED BY (k) LOCATION '$DIR/p/'",
                "",
            ),
            ("INSERT INTO p SELECT value, CASE value % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END FROM generate_series(1, 9)", "count\n9"),
            ("SELECT k, sum(n) FROM p GROUP BY k ORDER BY k", "k | sum(p.n)\na | 18\nb | 12\nnull | 15"),
            ("CREATE EXTERNAL TABLE one STORED AS AVRO LOCATION '$DIR/one.avro'", ""),
            (
                "INSERT INTO one VALUES (1)",
                "error: Error during planning: INSERT requires a directory, but $DIR/one.avro is not one",
            ),
            ("INSERT OVERWRITE t VALUES (1, 'x')", "error: This feature is not implemented: ..."),
            ("SELECT count(*) FROM t", "count(*)\n4"),
        ],
    )
    .await;
    assert_eq!(files(&dir.path().join("new/t")).len(), 3, "a file each time, and none for nothing");
    assert_eq!(directories(&dir.path().join("p")), ["k=__HIVE_DEFAULT_PARTITION__/*", "k=a/*", "k=b/*"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_keeps_row_order() {
    let (dir, ctx) = (Dir::new(), session(4));
    let sql = "COPY (SELECT value, concat('some text ', value) AS t FROM generate_series(1, 500000)) TO '$DIR/a.avro' \
               OPTIONS (block_size 5000)";
    assert_eq!(run(&ctx, &dir.show(sql)).await, "count\n500000");
    let batches = query(&session(1), &dir.show("SELECT value FROM '$DIR/a.avro'")).await.unwrap();
    let values = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    assert!(values.eq(1..=500_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_respect_memory_limit() {
    let dir = Dir::new();
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(64 << 20, 1.0).build_arc().unwrap();
    let ctx = SessionContext::new_with_config_rt(SessionConfig::new().with_target_partitions(2), runtime);
    avro_datafusion::register_all(&ctx).unwrap();
    let sql = "COPY (SELECT value, value % 600 AS k FROM generate_series(1, 200000)) TO '$DIR/p/' STORED AS AVRO \
               PARTITIONED BY (k)";
    assert_eq!(run(&ctx, &dir.show(sql)).await, "count\n200000");
    check(
        &ctx,
        &dir,
        &[(
            "SELECT count(*) AS rows, sum(value) AS sum, count(DISTINCT k) AS keys FROM '$DIR/p/'",
            "rows | sum | keys\n200000 | 20000100000 | 600",
        )],
    )
    .await;
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(100 << 10, 1.0).build_arc().unwrap();
    let ctx = SessionContext::new_with_config_rt(SessionConfig::new().with_target_partitions(2), runtime);
    avro_datafusion::register_all(&ctx).unwrap();
    let sql = "COPY (SELECT value FROM generate_series(1, 2000000)) TO '$DIR/q/a.avro'";
    let found = run(&ctx, &dir.show(sql)).await;
    assert!(found.contains("AvroSink"), "{found}");
    is_empty_soon(&dir.path().join("q")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_write_leaves_no_file() {
    let (dir, ctx) = (Dir::new(), session(2));
    let rows = "(SELECT value, value % 7 AS k FROM generate_series(1, 1000000000000))";
    for to in [
        "'$DIR/out/a.avro' OPTIONS (codec 'null')",
        "'$DIR/out/' STORED AS AVRO PARTITIONED BY (k) OPTIONS (codec 'null')",
    ] {
        let sql = dir.show(&format!("COPY {rows} TO {to}"));
        let task = tokio::spawn({
            let ctx = ctx.clone();
            async move { run(&ctx, &sql).await }
        });
        // Until some of it is on the disk.
        let size = || {
            let of = |name: &String| std::fs::metadata(dir.path().join("out").join(name)).map_or(0, |file| file.len());
            files(&dir.path().join("out")).iter().map(of).sum::<u64>()
        };
        for _ in 0..10_000 {
            if size() > 2 << 20 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(size() > 2 << 20, "it never began");
        assert!(files(&dir.path().join("out")).iter().all(|name| !name.ends_with(".avro")), "{to}");
        task.abort();
        assert!(task.await.is_err());
        is_empty_soon(&dir.path().join("out")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_shows_plan_and_metrics() {
    let (dir, ctx) = (Dir::new(), session(2));
    let sql = "EXPLAIN COPY (SELECT 1 AS a, 2 AS k) TO '$DIR/p/' STORED AS AVRO PARTITIONED BY (k)";
    let plan = dir.hide(&run(&ctx, &dir.show(sql)).await);
    assert!(plan.contains("DataSinkExec: sink=AvroSink(to=$DIR/p, codec=snappy, partition_by=[k])"), "{plan}");
    let sql = "EXPLAIN ANALYZE COPY (SELECT value FROM generate_series(1, 100000)) TO '$DIR/a.avro' OPTIONS (block_size 10000)";
    let plan = run(&ctx, &dir.show(sql)).await;
    for metric in ["output_rows=100.0 K", "blocks_written=", "bytes_written=", "time_encoding="] {
        assert!(plan.contains(metric), "no {metric} in {plan}");
    }
}
