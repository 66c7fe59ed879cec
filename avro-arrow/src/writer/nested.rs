//! Writes the values of lists, unions and nested records one after the other, straight from the arrays.
//!
//! [`rows`](super::rows) encodes the columns of a row in tables, some hundred rows at a time. That pays where each row
//! has a value; the items of a list or the values of a branch are too few at a time. (Nested events: 1.3 times as fast
//! as with a table for each list and branch.)

use super::bind::{Bound, BoundColumn, Data, forbidden_null, unwritable};
use super::row_buffer::{RowBuffer, TOO_LONG, UNWRITABLE};
use super::short_value::ShortValue;
use super::slow_values::{SlowValue, leaf};
use super::strings::StringValue;
use crate::encoding::long_word;
use crate::error::Result;

/// Stores a value of a column after its tag at `to`, which is where the written bytes end, and returns where it ends.
pub(super) fn put_value(column: &BoundColumn<'_>, at: usize, to: usize, out: &mut RowBuffer) -> Result<usize> {
    put(column, at, to, out)
}

/// [`put_value`] for the loops below: a call for each value would take as long as the value.
#[inline(always)]
fn put(column: &BoundColumn<'_>, at: usize, to: usize, out: &mut RowBuffer) -> Result<usize> {
    if !column.is_valid(at) {
        return put_null(column, to, out);
    }
    let to = match column.tags.value {
        ShortValue { len: 0, .. } => to,
        tag => out.short_value(to, tag),
    };
    Ok(match &column.data {
        Data::Int(values) => put_long(item(values, at).into(), to, out),
        Data::Long(values) => put_long(item(values, at), to, out),
        Data::Double(values) => out.short_value(to, ShortValue { bytes: item(values, at).to_bits(), len: 8 }),
        Data::Text(offsets, values) => StringValue::in_one(offsets, values, at).put(to, out),
        Data::Views(views) => StringValue::of_array(views, at).put(to, out),
        _ => put_other(column, at, to, out)?,
    })
}

#[inline]
fn put_long(value: i64, to: usize, out: &mut RowBuffer) -> usize {
    let (word, len) = long_word(value);
    out.word(to, word, len)
}

/// Stores the tag of null.
fn put_null(column: &BoundColumn<'_>, to: usize, out: &mut RowBuffer) -> Result<usize> {
    if column.plan.tags.null.is_none() && !matches!(column.data, Data::Null) {
        return Err(forbidden_null(column));
    }
    Ok(out.short_value(to, column.tags.null))
}

/// Stores a value with values in it, or one of a rare type, without its tag.
#[inline(never)]
fn put_other(column: &BoundColumn<'_>, at: usize, mut to: usize, out: &mut RowBuffer) -> Result<usize> {
    Ok(match &column.data {
        Data::Null => to,
        Data::Boolean(values) => out.short_value(to, ShortValue { bytes: values.value(at).into(), len: 1 }),
        Data::Float(values) => out.short_value(to, ShortValue { bytes: item(values, at).to_bits().into(), len: 4 }),
        Data::LargeText(offsets, values) => StringValue::in_one(offsets, values, at).put(to, out),
        // SPEC: Complex Types, Arrays: "a long count value, followed by that many array items. A block with count
        // zero indicates the end of the array."
        Data::List(offsets, columns) => {
            let offset = |at: usize| offsets.get(at).map_or(0, |offset| *offset as usize);
            let (first, end) = (offset(at), offset(at + 1));
            if first < end {
                let (count, len) = long_word((end - first) as i64);
                to = out.word(to, count, len);
            }
            for at in first..end {
                for column in columns {
                    to = put(column, at, to, out)?;
                }
            }
            out.short_value(to, ShortValue { bytes: 0, len: 1 })
        }
        Data::Record(parts) => {
            for part in parts {
                to = match part {
                    Bound::Column(column) => put(column, at, to, out)?,
                    Bound::Constant(bytes) => put_bytes(bytes, to, out),
                };
            }
            to
        }
        Data::Union(of_rows, columns) => {
            let (child, at) = of_rows.get(at).copied().unwrap_or_default();
            match columns.get(usize::from(child)) {
                Some((tag, column)) => put(column, at as usize, out.short_value(to, *tag), out)?,
                None => to,
            }
        }
        leaf => leaf!(leaf, leaf => put_leaf(leaf, column, at, to, out))?,
    })
}

#[inline]
fn item<T: Copy + Default>(values: &[T], at: usize) -> T {
    values.get(at).copied().unwrap_or_default()
}

#[inline(never)]
fn put_bytes(bytes: &[u8], to: usize, out: &mut RowBuffer) -> usize {
    out.set_len(to);
    out.extend(bytes);
    out.len()
}

fn put_leaf<L: SlowValue>(
    leaf: &L,
    column: &BoundColumn<'_>,
    at: usize,
    to: usize,
    out: &mut RowBuffer,
) -> Result<usize> {
    match leaf.inline_value(at) {
        UNWRITABLE => Err(unwritable(column.plan, leaf.why(at))),
        TOO_LONG => {
            out.set_len(to);
            leaf.put(at, out);
            Ok(out.len())
        }
        value => Ok(out.word(to, value, (value >> 120) as usize)),
    }
}
