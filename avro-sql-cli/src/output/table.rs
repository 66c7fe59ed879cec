//! Tables for people: framed columns with their types, as wide as their rows need and the terminal allows.
//!
//! With a row limit, the first and the last rows are shown; all of them are known before the first line is written.
//! Without one, the first rows decide the widths, and later rows are written as they arrive. A number or time is
//! never cut: it widens its line. Nested values are wrapped, and other values cut if the table has a maximum width.

use std::collections::VecDeque;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use avro_datafusion::sql_type_name;
use unicode_width::UnicodeWidthStr;

use super::fit::{CUT, LayoutCell, Wanted, cut, fit, fits, width, wrap};
use super::{Counts, Display, Output, TextStyle, cells, columns, count, dimmed, printable};
use crate::error::Result;

/// Number of rows that are read to choose the column widths, if no maximum number of rows is set.
const SIZING_ROWS: usize = 10_000;

/// Number of bytes of these rows at most.
const SIZING_BYTES: usize = 8 << 20;

/// Digits by which later numbers may be longer than those of these rows.
const GROWTH: usize = 3;

/// Width that the name of a type may add to its column.
const TYPE_WIDTH: usize = 24;

/// Maximum number of lines of a wrapped value.
const WRAPPED_LINES: usize = 8;

pub(super) struct Table<'a> {
    to: &'a mut (dyn Write + Send),
    display: Display,
    counts: Counts,
    columns: Vec<TableColumn>,
    /// Rows that wait for the widths.
    waiting: Vec<Row>,
    waiting_bytes: usize,
    /// The layout of a line, once known.
    places: Option<Vec<LayoutCell>>,
    /// Batches with the last rows of a result that may be longer than the row limit.
    last: VecDeque<RecordBatch>,
}

struct TableColumn {
    name: String,
    type_name: String,
    kind: Kind,
}

/// How the values of a column are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// On the right, and never cut.
    Number,
    /// Never cut.
    Time,
    /// Wrapped.
    Nested,
    Other,
}

/// The cells of a row; `None` for a null.
type Row = Vec<Option<String>>;

/// What a line shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Names,
    Types,
    Values,
}

impl<'a> Table<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send), display: Display) -> Self {
        Table {
            to,
            display,
            counts: Counts::default(),
            columns: Vec::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            places: None,
            last: VecDeque::new(),
        }
    }

    /// Decides the column widths, and writes the header and the waiting rows.
    fn open(&mut self, growth: usize) -> Result<()> {
        let mut wanted: Vec<Wanted> =
            self.columns.iter().map(|column| Wanted { width: width(&column.name), min: 0 }).collect();
        for row in &self.waiting {
            for (wanted, cell) in wanted.iter_mut().zip(row) {
                wanted.min = wanted.min.max(width(cell.as_ref().unwrap_or(&self.display.null)));
            }
        }
        for (wanted, column) in wanted.iter_mut().zip(&self.columns) {
            wanted.min += if column.kind == Kind::Number { growth } else { 0 };
            wanted.width = wanted.width.max(wanted.min);
            wanted.min = if column.kind.is_cut() { 0 } else { wanted.min };
        }
        let wider = wanted.iter().zip(&self.columns).map(|(wanted, column)| Wanted {
            width: wanted.width.max(width(&column.type_name).min(TYPE_WIDTH)),
            ..*wanted
        });
        // Types are cut before a column is narrowed or left out for them.
        let wider: Vec<_> = wider.collect();
        let wanted = if fits(&wider, self.display.max_width) { wider } else { wanted };
        let places = fit(&wanted, self.display.max_width);
        self.counts.columns_shown = places.iter().filter(|place| matches!(place, LayoutCell::Column { .. })).count();
        let mut text = String::new();
        frame(&places, &mut text);
        let names: Row = self.columns.iter().map(|column| Some(column.name.clone())).collect();
        let types: Row = self.columns.iter().map(|column| Some(column.type_name.clone())).collect();
        self.counts.cut |= self.line(&names, &places, Part::Names, &mut text);
        if self.display.types {
            self.line(&types, &places, Part::Types, &mut text);
        }
        frame(&places, &mut text);
        for row in std::mem::take(&mut self.waiting) {
            self.counts.cut |= self.line(&row, &places, Part::Values, &mut text);
        }
        self.places = Some(places);
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Appends the rows of a batch, or lets them wait.
    fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, TextStyle::PEOPLE)?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            let cells = cells(&columns, row)?;
            self.counts.rows_shown += 1;
            if let Some(places) = &self.places {
                let was_cut = self.line(&cells, places, Part::Values, &mut text);
                self.counts.cut |= was_cut;
                continue;
            }
            self.waiting_bytes += cells.iter().flatten().map(String::len).sum::<usize>();
            self.waiting.push(cells);
            if self.waiting.len() == SIZING_ROWS || self.waiting_bytes > SIZING_BYTES {
                self.open(GROWTH)?;
            }
        }
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Appends the mark of rows that are left out.
    fn gap(&mut self) -> Result<()> {
        let row = vec![Some(CUT.to_owned()); self.columns.len()];
        match &self.places {
            Some(places) => {
                let mut text = String::new();
                self.line(&row, places, Part::Values, &mut text);
                self.to.write_all(text.as_bytes())?;
            }
            None => self.waiting.push(row),
        }
        Ok(())
    }

    /// Returns how many rows are shown from the start of the result, and how many from its end.
    fn limits(&self) -> (u64, u64) {
        self.display.max_rows.map_or((u64::MAX, 0), |max| (max.div_ceil(2), max / 2))
    }

    /// Appends a row: as many lines as its tallest cell. Returns whether a value was cut.
    fn line(&self, cells: &[Option<String>], places: &[LayoutCell], part: Part, to: &mut String) -> bool {
        let mut any_cut = false;
        let mut blocks = Vec::with_capacity(places.len());
        for place in places {
            blocks.push(match place {
                LayoutCell::Gap => Block { lines: vec![CUT.to_owned()], width: 1, right: false, style: Style::Dim },
                LayoutCell::Column { idx, width } => {
                    let kind = self.columns.get(*idx).map_or(Kind::Other, |column| column.kind);
                    let cell = cells.get(*idx).cloned().flatten();
                    let style = match (part, &cell) {
                        (Part::Names, _) => Style::Bold,
                        (Part::Types, _) | (_, None) => Style::Dim,
                        _ => Style::Plain,
                    };
                    let cell = cell.unwrap_or_else(|| self.display.null.clone());
                    let (lines, was_cut) = self.lines(&cell, *width, kind, part);
                    any_cut |= was_cut;
                    Block { lines, width: *width, right: kind == Kind::Number, style }
                }
            });
        }
        for n in 0..blocks.iter().map(|block| block.lines.len()).max().unwrap_or(1) {
            to.push('|');
            for block in &blocks {
                block.write(n, self.display.colored, to);
            }
            to.push('\n');
        }
        any_cut
    }

    /// Returns the lines of a cell of this width, and whether a part of it is missing.
    fn lines(&self, cell: &str, width: usize, kind: Kind, part: Part) -> (Vec<String>, bool) {
        // The name of a type may be cut even without a limit: it is wider than its column was meant to be.
        if part != Part::Types && (self.display.max_width.is_none() || (!kind.is_cut() && part == Part::Values)) {
            return (cell.split('\n').map(ToOwned::to_owned).collect(), false);
        }
        if part == Part::Values && kind == Kind::Nested && cell.width() > width {
            return wrap(cell, width, WRAPPED_LINES);
        }
        let (lines, cuts): (Vec<_>, Vec<_>) = cell.split('\n').map(|line| cut(line, width)).unzip();
        (lines, cuts.contains(&true))
    }
}

