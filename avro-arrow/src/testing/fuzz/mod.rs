//! Fuzz targets: any bytes in; nothing out, or a panic. Each is run by libFuzzer (`fuzz/`), and over the seeds that are
//! committed there, and mutations of them, in the ordinary tests (`tests/fuzz.rs`).
//!
//! An input is text in lines where it has schemas, so that it can be written and read, and bytes after them:
//!
//! | target | input |
//! |---|---|
//! | `header` | the first bytes of a file |
//! | `schema` | the text of a schema |
//! | `block` | a line with a schema, then options and a block: see `block` |
//! | `resolve` | a line with the writer's schema, a line with the reader's, then as for `block` |
//! | `file` | a file, or else what one is made of: see `file` |
//! | `lenient` | the same |
//! | `message` | lines with schemas of two writers and of the reader, then messages: see `message` |
//!
//! A line that is no schema is the seed of a random one, or, for a reader's, of a change to the writer's.

mod block;
mod file;
mod header;
mod lenient;
mod message;
mod schema;

pub use block::{block, resolve};
pub use file::file;
pub use header::header;
pub use lenient::lenient;
pub use message::message;
pub use schema::schema;

use super::Rng;
use crate::limits::Limits;
use crate::options::{Enums, LogicalMaps, Options, Strings, Unions};

/// Small enough that whatever an input asks for takes little time and memory, and large enough for all else.
fn limits() -> Limits {
    Limits {
        block_bytes: 64 << 10,
        batch_bytes: 4 << 20,
        metadata_bytes: 16 << 10,
        schema_nodes: 1_000,
        arrow_fields: 200,
        nesting: 40,
        value_nesting: 100,
        zero_width_items: 1_000,
    }
}

/// Columns of more bytes than this are not compared: rows of wide nulls, each within the limits, may be many.
const COLUMN_BYTES_MAX: usize = 16 << 20;

/// An input, of which pieces are taken from the front. After its end come zeros.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// The bytes up to the next newline, which is dropped.
    fn line(&mut self) -> &'a [u8] {
        let mut parts = self.0.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        line
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A byte for the types, one for the seed of whatever else there is to choose.
    fn options(&mut self) -> Options {
        let bits = self.byte();
        let bit = |at: u8| bits >> at & 1 == 1;
        Options {
            strings: if bit(0) { Strings::Utf8 } else { Strings::View },
            enums: if bit(1) { Enums::String } else { Enums::Dictionary },
            unions: if bit(2) { Unions::Struct } else { Unions::Dense },
            logical_maps: if bit(3) { LogicalMaps::Map } else { LogicalMaps::List },
            recursion_levels: usize::from(bits >> 4 & 3),
            limits: limits(),
            ..Options::default()
        }
    }
}

/// Random numbers of these bytes: others for each change to them.
fn rng_of(bytes: &[u8]) -> Rng {
    Rng::new(bytes.iter().fold(bytes.len() as u64, |seed, byte| Rng::new(seed ^ u64::from(*byte)).bits()))
}

/// Bytes with changes to them, as an input says: each is where, as two bytes, and what to do with the byte there, whose
/// bits are flipped by the third.
fn patch(bytes: &mut Vec<u8>, changes: &[u8]) {
    let (changes, odd) = changes.as_chunks::<3>();
    for [high, low, flipped] in changes {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= flipped;
        }
    }
    // What is left says that the end is missing, or that there is more.
    match odd {
        [] => {}
        [fewer] => bytes.truncate(bytes.len().saturating_sub(usize::from(*fewer))),
        more => bytes.extend(more),
    }
}
