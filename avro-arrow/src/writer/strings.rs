//! Strings and bytes: finds the bytes of each value.
//!
//! Which strings are long is hard to predict, so nothing branches on it, except for strings longer than most.

use super::bind::{BoundColumn, Data};
use super::row_buffer::RowBuffer;
use super::short_value::ShortValue;
use super::table_rows::TableRows;
use arrow_array::BinaryViewArray;
use arrow_buffer::{ArrowNativeType, Buffer, OffsetBuffer};
use std::hint::select_unpredictable;

/// The strings of some rows of a column, by row.
pub(super) struct StringValues<'a>(Vec<StringValue<'a>>);

/// A string, or nothing for a null.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringValue<'a> {
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

    /// A string in a contiguous buffer.
    #[inline]
    pub(super) fn in_one<O: ArrowNativeType>(
        offsets: &OffsetBuffer<O>,
        values: &'a [u8],
        at: usize,
    ) -> StringValue<'a> {
        let offset = |at: usize| offsets.get(at).map_or(0, |offset| offset.as_usize());
        let from = offset(at);
        let len = offset(at + 1).saturating_sub(from);
        StringValue::new(values.get(from..).unwrap_or_default(), len)
    }

    /// A string of an array of views, as [`of_view`] without its list of sources: for one value here and there.
    #[inline]
    pub(super) fn of_array(array: &'a BinaryViewArray, at: usize) -> StringValue<'a> {
        let views: &'a [u8] = array.views().inner().as_slice();
        let view = array.views().get(at).copied().unwrap_or_default();
        let len = view as u32 as usize;
        let (source, from) = match len <= INLINE {
            true => (views, at * size_of::<u128>() + INLINE_FROM),
            false => {
                let buffer = array.data_buffers().get((view >> 64) as u32 as usize);
                (buffer.map(Buffer::as_slice).unwrap_or_default(), (view >> 96) as usize)
            }
        };
        StringValue::new(source.get(from..).unwrap_or_default(), len)
    }

    /// The string after a tag of one byte.
    #[inline]
    pub(super) fn with_tag(self, tag: u8) -> StringValue<'a> {
        StringValue { front: [tag, self.front[0]], front_len: 2, ..self }
    }

    /// The string if it is valid, or else a null with this tag, of at most one byte.
    #[inline]
    pub(super) fn or_null(mut self, is_valid: bool, null: ShortValue) -> StringValue<'a> {
        self.len = select_unpredictable(is_valid, self.len, 0);
        self.front[0] = select_unpredictable(is_valid, self.front[0], null.bytes as u8);
        self.front_len = select_unpredictable(is_valid, self.front_len, null.len);
        self
    }

    /// Stores the string after its length at `at`, and returns where it ends.
    #[inline(always)]
    pub(super) fn put(&self, at: usize, out: &mut RowBuffer) -> usize {
        out.text(at, self.bytes, self.len, self.front, self.front_len)
    }
}

impl<'a> StringValues<'a> {
    /// The strings of a column, and whether their tags are included. `None` for other types.
    pub(super) fn of(column: &'a BoundColumn<'_>, rows: TableRows) -> Option<(StringValues<'a>, bool)> {
        let mut strings = match &column.data {
            Data::Text(offsets, values) => rows.map(|at| StringValue::in_one(offsets, values, at)),
            Data::LargeText(offsets, values) => rows.map(|at| StringValue::in_one(offsets, values, at)),
            Data::Views(views) => {
                let buffers = views.data_buffers().iter().map(|buffer| buffer.as_slice());
                // Short strings are in the views themselves.
                let sources: Vec<&[u8]> = std::iter::once(views.views().inner().as_slice()).chain(buffers).collect();
                rows.map(|at| of_view(views.views(), &sources, at))
            }
            _ => return None,
        };
        let tags = column.tags;
        // Longer tags have a column of their own.
        let has_tag = tags.value.len == 1 && tags.null.len <= 1;
        if has_tag {
            strings.iter_mut().for_each(|string| *string = string.with_tag(tags.value.bytes as u8));
        }
        if let Some(nulls) = &column.nulls {
            let null = if has_tag { tags.null } else { ShortValue::default() };
            let mut strings = strings.iter_mut();
            rows.each_bit(nulls.inner(), |valid| {
                if let Some(string) = strings.next() {
                    *string = string.or_null(valid, null);
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
            Some(string) => string.put(at, out),
            None => at,
        }
    }
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
