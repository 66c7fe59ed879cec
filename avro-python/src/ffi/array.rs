//! Columns and batches as `ArrowArray`. Buffers are shared, not copied.

use super::ArrowArray;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use std::ffi::c_void;
use std::ptr;

/// What an exported array points to, and what keeps its buffers alive.
struct OwnedArray {
    /// The buffers below are those of this array, and of its bits of validity.
    _data: ArrayData,
    _validity: Option<Buffer>,
    /// The sizes of the variadic buffers of views.
    _sizes: Vec<i64>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
    dictionary: *mut ArrowArray,
}

/// Returns a batch as the struct of its columns.
pub(crate) fn export_batch(batch: &RecordBatch) -> ArrowArray {
    let columns = match batch.num_columns() {
        0 => StructArray::new_empty_fields(batch.num_rows(), None),
        _ => StructArray::from(batch.clone()),
    };
    export_array(columns.to_data())
}

/// Returns an array.
pub(crate) fn export_array(data: ArrayData) -> ArrowArray {
    let (has_validity, is_view) = match data.data_type() {
        DataType::Null | DataType::Union(..) | DataType::RunEndEncoded(..) => (false, false),
        DataType::Utf8View | DataType::BinaryView => (true, true),
        _ => (true, false),
    };
    let validity = data.nulls().filter(|_| has_validity).map(|nulls| validity(nulls, data.offset()));
    let null_count = match data.data_type() {
        DataType::Null => data.len(),
        _ if has_validity => data.nulls().map_or(0, NullBuffer::null_count),
        _ => 0,
    };
    let pointer = |buffer: &Buffer| buffer.as_ptr().cast::<c_void>();
    let mut buffers = vec![];
    if has_validity {
        buffers.push(validity.as_ref().map_or(ptr::null(), pointer));
    }
    buffers.extend(data.buffers().iter().map(pointer));
    let sizes: Vec<i64> = match is_view {
        true => data.buffers().iter().skip(1).map(|buffer| buffer.len() as i64).collect(),
        false => vec![],
    };
    if is_view {
        buffers.push(sizes.as_ptr().cast());
    }
    let boxed = |child: &ArrayData| Box::into_raw(Box::new(export_array(child.clone())));
    let (children, dictionary) = match data.data_type() {
        DataType::Dictionary(..) => (vec![], data.child_data().first().map_or(ptr::null_mut(), boxed)),
        _ => (data.child_data().iter().map(boxed).collect(), ptr::null_mut()),
    };
    let (length, offset) = (data.len() as i64, data.offset() as i64);
    let mut owned =
        Box::new(OwnedArray { _data: data, _validity: validity, _sizes: sizes, buffers, children, dictionary });
    ArrowArray {
        length,
        null_count: null_count as i64,
        offset,
        n_buffers: owned.buffers.len() as i64,
        n_children: owned.children.len() as i64,
        buffers: owned.buffers.as_mut_ptr(),
        children: owned.children.as_mut_ptr(),
        dictionary: owned.dictionary,
        release: Some(release),
        private_data: Box::into_raw(owned).cast(),
    }
}

/// Returns bits of validity that start at the offset of the array, as the interface has one offset for all buffers.
fn validity(nulls: &NullBuffer, offset: usize) -> Buffer {
    if nulls.offset() == offset {
        return nulls.buffer().clone();
    }
    let mut bits = BooleanBufferBuilder::new(offset + nulls.len());
    bits.append_n(offset, false);
    bits.append_buffer(nulls.inner());
    bits.finish().into_inner()
}

/// Releases what `export_array` made.
unsafe extern "C" fn release(array: *mut ArrowArray) {
    // SAFETY: the consumer passes a struct of `export_array`, once; `private_data` and children are boxes made there.
    // A child that the consumer moved out is marked as released, so its box frees the struct only.
    unsafe {
        let Some(array) = array.as_mut() else { return };
        let owned = Box::from_raw(array.private_data.cast::<OwnedArray>());
        for child in owned.children.iter().copied().chain([owned.dictionary]).filter(|child| !child.is_null()) {
            drop(Box::from_raw(child));
        }
        array.release = None;
        array.private_data = ptr::null_mut();
    }
}
