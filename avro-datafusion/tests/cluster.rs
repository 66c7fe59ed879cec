//! Queries on workers, which run in this process behind real connections: answers equal those of one session.

use crate::support::tables::{self, testdata, write_tables};
use crate::support::{Dir, SYNC, avro, lines, record, row};
use avro_datafusion::cluster::{
    Channels, ClusterWorker, FixedWorkers, ScanProgress, TlsFiles, enable_distributed, planner, workers_progress,
};
use avro_datafusion::index::IndexOptions;
use avro_datafusion::{AvroOptions, AvroSessionExt, OnCorruptBlock, ScanObserver, compat};
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_distributed::DistributedExt;
use std::net::TcpListener;
use std::sync::{Arc, LazyLock, Mutex};
use tokio::runtime::Runtime;

/// Three workers for all tests. Their threads end with the process.
static WORKERS: LazyLock<FixedWorkers> = LazyLock::new(|| {
    static THREADS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    let start = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let worker = ClusterWorker::new(Arc::new(RuntimeEnv::default()), THREADS.handle().clone(), "test");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(worker.serve(listener, std::future::pending())).unwrap();
        });
        url
    };
    FixedWorkers((0..3).map(start).collect())
});

fn local(is_exact: bool) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().optimizer.repartition_file_min_size = 1;
    let ctx = avro_datafusion::new_session(config).unwrap();
    if is_exact {
        compat::enable_sql_semantics(&ctx).unwrap();
        avro_datafusion::register_sql_functions(&ctx).unwrap();
    }
    ctx
}

/// A session that uses the workers for the tables of another.
fn distributed(ctx: &SessionContext) -> SessionContext {
    let builder = SessionStateBuilder::new_from_existing(ctx.state());
    let builder = Channels::new(None, TlsFiles::default()).unwrap().install(builder);
    let builder = builder.with_distributed_file_scan_config_bytes_per_partition(4096).unwrap();
    SessionContext::new_with_state(enable_distributed(builder, WORKERS.clone()).build())
}

/// The plan as text, and the rows.
async fn run(ctx: &SessionContext, sql: &str) -> Result<(String, String)> {
    let frame = ctx.sql(sql).await?;
    let plan = frame.create_physical_plan().await?;
    let text = planner::plan_text(&plan);
    let batches = datafusion::physical_plan::collect(plan, ctx.task_ctx()).await?;
    Ok((text, lines(&batches)))
}

fn sorted(rows: &str) -> Vec<&str> {
    let mut rows: Vec<_> = rows.lines().collect();
    rows.sort_unstable();
    rows
}

