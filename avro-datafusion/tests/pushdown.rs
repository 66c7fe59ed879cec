//! Pushdown of filters, struct fields and limits: same rows as without, and how much is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use avro_datafusion::{AvroOptions, AvroSessionExt};
use avro_testing::wire::{block_with_sync, header_with_sync};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Column, ScalarValue};
use datafusion::prelude::{DataFrame, Expr, SessionConfig, SessionContext};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

/// The rows of a query, as text.
async fn rows(ctx: &SessionContext, sql: &str) -> Vec<String> {
    let table = ctx.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    text(&table.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}")))
}

fn text(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = vec![];
    for batch in batches {
        let options = FormatOptions::default().with_null("null");
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" | "));
        }
    }
    rows
}

/// The line of the plan that is the scan.
async fn scan(ctx: &SessionContext, sql: &str) -> String {
    let plan = rows(ctx, &format!("EXPLAIN FORMAT INDENT {sql}")).await.join("\n");
    let line = plan.lines().find(|line| line.contains("DataSourceExec")).unwrap_or_else(|| panic!("no scan in {plan}"));
    line.trim().to_owned()
}

fn session() -> SessionContext {
    avro_datafusion::new_session(SessionConfig::new().with_target_partitions(1)).unwrap()
}

/// Filters on every column of every valid file select the same rows as those of a table in memory.
#[tokio::test(flavor = "multi_thread")]
async fn filters_select_the_rows_of_a_memory_table() {
    let (mut queries, mut selected) = (0, 0);
    let mut names: Vec<_> = std::fs::read_dir(testdata("valid")).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Arrow's own filter fails where values have no bytes.
    names.retain(|path| {
        path.extension().is_some_and(|extension| extension == "avro") && !path.ends_with("fixed-zero.avro")
    });
    names.sort();
    for path in names {
        let ctx = session();
        let path = path.display().to_string();
        // Two columns of one name are not a table.
        let Ok(table) = ctx.read_avro_table(&path, AvroOptions::default()).await else { continue };
        let schema = Arc::new(table.schema().as_arrow().clone());
        ctx.register_table("t", table.clone().into_view()).unwrap();
        let all = table.clone().collect().await.unwrap();
        let n_rows: usize = all.iter().map(RecordBatch::num_rows).sum();
        if n_rows == 0 || schema.fields().is_empty() {
            continue;
        }
        let whole = concat_batches(&schema, &all).unwrap();
        let memory = ctx.read_batch(whole.clone()).unwrap();
        for (i, field) in schema.fields().iter().enumerate().take(6) {
            let column = Expr::Column(Column::new_unqualified(field.name()));
            let mut filters = vec![column.clone().is_null(), column.clone().is_not_null()];
            for row in [n_rows / 2] {
                let Ok(value) = ScalarValue::try_from_array(whole.column(i), row) else { continue };
                let value = Expr::Literal(value, None);
                filters.push(column.clone().eq(value.clone()));
                filters.push(column.clone().gt(value.clone()).or(column.clone().is_null()));
                filters.push(column.clone().lt_eq(value.clone()).and(column.clone().not_eq(value)));
            }
            for filter in filters {
                for project in [false, true] {
                    let query = |table: &DataFrame| {
                        let found = table.clone().filter(filter.clone())?;
                        // Another column than the filter's.
                        let other =
                            Expr::Column(Column::new_unqualified(schema.field(schema.fields().len() - 1).name()));
                        if project { found.select(vec![other]) } else { Ok(found) }
                    };
                    // Types that cannot be compared fail in both.
                    let (Ok(ours), Ok(expected)) = (query(&table), query(&memory)) else { continue };
                    let Ok(expected) = expected.collect().await else { continue };
                    let ours = ours.collect().await.unwrap_or_else(|e| panic!("{path}: {filter}: {e}"));
                    assert_eq!(text(&ours), text(&expected), "{path}: {filter}");
                    queries += 1;
                    selected += ours.iter().map(RecordBatch::num_rows).sum::<usize>();
                }
            }
        }
    }
    assert!(queries > 1000 && selected > 3_000, "{queries} queries, {selected} rows");
}

