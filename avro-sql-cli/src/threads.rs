//! The size of threads' stacks.

/// Stack size of a thread. Planning deeply nested queries and writing deeply nested records need more than the default
/// of 2 MiB. Only used pages take memory.
pub(crate) const STACK_BYTES: usize = 64 << 20;
