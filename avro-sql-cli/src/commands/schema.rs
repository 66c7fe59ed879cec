//! Local files and their schemas, before rows are read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use avro_arrow::container::Header;
use avro_arrow::schema::{MergedSchema, Schema};
use avro_arrow::{Limits, OnCorruptBlock};
use avro_datafusion::{AvroOptions, PARTITION_SCHEMA_KEY, PartitionColumns, parse_schema, schema_text};

use super::registry;
use crate::error::{Error, Result, print_note};
use crate::files::inputs::{self, InputFile};

/// Bytes read at a time to parse a header.
const READ_BYTES: usize = 1 << 14;

/// The first bytes of an Avro file.
const MAGIC: &[u8] = b"Obj";

/// Returns one schema that reads all these files.
pub(crate) fn merged(files: &[PathBuf], reading: &AvroOptions) -> Result<MergedSchema> {
    let schemas = files.iter().map(|file| Ok((file.display().to_string(), schema_of(file, reading)?)));
    let schemas = schemas.collect::<Result<Vec<(String, Schema)>>>()?;
    let named = schemas.iter().map(|(name, schema)| (name.as_str(), schema));
    Ok(MergedSchema::of(named, reading.on_conflict, &reading.limits)?)
}

/// Returns the readable files: with damage skipped, a file of several without a valid header is left out with a
/// warning.
pub(crate) fn readable(files: &[InputFile], reading: &AvroOptions) -> Result<Vec<InputFile>> {
    if reading.on_corrupt_block != OnCorruptBlock::Skip || files.len() == 1 {
        return Ok(files.to_vec());
    }
    let mut readable = Vec::new();
    let mut errors = Vec::new();
    for file in files {
        match header(&file.path, &reading.limits) {
            Ok(_) => readable.push(file.clone()),
            Err(e) => errors.push(e),
        }
    }
    if readable.is_empty() && !errors.is_empty() {
        return Err(errors.swap_remove(0));
    }
    errors.iter().for_each(|e| print_note(&format!("avro-sql: warning: skipped a file: {e}")));
    Ok(readable)
}

/// Returns the columns of these files, including those of their directories.
pub(crate) fn partition_columns(
    schema: &SchemaRef,
    files: &[InputFile],
    reading: &AvroOptions,
) -> Result<PartitionColumns> {
    let mut recorded = Vec::with_capacity(files.len());
    for file in files {
        let is_partitioned = file.below().iter().rev().skip(1).any(|name| name.contains('='));
        recorded.push(if is_partitioned { recorded_in(&header(&file.path, &reading.limits)?) } else { None });
    }
    let places = files.iter().zip(&recorded).map(|(file, recorded)| (file.below(), recorded.as_deref()));
    Ok(PartitionColumns::new(schema, places, reading)?)
}

/// Returns what a header records about the partition columns of the file.
pub(crate) fn recorded_in(header: &Header) -> Option<String> {
    let entry = header.metadata.iter().rfind(|(key, _)| key == PARTITION_SCHEMA_KEY);
    entry.and_then(|(_, text)| String::from_utf8(text.clone()).ok())
}

/// Returns the header of a file.
fn header(path: &Path, limits: &Limits) -> Result<Header> {
    let named = |e: avro_arrow::Error| Error::from(e.in_file(path.display().to_string()));
    Ok(Header::read(&mut BufReader::with_capacity(READ_BYTES, open(path)?), limits).map_err(named)?.0)
}

/// Returns the schema of a data file or schema file.
pub(crate) fn schema_of(path: &Path, reading: &AvroOptions) -> Result<Schema> {
    schema_in(open(path)?, &path.display().to_string(), Some(path), reading)
}

/// Returns the schema in this file, of this JSON text, or of a subject in the registry.
pub(crate) fn reader_schema(file: &Path, reading: &AvroOptions) -> Result<Schema> {
    if let Some(found) = file.to_str().and_then(|text| registry::reader_schema(text, reading)) {
        return found;
    }
    match file.to_str() {
        Some(text) if text.trim_start().starts_with(['{', '[', '"']) && !file.exists() => {
            schema_from(text, "--reader-schema", reading)
        }
        _ => schema_of(file, reading),
    }
}

/// Parses the schema that the argument `of` gave.
pub(crate) fn schema_from(text: &str, of: &str, reading: &AvroOptions) -> Result<Schema> {
    let parsed = parse_schema(text, None, &reading.imports, &reading.limits);
    parsed.map_err(|e| Error::Failed(format!("{of}: {}", with_remedy(&e))))
}

/// Reads the schema of the file with these bytes; errors call it `name`. Types that it names are searched beside
/// `path`.
pub(crate) fn schema_in(file: impl Read, name: &str, path: Option<&Path>, reading: &AvroOptions) -> Result<Schema> {
    let limits = &reading.limits;
    let named = |e: avro_arrow::Error| Error::from(e.in_file(name));
    let failed = |e: io::Error| Error::from(e).with_context(name);
    let mut file = BufReader::with_capacity(READ_BYTES, file);
    let mut bytes = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes == MAGIC {
        let (header, _) = Header::read(&mut bytes.chain(file), limits).map_err(named)?;
        return Ok(header.schema);
    }
    file.take(limits.metadata_bytes as u64).read_to_end(&mut bytes).map_err(failed)?;
    let text = schema_text(&bytes);
    let starts_as_schema = match &text {
        Ok(text) => text.trim_ascii_start().starts_with(['{', '[', '"']),
        Err(_) => bytes.trim_ascii_start().starts_with(b"{"),
    };
    let schema = match text {
        _ if bytes.len() > limits.metadata_bytes => {
            Err(format!("larger than {} bytes, the limit for a schema", limits.metadata_bytes))
        }
        Ok(text) => parse_schema(&text, path, &reading.imports, limits).map_err(|e| with_remedy(&e)),
        Err(e) => Err(e),
    };
    schema.or_else(|reason| match starts_as_schema {
        true => Err(Error::Failed(format!("{name}: {reason}"))),
        // It is neither; the header reader names other formats it recognizes.
        false => Header::read(&mut bytes.as_slice(), limits).map(|(header, _)| header.schema).map_err(named),
    })
}

/// Returns the error text; if a type is missing, with the option that finds it.
fn with_remedy(e: &avro_arrow::Error) -> String {
    let remedy = match e.to_string().contains("is not defined before its use") {
        true => "; use --import for the file or directory that defines it",
        false => "",
    };
    format!("{e}{remedy}")
}

/// Opens a file. Opening a directory succeeds but reading fails, so the error is returned here.
pub(crate) fn open(path: &Path) -> Result<File> {
    inputs::local(path)?;
    let file = File::open(path).map_err(|e| Error::file(path, e))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(Error::Failed(format!("{}: is a directory", path.display()))),
        _ => Ok(file),
    }
}