/// The lines of a cell, and how they are written.
struct Block {
    lines: Vec<String>,
    width: usize,
    right: bool,
    style: Style,
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Bold,
    Dim,
}

impl Block {
    /// Appends the `n`th line.
    fn write(&self, n: usize, colored: bool, to: &mut String) {
        let line = self.lines.get(n).map_or("", String::as_str);
        let blank = std::iter::repeat_n(' ', self.width.saturating_sub(line.width()));
        let styled = match self.style {
            Style::Bold if colored => format!("\x1b[1m{line}\x1b[0m"),
            Style::Dim => dimmed(line, colored),
            _ => line.to_owned(),
        };
        to.push(' ');
        if self.right {
            to.extend(blank);
            to.push_str(&styled);
        } else {
            to.push_str(&styled);
            to.extend(blank);
        }
        to.push_str(" |");
    }
}

impl Kind {
    /// Whether values may be shortened.
    fn is_cut(self) -> bool {
        matches!(self, Kind::Nested | Kind::Other)
    }

    fn from_type(kind: &DataType) -> Kind {
        match kind {
            DataType::Union(..) => Kind::Nested,
            kind if kind.is_numeric() => Kind::Number,
            kind if kind.is_temporal() => Kind::Time,
            kind if kind.is_nested() => Kind::Nested,
            _ => Kind::Other,
        }
    }
}

impl Output for Table<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        let column = |field: &arrow::datatypes::FieldRef| TableColumn {
            name: printable(field.name()),
            type_name: if self.display.types { printable(&sql_type_name(field)) } else { String::new() },
            kind: Kind::from_type(field.data_type()),
        };
        self.columns = schema.fields().iter().map(column).collect();
        self.counts.columns = self.columns.len();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.counts.rows += count(batch.num_rows());
        let (first, last) = self.limits();
        let now = usize::try_from(first.saturating_sub(self.counts.rows_shown)).unwrap_or(usize::MAX);
        let now = now.min(batch.num_rows());
        if now > 0 {
            self.rows(&batch.slice(0, now))?;
        }
        if now == batch.num_rows() || last == 0 {
            return Ok(());
        }
        self.last.push_back(batch.slice(now, batch.num_rows() - now));
        let mut held: u64 = self.last.iter().map(|batch| count(batch.num_rows())).sum();
        while let Some(front) = self.last.front().map(|batch| count(batch.num_rows())).filter(|n| held - n >= last) {
            self.last.pop_front();
            held -= front;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        let (_, last) = self.limits();
        let held: u64 = self.last.iter().map(|batch| count(batch.num_rows())).sum();
        if self.counts.rows_shown + held.min(last) < self.counts.rows {
            self.gap()?;
        }
        let mut skipped = usize::try_from(held.saturating_sub(last)).unwrap_or(usize::MAX);
        for batch in std::mem::take(&mut self.last) {
            let from = skipped.min(batch.num_rows());
            skipped -= from;
            self.rows(&batch.slice(from, batch.num_rows() - from))?;
        }
        if self.places.is_none() {
            self.open(0)?;
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
