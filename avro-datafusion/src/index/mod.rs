//! Block indexes, the footer that Avro files lack: offset, row count and min/max of each column for every block.
//! [`build()`] writes them; scans use every index that matches its file.
//!
//! ```text
//! file → leaves, which columns → collect, of each block → format → place, beside the file
//! place → load, checked against the file → prune, which blocks a query wants → ranges of bytes
//! ```

mod build;
mod load;
mod lookup;

pub use build::{FileIndexed, IndexOptions, IndexProgress, build};
pub(crate) use build::{build_files, build_with};
pub(crate) use lookup::indexes;
