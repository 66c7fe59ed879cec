//! Avro container files decoded straight into Arrow columns.

mod error;
mod limits;
mod options;
mod bytes;
pub mod schema;
mod plan;
mod json;
mod column;
mod program;

pub use bytes::{PADDING, PaddedBytes};
pub use error::{Error, ErrorKind, Fault, Position, Result};
pub use limits::Limits;
pub use options::{Enums, Options, Pairs, Strings, Unions};
pub use program::Program;
