//! The size of threads' stacks.

/// Stack size of a thread: planning deeply nested queries and writing deeply nested records need more than the usual 2
/// MiB. Only used pages take memory.
pub(crate) const STACK_BYTES: usize = 64 << 20;
