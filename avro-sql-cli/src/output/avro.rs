//! Avro: a container file, with the schema that its columns want. Blocks are encoded and compressed on threads of their own.

use std::io::Write;
use std::sync::Arc;
use std::thread;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use avro_arrow::{ParallelWriter, WriteOptions};

use super::{Counts, Output, count};
use crate::error::Result;

/// Threads that encode, at most: those that the query runs on have work enough of their own.
const THREADS_MAX: usize = 4;

type To<'a> = &'a mut (dyn Write + Send);

pub(super) struct Avro<'a> {
    to: Option<To<'a>>,
    writer: Option<ParallelWriter<To<'a>>>,
    rows: u64,
    columns: usize,
}

impl<'a> Avro<'a> {
    pub(super) fn new(to: To<'a>) -> Self {
        Avro { to: Some(to), writer: None, rows: 0, columns: 0 }
    }
}

impl Output for Avro<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.columns = schema.fields().len();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        self.writer = match self.to.take() {
            Some(to) => Some(ParallelWriter::new(to, &Arc::new(schema.clone()), &WriteOptions::default(), threads)?),
            None => None,
        };
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.write(batch)?;
        }
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
        }
        Ok(Counts::all(self.rows, self.columns))
    }
}
