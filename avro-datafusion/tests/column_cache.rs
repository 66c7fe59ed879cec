//! Decoded columns in memory: when they are kept, used and dropped, and that they never change an answer.

use crate::support::{self, Dir, Row, avro, record, row, run};
use avro_datafusion::cache::ColumnCache;
use avro_datafusion::{AvroOptions, register_all_with};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;

/// A session that keeps columns in memory.
struct Session {
    ctx: SessionContext,
    columns: Arc<ColumnCache>,
    pool: Arc<dyn MemoryPool>,
}

fn session_with(max_bytes: usize, pool: Arc<dyn MemoryPool>, options: AvroOptions) -> Session {
    let columns = ColumnCache::new(max_bytes);
    let pool = columns.memory_pool(pool);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool)).build_arc().unwrap();
    let config = columns.install(SessionConfig::new().with_target_partitions(2));
    let ctx = SessionContext::new_with_config_rt(config, runtime);
    register_all_with(&ctx, options).unwrap();
    Session { ctx, columns, pool }
}

fn session() -> Session {
    session_with(1 << 30, Arc::new(UnboundedMemoryPool::default()), AvroOptions::default())
}

impl Session {
    /// Runs a query, and checks that its result is the one without columns in memory.
    #[track_caller]
    fn ask(&self, sql: &str) -> impl Future<Output = String> {
        let (ctx, sql, place) = (self.ctx.clone(), sql.to_owned(), std::panic::Location::caller());
        async move {
            let found = run(&ctx, &sql).await;
            assert_eq!(found, run(&support::session(2), &sql).await, "{place}: {sql}");
            found
        }
    }

    /// Returns which files a query reads from memory.
    async fn in_memory(&self, sql: &str) -> Option<String> {
        let plan = run(&self.ctx, &format!("EXPLAIN {sql}")).await;
        let (_, files) = plan.split_once("memory=")?;
        Some(files.split([',', '\n']).next().unwrap().to_owned())
    }
}

