//! Messages of queues, with or without an id of their schema, as batches.

use crate::batches::Batches;
use crate::batches::Columns;
use crate::error::raise;
use crate::ffi::capsule::array_of;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema as ArrowSchema};
use avro_arrow::message::{Framing, IdWidth, MessageDecoder, ResolveError, SchemaId, SchemaStore};
use avro_arrow::schema::Schema;
use avro_arrow::{Error, Limits, Unions};
use avro_datafusion::AvroOptions;
use avro_sql_cli::embed::SqlFailure;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a batch, unless there are fewer messages.
const BATCH_ROWS: usize = 1 << 20;

/// Decodes messages.
#[pyclass(frozen, name = "MessageDecoder", module = "avro_sql._native")]
pub(crate) struct Decoder {
    inner: Mutex<CountingDecoder>,
    /// The exception of the caller's function that looks schemas up.
    raised: Arc<Mutex<Option<PyErr>>>,
}

struct CountingDecoder {
    decoder: MessageDecoder,
    /// Messages decoded so far, which the decoder numbers.
    seen: u64,
}

/// The messages of a call: `None` for those without a value.
enum Messages {
    Objects(Vec<Option<PyBackedBytes>>),
    Array(ArrayRef),
}

impl Messages {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Messages> {
        if !object.hasattr("__arrow_c_array__")? {
            return Ok(Messages::Objects(object.extract()?));
        }
        let array = array_of(object)?;
        match array.data_type() {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null => {
                Ok(Messages::Array(array))
            }
            other => Err(PyTypeError::new_err(format!("messages: expected a binary array, found {other}"))),
        }
    }

    fn len(&self) -> usize {
        match self {
            Messages::Objects(objects) => objects.len(),
            Messages::Array(array) => array.len(),
        }
    }

    fn get(&self, at: usize) -> Option<&[u8]> {
        match self {
            Messages::Objects(objects) => objects.get(at)?.as_deref(),
            Messages::Array(array) if array.is_null(at) => None,
            Messages::Array(array) => match array.data_type() {
                DataType::Binary => Some(array.as_binary::<i32>().value(at)),
                DataType::LargeBinary => Some(array.as_binary::<i64>().value(at)),
                DataType::BinaryView => Some(array.as_binary_view().value(at)),
                _ => None,
            },
        }
    }
}

/// What became of the messages of a call.
struct Decoded {
    batches: Vec<RecordBatch>,
    /// For each row, the index of its message.
    indexes: Vec<usize>,
    rejected: Vec<(usize, Error)>,
}

impl CountingDecoder {
    fn decode(&mut self, messages: &Messages) -> Decoded {
        let first = self.seen;
        let mut numbered = vec![];
        let mut decoded = Decoded { batches: vec![], indexes: vec![], rejected: vec![] };
        for at in 0..messages.len() {
            let Some(message) = messages.get(at) else { continue };
            numbered.push(at);
            self.seen += 1;
            if let Err(e) = self.decoder.decode(message) {
                decoded.rejected.push((at, e));
            }
        }
        let index = |number: u64| {
            let at = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
            numbered.get(at).copied().unwrap_or(usize::MAX)
        };
        while let Some(rows) = self.decoder.flush() {
            decoded.indexes.extend(rows.messages.iter().map(|number| index(*number)));
            decoded
                .rejected
                .extend(rows.rejected.into_iter().map(|e| (e.position().message.map_or(usize::MAX, index), e)));
            if rows.batch.num_rows() > 0 {
                decoded.batches.push(rows.batch);
            }
        }
        decoded.rejected.sort_by_key(|(at, _)| *at);
        decoded
    }
}

