//! The arguments of `cache`.

use std::path::PathBuf;

use avro_datafusion::cache::CacheOptions;
use avro_datafusion::{AvroOptions, CacheUse, parse_bytes};
use clap::Args;

use crate::commands::cache::{CacheAction, CacheTask};

#[derive(Args)]
pub(super) struct CacheArguments {
    /// Files, directories, globs or URLs to copy; `list` lists all copies; `clear` removes all, or those of the paths
    /// after it
    #[arg(required = true, value_name = "PATH")]
    inputs: Vec<PathBuf>,
    /// Copy only these columns (default: all that Parquet can hold exactly)
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Directory of the copies (default: $AVRO_SQL_CACHE_DIR, else ~/.cache/avro-sql)
    #[arg(long, value_name = "DIR")]
    dir: Option<String>,
    /// Size of all copies, such as 20G; those not used for the longest time are removed (default: 20G)
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    max_size: Option<usize>,
    /// Copy files again whose copies are up to date
    #[arg(long)]
    force: bool,
}

impl CacheArguments {
    /// Returns the task, and sets the options of the cache.
    pub(super) fn task(mut self, reading: &mut AvroOptions, quiet: bool) -> CacheTask {
        reading.cache = CacheUse::Use;
        reading.cache_path = self.dir.or(reading.cache_path.take());
        reading.cache_bytes = self.max_size.map_or(reading.cache_bytes, |bytes| bytes as u64);
        let action = match self.inputs.first().and_then(|first| first.to_str()) {
            Some("list") if self.inputs.len() == 1 => CacheAction::List,
            Some("clear") => CacheAction::Clear(self.inputs.split_off(1)),
            _ => {
                let cache = CacheOptions::default().with_columns(self.columns).with_rebuild(self.force);
                CacheAction::Build(self.inputs, cache)
            }
        };
        CacheTask { action, quiet }
    }
}
