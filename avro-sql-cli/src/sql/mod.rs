//! SQL before DataFusion: splits scripts into statements and rewrites them.

pub(crate) mod split;
pub(crate) mod describe;
pub(crate) mod rewrite;