#[tokio::test]
async fn explain_shows_pushed_down_parts() {
    let ctx = session();
    let file = testdata("valid/nullable-nested.avro").display().to_string();
    ctx.register_avro_table("t", file, AvroOptions::default()).await.unwrap();
    // A query, and its scan in the plan.
    let cases = [
        ("SELECT * FROM t", "decoded=[r, m, e]"),
        ("SELECT m FROM t", "decoded=[m]"),
        ("SELECT count(*) FROM t WHERE r IS NULL", "decoded=row counts only, predicate=r@0 IS NULL"),
        ("SELECT r['x'] FROM t", "decoded=[r.x]"),
        ("SELECT r['x'] + 1, e['y'], r['x'] FROM t", "decoded=[r.x, e.y]"),
        ("SELECT r['x'], r FROM t", "decoded=[r]"),
        ("SELECT e['y'] FROM t WHERE r['x'] > 1 AND e['x'] < 3", "decoded=[e.y], predicate="),
        ("SELECT sum(e['x']) FROM t GROUP BY r['y']", "decoded=[r.y, e.x]"),
        ("SELECT e FROM t WHERE random() < 2", "decoded=[e]"),
        ("SELECT m FROM t ORDER BY r['x'] LIMIT 1", "decoded=[r.x, m], predicate=DynamicFilter"),
    ];
    for (sql, expected) in cases {
        let plan = scan(&ctx, sql).await;
        assert!(plan.contains(expected), "{sql}: {plan}");
    }
    let plan = rows(&ctx, "EXPLAIN FORMAT INDENT SELECT m FROM t WHERE r['x'] > 1").await.join("\n");
    assert!(!plan.contains("FilterExec"), "{plan}");
}

/// Struct fields equal those of the whole struct, read alone or with others.
#[tokio::test]
async fn struct_fields_are_pruned() {
    let file = testdata("valid/nullable-nested.avro").display().to_string();
    let ctx = session();
    ctx.register_avro_table("t", file.clone(), AvroOptions::default()).await.unwrap();
    let table = ctx.read_avro_table(file, AvroOptions::default()).await.unwrap();
    let schema = Arc::new(table.schema().as_arrow().clone());
    let whole = concat_batches(&schema, &table.collect().await.unwrap()).unwrap();
    ctx.register_table("m", ctx.read_batch(whole).unwrap().into_view()).unwrap();
    for select in [
        "r['x'] FROM t",
        "r['y'], e['x'] FROM t",
        "e['y'][1], e['x'] IS NULL FROM t WHERE r['x'] IS NOT NULL",
        "r['x'], m FROM t WHERE e['x'] > r['x'] OR e['y'] IS NULL",
        "r['x'] FROM t WHERE r['y'] IS NOT NULL AND r IS NOT NULL",
        "count(*), count(r['x']), sum(e['x']) FROM t",
        "r['x'] AS x FROM t WHERE e IS NULL ORDER BY x NULLS FIRST LIMIT 2",
    ] {
        let sql = format!("SELECT {select}");
        let expected = rows(&ctx, &sql.replace("FROM t", "FROM m")).await;
        assert_eq!(rows(&ctx, &sql).await, expected, "{sql}");
    }
}

/// Fields of list items, accessed by index or through UNNEST.
#[tokio::test]
async fn list_item_fields_are_pruned() {
    let file = testdata("valid/arrays-nested.avro").display().to_string();
    let ctx = session();
    ctx.register_avro_table("t", file.clone(), AvroOptions::default()).await.unwrap();
    let table = ctx.read_avro_table(file, AvroOptions::default()).await.unwrap();
    let schema = Arc::new(table.schema().as_arrow().clone());
    let whole = concat_batches(&schema, &table.collect().await.unwrap()).unwrap();
    ctx.register_table("m", ctx.read_batch(whole).unwrap().into_view()).unwrap();
    for (sql, decoded) in [
        ("SELECT r[1]['x'] FROM t", "[r.x]"),
        ("SELECT r[1]['x'], r[2]['x'] + 1 FROM t", "[r.x]"),
        ("SELECT r[1]['tags'][1] FROM t WHERE r[1]['x'] > 0", "[r.tags]"),
        ("SELECT r[1]['x'], cardinality(r) FROM t", "[r]"),
        ("SELECT u['x'] FROM (SELECT unnest(r) AS u FROM t)", "[r.x]"),
        ("SELECT u['x'], a FROM (SELECT unnest(r) AS u, a FROM t) WHERE u['tags'] IS NOT NULL", "[a, r]"),
        ("SELECT sum(u['x']), count(*) FROM (SELECT unnest(r) AS u FROM t)", "[r.x]"),
        ("SELECT u['x'] FROM (SELECT unnest(r) AS u, r FROM t) WHERE cardinality(r) > 1", "[r]"),
        ("SELECT u['x'] FROM (SELECT unnest(r) AS u, a FROM t) WHERE cardinality(a) > 0", "[r.x], predicate"),
        ("SELECT u['x'], v FROM (SELECT unnest(r) AS u, unnest(a) AS v FROM t)", "[a, r.x]"),
        ("SELECT u FROM (SELECT unnest(r) AS u FROM t)", "[r]"),
        ("SELECT unnest(u['tags']) FROM (SELECT unnest(r) AS u FROM t)", "[r.tags]"),
    ] {
        let plan = scan(&ctx, sql).await;
        assert!(plan.contains(&format!("decoded={decoded}")), "{sql}: {plan}");
        let expected = rows(&ctx, &sql.replace("FROM t", "FROM m")).await;
        assert_eq!(rows(&ctx, sql).await, expected, "{sql}");
    }
}

