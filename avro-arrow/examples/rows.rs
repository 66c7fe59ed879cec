//! Reads lines `FILE` or `FILE<tab>READER.avsc` and prints the rows of each file, resolved to that schema: `rows N` and
//! N lines of JSON by the rules of `testdata/README.md`, or `error TEXT` on one line.
//!
//! `testdata/differential.py` runs it:
//!
//! ```sh
//! printf 'testdata/valid/enum.avro\n' | cargo run --release -p avro-arrow --example rows
//! ```

#[allow(dead_code, clippy::unwrap_used, clippy::panic)]
#[path = "../tests/support/json.rs"]
mod json;

use arrow_array::RecordBatch;
use avro_arrow::schema::Schema;
use avro_arrow::{Limits, Options, ReaderBuilder, reference};
use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write, stdin, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(stdout().lock());
    for line in stdin().lines() {
        let line = line?;
        let (path, reader) = match line.split_once('\t') {
            Some((path, reader)) => (path, Some(fs::read_to_string(reader)?)),
            None => (line.as_str(), None),
        };
        match read(&fs::read(path)?, reader.as_deref()) {
            Ok(batches) => {
                let rows = json::lines(&batches);
                writeln!(out, "rows {}", rows.len())?;
                rows.iter().try_for_each(|row| writeln!(out, "{row}"))?;
            }
            Err(error) => writeln!(out, "error {}", error.to_string().replace('\n', " "))?,
        }
    }
    Ok(out.flush()?)
}

/// All batches of a file, by the program; the reference must have found the same.
fn read(file: &[u8], reader: Option<&str>) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let schema = reader.map(|json| Schema::parse(json, &Limits::default())).transpose()?;
    let options = Options::default().with_reader_schema(schema);
    let fast = ReaderBuilder::new()
        .with_options(options.clone())
        .build(file)
        .and_then(|reader| reader.collect::<Result<Vec<_>, _>>());
    let slow = reference::read(file, &options);
    match (&fast, &slow) {
        (Ok(fast), Ok(slow)) if json::lines(fast) != json::lines(slow) => Err("the reference finds other rows")?,
        (Ok(_), Err(error)) => Err(format!("the reference fails: {error}"))?,
        (Err(error), Ok(_)) => Err(format!("the program alone fails: {error}"))?,
        _ => Ok(fast?),
    }
}
