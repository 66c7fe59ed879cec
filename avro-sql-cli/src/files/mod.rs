//! Files named on the command line: inputs, standard input, atomic outputs, and text files with a schema.

pub(crate) mod inputs;
pub(crate) mod stdin;
pub(crate) mod atomic_file;
pub(crate) mod upload;
pub(crate) mod output_file;
pub(crate) mod text;
