//! Arguments of workers and of those who use them. Each has an environment variable, so that a service file or a
//! container sets them once.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Result};
use crate::options::{MemoryLimit, Security, WorkerTask, Workers, parse_memory_limit};

#[derive(Args, Default)]
#[command(next_help_heading = "Workers")]
pub(super) struct WorkersArguments {
    /// Run queries on these workers: HOST:PORT, or dns://NAME:PORT for all machines of a name (see help worker)
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    workers: Vec<String>,
    /// Run queries on the workers in this file, one on each line
    #[arg(long, value_name = "FILE", conflicts_with = "workers")]
    workers_file: Option<PathBuf>,
    /// All workers see the files of this machine, under the same paths
    #[arg(long)]
    shared_files: bool,
    #[command(flatten)]
    security: SecurityArguments,
}

#[derive(Args, Default)]
pub(super) struct SecurityArguments {
    /// File with the token that coordinator and workers share
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authority that signed the workers' certificates, in PEM (default: those of the system)
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Name in the workers' certificates, if it is not that of their address
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,
    /// Certificate of this process, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Allow connections between machines without token and TLS
    #[arg(long)]
    insecure: bool,
}

#[derive(Args)]
pub(super) struct WorkerArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Memory that tasks may use, such as 512M or 2G, or none for no limit (default: 80 % of the machine's)
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_limit)]
    pub(super) memory_limit: Option<MemoryLimit>,
    /// Address at which /metrics (for Prometheus) and /healthz are served, without encryption
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Authority that signed the certificates of clients; others are refused
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    #[command(flatten)]
    security: SecurityArguments,
}

impl WorkersArguments {
    /// Returns the workers; `None` if neither the arguments nor the environment name any.
    pub(super) fn workers(self) -> Result<Option<Workers>> {
        let is_given = !self.workers.is_empty() || self.workers_file.is_some();
        let (mut addresses, mut file) = (self.workers, self.workers_file);
        if !is_given {
            addresses =
                text("AVRO_SQL_WORKERS")?.map(|all| all.split(',').map(str::to_owned).collect()).unwrap_or_default();
            file = addresses.is_empty().then(|| path("AVRO_SQL_WORKERS_FILE")).flatten();
        }
        addresses = addresses.iter().map(|address| address.trim().to_owned()).filter(|all| !all.is_empty()).collect();
        if addresses.is_empty() && file.is_none() {
            let unused = [("--shared-files", self.shared_files), ("--insecure", self.security.insecure)];
            return match unused.iter().find(|(_, given)| *given) {
                Some((option, _)) => Err(Error::Usage(format!("{option} needs --workers or --workers-file"))),
                None => Ok(None),
            };
        }
        let shared_files = self.shared_files || flag("AVRO_SQL_SHARED_FILES")?;
        Ok(Some(Workers { addresses, file, shared_files, security: self.security.security(None)? }))
    }
}

impl SecurityArguments {
    fn security(self, client_ca: Option<PathBuf>) -> Result<Security> {
        Ok(Security {
            token_file: self.token_file.or_else(|| path("AVRO_SQL_TOKEN_FILE")),
            tls_cert: self.tls_cert.or_else(|| path("AVRO_SQL_TLS_CERT")),
            tls_key: self.tls_key.or_else(|| path("AVRO_SQL_TLS_KEY")),
            tls_ca: self.tls_ca.or_else(|| path("AVRO_SQL_TLS_CA")),
            tls_client_ca: client_ca,
            tls_name: self.tls_name.map_or_else(|| text("AVRO_SQL_TLS_NAME"), |name| Ok(Some(name)))?,
            insecure: self.insecure || flag("AVRO_SQL_INSECURE")?,
        })
    }
}

impl WorkerArguments {
    pub(super) fn task(self) -> Result<WorkerTask> {
        let listen = self.listen.map_or_else(|| text("AVRO_SQL_LISTEN"), |listen| Ok(Some(listen)))?;
        let Some(listen) = listen else {
            return Err(Error::Usage(
                "worker needs an address; use --listen 127.0.0.1:7000, or --listen 127.0.0.1:0 for any free port"
                    .to_owned(),
            ));
        };
        Ok(WorkerTask {
            listen,
            metrics: self.metrics.map_or_else(|| text("AVRO_SQL_METRICS"), |metrics| Ok(Some(metrics)))?,
            security: self.security.security(self.tls_client_ca.or_else(|| path("AVRO_SQL_TLS_CLIENT_CA")))?,
        })
    }
}

/// Returns the value of an environment variable; an empty one is not set.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

fn text(name: &str) -> Result<Option<String>> {
    let text = variable(name).map(OsString::into_string).transpose();
    text.map_err(|_| Error::Usage(format!("the environment variable {name} is not valid UTF-8")))
}

fn flag(name: &str) -> Result<bool> {
    match text(name)?.as_deref() {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(other) => Err(Error::Usage(format!("the environment variable {name} is `{other}`; expected 1 or 0"))),
    }
}
