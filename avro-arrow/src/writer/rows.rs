//! Encodes the columns of a batch to rows: their bytes, and where each row ends.
//!
//! Some hundred rows are encoded at a time, in two steps. First each column's values are encoded into a table, so that
//! the column's type is decided once for all rows. Then the values are stored row by row. (Lineitem: half the time of
//! measuring all columns first and then writing each value to its position.)
//!
//! A table has values of at most eight bytes as `short values`, strings and bytes as `strings`, and other values as
//! inline values (`out`); all values of a column are of one kind. The content of lists, of unions and of records that
//! are mostly null has tables of its own, with a row for each item.

use super::bind::{Bound, BoundColumn, Data, unwritable};
use super::row_buffer::{
    InlineValue, RowBuffer, SHORT_VALUES_MAX, UNWRITABLE, behind, inline_bytes, inline_long, inline_value,
};
use super::selection::RowSelection;
use super::short_values::ShortValues;
use super::slow_values::{
    DecimalValues, Durations, Encoded, FixedValues, FixedViews, Longs, Nothing, SlowValue, SymbolValues,
};
use super::strings::StringValues;
use crate::error::Result;
use std::ops::Range;

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
    let table = Table::of(vec![row], RowSelection::From(from, n))?;
    for row in 0..n {
        table.put_row(row, out);
        ends.push(out.len());
    }
    Ok(n)
}

