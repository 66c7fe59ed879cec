//! Fuzz targets: any bytes in; nothing out, or a panic. libFuzzer runs each (`fuzz/`), and the ordinary tests run each
//! on the seeds that are committed there and on mutations of them (`avro-arrow/tests/fuzz.rs`).
//!
//! An input is text in lines where it has schemas, so that it can be written and read, and bytes after them:
//!
//! | target | input |
//! |---|---|
//! | `header` | the first bytes of a file |
//! | `schema` | the text of a schema |
//! | `idl` | the text of an IDL file, and of those it imports: see `idl` |
//! | `block` | a line with a schema, then options and a block: see `block` |
//! | `resolve` | a line with the writer's schema, a line with the reader's, then as for `block` |
//! | `file` | a file, or else what one is made of: see `file` |
//! | `lenient` | an input of `file` |
//! | `message` | lines with schemas of two writers and of the reader, then messages: see `message` |
//! | `protocol` | lines with the protocols of client and server, then requests and replies: see `protocol` |
//!
//! A line that is not a schema makes a random one, or, for a reader's, a change to the writer's. A line that begins
//! with `~` is structured: its bytes are the random choices, one after the other, so that libFuzzer's small changes to
//! them are small changes to the schema. Rows of such a schema are structured too. Any other line is a seed.

mod block;
mod file;
mod header;
mod idl;
mod lenient;
mod message;
mod protocol;
mod schema;

pub use block::{block, resolve};
pub use file::file;
pub use header::header;
pub use idl::idl;
pub use lenient::lenient;
pub use message::message;
pub use protocol::protocol;
pub use schema::schema;

use crate::Rng;
use avro_arrow::{Enums, Limits, LogicalMaps, Options, Strings, Unions};

/// Small enough that whatever an input asks for takes little time and memory, and large enough for all else.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.block_bytes = 64 << 10;
    limits.batch_bytes = 4 << 20;
    limits.metadata_bytes = 16 << 10;
    limits.schema_nodes = 1_000;
    limits.arrow_fields = 200;
    limits.nesting = 40;
    limits.value_nesting = 100;
    limits.zero_width_items = 1_000;
    limits
}

/// Columns of more bytes than this are not compared: rows of wide nulls, each within the limits, may be many.
const COLUMN_BYTES_MAX: usize = 16 << 20;

/// How a structured line begins.
const STRUCTURED: &[u8] = b"~";

/// An input, of which pieces are taken from the front. After its end come zeros.
struct Input<'a> {
    rest: &'a [u8],
    /// Whether a line was structured: then rows are too.
    is_structured: bool,
}

impl<'a> Input<'a> {
    fn new(rest: &'a [u8]) -> Input<'a> {
        Input { rest, is_structured: false }
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    /// The bytes up to the next newline, which is dropped.
    fn line(&mut self) -> &'a [u8] {
        let mut parts = self.rest.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap_or_default();
        self.rest = parts.next().unwrap_or_default();
        self.is_structured |= line.starts_with(STRUCTURED);
        line
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// A byte for the types, one for the seed of whatever else there is to choose.
    fn options(&mut self) -> Options {
        let bits = self.byte();
        let bit = |at: u8| bits >> at & 1 == 1;
        Options::default()
            .with_strings(if bit(0) { Strings::Utf8 } else { Strings::View })
            .with_enums(if bit(1) { Enums::String } else { Enums::Dictionary })
            .with_unions(if bit(2) { Unions::Struct } else { Unions::Dense })
            .with_logical_maps(if bit(3) { LogicalMaps::Map } else { LogicalMaps::List })
            .with_recursion_levels(usize::from(bits >> 4 & 3))
            .with_limits(limits())
    }
}

/// The random choices of a line that is not a schema: those of its bytes, or of a seed that depends on all of them.
fn line_rng(line: &[u8]) -> Rng {
    line.strip_prefix(STRUCTURED).map_or_else(|| hash_rng(line), Rng::from_bytes)
}

/// The random choices of a seed that depends on all of these bytes.
fn hash_rng(bytes: &[u8]) -> Rng {
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
