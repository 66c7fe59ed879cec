//! The terminal: interrupts, the pager, and the progress of queries.

pub(crate) mod colors;
pub(crate) mod interrupt;
pub(crate) mod pager;
pub(crate) mod query_progress;
