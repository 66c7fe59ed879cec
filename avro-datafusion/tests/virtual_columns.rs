//! `_file`, `_block`, `_row` and `_offset` in every kind of query, compared with `avro_blocks`; and their cost.

use crate::support::counting::Counting;
use crate::support::{self, Dir, Row, avro, check, record, row, run, session};
use avro_datafusion::{AvroOptions, AvroSessionExt, AvroTable, is_virtual_column};
use datafusion::catalog::TableProvider;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use url::Url;

const SCHEMA: &[&str] = &[r#"{"name": "n", "type": "long"}"#, r#"{"name": "b", "type": "boolean"}"#];

/// Rows of three bytes, of which `n` counts from `first` on.
fn numbers(first: i64, n: i64, per_block: usize) -> Vec<u8> {
    let rows: Vec<Row> = (first..first + n).map(|i| row().long(i).raw(&[1])).collect();
    avro(&record(SCHEMA), &rows, per_block)
}

fn session_of_parts(partitions: usize) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .set_usize("datafusion.optimizer.repartition_file_min_size", 1);
    avro_datafusion::new_session(config).unwrap()
}

#[tokio::test]
async fn with_virtual_columns_adds_columns_to_a_table() {
    let dir = Dir::new();
    dir.write("day=1/a.avro", numbers(0, 7, 3));
    let ctx = session_of_parts(2);
    let path = dir.show("$DIR");
    let table = AvroTable::try_new(&ctx.state(), path.as_str(), AvroOptions::default()).await.unwrap();
    let located = table.with_virtual_columns();
    assert!(table.schema().fields().find("_row").is_none());
    assert!(is_virtual_column(located.schema().field_with_name("_row").unwrap()));
    ctx.register_table("t", Arc::new(located)).unwrap();
    let cases: &[(&str, &str)] = &[
        ("SELECT n, day, _block, _row FROM t WHERE _row = 4", "n | day | _block | _row\n4 | 1 | 1 | 4"),
        ("SELECT count(*) AS c FROM t WHERE _file LIKE '%a.avro' AND b", "c\n7"),
    ];
    check(&ctx, &dir, cases).await;
}

