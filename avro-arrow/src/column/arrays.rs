//! Turns buffers into Arrow arrays: joins lanes, rebases positions, packs bytes of validity into bits.

use super::buffers::{RowsBuffer, rows_buffers};
use super::{BufferId, Column, ColumnBuffers, Holds, LaneBuffers, Layout, LevelId, ROWS};
use crate::error::{ErrorKind, Result};
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Int32Array, ListArray,
    MapArray, NullArray, StringArray, StringViewArray, StructArray, UnionArray, make_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Fields};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// A view holds values of at most this many bytes itself.
const INLINE_BYTES: u32 = 12;

/// The buffers of the rows and the lanes, as the program writes them.
pub(crate) struct OutputBuffers {
    pub(crate) rows: Vec<RowsBuffer>,
    pub(crate) lanes: Vec<LaneBuffers>,
}

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

impl OutputBuffers {
    /// Allocates memory for lanes with these numbers of rows. Each lane may take `lane_bytes` for the levels below the
    /// rows, which have room for `slots_per_row` at first, if that is known.
    pub(crate) fn new(
        layout: &Layout,
        rows_of_lanes: &[usize],
        lane_bytes: usize,
        slots_per_row: &[f64],
    ) -> OutputBuffers {
        let mut rows = rows_buffers(layout, rows_of_lanes.iter().sum());
        let mut first = 0;
        let lanes = rows_of_lanes.iter().map(|&n| {
            let mut lane = LaneBuffers::new(layout, &mut rows, first, n, lane_bytes);
            for (level, per_row) in slots_per_row.iter().enumerate().skip(1) {
                lane.expect(layout, LevelId(level as u32), per_row * n as f64);
            }
            first += n;
            lane
        });
        let lanes = lanes.collect();
        OutputBuffers { rows, lanes }
    }

    /// Joins the lanes. The first `n_constants` of the buffers that views point into are constants; the arrays may
    /// copy at most `max_text` bytes of text.
    ///
    /// # Safety
    /// The program has run to its end on every lane without a fault.
    pub(crate) unsafe fn join(
        self,
        layout: &Layout,
        rows_of_lanes: &[usize],
        view_buffers: Arc<[Buffer]>,
        n_constants: usize,
        max_text: usize,
    ) -> FilledBuffers {
        let n_rows: usize = rows_of_lanes.iter().sum();
        // SAFETY: every slot of every row is written, by the caller's promise.
        let mut buffers: Vec<WrittenBuffer> =
            self.rows.into_iter().map(|buffer| unsafe { buffer.into_written() }.into()).collect();
        let mut lens = vec![0; layout.levels.len()];
        let mut first_row = 0;
        for (lane, &lane_rows) in self.lanes.into_iter().zip(rows_of_lanes) {
            // SAFETY: the caller's promise.
            let (own, lane_lens) = unsafe { lane.into_buffers(layout) };
            let mut own: Vec<WrittenBuffer> =
                own.into_iter().map(|memory| WrittenBuffer { memory, first: 0 }).collect();
            // Positions count from the lane's own first slot of the level they are in.
            if first_row > 0 {
                let rows = first_row..first_row + lane_rows;
                for (id, spec) in layout.buffers.iter().enumerate() {
                    if spec.level == ROWS {
                        rebase(&mut buffers, id, &spec.holds, rows.clone(), &lens);
                    } else {
                        let slots = lane_lens.get(spec.level.index()).copied().unwrap_or(0);
                        rebase(&mut own, id, &spec.holds, 0..slots, &lens);
                    }
                }
            }
            for ((buffer, part), spec) in buffers.iter_mut().zip(own).zip(&layout.buffers) {
                if spec.level == ROWS {
                    continue;
                } else if buffer.memory.is_empty() {
                    *buffer = part;
                } else {
                    buffer.memory.extend_from_slice(part.bytes());
                }
            }
            for (len, lane_len) in lens.iter_mut().zip(lane_lens) {
                *len += lane_len;
            }
            first_row += lane_rows;
        }
        if let Some(rows) = lens.first_mut() {
            *rows = n_rows;
        }
        let buffers = buffers.into_iter().map(|buffer| Buffer::from(buffer.memory).slice(buffer.first)).collect();
        FilledBuffers { buffers, lens, view_buffers, n_constants, keeps_blocks: false, text: Cell::new(0), max_text }
    }
}

