//! HTML: a `<table>`, for mails and tickets. Rows are written as they arrive.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{Counts, Output, TextStyle, columns, count, printable, write_rows};
use crate::error::Result;

pub(super) struct Html<'a> {
    to: &'a mut (dyn Write + Send),
    rows: u64,
    /// The attributes of each column's cells.
    attributes: Vec<&'static str>,
}

impl<'a> Html<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send)) -> Self {
        Html { to, rows: 0, attributes: Vec::new() }
    }
}

impl Output for Html<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        let mut text = String::from("<table>\n<thead>\n<tr>");
        for field in schema.fields() {
            self.attributes.push(if field.data_type().is_numeric() { " align=\"right\"" } else { "" });
            text.push_str("<th>");
            escape(field.name(), &mut text);
            text.push_str("</th>");
        }
        text.push_str("</tr>\n</thead>\n<tbody>\n");
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, TextStyle::default())?;
        let mut value = String::new();
        write_rows(self.to, batch.num_rows(), |row, text| {
            text.push_str("<tr>");
            for (column, attributes) in columns.iter().zip(&self.attributes) {
                value.clear();
                column.text(row, &mut value)?;
                text.extend(["<td", attributes, ">"]);
                escape(&value, text);
                text.push_str("</td>");
            }
            text.push_str("</tr>\n");
            Ok(())
        })?;
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        self.to.write_all(b"</tbody>\n</table>\n")?;
        Ok(Counts::all(self.rows, self.attributes.len()))
    }
}

/// Appends a text with the characters escaped that are HTML syntax.
fn escape(text: &str, to: &mut String) {
    for c in printable(text).chars() {
        match c {
            '\n' => to.push_str("<br>"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '&' => to.push_str("&amp;"),
            '"' => to.push_str("&quot;"),
            c => to.push(c),
        }
    }
}
