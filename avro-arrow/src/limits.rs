//! Limits: the most that a file may ask for, whatever it claims.

/// Setters of the public fields of a struct that may get more of them.
macro_rules! setters {
    ($of:ident { $($setter:ident $field:ident: $type:ty,)* }) => {
        impl $of {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;

/// What a file may ask for. Every count and length in a file is also checked against the bytes that are there before
/// anything is reserved, so these are for data that is valid but unreasonable, such as a compression bomb.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one block, as stored and decompressed; the default is 200 MiB, as Avro's Java implementation. At most 2 GiB - 1.
    pub block_bytes: usize,
    /// Bytes of the columns of one row, and of as many rows as are decoded together; the default is 2 GiB. A null of a wide type
    /// takes a byte in a file and its type's width in memory. Where rows are large, batches have fewer.
    pub batch_bytes: usize,
    /// Bytes of the file's header: its metadata and schema. As many again of namespaces that the names in the schema take from
    /// around them, and of what Arrow fields keep of it, such as documentation, after named types are expanded at each place that
    /// refers to them; and an entry of metadata for each 64. As many again of the defaults of a reader's schema, wherever they are
    /// taken. The default is 16 MiB.
    pub metadata_bytes: usize,
    /// Nodes of a parsed schema; the default is 100 000. Its text may have ten values of JSON for each.
    pub schema_nodes: usize,
    /// Arrow fields after named types are expanded at each place that refers to them; the default is 10 000.
    pub arrow_fields: usize,
    /// Levels of records, arrays, maps and unions inside one another in a schema; the default is 128.
    pub nesting: usize,
    /// Levels of a recursive type's value inside one another in the data; the default is 1 000.
    pub value_nesting: usize,
    /// Rows or items that take no bytes at all (`null`, records without fields), per block; the default is 10 000 000.
    pub zero_width_items: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            block_bytes: 200 << 20,
            batch_bytes: 2 << 30,
            metadata_bytes: 16 << 20,
            schema_nodes: 100_000,
            arrow_fields: 10_000,
            nesting: 128,
            value_nesting: 1_000,
            zero_width_items: 10_000_000,
        }
    }
}

setters!(Limits {
    with_block_bytes block_bytes: usize,
    with_batch_bytes batch_bytes: usize,
    with_metadata_bytes metadata_bytes: usize,
    with_schema_nodes schema_nodes: usize,
    with_arrow_fields arrow_fields: usize,
    with_nesting nesting: usize,
    with_value_nesting value_nesting: usize,
    with_zero_width_items zero_width_items: u64,
});