/// The values of some rows or items.
struct Table<'a> {
    rows: RowSelection,
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
    /// Values that not every row has: by row, the index in the table.
    Some(Vec<Option<usize>>, Table<'a>),
    /// Lists: by row, the first item in the table and the number of items, if it has a list.
    List(Vec<Option<(usize, usize)>>, Table<'a>),
    /// By row, the table that has its value, and the index in it. Each table begins with the union's tag.
    Union(Vec<(usize, usize)>, Vec<Table<'a>>),
}

impl<'a> Table<'a> {
    fn new(rows: RowSelection, n_columns: usize) -> Table<'a> {
        let short_values = ShortValues::new(rows.len(), n_columns);
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
    fn of(parts: Vec<&'a Bound<'a>>, rows: RowSelection) -> Result<Table<'a>> {
        let mut table = Table::new(rows, parts.iter().map(|part| part.n_short_values()).sum());
        for part in parts {
            table.add(part)?;
        }
        table.fill()?;
        Ok(table)
    }

    /// The table of these columns, after the branch of a union if they are one.
    fn of_columns(
        branch: Option<usize>,
        columns: impl Iterator<Item = &'a BoundColumn<'a>>,
        rows: RowSelection,
    ) -> Result<Table<'a>> {
        let mut table = Table::new(rows, 2);
        if let Some(branch) = branch {
            table.short_values(|short_values, _| short_values.add_branch(branch));
        }
        for column in columns {
            table.add_column(column)?;
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
    fn short_values<T>(&mut self, add: impl FnOnce(&mut ShortValues, &RowSelection) -> T) -> T {
        let first = self.short_values.n_columns();
        let added = add(&mut self.short_values, &self.rows);
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
        let mut kept = vec![false; self.rows.len()];
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
        let n = self.rows.len();
        let is_valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(self.rows.at(row)));
        if column.plan.tags.null.is_none()
            && !matches!(column.data, Data::Null)
            && let Some(row) = (0..n).find(|row| !is_valid(*row)).filter(|_| column.nulls.is_some())
        {
            let what = "null, which the schema forbids here".to_owned();
            return Err(unwritable(column.plan, what).at(|p| p.row = Some(row as u64)));
        }
        let is_leaf = !matches!(column.data, Data::Record(_) | Data::List(..) | Data::Union(..));
        if is_leaf && let Some((strings, has_tags)) = StringValues::of(column, &self.rows) {
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
        if is_leaf {
            if !self.short_values(|short_values, rows| short_values.add(column, rows)) {
                self.add_cells(Cells::Values(column));
            }
            return Ok(());
        }
        let valid: Option<Vec<usize>> = column.nulls.as_ref().map(|_| (0..n).filter(|row| is_valid(*row)).collect());
        self.short_values(|short_values, rows| short_values.add_tags(column, rows));
        let step = match (&column.data, valid) {
            // A record that is never null is a part of the row.
            (Data::Record(parts), None) => return parts.iter().try_for_each(|part| self.add(part)),
            (Data::Record(parts), Some(valid)) => {
                // A record that is mostly present has columns too, which write nothing in the other rows.
                if 2 * valid.len() >= n
                    && parts.iter().all(Bound::is_flat)
                    && let Ok(inner) = Table::of(parts.iter().collect(), self.rows.clone())
                    && let Some(inner) = inner.only_in(&valid)
                {
                    self.append(inner);
                    return Ok(());
                }
                let inner = Table::of(parts.iter().collect(), self.rows.pick(&valid));
                let inner = inner.map_err(|e| e.at(|p| p.row = outer(p.row, &valid)))?;
                ColumnWrite::Some(indices(&valid, n), inner)
            }
            (Data::List(offsets, columns), valid) => {
                let range = |row: usize| {
                    let at = self.rows.at(row);
                    let offset = |at: usize| offsets.get(at).map_or(0, |offset| *offset as usize);
                    offset(at)..offset(at + 1)
                };
                let (items, lists) = match (&self.rows, valid) {
                    (RowSelection::From(..), None) => {
                        let first = range(0).start;
                        let lists = (0..n).map(range).map(|range| Some((range.start - first, range.len())));
                        let n_items = if n == 0 { 0 } else { range(n - 1).end - first };
                        (RowSelection::From(first, n_items), lists.collect::<Vec<_>>())
                    }
                    (_, valid) => {
                        let rows = valid.unwrap_or_else(|| (0..n).collect());
                        let mut lists = vec![None; n];
                        let mut items = Vec::new();
                        for row in rows {
                            if let Some(list) = lists.get_mut(row) {
                                *list = Some((items.len(), range(row).len()));
                            }
                            items.extend(range(row));
                        }
                        (RowSelection::Picked(items.into()), lists)
                    }
                };
                let inner = Table::of_columns(None, columns.iter(), items);
                ColumnWrite::List(lists.clone(), inner.map_err(|e| e.at(|p| p.row = of_item(p.row, &lists)))?)
            }
            (Data::Union(of_rows, columns), valid) => {
                let rows = valid.unwrap_or_else(|| (0..n).collect());
                let mut picked = vec![(Vec::new(), Vec::new()); columns.len()];
                let mut places = vec![(usize::MAX, 0); n];
                for row in rows {
                    let (child, at) = of_rows.get(self.rows.at(row)).copied().unwrap_or_default();
                    if let (Some((own, values)), Some(place)) =
                        (picked.get_mut(usize::from(child)), places.get_mut(row))
                    {
                        *place = (usize::from(child), own.len());
                        own.push(row);
                        values.push(at as usize);
                    }
                }
                let tables = columns.iter().zip(picked).map(|((branch, column), (own, values))| {
                    let rows = RowSelection::Picked(values.into());
                    let table = Table::of_columns(Some(*branch), std::iter::once(column), rows);
                    table.map_err(|e| e.at(|p| p.row = outer(p.row, &own)))
                });
                ColumnWrite::Union(places, tables.collect::<Result<_>>()?)
            }
            _ => return Ok(()),
        };
        self.steps.push(step);
        Ok(())
    }
}

/// By row, its index among the picked rows.
fn indices(picked: &[usize], n: usize) -> Vec<Option<usize>> {
    let mut indices = vec![None; n];
    for (at, row) in picked.iter().enumerate() {
        if let Some(index) = indices.get_mut(*row) {
            *index = Some(at);
        }
    }
    indices
}

/// The original row of a picked row.
fn outer(row: Option<u64>, rows: &[usize]) -> Option<u64> {
    row.and_then(|row| rows.get(row as usize)).map(|row| *row as u64)
}

/// The row of an item.
fn of_item(item: Option<u64>, lists: &[Option<(usize, usize)>]) -> Option<u64> {
    let item = item? as usize;
    let has = |list: &Option<(usize, usize)>| list.is_some_and(|(first, n)| (first..first + n).contains(&item));
    lists.iter().position(has).map(|row| row as u64)
}

/// Runs code with the values of a scalar column.
macro_rules! leaf {
    ($data:expr, $leaf:ident => $then:expr) => {
        match $data {
            Data::Long(values) => leaf!(@ $leaf = Longs(values), $then),
            Data::Fixed(values, size) => leaf!(@ $leaf = FixedValues(values, *size), $then),
            Data::FixedViews(views, size) => leaf!(@ $leaf = FixedViews(views, *size), $then),
            Data::Encoded(ends, values, unfit) => leaf!(@ $leaf = Encoded(ends, values, unfit), $then),
            Data::Enum(keys, symbols) => leaf!(@ $leaf = SymbolValues(keys, symbols), $then),
            Data::Decimal128(values, size) => leaf!(@ $leaf = DecimalValues(values, *size), $then),
            Data::Decimal256(values, size) => leaf!(@ $leaf = DecimalValues(values, *size), $then),
            Data::Duration(values) => leaf!(@ $leaf = Durations(values), $then),
            // Always short values.
            Data::Null | Data::Boolean(_) | Data::Int(_) | Data::Float(_) | Data::Double(_) => {
                leaf!(@ $leaf = Nothing, $then)
            }
            // Texts and containers.
            Data::Text(..) | Data::LargeText(..) | Data::Views(_) => leaf!(@ $leaf = Nothing, $then),
            Data::List(..) | Data::Record(_) | Data::Union(..) => leaf!(@ $leaf = Nothing, $then),
        }
    };
    (@ $leaf:ident = $value:expr, $then:expr) => {{
        let $leaf = &$value;
        $then
    }};
}

impl Table<'_> {
    /// Encodes the values that are not short values.
    fn fill(&mut self) -> Result<()> {
        let width = self.columns.len();
        self.inline_values = vec![0; self.rows.len() * width];
        for (at, cells) in self.columns.iter().enumerate() {
            // The inline values of a column are strided by the number of columns.
            let inline_values = self.inline_values.get_mut(at..).unwrap_or_default().iter_mut().step_by(width);
            match cells {
                Cells::Constant(bytes) => inline_values.for_each(|to| *to = inline_bytes(bytes)),
                Cells::Values(column) => {
                    leaf!(&column.data, leaf => fill(leaf, &self.rows, column, inline_values))
                        .map_err(|(row, what)| unwritable(column.plan, what).at(|p| p.row = Some(row as u64)))?;
                }
            }
        }
        Ok(())
    }

    /// Appends rows.
    fn put(&self, rows: Range<usize>, out: &mut RowBuffer) {
        for row in rows {
            self.put_row(row, out);
        }
    }

    /// Appends a row. Inlined, so that decisions common to all rows are made once.
    #[inline(always)]
    fn put_row(&self, row: usize, out: &mut RowBuffer) {
        let mut at = out.len();
        for step in &self.steps {
            match step {
                ColumnWrite::ShortValues(first, n) => at = self.short_values.put(*first, *n, row, at, out),
                ColumnWrite::StringValues(first, n) => {
                    for strings in self.strings.get(*first..first + n).unwrap_or_default() {
                        at = strings.put(row, at, out);
                    }
                }
                step => {
                    out.set_len(at);
                    self.put_step(step, row, out);
                    at = out.len();
                }
            }
        }
        out.set_len(at);
    }

    /// Appends a step's value of a row.
    fn put_step(&self, step: &ColumnWrite<'_>, row: usize, out: &mut RowBuffer) {
        match step {
            ColumnWrite::ShortValues(..) | ColumnWrite::StringValues(..) => {}
            ColumnWrite::Slots(first, n) => {
                let width = self.columns.len();
                let from = row * width + first;
                let mut inline_values = self.inline_values.get(from..from + n).unwrap_or_default();
                let mut column = *first;
                out.reserve(16 * n);
                while let Some(long) = out.inline_values(inline_values) {
                    self.put_long(column + long, row, out);
                    out.reserve(16 * n);
                    inline_values = inline_values.get(long + 1..).unwrap_or_default();
                    column += long + 1;
                }
            }
            ColumnWrite::Some(indices, inner) => {
                if let Some(row) = indices.get(row).copied().flatten() {
                    inner.put(row..row + 1, out);
                }
            }
            // SPEC: Complex Types, Arrays: "a long count value, followed by that many array items. A block with count
            // zero indicates the end of the array."
            ColumnWrite::List(lists, items) => {
                let Some((first, n)) = lists.get(row).copied().flatten() else { return };
                if n > 0 {
                    out.long(n as i64);
                }
                items.put(first..first + n, out);
                out.long(0);
            }
            ColumnWrite::Union(places, tables) => {
                let Some((child, row)) = places.get(row).copied() else { return };
                if let Some(table) = tables.get(child) {
                    table.put(row..row + 1, out);
                }
            }
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
                leaf!(&column.data, leaf => leaf.put(self.rows.at(row), out));
            }
            None => {}
        }
    }
}

