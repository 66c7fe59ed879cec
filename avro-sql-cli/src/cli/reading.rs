//! The read options of all subcommands.

use avro_datafusion::{AvroOptions, CacheUse, OnCorruptBlock};

use super::{CommandArguments, CommandLine, ResourceArguments};
use crate::error::{Error, Result};
use crate::options::with_cache_settings;

/// Returns the read options, which all subcommands share.
pub(super) fn reading(arguments: &CommandLine) -> Result<AvroOptions> {
    let ResourceArguments { import, schema_type, .. } = &arguments.resources;
    let reading = AvroOptions::default().with_imports(import.clone()).with_schema_type(schema_type.clone());
    let mut reading = with_cache_settings(reading)?;
    if let Some(missing) = reading.imports.iter().find(|path| !path.exists()) {
        return Err(Error::Usage(format!("--import {}: no such file or directory", missing.display())));
    }
    let converts = matches!(arguments.tool, Some(CommandArguments::Convert(_)));
    for (name, value) in &arguments.resources.option {
        if converts && ["strings", "enums"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::Usage(format!(
                "--option {name} is not allowed with convert; the output format determines it"
            )));
        }
        if name.contains('.') {
            return Err(Error::Usage(format!(
                "--option {name}: not a read option; configure object stores in the environment or in OPTIONS of CREATE EXTERNAL TABLE"
            )));
        }
        reading.set(name, value).map_err(|e| Error::Usage(Error::from(e).to_string()))?;
    }
    if let Some(directory) = &arguments.resources.index_dir {
        reading.index_path = Some(directory.clone());
    }
    if arguments.resources.lenient {
        reading.on_corrupt_block = OnCorruptBlock::Skip;
        reading.writing.check_schema = false;
        reading.short_decimals = true;
    }
    if arguments.query.read_only && reading.cache == CacheUse::Auto {
        reading.cache = CacheUse::Use;
    }
    Ok(reading)
}
