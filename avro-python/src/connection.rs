//! SQL: sessions of Python, with tables made of Python's objects.

use crate::batches::{Columns, Stream};
use crate::engine::Engine;
use crate::error::raise;
use crate::ffi::capsule::stream_of;
use crate::notes::Notes;
use crate::plain::plain_schema;
use crate::scan::{Source, positive};
use crate::statement::{Selection, quoted};
use arrow_array::RecordBatch;
use avro_datafusion::{AvroOptions, ScanObserver};
use avro_sql_cli::embed::{Run, Settings, SqlSession};
use datafusion::common::TableReference;
use datafusion::datasource::{MemTable, TableProvider};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

/// A session of SQL.
#[pyclass(frozen, name = "Connection", module = "avro_sql._native")]
pub(crate) struct Connection {
    engine: Arc<Engine>,
    session: Arc<SqlSession>,
    notes: Arc<Notes>,
}

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (threads, memory_limit, batch_size, column_cache))]
    fn new(
        py: Python<'_>,
        threads: Option<usize>,
        memory_limit: Option<usize>,
        batch_size: Option<usize>,
        column_cache: Option<usize>,
    ) -> PyResult<Connection> {
        let engine = Engine::get(py)?;
        let mut settings = Settings::default();
        settings.threads = threads.unwrap_or(settings.threads);
        settings.memory_bytes = memory_limit.or(settings.memory_bytes);
        settings.column_bytes = column_cache;
        if let Some(rows) = batch_size {
            settings.batch_rows = positive(rows)?.get();
        }
        let notes = Arc::new(Notes::default());
        let reading = AvroOptions::default().with_observer(Arc::clone(&notes) as Arc<dyn ScanObserver>);
        let session = engine.run(py, async move { SqlSession::open(settings, &reading).map(Arc::new) })?;
        Ok(Connection { engine, session, notes })
    }

    /// Starts a statement.
    fn execute(
        &self,
        py: Python<'_>,
        sql: String,
        parameters: Vec<(String, String)>,
        plain_strings: bool,
        dense_unions: bool,
    ) -> PyResult<Stream> {
        let (engine, session) = (Arc::clone(&self.engine), Arc::clone(&self.session));
        let run = run(parameters, dense_unions);
        let rows = self.engine.run(py, async move { engine.start(session, sql, run, plain_strings, None).await })?;
        Ok(Stream::of_query(rows))
    }

    /// Returns the columns of a query, without running it.
    fn columns(
        &self,
        py: Python<'_>,
        sql: String,
        parameters: Vec<(String, String)>,
        plain_strings: bool,
        dense_unions: bool,
    ) -> PyResult<Columns> {
        let session = Arc::clone(&self.session);
        let run = run(parameters, dense_unions);
        self.engine.run(py, async move {
            let schema = session.columns(&sql, &run).await?;
            Ok(Columns(plain_schema(&schema).filter(|_| plain_strings).unwrap_or(schema)))
        })
    }

    /// Makes a scan of Avro files a table. It is read for each query.
    fn register_scan(
        &self,
        py: Python<'_>,
        name: String,
        source: &Bound<'_, Source>,
        columns: Option<Vec<String>>,
        condition: Option<String>,
        n_rows: Option<u64>,
    ) -> PyResult<()> {
        self.engine.check()?;
        let selection = Selection { columns, condition, n_rows };
        if selection.is_all() {
            return source.get().register(py, &self.session, name).map(|_| ());
        }
        // A view over the whole table, so that conditions mean what they mean in the scan.
        let hidden = format!("all of {name}");
        let provider = source.get().register(py, &self.session, hidden.clone())?;
        let session = Arc::clone(&self.session);
        self.engine.run(py, async move {
            let query = selection.query(&hidden, &provider.schema())?;
            session.context().deregister_table(TableReference::bare(name.as_str()))?;
            let sql = format!("CREATE VIEW {} AS {query}", quoted(&name));
            session.start(&sql, &Run::default()).await.map(|_| ())
        })
    }

    /// Makes an object with `__arrow_c_stream__` a table, with its rows of now.
    fn register(&self, py: Python<'_>, name: &str, table: &Bound<'_, PyAny>) -> PyResult<()> {
        self.engine.check()?;
        let mut reader = stream_of(table)?;
        let schema = Arc::clone(reader.schema());
        let mut batches: Vec<RecordBatch> = vec![];
        while let Some(batch) = py.detach(|| reader.next()) {
            batches.push(batch.map_err(PyValueError::new_err)?);
            py.check_signals()?;
        }
        let context = self.session.context();
        let registered = MemTable::try_new(schema, vec![batches]).and_then(|table| {
            context.deregister_table(TableReference::bare(name))?;
            context.register_table(TableReference::bare(name), Arc::new(table)).map(|_| ())
        });
        registered.map_err(|e| raise(py, e))
    }

    /// Removes a table; `False` if no table has this name.
    fn deregister(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let removed = self.session.context().deregister_table(TableReference::bare(name));
        Ok(removed.map_err(|e| raise(py, e))?.is_some())
    }

    /// Returns the blocks that were skipped so far.
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.notes.skipped(py)
    }

    /// Returns the warnings so far.
    fn warnings(&self) -> Vec<String> {
        self.notes.warnings()
    }
}

fn run(parameters: Vec<(String, String)>, dense_unions: bool) -> Run {
    let mut run = Run::default();
    run.parameters = parameters;
    run.dense_unions = dense_unions;
    run
}
