//! Schemas: the headers of files, the reader schema of a table, and declared columns.

pub(crate) mod header_cache;
pub(crate) mod header_caches;
#[cfg(feature = "cache")]
pub(crate) mod type_text;
pub(crate) mod reader_schema;
pub(crate) mod batch_adapter;
pub(crate) mod declared_columns;
