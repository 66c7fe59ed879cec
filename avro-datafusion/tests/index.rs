//! Block indexes: same results as without, fewer bytes read, and stale indexes.

use crate::support::{self, Dir, Row, avro, query, record, row, run, session};
use avro_datafusion::index::{IndexOptions, IndexProgress, build};
use avro_datafusion::{AvroOptions, AvroSessionExt, Index, ScanObserver};
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{Expr, SessionConfig, SessionContext};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Keeps the warnings of queries.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl ScanObserver for Heard {
    fn warning(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn heard() -> (Arc<Heard>, AvroOptions) {
    let heard = Arc::new(Heard::default());
    let sink: Arc<dyn ScanObserver> = Arc::clone(&heard) as _;
    (heard, AvroOptions::default().with_observer(sink))
}

async fn index(ctx: &SessionContext, path: &Path, options: &AvroOptions) {
    build(&ctx.state(), path.to_str().unwrap(), options, &IndexOptions::default()).await.unwrap();
}

/// Deterministic pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// Every type that an index knows, and some that it does not.
fn schema() -> String {
    record(&[
        r#"{"name": "id", "type": "long"}"#,
        r#"{"name": "i", "type": ["null", "int"]}"#,
        r#"{"name": "b", "type": "boolean"}"#,
        r#"{"name": "f", "type": "float"}"#,
        r#"{"name": "d", "type": ["null", "double"]}"#,
        r#"{"name": "s", "type": ["string", "null"]}"#,
        r#"{"name": "y", "type": "bytes"}"#,
        r#"{"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["Z", "M", "A"]}}"#,
        r#"{"name": "x", "type": {"type": "fixed", "name": "X", "size": 2}}"#,
        r#"{"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}}"#,
        r#"{"name": "day", "type": {"type": "int", "logicalType": "date"}}"#,
        r#"{"name": "dec", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}"#,
        r#"{"name": "r", "type": ["null", {"type": "record", "name": "R", "fields": [
            {"name": "a", "type": ["null", "long"]}, {"name": "n", "type": "long"}]}]}"#,
        r#"{"name": "l", "type": {"type": "array", "items": "int"}}"#,
    ])
}

/// A row of which the values go up with `id`, but for some noise.
fn row_of(id: i64, random: &mut Random) -> Row {
    let near = id + random.below(20) as i64 - 10;
    let null = |random: &mut Random| random.below(10) == 0;
    let mut row = row().long(id);
    row = if null(random) { row.long(0) } else { row.long(1).long(near) };
    row = row.raw(&[u8::from(near > 500)]);
    row = row.float(match random.below(400) {
        0 => f32::NAN,
        1 => -0.0,
        _ => near as f32 - 500.0,
    });
    row = if null(random) { row.long(0) } else { row.long(1).double(near as f64 / 4.0) };
    let text = format!("{}{near:05}", if near % 7 == 0 { "long ".repeat(20) } else { String::new() });
    row = if null(random) { row.long(1) } else { row.long(0).string(&text) };
    row = row.bytes(&near.to_be_bytes()).long((near.rem_euclid(900)) / 300).raw(&(near.max(0) as u16).to_be_bytes());
    row = row.long(near * 1_000_000).long(near).bytes(&(near as i32).to_be_bytes());
    row = match random.below(6) {
        0 => row.long(0),
        1 => row.long(1).long(0).long(near),
        _ => row.long(1).long(1).long(near).long(near),
    };
    row.long(1).long(near).long(0)
}

/// A table of three files, one after the other in order.
fn table(dir: &Dir) {
    let mut random = Random(7);
    for part in 0..3 {
        let rows: Vec<_> = (0..400).map(|i| row_of(part * 400 + i, &mut random)).collect();
        dir.write(&format!("t/{part}.avro"), avro(&schema(), &rows, 9));
    }
}

/// The sum of each metric over a query's scans.
async fn metrics(ctx: &SessionContext, sql: &str) -> HashMap<String, usize> {
    fn add(plan: &Arc<dyn ExecutionPlan>, sums: &mut HashMap<String, usize>) {
        for metric in plan.metrics().iter().flat_map(|metrics| metrics.iter()) {
            *sums.entry(metric.value().name().to_owned()).or_default() += metric.value().as_usize();
        }
        plan.children().into_iter().for_each(|child| add(child, sums));
    }
    let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
    let mut sums = HashMap::new();
    add(&plan, &mut sums);
    sums
}

