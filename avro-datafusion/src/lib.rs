//! Avro files as DataFusion tables.
//!
//! Two lines add Avro to a DataFusion program: one teaches the session `STORED AS AVRO` and `FROM 'path'`, the other registers
//! a table.
//!
//! ```no_run
//! # use datafusion::prelude::SessionContext;
//! use avro_datafusion::{AvroContext, AvroOptions};
//!
//! # async fn tour() -> datafusion::error::Result<()> {
//! let ctx = SessionContext::new();
//! avro_datafusion::enable(&ctx)?;
//! ctx.register_avro("events", "logs/", AvroOptions::default()).await?;
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

mod adapt;
pub mod compat;
mod counts;
mod cuts;
mod damage;
pub mod data_files;
mod declared;
mod fetch;
mod files;
mod format;
mod functions;
mod headers;
pub mod index;
mod listing;
mod location;
mod metrics;
mod opener;
mod options;
mod partition_columns;
mod parts;
mod partitions;
mod predicate;
mod reader;
mod schema_file;
mod session;
mod sink;
mod source;
mod spans;
mod stores;
mod stream;
mod stretches;
mod table;
mod table_factory;
mod unnest;
mod url_table;
mod version;
mod virtual_columns;
mod warn;
mod write_options;

pub use avro_arrow::schema::{Conflicts, Schema};
pub use avro_arrow::{Damage, DamagedBlock, Decimals, Enums, FieldMatch, Limits, Pairs, Strings, TypeNames, Unions};
pub use damage::{DamageSink, Report};
pub use files::StoredFile;
pub use format::{AvroFormat, AvroFormatFactory};
pub use functions::{AvroBlocks, AvroDamage, AvroFields, AvroMetadata, ReadAvro};
pub use options::{AvroOptions, Index, PartitionTypes, Partitions};
pub use partition_columns::PartitionColumns;
pub use schema_file::{parse_schema, schema_text};
pub use session::{AvroContext, enable, enable_with, session};
pub use sink::{AvroSink, Partitioning, RECORDED as PARTITION_SCHEMA_KEY};
pub use source::AvroSource;
pub use stores::ObjectStores;
pub use table::{AvroTable, Paths};
pub use table_factory::AvroTableFactory;
pub use url_table::AvroUrlTableFactory;
pub use warn::{WarningSink, Warnings};
pub use write_options::AvroWriteOptions;
