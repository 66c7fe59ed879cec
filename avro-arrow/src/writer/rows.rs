//! Rows as bytes: the columns of a batch in, the rows' bytes and where each row ends out.
//!
//! Some hundred rows are done at a time, in two steps. Column by column, values are encoded into a table of slots, so that what a
//! column is gets decided once for all of them, and its loop does nothing else. Then, row by row, the slots are stored one behind the
//! other. (Lineitem: half the time of measuring all columns first and then writing each value to where it belongs.)
//!
//! Values that are too long for a slot are copied in the second step. What is inside of lists, of records that may be null and of
//! unions has tables of its own, with items for rows.

use super::bind::{Bound, Column, Data, unwritable};
use super::leaf::{
    Decimals, Durations, Encoded, Fixed, FixedViews, Floats, Leaf, Longs, Nothing, Symbols, Text, Views,
};
use super::out::{Out, Slot, UNFIT, behind, slot, slot_of, slot_of_long};
use crate::error::Result;
use std::rc::Rc;

/// Rows that are done together at most: so many that a column's loop is long, and so few that their slots stay in the CPU's cache.
const ROWS_MAX: usize = 128;

/// Bytes that rows which are done together should have at most.
const BYTES_WANTED: usize = 64 << 10;

/// Appends the rows of a batch from `from` on: at least one. Gives how many. `ends` gets the end of each in `out`.
pub(super) fn append(
    row: &Bound<'_>,
    from: usize,
    n_rows: usize,
    out: &mut Out,
    ends: &mut Vec<usize>,
) -> Result<usize> {
    // As many as the last one says.
    let last = match ends.as_slice() {
        [.., before, last] => last - before,
        _ => BYTES_WANTED / 16,
    };
    let n = (BYTES_WANTED / last.max(1)).clamp(1, ROWS_MAX).min(n_rows - from);
    let table = Table::of(vec![row], Rows::From(from), n)?;
    for row in 0..n {
        table.put(row, out);
        ends.push(out.len());
    }
    Ok(n)
}

/// Which values of an array the rows have.
#[derive(Debug, Clone)]
enum Rows {
    /// All from this one on.
    From(usize),
    /// These.
    Picked(Rc<[usize]>),
}

impl Rows {
    #[inline]
    fn at(&self, row: usize) -> usize {
        match self {
            Rows::From(from) => from + row,
            Rows::Picked(rows) => rows.get(row).copied().unwrap_or_default(),
        }
    }

    fn pick(&self, rows: &[usize]) -> Rows {
        Rows::Picked(rows.iter().map(|row| self.at(*row)).collect())
    }
}

/// The values of so many rows, or items.
struct Table<'a> {
    rows: Rows,
    /// What each column of slots is.
    columns: Vec<Cells<'a>>,
    /// Row by row.
    slots: Vec<Slot>,
    /// What a row is made of.
    steps: Vec<Step<'a>>,
}

/// What a column of slots has.
enum Cells<'a> {
    /// Values that hold no others, with their tags.
    Values(&'a Column<'a>),
    /// The tags in front of other values.
    Tags(&'a Column<'a>),
    /// The same in each row.
    Constant(&'a [u8]),
    /// The branch of a union whose other values are elsewhere.
    Branch(usize),
}

