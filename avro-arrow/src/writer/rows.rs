//! Rows as bytes, a column at a time: the columns of a batch in, the rows' bytes and where each row ends out.
//!
//! A field begins where the one before it in its row ends, so some hundreds of rows are done in two passes. `measure` goes through the
//! columns and adds up how many bytes each row takes, which gives where rows begin; `put` goes through them again, and each column
//! writes its values where the column before it stopped. So what a column is gets decided once for all of them, and its loop over
//! values does nothing else.
//!
//! What is inside of lists is measured and put in the same way, with items for rows; what is left of nullable records and of
//! branches of unions, with those rows that have them.

use super::bind::{Bound, Column, Data, unwritable};
use super::leaf::{
    Constant, Decimals, Durations, Encoded, Fixed, FixedViews, Floats, Leaf, Longs, Nothing, Symbols, Text, Views,
    put_bytes,
};
use crate::bytes::{long_len, put_long_at};
use crate::error::Result;
use arrow_buffer::NullBuffer;
use std::rc::Rc;

/// Rows that are done together at most: so many that a column's loop is long, and so few that all their bytes stay in the CPU's cache.
const ROWS_MAX: usize = 1024;

/// Bytes that rows which are done together should have at most.
const BYTES_WANTED: usize = 256 << 10;

