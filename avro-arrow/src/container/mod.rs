//! The object container file: bytes go in, the header and whole blocks as they are stored come out.
//!
//! ```text
//! file   = "Obj" 1, metadata (a map of bytes), marker (16 bytes), block*
//! block  = rows (long), size (long), so many bytes, the same marker
//! ```
//!
//! [`Header`] reads the first line, [`Framer`] cuts the rest into [`RawBlock`]s without decompressing, and [`count_rows`] hops
//! from block to block without reading them; [`header_bytes`] and [`frame`] are the way back. Next: the schema's types are turned into columns by the program.

pub(crate) mod count;
mod framer;
mod header;
mod pieces;
mod positioned;
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod write;

pub use crate::codec::RawBlock;
pub use count::{count_rows, count_rows_behind, first_block};
pub use framer::{Frame, Framer};
pub use header::Header;
pub use positioned::Positioned;
pub use write::{frame, frame_head, header_bytes, random_sync};