/// A file of records with an id, a text, a nested record and a list.
fn file(dir: &Dir, path: &str, ids: std::ops::Range<i64>) -> String {
    let point = r#"{"name": "p", "type": ["null", {"type": "record", "name": "P", "fields": [
        {"name": "x", "type": "long"}, {"name": "name", "type": "string"}]}]}"#;
    let list = r#"{"name": "l", "type": {"type": "array", "items": "string"}}"#;
    let schema = record(&[r#"{"name": "id", "type": "long"}"#, r#"{"name": "t", "type": "string"}"#, point, list]);
    let values = |id: i64| {
        let text = format!("a text of more than a few bytes, {}", id % 100);
        let row = row().long(id).string(&text);
        let row = if id % 3 == 0 { row.long(0) } else { row.long(1).long(id * 2).string(&text) };
        match id % 3 {
            0 => row.long(0),
            n => (0..n).fold(row.long(n), |row, i| row.string(&format!("{i}{text}"))).long(0),
        }
    };
    let rows: Vec<Row> = ids.map(values).collect();
    dir.write(path, avro(&schema, &rows, 50)).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn second_statement_keeps_columns() {
    let (dir, session) = (Dir::new(), session());
    let file = file(&dir, "a.avro", 0..5_000);
    let sum = format!("SELECT sum(id), max(t) FROM '{file}'");
    // A limit reads a part, and planning reads nothing.
    session.ask(&format!("SELECT id FROM '{file}' LIMIT 3")).await;
    assert_eq!(session.in_memory(&sum).await, None);
    session.ask(&sum).await;
    assert_eq!((session.columns.bytes(), session.in_memory(&sum).await), (0, None));
    session.ask(&sum).await;
    assert!(session.columns.bytes() > 5_000 * (8 + 16));
    assert_eq!(session.in_memory(&sum).await.as_deref(), Some("the file"));
    session.ask(&sum).await;
    // Other columns come when they are asked for.
    let other = format!("SELECT count(*) FROM '{file}' WHERE l[1] IS NOT NULL AND id > 7");
    assert_eq!(session.in_memory(&other).await, None);
    let before = session.columns.bytes();
    session.ask(&other).await;
    assert_eq!(session.in_memory(&other).await.as_deref(), Some("the file"));
    assert!(session.columns.bytes() > before);
    session.columns.clear();
    assert_eq!((session.columns.bytes(), session.in_memory(&sum).await), (0, None));
    assert_eq!(session.pool.reserved(), 0);
}

#[tokio::test]
async fn one_statement_keeps_nothing() {
    let (dir, session) = (Dir::new(), session());
    let file = file(&dir, "a.avro", 0..5_000);
    session.ask(&format!("SELECT count(*) FROM '{file}' a JOIN '{file}' b ON a.id = b.id + 1 WHERE a.t < b.t")).await;
    assert_eq!(session.columns.bytes(), 0);
}

#[tokio::test]
async fn answers_are_the_same_from_memory() {
    let dir = Dir::new();
    let session = session_with(
        1 << 30,
        Arc::new(UnboundedMemoryPool::default()),
        AvroOptions::default().with_cache(avro_datafusion::CacheUse::Memory),
    );
    for (i, path) in ["day=1/a.avro", "day=1/b.avro", "day=2/c.avro"].into_iter().enumerate() {
        let first = i as i64 * 20_000;
        file(&dir, path, first..first + 20_000);
    }
    let t = format!("'{}'", dir.path().display());
    let queries = [
        "SELECT count(*) FROM $T",
        "SELECT * FROM $T WHERE id % 9999 = 0 ORDER BY id",
        "SELECT p.x FROM $T WHERE p.name LIKE '%, 77' AND id < 500 ORDER BY 1",
        "SELECT p.name, l[1] FROM $T WHERE p.x > 119990 ORDER BY id",
        "SELECT id FROM $T WHERE p IS NULL AND day = 2 ORDER BY id LIMIT 5",
        "SELECT day, count(*), min(id), max(t) FROM $T GROUP BY day ORDER BY day",
        "SELECT * FROM $T ORDER BY id DESC LIMIT 3",
        "SELECT a.id FROM $T a JOIN $T b ON a.id = b.id * 7 WHERE b.t LIKE '%, 3' ORDER BY 1",
        "SELECT id FROM $T WHERE id IN (SELECT id + 1 FROM $T WHERE id % 5000 = 0) ORDER BY id",
        "SELECT sum(cardinality(l)) FROM $T WHERE cardinality(l) <> 1",
        "SELECT id FROM $T WHERE id > 3 AND 10 / (id - 3) > 1 ORDER BY id",
        "SELECT id FROM $T WHERE 10 / (id - 30) > 1 ORDER BY id",
        "SELECT _block, _row FROM read_avro($T, virtual_columns => true) WHERE id = 20001",
    ];
    for query in queries {
        let query = query.replace("$T", &t);
        let is_error = query.contains("id - 30)");
        for _ in 0..2 {
            assert_eq!(session.ask(&query).await.starts_with("error:"), is_error, "{query}");
        }
    }
    // Whole records, then some of their fields.
    let narrow = format!("SELECT sum(p.x) FROM {t} WHERE p.x > 7");
    assert_eq!(session.in_memory(&narrow).await.as_deref(), Some("all 3 files"));
    let positions = format!("SELECT id, _offset FROM read_avro({t}, virtual_columns => true)");
    assert_eq!(session.in_memory(&positions).await, None);
}

#[tokio::test]
async fn changed_files_are_read_again() {
    let (dir, session) = (Dir::new(), session());
    let path = file(&dir, "a.avro", 0..1_000);
    let sum = format!("SELECT sum(id), count(p.x) FROM '{path}'");
    for _ in 0..3 {
        session.ask(&sum).await;
    }
    assert_eq!(session.in_memory(&sum).await.as_deref(), Some("the file"));
    file(&dir, "a.avro", 0..1_001);
    assert_eq!(session.ask(&sum).await, session.ask(&sum).await);
    file(&dir, "a.avro", 1_000..2_000);
    session.ask(&sum).await;
    std::fs::remove_file(&path).unwrap();
    assert!(run(&session.ctx, &sum).await.contains("no such file"), "{}", run(&session.ctx, &sum).await);
}

#[tokio::test]
async fn columns_that_do_not_fit_are_not_kept() {
    let dir = Dir::new();
    let path = file(&dir, "a.avro", 0..5_000);
    let session = session_with(60_000, Arc::new(UnboundedMemoryPool::default()), AvroOptions::default());
    for _ in 0..3 {
        session.ask(&format!("SELECT sum(id), max(t) FROM '{path}'")).await;
    }
    assert_eq!((session.columns.bytes(), session.pool.reserved()), (0, 0));
    for _ in 0..2 {
        session.ask(&format!("SELECT sum(id) FROM '{path}'")).await;
    }
    assert!((40_000..=60_000).contains(&session.columns.bytes()), "{}", session.columns.bytes());
}

#[tokio::test]
async fn operators_take_memory_back() {
    let dir = Dir::new();
    let path = file(&dir, "a.avro", 0..5_000);
    let session = session_with(1 << 30, Arc::new(FairSpillPool::new(4 << 20)), AvroOptions::default());
    let sum = format!("SELECT sum(id), max(t) FROM '{path}'");
    for _ in 0..2 {
        session.ask(&sum).await;
    }
    let kept = session.columns.bytes();
    assert!(kept > 0 && session.pool.reserved() >= kept);
    let memory = MemoryConsumer::new("operator").register(&session.pool);
    memory.try_grow((4 << 20) - kept / 2).unwrap();
    assert!(session.columns.bytes() < kept);
    // Without them, the pool refuses as before.
    assert!(memory.try_grow(4 << 20).is_err());
    assert_eq!(session.columns.bytes(), 0);
    drop(memory);
    session.ask(&sum).await;
}
