//! Constants of a program: what it writes that is not in the bytes.
//!
//! Views of more than twelve bytes point into a buffer of the program's own, which `run` puts before those of the blocks.

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
    /// Of slots and of JSON text, one after the other.
    bytes: Vec<u8>,
    slots: Vec<Range<usize>>,
    views: Vec<View>,
    /// What the longer views point into, and the same once all is there.
    text: Vec<u8>,
    buffer: Option<Buffer>,
    /// For each symbol of a writer's enum its index in the reader's.
    tables: Vec<Arc<[Option<u32>]>>,
    /// For each symbol of an enum its text, as a range of the views.
    texts: Vec<Range<usize>>,
}

/// A view of a constant, which is valid.
#[derive(Debug, Clone, Copy)]
struct View {
    view: u128,
    is_utf8: bool,
}

impl Constants {
    /// Keeps the bytes of a slot.
    pub(super) fn slot(&mut self, bytes: &[u8]) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.slots.push(start..self.bytes.len());
        self.slots.len() as u32 - 1
    }

    /// Keeps a string or bytes.
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

    /// Keeps which symbol of a reader's enum each of a writer's becomes.
    pub(super) fn table(&mut self, table: &Arc<[Option<u32>]>) -> u32 {
        self.tables.push(Arc::clone(table));
        self.tables.len() as u32 - 1
    }

    /// Keeps the texts of an enum's symbols.
    pub(super) fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> u32 {
        let start = self.views.len();
        for text in texts {
            self.view(text.as_bytes());
        }
        self.texts.push(start..self.views.len());
        self.texts.len() as u32 - 1
    }

    /// The bytes of a slot, or of a text.
    pub(super) fn slot_bytes(&self, slot: u32) -> Option<&[u8]> {
        self.bytes.get(self.slots.get(slot as usize)?.clone())
    }

    /// A view, valid for the buffers of a run.
    pub(super) fn view_of(&self, view: u32) -> Option<u128> {
        self.views.get(view as usize).map(|view| view.view)
    }

    /// Is this view one of text?
    pub(super) fn is_utf8(&self, view: u32) -> Option<bool> {
        self.views.get(view as usize).map(|view| view.is_utf8)
    }

    /// By a writer's symbol: the reader's, if it has one for it.
    pub(super) fn table_of(&self, table: u32) -> Option<impl Fn(usize) -> Option<u32> + Copy> {
        let table = self.tables.get(table as usize)?;
        Some(move |at: usize| table.get(at).copied().flatten())
    }

    /// By a writer's symbol: the view of its text.
    pub(super) fn texts_of(&self, texts: u32) -> Option<impl Fn(usize) -> Option<u128> + Copy> {
        let views = self.views.get(self.texts.get(texts as usize)?.clone())?;
        Some(move |at: usize| views.get(at).map(|view| view.view))
    }

    /// To be called when nothing is added any more.
    pub(super) fn finish(mut self) -> Constants {
        let text = std::mem::take(&mut self.text);
        self.buffer = (!text.is_empty()).then(|| Buffer::from_vec(text));
        self
    }

    /// What the longer views point into, if there are any.
    pub(crate) fn buffer(&self) -> Option<Buffer> {
        self.buffer.clone()
    }
}
