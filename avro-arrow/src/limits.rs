//! Limits on what a file may make the decoder allocate or walk.

/// Generates a setter for each public field of a non-exhaustive struct.
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

/// Maximum sizes that a file may have.
///
/// Every count and length in a file is also checked against the bytes present before memory is reserved. The limits
/// are for data that is valid but unreasonable, such as a compression bomb.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one block, stored and decompressed; the default is 200 MiB, as in Avro's Java implementation. The
    /// maximum is 2 GiB - 1.
    pub block_bytes: usize,
    /// Bytes of the columns of one row, and of the rows that are decoded together; the default is 2 GiB. A null of a
    /// wide type takes one byte in a file and the width of the type in memory. Batches have fewer rows where rows are
    /// large.
    pub batch_bytes: usize,
    /// Bytes of the file's header, its metadata and schema; the default is 16 MiB.
    ///
    /// This number also limits three other things, each by itself: the namespaces that names in the schema inherit; the
    /// metadata of Arrow fields, such as documentation, after named types are expanded at each reference, with at most
    /// one entry for each 64 bytes; and the defaults of a reader's schema, at each use.
    pub metadata_bytes: usize,
    /// Nodes of a parsed schema; the default is 100 000. The schema's text may have ten JSON values for each node.
    pub schema_nodes: usize,
    /// Arrow fields after named types are expanded at each reference; the default is 10 000.
    pub arrow_fields: usize,
    /// Nesting levels of records, arrays, maps and unions in a schema; the default is 128.
    pub nesting: usize,
    /// Nesting levels of a recursive type's values in the data; the default is 1 000.
    pub value_nesting: usize,
    /// Rows or items of a block that take no bytes (`null`, records without fields); the default is 10 000 000.
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
