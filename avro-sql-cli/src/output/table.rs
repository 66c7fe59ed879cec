//! Tables for people: framed columns, as wide as the first rows need and the terminal allows. Later rows are written as
//! they arrive. Without a width limit, a value wider than its column is not cut but widens its line.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use unicode_width::UnicodeWidthStr;

use super::fit::{CUT, LayoutCell, cut, fit, width};
use super::{Counts, Display, Output, UnionText, cells, columns, count, printable};
use crate::error::Result;

/// Rows that decide the column widths.
const SIZING_ROWS: usize = 1000;

pub(super) struct Table<'a> {
    to: &'a mut (dyn Write + Send),
    display: Display,
    counts: Counts,
    names: Vec<String>,
    right: Vec<bool>,
    /// Rows that wait for the widths.
    waiting: Vec<Vec<String>>,
    /// The layout of a line, once known.
    places: Option<Vec<LayoutCell>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send), display: Display) -> Self {
        Table {
            to,
            display,
            counts: Counts::default(),
            names: Vec::new(),
            right: Vec::new(),
            waiting: Vec::new(),
            places: None,
        }
    }

    /// Decides the column widths, and writes the header and the waiting rows.
    fn open(&mut self) -> Result<()> {
        let mut wanted: Vec<usize> = self.names.iter().map(|name| width(name)).collect();
        for row in &self.waiting {
            for (widest, cell) in wanted.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        let places = fit(&wanted, self.display.max_width);
        self.counts.columns_shown = places.iter().filter(|place| matches!(place, LayoutCell::Column { .. })).count();
        let mut text = String::new();
        frame(&places, &mut text);
        self.counts.cut |= self.line(&self.names, &places, Align::Left, &mut text);
        frame(&places, &mut text);
        for row in std::mem::take(&mut self.waiting) {
            self.counts.cut |= self.line(&row, &places, Align::ByType, &mut text);
        }
        self.places = Some(places);
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Appends a row: as many lines as its tallest cell. Returns whether something was cut.
    fn line(&self, cells: &[String], places: &[LayoutCell], align: Align, to: &mut String) -> bool {
        let shown = |place: &LayoutCell| match place {
            LayoutCell::Column { idx, .. } => cells.get(*idx).map_or(1, |cell| cell.split('\n').count()),
            LayoutCell::Gap => 1,
        };
        let mut any_cut = false;
        for n in 0..places.iter().map(shown).max().unwrap_or(1) {
            to.push('|');
            for place in places {
                let (part, width, right) = match place {
                    LayoutCell::Gap => ((if n == 0 { CUT } else { " " }).to_owned(), 1, false),
                    LayoutCell::Column { idx, width } => {
                        let part = cells.get(*idx).and_then(|cell| cell.split('\n').nth(n)).unwrap_or("");
                        let (part, was_cut) = match self.display.max_width {
                            Some(_) => cut(part, *width),
                            None => (part.to_owned(), false),
                        };
                        any_cut |= was_cut;
                        (part, *width, align == Align::ByType && self.right.get(*idx).is_some_and(|right| *right))
                    }
                };
                let blank = std::iter::repeat_n(' ', width.saturating_sub(part.width()));
                to.push(' ');
                if right {
                    to.extend(blank);
                    to.push_str(&part);
                } else {
                    to.push_str(&part);
                    to.extend(blank);
                }
                to.push_str(" |");
            }
            to.push('\n');
        }
        any_cut
    }
}

/// The alignment of values in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    /// Numbers right, all else left.
    ByType,
}

impl Output for Table<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.names = schema.fields().iter().map(|f| printable(f.name())).collect();
        self.right = schema.fields().iter().map(|f| f.data_type().is_numeric()).collect();
        self.counts.columns = self.names.len();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, UnionText::Bare)?;
        self.counts.rows += count(batch.num_rows());
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            if Some(self.counts.rows_shown) == self.display.max_rows {
                break;
            }
            self.counts.rows_shown += 1;
            let cells = cells(&columns, row)?;
            match &self.places {
                Some(places) => self.counts.cut |= self.line(&cells, places, Align::ByType, &mut text),
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
        if self.places.is_none() {
            self.open()?;
        }
        let mut text = String::new();
        frame(self.places.as_deref().unwrap_or_default(), &mut text);
        self.to.write_all(text.as_bytes())?;
        Ok(self.counts)
    }
}

fn frame(places: &[LayoutCell], to: &mut String) {
    to.push('+');
    for place in places {
        let width = match place {
            LayoutCell::Column { width, .. } => *width,
            LayoutCell::Gap => 1,
        };
        to.extend(std::iter::repeat_n('-', width + 2));
        to.push('+');
    }
    to.push('\n');
}
