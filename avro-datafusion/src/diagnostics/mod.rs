//! What a scan reports without failing: skipped blocks and warnings.

pub(crate) mod damage;
pub(crate) mod warnings;
pub(crate) mod metrics;
