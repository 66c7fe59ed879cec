//! Waiting for what is asynchronous where DataFusion does not let one be so: a future in, its output out.

use datafusion::common::{DataFusionError, Result, plan_err};
use std::panic::resume_unwind;
use std::thread;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Runs this to its end while the calling thread waits. `network`: does it need what the caller's runtime drives, such as open
/// connections?
///
/// A runtime of several threads goes on with all its other work. One of a single thread stands still meanwhile, so
/// what needs no network runs on a thread of its own, and what does is refused: it could wait for ever.
pub(crate) fn wait<T: Send>(future: impl Future<Output = Result<T>> + Send, network: bool) -> Result<T> {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            block_in_place(|| runtime.block_on(future))
        }
        Ok(_) if network => plan_err!(
            "read_avro() of a URL needs a Tokio runtime of several threads, and this one has one; \
             CREATE EXTERNAL TABLE and register_avro_table do not need it"
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