/// The planner answers `count(*)` if block headers tell, but never from partial statistics.
#[tokio::test]
async fn count_reads_no_columns() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(testdata(from), folder.path().join(to)).unwrap();
    let long: Vec<u8> = blocks(&[1000; 200]);
    std::fs::write(folder.path().join("long.avro"), &long).unwrap();
    std::fs::write(folder.path().join("short.avro"), blocks(&[3])).unwrap();
    std::fs::write(folder.path().join("none.avro"), blocks(&[])).unwrap();
    std::fs::write(folder.path().join("cut.cut"), &long[..long.len() - 1]).unwrap();
    copy("valid/primitives.avro", "other.other");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let all = format!("{}/*.avro", folder.path().display());
    // The file or files, their rows, and whether the plan knows them.
    for (path, expected, known) in [
        (at("long.avro"), Some("200000"), true),
        (at("short.avro"), Some("3"), true),
        (at("none.avro"), Some("0"), true),
        (all, Some("200003"), true),
        (at("cut.cut"), None, false),
    ] {
        for ctx in [session(), avro_datafusion::new_session(SessionConfig::new().with_target_partitions(3)).unwrap()] {
            ctx.register_avro_table("t", path.as_str(), AvroOptions::default()).await.unwrap();
            let count = "SELECT count(*) FROM t";
            let plan = rows(&ctx, &format!("EXPLAIN {count}")).await.join("\n");
            assert_eq!(!plan.contains("DataSourceExec"), known, "{path}: {plan}");
            match expected {
                Some(expected) => {
                    assert_eq!(rows(&ctx, count).await, [expected], "{path}");
                    assert_eq!(rows(&ctx, "SELECT count(n) FROM t").await, [expected], "{path}");
                    assert_eq!(rows(&ctx, "SELECT count(*) FROM t WHERE n < 0").await, ["0"], "{path}");
                    assert_eq!(
                        rows(&ctx, "SELECT count(*) FROM (SELECT * FROM t LIMIT 2)").await,
                        [if expected == "0" { "0" } else { "2" }]
                    );
                }
                None => {
                    let error = ctx.sql(count).await.unwrap().collect().await.unwrap_err().to_string();
                    assert!(error.contains("cut.cut: the file ends"), "{error}");
                }
            }
            ctx.deregister_table("t").unwrap();
        }
    }
    let ctx = session();
    ctx.register_avro_table("t", at("short.avro"), AvroOptions::default()).await.unwrap();
    assert_eq!(rows(&ctx, "SELECT count(*) FROM t").await, ["3"]);
    std::fs::write(folder.path().join("short.avro"), blocks(&[3, 4])).unwrap();
    assert_eq!(rows(&ctx, "SELECT count(*) FROM t").await, ["7"]);
}

/// A file of ints, with blocks of this many rows.
fn blocks(rows: &[usize]) -> Vec<u8> {
    let schema = br#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}"#;
    let marker = [7; 16];
    let mut file = header_with_sync(&[("avro.schema", &schema[..])], &marker);
    for &rows in rows {
        file.extend(block_with_sync(rows as i64, &vec![8; rows], &marker));
    }
    file
}
