//! Encodes the columns of a batch to rows: their bytes, and where each row ends.
//!
//! Some hundred rows are encoded at a time, in two steps. First each column's values are encoded into a table, so that
//! the column's type is decided once for all rows. Then the values are stored row by row. (Lineitem: half the time of
//! measuring all columns first and then writing each value to its position.)
//!
//! A table has values of at most eight bytes as short values, strings and bytes as strings, and other values as inline
//! values; all values of a column are of one kind. Lists, unions and most records that may be null are in no table:
//! [`nested`](super::nested) writes them when their row is stored.

use super::bind::{Bound, BoundColumn, Data, forbidden_null, unwritable};
use super::nested::put_value;
use super::row_buffer::{
    InlineValue, RowBuffer, SHORT_VALUES_MAX, UNWRITABLE, behind, inline_bytes, inline_long, inline_value,
};
use super::short_values::ShortValues;
use super::slow_values::{SlowValue, leaf};
use super::strings::StringValues;
use super::table_rows::TableRows;
use crate::error::Result;
use arrow_buffer::NullBuffer;

/// Maximum number of rows encoded together: enough for long loops over a column, and few enough for the table to stay
/// in the cache.
const ROWS_MAX: usize = 128;

/// Target size of the rows that are encoded together.
const BYTES_WANTED: usize = 64 << 10;

/// Appends at least one row of a batch from `from` on, and returns their number. Appends the end of each in `out` to
/// `ends`.
pub(super) fn append(
    row: &Bound<'_>,
    from: usize,
    n_rows: usize,
    out: &mut RowBuffer,
    ends: &mut Vec<usize>,
) -> Result<usize> {
    // As many rows as the size of the last one suggests.
    let last = match ends.as_slice() {
        [.., before, last] => last - before,
        _ => BYTES_WANTED / 16,
    };
    let n = (BYTES_WANTED / last.max(1)).clamp(1, ROWS_MAX).min(n_rows - from);
    let table = Table::of(vec![row], TableRows { from, len: n })?;
    for row in 0..n {
        table.put_row(row, out)?;
        ends.push(out.len());
    }
    Ok(n)
}

/// The values of some rows.
struct Table<'a> {
    rows: TableRows,
    /// Short values.
    short_values: ShortValues,
    strings: Vec<StringValues<'a>>,
    /// The content of each column of inline values.
    columns: Vec<Cells<'a>>,
    /// Row by row.
    inline_values: Vec<InlineValue>,
    /// The parts of a row.
    steps: Vec<ColumnWrite<'a>>,
}

/// The content of a column of inline values.
enum Cells<'a> {
    /// Scalars, with their tags.
    Values(&'a BoundColumn<'a>),
    /// Equal bytes in each row.
    Constant(&'a [u8]),
}

enum ColumnWrite<'a> {
    /// Columns of short values: the first, and their number.
    ShortValues(usize, usize),
    /// Columns of strings: the first, and their number.
    StringValues(usize, usize),
    /// Columns of inline values: the first, and their number.
    Slots(usize, usize),
    /// A column that is in no table.
    Nested(&'a BoundColumn<'a>),
}

impl<'a> Table<'a> {
    fn new(rows: TableRows, n_columns: usize) -> Table<'a> {
        let short_values = ShortValues::new(rows.len, n_columns);
        Table {
            rows,
            short_values,
            strings: Vec::new(),
            columns: Vec::new(),
            inline_values: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The table of these values, which every row has, one after the other.
    fn of(parts: Vec<&'a Bound<'a>>, rows: TableRows) -> Result<Table<'a>> {
        let mut table = Table::new(rows, parts.iter().map(|part| part.n_short_values()).sum());
        for part in parts {
            table.add(part)?;
        }
        table.fill()?;
        Ok(table)
    }

    fn add(&mut self, part: &'a Bound<'a>) -> Result<()> {
        match part {
            Bound::Constant(bytes) => {
                if !self.short_values(|short_values, _| short_values.add_constant(bytes)) {
                    self.add_cells(Cells::Constant(bytes));
                }
            }
            Bound::Column(column) => self.add_column(column)?,
        }
        Ok(())
    }

    /// Adds columns of short values, if `add` does.
    fn short_values<T>(&mut self, add: impl FnOnce(&mut ShortValues, TableRows) -> T) -> T {
        let first = self.short_values.n_columns();
        let added = add(&mut self.short_values, self.rows);
        match (self.short_values.n_columns() - first, self.steps.last_mut()) {
            (0, _) => {}
            (more, Some(ColumnWrite::ShortValues(_, n))) if *n + more <= SHORT_VALUES_MAX => *n += more,
            (more, _) => self.steps.push(ColumnWrite::ShortValues(first, more)),
        }
        added
    }

