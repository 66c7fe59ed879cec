//! Avro container files decoded straight into Arrow columns.

mod error;
mod limits;
mod options;
mod bytes;
pub mod schema;
mod codec;
pub mod container;
mod plan;
mod json;
pub mod reference;
mod column;
mod program;
mod batcher;
mod decoder;
mod reader;
mod parallel;
#[doc(hidden)]
pub mod testing;

pub use bytes::{PADDING, PaddedBytes};
pub use codec::{Block, Codec, Decompressor};
pub use decoder::Decoder;
pub use error::{Error, ErrorKind, Fault, Position, Result};
pub use limits::Limits;
pub use options::{Enums, Options, Pairs, Strings, Unions};
pub use parallel::ParallelReader;
pub use program::Program;
pub use reader::Reader;
