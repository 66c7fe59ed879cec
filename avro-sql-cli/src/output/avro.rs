//! Avro container files, with the schema of the columns, the one they were read with, or the requested one.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use avro_arrow::{ParallelWriter, WriteOptions, Writer, WriterBuilder};

use super::{Counts, Output, To, Writing, count};
use crate::error::{Error, Result};

pub(super) struct Avro<'a> {
    options: WriteOptions,
    threads: usize,
    writer: WriterState<'a>,
    schema: SchemaRef,
    rows: u64,
}

enum WriterState<'a> {
    New(To<'a>),
    One(Box<Writer<To<'a>>>),
    Several(Box<ParallelWriter<To<'a>>>),
    Done,
}

impl<'a> Avro<'a> {
    pub(super) fn new(to: To<'a>, writing: &Writing) -> Self {
        Avro {
            options: writing.avro.clone(),
            threads: writing.threads,
            writer: WriterState::New(to),
            schema: Arc::new(Schema::empty()),
            rows: 0,
        }
    }

    /// Gives a batch the exact nested types of the schema, which engines do not always keep.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let fields = self.schema.fields();
        if batch.columns().iter().zip(fields).all(|(array, field)| array.data_type() == field.data_type()) {
            return Ok(batch.clone());
        }
        let columns = batch.columns().iter().zip(fields).map(|(array, field)| cast(array, field.data_type()));
        // The writer checks nulls, in Avro's terms.
        let fields: Vec<_> = fields.iter().map(|field| Field::clone(field).with_nullable(true)).collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns.collect::<Result<_, _>>()?, &rows)
    }
}

impl Output for Avro<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.schema = Arc::new(schema.clone());
        self.writer = match std::mem::replace(&mut self.writer, WriterState::Done) {
            WriterState::New(to) => {
                let builder = WriterBuilder::new(Arc::clone(&self.schema)).with_options(self.options.clone());
                match self.threads {
                    0 | 1 => WriterState::One(Box::new(builder.build(to)?)),
                    threads => WriterState::Several(Box::new(builder.build_parallel(to, threads)?)),
                }
            }
            begun => begun,
        };
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.conform(batch)?;
        match &mut self.writer {
            WriterState::One(writer) => writer.write(&batch)?,
            WriterState::Several(writer) => writer.write(&batch)?,
            WriterState::New(_) | WriterState::Done => {
                return Err(Error::Failed("internal error: rows before columns".to_owned()));
            }
        }
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        match std::mem::replace(&mut self.writer, WriterState::Done) {
            WriterState::One(writer) => drop(writer.finish()?),
            WriterState::Several(writer) => drop(writer.finish()?),
            WriterState::New(_) | WriterState::Done => {}
        }
        Ok(Counts::all(self.rows, self.schema.fields().len()))
    }
}