async fn register(ctx: &SessionContext, dir: &Dir, with: AvroOptions) {
    let path = dir.path().join("t");
    let without = AvroOptions::default().with_index(Index::Ignore);
    ctx.register_avro_table("t", path.to_str().unwrap(), with).await.unwrap();
    ctx.register_avro_table("plain", path.to_str().unwrap(), without).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn index_pruning_keeps_results() {
    let dir = Dir::new();
    table(&dir);
    let (heard, options) = heard();
    for partitions in [1, 4] {
        let config = SessionConfig::new().with_target_partitions(partitions).with_repartition_file_min_size(0);
        let ctx = avro_datafusion::new_session(config).unwrap();
        index(&ctx, &dir.path().join("t"), &options).await;
        register(&ctx, &dir, options.clone()).await;
        let mut random = Random(partitions as u64);
        let mut pruned = 0;
        for n in 0..60 {
            let at = random.below(1300) as i64 - 50;
            let op = ["=", "<>", "<", "<=", ">", ">=", "IS NOT DISTINCT FROM"][random.below(7) as usize];
            let one = |random: &mut Random| match random.below(16) {
                0 => format!("id {op} {at}"),
                1 => format!("i {op} {at}"),
                2 => format!("b {op} {}", at % 2 == 0),
                3 => format!("f {op} ({at}.0 - 500)"),
                4 => format!("d {op} ({at} / 4.0)"),
                5 => format!("s {op} '{at:05}'"),
                6 => format!("s LIKE 'long long%{at:05}'"),
                7 => format!("e {op} '{}'", ["A", "M", "Z", "Q"][random.below(4) as usize]),
                8 => format!("t {op} to_timestamp({at})"),
                9 => format!("day {op} (CAST('1970-01-01' AS DATE) + {at})"),
                10 => format!("dec {op} {}.{:02}", at / 100, at.abs() % 100),
                11 => format!("r['a'] {op} {at}"),
                12 => format!("r['n'] {op} {at}"),
                13 => format!(
                    "{} IS {}NULL",
                    ["i", "d", "s", "r", "r['a']", "id"][random.below(6) as usize],
                    ["", "NOT "][random.below(2) as usize]
                ),
                14 => format!("id IN ({at}, {}, {})", at + 30, at + 31),
                _ => format!("y {op} X'{:016x}'", at.max(0)),
            };
            let filter = match random.below(4) {
                0 => format!("({}) AND ({})", one(&mut random), one(&mut random)),
                1 => format!("({}) OR ({})", one(&mut random), one(&mut random)),
                2 => format!("NOT ({})", one(&mut random)),
                _ => one(&mut random),
            };
            let sql = |table: &str| format!("SELECT * FROM {table} WHERE {filter} ORDER BY id");
            let (with, without) = (run(&ctx, &sql("t")).await, run(&ctx, &sql("plain")).await);
            assert_eq!(with, without, "{n}: {filter}");
            // A filter that cannot be true has no scan.
            pruned += metrics(&ctx, &sql("t")).await.get("blocks_pruned").copied().unwrap_or(0);
        }
        assert!(pruned > 3000, "{pruned} blocks pruned");
    }
    assert_eq!(heard.take(), Vec::<String>::new());
}

/// Filters on every column of every valid file select the same rows with an index as without.
#[tokio::test(flavor = "multi_thread")]
async fn index_pruning_keeps_results_of_valid_files() {
    let (heard, options) = heard();
    let (mut files, mut queries) = (0, 0);
    let valid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/valid");
    let mut names: Vec<_> = std::fs::read_dir(valid).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Arrow's own filter fails where values have no bytes.
    names.retain(|path| path.extension().is_some_and(|e| e == "avro") && !path.ends_with("fixed-zero.avro"));
    names.sort();
    for path in names {
        let dir = Dir::new();
        let copy = dir.path().join(path.file_name().unwrap());
        std::fs::copy(&path, &copy).unwrap();
        let copy = copy.to_str().unwrap();
        let ctx = session(2);
        let plain = AvroOptions::default().with_index(Index::Ignore);
        // Two columns of one name are not a table.
        let Ok(plain) = ctx.read_avro_table(copy, plain).await else { continue };
        let built = build(&ctx.state(), copy, &options, &IndexOptions::default()).await.unwrap();
        let table = ctx.read_avro_table(copy, options.clone()).await.unwrap();
        let n_rows = plain.clone().count().await.unwrap();
        assert_eq!(built[0].rows, n_rows as u64);
        assert_eq!(table.clone().count().await.unwrap(), n_rows);
        files += 1;
        let rows = plain.clone().collect().await.unwrap();
        for (i, field) in plain.schema().fields().iter().enumerate().take(4) {
            let column = Expr::Column(Column::new_unqualified(field.name()));
            let mut filters = vec![column.clone().is_null(), column.clone().is_not_null()];
            for batch in &rows {
                for at in [batch.num_rows() / 2, batch.num_rows().saturating_sub(1)] {
                    let Ok(value) = ScalarValue::try_from_array(batch.column(i), at) else { continue };
                    let value = Expr::Literal(value, None);
                    filters.push(column.clone().eq(value.clone()));
                    filters.push(column.clone().lt(value.clone()).or(column.clone().gt(value)));
                }
            }
            for filter in filters {
                let (Ok(a), Ok(b)) = (plain.clone().filter(filter.clone()), table.clone().filter(filter.clone()))
                else {
                    continue;
                };
                let (Ok(a), b) = (a.collect().await, b.collect().await) else { continue };
                let text = |rows| datafusion::arrow::util::pretty::pretty_format_batches(rows).unwrap().to_string();
                assert_eq!(text(&b.unwrap()), text(&a), "{filter} of {copy}");
                queries += 1;
            }
        }
    }
    assert!(files > 80 && queries > 1000, "{files} files, {queries} queries");
    assert_eq!(heard.take(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn index_statistics_answer_aggregates() {
    let dir = Dir::new();
    table(&dir);
    let ctx = session(2);
    let (_, options) = heard();
    index(&ctx, &dir.path().join("t"), &options).await;
    register(&ctx, &dir, options).await;
    // Whether the answer is free: it is computed when the query is planned.
    let cases = [
        ("count(*)", true),
        ("count(id), count(i), min(id), max(id)", true),
        ("min(i), max(i), min(t), max(day), min(dec), max(b)", true),
        // A NaN, cut texts, a type of the engine's own.
        ("max(f)", false),
        ("max(s)", false),
        ("max(e)", false),
        ("sum(id)", false),
        ("count(r)", false),
    ];
    for (columns, free) in cases {
        let sql = |table: &str| format!("SELECT {columns} FROM {table} t");
        assert_eq!(run(&ctx, &sql("t")).await, run(&ctx, &sql("plain")).await, "{columns}");
        let plan = run(&ctx, &format!("EXPLAIN FORMAT INDENT {}", sql("t"))).await;
        assert_eq!(!plan.contains("DataSourceExec"), free, "{columns}: {plan}");
        let filtered = |table: &str| format!("SELECT {columns} FROM {table} t WHERE id % 2 = 0");
        assert_eq!(run(&ctx, &filtered("t")).await, run(&ctx, &filtered("plain")).await, "{columns}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn top_k_with_index_prunes_blocks() {
    let dir = Dir::new();
    let schema = record(&[r#"{"name": "id", "type": "long"}"#, r#"{"name": "text", "type": "string"}"#]);
    let rows: Vec<_> = (0..400_000).map(|id| row().long(id).string(&format!("{id:040}"))).collect();
    let file = dir.write("t/big.avro", avro(&schema, &rows, 1000));
    let bytes = file.metadata().unwrap().len() as usize;
    let ctx = session(2);
    let (_, options) = heard();
    index(&ctx, &file, &options).await;
    register(&ctx, &dir, options).await;
    // The most that each may read, in thousandths of the file.
    let cases = [
        ("SELECT * FROM t WHERE id = 123456", 10),
        ("SELECT * FROM t WHERE text >= '0000000000000000000000000000000000399990'", 10),
        ("SELECT * FROM t WHERE id > 1000000", 0),
        ("SELECT * FROM t WHERE id IN (5, 200000)", 15),
        ("SELECT * FROM t ORDER BY id LIMIT 10", 40),
        ("SELECT * FROM t ORDER BY id DESC LIMIT 10", 40),
        ("SELECT text AS x, id FROM t ORDER BY x DESC, id LIMIT 10", 40),
        ("SELECT * FROM t JOIN (VALUES (17), (99999)) v(k) ON id = k", 600),
    ];
    for (sql, thousandths) in cases {
        let plain = sql.replace("FROM t", "FROM plain");
        assert_eq!(run(&ctx, sql).await, run(&ctx, &plain).await, "{sql}");
        let found = metrics(&ctx, sql).await;
        assert!(found["bytes_scanned"] <= bytes * thousandths / 1000, "{sql}: {found:?} of {bytes}");
        let whole = metrics(&ctx, &plain).await["bytes_scanned"];
        assert!(whole + 70_000 > bytes, "{plain}: {whole} of {bytes}");
    }
}

/// Rows of an index as any Avro table.
#[tokio::test(flavor = "multi_thread")]
async fn index_is_an_avro_file() {
    let dir = Dir::new();
    let rows: Vec<_> = [3, 1, 2, 300].into_iter().map(|n| row().long(n).long(0)).collect();
    let schema = record(&[r#"{"name": "a", "type": "long"}"#, r#"{"name": "s", "type": ["null", "string"]}"#]);
    let file = avro(&schema, &rows, 3);
    let header = file.len() - 24 - 21;
    dir.write("f.avro", &file);
    let ctx = session(1);
    let sql = dir.show("SELECT file, blocks, rows, index, built FROM avro_index('$DIR/f.avro')");
    for built in ["true", "false"] {
        let expected =
            format!("file | blocks | rows | index | built\n$DIR/f.avro | 2 | 4 | $DIR/.f.avro.avroidx | {built}");
        assert_eq!(dir.hide(&run(&ctx, &sql).await), expected);
    }
    let sql = "SELECT \"offset\", bytes, rows, columns[1]['nulls'] AS nulls, columns[1]['min'] AS min, columns[1]['max'] AS max, \
               columns[2]['nulls'] AS no_text FROM '$DIR/.f.avro.avroidx'";
    let found = run(&ctx, &dir.show(sql)).await;
    let expected = format!(
        "offset | bytes | rows | nulls | min | max | no_text\n{header} | 24 | 3 | 0 | 02 | 06 | 3\n{} | 21 | 1 | 0 | d804 | d804 | 1",
        header + 24
    );
    assert_eq!(found, expected);
    // It is not data: neither of a directory, nor of a glob.
    for path in ["$DIR", "$DIR/*", "$DIR/*avro*"] {
        assert_eq!(run(&ctx, &dir.show(&format!("SELECT count(*) AS n FROM '{path}'"))).await, "n\n4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_index_is_ignored_with_warning() {
    let (heard, options) = heard();
    let rows = |n: i64| (0..n).map(|i| row().long(i)).collect::<Vec<_>>();
    let schema = record(&[r#"{"name": "a", "type": "long"}"#]);
    type Change = fn(&Path, &Path);
    let rewrite = |path: &Path, change: fn(&mut Vec<u8>)| {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    };
    let cases: [(&str, Change, Option<&str>); 7] = [
        ("nothing", |_, _| {}, None),
        ("no index", |_, index| std::fs::remove_file(index).unwrap(), None),
        (
            "changed",
            |file, _| {
                std::fs::write(file, avro(&record(&[r#"{"name": "a", "type": "long"}"#]), &[row().long(77)], 1))
                    .unwrap()
            },
            Some("the file's size has changed since it was indexed"),
        ),
        (
            "touched",
            |file, _| {
                let time = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
                std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
            },
            Some("the file's modification time has changed"),
        ),
        (
            "cut",
            |_, index| {
                let bytes = std::fs::read(index).unwrap();
                std::fs::write(index, &bytes[..bytes.len() - 1]).unwrap();
            },
            Some("its checksum is wrong"),
        ),
        ("empty", |_, index| std::fs::write(index, "").unwrap(), Some("block index not used")),
        ("something else", |_, index| std::fs::write(index, "PAR1").unwrap(), Some("this is Parquet")),
    ];
    for (what, change, warning) in cases {
        let dir = Dir::new();
        let file = dir.write("f.avro", avro(&schema, &rows(50), 5));
        let ctx = session(2);
        index(&ctx, &file, &options).await;
        change(&file, &dir.path().join(".f.avro.avroidx"));
        ctx.register_avro_table("t", file.to_str().unwrap(), options.clone()).await.unwrap();
        let plain = AvroOptions::default().with_index(Index::Ignore);
        ctx.register_avro_table("plain", file.to_str().unwrap(), plain).await.unwrap();
        // However often it is looked at, it is said once.
        for sql in ["SELECT count(*) AS n, min(a) AS least FROM t", "SELECT * FROM t WHERE a > 12 ORDER BY a"] {
            assert_eq!(run(&ctx, sql).await, run(&ctx, &sql.replace("FROM t", "FROM plain")).await, "{what}");
        }
        let warnings = heard.take();
        assert_eq!(warnings.len(), usize::from(warning.is_some()), "{what}: {warnings:?}");
        assert!(warnings.iter().all(|said| said.contains(warning.unwrap())), "{what}: {warnings:?}");
    }
    // Any damage to any byte is noticed.
    let dir = Dir::new();
    let file = dir.write("f.avro", avro(&schema, &rows(20), 5));
    let ctx = session(1);
    index(&ctx, &file, &options).await;
    let path = dir.path().join(".f.avro.avroidx");
    let whole = std::fs::read(&path).unwrap();
    let mut random = Random(1);
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(&path, bytes).unwrap();
        let table = ctx.read_avro_table(file.to_str().unwrap(), options.clone()).await.unwrap();
        assert_eq!(table.count().await.unwrap(), 20);
        assert_eq!(heard.take().len(), 1, "byte {at}");
    }
    rewrite(&path, |bytes| bytes.clear());
}

/// A file whose bytes were changed, but neither its size nor its time.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_block_offsets_fail_the_query() {
    let dir = Dir::new();
    let schema = record(&[r#"{"name": "a", "type": "long"}"#]);
    let rows: Vec<_> = (0..200).map(|i| row().long(i)).collect();
    let file = dir.write("t/f.avro", avro(&schema, &rows, 20));
    let ctx = session(1);
    index(&ctx, &file, &AvroOptions::default()).await;
    register(&ctx, &dir, AvroOptions::default()).await;
    let time = file.metadata().unwrap().modified().unwrap();
    // The row count of the sixth block is now that of a block which cannot be.
    let mut bytes = std::fs::read(&file).unwrap();
    let markers: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&support::SYNC)).collect();
    bytes[markers[5] + 16] = 1;
    std::fs::write(&file, bytes).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    for (filter, fails) in [("a = 110", true), ("a = 130", false)] {
        let found = query(&ctx, &format!("SELECT * FROM t WHERE {filter}")).await;
        assert_eq!(found.is_err(), fails, "{filter}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn index_path_and_columns_are_respected() {
    let dir = Dir::new();
    table(&dir);
    let ctx = session(2);
    let place = dir.path().join("indexes").to_str().unwrap().to_owned();
    let options = AvroOptions::default().with_index_path(place);
    let path = dir.path().join("t").to_str().unwrap().to_owned();
    let columns = |names: &[&str], rebuild| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        IndexOptions::default().with_columns(names).with_rebuild(rebuild)
    };
    let built = build(&ctx.state(), path.as_str(), &options, &columns(&["id", "r"], false)).await.unwrap();
    assert!(built.iter().all(|one| one.built && one.index.contains("/indexes/file/") && one.rows == 400));
    let kept = build(&ctx.state(), path.as_str(), &options, &columns(&["id"], false)).await.unwrap();
    assert!(kept.iter().all(|one| !one.built));
    let again = build(&ctx.state(), path.as_str(), &options, &columns(&["id", "r", "i"], false)).await.unwrap();
    assert!(again.iter().all(|one| one.built), "it has other columns");
    let forced = build(&ctx.state(), path.as_str(), &options, &columns(&["id", "r"], true)).await.unwrap();
    assert!(forced.iter().all(|one| one.built));
    assert!(!dir.path().join("t/.0.avro.avroidx").exists());
    register(&ctx, &dir, options.clone()).await;
    for (filter, prunes) in [("id = 5", true), ("r['n'] < 10", true), ("i = 5", false)] {
        let sql = |table: &str| format!("SELECT * FROM {table} WHERE {filter} ORDER BY id");
        assert_eq!(run(&ctx, &sql("t")).await, run(&ctx, &sql("plain")).await, "{filter}");
        assert_eq!(metrics(&ctx, &sql("t")).await["blocks_pruned"] > 0, prunes, "{filter}");
    }
    for (wrong, expected) in [("l", "no column `l` that can be indexed"), ("nothing", "no column `nothing`")] {
        let error = build(&ctx.state(), path.as_str(), &options, &columns(&[wrong], false)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Progress is visible while the build runs.
#[tokio::test(flavor = "multi_thread")]
async fn build_reports_progress() {
    let dir = Dir::new();
    table(&dir);
    let ctx = session(2);
    let path = dir.path().join("t").to_str().unwrap().to_owned();
    for rebuild in [true, false] {
        let progress = Arc::new(IndexProgress::default());
        let index = IndexOptions::default().with_rebuild(rebuild).with_progress(Arc::clone(&progress));
        let built = build(&ctx.state(), path.as_str(), &AvroOptions::default(), &index).await.unwrap();
        let sizes = built.iter().map(|one| std::fs::metadata(&one.file).unwrap().len());
        let (total, rows) = (sizes.sum::<u64>(), built.iter().map(|one| one.rows).sum::<u64>());
        assert_eq!(progress.total_bytes(), total);
        match rebuild {
            true => assert!(progress.rows() == rows && progress.bytes() * 2 > total, "{progress:?}"),
            false => assert!(progress.rows() == 0 && progress.bytes() == total, "{progress:?}"),
        }
    }
}

/// Files of other schemas than the table's.
#[tokio::test(flavor = "multi_thread")]
async fn index_of_promoted_or_missing_column_keeps_results() {
    let dir = Dir::new();
    let enumeration = |symbols: &str| {
        format!(r#"{{"name": "e", "type": {{"type": "enum", "name": "E", "symbols": [{symbols}], "default": "A"}}}}"#)
    };
    let ints = record(&[r#"{"name": "n", "type": "int"}"#, &enumeration(r#""A", "C""#)]);
    let doubles = record(&[
        r#"{"name": "n", "type": "double"}"#,
        r#"{"name": "new", "type": "long", "default": 7}"#,
        &enumeration(r#""A", "B""#),
    ]);
    let rows: Vec<_> = (0..100).map(|i| row().long(i).long(i / 50)).collect();
    dir.write("t/ints.avro", avro(&ints, &rows, 10));
    let rows: Vec<_> = (0..100).map(|i| row().double(50.5 + i as f64).long(i).long(i / 50)).collect();
    dir.write("t/doubles.avro", avro(&doubles, &rows, 10));
    let ctx = session(2);
    let reader = record(&[
        r#"{"name": "n", "type": "double"}"#,
        r#"{"name": "new", "type": "long", "default": 7}"#,
        &enumeration(r#""A", "B""#),
    ]);
    let mut options = AvroOptions::default();
    options.set("reader_schema", &reader).unwrap();
    index(&ctx, &dir.path().join("t"), &options).await;
    let plain = options.clone().with_index(Index::Ignore);
    let path = dir.path().join("t").to_str().unwrap().to_owned();
    ctx.register_avro_table("t", path.as_str(), options).await.unwrap();
    ctx.register_avro_table("plain", path.as_str(), plain).await.unwrap();
    let cases = [
        ("n = 60", true),
        ("n > 120", true),
        ("new = 7", true),
        ("new IS NULL", false),
        // The files' symbol C is read as A.
        ("e = 'A'", false),
        ("e = 'B'", false),
        ("e = 'C'", false),
    ];
    for (filter, prunes) in cases {
        let sql = |table: &str| format!("SELECT * FROM {table} WHERE {filter} ORDER BY n, new");
        assert_eq!(run(&ctx, &sql("t")).await, run(&ctx, &sql("plain")).await, "{filter}");
        let found = metrics(&ctx, &sql("t")).await;
        assert!(!prunes || found["blocks_pruned"] > 0, "{filter}");
    }
    for columns in ["count(*)", "min(n), max(n)", "min(new)", "count(e)", "min(e)"] {
        let sql = |table: &str| format!("SELECT {columns} FROM {table} t");
        assert_eq!(run(&ctx, &sql("t")).await, run(&ctx, &sql("plain")).await, "{columns}");
    }
}
