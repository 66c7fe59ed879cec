//! Avro files as an object that may be read again and again.

use crate::batches::{Columns, Stream};
use crate::engine::{Engine, failed, scan_settings};
use crate::error::raise;
use crate::foreign::{Functions, table_capsule};
use crate::notes::Notes;
use crate::plain::plain_schema;
use crate::python_files::{PythonFile, PythonFiles};
use crate::query_table::QueryTable;
use crate::registered::Registered;
use crate::statement::Selection;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use avro_datafusion::{AvroOptions, AvroTable, ScanObserver, StoredFile, Strings, configure_stores};
use avro_sql_cli::embed::{Class, Run, SqlFailure, SqlSession};
use datafusion::common::TableReference;
use datafusion::datasource::TableProvider;
use datafusion::datasource::listing::ListingTableUrl;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// Avro files: which, and how they are read.
#[pyclass(frozen, name = "Source", module = "avro_sql._native")]
pub(crate) struct Source {
    inner: Arc<Files>,
}

struct Files {
    engine: Arc<Engine>,
    session: Arc<SqlSession>,
    paths: Vec<String>,
    options: AvroOptions,
    notes: Arc<Notes>,
    /// The store of the files, if they are bytes or objects of Python.
    store: Option<PythonFiles>,
    /// Whether the session has options of its own for object stores.
    own_stores: bool,
    /// The table with string views, and the one with plain strings, once they are asked for.
    tables: Mutex<[Option<Arc<Table>>; 2]>,
}

/// A table of the session.
struct Table {
    registered: Registered,
    provider: Arc<AvroTable>,
}

/// What is kept while the rows of a scan are read.
type Guard = (Arc<Files>, Arc<Table>);

impl Files {
    /// Returns the table with strings of this kind.
    async fn table(&self, strings: Strings) -> Result<Arc<Table>, SqlFailure> {
        let at = usize::from(strings == Strings::Utf8);
        let known = |set: Option<Arc<Table>>| {
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = tables.get_mut(at)?;
            if let Some(table) = set {
                *slot = Some(table);
            }
            slot.clone()
        };
        if let Some(table) = known(None) {
            return Ok(table);
        }
        let context = self.session.context();
        let options = self.options.clone().with_strings(strings);
        let provider = Arc::new(AvroTable::try_new(&context.state(), self.paths.clone(), options).await?);
        let registered = Registered::new(&self.session, Arc::clone(&provider) as _)?;
        let table = Arc::new(Table { registered, provider });
        known(Some(Arc::clone(&table)));
        Ok(table)
    }
}

impl Source {
    /// Makes the files a table of another session, with the object stores that they need.
    pub(crate) fn register(&self, py: Python<'_>, with: &Arc<SqlSession>, name: String) -> PyResult<Arc<AvroTable>> {
        let (inner, with) = (Arc::clone(&self.inner), Arc::clone(with));
        self.inner.engine.run(py, async move {
            let table = inner.table(Strings::View).await?;
            if inner.own_stores || inner.store.is_some() {
                let (from, to) = (inner.session.context().runtime_env(), with.context().runtime_env());
                for url in inner.paths.iter().filter_map(|path| Url::parse(path).ok()) {
                    to.register_object_store(&url, from.object_store(ListingTableUrl::parse(&url)?.object_store())?);
                }
            }
            let context = with.context();
            context.deregister_table(TableReference::bare(name.as_str()))?;
            context.register_table(TableReference::bare(name), Arc::clone(&table.provider) as _)?;
            Ok(Arc::clone(&table.provider))
        })
    }
}

#[pymethods]
impl Source {
    /// Finds the files and reads their headers.
    #[new]
    #[pyo3(signature = (paths, files, options, storage_options))]
    fn new(
        py: Python<'_>,
        paths: Vec<String>,
        files: Vec<Bound<'_, PyAny>>,
        options: Vec<(String, String)>,
        storage_options: HashMap<String, String>,
    ) -> PyResult<Source> {
        let engine = Engine::get(py)?;
        let notes = Arc::new(Notes::default());
        let mut reading = AvroOptions::default();
        for (name, value) in &options {
            reading.set(name, value).map_err(|e| raise(py, e))?;
        }
        let files = files.iter().map(PythonFile::of).collect::<PyResult<Vec<_>>>()?;
        let reading = reading.with_observer(Arc::clone(&notes) as Arc<dyn ScanObserver>);
        let shared = Arc::clone(&engine);
        let inner = engine.run(py, async move {
            let own_stores = !storage_options.is_empty();
            let session = match own_stores {
                false => Arc::clone(&shared.session),
                // The options are those of a bucket for a whole session, so they get a session of their own.
                true => {
                    let session = SqlSession::open(scan_settings(), &AvroOptions::default())?;
                    configure_stores(&session.context().runtime_env(), &paths, &storage_options)?;
                    Arc::new(session)
                }
            };
            let (paths, store) = match files.is_empty() {
                true => (paths, None),
                false => {
                    let store = PythonFiles::register(&session, files)?;
                    (store.urls.clone(), Some(store))
                }
            };
            let tables = Mutex::default();
            let inner = Files { engine: shared, session, paths, options: reading, notes, store, own_stores, tables };
            inner.table(inner.options.strings).await?;
            Ok(Arc::new(inner))
        })?;
        Ok(Source { inner })
    }

