//! What a build without workers says instead.

use std::sync::Arc;

use datafusion::prelude::SessionContext;

use crate::error::{Error, Result};
use crate::options::Workers;

/// The workers of a build without the feature `cluster`. The type has no values, as [`connect`](Self::connect) fails.
pub(crate) enum NoCluster {}

impl NoCluster {
    #[allow(clippy::unused_async)]
    pub(crate) async fn connect(_: &Workers) -> Result<Arc<NoCluster>> {
        Err(absent("--workers"))
    }

    pub(crate) fn enable(&self, _: &SessionContext) -> Result<()> {
        match *self {}
    }

    #[allow(clippy::unused_async)]
    pub(crate) async fn lost_a_worker(&self, _: &Error) -> bool {
        match *self {}
    }

    #[allow(clippy::unused_async)]
    pub(crate) async fn table(&self) -> String {
        match *self {}
    }
}

/// Returns the error of something that needs workers.
pub(crate) fn absent(what: &str) -> Error {
    Error::Usage(format!(
        "{what}: this avro-sql was built without workers; build it with the cargo feature cluster, which is on by default"
    ))
}
