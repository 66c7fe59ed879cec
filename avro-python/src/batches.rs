//! Batches and streams as Python objects.

use crate::engine::Rows;
use crate::error::{raise, text};
use crate::ffi::capsule::{batch_capsules, schema_capsule, stream_capsule};
use crate::plain::{plain_batch, plain_schema};
use crate::polars::polars_batch;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::error::DataFusionError;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A batch of rows.
#[pyclass(frozen, name = "Batch", module = "avro_sql._native")]
pub(crate) struct Batch(pub(crate) RecordBatch);

#[pymethods]
impl Batch {
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    #[getter]
    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    /// Returns the batch without types that Polars lacks.
    fn for_polars(&self, py: Python<'_>) -> PyResult<Batch> {
        polars_batch(&self.0).map(Batch).map_err(|e| raise(py, e))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, self.0.schema_ref())
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        // The interface lets a producer return its own types.
        let _ = requested_schema;
        batch_capsules(py, &self.0)
    }
}

/// The columns of a table.
#[pyclass(frozen, name = "ArrowSchema", module = "avro_sql._native")]
pub(crate) struct Columns(pub(crate) SchemaRef);

#[pymethods]
impl Columns {
    #[getter]
    fn names(&self) -> Vec<String> {
        self.0.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Returns a batch of these columns without rows.
    fn empty(&self) -> Batch {
        Batch(RecordBatch::new_empty(Arc::clone(&self.0)))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, &self.0)
    }
}

/// Batches in memory, which can be read again and again.
#[pyclass(frozen, name = "Batches", module = "avro_sql._native")]
pub(crate) struct Batches {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Batches {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Batches {
        Batches { schema, batches }
    }
}

#[pymethods]
impl Batches {
    #[getter]
    fn columns(&self) -> Columns {
        Columns(Arc::clone(&self.schema))
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Returns a stream of the batches, with plain strings in place of views if asked for.
    fn open(&self, py: Python<'_>, plain_strings: bool) -> PyResult<Stream> {
        let Some(plain) = plain_schema(&self.schema).filter(|_| plain_strings) else {
            return Ok(Stream::of_batches(Arc::clone(&self.schema), self.batches.clone()));
        };
        let batches = self.batches.iter().map(|batch| plain_batch(batch, &plain)).collect::<Result<_, _>>();
        let batches = batches.map_err(|e| raise(py, DataFusionError::from(e)))?;
        Ok(Stream::of_batches(plain, batches))
    }
}

/// Batches to be read once: of a running query, or from memory.
#[pyclass(frozen, name = "Stream", module = "avro_sql._native")]
pub(crate) struct Stream {
    schema: SchemaRef,
    feed: Mutex<Option<Feed>>,
    /// Whether a thread waits for the next batch, and has taken `feed` out.
    busy: AtomicBool,
}

/// Where the batches of a stream come from.
enum Feed {
    Query(Box<Rows>),
    Memory(std::vec::IntoIter<RecordBatch>),
}

impl Feed {
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        match self {
            Feed::Query(rows) => rows.next(py),
            Feed::Memory(batches) => Ok(batches.next()),
        }
    }
}

impl Stream {
    pub(crate) fn of_query(rows: Rows) -> Stream {
        Stream::new(Arc::clone(&rows.schema), Feed::Query(Box::new(rows)))
    }

    fn of_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Stream {
        Stream::new(schema, Feed::Memory(batches.into_iter()))
    }

    fn new(schema: SchemaRef, feed: Feed) -> Stream {
        Stream { schema, feed: Mutex::new(Some(feed)), busy: AtomicBool::new(false) }
    }

    /// Returns the next batch. The lock is not held while waiting for it.
    fn next_of(&self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let Some(mut feed) = self.feed().take() else { return Ok(None) };
        let next = feed.next(py);
        if let Ok(Some(_)) = &next {
            *self.feed() = Some(feed);
        }
        next
    }

    fn feed(&self) -> MutexGuard<'_, Option<Feed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Stream {
    #[getter]
    fn columns(&self) -> Columns {
        Columns(Arc::clone(&self.schema))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, &self.schema)
    }

    /// Hands the rest of the rows over to a consumer.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface lets a producer return its own types.
        let _ = requested_schema;
        let feed = self.feed().take();
        let batches: Box<dyn Iterator<Item = _> + Send> = match feed {
            None => return Err(PyRuntimeError::new_err("the stream has been consumed; open another")),
            Some(Feed::Query(rows)) => Box::new(Pulled { rows: Some(rows), opened_by: thread::current().id() }),
            Some(Feed::Memory(batches)) => Box::new(batches.map(Ok)),
        };
        stream_capsule(py, Arc::clone(&self.schema), batches)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(PyRuntimeError::new_err("another thread reads this stream; open one for each thread"));
        }
        let next = self.next_of(py);
        self.busy.store(false, Ordering::Release);
        Ok(next?.map(Batch))
    }

    /// Reads the rest of the rows into memory.
    fn collect(&self, py: Python<'_>) -> PyResult<Batches> {
        let mut batches = vec![];
        while let Some(Batch(batch)) = self.__next__(py)? {
            batches.push(batch);
        }
        Ok(Batches::new(Arc::clone(&self.schema), batches))
    }

    /// Cancels the query.
    fn close(&self, py: Python<'_>) {
        let feed = self.feed().take();
        py.detach(|| drop(feed));
    }
}

/// The rows that a C consumer pulls.
struct Pulled {
    rows: Option<Box<Rows>>,
    /// A thread of Python: there the GIL can be given up, and signals be looked for, whether or not the consumer holds
    /// the GIL. On other threads, somebody who waits for them may hold it.
    opened_by: ThreadId,
}

impl Iterator for Pulled {
    type Item = Result<RecordBatch, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let next = match thread::current().id() == self.opened_by {
            true => Python::try_attach(|py| {
                rows.next(py).map_err(|e| match e.is_instance_of::<PyKeyboardInterrupt>(py) {
                    true => "interrupted".to_owned(),
                    false => text(&e.value(py).to_string()),
                })
            })
            .unwrap_or_else(|| Err("Python is shutting down".to_owned())),
            false => rows.next_without_python().map_err(|e| text(&e.message)),
        };
        if !matches!(next, Ok(Some(_))) {
            self.rows = None;
        }
        next.transpose()
    }
}
