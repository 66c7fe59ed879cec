//! SQL before DataFusion sees it: statements, their rewrites, and names of types.

pub(crate) mod split;
pub(crate) mod describe;
pub(crate) mod rewrite;
