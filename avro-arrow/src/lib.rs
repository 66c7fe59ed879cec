//! Avro container files decoded straight into Arrow columns.

mod batcher;
mod bytes;
mod codec;
mod column;
pub mod container;
mod decoder;
mod error;
mod json;
mod limits;
mod options;
mod parallel;
mod plan;
mod program;
mod reader;
pub mod reference;
pub mod schema;
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
