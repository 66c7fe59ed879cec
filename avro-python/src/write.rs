//! Writing: rows of any object with `__arrow_c_stream__` become Avro files, all of them or none.

use crate::engine::{Engine, failed, scan_settings};
use crate::error::raise;
use crate::ffi::capsule::stream_of;
use crate::ffi::import::StreamReader;
use crate::statement::text;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_schema::SchemaRef;
use avro_datafusion::{AvroOptions, configure_stores};
use avro_sql_cli::embed::{Class, Run, SqlSession};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The table that is written, in a session of its own.
const TABLE: &str = "rows_to_write";
/// Batches that are read before they are written.
const BATCHES_AHEAD: usize = 2;

/// The rows of another library, which can be read once.
struct Incoming {
    schema: SchemaRef,
    reader: Mutex<Option<StreamReader>>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incoming")
    }
}

impl PartitionStream for Incoming {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), BATCHES_AHEAD);
        let to = stream.tx();
        // The other library may wait for the GIL, so it gets a thread that may block.
        stream.spawn_blocking(move || {
            let Some(reader) = reader else {
                return Err(DataFusionError::Internal("rows to write are read twice".to_owned()));
            };
            for batch in reader {
                let batch = batch.map_err(|e| DataFusionError::Execution(format!("rows to write: {e}")));
                if to.blocking_send(batch).is_err() {
                    break; // the write failed
                }
            }
            Ok(())
        });
        stream.build()
    }
}

/// Writes rows to a file, or, below a path that ends with `/`, to files. Returns the number of rows.
#[pyfunction]
#[pyo3(signature = (rows, path, options, partition_by, storage_options))]
pub(crate) fn write(
    py: Python<'_>,
    rows: &Bound<'_, PyAny>,
    path: &str,
    options: Vec<(String, String)>,
    partition_by: Vec<String>,
    storage_options: HashMap<String, String>,
) -> PyResult<u64> {
    let engine = Engine::get(py)?;
    let reader = stream_of(rows)?;
    let schema = Arc::clone(reader.schema());
    let mut clauses = vec!["FORMAT avro".to_owned()];
    if !partition_by.is_empty() {
        let names: Vec<_> = partition_by.iter().map(|name| text(name)).collect();
        clauses.push(format!("PARTITION_BY ({})", names.join(", ")));
    }
    clauses.extend(options.iter().map(|(name, value)| format!("{} {}", text(name), text(value))));
    let sql = format!("COPY {TABLE} TO {} ({})", text(path), clauses.join(", "));
    let path = path.to_owned();
    let incoming = Incoming { schema: Arc::clone(&schema), reader: Mutex::new(Some(reader)) };
    let table = StreamingTable::try_new(schema, vec![Arc::new(incoming)]).map_err(|e| raise(py, e))?;
    engine.run(py, async move {
        let session = SqlSession::open(scan_settings(), &AvroOptions::default())?;
        configure_stores(&session.context().runtime_env(), &[path], &storage_options)?;
        session.context().register_table(TABLE, Arc::new(table))?;
        let mut answer = session.start(&sql, &Run::default()).await?;
        let mut n_rows = None;
        while let Some(batch) = answer.next().await? {
            let counts = batch.columns().first().and_then(|column| column.as_primitive_opt::<UInt64Type>().cloned());
            n_rows = counts.and_then(|counts| counts.values().first().copied()).or(n_rows);
        }
        n_rows.ok_or_else(|| failed(Class::Internal, "internal error: no count of rows".to_owned()))
    })
}
