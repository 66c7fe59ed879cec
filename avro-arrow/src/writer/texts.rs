//! Strings and bytes: finds the bytes of each value.
//!
//! Which texts are long is hard to predict, so nothing branches on it, except for texts longer than most.

use super::bind::{Column, Data};
use super::out::Out;
use super::selection::Rows;
use super::words::Tags;
use arrow_buffer::{ArrowNativeType, OffsetBuffer};
use std::hint::select_unpredictable;

/// The texts of some rows of a column, by row.
pub(super) struct Texts<'a>(Vec<Text<'a>>);

#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    /// The bytes from its first one on.
    bytes: &'a [u8],
    len: usize,
    /// The bytes before a short text: a tag, if there is one, and the length. For a null, only its tag.
    front: [u8; 2],
    front_len: u8,
}

impl<'a> Text<'a> {
    #[inline]
    fn new(bytes: &'a [u8], len: usize) -> Text<'a> {
        Text { bytes, len, front: [(len as u8).wrapping_mul(2), 0], front_len: 1 }
    }
}

impl<'a> Texts<'a> {
    /// The texts of a column, and whether their tags are included. `None` for other types.
    pub(super) fn of(column: &'a Column<'_>, rows: &Rows) -> Option<(Texts<'a>, bool)> {
        let mut texts = match &column.data {
            Data::Text(offsets, values) => rows.map(|at| in_one(offsets, values, at)),
            Data::LargeText(offsets, values) => rows.map(|at| in_one(offsets, values, at)),
            Data::Views(views) => {
                let buffers = views.data_buffers().iter().map(|buffer| buffer.as_slice());
                // Short texts are in the views themselves.
                let sources: Vec<&[u8]> = std::iter::once(views.views().inner().as_slice()).chain(buffers).collect();
                rows.map(|at| of_view(views.views(), &sources, at))
            }
            _ => return None,
        };
        let tags = Tags::of(column);
        // Longer tags have a column of their own.
        let has_tag = tags.value.len == 1 && tags.null.len <= 1;
        if has_tag {
            for text in &mut texts {
                (text.front, text.front_len) = ([tags.value.bytes as u8, text.front[0]], 2);
            }
        }
        if let Some(nulls) = &column.nulls {
            let null = if has_tag { (tags.null.bytes as u8, tags.null.len) } else { (0, 0) };
            let mut texts = texts.iter_mut();
            rows.each_bit(nulls.inner(), |valid| {
                if let Some(text) = texts.next() {
                    text.len = select_unpredictable(valid, text.len, 0);
                    text.front[0] = select_unpredictable(valid, text.front[0], null.0);
                    text.front_len = select_unpredictable(valid, text.front_len, null.1);
                }
            });
        }
        Some((Texts(texts), has_tag))
    }

    /// Clears the rows that are not kept.
    pub(super) fn keep(&mut self, kept: &[bool]) {
        for (text, kept) in self.0.iter_mut().zip(kept) {
            text.len = select_unpredictable(*kept, text.len, 0);
            text.front_len &= u8::from(*kept).wrapping_neg();
        }
    }

    /// Stores a row's text after its length, or nothing if it is null, and returns where it ends.
    #[inline(always)]
    pub(super) fn put(&self, row: usize, at: usize, out: &mut Out) -> usize {
        match self.0.get(row) {
            Some(text) => out.text(at, text.bytes, text.len, text.front, text.front_len),
            None => at,
        }
    }
}

/// A text in a contiguous buffer.
#[inline]
fn in_one<'a, O: ArrowNativeType>(offsets: &OffsetBuffer<O>, values: &'a [u8], at: usize) -> Text<'a> {
    let offset = |at: usize| offsets.get(at).map_or(0, |offset| offset.as_usize());
    let from = offset(at);
    let len = offset(at + 1).saturating_sub(from);
    Text::new(values.get(from..).unwrap_or_default(), len)
}

/// Bytes that a view holds itself, and the index of their first.
const INLINE: usize = 12;
const INLINE_FROM: usize = 4;

/// A text of Arrow's views.
#[inline]
fn of_view<'a>(views: &[u128], sources: &[&'a [u8]], at: usize) -> Text<'a> {
    let view = views.get(at).copied().unwrap_or_default();
    let len = view as u32 as usize;
    let is_inline = len <= INLINE;
    let source = select_unpredictable(is_inline, 0, (view >> 64) as u32 as usize + 1);
    let from = select_unpredictable(is_inline, at * size_of::<u128>() + INLINE_FROM, (view >> 96) as usize);
    let bytes = sources.get(source).and_then(|source| source.get(from..)).unwrap_or_default();
    Text::new(bytes, len)
}
