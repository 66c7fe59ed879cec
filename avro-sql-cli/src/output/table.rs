//! A table for people: columns in a frame, as wide as the first rows need. Later rows are written as they come; a value
//! wider than its column pushes its line out rather than being cut.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use unicode_width::UnicodeWidthStr;

use super::value::Column;
use super::{Counts, Output};
use crate::error::Result;

/// Rows that decide how wide columns are.
const SIZING_ROWS: usize = 1000;

pub(super) struct Table<'a> {
    to: &'a mut dyn Write,
    max_rows: u64,
    counts: Counts,
    names: Vec<String>,
    right: Vec<bool>,
    /// Rows that wait for the widths to be known.
    waiting: Vec<Vec<String>>,
    /// Widths of the columns, once known.
    widths: Option<Vec<usize>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(to: &'a mut dyn Write, max_rows: Option<u64>) -> Self {
        Table {
            to,
            max_rows: max_rows.unwrap_or(u64::MAX),
            counts: Counts::default(),
            names: Vec::new(),
            right: Vec::new(),
            waiting: Vec::new(),
            widths: None,
        }
    }

    /// Decides how wide columns are and writes the header and the rows that waited.
    fn open(&mut self) -> Result<()> {
        let mut widths: Vec<usize> = self.names.iter().map(|name| width(name)).collect();
        for row in &self.waiting {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        let mut text = String::new();
        frame(&widths, &mut text);
        line(&self.names, &widths, &vec![false; widths.len()], &mut text);
        frame(&widths, &mut text);
        for row in self.waiting.drain(..) {
            line(&row, &widths, &self.right, &mut text);
        }
        self.widths = Some(widths);
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }
}

impl Output for Table<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.names = schema.fields().iter().map(|f| printable(f.name())).collect();
        self.right = schema.fields().iter().map(|f| f.data_type().is_numeric()).collect();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let fields = batch.schema_ref().fields().iter();
        let columns =
            fields.zip(batch.columns()).map(|(f, a)| Column::new(f, a.as_ref())).collect::<Result<Vec<_>, _>>()?;
        self.counts.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            if self.counts.shown == self.max_rows {
                break;
            }
            self.counts.shown += 1;
            let mut cells = Vec::with_capacity(columns.len());
            for column in &columns {
                let mut cell = String::new();
                if column.is_null(row) {
                    cell.push_str("NULL");
                } else {
                    column.text(row, &mut cell)?;
                }
                cells.push(printable(&cell));
            }
            match &self.widths {
                Some(widths) => line(&cells, widths, &self.right, &mut text),
                None => {
                    self.waiting.push(cells);
                    if self.waiting.len() == SIZING_ROWS {
                        self.open()?;
                    }
                }
            }
        }
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        if self.widths.is_none() {
            self.open()?;
        }
        let mut text = String::new();
        frame(self.widths.as_deref().unwrap_or_default(), &mut text);
        self.to.write_all(text.as_bytes())?;
        Ok(self.counts)
    }
}

/// The text with everything but line breaks that a terminal would act on made visible: data must not move the cursor.
fn printable(text: &str) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        return text.to_owned();
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() && c != '\n' { printable.extend(c.escape_default()) } else { printable.push(c) }
    }
    printable
}

/// Terminal columns of the widest line.
fn width(cell: &str) -> usize {
    cell.split('\n').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

fn frame(widths: &[usize], to: &mut String) {
    to.push('+');
    for width in widths {
        to.extend(std::iter::repeat_n('-', width + 2));
        to.push('+');
    }
    to.push('\n');
}

/// A row: as many lines as its cell of most lines has.
fn line(cells: &[String], widths: &[usize], right: &[bool], to: &mut String) {
    let lines = cells.iter().map(|cell| cell.split('\n').count()).max().unwrap_or(1);
    for n in 0..lines {
        to.push('|');
        for ((cell, width), right) in cells.iter().zip(widths).zip(right) {
            let part = cell.split('\n').nth(n).unwrap_or("");
            let blank = std::iter::repeat_n(' ', width.saturating_sub(part.width()));
            to.push(' ');
            if *right {
                to.extend(blank);
                to.push_str(part);
            } else {
                to.push_str(part);
                to.extend(blank);
            }
            to.push_str(" |");
        }
        to.push('\n');
    }
}
