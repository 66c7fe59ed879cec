//! Answers as bytes: record batches in, one of the formats out, batch by batch: no format holds more than the rows that decide
//! how wide a table is, or a row group. One file per format behind one trait; `value.rs` writes single values.

mod arrow;
mod avro;
mod csv;
mod decimal;
mod dictionaries;
mod expanded;
mod fit;
mod json;
mod markdown;
pub(crate) mod parquet;
mod table;
mod union;
mod value;

use std::io::Write;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::Schema;
use ::arrow::error::ArrowError;
use ::parquet::basic::{Compression, ZstdLevel};
use avro_arrow::{Unions, WriteOptions};

use crate::error::Result;
use value::Column;

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
    /// A table of Markdown.
    Markdown,
    /// Arrow IPC, the streaming format.
    ArrowStream,
    /// Arrow IPC, the file format with an index at its end.
    ArrowFile,
    /// Parquet.
    Parquet,
    /// Avro container files.
    Avro,
}

/// What an output writes to.
type To<'a> = Box<dyn Write + Send + 'a>;

/// How formats that are no text are written.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    /// Compression of Parquet's pages.
    pub(crate) parquet: Compression,
    /// All there is to choose about Avro.
    pub(crate) avro: WriteOptions,
    /// Threads that may encode and compress.
    pub(crate) threads: usize,
    /// How text formats write the values of unions.
    pub(crate) unions: UnionText,
}

/// How text formats write the values of unions of several types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UnionText {
    /// As themselves.
    #[default]
    Bare,
    /// With the branch's name, `{"long":5}`, where they would be read back as another branch.
    Tagged,
}

impl Default for Writing {
    fn default() -> Self {
        Writing {
            parquet: Compression::ZSTD(ZstdLevel::default()),
            avro: WriteOptions::default(),
            threads: 1,
            unions: UnionText::Bare,
        }
    }
}

/// How formats for people show rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Display {
    /// Rows that are shown of each answer; `None` is all.
    pub(crate) max_rows: Option<u64>,
    /// Columns of the terminal that a table takes at most; `None` is as many as it needs.
    pub(crate) max_width: Option<usize>,
    /// Is a row shown as lines, one for each of its values?
    pub(crate) expanded: bool,
}

/// Writes one answer. Called in order: `begin`, any number of `batch`, `end`.
pub(crate) trait Output {
    /// The answer has these columns.
    fn begin(&mut self, schema: &Schema) -> Result<()>;
    /// The next rows.
    fn batch(&mut self, batch: &RecordBatch) -> Result<()>;
    /// There are no more rows.
    fn end(&mut self) -> Result<Counts>;
    /// Bytes of rows that are in memory and not written yet, where those may be many.
    fn held(&self) -> usize {
        0
    }
}

/// What of an answer was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All its rows.
    pub(crate) rows: u64,
    /// Those that were written.
    pub(crate) rows_shown: u64,
    /// All its columns.
    pub(crate) columns: usize,
    /// Those that were written.
    pub(crate) columns_shown: usize,
    /// Was a value longer than its place?
    pub(crate) cut: bool,
}

impl Counts {
    /// Everything was written of an answer with these rows and columns.
    fn all(rows: u64, columns: usize) -> Self {
        Counts { rows, rows_shown: rows, columns, columns_shown: columns, cut: false }
    }
}

impl Format {
    /// The form in which unions are decoded for this format where no query runs, unless the caller asks for one: Parquet has no
    /// unions, and all other formats are written from Arrow's.
    pub(crate) fn unions(self, asked: Unions) -> Unions {
        match asked {
            Unions::Tagged if self == Format::Parquet => Unions::Struct,
            Unions::Tagged => Unions::Dense,
            asked => asked,
        }
    }

    /// The formats by the names that users give them, in the order in which they are listed.
    pub(crate) const NAMES: [(&'static str, Format); 9] = [
        ("table", Format::Table),
        ("csv", Format::Csv),
        ("tsv", Format::Tsv),
        ("json", Format::Json),
        ("ndjson", Format::Ndjson),
        ("markdown", Format::Markdown),
        ("arrow", Format::ArrowStream),
        ("parquet", Format::Parquet),
        ("avro", Format::Avro),
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::ArrowFile => "arrow",
            other => Format::NAMES.iter().find(|(_, format)| *format == other).map_or("", |(name, _)| name),
        }
    }

    /// How the names of its files end.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Format::Table => "txt",
            Format::Markdown => "md",
            Format::ArrowStream => "arrows",
            other => other.name(),
        }
    }

    /// Is it nothing for a terminal to show? Such a format also holds one answer and no second one behind it.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Format::ArrowStream | Format::ArrowFile | Format::Parquet | Format::Avro)
    }

    /// What stands between two answers.
    pub(crate) fn separator(self) -> &'static [u8] {
        // Without a blank line the second table would be rows of the first.
        if self == Format::Markdown { b"\n" } else { b"" }
    }

    /// An output of this format to `to`.
    pub(crate) fn output<'a>(self, to: &'a mut (dyn Write + Send), display: Display) -> Box<dyn Output + 'a> {
        match self {
            Format::Table if display.expanded => Box::new(expanded::Expanded::new(to, display)),
            Format::Table => Box::new(table::Table::new(to, display)),
            Format::Markdown => Box::new(markdown::Markdown::new(to)),
            file => file.to_file(Box::new(to), &Writing::default()),
        }
    }

    /// An output of this format to something of its own, as files are written.
    pub(crate) fn to_file<'a>(self, to: To<'a>, writing: &Writing) -> Box<dyn Output + 'a> {
        match self {
            Format::Csv | Format::Table | Format::Markdown => {
                Box::new(csv::Csv::new(to, csv::Flavour::Csv, writing.unions))
            }
            Format::Tsv => Box::new(csv::Csv::new(to, csv::Flavour::Tsv, writing.unions)),
            Format::Json => Box::new(json::Json::new(to, json::Flavour::Array, writing.unions)),
            Format::Ndjson => Box::new(json::Json::new(to, json::Flavour::Lines, writing.unions)),
            Format::ArrowStream => Box::new(arrow::Arrow::new(to, arrow::Flavour::Stream)),
            Format::ArrowFile => Box::new(arrow::Arrow::new(to, arrow::Flavour::File)),
            Format::Parquet => Box::new(parquet::Parquet::new(to, writing.parquet, writing.threads)),
            Format::Avro => Box::new(avro::Avro::new(to, writing)),
        }
    }
}

/// The columns of a batch, ready for writing their values.
fn columns(batch: &RecordBatch, unions: UnionText) -> Result<Vec<Column<'_>>, ArrowError> {
    batch.schema_ref().fields().iter().zip(batch.columns()).map(|(f, a)| Column::new(f, a.as_ref(), unions)).collect()
}

/// The values of a row as people read them.
fn cells(columns: &[Column<'_>], row: usize) -> Result<Vec<String>, ArrowError> {
    let mut cells = Vec::with_capacity(columns.len());
    for column in columns {
        let mut cell = String::new();
        if column.is_null(row) {
            cell.push_str("NULL");
        } else {
            column.text(row, &mut cell)?;
        }
        cells.push(printable(&cell));
    }
    Ok(cells)
}

/// The text with everything but line breaks that a terminal would act on made visible: data must not move the cursor.
fn printable(text: &str) -> String {
    // Such as the characters that turn round how what is behind them is shown.
    let acts =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(acts) {
        return text.to_owned();
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts(c) { printable.extend(c.escape_default()) } else { printable.push(c) }
    }
    printable
}

/// A number of rows, which no machine has more of than 64 bits count.
fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
