//! Queries on several machines: a coordinator plans, workers scan and compute, rows flow between them.

mod travel;
mod tasks;
mod settings;
mod transport;
pub mod channel;
mod gate;
pub mod planner;
pub mod worker;

use datafusion::error::Result;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion_distributed::{DistributedExt, WorkerQueryContext, WorkerResolver};

pub use channel::{Channels, WorkerLost};
pub use gate::WorkerCounts;
pub use planner::SharedFiles;
pub use transport::{TlsFiles, Token, is_loopback};
pub use worker::ClusterWorker;

/// Makes the session run queries on workers.
pub fn enable_distributed(builder: SessionStateBuilder, workers: impl WorkerResolver + 'static) -> SessionStateBuilder {
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
