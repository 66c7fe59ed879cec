//! `ArrowArray` and `ArrowArrayStream` of others as batches. Buffers are shared, not copied.

use super::schema::import_schema;
use super::{ArrowArray, ArrowArrayStream, ArrowSchema};
use arrow_array::{Array, RecordBatch, RecordBatchOptions, StructArray};
use arrow_buffer::Buffer;
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::{DataType, SchemaRef, UnionMode};
use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

// SAFETY: an imported array is only read until it is dropped.
unsafe impl Sync for ArrowArray {}

/// The batches of a stream of another library.
pub(crate) struct StreamReader {
    stream: ArrowArrayStream,
    schema: SchemaRef,
}

impl StreamReader {
    /// Takes a stream over and reads its schema.
    pub(crate) fn new(mut stream: ArrowArrayStream) -> Result<StreamReader, String> {
        let Some(get_schema) = stream.get_schema.filter(|_| stream.release.is_some()) else {
            return Err("the Arrow stream was released, as after its first use".to_owned());
        };
        let mut schema = ArrowSchema::empty();
        // SAFETY: the stream is valid, as it is not released, and `schema` is a place for a struct.
        let code = unsafe { get_schema(&mut stream, &mut schema) };
        if code != 0 {
            return Err(last_error(&mut stream, code));
        }
        let schema = Arc::new(import_schema(&schema)?);
        Ok(StreamReader { stream, schema })
    }

    /// Returns the columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, String> {
        let Some(get_next) = self.stream.get_next.filter(|_| self.stream.release.is_some()) else { return Ok(None) };
        let mut array = ArrowArray::empty();
        // SAFETY: the stream is valid, as it is not released, and `array` is a place for a struct.
        let code = unsafe { get_next(&mut self.stream, &mut array) };
        if code != 0 {
            let error = last_error(&mut self.stream, code);
            self.stream = ArrowArrayStream::empty();
            return Err(error);
        }
        if array.release.is_none() {
            return Ok(None);
        }
        // SAFETY: the stream promises arrays of its schema.
        unsafe { import_batch(array, &self.schema) }.map(Some)
    }
}

impl Iterator for StreamReader {
    type Item = Result<RecordBatch, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn last_error(stream: &mut ArrowArrayStream, code: i32) -> String {
    if let Some(get_last_error) = stream.get_last_error {
        // SAFETY: the stream is valid; the text lives until the next call.
        unsafe {
            let text = get_last_error(stream);
            if !text.is_null() {
                return CStr::from_ptr(text).to_string_lossy().into_owned();
            }
        }
    }
    format!("the Arrow stream failed with code {code}")
}

/// Takes the columns of a batch over.
///
/// # Safety
/// The array must be a valid struct of these columns.
pub(crate) unsafe fn import_batch(array: ArrowArray, schema: &SchemaRef) -> Result<RecordBatch, String> {
    // SAFETY: promised by the caller.
    let data = unsafe { import_array(array, &DataType::Struct(schema.fields().clone()))? };
    let columns = StructArray::from(data);
    if columns.null_count() > 0 {
        return Err("an Arrow batch has null rows".to_owned());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(columns.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.columns().to_vec(), &options)
        .map_err(|e| e.to_string())
}

/// Takes an array over.
///
/// # Safety
/// The array must be a valid struct of this type.
pub(crate) unsafe fn import_array(array: ArrowArray, data_type: &DataType) -> Result<ArrayData, String> {
    let owner = Arc::new(array);
    // SAFETY: promised by the caller; `owner` keeps all that the array points to.
    unsafe { Node { array: &owner, owner: &owner }.import(data_type) }
}

/// An array, and the outermost one around it, which owns its buffers.
struct Node<'a> {
    array: &'a ArrowArray,
    owner: &'a Arc<ArrowArray>,
}

impl Node<'_> {
    /// Returns this array.
    ///
    /// # Safety
    /// The array must be a valid struct of this type.
    unsafe fn import(&self, data_type: &DataType) -> Result<ArrayData, String> {
        use DataType::*;
        let size = |n: i64| usize::try_from(n).map_err(|_| "an Arrow array has a negative length".to_owned());
        let (len, offset) = (size(self.array.length)?, size(self.array.offset)?);
        let slots = len.checked_add(offset).ok_or("an Arrow array is too long")?;
        let mut builder = ArrayDataBuilder::new(data_type.clone()).len(len).offset(offset).align_buffers(true);
        // SAFETY: the struct is valid, so its buffers have the bytes, and its children the types, of `data_type`.
        unsafe {
            if !matches!(data_type, Null | Union(..) | RunEndEncoded(..)) && self.array.null_count != 0 {
                builder = builder.null_bit_buffer(self.some_buffer(0, slots.div_ceil(8)));
            }
            match data_type {
                Null | Struct(_) | FixedSizeList(..) | RunEndEncoded(..) => {}
                Boolean => builder = builder.add_buffer(self.buffer(1, slots.div_ceil(8))),
                Utf8 | Binary | List(_) | Map(..) => {
                    let offsets = self.offsets(1, slots, 4);
                    if matches!(data_type, Utf8 | Binary) {
                        let last = offsets.typed_data::<i32>().last().copied().unwrap_or(0);
                        builder = builder.add_buffer(offsets).add_buffer(self.buffer(2, size(last.into())?));
                    } else {
                        builder = builder.add_buffer(offsets);
                    }
                }
                LargeUtf8 | LargeBinary | LargeList(_) => {
                    let offsets = self.offsets(1, slots, 8);
                    if matches!(data_type, LargeUtf8 | LargeBinary) {
                        let last = offsets.typed_data::<i64>().last().copied().unwrap_or(0);
                        builder = builder.add_buffer(offsets).add_buffer(self.buffer(2, size(last)?));
                    } else {
                        builder = builder.add_buffer(offsets);
                    }
                }
                ListView(_) => {
                    builder = builder.add_buffer(self.buffer(1, slots * 4)).add_buffer(self.buffer(2, slots * 4));
                }
                LargeListView(_) => {
                    builder = builder.add_buffer(self.buffer(1, slots * 8)).add_buffer(self.buffer(2, slots * 8));
                }
                Utf8View | BinaryView => {
                    builder = builder.add_buffer(self.buffer(1, slots * 16));
                    let variadic = size(self.array.n_buffers)?.saturating_sub(3);
                    let sizes = self.buffer(2 + variadic, variadic * 8);
                    for (at, bytes) in sizes.typed_data::<i64>().iter().enumerate() {
                        builder = builder.add_buffer(self.buffer(2 + at, size(*bytes)?));
                    }
                }
                Union(_, mode) => {
                    builder = builder.add_buffer(self.buffer(0, slots));
                    if *mode == UnionMode::Dense {
                        builder = builder.add_buffer(self.buffer(1, slots * 4));
                    }
                }
                FixedSizeBinary(width) => builder = builder.add_buffer(self.buffer(1, slots * size((*width).into())?)),
                Dictionary(keys, values) => {
                    let width = keys.primitive_width().ok_or("keys of a dictionary are integers")?;
                    builder = builder.add_buffer(self.buffer(1, slots * width));
                    let dictionary = self.array.dictionary.as_ref().ok_or("a dictionary has no values")?;
                    builder = builder.add_child_data(Node { array: dictionary, owner: self.owner }.import(values)?);
                }
                other => {
                    let width = other.primitive_width().ok_or_else(|| format!("cannot import the type {other}"))?;
                    builder = builder.add_buffer(self.buffer(1, slots * width));
                }
            }
            let children = children(data_type);
            if size(self.array.n_children)? != children.len() {
                return Err("an Arrow array has not the children of its type".to_owned());
            }
            for (at, child) in children.into_iter().enumerate() {
                let array = &**self.array.children.add(at);
                builder = builder.add_child_data(Node { array, owner: self.owner }.import(&child)?);
            }
        }
        builder.build().map_err(|e| format!("invalid Arrow array: {e}"))
    }

