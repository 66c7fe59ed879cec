//! Writing container files and messages from record batches.
//!
//! ```text
//! batch --(bind)--> columns of the written types --(rows)--> bytes, row by row --(blocks)--> compressed, framed blocks
//! ```
//!
//! `plan` decides once how each column is written. [`Encoder`] makes blocks, for callers who write the file
//! themselves; [`Writer`] writes a file on the calling thread and [`ParallelWriter`] on several.
//! [`MessageEncoder`] makes single messages.

mod bind;
mod blocks;
mod builder;
mod derive;
mod messages;
mod nested;
mod options;
mod parallel;
mod plan;
mod row_buffer;
mod table_rows;
mod rows;
mod short_value;
mod short_values;
mod slow_values;
mod strings;
mod to_file;

pub use blocks::{Blocks, Encoder, WrittenBlock};
pub use builder::WriterBuilder;
pub use derive::{derived_schema, renamed_fields};
pub use messages::MessageEncoder;
pub use options::WriteOptions;
pub use parallel::ParallelWriter;
pub use to_file::Writer;
