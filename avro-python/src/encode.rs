//! Rows of any object with `__arrow_c_stream__` as messages of queues.

use crate::error::raise;
use crate::ffi::capsule::{array_capsules, field_capsule, stream_of};
use crate::messages::{parse_framing, parse_id};
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, SchemaRef};
use arrow_select::concat::concat;
use avro_arrow::message::{Framing, SchemaId};
use avro_arrow::schema::Schema;
use avro_arrow::{Error, Limits, MessageEncoder, tagged};
use avro_sql_cli::embed::{Class, SqlFailure};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyList, PyTuple};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum size of the messages of one call, as they are one array with offsets of 32 bits.
const BYTES_MAX: usize = i32::MAX as usize;

/// Encodes rows as messages.
#[pyclass(frozen, name = "MessageEncoder", module = "avro_sql._native")]
pub(crate) struct Encoder {
    schema: Option<Schema>,
    framing: Framing,
    id: SchemaId,
    /// The encoder for the columns of the last call.
    last: Mutex<Option<(SchemaRef, Arc<MessageEncoder>)>>,
}

impl Encoder {
    fn last(&self) -> MutexGuard<'_, Option<(SchemaRef, Arc<MessageEncoder>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the encoder for these columns.
    fn of_columns(&self, columns: &SchemaRef) -> Result<Arc<MessageEncoder>, Error> {
        if let Some((_, encoder)) = self.last().as_ref().filter(|(known, _)| known == columns) {
            return Ok(Arc::clone(encoder));
        }
        let (schema, framing, id) = (self.schema.as_ref(), self.framing, self.id);
        let encoder = Arc::new(MessageEncoder::new(columns, schema, framing, id, &Limits::default())?);
        *self.last() = Some((Arc::clone(columns), Arc::clone(&encoder)));
        Ok(encoder)
    }
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (schema, framing, id))]
    fn new(py: Python<'_>, schema: Option<&str>, framing: &str, id: Option<Bound<'_, PyAny>>) -> PyResult<Encoder> {
        let framing = parse_framing(framing)?;
        let schema =
            schema.map(|json| Schema::parse(json, &Limits::default())).transpose().map_err(|e| raise(py, e))?;
        let id = match (framing, id) {
            (Framing::Bare, None) => SchemaId::Unnamed,
            // The encoder computes the fingerprint.
            (Framing::SingleObject, None) => SchemaId::Rabin(0),
            (Framing::Bare | Framing::SingleObject, Some(_)) => {
                return Err(PyValueError::new_err(
                    "id: messages of this framing carry no id of a registry; leave it out",
                ));
            }
            (_, Some(id)) => parse_id(&id, "id")?,
            (_, None) => return Err(PyValueError::new_err("id: pass the id that the registry gave to the schema")),
        };
        framing.write_prefix(id, &mut vec![]).map_err(|e| raise(py, e))?;
        Ok(Encoder { schema, framing, id, last: Mutex::new(None) })
    }

    /// Encodes rows, in their order.
    fn encode(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Encoded> {
        let mut reader = stream_of(rows)?;
        // Unions are structs on the way.
        let dense = tagged::dense_schema(reader.schema());
        let encoder = self.of_columns(dense.as_ref().unwrap_or(reader.schema())).map_err(|e| raise(py, e))?;
        let (mut parts, mut n_rows, mut n_bytes) = (vec![], 0, 0);
        while let Some(batch) = py.detach(|| reader.next()) {
            let batch = batch.map_err(PyValueError::new_err)?;
            let part = py.detach(|| encode_batch(&encoder, batch, dense.as_ref(), n_rows)).map_err(|e| raise(py, e))?;
            (n_rows, n_bytes) = (n_rows + part.len(), n_bytes + part.values().len());
            if n_bytes > BYTES_MAX {
                let message = format!("the messages of one call have more than {BYTES_MAX} bytes; encode fewer rows");
                return Err(raise(py, SqlFailure { message, class: Class::Limit, position: None }));
            }
            parts.push(part);
            py.check_signals()?;
        }
        if parts.is_empty() {
            parts.push(BinaryArray::from_iter_values::<&[u8], _>([]));
        }
        let arrays: Vec<&dyn Array> = parts.iter().map(|part| part as &dyn Array).collect();
        let joined = py.detach(|| concat(&arrays).map(|array| BinaryArray::from(array.to_data())));
        joined.map(Encoded).map_err(|e| PyValueError::new_err(e.to_string()))
    }

    /// Returns the Avro schema of the messages as JSON: as given, or of the last rows.
    fn schema(&self) -> Option<String> {
        let last = self.last();
        let encoded = last.as_ref().map(|(_, encoder)| encoder.schema());
        self.schema.as_ref().or(encoded).map(|schema| schema.json().to_owned())
    }
}

/// Encodes a batch, with these columns if it has unions. Its first row is the row `first` of the call.
fn encode_batch(
    encoder: &MessageEncoder,
    mut batch: RecordBatch,
    dense: Option<&SchemaRef>,
    first: usize,
) -> Result<BinaryArray, Error> {
    if let Some(dense) = dense {
        batch = tagged::dense_batch(&batch, dense)?;
    }
    encoder.encode(&batch).map_err(|e| e.at(|position| position.row = position.row.map(|row| row + first as u64)))
}

/// Messages, as an array of binary values without nulls.
#[pyclass(frozen, name = "Encoded", module = "avro_sql._native")]
pub(crate) struct Encoded(BinaryArray);

#[pymethods]
impl Encoded {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Returns a message.
    fn get<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyBytes>> {
        match index < self.0.len() {
            true => Ok(PyBytes::new(py, self.0.value(index))),
            false => Err(PyIndexError::new_err(format!("there is no message {index} of {}", self.0.len()))),
        }
    }

    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, (0..self.0.len()).map(|at| PyBytes::new(py, self.0.value(at))))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        field_capsule(py, &field())
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        // The interface lets a producer return its own types.
        let _ = requested_schema;
        array_capsules(py, &field(), &self.0)
    }
}

fn field() -> Field {
    Field::new("", DataType::Binary, false)
}
