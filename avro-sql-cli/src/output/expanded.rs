//! Expanded display: each value on its own line after its column's name.

use std::fmt::Write as _;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::fit::width;
use super::{Counts, Display, Output, TextStyle, cells, columns, count, dimmed, printable, write_rows};
use crate::error::Result;

/// Width of the line above a row.
const RULE_WIDTH: usize = 40;

pub(super) struct Expanded<'a> {
    to: &'a mut (dyn Write + Send),
    display: Display,
    counts: Counts,
    names: Vec<String>,
    /// Width of the widest name.
    widest: usize,
}

impl<'a> Expanded<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send), display: Display) -> Self {
        Expanded { to, display, counts: Counts::default(), names: Vec::new(), widest: 0 }
    }
}

impl Output for Expanded<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.names = schema.fields().iter().map(|f| printable(f.name()).replace('\n', "\\n")).collect();
        self.widest = self.names.iter().map(|name| width(name)).max().unwrap_or(0);
        self.counts.columns = self.names.len();
        self.counts.columns_shown = self.names.len();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, TextStyle::PEOPLE)?;
        self.counts.rows += count(batch.num_rows());
        let rows_left = self.display.max_rows.map_or(u64::MAX, |max| max.saturating_sub(self.counts.rows_shown));
        let n_rows = batch.num_rows().min(usize::try_from(rows_left).unwrap_or(usize::MAX));
        write_rows(self.to, n_rows, |row, text| {
            self.counts.rows_shown += 1;
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "{:-<RULE_WIDTH$}", format!("-[ row {} ]", self.counts.rows_shown));
            for (name, cell) in self.names.iter().zip(cells(&columns, row)?) {
                let cell = cell.unwrap_or_else(|| dimmed(&self.display.null, self.display.colored));
                let mut lines = cell.split('\n');
                let blank = " ".repeat(self.widest.saturating_sub(width(name)));
                let _ = writeln!(text, "{name}{blank} | {}", lines.next().unwrap_or(""));
                for line in lines {
                    let _ = writeln!(text, "{} | {line}", " ".repeat(self.widest));
                }
            }
            Ok(())
        })
    }

    fn end(&mut self) -> Result<Counts> {
        if self.counts.rows == 0 {
            self.to.write_all(b"(no rows)\n")?;
        }
        Ok(self.counts)
    }
}