/// Encodes the values of a column, or returns the row that cannot be encoded and why.
fn fill<'s, L: SlowValue>(
    leaf: &L,
    rows: &RowSelection,
    column: &BoundColumn<'_>,
    inline_values: impl Iterator<Item = &'s mut InlineValue>,
) -> Result<(), (usize, String)> {
    match rows {
        RowSelection::From(from, _) => fill_rows(leaf, *from.., column, inline_values),
        RowSelection::Picked(picked) => fill_rows(leaf, picked.iter().copied(), column, inline_values),
    }
}

fn fill_rows<'s, L: SlowValue>(
    leaf: &L,
    rows: impl Iterator<Item = usize>,
    column: &BoundColumn<'_>,
    inline_values: impl Iterator<Item = &'s mut InlineValue>,
) -> Result<(), (usize, String)> {
    let tag = |branch: Option<usize>| branch.map_or(inline_value(0, 0), |branch| inline_long(branch as i64));
    let (tag, null) = (tag(column.plan.tags.value), tag(column.plan.tags.null));
    let fits = |row: usize, at: usize, inline_value: InlineValue| match inline_value {
        UNWRITABLE if !L::SURE => Err((row, leaf.why(at))),
        inline_value => Ok(inline_value),
    };
    let rows = rows.enumerate().zip(inline_values);
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
