//! Runs a future where DataFusion's interface is synchronous.

use datafusion::common::{DataFusionError, Result, plan_err};
use std::panic::resume_unwind;
use std::thread;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Runs a future to completion on the calling thread. `network`: whether it needs the caller's runtime, for example for
/// open connections.
///
/// A multi-threaded runtime continues its other work meanwhile. A single-threaded one is blocked, so futures without
/// network run on a thread of their own, and others are rejected: they could wait for ever.
pub(crate) fn wait<T: Send>(future: impl Future<Output = Result<T>> + Send, network: bool) -> Result<T> {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            block_in_place(|| runtime.block_on(future))
        }
        Ok(_) if network => plan_err!(
            "read_avro() of a URL requires a multi-threaded Tokio runtime; \
             CREATE EXTERNAL TABLE and register_avro_table work with any"
        ),
        _ => {
            let run = || {
                let runtime = Builder::new_current_thread().enable_all().build();
                runtime.map_err(DataFusionError::from)?.block_on(future)
            };
            thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| resume_unwind(panic))
        }
    }
}
