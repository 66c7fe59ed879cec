//! Writing container files: record batches in, the bytes of a file out.
//!
//! ```text
//! batch --(bind)--> columns of the types that are written --(rows)--> bytes, row by row --(blocks)--> blocks, compressed and framed
//! ```
//!
//! What becomes of which column is planned once (`plan`). [`Encoder`] is all of it but the file, for those who write blocks on threads
//! of their own; [`Writer`] writes a file on the calling thread and [`ParallelWriter`] on several.

mod bind;
mod blocks;
mod builder;
mod derive;
mod leaf;
mod options;
mod out;
mod parallel;
mod plan;
mod rows;
mod selection;
mod texts;
mod to_file;
mod words;

pub use blocks::{Blocks, Encoder, WrittenBlock};
pub use builder::WriterBuilder;
pub use derive::{derived_schema, renamed_fields};
pub use options::WriteOptions;
pub use parallel::ParallelWriter;
pub use to_file::Writer;
