//! What the caller of a writer can choose.

use crate::codec::Codec;
use crate::limits::{Limits, setters};
use crate::schema::Schema;

/// How a file is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteOptions {
    /// How blocks are compressed. The default is snappy, which every reader knows and which costs little.
    pub codec: Codec,
    /// How much work is spent on that, see [`Codec::levels`]; the codec's usual level if nothing is said.
    pub level: Option<i32>,
    /// Bytes that a block has at most before compression, unless one row alone has more. Readers take blocks whole and read several at
    /// once. The default is 128 KiB.
    pub block_bytes: usize,
    /// The schema to write, which is obeyed exactly; columns are found by name. If there is none, it is the schema that the columns
    /// were read with, where they are still all of its fields in their types, or else
    /// [what their types are in Avro](Schema::from_arrow).
    pub schema: Option<Schema>,
    /// Whether a schema that is given must be [one that the specification allows](Schema::check_valid); the default is yes.
    pub check_schema: bool,
    /// What the header says besides schema and codec. Keys that start with `avro.` are the specification's.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The sync marker. A random one if there is none, as the specification asks for; the same one makes the same file.
    pub sync: Option<[u8; 16]>,
    /// For the schema and for defaults in it.
    pub limits: Limits,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            codec: Codec::Snappy,
            level: None,
            block_bytes: 128 << 10,
            schema: None,
            check_schema: true,
            metadata: Vec::new(),
            sync: None,
            limits: Limits::default(),
        }
    }
}

setters!(WriteOptions {
    with_codec codec: Codec,
    with_level level: Option<i32>,
    with_block_bytes block_bytes: usize,
    with_schema schema: Option<Schema>,
    with_check_schema check_schema: bool,
    with_metadata metadata: Vec<(String, Vec<u8>)>,
    with_sync sync: Option<[u8; 16]>,
    with_limits limits: Limits,
});
