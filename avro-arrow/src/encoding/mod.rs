//! Primitives of Avro's binary encoding over byte slices, and the padded buffers that the fast decoder reads.

mod cursor;
mod padded;
mod varint;

pub(crate) use cursor::Cursor;
pub use padded::{PADDING, PaddedBytes};
pub use varint::put_long;
pub(crate) use varint::{long_word, short_long_word};
