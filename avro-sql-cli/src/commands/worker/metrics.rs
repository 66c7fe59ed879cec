//! The pages of a worker for those who operate it: `/metrics` for Prometheus and `/healthz`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use avro_datafusion::cluster::WorkerCounts;
use datafusion::execution::runtime_env::RuntimeEnv;

use crate::cluster::version;
use crate::error::{Error, Result};

/// Bytes of the longest request that is read.
const REQUEST_BYTES_MAX: u64 = 8 << 10;

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves the pages on a thread of its own: they answer also while queries use all others.
pub(super) fn serve(
    listener: TcpListener,
    counts: Arc<WorkerCounts>,
    runtime: Arc<RuntimeEnv>,
) -> Result<thread::JoinHandle<()>> {
    let start = Instant::now();
    let serve = move || {
        for client in listener.incoming().flatten() {
            let _ = answer(client, &counts, &runtime, start);
        }
    };
    let thread = thread::Builder::new().name("metrics".to_owned()).spawn(serve);
    thread.map_err(|e| Error::Failed(format!("cannot start a thread: {e}")))
}

/// Reads a request and answers it. A connection carries one request.
fn answer(mut client: TcpStream, counts: &WorkerCounts, runtime: &RuntimeEnv, start: Instant) -> std::io::Result<()> {
    client.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    client.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let mut lines = BufReader::new(client.try_clone()?.take(REQUEST_BYTES_MAX)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The headers do not matter, but a client may want them to be read.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, text) = match request.split(' ').take(2).collect::<Vec<_>>().as_slice() {
        ["GET", "/metrics"] => ("200 OK", page(counts, runtime, start)),
        ["GET", "/healthz"] if counts.is_draining() => ("503 Service Unavailable", "draining\n".to_owned()),
        ["GET", "/healthz"] => ("200 OK", "ok\n".to_owned()),
        ["GET", _] => ("404 Not Found", "the pages are /metrics and /healthz\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET is allowed\n".to_owned()),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// Returns the metrics in the text format of Prometheus.
fn page(counts: &WorkerCounts, runtime: &RuntimeEnv, start: Instant) -> String {
    let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let memory = u64::try_from(runtime.memory_pool.reserved()).unwrap_or(u64::MAX);
    let metrics = [
        ("tasks_running", "gauge", "Tasks that run now.", of(&counts.tasks_running)),
        ("tasks_total", "counter", "Tasks that were accepted.", of(&counts.tasks)),
        ("refused_total", "counter", "Requests that were refused.", of(&counts.refused)),
        ("failures_total", "counter", "Answers that ended with an error.", of(&counts.failures)),
        ("sent_bytes_total", "counter", "Bytes of rows sent.", of(&counts.bytes_sent)),
        ("memory_reserved_bytes", "gauge", "Memory that tasks have reserved.", memory),
        ("draining", "gauge", "1 while the worker accepts no more tasks.", u64::from(counts.is_draining())),
        ("uptime_seconds", "gauge", "Time since the start.", start.elapsed().as_secs()),
    ];
    let mut page = String::new();
    for (name, kind, help, value) in metrics {
        let _ = writeln!(page, "# HELP avro_sql_{name} {help}\n# TYPE avro_sql_{name} {kind}\navro_sql_{name} {value}");
    }
    let _ = writeln!(
        page,
        "# HELP avro_sql_build_info The version.\n# TYPE avro_sql_build_info gauge\navro_sql_build_info{{version=\"{}\"}} 1",
        version()
    );
    page
}
