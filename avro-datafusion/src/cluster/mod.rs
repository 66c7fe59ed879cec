//! Queries on several machines: a coordinator plans, workers scan and compute, rows flow between them.

mod travel;
mod single_row;
mod tasks;
mod small_builds;
mod transport;
pub mod channel;
mod progress;
mod settings;
mod gate;
pub mod planner;
pub mod worker;

use crate::common_subplans;
use datafusion::error::Result;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion_distributed::{DistributedExt, WorkerQueryContext, WorkerResolver};
use url::Url;

pub use crate::diagnostics::query_scans::ScanProgress;
pub use channel::{Channels, WorkerLost};
pub use gate::WorkerCounts;
pub use planner::SharedFiles;
pub use settings::workers_progress;
pub use transport::{TlsFiles, Token, is_loopback};
pub use worker::ClusterWorker;

/// The workers of a cluster that does not change.
#[derive(Debug, Clone)]
pub struct FixedWorkers(pub Vec<Url>);

impl WorkerResolver for FixedWorkers {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

/// Makes a session run its queries on workers.
///
/// Call it last: it takes the session's functions and its query planner as they are. Plans that workers cannot run, or
/// would run otherwise, stay in this process; `EXPLAIN` says why.
///
/// ```no_run
/// # use avro_datafusion::cluster::{Channels, FixedWorkers, TlsFiles, enable_distributed};
/// # use datafusion::execution::SessionStateBuilder;
/// # use datafusion::prelude::{SessionConfig, SessionContext};
/// # fn tour() -> datafusion::error::Result<()> {
/// let ctx = avro_datafusion::new_session(SessionConfig::new())?;
/// let workers = FixedWorkers(vec!["http://10.0.0.1:8000".parse().unwrap(), "http://10.0.0.2:8000".parse().unwrap()]);
///
/// let builder = SessionStateBuilder::new_from_existing(ctx.state());
/// let builder = Channels::new(None, TlsFiles::default())?.install(builder);
/// let ctx = SessionContext::new_with_state(enable_distributed(builder, workers).build());
/// # Ok(())
/// # }
/// ```
pub fn enable_distributed(
    mut builder: SessionStateBuilder,
    workers: impl WorkerResolver + 'static,
) -> SessionStateBuilder {
    common_subplans::disable(&mut builder);
    let builder = tasks::install(travel::coordinator(builder.with_distributed_worker_resolver(workers)));
    planner::install(builder)
}

/// Returns the session in which a worker runs a task.
///
/// # Errors
/// If the settings of the coordinator are unknown here.
pub fn worker_session(query: WorkerQueryContext) -> Result<SessionState> {
    let WorkerQueryContext { mut builder, headers } = query;
    settings::apply(builder.config().get_or_insert_default(), &headers)?;
    travel::worker(builder.build(), settings::is_exact(&headers))
}