enum Step<'a> {
    /// So many columns of slots, from this one on.
    Slots(usize, usize),
    /// The values of rows that have one, which are the rows of a table, by its row.
    Some(Vec<Option<usize>>, Table<'a>),
    /// By row, where its items begin in the table and how many there are, if it has a list.
    List(Vec<Option<(usize, usize)>>, Table<'a>),
    /// By row, which of the tables has its value, and where. The tables begin with the union's tag.
    Union(Vec<(usize, usize)>, Vec<Table<'a>>),
}

impl<'a> Table<'a> {
    /// The table of these values, which are in all rows and stand one behind the other.
    fn of(parts: Vec<&'a Bound<'a>>, rows: Rows, n: usize) -> Result<Table<'a>> {
        let mut table = Table { rows, columns: Vec::new(), slots: Vec::new(), steps: Vec::new() };
        for part in parts {
            table.add(part, n)?;
        }
        table.fill(n)?;
        Ok(table)
    }

    /// The same of columns, behind the branch of a union if they are one.
    fn of_columns(
        branch: Option<usize>,
        columns: impl Iterator<Item = &'a Column<'a>>,
        rows: Rows,
        n: usize,
    ) -> Result<Table<'a>> {
        let mut table = Table { rows, columns: Vec::new(), slots: Vec::new(), steps: Vec::new() };
        if let Some(branch) = branch {
            table.add_cells(Cells::Branch(branch));
        }
        for column in columns {
            table.add_column(column, n)?;
        }
        table.fill(n)?;
        Ok(table)
    }

    fn add(&mut self, part: &'a Bound<'a>, n: usize) -> Result<()> {
        match part {
            Bound::Constant(bytes) => self.add_cells(Cells::Constant(bytes)),
            Bound::Column(column) => self.add_column(column, n)?,
        }
        Ok(())
    }

    fn add_cells(&mut self, cells: Cells<'a>) {
        match self.steps.last_mut() {
            Some(Step::Slots(_, n)) => *n += 1,
            _ => self.steps.push(Step::Slots(self.columns.len(), 1)),
        }
        self.columns.push(cells);
    }

    fn add_column(&mut self, column: &'a Column<'a>, n: usize) -> Result<()> {
        let is_valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(self.rows.at(row)));
        if column.plan.tags.null.is_none()
            && !matches!(column.data, Data::Null)
            && let Some(row) = (0..n).find(|row| !is_valid(*row)).filter(|_| column.nulls.is_some())
        {
            let what = "null, which the schema forbids here".to_owned();
            return Err(unwritable(column.plan, what).at(|p| p.row = Some(row as u64)));
        }
        if !matches!(column.data, Data::Record(_) | Data::List(..) | Data::Union(..)) {
            self.add_cells(Cells::Values(column));
            return Ok(());
        }
        let valid: Option<Vec<usize>> = column.nulls.as_ref().map(|_| (0..n).filter(|row| is_valid(*row)).collect());
        if column.plan.tags.value.is_some() || column.plan.tags.null.is_some() {
            self.add_cells(Cells::Tags(column));
        }
        let step = match (&column.data, valid) {
            // What is always there is a part of the row like any other.
            (Data::Record(parts), None) => return parts.iter().try_for_each(|part| self.add(part, n)),
            (Data::Record(parts), Some(valid)) => {
                let inner = Table::of(parts.iter().collect(), self.rows.pick(&valid), valid.len());
                let inner = inner.map_err(|e| e.at(|p| p.row = outer(p.row, &valid)))?;
                Step::Some(indices(&valid, n), inner)
            }
            (Data::List(offsets, columns), valid) => {
                let range = |row: usize| {
                    let at = self.rows.at(row);
                    let offset = |at: usize| offsets.get(at).map_or(0, |offset| *offset as usize);
                    offset(at)..offset(at + 1)
                };
                let (items, lists) = match (&self.rows, valid) {
                    (Rows::From(_), None) => {
                        let first = range(0).start;
                        let lists = (0..n).map(range).map(|range| Some((range.start - first, range.len())));
                        (Rows::From(first), lists.collect::<Vec<_>>())
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
                        (Rows::Picked(items.into()), lists)
                    }
                };
                let n_items = lists.iter().flatten().map(|(_, n)| n).sum();
                let inner = Table::of_columns(None, columns.iter(), items, n_items);
                Step::List(lists.clone(), inner.map_err(|e| e.at(|p| p.row = of_item(p.row, &lists)))?)
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
                    let table = Table::of_columns(
                        Some(*branch),
                        std::iter::once(column),
                        Rows::Picked(values.into()),
                        own.len(),
                    );
                    table.map_err(|e| e.at(|p| p.row = outer(p.row, &own)))
                });
                Step::Union(places, tables.collect::<Result<_>>()?)
            }
            _ => return Ok(()),
        };
        self.steps.push(step);
        Ok(())
    }
}

