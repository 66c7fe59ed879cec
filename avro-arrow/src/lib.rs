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
#[doc(hidden)]
pub mod testing;

pub use bytes::{PADDING, PaddedBytes};
pub use codec::{Block, Codec, Decompressor};
pub use error::{Error, ErrorKind, Fault, Position, Result};
pub use limits::Limits;
pub use options::{Enums, Options, Pairs, Strings, Unions};
