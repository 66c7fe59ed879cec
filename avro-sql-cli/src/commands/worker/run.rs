//! `avro-sql worker`: listens, says where, and runs tasks until it is told to stop.

use std::io::Write;
use std::net::TcpListener;
use std::panic;
use std::sync::Arc;

use avro_datafusion::AvroOptions;
use avro_datafusion::cluster::{ClusterWorker, is_loopback};
use datafusion::execution::FunctionRegistry;
use url::Url;

use super::metrics;
use crate::cluster::{secrets, told_version};
use crate::error::{Error, Result, on_stdout, print_note, print_stderr};
use crate::options::{Resources, Security, WorkerTask};
use crate::session::Session;
use crate::session::type_of::TypeOf;
use crate::terminal::interrupt;

/// Runs a worker until SIGTERM or Ctrl-C; then it finishes its tasks. A second signal ends it at once.
pub(crate) async fn run(task: WorkerTask, resources: &Resources) -> Result<()> {
    let stop = interrupt::requested();
    log_panics();
    let listener = listen(&task.listen)?;
    let at = listener.local_addr()?;
    let scheme = if task.security.tls_cert.is_some() { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{at}")).map_err(|e| Error::Failed(e.to_string()))?;
    check(&url, &task.security)?;
    let (token, tls) = secrets(&task.security)?;
    // The session of a query, for its memory limit and its object stores.
    let session = Session::open(resources, &AvroOptions::default(), &[]).await?;
    let Some(threads) = session.threads() else { return Ok(()) };
    let version = told_version(resources.threads);
    let worker = ClusterWorker::new(session.context().runtime_env(), threads, version)
        .with_token(token)
        .with_tls(tls)
        .with_session(|state| state.register_udf(Arc::new(TypeOf::new().into())).map(|_| ()))
        .with_log(|line| print_note(&format!("avro-sql worker: {line}")));
    let counts = worker.counts();
    let pages = match &task.metrics {
        Some(at) => Some(metrics::serve(listen(at)?, Arc::clone(&counts), session.context().runtime_env())?),
        None => None,
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", url.as_str().trim_end_matches('/')).and_then(|()| out.flush()).map_err(on_stdout)?;
    drop(out);
    let stop = async {
        stop.await;
        print_note("avro-sql worker: stopping; tasks that run are finished, a second signal ends them");
        let again = interrupt::requested();
        tokio::spawn(async move {
            again.await;
            std::process::exit(130);
        });
    };
    worker.serve(listener, stop).await?;
    drop(pages);
    Ok(())
}

/// Prints panics. The query that panicked fails; the worker goes on.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        print_stderr(&format!("avro-sql worker: internal error: {what}{place}; please report it"));
    }));
}

fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidInput => Error::Usage(format!(
            "`{address}` is not an address to listen on; expected HOST:PORT, such as 127.0.0.1:7000"
        )),
        _ => Error::from(e).with_context(&format!("cannot listen on {address}")),
    })
}

/// Rejects a worker that anyone in the network could use.
fn check(url: &Url, security: &Security) -> Result<()> {
    let lacks = match (&security.token_file, &security.tls_cert) {
        _ if is_loopback(url) || security.insecure => return Ok(()),
        (None, None) => "--token-file, and --tls-cert with --tls-key",
        (None, Some(_)) => "--token-file",
        (Some(_), None) => "--tls-cert with --tls-key",
        (Some(_), Some(_)) => return Ok(()),
    };
    Err(Error::Usage(format!(
        "a worker that other machines can reach needs {lacks}; or --insecure in a network that you trust"
    )))
}
