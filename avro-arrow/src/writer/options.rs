//! Write options.

use crate::codec::Codec;
use crate::limits::{Limits, setters};
use crate::schema::Schema;

/// Options for writing a container file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Compression of the blocks. The default is snappy, which every reader supports and which costs little.
    pub codec: Codec,
    /// Compression level, see [`Codec::levels`]; `None` is the codec's default.
    pub level: Option<i32>,
    /// Maximum size of a block before compression, unless a single row is larger; the default is 128 KiB. Readers hold
    /// several whole blocks in memory.
    pub block_bytes: usize,
    /// The Avro schema to write; columns are found by name. Without one, the writer uses the schema that the columns
    /// were read with, if they still are all of its fields in their types, or else [the Avro types of the
    /// columns](Schema::from_arrow).
    pub schema: Option<Schema>,
    /// Whether [`schema`](Self::schema) must be [valid under the specification](Schema::check_valid); the default is
    /// `true`.
    pub check_schema: bool,
    /// Further metadata of the header. Keys that start with `avro.` are reserved.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The sync marker; `None` is a random one, as the specification requires. A fixed marker makes files
    /// reproducible.
    pub sync: Option<[u8; 16]>,
    /// Limits on the schema and its defaults.
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
