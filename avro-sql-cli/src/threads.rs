//! The size of threads' stacks.

/// Stack of a thread: planning a deeply nested query and writing deeply nested records need more than the usual 2 MiB.
/// Only what is used is taken.
pub(crate) const STACK_BYTES: usize = 64 << 20;
