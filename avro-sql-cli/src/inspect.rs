//! The tools that look at files without reading their rows: `schema`, `compat` and `count`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use arrow::datatypes::{DataType, Field};
use avro_arrow::container::{self, Header, Positioned};
use avro_arrow::schema::{Fingerprint, MergedSchema, Schema};
use avro_arrow::{Damage, Limits, Options, Program, Reader, Severity};
use avro_datafusion::AvroOptions;

use crate::error::{Error, Result, say};
use crate::options::{Hash, SchemaForm, SchemaOf, Total};
use crate::{inputs, skipped};

/// Bytes asked for at a time where a file is read for its header.
const READ_BYTES: usize = 1 << 14;

/// What files of Avro data start with.
const MAGIC: &[u8] = b"Obj";

/// What some editors put before text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Prints a schema.
pub(crate) fn schema(of: &SchemaOf, form: SchemaForm, reading: &AvroOptions) -> Result<()> {
    let schema = match of {
        SchemaOf::One(file) => schema_of(file, &reading.limits)?,
        SchemaOf::All(paths) => {
            let merged = merged(&inputs::expand(paths)?, reading)?;
            let mut out = io::stderr().lock();
            for field in &merged.fields {
                writeln!(out, "{field}")?;
            }
            merged.schema
        }
    };
    let text = match form {
        SchemaForm::Avro => pretty(schema.json()),
        SchemaForm::Arrow => {
            let AvroOptions { strings, enums, unions, pairs, recursion_levels, limits, .. } = reading.clone();
            let options = Options { strings, enums, unions, pairs, recursion_levels, limits, ..Options::default() };
            let program = Program::compile(&schema, &options).map_err(|e| e.in_file(of.name()))?;
            let mut text = String::new();
            for field in program.arrow_schema().fields() {
                describe(field, 0, &mut text);
            }
            text
        }
        SchemaForm::Canonical => format!("{}\n", schema.canonical_form()),
        SchemaForm::Fingerprint(hash) => {
            let fingerprint = match hash {
                Hash::Rabin => Fingerprint::Rabin(schema.rabin()),
                Hash::Md5 => Fingerprint::Md5(schema.md5()),
                Hash::Sha256 => Fingerprint::Sha256(schema.sha256()),
            };
            format!("{fingerprint}\n")
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The schema that all these files can be read as.
pub(crate) fn merged(files: &[PathBuf], reading: &AvroOptions) -> Result<MergedSchema> {
    let schemas = files.iter().map(|file| Ok((file.display().to_string(), schema_of(file, &reading.limits)?)));
    let schemas = schemas.collect::<Result<Vec<(String, Schema)>>>()?;
    let named = schemas.iter().map(|(name, schema)| (name.as_str(), schema));
    Ok(MergedSchema::of(named, reading.conflicts, &reading.limits)?)
}

/// Prints why a reader cannot read what a writer wrote. That is a failure; nothing to say is none.
pub(crate) fn compat(reader: &Path, writer: &Path, reading: &AvroOptions) -> Result<()> {
    let limits = &reading.limits;
    let mismatches = schema_of(reader, limits)?.mismatches(&schema_of(writer, limits)?, reading.field_match, limits)?;
    let mut out = io::stdout().lock();
    for mismatch in &mismatches {
        let some = if mismatch.severity == Severity::SomeValues { " (some values)" } else { "" };
        writeln!(out, "{mismatch}{some}")?;
    }
    match mismatches.len() {
        0 => Ok(()),
        n => {
            let reasons = if n == 1 { "1 reason".to_owned() } else { format!("{n} reasons") };
            Err(Error::Failed(format!("{} cannot read {}: {reasons}", reader.display(), writer.display())))
        }
    }
}

/// The schema of the file at this path: of its data, or, where that is what the file has, its text.
pub(crate) fn schema_of(path: &Path, limits: &Limits) -> Result<Schema> {
    let named = |e: avro_arrow::Error| Error::from(e.in_file(path.display().to_string()));
    let mut file = BufReader::with_capacity(READ_BYTES, open(path)?);
    let mut bytes = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut bytes).map_err(|e| Error::file(path, e))?;
    if bytes == MAGIC {
        let (header, _) = Header::read(&mut bytes.chain(file), limits).map_err(named)?;
        return Ok(header.schema);
    }
    file.take(limits.metadata_bytes as u64).read_to_end(&mut bytes).map_err(|e| Error::file(path, e))?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let schema = match str::from_utf8(text) {
        _ if bytes.len() > limits.metadata_bytes => {
            Err(format!("more than the {} bytes that a schema may have", limits.metadata_bytes))
        }
        Ok(text) => Schema::parse(text, limits).map_err(|e| e.to_string()),
        Err(e) => Err(format!("not UTF-8 at byte {}", e.valid_up_to())),
    };
    schema.or_else(|reason| match text.trim_ascii_start() {
        [b'{' | b'[' | b'"', ..] => Err(Error::Failed(format!("{}: {reason}", path.display()))),
        // It is neither, and the reader of headers knows what else it may be.
        _ => Header::read(&mut bytes.as_slice(), limits).map(|(header, _)| header.schema).map_err(named),
    })
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

/// JSON with line breaks; text that is not JSON after all (numbers no `f64` can hold, say) as it is.
fn pretty(json: &str) -> String {
    let mut text = serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned());
    text.push('\n');
    text
}

/// One line for a field, `name: type`, and lines below for the fields inside it.
fn describe(field: &Field, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let kind = match field.data_type() {
        DataType::Struct(_) => "Struct".to_owned(),
        DataType::List(_) => "List".to_owned(),
        DataType::Map(_, _) => "Map".to_owned(),
        DataType::Union(_, mode) => format!("Union ({})", format!("{mode:?}").to_lowercase()),
        leaf => leaf.to_string(),
    };
    let null = if field.is_nullable() { "" } else { " not null" };
    text.push_str(&format!("{indent}{}: {kind}{null}\n", field.name()));
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|f| describe(f, depth + 1, text)),
        DataType::List(item) => describe(item, depth + 1, text),
        DataType::Map(entries, _) => {
            if let DataType::Struct(fields) = entries.data_type() {
                fields.iter().for_each(|f| describe(f, depth + 1, text));
            }
        }
        DataType::Union(fields, _) => fields.iter().for_each(|(_, f)| describe(f, depth + 1, text)),
        _ => {}
    }
}