/// The greatest number of tasks of a stage.
fn tasks(plan: &str) -> usize {
    let counts = plan.split("tasks=").skip(1);
    let number = |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<usize>();
    counts.filter_map(|rest| number(rest).ok()).max().unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tpch_answers_equal_those_of_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    write_tables(folder.path());
    let mut wrong = vec![];
    for is_exact in [false, true] {
        let here = local(is_exact);
        for (table, ..) in tables::TABLES {
            let path = folder.path().join(table).to_str().unwrap().to_owned();
            here.register_avro_table(table, path, AvroOptions::default()).await.unwrap();
        }
        let there = distributed(&here);
        for number in 1..=22 {
            for sql in testdata(number, "sql").split(';').filter(|sql| !sql.trim().is_empty()) {
                let (_, expected) = run(&here, sql).await.unwrap();
                match run(&there, sql).await {
                    Ok((plan, _)) if tasks(&plan) < 2 => wrong.push(format!("q{number} stays here: {plan}")),
                    Ok((_, found)) if found == expected => {}
                    Ok((_, found)) => wrong.push(format!("q{number}:\n{found}\nexpected\n{expected}")),
                    Err(e) => wrong.push(format!("q{number}: {e}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

const FIELDS: [&str; 2] = [r#"{"name": "id", "type": "long"}"#, r#"{"name": "t", "type": "string"}"#];

/// Two files of 2000 rows.
fn write_files(dir: &Dir) -> String {
    for file in 0..2 {
        let rows: Vec<_> = (0..2000).map(|i| row().long(file * 2000 + i).string(&format!("text {}", i % 7))).collect();
        dir.write(&format!("k={file}/a.avro"), avro(&record(&FIELDS), &rows, 100));
    }
    dir.path().to_str().unwrap().to_owned()
}

async fn sessions(path: &str, options: AvroOptions) -> (SessionContext, SessionContext) {
    let here = local(true);
    here.register_avro_table("t", path, options).await.unwrap();
    let there = distributed(&here);
    (here, there)
}

/// What workers have read for a plan.
fn progress(plan: &Arc<dyn ExecutionPlan>) -> ScanProgress {
    let below = plan.children().into_iter().map(progress);
    below.chain(workers_progress(plan.as_ref())).fold(ScanProgress::default(), |sum, one| ScanProgress {
        bytes: sum.bytes + one.bytes,
        rows: sum.rows + one.rows,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coordinator_knows_what_workers_have_read() {
    let dir = Dir::new();
    let path = write_files(&dir);
    let (_, there) = sessions(&path, AvroOptions::default()).await;
    // Long enough for several questions.
    let sql = "SELECT count(*) FROM t a JOIN t b ON a.id % 3 = b.id % 3 WHERE md5(a.t || b.t) < 'a'";
    let plan = there.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    assert!(tasks(&planner::plan_text(&plan)) > 1);
    assert_eq!(progress(&plan), ScanProgress::default());
    let running = tokio::spawn(datafusion::physical_plan::collect(Arc::clone(&plan), there.task_ctx()));
    let wait = async {
        while progress(&plan).rows < 4000 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("all rows of a side are read");
    let size = |file| std::fs::metadata(format!("{path}/k={file}/a.avro")).unwrap().len();
    // Blocks at the ends of ranges are read twice.
    let bytes = progress(&plan).bytes;
    assert!(bytes >= (size(0) + size(1)) / 2 && bytes <= 8 * (size(0) + size(1)), "{bytes}");
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_filters_and_limits_are_right() {
    let dir = Dir::new();
    let path = write_files(&dir);
    let (here, there) = sessions(&path, AvroOptions::default().with_virtual_columns(true)).await;
    // Queries, and whether several tasks read the files.
    let cases = [
        ("SELECT k, count(*), sum(id), min(t) FROM t GROUP BY k", true),
        ("SELECT count(*) FROM t WHERE id % 3 = 1 AND t LIKE '%5'", true),
        ("SELECT id, t FROM t WHERE id > 3990", false),
        ("SELECT sum(_offset), count(_file) FROM t", true),
        ("SELECT regexp_replace(input_file_name(), '.*/k=', ''), count(*) FROM t GROUP BY 1", true),
        ("SELECT max(_row), sum(_block), k FROM t GROUP BY k", false),
        ("SELECT sum(id) FROM (SELECT id FROM t LIMIT 100)", false),
        ("SELECT count(*), sum(n.id) FROM t JOIN t AS n ON t.id = n.id + 1 WHERE n.id < 1000", true),
        ("SELECT id FROM t ORDER BY id DESC LIMIT 3", true),
    ];
    for (sql, is_split) in cases {
        let (_, expected) = run(&here, sql).await.unwrap();
        let (plan, found) = run(&there, sql).await.unwrap();
        assert_eq!(sorted(&found), sorted(&expected), "{sql}\n{plan}");
        assert_eq!(tasks(&plan) > 1, is_split, "{sql}\n{plan}");
    }
}

/// Filters of joins whose build sides are small files are in the plan that is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_build_sides_filter_other_stages() {
    let (dir, other) = (Dir::new(), Dir::new());
    let fields = [r#"{"name": "id", "type": ["null", "long"]}"#, r#"{"name": "name", "type": "string"}"#];
    let groups = [Some(1), None, Some(5), Some(5)].map(|id| match id {
        Some(id) => row().long(1).long(id).string(if id == 1 { "one" } else { "other" }),
        None => row().long(0).string("other"),
    });
    let path = other.write("groups.avro", avro(&record(&fields), &groups, 100));
    let (here, there) = sessions(&write_files(&dir), AvroOptions::default()).await;
    here.register_avro_table("g", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    // Queries, and what the filter of the other scan is when the plan is sent.
    let cases = [
        ("SELECT count(*), sum(t.id) FROM g JOIN t ON g.id = t.id", "IN (SET) (["),
        ("SELECT count(*), sum(t.id) FROM g JOIN t ON g.id = t.id WHERE g.name = 'one'", "IN (SET) ([1])"),
        ("SELECT count(*), sum(t.id) FROM g JOIN t ON g.id = t.id WHERE g.name = 'none'", "AND false"),
        ("SELECT count(*), sum(t.id) FROM t WHERE t.id IN (SELECT g.id FROM g)", "IN (SET) (["),
        ("SELECT count(*), sum(t.id) FROM g JOIN t ON g.id = t.id AND g.name <> t.t", "IN (SET) (["),
        ("SELECT count(*), sum(t.id) FROM g JOIN t ON g.id IS NOT DISTINCT FROM t.id", "[ empty ]\n"),
        // Which rows a limit leaves may differ between the coordinator and a worker; here it leaves all.
        ("SELECT count(*), sum(t.id) FROM (SELECT id FROM g LIMIT 4) AS g JOIN t ON g.id = t.id", "[ empty ]\n"),
        ("SELECT count(*), sum(t.id) FROM t WHERE t.id NOT IN (SELECT g.id FROM g)", ""),
        ("SELECT count(*), sum(t.id) FROM t WHERE NOT EXISTS (SELECT 1 FROM g WHERE g.id = t.id)", ""),
        ("SELECT count(*), count(g.id) FROM t LEFT JOIN g ON g.id = t.id", ""),
        ("SELECT count(*), count(t.id) FROM g LEFT JOIN t ON g.id = t.id", ""),
        ("SELECT count(*), count(g.id) FROM g FULL JOIN t ON g.id = t.id", ""),
    ];
    let mut wrong = vec![];
    for (sql, filter) in cases {
        let (_, expected) = run(&here, sql).await.unwrap();
        let (plan, found) = run(&there, sql).await.unwrap();
        if found != expected || !plan.contains(filter) {
            wrong.push(format!("{sql}: {found}, expected {expected} and {filter}\n{plan}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_zone_travels() {
    let dir = Dir::new();
    let path = write_files(&dir);
    let (here, there) = sessions(&path, AvroOptions::default()).await;
    let sql = "SELECT hour(to_timestamp(id * 3600)::timestamptz) AS h, count(*) FROM t GROUP BY 1 ORDER BY 1";
    let mut answers = vec![];
    for zone in ["UTC", "Asia/Kolkata"] {
        for ctx in [&here, &there] {
            ctx.sql(&format!("SET TIME ZONE = '{zone}'")).await.unwrap();
        }
        let (_, expected) = run(&here, sql).await.unwrap();
        let (plan, found) = run(&there, sql).await.unwrap();
        assert!(tasks(&plan) > 1, "{plan}");
        assert_eq!(found, expected, "{zone}\n{plan}");
        let first = "SELECT min(to_timestamp(id)::varchar), max(date_trunc('day', to_timestamp(id * 977))) FROM t";
        let (_, expected) = run(&here, first).await.unwrap();
        let (_, found) = run(&there, first).await.unwrap();
        assert_eq!(found, expected, "{zone}");
        answers.push(found);
    }
    assert_ne!(answers[0], answers[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_prune_on_workers() {
    let dir = Dir::new();
    let path = write_files(&dir);
    let here = local(true);
    avro_datafusion::index::build(&here.state(), path.as_str(), &AvroOptions::default(), &IndexOptions::default())
        .await
        .unwrap();
    here.register_avro_table("t", path, AvroOptions::default()).await.unwrap();
    let there = distributed(&here);
    let sql = "SELECT count(*), sum(id) FROM t WHERE id BETWEEN 150 AND 420";
    let (_, expected) = run(&here, sql).await.unwrap();
    let (plan, found) = run(&there, sql).await.unwrap();
    assert!(tasks(&plan) > 1, "{plan}");
    assert_eq!(found, expected);
    let analyzed = run(&there, &format!("EXPLAIN ANALYZE {sql}")).await.unwrap().1;
    assert!(analyzed.contains("blocks_pruned="), "{analyzed}");
    let pruned: usize = analyzed
        .split("blocks_pruned=")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap_or(0))
        .sum();
    assert!(pruned >= 36, "{pruned}\n{analyzed}");
}

#[derive(Default)]
struct Reports(Mutex<Vec<String>>);

impl ScanObserver for Reports {
    fn block_skipped(&self, file: &str, block: &avro_datafusion::DamagedBlock) {
        self.0.lock().unwrap().push(format!("{file}: {block:?}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_reported_here() {
    let dir = Dir::new();
    let path = write_files(&dir);
    let file = dir.path().join("k=0/a.avro");
    let mut bytes = std::fs::read(&file).unwrap();
    let markers: Vec<usize> = bytes.windows(16).enumerate().filter(|(_, w)| *w == SYNC).map(|(at, _)| at).collect();
    bytes[markers[3] + 16] = 0x7f;
    std::fs::write(&file, bytes).unwrap();
    let reports = Arc::new(Reports::default());
    let options = AvroOptions::default().with_on_corrupt_block(OnCorruptBlock::Skip).with_observer(reports.clone());
    let (here, there) = sessions(&path, options).await;
    let (_, expected) = run(&here, "SELECT count(*) FROM t").await.unwrap();
    let expected_reports = std::mem::take(&mut *reports.0.lock().unwrap());
    let (plan, found) = run(&there, "SELECT count(*), sum(id) FROM t").await.unwrap();
    assert_eq!(tasks(&plan), 1, "{plan}");
    assert!(found.contains(expected.lines().nth(1).unwrap()), "{found}");
    assert!(!expected_reports.is_empty());
    assert_eq!(*reports.0.lock().unwrap(), expected_reports);
    let explained = run(&there, "EXPLAIN SELECT sum(id) FROM t").await.unwrap().1;
    assert!(explained.contains("damaged blocks are reported where they are skipped"), "{explained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_files_are_errors() {
    let dir = Dir::new();
    let path = write_files(&dir);
    let (_, there) = sessions(&path, AvroOptions::default()).await;
    let plan = there.sql("SELECT sum(id), t FROM t GROUP BY t").await.unwrap().create_physical_plan().await.unwrap();
    let file = std::fs::File::options().write(true).open(dir.path().join("k=1/a.avro")).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap();
    let e = datafusion::physical_plan::collect(plan, there.task_ctx()).await.unwrap_err().to_string();
    assert!(e.contains("the file changed while it was read"), "{e}");
}

/// A value holds what is a whole block to a task that starts inside it. The answer is right or an error, never other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_blocks_are_errors() {
    let schema = record(&[r#"{"name": "b", "type": "bytes"}"#]);
    let forged = row().raw(&[b'x'; 400]).raw(&SYNC).long(1).bytes(&row().bytes(b"forged").0).0;
    let plain = b"r".repeat(300);
    let dir = Dir::new();
    let mut noticed = 0;
    for place in 0..12 {
        let rows: Vec<_> =
            (0..40).map(|i| row().bytes(if i % 12 == place { forged.as_slice() } else { plain.as_slice() })).collect();
        let path = dir.write(&format!("{place}.avro"), avro(&schema, &rows, 1));
        let here = local(true);
        here.register_avro_table("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
        let there = distributed(&here);
        for sql in ["SELECT count(b) AS c FROM t WHERE b <> X'00'", "SELECT count(octet_length(b)) AS c FROM t"] {
            match run(&there, sql).await {
                Ok((plan, rows)) => assert!(rows == "c\n40" && tasks(&plan) > 1, "{rows}\n{plan}"),
                Err(e) => {
                    let e = e.to_string();
                    assert!(e.contains("a value contains what looks like a block"), "{e}");
                    noticed += 1;
                }
            }
        }
        there.sql("SET datafusion.optimizer.repartition_file_scans = false").await.unwrap();
        assert_eq!(run(&there, "SELECT count(octet_length(b)) AS c FROM t").await.unwrap().1, "c\n40");
    }
    assert!(noticed > 0);
}
