//! Avro files as DataFusion tables.
//!
//! A program needs two calls: one registers `STORED AS AVRO` and `FROM 'path'` with the session, the other registers a
//! table.
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
//! A query passes through the modules in this order. [`AvroTable`] lists files (`listing`) and derives the columns from
//! their headers (`schema::header_cache`). [`AvroFormat`] creates the [`AvroSource`] of the scan, into which the
//! planner pushes projections, filters and splits. `scan::opener` opens files or byte ranges, `io::readahead` fetches
//! their bytes, and `scan::stream` passes them to `avro_arrow`, which decodes and resolves each file to the table's
//! schema (`schema::reader_schema`). If the caller declares columns that Avro has no types for, `schema::batch_adapter`
//! casts them. If files have block indexes ([`index`]), blocks without matching rows are skipped; if they have columnar
//! copies (`cache`, a feature), these are read in their place. `COPY .. TO 'x.avro'`
//! and `INSERT INTO` write through `sink`. This crate itself neither decodes nor encodes values.
#![forbid(unsafe_code)]

// In the order of the data: a module imports only from those above it.
mod error;
mod diagnostics;
mod io;
mod schema_file;
mod virtual_columns;
mod sql_type;
mod nested_nulls;
mod compact;
#[macro_use]
mod options;
mod listing;
mod projection;
mod block_index;
mod schema;
pub mod index;
#[cfg(feature = "cache")]
pub mod cache;
mod sink;
mod scan;
mod stores;
mod table;
mod functions;
mod avro_functions;
pub mod compat;
mod common_subplans;
mod sql_functions;
mod session;
#[cfg(feature = "proto")]
pub mod proto;
#[cfg(feature = "cluster")]
pub mod cluster;

pub use avro_arrow;
pub use avro_arrow::schema::{OnConflict, Schema};
pub use avro_arrow::{
    Codec, DamagedBlock, Decimals, Enums, FieldMatch, Limits, LogicalMaps, OnCorruptBlock, Options, Strings, TypeNames,
    Unions,
};
pub use avro_functions::takes_avro_options;
pub use common_subplans::enable_common_subplans;
pub use diagnostics::observer::ScanObserver;
pub use error::file_error;
pub use functions::{
    AvroBlocksFunc, AvroDamageFunc, AvroFilesFunc, AvroIndexFunc, AvroMetadataFunc, AvroOptionsFunc, AvroSchemaFunc,
    ReadAvroFunc, ReadFilesFunc,
};
pub use listing::data_files;
pub use listing::location::expand_home;
pub use listing::partition_columns::PartitionColumns;
pub use listing::partition_values::RECORDED as PARTITION_SCHEMA_KEY;
pub use listing::paths::Paths;
pub use listing::shared::SharedListings;
pub use listing::stored_file::StoredFile;
pub use options::list::{OPTIONS, OptionInfo, OptionKind};
pub use options::parse::parse_bytes;
pub use options::read::{AvroOptions, CacheUse, Index, PartitionTypes, Partitions};
pub use options::write::AvroWriteOptions;
pub use scan::access_plan::BlockAccessPlan;
pub use scan::format::{AvroFormat, AvroFormatFactory};
pub use scan::source::AvroSource;
pub use schema_file::{is_idl, parse_document, parse_schema, schema_text, split_type_name};
pub use session::{AvroSessionExt, new_session, register_all, register_all_with};
pub use sink::upload::{StagedUpload, Upload, wait_for_aborts};
pub use sink::{AvroSink, Partitioning};
pub use sql_functions::register_sql_functions;
pub use sql_type::{sql_enum_name, sql_type_name};
pub use stores::{ObjectStores, StagedWrites, configure as configure_stores};
pub use table::factory::AvroTableFactory;
pub use table::provider::AvroTable;
pub use table::url::AvroUrlTableFactory;
pub use virtual_columns::is_virtual as is_virtual_column;