/// Prints how many rows the files have.
pub(crate) fn count(paths: &[PathBuf], total: Total, reading: &AvroOptions) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut sum = 0u64;
    for path in inputs::expand(paths)? {
        let rows = match reading.damage {
            Damage::Refuse => {
                let mut file = Positioned::new(open(&path)?);
                container::count_rows(&mut file, &reading.limits)
            }
            Damage::Skip => count_around_damage(&path, &reading.limits, open(&path)?),
        };
        let rows = rows.map_err(|e| e.in_file(path.display().to_string()))?;
        if let Total::PerFile = total {
            writeln!(out, "{rows}\t{}", path.display())?;
        }
        sum += rows;
    }
    if let Total::Sum = total {
        writeln!(out, "{sum}")?;
    }
    out.flush()?;
    Ok(())
}

/// Counts the rows of the blocks that are whole: all bytes are read and decompressed, and every row is walked. Says what was
/// skipped.
fn count_around_damage(path: &Path, limits: &Limits, file: File) -> avro_arrow::Result<u64> {
    let options =
        Options { projection: Some(vec![]), damage: Damage::Skip, limits: limits.clone(), ..Options::default() };
    let mut reader = Reader::new(file, &options)?;
    let mut rows = 0;
    loop {
        let batch = reader.next().transpose()?;
        for damaged in reader.take_damage() {
            say(&skipped::line(&path.display().to_string(), &damaged));
        }
        match batch {
            Some(batch) => rows += batch.num_rows() as u64,
            None => return Ok(rows),
        }
    }
}
