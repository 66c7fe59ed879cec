//! Makes Arrow arrays of written buffers: packs bytes of validity into bits, and adds the leading 0 of offsets.

use super::{BufferId, Column, ColumnBuffers};
use crate::error::{Error, ErrorKind, Result};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Int32Array,
    ListArray, MapArray, NullArray, StringArray, StringViewArray, StructArray, UnionArray, make_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Fields};
use std::cell::Cell;
use std::sync::Arc;

/// A view holds values of at most this many bytes itself.
const INLINE_BYTES: u32 = 12;

/// Completely written buffers, with all lanes joined.
pub(crate) struct FilledBuffers {
    buffers: Vec<Buffer>,
    /// Number of slots of each level.
    lens: Vec<usize>,
    /// The buffers that views point into: constants, if there are any, and blocks.
    view_buffers: Arc<[Buffer]>,
    /// Number of buffers of constants.
    n_constants: usize,
    /// Whether the views of all columns use enough of the blocks to keep the blocks.
    keeps_blocks: bool,
    /// Bytes of text copied so far, and their maximum.
    text: Cell<usize>,
    max_text: usize,
}

impl FilledBuffers {
    /// Creates the buffers from those that the program wrote. The first `n_constants` of `view_buffers` are constants;
    /// the arrays may copy at most `max_text` bytes of text.
    pub(super) fn new(
        buffers: Vec<Buffer>,
        lens: Vec<usize>,
        view_buffers: Arc<[Buffer]>,
        n_constants: usize,
        max_text: usize,
    ) -> FilledBuffers {
        FilledBuffers { buffers, lens, view_buffers, n_constants, keeps_blocks: false, text: Cell::new(0), max_text }
    }

    /// Number of slots of each level per row.
    pub(crate) fn slots_per_row(&self) -> Vec<f64> {
        let rows = self.lens.first().map_or(1, |&rows| rows.max(1));
        self.lens.iter().map(|&len| len as f64 / rows as f64).collect()
    }