/// Appends the rows of a batch from `from` on: at least one, and no more than fit the CPU's cache. Gives how many. `ends` gets the end
/// of each in `bytes`.
pub(super) fn append(
    row: &Bound<'_>,
    from: usize,
    n_rows: usize,
    bytes: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Result<usize> {
    // As many as the last ones say, or few where nothing is known.
    let last = ends.iter().rev().take(ROWS_MAX);
    let per_row = match last.len() {
        0 => BYTES_WANTED / 64,
        n => (bytes.len() - ends.iter().rev().nth(n).copied().unwrap_or_default()) / n + 1,
    };
    let n = (BYTES_WANTED / per_row.max(1)).clamp(1, ROWS_MAX).min(n_rows - from);

    let mut sizes = vec![0; n];
    let measured = Measured::of(row, Rows::From(from), &mut sizes)?;
    let mut at = sizes;
    let first_end = ends.len();
    let mut end = bytes.len();
    for at in &mut at {
        let size = std::mem::replace(at, end);
        end += size;
        ends.push(end);
    }
    bytes.resize(end, 0);
    measured.put(&mut at, ends.get(first_end..).unwrap_or_default(), bytes);
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

/// What of a column is to be written, and what is known from measuring it.
struct Measured<'a> {
    bound: &'a Bound<'a>,
    rows: Rows,
    parts: Parts<'a>,
}

enum Parts<'a> {
    /// It is written value by value.
    Leaf,
    /// Some rows have a value of what is inside, and are those of this index.
    Some(Vec<usize>, Box<Parts<'a>>),
    Record(Vec<Measured<'a>>),
    List {
        /// Items of each row.
        counts: Vec<usize>,
        /// Bytes of each item.
        sizes: Vec<usize>,
        items: Vec<Inner<'a>>,
    },
    /// The branches, the rows of each, and their values.
    Union(Vec<(usize, Vec<usize>, Inner<'a>)>),
}

/// What is inside of a list or a union: a column of its own.
struct Inner<'a> {
    column: &'a Column<'a>,
    rows: Rows,
    parts: Parts<'a>,
}

impl<'a> Measured<'a> {
    /// Adds what each row takes to `sizes`.
    fn of(bound: &'a Bound<'a>, rows: Rows, sizes: &mut [usize]) -> Result<Measured<'a>> {
        let parts = match bound {
            Bound::Constant(bytes) => {
                sizes.iter_mut().for_each(|size| *size += bytes.len());
                Parts::Leaf
            }
            Bound::Column(column) => measure(column, &rows, sizes)?,
        };
        Ok(Measured { bound, rows, parts })
    }

    fn put(&self, at: &mut [usize], ends: &[usize], out: &mut [u8]) {
        match self.bound {
            Bound::Constant(bytes) => put_leaf(&Constant(bytes), &self.rows, NO_TAGS, None, at, ends, out),
            Bound::Column(column) => put(column, &self.rows, &self.parts, at, ends, out),
        }
    }
}

/// The bytes in front of values that are in a union, and of null.
#[derive(Clone, Copy)]
struct Tags {
    value: Option<i64>,
    null: Option<i64>,
}

const NO_TAGS: Tags = Tags { value: None, null: None };

fn tags(column: &Column<'_>) -> Tags {
    let tags = column.plan.tags;
    Tags { value: tags.value.map(|at| at as i64), null: tags.null.map(|at| at as i64) }
}

fn len(tag: Option<i64>) -> usize {
    tag.map_or(0, long_len)
}

/// Does this with the values of a column, if they hold no others.
macro_rules! leaf {
    ($data:expr, $leaf:ident => $then:expr, else $other:expr) => {
        match $data {
            Data::Null => {
                let $leaf = &Nothing;
                $then
            }
            Data::Boolean(values) => {
                let $leaf = values;
                $then
            }
            Data::Int(values) => {
                let $leaf = &Longs(values);
                $then
            }
            Data::Long(values) => {
                let $leaf = &Longs(values);
                $then
            }
            Data::Float(values) => {
                let $leaf = &Floats(values);
                $then
            }
            Data::Double(values) => {
                let $leaf = &Floats(values);
                $then
            }
            Data::Text(offsets, values) => {
                let $leaf = &Text(offsets, values);
                $then
            }
            Data::LargeText(offsets, values) => {
                let $leaf = &Text(offsets, values);
                $then
            }
            Data::Views(views) => {
                let $leaf = &Views(views);
                $then
            }
            Data::Fixed(values, size) => {
                let $leaf = &Fixed(values, *size);
                $then
            }
            Data::FixedViews(views, size) => {
                let $leaf = &FixedViews(views, *size);
                $then
            }
            Data::Encoded(ends, values) => {
                let $leaf = &Encoded(ends, values);
                $then
            }
            Data::Enum(keys, symbols) => {
                let $leaf = &Symbols(keys, symbols);
                $then
            }
            Data::Decimal128(values, size) => {
                let $leaf = &Decimals(values, *size);
                $then
            }
            Data::Decimal256(values, size) => {
                let $leaf = &Decimals(values, *size);
                $then
            }
            Data::Duration(values) => {
                let $leaf = &Durations(values);
                $then
            }
            Data::List(..) | Data::Record(_) | Data::Union(..) => $other,
        }
    };
}

fn measure<'a>(column: &'a Column<'a>, rows: &Rows, sizes: &mut [usize]) -> Result<Parts<'a>> {
    let tags = tags(column);
    if tags.null.is_none()
        && let Some(nulls) = &column.nulls
        && !matches!(column.data, Data::Null)
        && let Some(row) = (0..sizes.len()).find(|row| nulls.is_null(rows.at(*row)))
    {
        return Err(
            unwritable(column.plan, "null, which the schema forbids here".to_owned()).at(|p| p.row = Some(row as u64))
        );
    }
    leaf!(&column.data, leaf => {
        measure_leaf(leaf, rows, tags, column.nulls.as_ref(), sizes)
            .map_err(|(row, what)| unwritable(column.plan, what).at(|p| p.row = Some(row as u64)))?;
        Ok(Parts::Leaf)
    }, else {
        let Some(nulls) = &column.nulls else {
            sizes.iter_mut().for_each(|size| *size += len(tags.value));
            return measure_parts(column, rows, sizes);
        };
        let valid: Vec<usize> = (0..sizes.len()).filter(|row| nulls.is_valid(rows.at(*row))).collect();
        sizes.iter_mut().for_each(|size| *size += len(tags.null));
        let mut inner = vec![len(tags.value); valid.len()];
        let parts = measure_parts(column, &rows.pick(&valid), &mut inner).map_err(|e| e.at(|p| p.row = outer(p.row, &valid)))?;
        for (row, size) in valid.iter().zip(inner) {
            if let Some(to) = sizes.get_mut(*row) {
                *to = *to + size - len(tags.null);
            }
        }
        Ok(Parts::Some(valid, Box::new(parts)))
    })
}

/// A row of those picked, among the rows that they were picked from.
fn outer(row: Option<u64>, rows: &[usize]) -> Option<u64> {
    row.and_then(|row| rows.get(row as usize)).map(|row| *row as u64)
}

fn measure_parts<'a>(column: &'a Column<'a>, rows: &Rows, sizes: &mut [usize]) -> Result<Parts<'a>> {
    match &column.data {
        Data::Record(parts) => {
            let parts = parts.iter().map(|part| Measured::of(part, rows.clone(), sizes));
            Ok(Parts::Record(parts.collect::<Result<_>>()?))
        }
        Data::List(offsets, columns) => {
            let range = |row: usize| {
                let at = rows.at(row);
                let offset = |at: usize| offsets.get(at).map_or(0, |offset| *offset as usize);
                offset(at)..offset(at + 1)
            };
            let counts: Vec<usize> = (0..sizes.len()).map(|row| range(row).len()).collect();
            let items = match rows {
                Rows::From(_) => Rows::From(range(0).start),
                Rows::Picked(_) => Rows::Picked((0..sizes.len()).flat_map(range).collect()),
            };
            let mut item_sizes = vec![0; counts.iter().sum()];
            let mut inner = Vec::with_capacity(columns.len());
            for column in columns {
                let parts =
                    measure(column, &items, &mut item_sizes).map_err(|e| e.at(|p| p.row = of_item(p.row, &counts)))?;
                inner.push(Inner { column, rows: items.clone(), parts });
            }
            let mut rest = item_sizes.as_slice();
            for (size, count) in sizes.iter_mut().zip(&counts) {
                let (own, others) = rest.split_at_checked(*count).unwrap_or_default();
                rest = others;
                let before = if *count > 0 { long_len(*count as i64) } else { 0 };
                *size += before + own.iter().sum::<usize>() + 1;
            }
            Ok(Parts::List { counts, sizes: item_sizes, items: inner })
        }
        Data::Union(of_rows, columns) => {
            let mut parts = Vec::with_capacity(columns.len());
            for (child, (branch, column)) in columns.iter().enumerate() {
                let place = |row: usize| of_rows.get(rows.at(row)).copied().unwrap_or_default();
                let own: Vec<usize> = (0..sizes.len()).filter(|row| usize::from(place(*row).0) == child).collect();
                let inner_rows = Rows::Picked(own.iter().map(|row| place(*row).1 as usize).collect());
                let mut inner = vec![long_len(*branch as i64); own.len()];
                let parts_of =
                    measure(column, &inner_rows, &mut inner).map_err(|e| e.at(|p| p.row = outer(p.row, &own)))?;
                for (row, size) in own.iter().zip(inner) {
                    if let Some(to) = sizes.get_mut(*row) {
                        *to += size;
                    }
                }
                parts.push((*branch, own, Inner { column, rows: inner_rows, parts: parts_of }));
            }
            Ok(Parts::Union(parts))
        }
        _ => Ok(Parts::Leaf),
    }
}

/// The row of an item.
fn of_item(item: Option<u64>, counts: &[usize]) -> Option<u64> {
    let mut left = item? as usize;
    let row = counts.iter().position(|count| match left.checked_sub(*count) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    row.map(|row| row as u64)
}

/// Does this with each row's index in the array, in a loop of its own for each kind of rows.
macro_rules! each {
    ($rows:expr, $at:ident, $row:expr => $then:expr) => {
        match $rows {
            Rows::From(from) => {
                let $at = from + $row;
                $then
            }
            Rows::Picked(rows) => {
                let $at = rows.get($row).copied().unwrap_or_default();
                $then
            }
        }
    };
}

fn measure_leaf(
    leaf: &impl Leaf,
    rows: &Rows,
    tags: Tags,
    nulls: Option<&NullBuffer>,
    sizes: &mut [usize],
) -> Result<(), (usize, String)> {
    let (tag, null) = (len(tags.value), len(tags.null));
    let sizes = sizes.iter_mut().enumerate();
    match (nulls, rows) {
        (None, Rows::From(from)) => {
            for (row, size) in sizes {
                *size += tag + leaf.len(from + row).map_err(|what| (row, what))?;
            }
        }
        (None, Rows::Picked(picked)) => {
            for ((row, size), at) in sizes.zip(picked.iter()) {
                *size += tag + leaf.len(*at).map_err(|what| (row, what))?;
            }
        }
        (Some(nulls), rows) => {
            for (row, size) in sizes {
                let at = each!(rows, at, row => at);
                *size += if nulls.is_valid(at) { tag + leaf.len(at).map_err(|what| (row, what))? } else { null };
            }
        }
    }
    Ok(())
}

fn put(column: &Column<'_>, rows: &Rows, parts: &Parts<'_>, at: &mut [usize], ends: &[usize], out: &mut [u8]) {
    let tags = tags(column);
    leaf!(&column.data, leaf => put_leaf(leaf, rows, tags, column.nulls.as_ref(), at, ends, out), else {
        match parts {
            Parts::Some(valid, parts) => {
                let nulls = column.nulls.as_ref();
                put_leaf(&Nothing, rows, tags, nulls, at, ends, out);
                picked(valid, at, ends, |at, ends| put_parts(parts, at, ends, out));
            }
            parts => {
                put_leaf(&Nothing, rows, tags, None, at, ends, out);
                put_parts(parts, at, ends, out);
            }
        }
    });
}

/// Puts what these of the rows have.
fn picked(rows: &[usize], at: &mut [usize], ends: &[usize], put: impl FnOnce(&mut [usize], &[usize])) {
    let of = |values: &[usize]| -> Vec<usize> { rows.iter().filter_map(|row| values.get(*row).copied()).collect() };
    let (mut inner_at, inner_ends) = (of(at), of(ends));
    put(&mut inner_at, &inner_ends);
    for (row, inner) in rows.iter().zip(inner_at) {
        if let Some(at) = at.get_mut(*row) {
            *at = inner;
        }
    }
}

fn put_parts(parts: &Parts<'_>, at: &mut [usize], ends: &[usize], out: &mut [u8]) {
    match parts {
        Parts::Leaf | Parts::Some(..) => {}
        Parts::Record(parts) => parts.iter().for_each(|part| part.put(at, ends, out)),
        // SPEC: Complex Types, Arrays: "a long count value, followed by that many array items. A block with count zero indicates the
        // end of the array."
        Parts::List { counts, sizes, items } => {
            let mut item_at = Vec::with_capacity(sizes.len());
            let mut item_ends = Vec::with_capacity(sizes.len());
            let mut rest = sizes.as_slice();
            for ((at, end), count) in at.iter_mut().zip(ends).zip(counts) {
                let (own, others) = rest.split_at_checked(*count).unwrap_or_default();
                rest = others;
                if *count > 0 {
                    *at += put_long_at(*count as i64, row_of(out, *at, *end));
                }
                for size in own {
                    item_at.push(*at);
                    *at += size;
                    item_ends.push(*at);
                }
                *at += put_bytes(&[0], row_of(out, *at, *end));
            }
            for item in items {
                put(item.column, &item.rows, &item.parts, &mut item_at, &item_ends, out);
            }
        }
        Parts::Union(branches) => {
            for (branch, rows, inner) in branches {
                let tags = Tags { value: Some(*branch as i64), null: None };
                picked(rows, at, ends, |at, ends| {
                    put_leaf(&Nothing, &inner.rows, tags, None, at, ends, out);
                    put(inner.column, &inner.rows, &inner.parts, at, ends, out);
                });
            }
        }
    }
}

/// What is left of a row.
#[inline]
fn row_of(out: &mut [u8], at: usize, end: usize) -> &mut [u8] {
    out.get_mut(at..end).unwrap_or_default()
}

fn put_leaf(
    leaf: &impl Leaf,
    rows: &Rows,
    tags: Tags,
    nulls: Option<&NullBuffer>,
    at: &mut [usize],
    ends: &[usize],
    out: &mut [u8],
) {
    let to = at.iter_mut().zip(ends).enumerate();
    match (nulls, tags.value, rows) {
        (None, None, Rows::From(from)) => {
            for (row, (at, end)) in to {
                *at += leaf.put(from + row, row_of(out, *at, *end));
            }
        }
        (None, None, Rows::Picked(picked)) => {
            for ((_, (at, end)), row) in to.zip(picked.iter()) {
                *at += leaf.put(*row, row_of(out, *at, *end));
            }
        }
        (None, Some(tag), rows) => {
            for (row, (at, end)) in to {
                *at += put_long_at(tag, row_of(out, *at, *end));
                *at += leaf.put(each!(rows, row, row => row), row_of(out, *at, *end));
            }
        }
        (Some(nulls), value, rows) => {
            let null = tags.null;
            for (row, (at, end)) in to {
                let row = each!(rows, row, row => row);
                let is_valid = nulls.is_valid(row);
                if let Some(tag) = if is_valid { value } else { null } {
                    *at += put_long_at(tag, row_of(out, *at, *end));
                }
                if is_valid {
                    *at += leaf.put(row, row_of(out, *at, *end));
                }
            }
        }
    }
}
