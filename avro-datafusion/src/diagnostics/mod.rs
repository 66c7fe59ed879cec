//! What a scan reports without failing: skipped blocks, warnings and metrics.

pub(crate) mod observer;
pub(crate) mod metrics;
#[cfg(feature = "cluster")]
pub(crate) mod query_scans;
