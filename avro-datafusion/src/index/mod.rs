//! Block indexes, the footer that Avro files do not have: where each block of a file is, how many rows it has, and between which values
//! its columns lie. They are built when somebody asks for them ([`build()`]), and used by every scan that finds one which is still that of its file.
//!
//! ```text
//! file → leaves, which columns → collect, of each block → format → place, beside the file
//! place → load, checked against the file → prune, which blocks a query wants → ranges of bytes
//! ```

mod build;
mod collect;
mod format;
mod function;
mod leaves;
mod load;
mod lookup;
mod matching;
mod place;
mod prune;
mod schedule;
mod statistics;
mod value;

pub(crate) use build::build_files;
pub use build::{FileIndexed, IndexOptions, IndexProgress, build};
pub use function::AvroIndex;
pub(crate) use load::FileIndex;
pub(crate) use lookup::{Kept, indexes};
pub(crate) use prune::{Columns, Pruner};
pub(crate) use schedule::{Schedule, SortKey};
pub(crate) use statistics::{of_file, of_files};
