//! Bytes of objects: ranged reads, read-ahead, and a check that the object stays the same.

pub(crate) mod object_version;
pub(crate) mod readahead;
pub(crate) mod boundary_check;
