//! The object container file: header, blocks, row counts.
//!
//! ```text
//! file   = "Obj" 1, metadata (a map of bytes), marker (16 bytes), block*
//! block  = rows (long), size (long), `size` bytes, the same marker
//! ```
//!
//! [`Header`] reads the header, [`Framer`] cuts the rest into [`RawBlock`]s without decompressing them, and
//! [`count_rows`] reads only the frames of the blocks. [`header_bytes`] and [`frame`] write a file. Next: the program
//! turns the schema's types into columns.

mod framer;
mod header;
mod byte_queue;
mod positioned;
mod row_count;
pub(crate) mod row_count_check;
#[cfg(test)]
mod tests;
mod write;

pub use crate::codec::RawBlock;
pub use framer::{Frame, Framer};
pub use header::Header;
pub use positioned::Positioned;
pub use row_count::{count_rows, count_rows_behind, first_block};
pub use write::{frame, frame_head, header_bytes, random_sync};