#[tokio::test]
async fn virtual_columns_locate_rows() {
    let dir = Dir::new();
    let a = numbers(0, 7, 3);
    let first = numbers(0, 0, 1).len();
    dir.write("t/a.avro", a);
    dir.write("t/k=1/b.avro", numbers(10, 4, 10));
    dir.write("hive/day=2024-01-01/x.avro", numbers(0, 2, 1));
    let own = record(&[r#"{"name": "_row", "type": "string"}"#, r#"{"name": "n", "type": "int"}"#]);
    dir.write("own.avro", avro(&own, &[row().string("mine").long(5)], 1));
    dir.write("_dir/_file=7/x.avro", numbers(0, 1, 1));
    let of = |path: &str| format!("read_avro('$DIR/{path}', virtual_columns => true)");
    let (t, a, own, hive) = (of("t"), of("t/a.avro"), of("own.avro"), of("hive"));
    let offset = |block: usize| first + block * (2 + 6 + 16);
    let cases: &[(String, String)] = &[
        (
            format!("SELECT * FROM {a}"),
            format!(
                "n | b | _file | _block | _row | _offset
                 0 | true | $DIR/t/a.avro | 0 | 0 | {0}
                 1 | true | $DIR/t/a.avro | 0 | 1 | {0}
                 2 | true | $DIR/t/a.avro | 0 | 2 | {0}
                 3 | true | $DIR/t/a.avro | 1 | 3 | {1}
                 4 | true | $DIR/t/a.avro | 1 | 4 | {1}
                 5 | true | $DIR/t/a.avro | 1 | 5 | {1}
                 6 | true | $DIR/t/a.avro | 2 | 6 | {2}",
                offset(0),
                offset(1),
                offset(2)
            ),
        ),
        (format!("SELECT _row, n FROM {a} WHERE n IN (1, 4, 6)"), "_row | n\n1 | 1\n4 | 4\n6 | 6".into()),
        (format!("SELECT n FROM {a} WHERE _row BETWEEN 2 AND 3"), "n\n2\n3".into()),
        (format!("SELECT n FROM {a} WHERE _block = 2 OR n = 0"), "n\n0\n6".into()),
        (format!("SELECT n, _block * 100 + _row AS x FROM {a} ORDER BY _row DESC LIMIT 2"), "n | x\n6 | 206\n5 | 105".into()),
        (format!("SELECT _block, count(*) AS c FROM {a} GROUP BY _block ORDER BY _block"), "_block | c\n0 | 3\n1 | 3\n2 | 1".into()),
        (format!("SELECT max(_row) AS r, max(_offset) AS o FROM {a}"), format!("r | o\n6 | {}", offset(2))),
        (
            format!("SELECT _file, count(*) AS c, max(_row) AS r FROM {t} GROUP BY _file ORDER BY _file"),
            "_file | c | r\n$DIR/t/a.avro | 7 | 6\n$DIR/t/k=1/b.avro | 4 | 3".into(),
        ),
        (format!("SELECT n FROM {t} WHERE _file LIKE '%b.avro' AND _row = 2"), "n\n12".into()),
        (format!("SELECT count(*) AS c FROM {t} WHERE _file = 'x'"), "c\n0".into()),
        (format!("SELECT count(*) AS c FROM {t}"), "c\n11".into()),
        (format!("SELECT x.n FROM {t} x JOIN {t} y ON x._file = y._file AND x._row = y._row + 5"), "n\n5\n6".into()),
        (format!("SELECT * FROM {hive} ORDER BY _row LIMIT 1"), format!("n | b | day | _file | _block | _row | _offset\n0 | true | 2024-01-01 | $DIR/hive/day=2024-01-01/x.avro | 0 | 0 | {first}")),
        // Columns of the files take precedence.
        (format!("SELECT _row, n, _block FROM {own}"), "_row | n | _block\nmine | 5 | 0".into()),
        (format!("SELECT * FROM {}", of("_dir")), format!("n | b | _file | _block | _row | _offset\n0 | true | 7 | 0 | 0 | {first}")),
        ("SELECT _row FROM '$DIR/t/a.avro'".into(), "error: Schema error: No field named _row...".into()),
        (
            "CREATE EXTERNAL TABLE e (n INT) STORED AS AVRO LOCATION '$DIR/t/a.avro' OPTIONS ('virtual_columns' 'true')".into(),
            String::new(),
        ),
        ("SELECT n, _row, _block FROM e WHERE n > 4".into(), "n | _row | _block\n5 | 5 | 1\n6 | 6 | 2".into()),
    ];
    let cases: Vec<_> = cases.iter().map(|(sql, rows)| (sql.as_str(), rows.as_str())).collect();
    check(&session(1), &dir, &cases).await;
}

/// However a file is read, its rows are where its blocks say.
#[tokio::test]
async fn virtual_columns_agree_with_avro_blocks() {
    let dir = Dir::new();
    dir.write("a.avro", numbers(0, 100_000, 700));
    dir.write("b.avro", numbers(0, 5_000, 40_000));
    dir.write("c.avro", numbers(0, 3_000, 1));
    let options = || AvroOptions::default().with_virtual_columns(true);
    for partitions in [1, 4] {
        let ctx = session_of_parts(partitions);
        ctx.register_avro_table("t", dir.path().to_str().unwrap(), options()).await.unwrap();
        let wrong = |join: &str| {
            dir.show(&format!(
                "SELECT count(*) AS n FROM t JOIN (SELECT *, sum(\"rows\") OVER (PARTITION BY file ORDER BY block) AS \"end\"
                 FROM avro_blocks('$DIR')) b ON t._file = b.file AND {join}"
            ))
        };
        for (join, expected) in [
            (
                "t._block = b.block AND t._offset = b.\"offset\" AND t._row = t.n AND t.n < b.\"end\" AND t.n >= b.\"end\" - b.\"rows\"",
                108_000,
            ),
            ("t._block = b.block AND t._offset <> b.\"offset\"", 0),
            // Offsets alone are known in byte ranges, too.
            ("t._offset = b.\"offset\" AND t.n < b.\"end\" AND t.n >= b.\"end\" - b.\"rows\"", 108_000),
            ("t._offset = b.\"offset\" AND t.n % 1000 = 3 AND t.n > 10", 105),
        ] {
            assert_eq!(run(&ctx, &wrong(join)).await, format!("n\n{expected}"), "{join}, {partitions} partitions");
        }
        // Filters that the scan evaluates.
        for filter in ["n % 7 = 0", "n % 7 > 0", "n > 99990", "n < 5", "b"] {
            let sql = format!("SELECT count(*) AS n, count(*) FILTER (WHERE n <> _row) AS wrong FROM t WHERE {filter}");
            let all = run(&ctx, &format!("SELECT count(*) AS n, 0 AS wrong FROM t WHERE {filter}")).await;
            assert_eq!(run(&ctx, &sql).await, all, "{filter}");
        }
        // Only where blocks and rows are counted are files read whole.
        let plan = |sql: &'static str| {
            let ctx = ctx.clone();
            async move { run(&ctx, &format!("EXPLAIN {sql}")).await.matches("a.avro").count() }
        };
        let split = if partitions > 1 { 2.. } else { 1.. };
        assert_eq!(plan("SELECT n, _row FROM t").await, 1);
        assert_eq!(plan("SELECT n, _block FROM t WHERE n > 5").await, 1);
        assert!(split.contains(&plan("SELECT n, _offset, _file FROM t").await));
        assert!(split.contains(&plan("SELECT n FROM t").await));
    }
}

