//! `avro-sql worker`. Built only with the feature `cluster`.

#[cfg(feature = "cluster")]
mod metrics;
#[cfg(feature = "cluster")]
mod run;

#[cfg(feature = "cluster")]
pub(crate) use run::run;

/// Says what is missing.
#[cfg(not(feature = "cluster"))]
#[allow(clippy::unused_async)]
pub(crate) async fn run(_: crate::options::WorkerTask, _: &crate::options::Resources) -> crate::error::Result<()> {
    Err(crate::cluster::absent("worker"))
}