/// A written buffer: its memory, and the offset in it of the slots, a multiple of 64.
struct WrittenBuffer {
    memory: MutableBuffer,
    first: usize,
}

impl From<(MutableBuffer, usize)> for WrittenBuffer {
    fn from((memory, first): (MutableBuffer, usize)) -> Self {
        WrittenBuffer { memory, first }
    }
}

impl WrittenBuffer {
    fn bytes(&self) -> &[u8] {
        self.memory.as_slice().get(self.first..).unwrap_or_default()
    }

    fn positions(&mut self) -> &mut [i32] {
        let first = self.first / size_of::<i32>();
        self.memory.typed_data_mut::<i32>().get_mut(first..).unwrap_or_default()
    }
}

/// Adds to the positions in some slots of a buffer the number of slots that earlier lanes have in the levels they refer
/// to. `exec` keeps every level below 2³¹ slots, all lanes together.
fn rebase(buffers: &mut [WrittenBuffer], id: usize, holds: &Holds, slots: Range<usize>, lens: &[usize]) {
    let base = |level: LevelId| lens.get(level.index()).map_or(0, |&len| len as i32);
    match holds {
        Holds::Values => {}
        Holds::ListOffsets(level) => {
            let offsets = buffers.get_mut(id).map(WrittenBuffer::positions).unwrap_or_default();
            for offset in offsets.get_mut(slots).unwrap_or_default() {
                *offset = offset.wrapping_add(base(*level));
            }
        }
        Holds::UnionOffsets { ids, branches } => {
            let ids = buffers.get(ids.index()).and_then(|buffer| buffer.bytes().get(slots.clone()));
            let bases = ids.unwrap_or_default().iter().map(|&id| branches.get(usize::from(id)).map_or(0, |&l| base(l)));
            let bases: Vec<i32> = bases.collect();
            let offsets = buffers.get_mut(id).map(WrittenBuffer::positions).unwrap_or_default();
            for (offset, base) in offsets.get_mut(slots).unwrap_or_default().iter_mut().zip(bases) {
                *offset = offset.wrapping_add(base);
            }
        }
    }
}

impl FilledBuffers {
    /// Number of slots of each level per row.
    pub(crate) fn slots_per_row(&self) -> Vec<f64> {
        let rows = self.lens.first().map_or(1, |&rows| rows.max(1));
        self.lens.iter().map(|&len| len as f64 / rows as f64).collect()
    }

