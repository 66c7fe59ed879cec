//! Local files before their rows are read: paths in; opened files and schemas out.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use avro_arrow::container::Header;
use avro_arrow::schema::{MergedSchema, Schema};
use avro_arrow::{Limits, OnCorruptBlock};
use avro_datafusion::{AvroOptions, PARTITION_SCHEMA_KEY, PartitionColumns, parse_schema, schema_text};

use crate::error::{Error, Result, aside};
use crate::files::inputs::{self, Found};

/// Bytes asked for at a time where a file is read for its header.
const READ_BYTES: usize = 1 << 14;

/// What files of Avro data start with.
const MAGIC: &[u8] = b"Obj";

/// The schema that all these files can be read as.
pub(crate) fn merged(files: &[PathBuf], reading: &AvroOptions) -> Result<MergedSchema> {
    let schemas = files.iter().map(|file| Ok((file.display().to_string(), schema_of(file, reading)?)));
    let schemas = schemas.collect::<Result<Vec<(String, Schema)>>>()?;
    let named = schemas.iter().map(|(name, schema)| (name.as_str(), schema));
    Ok(MergedSchema::of(named, reading.conflicts, &reading.limits)?)
}

/// Those of these files that can be read: where damage is to be skipped, a file without a sound header is left out of several,
/// with a warning.
pub(crate) fn readable(files: &[Found], reading: &AvroOptions) -> Result<Vec<Found>> {
    if reading.damage != OnCorruptBlock::Skip || files.len() == 1 {
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
    errors.iter().for_each(|e| aside(&format!("avro-sql: warning: left out a file: {e}")));
    Ok(readable)
}

/// The columns of these files, with those that their directories add.
pub(crate) fn partition_columns(
    schema: &SchemaRef,
    files: &[Found],
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

/// What a header says of the columns of the directories that the file is in.
pub(crate) fn recorded_in(header: &Header) -> Option<String> {
    let entry = header.metadata.iter().rfind(|(key, _)| key == PARTITION_SCHEMA_KEY);
    entry.and_then(|(_, text)| String::from_utf8(text.clone()).ok())
}

/// The header of the file at this path.
fn header(path: &Path, limits: &Limits) -> Result<Header> {
    let named = |e: avro_arrow::Error| Error::from(e.in_file(path.display().to_string()));
    Ok(Header::read(&mut BufReader::with_capacity(READ_BYTES, open(path)?), limits).map_err(named)?.0)
}

/// The schema of the file at this path: of its data, or, where that is what the file has, its text.
pub(crate) fn schema_of(path: &Path, reading: &AvroOptions) -> Result<Schema> {
    schema_in(open(path)?, &path.display().to_string(), Some(path), reading)
}

/// The schema that this file has, or that this is the JSON of.
pub(crate) fn reader_schema(file: &Path, reading: &AvroOptions) -> Result<Schema> {
    match file.to_str() {
        Some(text) if text.trim_start().starts_with(['{', '[', '"']) && !file.exists() => {
            schema_from(text, "--reader-schema", reading)
        }
        _ => schema_of(file, reading),
    }
}

/// The schema with this text, which the argument `of` gave.
pub(crate) fn schema_from(text: &str, of: &str, reading: &AvroOptions) -> Result<Schema> {
    let parsed = parse_schema(text, None, &reading.imports, &reading.limits);
    parsed.map_err(|e| Error::Failed(format!("{of}: {}", with_remedy(&e))))
}

/// The schema of the file with these bytes, called `name` in errors. Beside its `path`, types that it names are looked for.
pub(crate) fn schema_in(file: impl Read, name: &str, path: Option<&Path>, reading: &AvroOptions) -> Result<Schema> {
    let limits = &reading.limits;
    let named = |e: avro_arrow::Error| Error::from(e.in_file(name));
    let failed = |e: io::Error| Error::from(e).within(name);
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
            Err(format!("more than the {} bytes that a schema may have", limits.metadata_bytes))
        }
        Ok(text) => parse_schema(&text, path, &reading.imports, limits).map_err(|e| with_remedy(&e)),
        Err(e) => Err(e),
    };
    schema.or_else(|reason| match starts_as_schema {
        true => Err(Error::Failed(format!("{name}: {reason}"))),
        // It is neither, and the reader of headers knows what else it may be.
        false => Header::read(&mut bytes.as_slice(), limits).map(|(header, _)| header.schema).map_err(named),
    })
}

/// The error in words; where a type is missing, with where it may be.
fn with_remedy(e: &avro_arrow::Error) -> String {
    let remedy = match e.to_string().contains("is not defined before its use") {
        true => "; --import names files or directories that define other types",
        false => "",
    };
    format!("{e}{remedy}")
}

/// Opens a file to read. A directory opens too, but cannot be read: the error is better said here.
pub(crate) fn open(path: &Path) -> Result<File> {
    inputs::local(path)?;
    let file = File::open(path).map_err(|e| Error::file(path, e))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(Error::Failed(format!("{}: is a directory", path.display()))),
        _ => Ok(file),
    }
}
