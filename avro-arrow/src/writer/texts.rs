//! Strings and bytes: columns of them in, and out where the bytes of each are.
//!
//! Which texts are long is hard to predict, so nothing asks, but for those of more bytes than most have.

use super::bind::{Column, Data};
use super::out::Out;
use super::selection::Rows;
use arrow_buffer::{ArrowNativeType, OffsetBuffer};
use std::hint::select_unpredictable;

/// The texts of some rows of a column, by row.
pub(super) struct Texts<'a>(Vec<Text<'a>>);

#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    /// From its first byte on.
    bytes: &'a [u8],
    len: usize,
    /// Is it there?
    is_valid: bool,
}

impl Text<'_> {
    #[inline]
    fn keep_if(&mut self, kept: bool) {
        self.len = select_unpredictable(kept, self.len, 0);
        self.is_valid &= kept;
    }
}

impl<'a> Texts<'a> {
    /// None where these are no texts.
    pub(super) fn of(column: &'a Column<'_>, rows: &Rows) -> Option<Texts<'a>> {
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
        if let Some(nulls) = &column.nulls {
            let mut texts = texts.iter_mut();
            rows.each_bit(nulls.inner(), |valid| {
                if let Some(text) = texts.next() {
                    text.keep_if(valid);
                }
            });
        }
        Some(Texts(texts))
    }

    /// Nothing is written in rows that are not kept.
    pub(super) fn keep(&mut self, kept: &[bool]) {
        for (text, kept) in self.0.iter_mut().zip(kept) {
            text.keep_if(*kept);
        }
    }

    /// Stores a row's text behind its length, or nothing if it is null, and gives where that ends.
    #[inline(always)]
    pub(super) fn put(&self, row: usize, at: usize, out: &mut Out) -> usize {
        match self.0.get(row) {
            Some(text) => out.text(at, text.bytes, text.len, text.is_valid),
            None => at,
        }
    }
}

/// A text of those that stand one behind the other.
#[inline]
fn in_one<'a, O: ArrowNativeType>(offsets: &OffsetBuffer<O>, values: &'a [u8], at: usize) -> Text<'a> {
    let offset = |at: usize| offsets.get(at).map_or(0, |offset| offset.as_usize());
    let from = offset(at);
    let len = offset(at + 1).saturating_sub(from);
    Text { bytes: values.get(from..).unwrap_or_default(), len, is_valid: true }
}

/// Bytes that a view holds itself, and which of its bytes is their first.
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
    Text { bytes, len, is_valid: true }
}
