//! The tools that look at files without reading their rows: `schema` and `count`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::datatypes::{DataType, Field};
use avro_arrow::container::{self, Header};
use avro_arrow::{Damage, Limits, Options, Program, Reader};
use avro_datafusion::AvroOptions;

use crate::error::{Error, Result, say};
use crate::options::{SchemaForm, Total};
use crate::{inputs, skipped};

/// Bytes asked for at a time where a file is read for its header or its block headers.
const READ_BYTES: usize = 1 << 14;

/// Prints the schema of a file.
pub(crate) fn schema(file: &Path, form: SchemaForm, reading: &AvroOptions) -> Result<()> {
    let header = header(file, &reading.limits)?;
    let text = match form {
        SchemaForm::Avro => {
            let json = header.metadata.iter().find(|(key, _)| key == "avro.schema").map(|(_, json)| json.as_slice());
            pretty(json.unwrap_or_default())
        }
        SchemaForm::Arrow => {
            let AvroOptions { strings, enums, unions, pairs, recursion_levels, limits, .. } = reading.clone();
            let options = Options { strings, enums, unions, pairs, recursion_levels, limits, ..Options::default() };
            let program =
                Program::compile(&header.schema, &options).map_err(|e| e.in_file(file.display().to_string()))?;
            let mut text = String::new();
            for field in program.arrow_schema().fields() {
                describe(field, 0, &mut text);
            }
            text
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The header of the file at this path.
pub(crate) fn header(path: &Path, limits: &Limits) -> Result<Header> {
    let mut file = BufReader::with_capacity(READ_BYTES, open(path)?);
    let (header, _) = Header::read(&mut file, limits).map_err(|e| e.in_file(path.display().to_string()))?;
    Ok(header)
}

/// Opens a file to read. A directory opens too, but cannot be read: the error is better said here.
pub(crate) fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|e| Error::file(path, e))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(Error::Failed(format!("{}: is a directory", path.display()))),
        _ => Ok(file),
    }
}

/// JSON with line breaks; text that is not JSON after all (numbers no `f64` can hold, say) as it is.
fn pretty(json: &[u8]) -> String {
    let mut text = serde_json::from_slice::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| String::from_utf8_lossy(json).into_owned());
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
                let mut file = BufReader::with_capacity(READ_BYTES, open(&path)?);
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