/// By row, its index among those that are picked.
fn indices(picked: &[usize], n: usize) -> Vec<Option<usize>> {
    let mut indices = vec![None; n];
    for (at, row) in picked.iter().enumerate() {
        if let Some(index) = indices.get_mut(*row) {
            *index = Some(at);
        }
    }
    indices
}

/// A row of those picked, among the rows that they were picked from.
fn outer(row: Option<u64>, rows: &[usize]) -> Option<u64> {
    row.and_then(|row| rows.get(row as usize)).map(|row| *row as u64)
}

/// The row of an item.
fn of_item(item: Option<u64>, lists: &[Option<(usize, usize)>]) -> Option<u64> {
    let item = item? as usize;
    let has = |list: &Option<(usize, usize)>| list.is_some_and(|(first, n)| (first..first + n).contains(&item));
    lists.iter().position(has).map(|row| row as u64)
}

/// Does this with the values of a column, which hold no others.
macro_rules! leaf {
    ($data:expr, $leaf:ident => $then:expr) => {
        match $data {
            Data::Boolean($leaf) => $then,
            Data::Int(values) => leaf!(@ $leaf = Longs(values), $then),
            Data::Long(values) => leaf!(@ $leaf = Longs(values), $then),
            Data::Float(values) => leaf!(@ $leaf = Floats(values), $then),
            Data::Double(values) => leaf!(@ $leaf = Floats(values), $then),
            Data::Text(offsets, values) => leaf!(@ $leaf = Text(offsets, values), $then),
            Data::LargeText(offsets, values) => leaf!(@ $leaf = Text(offsets, values), $then),
            Data::Views(views) => leaf!(@ $leaf = Views(views), $then),
            Data::Fixed(values, size) => leaf!(@ $leaf = Fixed(values, *size), $then),
            Data::FixedViews(views, size) => leaf!(@ $leaf = FixedViews(views, *size), $then),
            Data::Encoded(ends, values, unfit) => leaf!(@ $leaf = Encoded(ends, values, unfit), $then),
            Data::Enum(keys, symbols) => leaf!(@ $leaf = Symbols(keys, symbols), $then),
            Data::Decimal128(values, size) => leaf!(@ $leaf = Decimals(values, *size), $then),
            Data::Decimal256(values, size) => leaf!(@ $leaf = Decimals(values, *size), $then),
            Data::Duration(values) => leaf!(@ $leaf = Durations(values), $then),
            Data::Null | Data::List(..) | Data::Record(_) | Data::Union(..) => leaf!(@ $leaf = Nothing, $then),
        }
    };
    (@ $leaf:ident = $value:expr, $then:expr) => {{
        let $leaf = &$value;
        $then
    }};
}