    /// Makes the arrays of all columns.
    pub(crate) fn arrays<'a>(mut self, columns: impl Iterator<Item = &'a Column> + Clone) -> Result<Vec<ArrayRef>> {
        let held: usize = self.view_buffers.iter().skip(self.n_constants).map(|block| block.len()).sum();
        let used = columns.clone().map(|column| self.used_by(column)).sum::<Result<usize>>()?;
        self.keeps_blocks = used.saturating_mul(KEEP_BLOCKS_ABOVE) >= held;
        columns.map(|column| self.array(column, None)).collect()
    }

    /// Estimates from a sample how many bytes of the blocks a column uses.
    fn used_by(&self, column: &Column) -> Result<usize> {
        Ok(match &column.content {
            ColumnBuffers::Views(views) => {
                let views = ScalarBuffer::<u128>::from(self.buffer(*views)?);
                let step = if views.len() < SAMPLE_ABOVE { 1 } else { SAMPLE_STEP };
                bytes_outside(views.iter().step_by(step), self.n_constants).saturating_mul(step)
            }
            ColumnBuffers::List { items: inner, .. } | ColumnBuffers::Map { entries: inner, .. } => {
                self.used_by(inner)?
            }
            ColumnBuffers::Struct(inner) | ColumnBuffers::Union { branches: inner, .. } => {
                inner.iter().map(|column| self.used_by(column)).sum::<Result<usize>>()?
            }
            _ => 0,
        })
    }

    /// Makes the array of a column, which is null where its struct is. Arrow does not require that, but code that
    /// takes a field out of a struct seldom looks at the struct's nulls.
    fn array(&self, column: &Column, outer: Option<&NullBuffer>) -> Result<ArrayRef> {
        let Some(&len) = self.lens.get(column.level.index()) else { return mismatch(column) };
        let own = match column.valid {
            Some(valid) => null_buffer(&self.buffer(valid)?),
            None => None,
        };
        let nulls = NullBuffer::union(outer, own.as_ref());
        let data_type = column.field.data_type();
        Ok(match &column.content {
            ColumnBuffers::Null => Arc::new(NullArray::new(len)),
            ColumnBuffers::Boolean(values) => Arc::new(BooleanArray::new(pack(&self.buffer(*values)?), nulls)),
            ColumnBuffers::Primitive(values) => {
                let data =
                    ArrayData::builder(data_type.clone()).len(len).nulls(nulls).add_buffer(self.buffer(*values)?);
                make_array(data.build()?)
            }
            ColumnBuffers::Fixed(values) => {
                let DataType::FixedSizeBinary(size) = data_type else { return mismatch(column) };
                Arc::new(FixedSizeBinaryArray::try_new_with_len(*size, self.buffer(*values)?, nulls, len)?)
            }
            ColumnBuffers::Views(views) => {
                let n_kept = if self.keeps_blocks { self.view_buffers.len() } else { self.n_constants };
                self.strings(data_type, self.buffer(*views)?.into(), &self.view_buffers, n_kept, nulls)?
            }
            ColumnBuffers::Enum(keys, symbols) => {
                // An enum without symbols has no values, only slots of null records.
                let nulls = if symbols.is_empty() { Some(NullBuffer::new_null(len)) } else { nulls };
                let keys = Int32Array::new(self.buffer(*keys)?.into(), nulls);
                if let DataType::Dictionary(..) = data_type {
                    return Ok(Arc::new(DictionaryArray::try_new(keys, symbols.clone())?));
                }
                let symbols = StringViewArray::from(symbols.as_ref());
                let view = |key: Option<i32>| symbols.views().get(key? as usize).copied();
                let views = keys.iter().map(|key| view(key).unwrap_or(0)).collect();
                let buffers = Arc::from(symbols.data_buffers());
                self.strings(data_type, views, &buffers, buffers.len(), keys.nulls().cloned())?
            }
            ColumnBuffers::Text { offsets, bytes, .. } => {
                let text = StringArray::try_new(self.offsets(*offsets)?, self.buffer(*bytes)?, nulls)?;
                match data_type {
                    DataType::Utf8View => Arc::new(StringViewArray::from(&text)),
                    _ => Arc::new(text),
                }
            }
            ColumnBuffers::List { offsets, items } => {
                let values = self.array(items, None)?;
                Arc::new(ListArray::try_new(items.field.clone(), self.offsets(*offsets)?, values, nulls)?)
            }
            ColumnBuffers::Map { offsets, entries } => {
                let DataType::Map(field, sorted) = data_type else { return mismatch(column) };
                let array = self.array(entries, None)?;
                let Some(structs) = array.as_any().downcast_ref::<StructArray>() else { return mismatch(column) };
                Arc::new(MapArray::try_new(field.clone(), self.offsets(*offsets)?, structs.clone(), nulls, *sorted)?)
            }
            ColumnBuffers::Struct(children) => {
                let child = |child| self.array(child, nulls.as_ref());
                let arrays = children.iter().map(child).collect::<Result<Vec<_>>>()?;
                let DataType::Struct(fields) = data_type else { return mismatch(column) };
                structs(fields, arrays, nulls, len)?
            }
            ColumnBuffers::Union { ids, offsets, branches } => {
                let DataType::Union(fields, _) = data_type else { return mismatch(column) };
                let children = branches.iter().map(|branch| self.array(branch, None)).collect::<Result<Vec<_>>>()?;
                let (ids, offsets) = (self.buffer(*ids)?.into(), self.buffer(*offsets)?.into());
                Arc::new(UnionArray::try_new(fields.clone(), ids, Some(offsets), children)?)
            }
        })
    }

    fn buffer(&self, id: BufferId) -> Result<Buffer> {
        self.buffers.get(id.index()).cloned().ok_or_else(|| Error::internal(format!("no buffer {}", id.0)))
    }

    /// Arrow's offsets, with the leading zero that the program does not write.
    fn offsets(&self, written: BufferId) -> Result<OffsetBuffer<i32>> {
        let written = self.buffer(written)?;
        let mut offsets = MutableBuffer::with_capacity(written.len() + size_of::<i32>());
        offsets.push(0i32);
        offsets.extend_from_slice(written.as_slice());
        Ok(OffsetBuffer::new(ScalarBuffer::from(Buffer::from(offsets))))
    }

    /// Makes strings or bytes from views into `buffers`. The array keeps the first `n_kept` buffers alive and copies
    /// text in the others, so that small columns do not hold large blocks.
    fn strings(
        &self,
        data_type: &DataType,
        views: ScalarBuffer<u128>,
        buffers: &Arc<[Buffer]>,
        n_kept: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        match data_type {
            DataType::Utf8View | DataType::BinaryView => {
                let (views, buffers) = match bytes_outside(views.iter(), 0) {
                    0 => (views, Arc::from([])),
                    _ if n_kept == buffers.len() => (views, buffers.clone()),
                    _ => copy_views(&views, buffers, n_kept),
                };
                if *data_type == DataType::BinaryView {
                    // SAFETY: `program::verify` checked that only the kernels of bytes or text write this buffer, or
                    // zeros, which are empty views; they make views of what is inside the block, and `copy_views` keeps
                    // that.
                    return Ok(Arc::new(unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) }));
                }
                // SAFETY: as above, and `kernels::Utf8` checked the text; or they are an enum's symbols, or empty.
                Ok(Arc::new(unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }))
            }
            plain => {
                let bytes = self.take_text(views.iter().map(|&view| view as u32 as usize).sum())?;
                let (offsets, text) = plain_text(&views, buffers, bytes)?;
                if *plain == DataType::Binary {
                    return Ok(Arc::new(BinaryArray::try_new(offsets, text, nulls)?));
                }
                // SAFETY: as above; `plain_text` copies whole values.
                Ok(Arc::new(unsafe { StringArray::new_unchecked(offsets, text, nulls) }))
            }
        }
    }

    /// Reserves bytes of text to copy, up to the maximum: a long symbol of an enum takes one byte in a file.
    fn take_text(&self, bytes: usize) -> Result<usize> {
        if bytes > i32::MAX as usize {
            let what = "more than 2 GiB of strings in one row, but as views".to_string();
            return Err(ErrorKind::Unsupported { what }.into());
        }
        let max = self.max_text;
        let text = self.text.get().saturating_add(bytes);
        if text > max {
            return Err(ErrorKind::Limit { limit: "batch_bytes", value: text as u64, max: max as u64 }.into());
        }
        self.text.set(text);
        Ok(bytes)
    }
}

