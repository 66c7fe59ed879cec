//! Constants of a program, which are not in the data.
//!
//! Views of more than twelve bytes point into a buffer of the program's own, which `run` puts before those of the
//! blocks.

use arrow_array::StringArray;
use arrow_buffer::Buffer;
use arrow_data::ByteView;
use std::ops::Range;
use std::sync::Arc;

/// The longest string that a view holds itself.
const INLINE_BYTES: usize = 12;

/// The index of the buffer of texts among those of a run.
const BUFFER: u32 = 0;

/// Bytes, views and tables that ops name by index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constants {
    /// Slots and JSON text, one after the other.
    bytes: Vec<u8>,
    slots: Vec<Range<usize>>,
    views: Vec<View>,
    /// The text that longer views point into, and the buffer of it once it is complete.
    text: Vec<u8>,
    buffer: Option<Buffer>,
    /// The reader's index of each symbol of a writer's enum.
    tables: Vec<Arc<[Option<u32>]>>,
    /// Conversions that multiply values.
    rescales: Vec<Rescale>,
    /// The text of each symbol of an enum, as a range of the views.
    texts: Vec<Range<usize>>,
    /// The texts of enums met before.
    known_texts: Vec<(Arc<StringArray>, u32)>,
}

/// How a value is read that becomes a multiple of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rescale {
    /// An int, times this.
    Int(i64),
    /// A long, times this.
    Long(i64),
    /// A decimal on bytes, with this many more zeros.
    Bytes(u32),
    /// A decimal on fixed of this size, with this many more zeros.
    Fixed(u32, u32),
}

/// A valid view of a constant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) view: u128,
    is_utf8: bool,
}

impl Constants {
    /// Adds the bytes of a slot.
    pub(super) fn slot(&mut self, bytes: &[u8]) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.slots.push(start..self.bytes.len());
        self.slots.len() as u32 - 1
    }

    /// Adds a string or bytes.
    pub(super) fn view(&mut self, bytes: &[u8]) -> u32 {
        let mut view = ByteView { length: bytes.len() as u32, buffer_index: BUFFER, ..ByteView::default() };
        let view = if bytes.len() <= INLINE_BYTES {
            let mut raw = [0; 16];
            for (to, from) in raw.iter_mut().zip(view.length.to_le_bytes().iter().chain(bytes)) {
                *to = *from;
            }
            u128::from_le_bytes(raw)
        } else {
            for (at, byte) in bytes.iter().take(4).enumerate() {
                view.prefix |= u32::from(*byte) << (8 * at);
            }
            view.offset = self.text.len() as u32;
            self.text.extend_from_slice(bytes);
            view.as_u128()
        };
        self.views.push(View { view, is_utf8: str::from_utf8(bytes).is_ok() });
        self.views.len() as u32 - 1
    }

    /// Adds the reader's index of each symbol of a writer's enum.
    pub(super) fn table(&mut self, table: &Arc<[Option<u32>]>) -> u32 {
        self.tables.push(Arc::clone(table));
        self.tables.len() as u32 - 1
    }

    /// Adds a conversion that multiplies values.
    pub(super) fn rescale(&mut self, rescale: Rescale) -> u32 {
        self.rescales.push(rescale);
        self.rescales.len() as u32 - 1
    }

    /// Returns a conversion.
    pub(crate) fn rescale_of(&self, rescale: u32) -> Option<Rescale> {
        self.rescales.get(rescale as usize).copied()
    }

    /// Adds the texts of an enum's symbols.
    pub(super) fn texts(&mut self, symbols: &Arc<StringArray>) -> u32 {
        if let Some((_, known)) = self.known_texts.iter().find(|(known, _)| Arc::ptr_eq(known, symbols)) {
            return *known;
        }
        let start = self.views.len();
        for text in symbols.iter().flatten() {
            self.view(text.as_bytes());
        }
        self.texts.push(start..self.views.len());
        let texts = self.texts.len() as u32 - 1;
        self.known_texts.push((Arc::clone(symbols), texts));
        texts
    }

    /// Returns the bytes of a slot, or of a text.
    pub(crate) fn slot_bytes(&self, slot: u32) -> Option<&[u8]> {
        self.bytes.get(self.slots.get(slot as usize)?.clone())
    }

    /// Returns a view, valid for the buffers of a run.
    pub(crate) fn view_of(&self, view: u32) -> Option<u128> {
        self.views.get(view as usize).map(|view| view.view)
    }

    /// Whether this view is text.
    pub(crate) fn is_utf8(&self, view: u32) -> Option<bool> {
        self.views.get(view as usize).map(|view| view.is_utf8)
    }

    /// Returns the map from a writer's symbol to the reader's, if it has one.
    pub(crate) fn table_of(&self, table: u32) -> Option<&[Option<u32>]> {
        self.tables.get(table as usize).map(|table| &**table)
    }

    /// Returns the map from a writer's symbol to the view of its text.
    pub(crate) fn texts_of(&self, texts: u32) -> Option<&[View]> {
        self.views.get(self.texts.get(texts as usize)?.clone())
    }

    /// Completes the constants. `None` if there are more than `max_text` bytes of text: lengths and offsets in views
    /// have 32 bits, of which Arrow uses 31.
    pub(super) fn finish(mut self, max_text: usize) -> Option<Constants> {
        let text = std::mem::take(&mut self.text);
        if text.len() > max_text {
            return None;
        }
        self.known_texts.clear();
        self.buffer = (!text.is_empty()).then(|| Buffer::from_vec(text));
        Some(self)
    }

    /// The buffer that longer views point into, if there are any.
    pub(crate) fn buffer(&self) -> Option<Buffer> {
        self.buffer.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn constants_beyond_view_offsets_are_an_error() {
        let constants = |n: usize| {
            let mut constants = Constants::default();
            for _ in 0..n {
                constants.view(b"thirteen long");
            }
            constants
        };
        assert_eq!(constants(2).finish(26).unwrap().buffer().unwrap().len(), 26);
        assert!(constants(3).finish(26).is_none());
    }

    #[test]
    fn constants_keep_texts_of_an_enum_once() {
        let mut constants = Constants::default();
        let enums = ["a symbol that is long", "another"].map(|text| Arc::new(StringArray::from_iter_values([text])));
        let texts = [0, 1, 0, 0].map(|at: usize| constants.texts(&enums[at]));
        assert_eq!(texts, [0, 1, 0, 0]);
        assert_eq!(constants.views.len(), 2);
    }
}
