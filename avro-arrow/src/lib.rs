//! Avro container files decoded straight into Arrow columns.

mod bytes;
mod error;
mod limits;
mod options;

pub use error::{Error, ErrorKind, Fault, Position, Result};
pub use limits::Limits;
pub use options::{Enums, Options, Pairs, Strings, Unions};
