//! The terminal: progress, the pager, and Ctrl-C.

pub(crate) mod interrupt;
pub(crate) mod pager;
pub(crate) mod query_progress;
