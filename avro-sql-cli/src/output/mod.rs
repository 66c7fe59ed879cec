//! Answers as bytes: record batches in, text out. One file per format behind one trait; `value.rs` writes single values.

mod csv;
mod json;
mod table;
mod value;

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use crate::error::Result;

/// A format that answers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: columns in a frame.
    Table,
    /// RFC 4180, with a header; nested values are JSON text, bytes are hex after `\x`.
    Csv,
    /// As CSV, with tabs between values and `\t`, `\n`, `\r` and `\\` inside them.
    Tsv,
    /// An array of objects.
    Json,
    /// An object a line.
    Ndjson,
}

/// Writes one answer. Called in order: `begin`, any number of `batch`, `end`.
pub(crate) trait Output {
    /// The answer has these columns.
    fn begin(&mut self, schema: &Schema) -> Result<()>;
    /// The next rows.
    fn batch(&mut self, batch: &RecordBatch) -> Result<()>;
    /// There are no more rows.
    fn end(&mut self) -> Result<Counts>;
}

/// How many rows an answer has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All of them.
    pub(crate) rows: u64,
    /// Those that were written.
    pub(crate) shown: u64,
}

impl Format {
    /// An output of this format to `to`, of at most `max_rows` rows where the format is for people.
    pub(crate) fn output<'a>(self, to: &'a mut dyn Write, max_rows: Option<u64>) -> Box<dyn Output + 'a> {
        match self {
            Format::Table => Box::new(table::Table::new(to, max_rows)),
            Format::Csv => Box::new(csv::Csv::new(to, csv::Flavour::Csv)),
            Format::Tsv => Box::new(csv::Csv::new(to, csv::Flavour::Tsv)),
            Format::Json => Box::new(json::Json::new(to, json::Flavour::Array)),
            Format::Ndjson => Box::new(json::Json::new(to, json::Flavour::Lines)),
        }
    }
}

#[cfg(test)]
mod tests;