impl Table<'_> {
    /// Encodes the values.
    fn fill(&mut self, n: usize) -> Result<()> {
        let width = self.columns.len();
        self.slots = vec![0; n * width];
        for (at, cells) in self.columns.iter().enumerate() {
            // A column is every so many slots of the table.
            let slots = self.slots.get_mut(at..).unwrap_or_default().iter_mut().step_by(width);
            let (column, filled) = match cells {
                Cells::Constant(bytes) => {
                    slots.for_each(|to| *to = slot_of(bytes));
                    continue;
                }
                Cells::Branch(branch) => {
                    slots.for_each(|to| *to = slot_of_long(*branch as i64));
                    continue;
                }
                Cells::Tags(column) => (column, fill(&Nothing, &self.rows, column, slots)),
                Cells::Values(column) => (column, leaf!(&column.data, leaf => fill(leaf, &self.rows, column, slots))),
            };
            filled.map_err(|(row, what)| unwritable(column.plan, what).at(|p| p.row = Some(row as u64)))?;
        }
        Ok(())
    }

    /// Appends a row.
    fn put(&self, row: usize, out: &mut Out) {
        let width = self.columns.len();
        for step in &self.steps {
            match step {
                Step::Slots(first, n) => {
                    let from = row * width + first;
                    let mut slots = self.slots.get(from..from + n).unwrap_or_default();
                    let mut column = *first;
                    out.reserve(16 * n);
                    while let Some(long) = out.slots(slots) {
                        self.put_long(column + long, row, out);
                        out.reserve(16 * n);
                        slots = slots.get(long + 1..).unwrap_or_default();
                        column += long + 1;
                    }
                }
                Step::Some(indices, inner) => {
                    if let Some(row) = indices.get(row).copied().flatten() {
                        inner.put(row, out);
                    }
                }
                // SPEC: Complex Types, Arrays: "a long count value, followed by that many array items. A block with count zero
                // indicates the end of the array."
                Step::List(lists, items) => {
                    let Some((first, n)) = lists.get(row).copied().flatten() else { continue };
                    if n > 0 {
                        out.long(n as i64);
                    }
                    (first..first + n).for_each(|item| items.put(item, out));
                    out.long(0);
                }
                Step::Union(places, tables) => {
                    let Some((child, row)) = places.get(row).copied() else { continue };
                    if let Some(table) = tables.get(child) {
                        table.put(row, out);
                    }
                }
            }
        }
    }

    /// Appends a value that is too long for its slot.
    #[inline(never)]
    fn put_long(&self, column: usize, row: usize, out: &mut Out) {
        match self.columns.get(column) {
            Some(Cells::Constant(bytes)) => out.extend(bytes),
            Some(Cells::Values(column)) => {
                if let Some(branch) = column.plan.tags.value {
                    out.long(branch as i64);
                }
                leaf!(&column.data, leaf => leaf.put(self.rows.at(row), out));
            }
            Some(Cells::Tags(_) | Cells::Branch(_)) | None => {}
        }
    }
}

/// Encodes the values of a column; or says which row's cannot be, and why.
fn fill<'s, L: Leaf>(
    leaf: &L,
    rows: &Rows,
    column: &Column<'_>,
    slots: impl Iterator<Item = &'s mut Slot>,
) -> Result<(), (usize, String)> {
    match rows {
        Rows::From(from) => fill_rows(leaf, *from.., column, slots),
        Rows::Picked(picked) => fill_rows(leaf, picked.iter().copied(), column, slots),
    }
}

fn fill_rows<'s, L: Leaf>(
    leaf: &L,
    rows: impl Iterator<Item = usize>,
    column: &Column<'_>,
    slots: impl Iterator<Item = &'s mut Slot>,
) -> Result<(), (usize, String)> {
    let tag = |branch: Option<usize>| branch.map_or(slot(0, 0), |branch| slot_of_long(branch as i64));
    let (tag, null) = (tag(column.plan.tags.value), tag(column.plan.tags.null));
    let fits = |row: usize, at: usize, slot: Slot| match slot {
        UNFIT if !L::SURE => Err((row, leaf.why(at))),
        slot => Ok(slot),
    };
    let rows = rows.enumerate().zip(slots);
    match &column.nulls {
        None if column.plan.tags.value.is_none() => {
            for ((row, at), to) in rows {
                *to = fits(row, at, leaf.slot(at))?;
            }
        }
        None => {
            for ((row, at), to) in rows {
                *to = behind(tag, fits(row, at, leaf.slot(at))?);
            }
        }
        // Nulls are where nobody foresees them, so there is no branch on them where none is needed.
        Some(nulls) if L::SURE => {
            for ((_, at), to) in rows {
                let mask = u128::from(nulls.is_valid(at)).wrapping_neg();
                *to = (behind(tag, leaf.slot(at)) & mask) | (null & !mask);
            }
        }
        Some(nulls) => {
            for ((row, at), to) in rows {
                *to = if nulls.is_valid(at) { behind(tag, fits(row, at, leaf.slot(at))?) } else { null };
            }
        }
    }
    Ok(())
}
