//! The engines: tables in, a session that knows them out. Both are DataFusion with the same configuration.

use avro_datafusion::{AvroOptions, AvroSessionExt};
use datafusion::datasource::listing::ListingOptions;
use datafusion::error::Result;
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion_datasource_avro::file_format::AvroFormat;
use std::sync::Arc;

/// A way to read Avro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// avro-datafusion, this project.
    Ours,
    /// DataFusion's own Avro source, in a listing table.
    Stock,
}

impl Engine {
    /// Its name on the command line and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Ours => "ours",
            Engine::Stock => "stock",
        }
    }

    /// A new session with these tables, given as their names in queries and their paths; a directory's ends with a
    /// slash.
    ///
    /// # Errors
    /// Where a table cannot be read.
    pub(crate) async fn session(self, tables: &[(&str, String)], threads: usize) -> Result<SessionContext> {
        let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(threads));
        for (name, path) in tables {
            match self {
                Engine::Ours => ctx.register_avro_table(*name, path.as_str(), AvroOptions::default()).await?,
                Engine::Stock => {
                    let options = ListingOptions::new(Arc::new(AvroFormat)).with_file_extension(".avro");
                    ctx.register_listing_table(*name, path, options, None, None).await?;
                }
            }
        }
        Ok(ctx)
    }
}
