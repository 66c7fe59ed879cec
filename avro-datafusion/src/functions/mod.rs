//! Table functions: what `SELECT .. FROM avro_blocks('path')` and its like call, in; tables out.
//!
//! `read_avro` is a table of rows, as any other; what it takes is in `read`. The others say something of each file: each has a
//! `PerFile`, and `file_table` makes a table of that; `avro_index` builds indexes.

mod arguments;
mod blocks;
mod damage;
mod file_table;
mod index;
mod metadata;
#[cfg(feature = "sql")]
mod named;
mod read;
mod schema;
mod wait;

#[cfg(feature = "sql")]
pub(crate) use wait::wait;

pub(crate) use arguments::Arguments;
pub use blocks::AvroBlocksFunc;
pub use damage::AvroDamageFunc;
pub use index::AvroIndexFunc;
pub use metadata::AvroMetadataFunc;
pub use read::ReadAvroFunc;
pub use schema::AvroSchemaFunc;

use crate::options::read::AvroOptions;
use datafusion::catalog::TableFunctionImpl;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use std::sync::Arc;

/// Registers all of them, for files that are read with these options unless a call gives others.
pub(crate) fn register(state: &mut SessionState, options: &AvroOptions) -> Result<()> {
    let functions: [(&str, Arc<dyn TableFunctionImpl>); 6] = [
        ("read_avro", Arc::new(ReadAvroFunc::new(options.clone()))),
        ("avro_schema", Arc::new(AvroSchemaFunc::new(options.clone()))),
        ("avro_metadata", Arc::new(AvroMetadataFunc::new(options.clone()))),
        ("avro_blocks", Arc::new(AvroBlocksFunc::new(options.clone()))),
        ("avro_damage", Arc::new(AvroDamageFunc::new(options.clone()))),
        ("avro_index", Arc::new(AvroIndexFunc::new(options.clone()))),
    ];
    #[cfg(feature = "sql")]
    state.register_relation_planner(Arc::new(named::NamedArguments::of(functions.iter().map(|(name, _)| *name))))?;
    for (name, function) in functions {
        state.register_udtf(name, function);
    }
    Ok(())
}