    fn add_cells(&mut self, cells: Cells<'a>) {
        match self.steps.last_mut() {
            Some(ColumnWrite::Slots(_, n)) => *n += 1,
            _ => self.steps.push(ColumnWrite::Slots(self.columns.len(), 1)),
        }
        self.columns.push(cells);
    }

    /// Clears all rows but these. `None` if the table has more than short values and strings.
    fn only_in(mut self, rows: &[usize]) -> Option<Table<'a>> {
        if !self.steps.iter().all(|step| matches!(step, ColumnWrite::ShortValues(..) | ColumnWrite::StringValues(..))) {
            return None;
        }
        let mut kept = vec![false; self.rows.len];
        for row in rows {
            if let Some(kept) = kept.get_mut(*row) {
                *kept = true;
            }
        }
        self.short_values.keep(&kept);
        self.strings.iter_mut().for_each(|strings| strings.keep(&kept));
        Some(self)
    }

    /// Adds a table of short values and strings for the same rows.
    fn append(&mut self, other: Table<'a>) {
        let (short_values, strings) = (self.short_values.n_columns(), self.strings.len());
        self.short_values.append(other.short_values);
        self.strings.extend(other.strings);
        for step in other.steps {
            match (step, self.steps.last_mut()) {
                (ColumnWrite::ShortValues(_, more), Some(ColumnWrite::ShortValues(_, n)))
                    if *n + more <= SHORT_VALUES_MAX =>
                {
                    *n += more
                }
                (ColumnWrite::StringValues(_, more), Some(ColumnWrite::StringValues(_, n))) => *n += more,
                (ColumnWrite::ShortValues(first, n), _) => {
                    self.steps.push(ColumnWrite::ShortValues(short_values + first, n))
                }
                (ColumnWrite::StringValues(first, n), _) => {
                    self.steps.push(ColumnWrite::StringValues(strings + first, n))
                }
                (step, _) => self.steps.push(step),
            }
        }
    }

    fn add_column(&mut self, column: &'a BoundColumn<'a>) -> Result<()> {
        match (&column.data, &column.nulls) {
            (Data::List(..) | Data::Union(..), _) => {
                self.steps.push(ColumnWrite::Nested(column));
                return Ok(());
            }
            // A record that is never null is a part of the row.
            (Data::Record(parts), None) => {
                self.short_values(|short_values, rows| short_values.add_tags(column, rows));
                return parts.iter().try_for_each(|part| self.add(part));
            }
            (Data::Record(parts), Some(nulls)) => return self.add_nullable(column, parts, nulls),
            _ => self.check_nulls(column)?,
        }
        if let Some((strings, has_tags)) = StringValues::of(column, self.rows) {
            if !has_tags {
                self.short_values(|short_values, rows| short_values.add_tags(column, rows));
            }
            match self.steps.last_mut() {
                Some(ColumnWrite::StringValues(_, n)) => *n += 1,
                _ => self.steps.push(ColumnWrite::StringValues(self.strings.len(), 1)),
            }
            self.strings.push(strings);
            return Ok(());
        }
        if !self.short_values(|short_values, rows| short_values.add(column, rows)) {
            self.add_cells(Cells::Values(column));
        }
        Ok(())
    }

    /// Fails if a value is null and the schema forbids it.
    fn check_nulls(&self, column: &BoundColumn<'_>) -> Result<()> {
        let Some(nulls) = &column.nulls else { return Ok(()) };
        if column.plan.tags.null.is_some() || matches!(column.data, Data::Null) {
            return Ok(());
        }
        match self.rows.all().position(|at| nulls.is_null(at)) {
            Some(row) => Err(forbidden_null(column).at(|p| p.row = Some(row as u64))),
            None => Ok(()),
        }
    }

    /// Adds a record that is null in some rows. One that is mostly present has columns, which write nothing in the
    /// other rows.
    fn add_nullable(&mut self, column: &'a BoundColumn<'a>, parts: &'a [Bound<'a>], nulls: &NullBuffer) -> Result<()> {
        let valid: Vec<usize> = (0..self.rows.len).filter(|row| nulls.is_valid(self.rows.from + row)).collect();
        if 2 * valid.len() >= self.rows.len
            && parts.iter().all(Bound::is_flat)
            && let Ok(inner) = Table::of(parts.iter().collect(), self.rows)
            && let Some(inner) = inner.only_in(&valid)
        {
            self.check_nulls(column)?;
            self.short_values(|short_values, rows| short_values.add_tags(column, rows));
            self.append(inner);
        } else {
            self.steps.push(ColumnWrite::Nested(column));
        }
        Ok(())
    }
}

