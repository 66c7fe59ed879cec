//! Output formats: write record batches as bytes. No format holds more than the rows that decide the widths of a table,
//! or a row group. Each format is one file that implements one trait; `value.rs` writes single values.

mod arrow;
mod avro;
mod csv;
mod decimal;
mod dictionaries;
mod expanded;
mod fit;
mod html;
mod json;
mod markdown;
pub(crate) mod parquet;
mod plan;
mod table;
mod union;
mod value;

use std::io::Write;

use ::arrow::array::{Array, RecordBatch};
use ::arrow::datatypes::{Field, Schema};
use ::arrow::error::ArrowError;
use ::parquet::basic::{Compression, ZstdLevel};
use avro_arrow::{Unions, WriteOptions};

use crate::error::Result;
use value::ColumnFormatter;

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A framed table for people.
    Table,
    /// Each value on its own line, for people.
    Line,
    /// RFC 4180, with a header; nested values are JSON text, bytes are hex digits after `\x`.
    Csv,
    /// CSV with tabs between values and `\t`, `\n`, `\r` and `\\` inside them.
    Tsv,
    /// An array of objects.
    Json,
    /// An object on each line.
    Ndjson,
    /// A Markdown table.
    Markdown,
    /// An HTML table.
    Html,
    /// Arrow IPC, the streaming format.
    ArrowStream,
    /// Arrow IPC, the file format with an index at its end.
    ArrowFile,
    /// Parquet.
    Parquet,
    /// Avro container files.
    Avro,
}

/// The destination of an output.
type To<'a> = Box<dyn Write + Send + 'a>;

/// How binary formats are written.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    /// Compression of Parquet pages.
    pub(crate) parquet: Compression,
    /// Avro's write options.
    pub(crate) avro: WriteOptions,
    /// Maximum number of threads that encode and compress.
    pub(crate) threads: usize,
    /// How text formats write unions.
    pub(crate) unions: UnionText,
}

/// How text formats write values of unions of several types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UnionText {
    /// Without a branch.
    #[default]
    Bare,
    /// With the branch's name, `{"long":5}`, if they would be read back as another branch.
    Tagged,
}

/// How values are written as text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TextStyle {
    /// How values of unions are written.
    pub(crate) unions: UnionText,
    /// Maximum number of bytes of a binary value that are written; `None` for all.
    pub(crate) bytes_max: Option<usize>,
}

impl TextStyle {
    /// Values for people: the start of long binary values.
    const PEOPLE: TextStyle = TextStyle { unions: UnionText::Bare, bytes_max: Some(32) };

    /// Returns whole values, with unions in this form.
    fn of(unions: UnionText) -> TextStyle {
        TextStyle { unions, bytes_max: None }
    }
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
#[derive(Debug, Clone)]
pub(crate) struct Display {
    /// Maximum number of rows of a result, half of them from its end; `None` for all.
    pub(crate) max_rows: Option<u64>,
    /// Maximum width of a table in terminal columns; `None` for no limit.
    pub(crate) max_width: Option<usize>,
    /// Whether each value has its own line.
    pub(crate) expanded: bool,
    /// The text of a null.
    pub(crate) null: String,
    /// Whether the text has colors.
    pub(crate) colored: bool,
    /// Whether a table has the types of its columns.
    pub(crate) types: bool,
}

impl Default for Display {
    fn default() -> Self {
        Display { max_rows: None, max_width: None, expanded: false, null: NULL.to_owned(), colored: false, types: true }
    }
}

/// The text of a null, unless the user sets another.
pub(crate) const NULL: &str = "NULL";

/// Writes one result. Called in order: `begin`, any number of `batch`, `end`.
pub(crate) trait Output {
    /// Begins a result with these columns.
    fn begin(&mut self, schema: &Schema) -> Result<()>;
    /// Writes the next rows.
    fn batch(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Ends the result.
    fn end(&mut self) -> Result<Counts>;
    /// Returns the bytes of rows in memory that are not written yet, if they may be many.
    fn held(&self) -> usize {
        0
    }
}

/// How much of a result was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All its rows.
    pub(crate) rows: u64,
    /// Rows written.
    pub(crate) rows_shown: u64,
    /// All its columns.
    pub(crate) columns: usize,
    /// Columns written.
    pub(crate) columns_shown: usize,
    /// Whether a value was cut.
    pub(crate) cut: bool,
}

impl Counts {
    /// Returns the counts of a fully written result.
    fn all(rows: u64, columns: usize) -> Self {
        Counts { rows, rows_shown: rows, columns, columns_shown: columns, cut: false }
    }
}

impl Format {
    /// Returns how unions are decoded for this format in conversions without a query, unless the caller chooses:
    /// Parquet has no unions, and all other formats are written from Arrow unions.
    pub(crate) fn unions(self, asked: Unions) -> Unions {
        match asked {
            Unions::Tagged if self == Format::Parquet => Unions::Struct,
            Unions::Tagged => Unions::Dense,
            asked => asked,
        }
    }

