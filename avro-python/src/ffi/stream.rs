//! Batches as `ArrowArrayStream`, which any library pulls from.

use super::array::export_batch;
use super::schema::export_schema;
use super::{ArrowArray, ArrowArrayStream, ArrowSchema, c_text};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::ffi::{CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// The code of any failure: the message says more.
const EIO: c_int = 5;

/// Batches, or messages of errors.
pub(crate) type BatchIterator = Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>;

/// What an exported stream points to.
struct OwnedStream {
    schema: SchemaRef,
    /// `None` after the end and after an error.
    batches: Option<BatchIterator>,
    error: CString,
}

/// Returns a stream of these batches.
pub(crate) fn export_stream(schema: SchemaRef, batches: BatchIterator) -> ArrowArrayStream {
    let owned = Box::new(OwnedStream { schema, batches: Some(batches), error: CString::default() });
    ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release),
        private_data: Box::into_raw(owned).cast(),
    }
}

impl OwnedStream {
    /// Runs a step, and keeps the message of a failure. A panic is a failure, as it must not cross into C.
    fn step(&mut self, step: impl FnOnce(&mut OwnedStream) -> Result<(), String>) -> c_int {
        let done = catch_unwind(AssertUnwindSafe(|| step(self)));
        let Err(error) = done.unwrap_or_else(|_| Err("internal error: a panic".to_owned())) else { return 0 };
        self.batches = None;
        self.error = c_text(&error);
        EIO
    }
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: the consumer passes a stream of `export_stream` that is not released, and a place for a struct.
    unsafe {
        let owned = &mut *(*stream).private_data.cast::<OwnedStream>();
        owned.step(|owned| {
            ptr::write(out, export_schema(&owned.schema)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: the consumer passes a stream of `export_stream` that is not released, and a place for a struct.
    unsafe {
        let owned = &mut *(*stream).private_data.cast::<OwnedStream>();
        owned.step(|owned| {
            let next = owned.batches.as_mut().and_then(|batches| batches.next()).transpose()?;
            if next.is_none() {
                owned.batches = None;
            }
            ptr::write(out, next.as_ref().map_or_else(ArrowArray::empty, export_batch));
            Ok(())
        })
    }
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: the consumer passes a stream of `export_stream` that is not released.
    unsafe {
        let owned = &*(*stream).private_data.cast::<OwnedStream>();
        if owned.error.is_empty() { ptr::null() } else { owned.error.as_ptr() }
    }
}

unsafe extern "C" fn release(stream: *mut ArrowArrayStream) {
    // SAFETY: the consumer passes a stream of `export_stream`, once.
    unsafe {
        let Some(stream) = stream.as_mut() else { return };
        let owned = Box::from_raw(stream.private_data.cast::<OwnedStream>());
        stream.release = None;
        stream.private_data = ptr::null_mut();
        // A panic must not cross into C.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(owned)));
    }
}
