//! Avro files as DataFusion tables.
//!
//! Two lines add Avro to a DataFusion program: one teaches the session `STORED AS AVRO` and `FROM 'path'`, the other registers
//! a table.
//!
//! ```no_run
//! # use datafusion::prelude::SessionContext;
//! use avro_datafusion::{AvroSessionExt, AvroOptions};
//!
//! # async fn tour() -> datafusion::error::Result<()> {
//! let ctx = SessionContext::new();
//! avro_datafusion::register_all(&ctx)?;
//! ctx.register_avro_table("events", "logs/", AvroOptions::default()).await?;
//!
//! ctx.sql("SELECT kind, count(*) FROM events GROUP BY kind").await?.show().await?;
//! ctx.sql("SELECT count(*) FROM 'logs/2024/**/*.avro'").await?.show().await?;
//! ctx.sql("SELECT * FROM read_avro(['a.avro', 'b/'], enums => 'string')").await?.show().await?;
//! ctx.sql("CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION 'logs/' OPTIONS('unions' 'struct')").await?;
//! # Ok(())
//! # }
//! ```
//!
//! A query takes this way through the modules: [`AvroTable`] lists files (`location`) and takes the columns from their headers
//! (`headers`); [`AvroFormat`] makes the scan's [`AvroSource`], which the planner tells what columns and how many
//! parts it wants; the `opener` then opens files or ranges of them, `fetch` reads their bytes, `stream` has them decoded by
//! `avro_arrow`, which resolves every file to the table's schema (`reader`); where the caller gave columns that Avro has no types for,
//! `adapt` casts. `COPY .. TO 'x.avro'` and `INSERT INTO` write through `sink`. No value is decoded or encoded in this crate. Where files have block indexes ([`index`]), blocks that no row is wanted of are left out.
#![forbid(unsafe_code)]

// In the order of the data: a module imports only from those above it.
mod error;
mod diagnostics;
mod io;
mod schema_file;
mod virtual_columns;
mod options;
mod listing;
mod projection;
mod block_index;
mod schema;
pub mod index;
mod sink;
mod scan;
mod stores;
mod table;
mod functions;
pub mod compat;
mod session;

pub use avro_arrow;
pub use avro_arrow::schema::{OnConflict, Schema};
pub use avro_arrow::{
    Codec, DamagedBlock, Decimals, Enums, FieldMatch, Limits, LogicalMaps, OnCorruptBlock, Options, Strings, TypeNames,
    Unions,
};
pub use diagnostics::observer::ScanObserver;
pub use error::file_error;
pub use functions::{AvroBlocksFunc, AvroDamageFunc, AvroIndexFunc, AvroMetadataFunc, AvroSchemaFunc, ReadAvroFunc};
pub use listing::data_files;
pub use listing::partition_columns::PartitionColumns;
pub use listing::partition_values::RECORDED as PARTITION_SCHEMA_KEY;
pub use listing::paths::Paths;
pub use listing::stored_file::StoredFile;
pub use options::read::{AvroOptions, Index, PartitionTypes, Partitions};
pub use options::write::AvroWriteOptions;
pub use scan::access_plan::BlockAccessPlan;
pub use scan::format::{AvroFormat, AvroFormatFactory};
pub use scan::source::AvroSource;
pub use schema_file::{parse_schema, schema_text};
pub use session::{AvroSessionExt, new_session, register_all, register_all_with};
pub use sink::{AvroSink, Partitioning};
pub use stores::ObjectStores;
pub use table::factory::AvroTableFactory;
pub use table::provider::AvroTable;
pub use table::url::AvroUrlTableFactory;
