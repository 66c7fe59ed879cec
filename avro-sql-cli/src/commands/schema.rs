//! Local files and their schemas, before rows are read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use avro_arrow::container::Header;
use avro_arrow::idl::Document;
use avro_arrow::schema::{MergedSchema, Schema};
use avro_arrow::{ErrorKind, Limits, OnCorruptBlock};
use avro_datafusion::{
    AvroOptions, PARTITION_SCHEMA_KEY, PartitionColumns, is_idl, parse_document, parse_schema, schema_text,
    split_type_name,
};

use super::registry;
use crate::error::place::Place;
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
    let parsed = parse_schema(text, None, &reading.imports, reading.schema_type.as_deref(), &reading.limits);
    parsed.map_err(|e| failed(of, &e))
}

/// The content of a file that has a schema.
enum Content {
    /// The header of a data file.
    Header(Box<Header>),
    /// The bytes of another file, and their text or the reason why they are not text.
    Text(Vec<u8>, std::result::Result<String, String>),
}

/// Reads a file with a schema; errors call it `name`.
fn content(file: impl Read, name: &str, limits: &Limits) -> Result<Content> {
    let failed = |e: io::Error| Error::from(e).with_context(name);
    let mut file = BufReader::with_capacity(READ_BYTES, file);
    let mut bytes = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes == MAGIC {
        let header = Header::read(&mut bytes.chain(file), limits).map_err(|e| Error::from(e.in_file(name)))?.0;
        return Ok(Content::Header(Box::new(header)));
    }
    file.take(limits.metadata_bytes as u64).read_to_end(&mut bytes).map_err(failed)?;
    let text = match bytes.len() > limits.metadata_bytes {
        true => Err(format!("larger than {} bytes, the limit for a schema", limits.metadata_bytes)),
        false => schema_text(&bytes),
    };
    Ok(Content::Text(bytes, text))
}

/// Reads the schema of the file with these bytes; errors call it `name`. Types that it names are searched beside
/// `path`, which may have the name of a type after `#`.
pub(crate) fn schema_in(file: impl Read, name: &str, path: Option<&Path>, reading: &AvroOptions) -> Result<Schema> {
    schema_of_content(content(file, name, &reading.limits)?, name, path, reading)
}

/// Reads the types and the protocol of the file with these bytes: Avro IDL, a protocol, or the schema of another file.
/// `path` is as for [`schema_in`].
pub(crate) fn document_in(file: impl Read, name: &str, path: Option<&Path>, reading: &AvroOptions) -> Result<Document> {
    let limits = &reading.limits;
    let content = content(file, name, limits)?;
    let (local, type_name) = type_of(path, reading);
    if let (Content::Text(_, Ok(text)), None) = (&content, type_name) {
        let parsed = parse_document(text, local.as_deref(), &reading.imports, limits).map_err(|e| failed(name, &e))?;
        if let Some(document) = parsed {
            return Ok(document);
        }
    }
    let schema = schema_of_content(content, name, path, reading)?;
    Document::from_schema(&schema, limits).map_err(|e| failed(name, &e))
}

fn schema_of_content(content: Content, name: &str, path: Option<&Path>, reading: &AvroOptions) -> Result<Schema> {
    let (bytes, text) = match content {
        Content::Header(header) => return Ok(header.schema),
        Content::Text(bytes, text) => (bytes, text),
    };
    let limits = &reading.limits;
    let (path, type_name) = type_of(path, reading);
    let (is_schema, parsed) = match text {
        Ok(text) => {
            let starts = text.trim_ascii_start().starts_with(['{', '[', '"']) || is_idl(&text, path.as_deref());
            let parsed = parse_schema(&text, path.as_deref(), &reading.imports, type_name.as_deref(), limits);
            (starts, parsed.map_err(|e| failed(name, &e)))
        }
        Err(reason) => {
            let starts = bytes.trim_ascii_start().starts_with(b"{") || bytes.len() > limits.metadata_bytes;
            (starts, Err(Error::Failed(format!("{name}: {reason}"))))
        }
    };
    parsed.or_else(|error| match is_schema {
        true => Err(error),
        // It is neither; the header reader names other formats it recognizes.
        false => {
            let header = Header::read(&mut bytes.as_slice(), limits);
            header.map(|(header, _)| header.schema).map_err(|e| Error::from(e.in_file(name)))
        }
    })
}

/// Returns the path of a schema file and the name of the type to take from it.
fn type_of(path: Option<&Path>, reading: &AvroOptions) -> (Option<PathBuf>, Option<String>) {
    let (path, type_name) = path.map(split_type_name).unzip();
    (path, type_name.flatten().or_else(|| reading.schema_type.clone()))
}

/// Returns the error of a schema that was found in `of`.
fn failed(of: &str, e: &avro_arrow::Error) -> Error {
    match e.kind() {
        ErrorKind::Idl { place, .. } if place.file.is_empty() => {
            Error::Statement(format!("{of}: {e}"), Place::of_text(place))
        }
        ErrorKind::Idl { place, .. } => Error::Statement(e.to_string(), Place::of_text(place)),
        _ if e.position().file.is_some() => Error::Failed(with_remedy(e)),
        _ => Error::Failed(format!("{of}: {}", with_remedy(e))),
    }
}

/// Returns the error text; if a type is missing, with the option that finds it.
fn with_remedy(e: &avro_arrow::Error) -> String {
    let remedy = match e.to_string().contains("is not defined before its use") {
        true => "; use --import for the file or directory that defines it",
        false => "",
    };
    format!("{e}{remedy}")
}

/// Opens a file; a schema file may have the name of a type after `#`. Opening a directory succeeds but reading fails,
/// so the error is returned here.
pub(crate) fn open(path: &Path) -> Result<File> {
    inputs::local(path)?;
    let file = File::open(split_type_name(path).0).map_err(|e| Error::file(path, e))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(Error::Failed(format!("{}: is a directory", path.display()))),
        _ => Ok(file),
    }
}