#[tokio::test]
async fn virtual_columns_count_damaged_blocks() {
    let dir = Dir::new();
    let mut file = numbers(0, 1000, 100);
    // The last boolean of the third block; eight markers follow it.
    let third = (0..file.len()).rev().filter(|&i| file[i..].starts_with(&support::SYNC)).nth(7).unwrap();
    file[third - 1] = 9;
    dir.write("t.avro", file);
    let ctx = session(2);
    let options = "virtual_columns => true, damage => 'skip'";
    let cases = [
        (
            &*format!(
                "SELECT count(b) AS c, min(_block) AS l, count(DISTINCT _block) AS d, sum(n - _row) AS s, max(_row) AS m FROM read_avro('$DIR/t.avro', {options})"
            ),
            "c | l | d | s | m\n900 | 0 | 9 | 0 | 999",
        ),
        (
            &*format!(
                "SELECT n, _row, _block FROM read_avro('$DIR/t.avro', {options}) WHERE b AND n IN (199, 250, 300)"
            ),
            "n | _row | _block\n199 | 199 | 1\n300 | 300 | 3",
        ),
    ];
    check(&ctx, &dir, &cases).await;
}

/// Unused virtual columns cost nothing, and filters on `_file` prune files.
#[tokio::test]
async fn filter_on_file_opens_no_other_files() {
    let store = InMemory::new();
    for i in 0..5 {
        store.put(&Path::from(format!("t/year=2024/{i}.avro")), numbers(i, 30_000, 1000).into()).await.unwrap();
    }
    let (ctx, store) = (session(2), Arc::new(Counting::new(Arc::new(store))));
    ctx.register_object_store(&Url::parse("s3://b").unwrap(), Arc::clone(&store) as Arc<dyn ObjectStore>);
    let options = AvroOptions::default().with_virtual_columns(true);
    ctx.register_avro_table("t", "s3://b/t/", options).await.unwrap();
    for (sql, files, answer) in [
        ("SELECT sum(n - _row) AS s FROM t WHERE _file = 's3://b/t/year=2024/3.avro'", 1, "s\n90000"),
        ("SELECT count(n) AS c FROM t WHERE _file < 's3://b/t/year=2024/2' AND year = 2024", 2, "c\n60000"),
        ("SELECT count(DISTINCT _file) AS c FROM t", 5, "c\n5"),
    ] {
        store.take_gets();
        assert_eq!(run(&ctx, sql).await, answer, "{sql}");
        let mut paths: Vec<_> = store.take_gets().into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), files, "{sql}: {paths:?}");
    }
    let plan = run(&ctx, "EXPLAIN SELECT n FROM t WHERE n > 3").await;
    assert!(plan.contains("decoded=[n]") && !plan.contains("_row"), "{plan}");
}