    /// Makes the arrays of all columns.
    pub(crate) fn arrays<'a>(mut self, columns: impl Iterator<Item = &'a Column> + Clone) -> Result<Vec<ArrayRef>> {
        let held: usize = self.view_buffers.iter().skip(self.n_constants).map(|block| block.len()).sum();
        let used: usize = columns.clone().map(|column| self.used_by(column)).sum();
        self.keeps_blocks = used.saturating_mul(KEEP_BLOCKS_ABOVE) >= held;
        columns.map(|column| self.array(column, None)).collect()
    }

    /// Estimates from a sample how many bytes of the blocks a column uses.
    fn used_by(&self, column: &Column) -> usize {
        match &column.content {
            ColumnBuffers::Views(views) => {
                let views = ScalarBuffer::<u128>::from(self.buffer(*views));
                let step = if views.len() < SAMPLE_ABOVE { 1 } else { SAMPLE_STEP };
                bytes_outside(views.iter().step_by(step), self.n_constants).saturating_mul(step)
            }
            ColumnBuffers::List { items: inner, .. } | ColumnBuffers::Map { entries: inner, .. } => self.used_by(inner),
            ColumnBuffers::Struct(inner) | ColumnBuffers::Union { branches: inner, .. } => {
                inner.iter().map(|column| self.used_by(column)).sum()
            }
            _ => 0,
        }
    }

    /// Makes the array of a column, which is null where its struct is. Arrow does not require that, but code that
    /// takes a field out of a struct seldom looks at the struct's nulls.
    fn array(&self, column: &Column, outer: Option<&NullBuffer>) -> Result<ArrayRef> {
        let len = self.lens.get(column.level.index()).copied().unwrap_or(0);
        let own = column.valid.and_then(|valid| null_buffer(&self.buffer(valid)));
        let nulls = NullBuffer::union(outer, own.as_ref());
        let data_type = column.field.data_type();
        Ok(match &column.content {
            ColumnBuffers::Null => Arc::new(NullArray::new(len)),
            ColumnBuffers::Boolean(values) => Arc::new(BooleanArray::new(pack(&self.buffer(*values)), nulls)),
            ColumnBuffers::Primitive(values) => {
                let data = ArrayData::builder(data_type.clone()).len(len).nulls(nulls).add_buffer(self.buffer(*values));
                make_array(data.build()?)
            }
            ColumnBuffers::Fixed(values) => {
                let DataType::FixedSizeBinary(size) = data_type else { return mismatch(column) };
                Arc::new(FixedSizeBinaryArray::try_new_with_len(*size, self.buffer(*values), nulls, len)?)
            }
            ColumnBuffers::Views(views) => {
                let n_kept = if self.keeps_blocks { self.view_buffers.len() } else { self.n_constants };
                self.strings(data_type, self.buffer(*views).into(), &self.view_buffers, n_kept, nulls)?
            }
            ColumnBuffers::Enum(keys, symbols) => {
                // An enum without symbols has no values, only slots of null records.
                let nulls = if symbols.is_empty() { Some(NullBuffer::new_null(len)) } else { nulls };
                let keys = Int32Array::new(self.buffer(*keys).into(), nulls);
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
                let text = StringArray::try_new(self.offsets(*offsets), self.buffer(*bytes), nulls)?;
                match data_type {
                    DataType::Utf8View => Arc::new(StringViewArray::from(&text)),
                    _ => Arc::new(text),
                }
            }
            ColumnBuffers::List { offsets, items } => {
                let values = self.array(items, None)?;
                Arc::new(ListArray::try_new(items.field.clone(), self.offsets(*offsets), values, nulls)?)
            }
            ColumnBuffers::Map { offsets, entries } => {
                let DataType::Map(field, sorted) = data_type else { return mismatch(column) };
                let array = self.array(entries, None)?;
                let Some(structs) = array.as_any().downcast_ref::<StructArray>() else { return mismatch(column) };
                Arc::new(MapArray::try_new(field.clone(), self.offsets(*offsets), structs.clone(), nulls, *sorted)?)
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
                let (ids, offsets) = (self.buffer(*ids).into(), self.buffer(*offsets).into());
                Arc::new(UnionArray::try_new(fields.clone(), ids, Some(offsets), children)?)
            }
        })
    }

    fn buffer(&self, id: BufferId) -> Buffer {
        self.buffers.get(id.index()).cloned().unwrap_or_default()
    }

    /// Arrow's offsets, with the leading zero that the program does not write.
    fn offsets(&self, written: BufferId) -> OffsetBuffer<i32> {
        let written = self.buffer(written);
        let mut offsets = MutableBuffer::with_capacity(written.len() + size_of::<i32>());
        offsets.push(0i32);
        offsets.extend_from_slice(written.as_slice());
        OffsetBuffer::new(ScalarBuffer::from(Buffer::from(offsets)))
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
                // SAFETY: as above.
                let views = unsafe { BinaryViewArray::new_unchecked(views, buffers.clone(), nulls) };
                if *plain == DataType::Binary {
                    let mut builder = BinaryBuilder::with_capacity(views.len(), bytes);
                    builder.extend(views.iter());
                    return Ok(Arc::new(builder.finish()));
                }
                let mut builder = StringBuilder::with_capacity(views.len(), bytes);
                for value in views.iter() {
                    // SAFETY: as above.
                    builder.append_option(value.map(|bytes| unsafe { str::from_utf8_unchecked(bytes) }));
                }
                Ok(Arc::new(builder.finish()))
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
    Err(arrow_schema::ArrowError::SchemaError(what).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pack_into_bits() {
        for len in 0..70 {
            let bytes: Vec<u8> = (0..len).map(|i: u32| u8::from(i.is_multiple_of(3) || i % 7 == 2)).collect();
            let bits = pack(&bytes);
            assert_eq!(bits.iter().map(u8::from).collect::<Vec<_>>(), bytes);
        }
    }
}