/// Bytes that are not inline and not in the first `n_kept` buffers. Without a branch, as lengths of text are hard to
/// predict.
fn bytes_outside<'a>(views: impl Iterator<Item = &'a u128>, n_kept: usize) -> usize {
    let lens = views.map(|&view| {
        let len = u64::from(view as u32);
        len * u64::from(len > u64::from(INLINE_BYTES)) * u64::from((view >> 64) as u32 as usize >= n_kept)
    });
    lens.sum::<u64>() as usize
}

/// Copies text outside the first `n_kept` buffers to one new buffer. Two values of a column never share bytes of a
/// block, so the copy of a block's text is not larger than the block. A constant is copied for each of its values.
fn copy_views(views: &[u128], buffers: &[Buffer], n_kept: usize) -> (ScalarBuffer<u128>, Arc<[Buffer]>) {
    let mut bytes = Vec::with_capacity(bytes_outside(views.iter(), n_kept));
    let moved = views.iter().map(|&view| {
        let len = view as u32;
        let (buffer, from) = ((view >> 64) as u32 as usize, (view >> 96) as u32 as usize);
        if len <= INLINE_BYTES || buffer < n_kept {
            return view;
        }
        let to = bytes.len();
        let buffer = buffers.get(buffer).map(Buffer::as_slice).unwrap_or_default();
        bytes.extend_from_slice(buffer.get(from..from + len as usize).unwrap_or_default());
        (view & u128::from(u64::MAX)) | ((n_kept as u128) << 64) | ((to as u128) << 96)
    });
    let moved: Vec<u128> = moved.collect();
    let kept = buffers.iter().take(n_kept).cloned();
    let copied = (!bytes.is_empty()).then(|| Buffer::from_vec(bytes));
    (ScalarBuffer::from(moved), kept.chain(copied).collect())
}

