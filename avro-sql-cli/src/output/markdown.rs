//! Markdown: a GitHub-style table. Rows are written as they arrive, so columns are not aligned in the text.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{Counts, Output, TextStyle, columns, count, printable, write_rows};
use crate::error::Result;

pub(super) struct Markdown<'a> {
    to: &'a mut (dyn Write + Send),
    rows: u64,
    columns: usize,
}

impl<'a> Markdown<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send)) -> Self {
        Markdown { to, rows: 0, columns: 0 }
    }
}

impl Output for Markdown<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.columns = schema.fields().len();
        let mut text = String::from("|");
        for field in schema.fields() {
            cell(field.name(), &mut text);
        }
        text.push_str("\n|");
        for field in schema.fields() {
            text.push_str(if field.data_type().is_numeric() { " ---: |" } else { " --- |" });
        }
        text.push('\n');
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, TextStyle::default())?;
        let mut value = String::new();
        write_rows(self.to, batch.num_rows(), |row, text| {
            text.push('|');
            for column in &columns {
                value.clear();
                column.text(row, &mut value)?;
                cell(&value, text);
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

/// Appends a value with characters escaped that would end its cell or are Markdown syntax.
fn cell(value: &str, to: &mut String) {
    to.push(' ');
    for c in printable(&value.replace("\r\n", "\n")).chars() {
        match c {
            '\n' => to.push_str("<br>"),
            '<' => to.push_str("&lt;"),
            '&' => to.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '~' | '[' => {
                to.push('\\');
                to.push(c);
            }
            c => to.push(c),
        }
    }
    to.push_str(if value.is_empty() { "|" } else { " |" });
}