    /// Returns the Avro schema as JSON: that of the files, merged, or the reader's schema.
    fn avro_schema(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let inner = Arc::clone(&self.inner);
        self.inner.engine.run(py, async move {
            let table = inner.table(Strings::View).await?;
            Ok(table.provider.schema().metadata().get("avro.schema").cloned())
        })
    }

    /// Returns the paths or URLs of the files.
    fn files(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let inner = Arc::clone(&self.inner);
        self.inner.engine.run(py, async move {
            let mut names = vec![];
            for path in &inner.paths {
                let found = StoredFile::find(&inner.session.context().state(), path, &inner.options).await?;
                names.extend(found.iter().map(StoredFile::name));
            }
            Ok(names)
        })
    }

    /// Returns the columns of a selection, without reading rows.
    #[pyo3(signature = (columns, condition, plain_strings, dense_unions))]
    fn columns(
        &self,
        py: Python<'_>,
        columns: Option<Vec<String>>,
        condition: Option<String>,
        plain_strings: bool,
        dense_unions: bool,
    ) -> PyResult<Columns> {
        let inner = Arc::clone(&self.inner);
        self.inner.engine.run(py, async move {
            let table = inner.table(if plain_strings { Strings::Utf8 } else { Strings::View }).await?;
            let selection = Selection { columns, condition, n_rows: None };
            let sql = selection.query(table.registered.name(), &table.provider.schema())?;
            let mut run = Run::default();
            run.dense_unions = dense_unions;
            let schema = inner.session.columns(&sql, &run).await?;
            Ok(Columns(plain_schema(&schema).filter(|_| plain_strings).unwrap_or(schema)))
        })
    }

    /// Starts to read a selection.
    #[pyo3(signature = (columns, condition, n_rows, batch_size, plain_strings, dense_unions))]
    #[allow(clippy::too_many_arguments)] // Python passes them by name
    fn open(
        &self,
        py: Python<'_>,
        columns: Option<Vec<String>>,
        condition: Option<String>,
        n_rows: Option<u64>,
        batch_size: Option<usize>,
        plain_strings: bool,
        dense_unions: bool,
    ) -> PyResult<Stream> {
        let inner = Arc::clone(&self.inner);
        let mut run = Run::default();
        run.batch_rows = batch_size.map(positive).transpose()?;
        run.dense_unions = dense_unions;
        let rows = self.inner.engine.run(py, async move {
            let table = inner.table(if plain_strings { Strings::Utf8 } else { Strings::View }).await?;
            let selection = Selection { columns, condition, n_rows };
            let sql = selection.query(table.registered.name(), &table.provider.schema())?;
            let (engine, session) = (Arc::clone(&inner.engine), Arc::clone(&inner.session));
            let guard: Arc<Guard> = Arc::new((inner, table));
            engine.start(session, sql, run, plain_strings, Some(guard as _)).await
        })?;
        Ok(Stream::of_query(rows))
    }

    /// Returns a selection as a table of `datafusion`: the capsule of `__datafusion_table_provider__`.
    #[pyo3(signature = (columns, condition, n_rows))]
    fn table<'py>(
        &self,
        py: Python<'py>,
        columns: Option<Vec<String>>,
        condition: Option<String>,
        n_rows: Option<u64>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let inner = Arc::clone(&self.inner);
        let threads = self.inner.engine.threads();
        let table = self.inner.engine.run(py, async move {
            let table = inner.table(Strings::View).await?;
            let selection = Selection { columns, condition, n_rows };
            let sql = selection.query(table.registered.name(), &table.provider.schema())?;
            let query = inner.session.query(&sql, &Run::default()).await?;
            let functions = Functions::of(&inner.session);
            let guard: Arc<(Guard, Functions)> = Arc::new(((inner, table), functions.clone()));
            Ok((QueryTable::new(query, threads, guard), functions))
        })?;
        let (table, functions) = table;
        table_capsule(py, table, &functions, self.inner.engine.threads())
    }

    /// Counts the rows of a selection; without a condition, from the headers of the blocks.
    #[pyo3(signature = (condition, n_rows))]
    fn count(&self, py: Python<'_>, condition: Option<String>, n_rows: Option<u64>) -> PyResult<u64> {
        let inner = Arc::clone(&self.inner);
        self.inner.engine.run(py, async move {
            let table = inner.table(Strings::View).await?;
            let selection = Selection { columns: None, condition, n_rows };
            let mut answer = inner.session.start(&selection.count(table.registered.name()), &Run::default()).await?;
            let batch = answer.next().await?;
            let count = batch.as_ref().and_then(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>());
            let count = count.and_then(|count| count.values().first()).and_then(|n| u64::try_from(*n).ok());
            count.ok_or_else(|| failed(Class::Internal, "internal error: no count".to_owned()))
        })
    }

    /// Returns the blocks that were skipped so far.
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.inner.notes.skipped(py)
    }

    /// Returns the warnings so far.
    fn warnings(&self) -> Vec<String> {
        self.inner.notes.warnings()
    }
}

/// Returns a number of rows, which must not be 0.
pub(crate) fn positive(n: usize) -> PyResult<NonZeroUsize> {
    NonZeroUsize::new(n).ok_or_else(|| PyValueError::new_err("batch_size: expected at least 1, found 0"))
}
