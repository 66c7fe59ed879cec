//! Queries on three workers, each a process of its own: answers equal those of one machine, and a worker that dies,
//! hangs, or does not belong to the cluster is a clear error or no problem at all.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use support::worker::{SMALL_TASKS, Worker};
use support::{Folder, Ran};

/// A folder with tables, and workers that see it.
struct Cluster {
    folder: Folder,
    workers: Vec<Worker>,
}

impl Cluster {
    fn start(options: &[&str]) -> Cluster {
        let folder = Folder::new();
        tables(&folder);
        let workers = (0..3).map(|_| Worker::start(&folder, options)).collect();
        Cluster { folder, workers }
    }

    fn addresses(&self) -> String {
        self.workers.iter().map(|worker| worker.url.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Runs SQL on the workers, with several tasks for each scan.
    fn run(&self, sql: &str) -> Ran {
        self.folder.run(&["--workers", &self.addresses(), "-c", &format!("{SMALL_TASKS}{sql}")])
    }

    /// Checks that at least two workers share this query. Without that, a test would prove nothing.
    #[track_caller]
    fn is_distributed(&self, sql: &str) {
        let plan = self.run(&format!("EXPLAIN {sql}"));
        let tasks = plan.stdout().split("tasks=").skip(1);
        let most = tasks.filter_map(|rest| rest.split([',', ' ']).next()?.parse::<u32>().ok()).max();
        assert!(most.is_some_and(|most| most >= 2), "{sql}\n{}{}", plan.stdout(), plan.stderr);
    }

    /// Starts SQL on the workers.
    fn spawn(&self, sql: &str) -> Child {
        let sql = format!("{SMALL_TASKS}{sql}");
        self.folder.command(&["--workers", &self.addresses(), "-c", &sql]).spawn().unwrap()
    }
}

/// Writes orders (several files) and items (one file).
fn tables(folder: &Folder) {
    let orders = "SELECT value AS id, value % 97 AS customer, value % 5 AS status, \
        to_timestamp(1700000000 + value * 3600) AS at, 'note ' || (value % 13) AS note FROM generate_series(1, 20000)";
    let items = "SELECT value AS id, value % 20011 AS order_id, value % 31 AS amount, \
        CASE WHEN value % 7 > 0 THEN 'kind ' || (value % 3) END AS kind FROM generate_series(1, 60000)";
    std::fs::create_dir(folder.path("orders")).unwrap();
    let mut sql = (0..4).fold(String::new(), |sql, n| {
        sql + &format!("COPY (SELECT * FROM ({orders}) WHERE id % 4 = {n}) TO 'orders/{n}.avro';")
    });
    sql += &format!("COPY ({items}) TO 'items.avro' OPTIONS (block_size '16K');");
    sql += "COPY (SELECT * FROM 'items.avro') TO 'items.parquet'";
    let ran = folder.run(&["-q", "-o", "/dev/null", "--format", "csv", "-c", &sql]);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
}

/// Waits for a process, and fails if it takes too long.
fn finish(mut child: Child, limit: Duration) -> Ran {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            child.kill().unwrap();
            panic!("still running after {limit:?}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

const QUERIES: [&str; 14] = [
    "SELECT status, count(*), sum(id), min(at), max(note) FROM 'orders/' GROUP BY status ORDER BY status",
    "SELECT count(*), sum(amount), count(kind) FROM 'items.avro'",
    "SELECT customer, sum(amount) AS total FROM 'orders/' o JOIN 'items.avro' i ON o.id = i.order_id \
     GROUP BY customer ORDER BY total DESC, customer LIMIT 10",
    "SELECT id, note FROM 'orders/' WHERE customer = 11 AND status IN (1, 2) ORDER BY id",
    "SELECT count(DISTINCT customer), count(DISTINCT note) FROM 'orders/'",
    "SELECT * FROM (SELECT id, customer, row_number() OVER (PARTITION BY customer ORDER BY id DESC) AS n FROM 'orders/') \
     WHERE n <= 2 ORDER BY customer, n",
    "SELECT count(*) FROM 'orders/' WHERE id NOT IN (SELECT order_id FROM 'items.avro' WHERE amount > 3)",
    "SELECT status, count(*) FROM 'orders/' o WHERE EXISTS (SELECT 1 FROM 'items.avro' i WHERE i.order_id = o.id AND \
     amount = 30) GROUP BY status ORDER BY status",
    "SELECT count(*) FROM 'orders/' WHERE customer > (SELECT avg(amount) FROM 'items.avro')",
    "SELECT note, count(*) AS n FROM (SELECT note FROM 'orders/' UNION ALL SELECT kind FROM 'items.avro') \
     GROUP BY note ORDER BY note NULLS FIRST",
    "SELECT kind, avg(amount), stddev(amount) > 0 FROM 'items.avro' GROUP BY kind HAVING count(*) > 10 ORDER BY kind",
    "SELECT date_trunc('day', at) AS day, count(*) FROM 'orders/' GROUP BY day ORDER BY day DESC LIMIT 5",
    "SELECT count(*), count(o.id), count(i.id) FROM 'orders/' o FULL JOIN 'items.avro' i ON o.id = i.id",
    "SELECT kind, sum(amount) FROM 'items.parquet' WHERE order_id < 15000 GROUP BY kind ORDER BY kind",
];

#[test]
fn answers_equal_those_of_one_machine() {
    let cluster = Cluster::start(&[]);
    for sql in QUERIES {
        cluster.is_distributed(sql);
        let alone = cluster.folder.run(&["-c", sql]);
        assert_eq!((alone.stderr.as_str(), alone.code), ("", 0), "{sql}");
        let together = cluster.run(sql);
        assert_eq!((together.stderr.as_str(), together.stdout()), ("", alone.stdout()), "{sql}");
        assert!(alone.stdout().lines().count() > 1, "{sql}");
    }
}

/// Compressed text and JSON arrays stay on one machine: plans for workers do not say what they are.
#[test]
fn files_of_other_formats_give_the_same_answers() {
    let cluster = Cluster::start(&[]);
    let lines = "SELECT value AS id, 'line ' || value AS s FROM generate_series(1, 2000)";
    let breaks = "SELECT value AS id, 'line' || chr(10) || value AS s FROM generate_series(1, 2000)";
    let names = ["x.csv", "breaks.csv", "x.tsv", "x.json", "x.ndjson", "x.arrow", "x.csv.gz", "x.ndjson.gz"];
    for name in names {
        let plain = name.trim_end_matches(".gz");
        if plain == name {
            let rows = if name.starts_with("breaks") { breaks } else { lines };
            assert_eq!(cluster.folder.run(&["-c", rows, "-o", name]).code, 0, "{name}");
        } else {
            let gzip =
                std::process::Command::new("gzip").args(["-kf", plain]).current_dir(cluster.folder.path("")).status();
            assert!(gzip.unwrap().success());
        }
        let sql = format!("SELECT count(*), sum(id), sum(length(s)) FROM '{name}'");
        let alone = cluster.folder.run(&["-c", &sql]);
        let together = cluster.run(&sql);
        assert_eq!((together.stderr.as_str(), together.stdout()), ("", alone.stdout()), "{name}");
        assert!(alone.stdout().contains("\n2000,2001000,"), "{name}");
    }
    for name in ["x.csv", "x.ndjson"] {
        cluster.is_distributed(&format!("SELECT count(*), sum(id) FROM '{name}'"));
    }
}

#[test]
fn subqueries_with_several_rows_are_errors() {
    let cluster = Cluster::start(&[]);
    for sql in [
        "SELECT (SELECT id FROM 'orders/')",
        "SELECT count(*) FROM 'items.avro' WHERE amount > (SELECT status FROM 'orders/' WHERE id < 3)",
    ] {
        cluster.run(sql).failed(1, &["Scalar subquery returned more than one row"]);
    }
    let one = "SELECT count(*) FROM 'items.avro' WHERE amount > (SELECT status FROM 'orders/' WHERE id = 3)";
    cluster.is_distributed(one);
    for sql in [one, "SELECT (SELECT id FROM 'orders/' WHERE id < 0) IS NULL AS is_null"] {
        assert_eq!(cluster.run(sql).stdout(), cluster.folder.run(&["-c", sql]).stdout(), "{sql}");
    }
}

#[test]
fn settings_of_the_session_travel() {
    let cluster = Cluster::start(&[]);
    let zone = "SET datafusion.execution.time_zone = '+05:30';";
    let sql = "SELECT max(to_timestamp('2024-05-0' || (1 + status) || 'T00:00:00')) AS at FROM 'orders/'";
    cluster.is_distributed(sql);
    let run =
        |before: &str| (cluster.folder.run(&["-c", &format!("{before}{sql}")]), cluster.run(&format!("{before}{sql}")));
    let ((alone, together), (utc, _)) = (run(zone), run(""));
    assert_eq!((together.stderr.as_str(), together.stdout()), ("", alone.stdout()));
    assert_ne!(alone.stdout(), utc.stdout());
}

#[test]
fn copy_writes_all_rows() {
    let cluster = Cluster::start(&[]);
    let ran = cluster.run("COPY (SELECT id, amount FROM 'items.avro' WHERE amount > 10) TO 'copy.avro'");
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
    let sql = "SELECT count(*), sum(id), sum(amount) FROM";
    let copied = cluster.folder.run(&["-c", &format!("{sql} 'copy.avro'")]);
    let expected = cluster.folder.run(&["-c", &format!("{sql} 'items.avro' WHERE amount > 10")]);
    assert_eq!(copied.stdout(), expected.stdout());
}

#[test]
fn explain_says_what_stays_here() {
    let cluster = Cluster::start(&[]);
    let recursive = "EXPLAIN WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9) \
        SELECT count(*) FROM n JOIN 'items.avro' ON i = id";
    let cases = [(recursive, "a recursive query"), ("EXPLAIN SELECT 1 AS a", "too small")];
    for (sql, reason) in cases {
        let plan = cluster.run(sql);
        let line = format!("-- runs on this machine: {}", if reason.starts_with('a') { reason } else { "it is " });
        assert!(plan.stdout().contains(&line) && plan.stdout().contains(reason), "{}{}", plan.stdout(), plan.stderr);
    }
    let analyzed = cluster.run("EXPLAIN ANALYZE SELECT kind, count(*) FROM 'items.avro' GROUP BY kind");
    assert!(analyzed.stdout().contains("Stage 1") && analyzed.stdout().contains("output_rows="), "{analyzed:?}");
    let limited = finish(cluster.spawn("EXPLAIN ANALYZE SELECT * FROM 'items.avro' WHERE amount > 3 LIMIT 2"), LONG);
    assert_eq!(limited.code, 0, "{limited:?}");
}

/// How long a query may take that lost a worker.
const LONG: Duration = Duration::from_secs(90);

/// A query of some seconds.
const SLOW: &str = "SELECT count(*) AS n, count(CASE WHEN a.id > b.id THEN 1 END) AS s \
    FROM 'items.avro' a JOIN 'orders/' b ON a.amount = b.customer WHERE b.id < 18000";

/// Sends a signal to a worker while a query runs. How long a query takes differs much between machines, so several
/// moments are tried until one is in the middle of it. The answer is right at each of them, or there is an error.
fn dies_in_the_middle(signal: &str, limit: Duration) {
    for delay in [800, 1500, 400, 3000, 6000].map(Duration::from_millis) {
        let cluster = Cluster::start(&[]);
        cluster.is_distributed(SLOW);
        let expected = cluster.folder.run(&["-c", SLOW]);
        let query = cluster.spawn(SLOW);
        thread::sleep(delay);
        cluster.workers[1].signal(signal);
        let signaled = Instant::now();
        let ran = finish(query, LONG);
        assert!(signaled.elapsed() < limit, "{:?}", signaled.elapsed());
        if ran.code == 0 {
            assert_eq!(ran.stdout(), expected.stdout(), "{}", ran.stderr);
        } else {
            // Rows were shown already.
            assert!(ran.stderr.contains("lost the connection to worker http://127.0.0.1:"), "{:?}", ran.stderr);
            assert_eq!(ran.stdout(), expected.stdout());
        }
        if ran.code == 0 && ran.stderr.contains("starts again on 2 workers") {
            assert!(ran.stderr.contains("lost the connection to worker http://127.0.0.1:"), "{:?}", ran.stderr);
            return;
        }
    }
    panic!("no query was running when its worker got the signal");
}

#[test]
fn killed_worker_is_replaced() {
    dies_in_the_middle("KILL", Duration::from_secs(60));
}

#[test]
fn stopped_worker_is_replaced() {
    dies_in_the_middle("STOP", Duration::from_secs(80));
}

#[test]
fn terminated_worker_finishes_its_tasks() {
    let mut cluster = Cluster::start(&[]);
    cluster.is_distributed(SLOW);
    let expected = cluster.folder.run(&["-c", SLOW]);
    let query = cluster.spawn(SLOW);
    thread::sleep(Duration::from_millis(1500));
    cluster.workers[2].signal("TERM");
    let ran = finish(query, LONG);
    assert_eq!((ran.stderr.as_str(), ran.stdout()), ("", expected.stdout()));
    let start = Instant::now();
    let mut worker = cluster.workers.pop().unwrap();
    while worker.child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "the worker does not end");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(worker.child.wait().unwrap().code(), Some(0));
}

#[test]
fn workers_that_cannot_be_used_are_errors_or_left_out() {
    let folder = Folder::new();
    tables(&folder);
    folder.file("right", "0123456789abcdef0123456789abcdef\n").file("wrong", "fedcba9876543210fedcba9876543210\n");
    folder.file("short", "secret");
    let token = folder.path("right");
    let worker = Worker::start(&folder, &["--token-file", token.to_str().unwrap()]);
    let sql = "SELECT count(*) AS n FROM 'orders/'";
    let run = |workers: &str, options: &[&str]| folder.run(&[&["--workers", workers, "-c", sql], options].concat());
    run(&worker.url, &["--token-file", "right"]).wrote("n\n20000\n");
    run(&worker.url, &["--token-file", "wrong"]).failed(1, &["no worker can be used", &worker.url, "token"]);
    run(&worker.url, &[]).failed(1, &["no worker can be used", &worker.url, "token"]);
    run(&worker.url, &["--token-file", "short"]).failed(1, &["short", "at least 16"]);
    run("127.0.0.1:1", &[]).failed(1, &["no worker can be used", "http://127.0.0.1:1", "refused"]);
    run("nonsense", &[]).failed(2, &["`nonsense` is not the address of a worker"]);
    run("http://10.1.2.3:7000", &[]).failed(2, &["must be encrypted", "--insecure"]);
    let one = run(&format!("127.0.0.1:1,{}", worker.url), &["--token-file", "right"]);
    assert_eq!((one.stdout(), one.code), ("n\n20000\n", 0));
    assert!(one.stderr.contains("warning") && one.stderr.contains("the worker is not used"), "{}", one.stderr);
    folder.file("list", format!("# workers\n{}  # the only one\n", worker.url));
    folder.run(&["--workers-file", "list", "--token-file", "right", "-c", sql]).wrote("n\n20000\n");
}

#[test]
fn connections_are_encrypted_and_certificates_checked() {
    let folder = Folder::new();
    tables(&folder);
    let file = |name: &str| format!("{}/../testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    let own = |name: &str| (file(&format!("{name}.pem")), file(&format!("{name}.key")));
    let (worker, expired, client) = (own("worker"), own("expired"), own("client"));
    let start = |(cert, key): &(String, String), more: &[&str]| {
        let options = ["--tls-cert", cert, "--tls-key", key, "--tls-ca", &ca];
        Worker::start(&folder, &[&options[..], more].concat())
    };
    let (first, second) = (start(&worker, &[]), start(&worker, &[]));
    let mutual = start(&worker, &["--tls-client-ca", &ca]);
    let old = start(&expired, &[]);
    assert!(first.url.starts_with("https://127.0.0.1:"), "{}", first.url);
    let sql = format!("{SMALL_TASKS}SELECT count(*) AS n FROM 'orders/' o JOIN 'items.avro' i ON o.id = i.id");
    let run = |workers: &str, options: &[&str]| folder.run(&[&["--workers", workers, "-c", &sql], options].concat());
    let both = format!("{},{}", first.url, second.url);
    run(&both, &["--tls-ca", &ca]).wrote("n\n20000\n");
    run(&both, &["--tls-ca", &ca, "--tls-name", "worker.test"]).wrote("n\n20000\n");
    let with_client = ["--tls-ca", &ca, "--tls-cert", &client.0, "--tls-key", &client.1];
    run(&mutual.url, &with_client).wrote("n\n20000\n");
    run(&mutual.url, &["--tls-ca", &ca]).failed(1, &["no worker can be used", &mutual.url]);
    run(&first.url, &["--tls-ca", &ca, "--tls-name", "elsewhere.test"]).failed(1, &["not valid for name"]);
    run(&first.url, &["--tls-ca", &other]).failed(1, &["no worker can be used", "certificate"]);
    run(&old.url, &["--tls-ca", &ca]).failed(1, &["no worker can be used", "expired"]);
    run(&first.url.replace("https", "http"), &[]).failed(1, &["no worker can be used"]);
    run(&first.url, &["--tls-ca", &client.1]).failed(1, &["certificate"]);
    run(&first.url, &["--tls-ca", "missing.pem"]).failed(1, &["missing.pem"]);
}

#[test]
fn worker_refuses_to_be_open_to_all() {
    let folder = Folder::new();
    folder.run(&["worker", "--listen", "0.0.0.0:0"]).failed(2, &["--token-file, and --tls-cert", "--insecure"]);
    folder.run(&["worker"]).failed(2, &["--listen 127.0.0.1:7000"]);
    folder.run(&["worker", "--listen", "nowhere"]).failed(2, &["`nowhere` is not an address"]);
}

#[test]
fn other_version_is_not_used() {
    let folder = Folder::new();
    tables(&folder);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let network = tokio::runtime::Runtime::new().unwrap();
    let threads = tokio::runtime::Runtime::new().unwrap();
    let worker = avro_datafusion::cluster::ClusterWorker::new(
        std::sync::Arc::default(),
        threads.handle().clone(),
        "9.9.9; threads 4",
    );
    network.spawn(worker.serve(listener, std::future::pending()));
    let ran = folder.run(&["--workers", &address, "-c", "SELECT 1"]);
    ran.failed(1, &[&address, "it runs version 9.9.9, but this is version"]);
    network.shutdown_background();
    threads.shutdown_background();
}

#[test]
fn memory_limit_of_a_worker_is_kept() {
    let cluster = Cluster::start(&["--memory-limit", "3M"]);
    // The table that is joined is held in memory.
    let sql = "SELECT count(*) FROM 'items.avro' a JOIN 'items.avro' b ON a.id = b.id + 1 AND a.kind <> b.kind";
    let ran = finish(cluster.spawn(sql), LONG);
    if ran.code != 0 {
        ran.failed(1, &["worker http://127.0.0.1:", "memory"]);
    } else {
        assert_eq!(ran.stdout(), cluster.folder.run(&["-c", sql]).stdout());
    }
}

#[test]
fn twenty_queries_at_once_are_right() {
    let cluster = Cluster::start(&[]);
    let sql = QUERIES[2];
    let expected = cluster.folder.run(&["-c", sql]);
    let queries: Vec<Child> = (0..20).map(|_| cluster.spawn(sql)).collect();
    for query in queries {
        let ran = finish(query, Duration::from_secs(180));
        assert_eq!((ran.stderr.as_str(), ran.stdout()), ("", expected.stdout()));
    }
}

#[test]
fn metrics_count_tasks() {
    let folder = Folder::new();
    tables(&folder);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let worker = Worker::start(&folder, &["--metrics", &port]);
    let get = |path: &str| {
        let mut client = TcpStream::connect(&port).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200 OK") && get("/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get("/other").starts_with("HTTP/1.1 404"));
    let two = Worker::start(&folder, &[]);
    let workers = format!("{},{}", worker.url, two.url);
    let sql = format!("{SMALL_TASKS}SELECT kind, count(*) FROM 'items.avro' GROUP BY kind");
    assert_eq!(folder.run(&["--workers", &workers, "-c", &sql]).code, 0);
    let page = get("/metrics");
    let tasks = page.lines().find_map(|line| line.strip_prefix("avro_sql_tasks_total ")).unwrap();
    assert!(tasks.parse::<u64>().unwrap() > 0, "{page}");
    assert!(page.contains("avro_sql_tasks_running 0\n"), "{page}");
}
