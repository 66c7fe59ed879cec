//! The scan of Avro files: DataFusion's format and source, the opener, and the stream of batches.

pub(crate) mod split;
pub(crate) mod access_plan;
pub(crate) mod stream;
#[cfg(feature = "cache")]
pub(crate) mod copy_rows;
#[cfg(feature = "cache")]
pub(crate) mod column_rows;
#[cfg(feature = "proto")]
pub(crate) mod sent_file;
pub(crate) mod opener;
pub(crate) mod source;
pub(crate) mod format;
pub(crate) mod row_filter;
pub(crate) mod unnest;
