//! The PyCapsule interface of Arrow: the C structs in named capsules.

use super::import::{StreamReader, import_array, take};
use super::schema::{export_field, export_schema, import_field, import_schema};
use super::stream::{BatchIterator, export_stream};
use super::{ArrowArray, ArrowArrayStream, ArrowSchema, array};
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_schema::{Field, Schema, SchemaRef};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use std::ffi::CStr;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// Returns the capsule of a schema.
pub(crate) fn schema_capsule<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, export_schema(schema).map_err(PyValueError::new_err)?, SCHEMA)
}

/// Returns the capsules of a batch: its schema and its columns.
pub(crate) fn batch_capsules<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Bound<'py, PyTuple>> {
    let schema = schema_capsule(py, batch.schema_ref())?;
    let columns = PyCapsule::new_with_value(py, array::export_batch(batch), ARRAY)?;
    PyTuple::new(py, [schema, columns])
}

/// Returns the capsule of a field.
pub(crate) fn field_capsule<'py>(py: Python<'py>, field: &Field) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, export_field(field).map_err(PyValueError::new_err)?, SCHEMA)
}

/// Returns the capsules of an array: its field and its values.
pub(crate) fn array_capsules<'py>(py: Python<'py>, field: &Field, values: &dyn Array) -> PyResult<Bound<'py, PyTuple>> {
    let schema = field_capsule(py, field)?;
    let values = PyCapsule::new_with_value(py, array::export_array(values.to_data()), ARRAY)?;
    PyTuple::new(py, [schema, values])
}

/// Returns the capsule of a stream.
pub(crate) fn stream_capsule(
    py: Python<'_>,
    schema: SchemaRef,
    batches: BatchIterator,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, export_stream(schema, batches), STREAM)
}

/// Opens the stream of an object with `__arrow_c_stream__`.
pub(crate) fn stream_of(object: &Bound<'_, PyAny>) -> PyResult<StreamReader> {
    if !object.hasattr("__arrow_c_stream__")? {
        let kind = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("expected an object with __arrow_c_stream__, found {kind}")));
    }
    let capsule = object.call_method0("__arrow_c_stream__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name has a stream, and the GIL is held while it is moved out.
    let stream = unsafe { take(pointer, ArrowArrayStream::empty()) };
    object.py().detach(|| StreamReader::new(stream)).map_err(PyValueError::new_err)
}

/// Returns the array of an object with `__arrow_c_array__`.
pub(crate) fn array_of(object: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let pair = object.call_method0("__arrow_c_array__")?;
    let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) = pair.extract()?;
    // SAFETY: capsules of these names have these structs, and the GIL is held while they are moved out.
    let (schema, array) = unsafe {
        (
            take(schema.pointer_checked(Some(SCHEMA))?, ArrowSchema::empty()),
            take(array.pointer_checked(Some(ARRAY))?, ArrowArray::empty()),
        )
    };
    let field = import_field(&schema).map_err(PyValueError::new_err)?;
    // SAFETY: the producer promises an array of its schema.
    let data = unsafe { import_array(array, field.data_type()) }.map_err(PyValueError::new_err)?;
    Ok(make_array(data))
}

/// Returns the columns of an object with `__arrow_c_schema__`.
pub(crate) fn schema_of(object: &Bound<'_, PyAny>) -> PyResult<Schema> {
    let capsule = object.call_method0("__arrow_c_schema__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    // SAFETY: a capsule of this name has a schema, and the GIL is held while it is moved out.
    let schema = unsafe { take(capsule.pointer_checked(Some(SCHEMA))?, ArrowSchema::empty()) };
    import_schema(&schema).map_err(PyValueError::new_err)
}
