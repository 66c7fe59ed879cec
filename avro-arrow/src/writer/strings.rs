//! Strings and bytes: finds the bytes of each value.
//!
//! Which strings are long is hard to predict, so nothing branches on it, except for strings longer than most.

use super::bind::{BoundColumn, Data};
use super::row_buffer::RowBuffer;
use super::selection::RowSelection;
use super::short_values::TagBytes;
use arrow_buffer::{ArrowNativeType, OffsetBuffer};
use std::hint::select_unpredictable;

/// The strings of some rows of a column, by row.
pub(super) struct StringValues<'a>(Vec<StringValue<'a>>);

#[derive(Debug, Clone, Copy)]
struct StringValue<'a> {
    /// The bytes from its first one on.
    bytes: &'a [u8],
    len: usize,
    /// The bytes before a short string: a tag, if there is one, and the length. For a null, only its tag.
    front: [u8; 2],
    front_len: u8,
}

impl<'a> StringValue<'a> {
    #[inline]
    fn new(bytes: &'a [u8], len: usize) -> StringValue<'a> {
        StringValue { bytes, len, front: [(len as u8).wrapping_mul(2), 0], front_len: 1 }
    }
}

impl<'a> StringValues<'a> {
    /// The strings of a column, and whether their tags are included. `None` for other types.
    pub(super) fn of(column: &'a BoundColumn<'_>, rows: &RowSelection) -> Option<(StringValues<'a>, bool)> {
        let mut strings = match &column.data {
            Data::Text(offsets, values) => rows.map(|at| in_one(offsets, values, at)),
            Data::LargeText(offsets, values) => rows.map(|at| in_one(offsets, values, at)),
            Data::Views(views) => {
                let buffers = views.data_buffers().iter().map(|buffer| buffer.as_slice());
                // Short strings are in the views themselves.
                let sources: Vec<&[u8]> = std::iter::once(views.views().inner().as_slice()).chain(buffers).collect();
                rows.map(|at| of_view(views.views(), &sources, at))
            }
            _ => return None,
        };
        let tags = TagBytes::of(column);
        // Longer tags have a column of their own.
        let has_tag = tags.value.len == 1 && tags.null.len <= 1;
        if has_tag {
            for string in &mut strings {
                (string.front, string.front_len) = ([tags.value.bytes as u8, string.front[0]], 2);
            }
        }
        if let Some(nulls) = &column.nulls {
            let null = if has_tag { (tags.null.bytes as u8, tags.null.len) } else { (0, 0) };
            let mut strings = strings.iter_mut();
            rows.each_bit(nulls.inner(), |valid| {
                if let Some(string) = strings.next() {
                    string.len = select_unpredictable(valid, string.len, 0);
                    string.front[0] = select_unpredictable(valid, string.front[0], null.0);
                    string.front_len = select_unpredictable(valid, string.front_len, null.1);
                }
            });
        }
        Some((StringValues(strings), has_tag))
    }

    /// Clears the rows that are not kept.
    pub(super) fn keep(&mut self, kept: &[bool]) {
        for (string, kept) in self.0.iter_mut().zip(kept) {
            string.len = select_unpredictable(*kept, string.len, 0);
            string.front_len &= u8::from(*kept).wrapping_neg();
        }
    }

    /// Stores a row's string after its length, or nothing if it is null, and returns where it ends.
    #[inline(always)]
    pub(super) fn put(&self, row: usize, at: usize, out: &mut RowBuffer) -> usize {
        match self.0.get(row) {
            Some(string) => out.text(at, string.bytes, string.len, string.front, string.front_len),
            None => at,
        }
    }
}

/// A string in a contiguous buffer.
#[inline]
fn in_one<'a, O: ArrowNativeType>(offsets: &OffsetBuffer<O>, values: &'a [u8], at: usize) -> StringValue<'a> {
    let offset = |at: usize| offsets.get(at).map_or(0, |offset| offset.as_usize());
    let from = offset(at);
    let len = offset(at + 1).saturating_sub(from);
    StringValue::new(values.get(from..).unwrap_or_default(), len)
}

/// Bytes that a view holds itself, and the index of their first.
const INLINE: usize = 12;
const INLINE_FROM: usize = 4;

/// A string of Arrow's views.
#[inline]
fn of_view<'a>(views: &[u128], sources: &[&'a [u8]], at: usize) -> StringValue<'a> {
    let view = views.get(at).copied().unwrap_or_default();
    let len = view as u32 as usize;
    let is_inline = len <= INLINE;
    let source = select_unpredictable(is_inline, 0, (view >> 64) as u32 as usize + 1);
    let from = select_unpredictable(is_inline, at * size_of::<u128>() + INLINE_FROM, (view >> 96) as usize);
    let bytes = sources.get(source).and_then(|source| source.get(from..)).unwrap_or_default();
    StringValue::new(bytes, len)
}
