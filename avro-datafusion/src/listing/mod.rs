//! Which files a path, glob or URL means, and their partition columns.

pub(crate) mod location;
pub mod data_files;
pub(crate) mod paths;
pub(crate) mod partition_values;
pub(crate) mod partition_columns;
pub(crate) mod stored_file;
pub(crate) mod listed;
pub(crate) mod shared;
pub(crate) mod list;
