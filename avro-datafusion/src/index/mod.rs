//! Block indexes, the footer that Avro files do not have: where each block of a file is, how many rows it has, and between which values
//! its columns lie. They are built when somebody asks for them ([`build()`]), and used by every scan that finds one which is still that of its file.
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
