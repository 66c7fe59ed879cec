//! CSV and TSV: a header, then a line for each row. A null is empty and an empty text is `""`.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{Counts, Output, TextStyle, To, UnionText, columns, count, write_rows};
use crate::error::Result;

/// The delimiter and the escaping of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellSyntax {
    /// Commas and quotes.
    Csv,
    /// Tabs and backslashes.
    Tsv,
}

pub(super) struct Csv<'a> {
    to: To<'a>,
    flavor: CellSyntax,
    unions: UnionText,
    rows: u64,
    columns: usize,
}

impl<'a> Csv<'a> {
    pub(super) fn new(to: To<'a>, flavor: CellSyntax, unions: UnionText) -> Self {
        Csv { to, flavor, unions, rows: 0, columns: 0 }
    }
}

impl Output for Csv<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.columns = schema.fields().len();
        let mut line = String::new();
        for (n, field) in schema.fields().iter().enumerate() {
            self.flavor.separate(n, &mut line);
            self.flavor.escape(field.name(), &mut line);
        }
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, TextStyle::of(self.unions))?;
        let mut value = String::new();
        write_rows(&mut self.to, batch.num_rows(), |row, text| {
            for (n, column) in columns.iter().enumerate() {
                self.flavor.separate(n, text);
                if !column.is_null(row) {
                    value.clear();
                    column.text(row, &mut value)?;
                    self.flavor.escape(&value, text);
                }
            }
            text.push('\n');
            Ok(())
        })?;
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        Ok(Counts::all(self.rows, self.columns))
    }
}

impl CellSyntax {
    /// Appends the delimiter before the `n`th value of a line.
    fn separate(self, n: usize, to: &mut String) {
        if n > 0 {
            to.push(match self {
                CellSyntax::Csv => ',',
                CellSyntax::Tsv => '\t',
            });
        }
    }

    fn escape(self, value: &str, to: &mut String) {
        match self {
            CellSyntax::Csv if value.is_empty() || has(value, b",\"\n\r") => {
                to.push('"');
                for (n, part) in value.split('"').enumerate() {
                    to.push_str(if n > 0 { "\"\"" } else { "" });
                    to.push_str(part);
                }
                to.push('"');
            }
            CellSyntax::Tsv if value.is_empty() => to.push_str("\"\""),
            CellSyntax::Tsv if value == "\"\"" => to.push_str("\\\"\""),
            CellSyntax::Tsv if has(value, b"\t\n\r\\") => {
                for c in value.chars() {
                    match c {
                        '\t' => to.push_str("\\t"),
                        '\n' => to.push_str("\\n"),
                        '\r' => to.push_str("\\r"),
                        '\\' => to.push_str("\\\\"),
                        c => to.push(c),
                    }
                }
            }
            _ => to.push_str(value),
        }
    }
}

/// Whether the value contains one of these ASCII characters.
fn has(value: &str, special: &[u8; 4]) -> bool {
    value.bytes().any(|b| special.contains(&b))
}