    /// The formats by their names, in the order in which they are listed.
    pub(crate) const NAMES: [(&'static str, Format); 11] = [
        ("table", Format::Table),
        ("line", Format::Line),
        ("csv", Format::Csv),
        ("tsv", Format::Tsv),
        ("json", Format::Json),
        ("ndjson", Format::Ndjson),
        ("markdown", Format::Markdown),
        ("html", Format::Html),
        ("arrow", Format::ArrowStream),
        ("parquet", Format::Parquet),
        ("avro", Format::Avro),
    ];

    /// Returns the format with this name, or with its name in another tool.
    pub(crate) fn named(name: &str) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        let name = match name.as_str() {
            "jsonl" | "jsonlines" => "ndjson",
            "md" => "markdown",
            "vertical" | "expanded" => "line",
            "box" | "duckbox" | "column" => "table",
            "tabs" => "tsv",
            name => name,
        };
        Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// Whether people read it rather than programs.
    pub(crate) fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Line)
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::ArrowFile => "arrow",
            other => Format::NAMES.iter().find(|(_, format)| *format == other).map_or("", |(name, _)| name),
        }
    }

    /// Returns the extension of its files.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Table | Format::Line => "txt",
            Format::Markdown => "md",
            Format::ArrowStream => "arrows",
            other => other.name(),
        }
    }

    /// Whether it is binary: not for a terminal, and with one result for each file.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Format::ArrowStream | Format::ArrowFile | Format::Parquet | Format::Avro)
    }

    /// Returns the separator of two results.
    pub(crate) fn separator(self) -> &'static [u8] {
        // Without a blank line the second table would continue the first.
        if self == Format::Markdown { b"\n" } else { b"" }
    }

    /// Returns an output of this format to `to`, for a result with this schema.
    pub(crate) fn output<'a>(
        self,
        to: &'a mut (dyn Write + Send),
        display: &Display,
        schema: &Schema,
    ) -> Box<dyn Output + 'a> {
        match self {
            Format::Table | Format::Line if plan::is_plan(schema) => Box::new(plan::Plan::new(to)),
            Format::Table if display.expanded => Box::new(expanded::Expanded::new(to, display.clone())),
            Format::Line => Box::new(expanded::Expanded::new(to, display.clone())),
            Format::Table => Box::new(table::Table::new(to, display.clone())),
            Format::Markdown => Box::new(markdown::Markdown::new(to)),
            Format::Html => Box::new(html::Html::new(to)),
            file => file.to_file(Box::new(to), &Writing::default()),
        }
    }

    /// Returns an output of this format that owns its destination, for files.
    pub(crate) fn to_file<'a>(self, to: To<'a>, writing: &Writing) -> Box<dyn Output + 'a> {
        match self {
            Format::Csv | Format::Table | Format::Line | Format::Markdown | Format::Html => {
                Box::new(csv::Csv::new(to, csv::CellSyntax::Csv, writing.unions))
            }
            Format::Tsv => Box::new(csv::Csv::new(to, csv::CellSyntax::Tsv, writing.unions)),
            Format::Json => Box::new(json::Json::new(to, json::JsonLayout::Array, writing.unions)),
            Format::Ndjson => Box::new(json::Json::new(to, json::JsonLayout::Lines, writing.unions)),
            Format::ArrowStream => Box::new(arrow::Arrow::new(to, arrow::IpcFormat::Stream)),
            Format::ArrowFile => Box::new(arrow::Arrow::new(to, arrow::IpcFormat::File)),
            Format::Parquet => Box::new(parquet::Parquet::new(to, writing.parquet, writing.threads)),
            Format::Avro => Box::new(avro::Avro::new(to, writing)),
        }
    }
}

/// Bytes of text gathered before they are written.
const CHUNK_BYTES: usize = 1 << 16;

/// Writes the texts of this number of rows, many of them at once.
fn write_rows(
    to: &mut (impl Write + ?Sized),
    n_rows: usize,
    mut append_row: impl FnMut(usize, &mut String) -> Result<()>,
) -> Result<()> {
    let mut text = String::new();
    for row in 0..n_rows {
        append_row(row, &mut text)?;
        if text.len() >= CHUNK_BYTES {
            to.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    to.write_all(text.as_bytes())?;
    Ok(())
}

/// Prepares the columns of a batch for writing values.
fn columns(batch: &RecordBatch, style: TextStyle) -> Result<Vec<ColumnFormatter<'_>>, ArrowError> {
    batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(f, a)| ColumnFormatter::new(f, a.as_ref(), style))
        .collect()
}

/// Returns the first value of an array as plain text; it must not be null.
pub(crate) fn text(field: &Field, array: &dyn Array) -> std::result::Result<String, ArrowError> {
    let mut text = String::new();
    ColumnFormatter::new(field, array, TextStyle::default())?.text(0, &mut text)?;
    Ok(text)
}

/// Returns the values of a row as plain text; `None` for a null.
fn cells(columns: &[ColumnFormatter<'_>], row: usize) -> Result<Vec<Option<String>>, ArrowError> {
    let cell = |column: &ColumnFormatter<'_>| -> Result<Option<String>, ArrowError> {
        if column.is_null(row) {
            return Ok(None);
        }
        let mut cell = String::new();
        column.text(row, &mut cell)?;
        Ok(Some(printable(&cell)))
    };
    columns.iter().map(cell).collect()
}

/// Returns the text, dimmed on a terminal with colors.
fn dimmed(text: &str, colored: bool) -> String {
    if colored { format!("\x1b[90m{text}\x1b[0m") } else { text.to_owned() }
}

/// Escapes everything but line breaks that a terminal would interpret: data must not move the cursor.
fn printable(text: &str) -> String {
    // For example the characters that reverse the direction of text.
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

/// Converts a number of rows; no machine has more than 64 bits count.
fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