#[pymethods]
impl Decoder {
    #[new]
    fn new(
        py: Python<'_>,
        framing: &str,
        schemas: Vec<(Bound<'_, PyAny>, String)>,
        resolver: Option<Py<PyAny>>,
        reader_schema: Option<String>,
        options: Vec<(String, String)>,
        dense_unions: bool,
    ) -> PyResult<Decoder> {
        let framing = parse_framing(framing)?;
        let mut reading = AvroOptions::default();
        for (name, value) in &options {
            reading.set(name, value).map_err(|e| raise(py, e))?;
        }
        let parse = |json: &str| Schema::parse(json, &Limits::default());
        let mut store = SchemaStore::new();
        for (id, json) in &schemas {
            let schema = parse(json).map_err(|e| raise(py, e))?;
            match framing {
                Framing::SingleObject => {
                    store.insert_rabin(schema);
                }
                Framing::Bare => store.insert(SchemaId::Unnamed, schema),
                _ => store.insert(parse_id(id, "schemas")?, schema),
            }
        }
        let raised: Arc<Mutex<Option<PyErr>>> = Arc::default();
        if let Some(resolver) = resolver {
            let kept = Arc::clone(&raised);
            store = store.with_resolver(move |id| Python::attach(|py| look_up(py, &resolver, id, &kept)));
        }
        if dense_unions {
            reading = reading.with_unions(Unions::Dense);
        }
        let reader = reader_schema.as_deref().map(parse).transpose().map_err(|e| raise(py, e))?;
        let options = reading.decoder(None, BATCH_ROWS).with_reader_schema(reader);
        let decoder = MessageDecoder::new(framing, store, &options);
        Ok(Decoder { inner: Mutex::new(CountingDecoder { decoder, seen: 0 }), raised })
    }

    /// Decodes messages. Returns the rows, the index of the message of each row unless every message is a row, and the
    /// index and the exception of each rejected message.
    #[allow(clippy::type_complexity)] // a tuple of Python
    fn decode(
        &self,
        py: Python<'_>,
        messages: &Bound<'_, PyAny>,
    ) -> PyResult<(Batches, Option<Vec<usize>>, Vec<(usize, PyErr)>)> {
        let messages = Messages::of(messages)?;
        let (decoded, schema) = py.detach(|| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let decoded = inner.decode(&messages);
            (decoded, inner.decoder.schema().cloned())
        });
        if let Some(e) = self.raised.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(e);
        }
        let Decoded { batches, indexes, rejected } = decoded;
        let exception = |(at, error): (usize, Error)| {
            let error = error.at(|position| position.message = Some(at as u64));
            (at, raise(py, SqlFailure::from(error)))
        };
        let schema = schema.unwrap_or_else(|| Arc::new(ArrowSchema::empty()));
        let all = indexes.len() == messages.len();
        Ok((Batches::new(schema, batches), (!all).then_some(indexes), rejected.into_iter().map(exception).collect()))
    }

    /// Returns the columns; without a reader's schema, `None` before the first message.
    fn columns(&self, py: Python<'_>) -> Option<Columns> {
        // Without the GIL, as a thread that holds the lock may wait for it to look a schema up.
        let schema = py.detach(|| {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.decoder.schema().cloned()
        });
        schema.map(Columns)
    }
}

/// Returns the framing of this name.
pub(crate) fn parse_framing(text: &str) -> PyResult<Framing> {
    Ok(match text {
        "confluent" => Framing::Confluent,
        "apicurio" => Framing::Apicurio(IdWidth::Eight),
        "apicurio-4" => Framing::Apicurio(IdWidth::Four),
        "single-object" => Framing::SingleObject,
        "bare" => Framing::Bare,
        other => {
            return Err(PyValueError::new_err(format!(
                "framing: expected 'confluent', 'apicurio', 'apicurio-4', 'single-object' or 'bare', found {other:?}"
            )));
        }
    })
}

/// Returns the id of a schema: an integer, or a GUID as text. Errors call it by the argument.
pub(crate) fn parse_id(id: &Bound<'_, PyAny>, argument: &str) -> PyResult<SchemaId> {
    if let Ok(number) = id.extract::<u64>() {
        return Ok(SchemaId::Number(number));
    }
    let text = id.str()?.to_string();
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    match u128::from_str_radix(&digits, 16) {
        Ok(guid) if digits.len() == 32 => Ok(SchemaId::Guid(guid.to_be_bytes())),
        _ => Err(PyValueError::new_err(format!("{argument}: expected an integer or a GUID as id, found {text:?}"))),
    }
}

/// Asks the caller's function for a schema.
fn look_up(
    py: Python<'_>,
    resolver: &Py<PyAny>,
    id: SchemaId,
    raised: &Mutex<Option<PyErr>>,
) -> Result<Option<Schema>, ResolveError> {
    let asked = match id {
        SchemaId::Number(number) | SchemaId::Rabin(number) => resolver.call1(py, (number,)),
        SchemaId::Guid(_) => resolver.call1(py, (id.value(),)),
        _ => resolver.call1(py, (py.None(),)),
    };
    let json = match asked.and_then(|found| found.extract::<Option<String>>(py)) {
        Ok(None) => return Ok(None),
        Ok(Some(json)) => json,
        Err(e) => {
            let message = e.to_string();
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
            return Err(message.into());
        }
    };
    Ok(Some(Schema::parse(&json, &Limits::default())?))
}
