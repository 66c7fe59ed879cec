//! Where the files of a table are: globs and alternatives on any store, several stores in one table, partitions with
//! types, and which files a query does not even list or open.

use crate::support::counting::Counting;
use crate::support::{Dir, Row, avro, check, lines, record, row, run, session};
use avro_datafusion::{AvroOptions, AvroSessionExt, PartitionTypes, SharedListings};
use datafusion::prelude::SessionContext;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use url::Url;

/// A file of one column `n`.
fn numbers(range: std::ops::Range<i64>) -> Vec<u8> {
    let rows: Vec<Row> = range.map(|i| row().long(i)).collect();
    avro(&record(&[r#"{"name": "n", "type": "long"}"#]), &rows, 3)
}

/// A store with these files.
async fn store(files: &[(&str, Vec<u8>)]) -> Arc<Counting> {
    let store = InMemory::new();
    for (path, bytes) in files {
        store.put(&Path::from(*path), bytes.clone().into()).await.unwrap();
    }
    Arc::new(Counting::new(Arc::new(store)))
}

fn register(ctx: &SessionContext, url: &str, store: &Arc<Counting>) {
    ctx.register_object_store(&Url::parse(url).unwrap(), Arc::clone(store) as Arc<dyn ObjectStore>);
}

#[tokio::test]
async fn url_globs_find_files() {
    let files = [
        ("logs/2024/01/a.avro", numbers(0..1)),
        ("logs/2024/01/b.avro", numbers(0..10)),
        ("logs/2024/02/a.avro", numbers(0..100)),
        ("logs/2025/01/deep/a.avro", numbers(0..1000)),
        ("logs/2025/_temporary/a.avro", numbers(0..7)),
        ("logs/2025/.hidden.avro", numbers(0..7)),
        ("logs/2025/empty.avro", vec![]),
        ("logs/2025/notes.txt", b"x".to_vec()),
        ("logs/top.avro", numbers(0..10_000)),
        ("other/a.avro", numbers(0..7)),
    ];
    let (ctx, dir) = (session(2), Dir::new());
    let store = store(&files).await;
    register(&ctx, "s3://b", &store);
    let cases: Vec<(String, String)> = [
        ("s3://b/logs/2024/*/*.avro", "111"),
        ("s3://b/logs/*/01/a.avro", "1"),
        ("s3://b/logs/**/*.avro", "11111"),
        ("s3://b/logs/**/a.avro", "1101"),
        ("s3://b/logs/*.avro", "10000"),
        ("s3://b/logs/2024/0[2-9]/?.avro", "100"),
        ("s3://b/logs/", "11111"),
        ("s3://b/logs", "11111"),
        ("s3://b/logs/{2024,2025}/{01,03}/**/a.avro", "1001"),
        ("s3://b/logs/{2024/01,2024/02}", "111"),
        // A file that two alternatives stand for is there once.
        ("s3://b/logs/2024/{01,*}/{a,?}.avro", "111"),
        ("s3://b/{logs/top,nothing}.avro", "10000"),
        ("s3://b/logs/2025/_temporary/*.avro", "7"),
    ]
    .map(|(path, rows)| (format!("SELECT count(*) AS c FROM '{path}'"), format!("c\n{rows}")))
    .into();
    let mut cases: Vec<(&str, &str)> = cases.iter().map(|(sql, rows)| (sql.as_str(), rows.as_str())).collect();
    cases.extend([
        (
            "SELECT * FROM 's3://b/logs/{x,y}/*.avro'",
            "error: Error during planning: no Avro files at s3://b/logs/{x,y}/*.avro",
        ),
        (
            "SELECT * FROM 's3://b/logs/2025/*.avro'",
            "error: Error during planning: no Avro files at s3://b/logs/2025/*.avro; left out: 1 empty file",
        ),
        (
            "SELECT * FROM 's3://b/logs/[/*.avro'",
            "error: Error during planning: s3://b/logs/[/*.avro is not a valid glob: ...",
        ),
        ("SELECT * FROM '{a,b'", "error: Error during planning: no such file or directory: {a,b"),
    ]);
    check(&ctx, &dir, &cases).await;

    // What is listed for a glob, and how.
    for (path, listed) in [
        ("s3://b/logs/2024/*/*.avro", vec!["all below logs/2024"]),
        ("s3://b/logs/*.avro", vec!["in logs"]),
        ("s3://b/logs/{2024,2025}/**/*.avro", vec!["all below logs/2024", "all below logs/2025"]),
        ("s3://b/logs/top.avro", vec![]),
    ] {
        store.take_lists();
        AvroSessionExt::read_avro_table(&ctx, path, AvroOptions::default()).await.unwrap();
        assert_eq!(store.take_lists(), listed, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_listings_list_once_in_a_statement() {
    let files = [("day=1/a.avro", numbers(0..2)), ("day=2/b.avro", numbers(0..3))];
    let store = store(&files).await;
    let ctx = session(2);
    register(&ctx, "s3://b", &store);
    for (sql, rows) in [
        ("SELECT count(n) AS c FROM 's3://b/'", "c\n5"),
        ("SELECT count(n) AS c FROM read_avro('s3://b/*/*.avro') AS x JOIN 's3://b/*/*.avro' AS y USING (n)", "c\n9"),
        ("SELECT sum(n) AS c FROM 's3://b/' WHERE day = '2'", "c\n3"),
    ] {
        store.take_lists();
        let plan = async { ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap() };
        let plan = SharedListings::default().scope(plan).await;
        assert_eq!(store.take_lists(), ["all below "], "{sql}");
        let batches = datafusion::physical_plan::collect(plan, ctx.task_ctx()).await.unwrap();
        assert_eq!(lines(&batches), rows, "{sql}");
    }

    // The next statement has its own.
    store.put(&Path::from("day=3/c.avro"), numbers(0..10).into()).await.unwrap();
    assert_eq!(run(&ctx, "SELECT count(n) AS c FROM 's3://b/'").await, "c\n15");
    assert!(store.take_lists().len() > 1);
}

#[tokio::test]
async fn local_braces_find_files() {
    let dir = Dir::new();
    dir.write("a/1.avro", numbers(0..1));
    dir.write("b/1.avro", numbers(0..10));
    dir.write("c/1.avro", numbers(0..100));
    dir.write("{c,d}/1.avro", numbers(0..1000));
    let cases = [
        ("SELECT count(*) AS c FROM '$DIR/{a,b}/1.avro'", "c\n11"),
        ("SELECT count(*) AS c FROM '$DIR/{a,b,z}/*.avro'", "c\n11"),
        ("SELECT count(*) AS c FROM '$DIR/[ab]/{1,2}.avro'", "c\n11"),
        ("SELECT count(*) AS c FROM 'file://$DIR/{a,c}/*'", "c\n101"),
        // Existing files come before globs.
        ("SELECT count(*) AS c FROM '$DIR/{c,d}'", "c\n1000"),
        ("SELECT * FROM '$DIR/{x,y}/1.avro'", "error: Error during planning: no such file or directory: $DIR/x/1.avro"),
        ("SELECT * FROM '$DIR/a/{2,3}*.avro'", "error: Error during planning: no Avro files at $DIR/a/{2,3}*.avro"),
    ];
    check(&session(2), &dir, &cases).await;
}

#[tokio::test]
async fn table_of_several_stores_has_all_rows() {
    let dir = Dir::new();
    let local = dir.write("c.avro", numbers(100..104));
    let wide = record(&[r#"{"name": "n", "type": "long"}"#, r#"{"name": "tag", "type": "string"}"#]);
    let tagged = avro(&wide, &[row().long(7).string("x"), row().long(8).string("y")], 1);
    let (a, b) = (store(&[("d/k=1/a.avro", numbers(0..3))]).await, store(&[("d/k=2/a.avro", tagged)]).await);
    for partitions in [1, 3] {
        let ctx = session(partitions);
        register(&ctx, "s3://one", &a);
        register(&ctx, "s3://two", &b);
        let paths = vec!["s3://one/d".to_owned(), "s3://two/d/".to_owned(), local.to_str().unwrap().to_owned()];
        ctx.register_avro_table("t", paths, AvroOptions::default()).await.unwrap();
        ctx.register_avro_table("hive", vec!["s3://{one,two}/d"], AvroOptions::default()).await.unwrap();
        let cases = [
            ("SELECT count(*) AS c, sum(n) AS s, count(tag) AS t FROM t", "c | s | t\n9 | 424 | 2"),
            ("SELECT n, tag FROM t WHERE n > 2 AND n < 101 ORDER BY n", "n | tag\n7 | x\n8 | y\n100 | null"),
            ("SELECT n FROM t ORDER BY n DESC LIMIT 2", "n\n103\n102"),
            ("SELECT count(*) AS c FROM (SELECT * FROM t LIMIT 5)", "c\n5"),
            ("SELECT k, count(*) AS c FROM hive GROUP BY k ORDER BY k", "k | c\n1 | 3\n2 | 2"),
            ("SELECT n FROM hive WHERE k = 2 AND tag = 'y'", "n\n8"),
            ("SELECT a.n FROM t a JOIN t b ON a.n = b.n WHERE b.tag = 'x'", "n\n7"),
            ("SELECT * FROM t WHERE 1 = 0", ""),
        ];
        check(&ctx, &dir, &cases).await;
    }
    // The error names the unregistered store, and the file with another schema.
    let ctx = session(1);
    register(&ctx, "s3://one", &a);
    let error =
        ctx.register_avro_table("t", vec!["s3://one/d", "s3://two/d"], AvroOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("s3://two"), "{error}");
    let text = avro(&record(&[r#"{"name": "n", "type": "string"}"#]), &[row().string("x")], 1);
    register(&ctx, "s3://two", &store(&[("d/a.avro", text)]).await);
    let error =
        ctx.register_avro_table("t", vec!["s3://one/d", "s3://two/d"], AvroOptions::default()).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("s3://one/d/k=1/a.avro") && error.contains("s3://two/d/a.avro"), "{error}");
}

fn hive() -> Dir {
    let dir = Dir::new();
    let mut n = 0;
    for year in [2023, 2024] {
        for month in 1..=12 {
            dir.write(&format!("t/year={year}/month={month:02}/a.avro"), numbers(n..n + 1));
            n += 1;
        }
    }
    dir.write("days/day=2024-01-31/at=2024-01-31 10%3A00%3A00/a.avro", numbers(0..1));
    dir.write("days/day=2024-02-01/at=2024-02-01 10%3A30%3A00.5/a.avro", numbers(1..2));
    dir.write("days/day=__HIVE_DEFAULT_PARTITION__/at=__HIVE_DEFAULT_PARTITION__/a.avro", numbers(2..3));
    dir.write("codes/zip=01234/kind=a/a.avro", numbers(0..1));
    dir.write("codes/zip=98765/kind=7/a.avro", numbers(1..2));
    dir.write("nulls/k=__HIVE_DEFAULT_PARTITION__/a.avro", numbers(0..1));
    dir.write("mixed/a=1/x.avro", numbers(0..1));
    dir.write("mixed/b=1/x.avro", numbers(1..2));
    dir.write("file/n=5/a.avro", numbers(0..1));
    dir
}

#[tokio::test]
async fn partition_types_are_inferred() {
    let dir = hive();
    let ctx = session(2);
    let types = "SELECT arrow_typeof(year) AS y, arrow_typeof(month) AS m FROM";
    let cases = [
        (&*format!("{types} '$DIR/t' LIMIT 1"), "y | m\nInt64 | Int64"),
        (
            "SELECT n, year, month FROM '$DIR/t' WHERE year = 2024 AND month >= 11 ORDER BY n",
            "n | year | month\n22 | 2024 | 11\n23 | 2024 | 12",
        ),
        ("SELECT sum(n) AS s FROM '$DIR/t' WHERE month BETWEEN 2 AND 3 AND year <> 2023", "s\n27"),
        ("SELECT sum(n) AS s FROM '$DIR/t' WHERE month = 1 OR n = 5", "s\n17"),
        ("SELECT sum(n) AS s FROM '$DIR/t' WHERE month * 2 = 24 AND year IN (2023, 1999)", "s\n11"),
        ("SELECT sum(n) AS s FROM '$DIR/t' WHERE month = '01'", "s\n12"),
        ("SELECT max(month) AS m, avg(year) AS a FROM '$DIR/t'", "m | a\n12 | 2023.5"),
        (
            "SELECT arrow_typeof(day) AS d, arrow_typeof(at) AS t FROM '$DIR/days' LIMIT 1",
            "d | t\nDate32 | Timestamp(µs)",
        ),
        (
            "SELECT * FROM '$DIR/days' ORDER BY n",
            "n | day | at\n0 | 2024-01-31 | 2024-01-31T10:00:00\n1 | 2024-02-01 | 2024-02-01T10:30:00.500\n2 | null | null",
        ),
        ("SELECT n FROM '$DIR/days' WHERE day >= DATE '2024-02-01'", "n\n1"),
        ("SELECT n FROM '$DIR/days' WHERE day = '2024-01-31'", "n\n0"),
        ("SELECT n FROM '$DIR/days' WHERE at > TIMESTAMP '2024-01-31T12:00:00'", "n\n1"),
        ("SELECT n FROM '$DIR/days' WHERE day IS NULL", "n\n2"),
        (
            "SELECT zip, kind, arrow_typeof(zip) AS t FROM '$DIR/codes' WHERE zip = '01234'",
            "zip | kind | t\n01234 | a | Dictionary(UInt16, Utf8)",
        ),
        ("SELECT n FROM '$DIR/codes' WHERE kind = '7'", "n\n1"),
        ("SELECT k, arrow_typeof(k) AS t FROM '$DIR/nulls'", "k | t\nnull | Dictionary(UInt16, Utf8)"),
        // Directories of different keys are just directories.
        ("SELECT * FROM '$DIR/mixed' ORDER BY n", "n\n0\n1"),
        // A column of the files' own comes first.
        ("SELECT * FROM '$DIR/file'", "n\n0"),
        // Directories above a glob's first wildcard are not partitions.
        ("SELECT DISTINCT month FROM '$DIR/t/year=2024/*/*.avro' WHERE month < 2", "month\n1"),
        ("SELECT DISTINCT year FROM '$DIR/t/*/month=03/*.avro' ORDER BY year", "year\n2023\n2024"),
        ("SELECT n FROM '$DIR/t' WHERE year = (SELECT max(year) FROM '$DIR/t') AND month = 12", "n\n23"),
        ("CREATE EXTERNAL TABLE s STORED AS AVRO LOCATION '$DIR/t' OPTIONS ('partition_types' 'string')", ""),
        (&*format!("{types} s LIMIT 1"), "y | m\nDictionary(UInt16, Utf8) | Dictionary(UInt16, Utf8)"),
        ("SELECT n FROM s WHERE year = '2024' AND month = '01'", "n\n12"),
        ("CREATE EXTERNAL TABLE p STORED AS AVRO PARTITIONED BY (month) LOCATION '$DIR/t'", ""),
        ("SELECT arrow_typeof(month) AS m, count(*) AS c FROM p WHERE month < 3 GROUP BY 1", "m | c\nInt64 | 4"),
        (
            "CREATE EXTERNAL TABLE given (n BIGINT, month TEXT, year INT) STORED AS AVRO PARTITIONED BY (month, year) LOCATION '$DIR/t'",
            "",
        ),
        (
            "SELECT n, month, arrow_typeof(year) AS y FROM given WHERE month = '09' AND year = 2024",
            "n | month | y\n20 | 09 | Int32",
        ),
        ("CREATE EXTERNAL TABLE none STORED AS AVRO PARTITIONED BY (hour) LOCATION '$DIR/t'", ""),
        (
            "SELECT * FROM none",
            "error: Error during planning: $DIR/t/year=2023/month=01/a.avro is not in a directory `hour=..` below $DIR/t",
        ),
    ];
    check(&ctx, &dir, &cases).await;
}

#[tokio::test]
async fn partition_filters_prune_listing() {
    let mut files = vec![];
    for year in 2020..2025 {
        for month in 1..=12 {
            for part in 0..3 {
                files.push((format!("t/year={year}/month={month:02}/{part}.avro"), numbers(month..month + 1)));
            }
        }
    }
    for day in 1..=50 {
        files.push((format!("days/day={day}/k=1/a.avro"), numbers(day..day + 1)));
    }
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let store = store(&files).await;
    let ctx = session(2);
    register(&ctx, "s3://b", &store);
    ctx.register_avro_table("t", "s3://b/t/", AvroOptions::default()).await.unwrap();
    ctx.register_avro_table("g", "s3://b/t/**/[01].avro", AvroOptions::default()).await.unwrap();
    ctx.register_avro_table("days", "s3://b/days/", AvroOptions::default()).await.unwrap();
    // The query; listings, number of opened files, and the result.
    let cases: &[(&str, &[&str], usize, &str)] = &[
        ("SELECT sum(n) AS s FROM t", &["all below t"], 180, "s\n1170"),
        (
            "SELECT sum(n) AS s FROM t WHERE year = 2024 AND month >= 11",
            &["in t", "in t/year=2024", "all below t/year=2024/month=11", "all below t/year=2024/month=12"],
            6,
            "s\n69",
        ),
        (
            "SELECT sum(n) AS s FROM t WHERE year > 2022",
            &["in t", "all below t/year=2023", "all below t/year=2024"],
            72,
            "s\n468",
        ),
        // Nothing is known of the years, and each has its months.
        (
            "SELECT sum(n) AS s FROM t WHERE month = 7 AND year + month = 2028",
            &[
                "in t",
                "in t/year=2020",
                "in t/year=2021",
                "in t/year=2022",
                "in t/year=2023",
                "in t/year=2024",
                "all below t/year=2021/month=07",
            ],
            3,
            "s\n21",
        ),
        ("SELECT sum(n) AS s FROM t WHERE year = 1999", &["in t"], 0, "s\nnull"),
        ("SELECT count(*) AS c FROM g WHERE year = 2020 AND n = 1", &["in t", "all below t/year=2020"], 24, "c\n2"),
        // Too many directories are left to list each.
        ("SELECT count(*) AS c FROM days WHERE day > 10 AND n > 0", &["in days", "all below days"], 40, "c\n40"),
    ];
    for (sql, listed, opened, answer) in cases {
        store.take_lists();
        store.take_gets();
        assert_eq!(run(&ctx, sql).await, *answer, "{sql}");
        assert_eq!(store.take_lists(), *listed, "{sql}");
        let mut paths: Vec<_> = store.take_gets().into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), *opened, "{sql}: {paths:?}");
    }
}

#[tokio::test]
async fn new_files_are_seen_by_the_next_query() {
    let dir = Dir::new();
    dir.write("t/year=2023/a.avro", numbers(0..3));
    let ctx = session(2);
    let path = dir.path().join("t");
    ctx.register_avro_table("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    let strings = AvroOptions::default().with_partition_types(PartitionTypes::String);
    ctx.register_avro_table("s", path.to_str().unwrap(), strings).await.unwrap();
    check(&ctx, &dir, &[("SELECT count(*) AS c, max(year) AS y FROM t", "c | y\n3 | 2023")]).await;

    // New files, new directories, and a new column, which the table has not.
    let wide = record(&[r#"{"name": "tag", "type": "string"}"#, r#"{"name": "n", "type": "int"}"#]);
    dir.write("t/year=2024/b.avro", avro(&wide, &[row().string("x").long(7)], 1));
    dir.write("t/year=2024/_c.avro", "not yet");
    dir.write("t/year=2024/d.avro", "");
    let cases = [
        ("SELECT count(*) AS c, max(year) AS y FROM t", "c | y\n4 | 2024"),
        ("SELECT * FROM t WHERE year = 2024", "n | year\n7 | 2024"),
        ("SELECT * FROM t WHERE tag = 'x'", "error: Schema error: No field named tag..."),
        ("SELECT tag FROM '$DIR/t' WHERE n = 7", "tag\nx"),
    ];
    check(&ctx, &dir, &cases).await;

    // A file of other types, and a directory that is no number: errors that name the file.
    dir.write("t/year=none/e.avro", numbers(0..1));
    let cases = [
        (
            "SELECT count(*) AS c FROM t",
            "error: Error during planning: $DIR/t/year=none/e.avro: the directory `year=none` is not a valid value of the column \
             `year` of type Int64; if the directory is newer than the table, create the table again",
        ),
        (
            "SELECT count(*) AS c FROM t WHERE year = 2023",
            "error: Error during planning: $DIR/t/year=none/e.avro: the directory ...",
        ),
        ("SELECT count(*) AS c FROM s", "c\n5"),
        ("SELECT count(*) AS c FROM '$DIR/t' WHERE year = 'none'", "c\n1"),
    ];
    check(&ctx, &dir, &cases).await;
    std::fs::remove_dir_all(dir.path().join("t/year=none")).unwrap();
    let text = avro(&record(&[r#"{"name": "n", "type": "string"}"#]), &[row().string("x")], 1);
    dir.write("t/year=2024/e.avro", text);
    let cases = [
        ("SELECT sum(n) AS s FROM t", "error: External error: $DIR/t/year=2024/e.avro: ..."),
        ("SELECT sum(n) AS s FROM t WHERE year = 2023", "s\n3"),
    ];
    check(&ctx, &dir, &cases).await;

    // All gone is an error, as it was when the table was made.
    std::fs::remove_dir_all(dir.path().join("t/year=2023")).unwrap();
    std::fs::remove_dir_all(dir.path().join("t/year=2024")).unwrap();
    check(&ctx, &dir, &[("SELECT * FROM t", "error: Error during planning: no Avro files at $DIR/t")]).await;
}
