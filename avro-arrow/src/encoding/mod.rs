//! The primitives of Avro's binary encoding over byte slices, and the buffers that the fast decoder may read past the end of.

mod cursor;
mod padded;
mod put;

pub(crate) use cursor::Cursor;
pub use padded::{PADDING, PaddedBytes};
pub(crate) use put::{long_word, put_long, short_long_word};
