//! Table functions of SQL: `read_avro`, `read_csv`, `read_json`, `read_parquet`, `avro_schema`, `avro_metadata`,
//! `avro_blocks`, `avro_damage`, `avro_files`, `avro_index`, `avro_options`.
//!
//! Those that begin with `read_` return the rows of files. The others return rows about each file: each implements
//! `PerFile`, of which `file_table` makes a table. `avro_index` builds indexes, and `avro_options` lists the options.

mod arguments;
mod blocks;
mod damage;
mod file_table;
mod files;
mod index;
mod metadata;
#[cfg(feature = "sql")]
mod named;
mod options;
mod read;
mod read_files;
mod schema;
mod wait;

pub(crate) use wait::wait;

pub(crate) use arguments::TableArguments;
pub use blocks::AvroBlocksFunc;
pub use damage::AvroDamageFunc;
pub use files::AvroFilesFunc;
pub use index::AvroIndexFunc;
pub use metadata::AvroMetadataFunc;
pub use options::AvroOptionsFunc;
pub use read::ReadAvroFunc;
pub use read_files::ReadFilesFunc;
pub use schema::AvroSchemaFunc;

use crate::options::read::AvroOptions;
use datafusion::catalog::TableFunctionImpl;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use std::sync::Arc;

/// Registers all table functions with these default options.
pub(crate) fn register(state: &mut SessionState, options: &AvroOptions) -> Result<()> {
    let mut functions: Vec<(&str, Arc<dyn TableFunctionImpl>)> = vec![
        ("read_avro", Arc::new(ReadAvroFunc::new(options.clone()))),
        ("avro_schema", Arc::new(AvroSchemaFunc::new(options.clone()))),
        ("avro_metadata", Arc::new(AvroMetadataFunc::new(options.clone()))),
        ("avro_blocks", Arc::new(AvroBlocksFunc::new(options.clone()))),
        ("avro_damage", Arc::new(AvroDamageFunc::new(options.clone()))),
        ("avro_files", Arc::new(AvroFilesFunc::new(options.clone()))),
        ("avro_index", Arc::new(AvroIndexFunc::new(options.clone()))),
        ("avro_options", Arc::new(AvroOptionsFunc)),
    ];
    functions.extend(ReadFilesFunc::all().map(|function| (function.name(), Arc::new(function) as _)));
    #[cfg(feature = "sql")]
    state.register_relation_planner(Arc::new(named::NamedArguments::new(functions.iter().map(|(name, _)| *name))))?;
    for (name, function) in functions {
        state.register_udtf(name, function);
    }
    Ok(())
}
