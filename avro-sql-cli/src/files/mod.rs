//! Files that are named on the command line: inputs, outputs that appear whole or not at all, and text by a schema.

pub(crate) mod inputs;
pub(crate) mod atomic_file;
pub(crate) mod text;
