//! Aggregates that a query has several times: computed once, with the same rows as when each is computed.

use crate::support::{Dir, Row, avro, lines, query, record, row};
use avro_datafusion::{AvroOptions, enable_common_subplans, register_all_with};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn session(is_enabled: bool, memory: Option<usize>) -> SessionContext {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes)) as Arc<dyn MemoryPool>);
    }
    let config = SessionConfig::new().with_target_partitions(3).with_batch_size(16);
    let ctx = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
    register_all_with(&ctx, AvroOptions::default()).unwrap();
    if is_enabled {
        enable_common_subplans(&ctx);
        enable_common_subplans(&ctx); // does nothing more
    }
    ctx
}

/// Files of the columns `k`, `v` and `w`.
fn files() -> Dir {
    let dir = Dir::new();
    let fields =
        [r#"{"name": "k", "type": "long"}"#, r#"{"name": "v", "type": "long"}"#, r#"{"name": "w", "type": "long"}"#];
    for file in 0..3 {
        let rows: Vec<Row> = (0..500).map(|i| row().long(i % 40).long(i + 1000 * file).long(-i)).collect();
        dir.write(&format!("day={file}/a.avro"), avro(&record(&fields), &rows, 50));
    }
    dir
}

const WITH: &str = "WITH s AS (SELECT k, day, sum(v) AS v, sum(w) AS w, count(*) AS n FROM '$DIR' GROUP BY k, day)";

/// Queries, and how often their plans say that a subplan is computed once.
const QUERIES: [(&str, usize); 14] = [
    ("SELECT a.k, a.v, b.v AS b FROM s a JOIN s b ON a.k = b.k + 1 AND a.day = b.day", 2),
    ("SELECT k, v, (SELECT max(v) FROM s) AS m FROM s", 2),
    ("SELECT count(*) AS c, (SELECT count(*) FROM s) AS d FROM s", 2),
    ("SELECT k FROM s WHERE v IN (SELECT max(v) FROM s GROUP BY day) UNION ALL SELECT n FROM s", 3),
    ("SELECT x.k, y.n FROM s x LEFT JOIN s y ON x.k = y.k - 20 AND x.day = y.day LIMIT 100000", 2),
    ("SELECT k, v FROM (SELECT * FROM s ORDER BY v, k LIMIT 7) a UNION ALL SELECT k, w FROM s", 2),
    // Nested: what is in a common subplan is not counted for itself.
    ("SELECT * FROM (SELECT max(v) AS m FROM s), (SELECT min(w) AS l FROM s)", 2),
    // Filters of each are in place, so that each reads its own files.
    ("SELECT a.k, b.v FROM s a JOIN s b ON a.k = b.k WHERE a.day = '1' AND b.day = '2'", 0),
    ("SELECT a.k, b.v FROM s a JOIN s b ON a.k = b.k WHERE a.day = '1' AND b.day = '1'", 2),
    ("SELECT k, v FROM s", 0),
    ("SELECT a.c, b.c AS d FROM (SELECT count(DISTINCT k) AS c FROM s) a, (SELECT count(DISTINCT k) AS c FROM s) b", 2),
    // Volatile functions are called for each.
    (
        "SELECT count(a.m + b.m) AS c FROM (SELECT max(v + 0 * random()) AS m FROM s) a, (SELECT max(v + 0 * random()) AS m FROM s) b",
        2,
    ),
    ("SELECT s.k, (SELECT max(t.v) FROM s t WHERE t.k = s.k) AS m FROM s", 2),
    ("SELECT s.k FROM s WHERE EXISTS (SELECT 1 FROM s t WHERE t.k = s.k + 39 AND t.day = s.day)", 2),
];

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

async fn plan(ctx: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

fn text(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(true).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn common_subplans_change_no_answer() {
    let dir = files();
    for (sql, uses) in QUERIES {
        let sql = dir.show(&format!("{WITH} {sql}"));
        let expected = lines(&query(&session(false, None), &sql).await.unwrap());
        let ctx = session(true, None);
        let plan = plan(&ctx, &sql).await;
        assert_eq!(text(&plan).matches("CommonSubplanExec").count(), uses, "{sql}: {}", text(&plan));
        let found = collect(plan, ctx.task_ctx()).await.unwrap();
        assert_eq!(sorted(&lines(&found)), sorted(&expected), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn common_subplans_compute_only_columns_that_are_needed() {
    let dir = files();
    let sql = dir.show(&format!("{WITH} SELECT v, (SELECT max(v) FROM s) AS m FROM s"));
    let text = text(&plan(&session(true, None), &sql).await);
    assert_eq!(text.matches("decoded=[k, v]").count(), 2, "{text}");
    assert!(!text.contains(".w)") && !text.contains("count("), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn common_subplans_read_files_once() {
    let dir = files();
    let sql = dir.show(&format!("EXPLAIN ANALYZE {WITH} SELECT k, v, (SELECT max(v) FROM s) AS m FROM s"));
    let found = query(&session(true, None), &sql).await.unwrap();
    let text = pretty_format_batches(&found).unwrap().to_string();
    // The scan is in the text at both places, with the metrics of one execution.
    let scans: Vec<_> = text.lines().filter(|line| line.contains("DataSourceExec")).collect();
    assert_eq!(scans.len(), 2, "{text}");
    assert!(
        scans.iter().all(|scan| scan.contains("output_rows=1.50 K") || scan.contains("output_rows=1500")),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn common_subplans_that_do_not_fit_are_computed_for_each_use() {
    let dir = files();
    let with = "WITH s AS (SELECT DISTINCT v, w, repeat('x', 200) || CAST(v AS TEXT) AS t FROM '$DIR')";
    let sql = dir.show(&format!("{with} SELECT count(*) AS c, sum(length(a.t)) AS l FROM s a JOIN s b ON a.v = b.v"));
    let expected = lines(&query(&session(false, None), &sql).await.unwrap());
    let mut outcomes = [0, 0];
    for kilobytes in [100, 300, 600, 1000, 1500, 2000, 3000, 5000, 100_000] {
        let ctx = session(true, Some(kilobytes << 10));
        match query(&ctx, &sql).await {
            Ok(found) => {
                outcomes[0] += 1;
                assert_eq!(lines(&found), expected, "{kilobytes} KiB");
            }
            // The aggregates and the join need memory too.
            Err(e) => {
                outcomes[1] += 1;
                assert!(e.to_string().contains("Resources exhausted"), "{kilobytes} KiB: {e}");
            }
        }
        // Tasks that are canceled end a little later.
        let pool = Arc::clone(&ctx.runtime_env().memory_pool);
        let started = Instant::now();
        while pool.reserved() > 0 {
            assert!(started.elapsed() < Duration::from_secs(20), "{kilobytes} KiB: {} bytes", pool.reserved());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(outcomes[0] > 1 && outcomes[1] > 0, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_common_subplans_are_those_of_the_query() {
    let dir = files();
    dir.write(
        "day=3/a.avro",
        std::fs::read(dir.path().join("day=0/a.avro")).unwrap().split_last_chunk::<40>().unwrap().0,
    );
    for sql in ["SELECT k, v, (SELECT max(v) FROM s) AS m FROM s", "SELECT 1 FROM s a JOIN s b USING (k)"] {
        let sql = dir.show(&format!("{WITH} {sql}"));
        let expected = query(&session(false, None), &sql).await.unwrap_err().strip_backtrace();
        let found = query(&session(true, None), &sql).await.unwrap_err().strip_backtrace();
        assert!(found.contains("day=3/a.avro") && found.contains("block 9"), "{found}");
        assert_eq!(found, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_table_functions_in_common_subplans_are_shared() {
    let dir = files();
    let with = WITH.replace("'$DIR'", "read_avro('$DIR')");
    let sql = dir.show(&format!("{with} SELECT k, v, (SELECT max(v) FROM s) AS m FROM s"));
    let ctx = session(true, None);
    assert_eq!(text(&plan(&ctx, &sql).await).matches("CommonSubplanExec").count(), 2);
    let expected = lines(&query(&session(false, None), &sql).await.unwrap());
    assert_eq!(sorted(&lines(&query(&ctx, &sql).await.unwrap())), sorted(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn recursive_queries_and_other_tables_share_nothing() {
    let dir = files();
    let recursive = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT max(n) FROM r) + 1 \
                     AND n < 5) SELECT (SELECT max(n) FROM r) AS a, (SELECT max(n) FROM r) AS b";
    // Table functions have one name, whatever they read.
    let others = "SELECT a.s, b.s AS t FROM (SELECT sum(v) AS s FROM read_avro('$DIR/day=0')) a, \
                  (SELECT sum(v) AS s FROM read_avro('$DIR/day=1')) b";
    for sql in [recursive, others] {
        let sql = dir.show(sql);
        let outcome = |found: datafusion::error::Result<Vec<_>>| match found {
            Ok(rows) => lines(&rows),
            Err(e) => e.strip_backtrace(),
        };
        let expected = outcome(query(&session(false, None), &sql).await);
        assert_eq!(outcome(query(&session(true, None), &sql).await), expected, "{sql}");
    }
    let text = text(&plan(&session(true, None), &dir.show(others)).await);
    assert!(!text.contains("CommonSubplanExec"), "{text}");
}