/// Copies the values of views one after the other. `bytes` is the sum of their lengths.
///
/// Most values are short, so a fixed number of bytes is copied where that is possible, which needs no call, and the
/// rest is cut off.
fn plain_text(views: &[u128], buffers: &[Buffer], bytes: usize) -> Result<(OffsetBuffer<i32>, Buffer)> {
    const WIDE: usize = 32;
    let mut text: Vec<u8> = Vec::with_capacity(bytes.saturating_add(WIDE));
    let mut offsets: Vec<i32> = Vec::with_capacity(views.len() + 1);
    offsets.push(0);
    for &view in views {
        let len = view as u32 as usize;
        let end = text.len() + len;
        if len <= INLINE_BYTES as usize {
            text.extend_from_slice(&(view >> 32).to_le_bytes());
        } else {
            let (buffer, from) = ((view >> 64) as u32 as usize, (view >> 96) as u32 as usize);
            let buffer = buffers.get(buffer).map(Buffer::as_slice).unwrap_or_default();
            match buffer.get(from..).and_then(|rest| rest.first_chunk::<WIDE>()) {
                Some(wide) if len <= WIDE => text.extend_from_slice(wide),
                _ => match buffer.get(from..from + len) {
                    Some(value) => text.extend_from_slice(value),
                    None => return Err(Error::internal("a view is outside its buffer")),
                },
            }
        }
        text.truncate(end);
        // `take_text` checked that the sum fits.
        offsets.push(end as i32);
    }
    Ok((OffsetBuffer::new(offsets.into()), Buffer::from_vec(text)))
}

/// Of more views than this, a sample determines how much of the blocks they use.
const SAMPLE_ABOVE: usize = 1000;
const SAMPLE_STEP: usize = 31;

/// The blocks of strings are kept if the strings use more than one in this many of their bytes.
const KEEP_BLOCKS_ABOVE: usize = 16;

fn structs(fields: &Fields, arrays: Vec<ArrayRef>, nulls: Option<NullBuffer>, len: usize) -> Result<ArrayRef> {
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, len)?))
}

/// Packs bytes that are 0 or 1 into bits.
fn pack(bytes: &[u8]) -> BooleanBuffer {
    let mut bits = Vec::with_capacity(bytes.len().div_ceil(8));
    let (eights, rest) = bytes.as_chunks::<8>();
    // The product moves bit 0 of byte i to bit 56 + i.
    let gather = |eight: [u8; 8]| (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
    bits.extend(eights.iter().map(|&eight| gather(eight)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        for (to, &from) in last.iter_mut().zip(rest) {
            *to = from;
        }
        bits.push(gather(last));
    }
    BooleanBuffer::new(Buffer::from_vec(bits), 0, bytes.len())
}

/// The validity, or `None` if every value is valid.
fn null_buffer(bytes: &[u8]) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(pack(bytes));
    (nulls.null_count() > 0).then_some(nulls)
}

#[cold]
fn mismatch<T>(column: &Column) -> Result<T> {
    let what = format!("column `{}` cannot be of type {}", column.field.name(), column.field.data_type());
    Err(Error::internal(what))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_equals_values_of_views() {
        let values: Vec<Option<String>> = (0..200)
            .map(|n| (n % 7 != 3).then(|| "äb€d".chars().cycle().take(n * n % 61).collect()))
            .chain([Some("x".repeat(32)), Some("y".repeat(33)), Some("z".repeat(13))])
            .collect();
        let views = StringViewArray::from_iter(values.clone());
        let bytes = values.iter().flatten().map(String::len).sum();
        let (offsets, text) = plain_text(views.views(), views.data_buffers(), bytes).unwrap();
        let plain = StringArray::new(offsets, text, views.nulls().cloned());
        assert_eq!(plain, StringArray::from_iter(values));
        assert!(plain_text(&[u128::from(40u32)], &[], 40).is_err());
    }

    #[test]
    fn bytes_pack_into_bits() {
        for len in 0..70 {
            let bytes: Vec<u8> = (0..len).map(|i: u32| u8::from(i.is_multiple_of(3) || i % 7 == 2)).collect();
            let bits = pack(&bytes);
            assert_eq!(bits.iter().map(u8::from).collect::<Vec<_>>(), bytes);
        }
    }
}
