//! Queries on several machines: a coordinator plans, workers scan and compute, rows flow between them.

mod transport;
pub mod channel;
mod settings;
mod gate;
pub mod planner;
pub mod worker;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion_distributed::{DistributedExt, WorkerQueryContext, WorkerResolver};

use crate::proto::AvroCodec;

pub use channel::{Channels, WorkerLost};
pub use gate::WorkerCounts;
pub use planner::SharedFiles;
pub use transport::{TlsFiles, Token, is_loopback};
pub use worker::ClusterWorker;

/// Makes the session run queries on workers.
pub fn enable_distributed(builder: SessionStateBuilder, workers: impl WorkerResolver + 'static) -> SessionStateBuilder {
    planner::install(
        builder.with_distributed_worker_resolver(workers).with_distributed_user_codec(AvroCodec::default()),
    )
}

/// Returns the session in which a worker runs a task.
///
/// # Errors
/// If the settings of the coordinator are unknown here.
pub fn worker_session(query: WorkerQueryContext) -> Result<SessionState> {
    let WorkerQueryContext { mut builder, headers } = query;
    settings::apply(builder.config().get_or_insert_default(), &headers)?;
    let mut state = builder.build();
    let functions = crate::proto::functions::Table::Exact.functions()?;
    let options = Arc::clone(state.config_options());
    for function in functions.scalar.values() {
        let updated = function.inner().with_updated_config(&options);
        state.register_udf(updated.map_or_else(|| Arc::clone(function), Arc::new))?;
    }
    for function in functions.aggregate.values() {
        state.register_udaf(Arc::clone(function))?;
    }
    state.config_mut().set_distributed_user_codec(AvroCodec::default().with_config(options));
    Ok(state)
}