impl Table<'_> {
    /// Encodes the values that are not short values.
    fn fill(&mut self) -> Result<()> {
        let width = self.columns.len();
        self.inline_values = vec![0; self.rows.len * width];
        for (at, cells) in self.columns.iter().enumerate() {
            // The inline values of a column are strided by the number of columns.
            let inline_values = self.inline_values.get_mut(at..).unwrap_or_default().iter_mut().step_by(width);
            match cells {
                Cells::Constant(bytes) => inline_values.for_each(|to| *to = inline_bytes(bytes)),
                Cells::Values(column) => {
                    leaf!(&column.data, leaf => fill(leaf, self.rows, column, inline_values))
                        .map_err(|(row, what)| unwritable(column.plan, what).at(|p| p.row = Some(row as u64)))?;
                }
            }
        }
        Ok(())
    }

    /// Appends a row. Inlined, so that decisions common to all rows are made once.
    #[inline(always)]
    fn put_row(&self, row: usize, out: &mut RowBuffer) -> Result<()> {
        let mut at = out.len();
        for step in &self.steps {
            match step {
                ColumnWrite::ShortValues(first, n) => at = self.short_values.put(*first, *n, row, at, out),
                ColumnWrite::StringValues(first, n) => {
                    for strings in self.strings.get(*first..first + n).unwrap_or_default() {
                        at = strings.put(row, at, out);
                    }
                }
                ColumnWrite::Slots(first, n) => {
                    out.set_len(at);
                    self.put_inline_values(*first, *n, row, out);
                    at = out.len();
                }
                ColumnWrite::Nested(column) => {
                    at = put_value(column, self.rows.from + row, at, out)
                        .map_err(|e| e.at(|p| p.row = Some(row as u64)))?;
                }
            }
        }
        out.set_len(at);
        Ok(())
    }

    /// Appends a row's inline values of some columns.
    fn put_inline_values(&self, first: usize, n: usize, row: usize, out: &mut RowBuffer) {
        let width = self.columns.len();
        let from = row * width + first;
        let mut inline_values = self.inline_values.get(from..from + n).unwrap_or_default();
        let mut column = first;
        out.reserve(16 * n);
        while let Some(long) = out.inline_values(inline_values) {
            self.put_long(column + long, row, out);
            out.reserve(16 * n);
            inline_values = inline_values.get(long + 1..).unwrap_or_default();
            column += long + 1;
        }
    }

    /// Appends a value that is too long for its inline value.
    #[inline(never)]
    fn put_long(&self, column: usize, row: usize, out: &mut RowBuffer) {
        match self.columns.get(column) {
            Some(Cells::Constant(bytes)) => out.extend(bytes),
            Some(Cells::Values(column)) => {
                if let Some(branch) = column.plan.tags.value {
                    out.long(branch as i64);
                }
                leaf!(&column.data, leaf => leaf.put(self.rows.from + row, out));
            }
            None => {}
        }
    }
}

/// Encodes the values of a column, or returns the row that cannot be encoded and why.
fn fill<'s, L: SlowValue>(
    leaf: &L,
    rows: TableRows,
    column: &BoundColumn<'_>,
    inline_values: impl Iterator<Item = &'s mut InlineValue>,
) -> Result<(), (usize, String)> {
    let tag = |branch: Option<usize>| branch.map_or(inline_value(0, 0), |branch| inline_long(branch as i64));
    let (tag, null) = (tag(column.plan.tags.value), tag(column.plan.tags.null));
    let fits = |row: usize, at: usize, inline_value: InlineValue| match inline_value {
        UNWRITABLE if !L::SURE => Err((row, leaf.why(at))),
        inline_value => Ok(inline_value),
    };
    let rows = rows.all().enumerate().zip(inline_values);
    match &column.nulls {
        None if column.plan.tags.value.is_none() => {
            for ((row, at), to) in rows {
                *to = fits(row, at, leaf.inline_value(at))?;
            }
        }
        None => {
            for ((row, at), to) in rows {
                *to = behind(tag, fits(row, at, leaf.inline_value(at))?);
            }
        }
        // Nulls are hard to predict, so this has no branch on them.
        Some(nulls) if L::SURE => {
            for ((_, at), to) in rows {
                let mask = u128::from(nulls.is_valid(at)).wrapping_neg();
                *to = (behind(tag, leaf.inline_value(at)) & mask) | (null & !mask);
            }
        }
        Some(nulls) => {
            for ((row, at), to) in rows {
                *to = if nulls.is_valid(at) { behind(tag, fits(row, at, leaf.inline_value(at))?) } else { null };
            }
        }
    }
    Ok(())
}