    /// Returns a buffer, or `None` if it is missing.
    ///
    /// # Safety
    /// If the array has the buffer, it must have this many bytes.
    unsafe fn some_buffer(&self, at: usize, bytes: usize) -> Option<Buffer> {
        if i64::try_from(at).is_ok_and(|at| at >= self.array.n_buffers) {
            return None;
        }
        // SAFETY: the array has `n_buffers` pointers, of which this one is null or has these bytes. `owner` keeps them.
        unsafe {
            let start: *const c_void = *self.array.buffers.add(at);
            let start = NonNull::new(start.cast::<u8>().cast_mut())?;
            Some(Buffer::from_custom_allocation(start, bytes, Arc::clone(self.owner) as _))
        }
    }

    /// Returns a buffer, empty if it is missing.
    ///
    /// # Safety
    /// As of [`some_buffer`](Self::some_buffer).
    unsafe fn buffer(&self, at: usize, bytes: usize) -> Buffer {
        // SAFETY: promised by the caller.
        unsafe { self.some_buffer(at, bytes) }.unwrap_or_else(|| Buffer::from(&[0u8; 0]))
    }

    /// Returns a buffer of offsets, which always has one. Arrays of length 0 may come without.
    ///
    /// # Safety
    /// As of [`some_buffer`](Self::some_buffer).
    unsafe fn offsets(&self, at: usize, slots: usize, width: usize) -> Buffer {
        if slots == 0 {
            return Buffer::from(vec![0u8; width]);
        }
        // SAFETY: promised by the caller.
        let buffer = unsafe { self.buffer(at, (slots + 1) * width) };
        match buffer.as_ptr().align_offset(width) {
            0 => buffer,
            _ => Buffer::from(buffer.as_slice()),
        }
    }
}

fn children(data_type: &DataType) -> Vec<DataType> {
    use DataType::*;
    match data_type {
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) | Map(item, _) => {
            vec![item.data_type().clone()]
        }
        Struct(fields) => fields.iter().map(|field| field.data_type().clone()).collect(),
        Union(fields, _) => fields.iter().map(|(_, field)| field.data_type().clone()).collect(),
        RunEndEncoded(ends, values) => vec![ends.data_type().clone(), values.data_type().clone()],
        _ => vec![],
    }
}

/// Moves a struct out of a place and leaves a released one there, as the interface requires of a consumer.
///
/// # Safety
/// The pointer must be valid, and nobody else may use the place at the same time.
pub(crate) unsafe fn take<T>(place: NonNull<c_void>, empty: T) -> T {
    // SAFETY: promised by the caller.
    unsafe { ptr::replace(place.cast::<T>().as_ptr(), empty) }
}
