//! Files named on the command line: inputs, atomic outputs, and text files with a schema.

pub(crate) mod inputs;
pub(crate) mod atomic_file;
pub(crate) mod text;
