//! Avro container files: the schema is that of the columns, or the one that they were read with, or the one that is asked for.

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
    writer: State<'a>,
    schema: SchemaRef,
    rows: u64,
}

enum State<'a> {
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
            writer: State::New(to),
            schema: Arc::new(Schema::empty()),
            rows: 0,
        }
    }

    /// The batch with the very types of the schema, which engines do not always keep to in what is inside of columns.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let fields = self.schema.fields();
        if batch.columns().iter().zip(fields).all(|(array, field)| array.data_type() == field.data_type()) {
            return Ok(batch.clone());
        }
        let columns = batch.columns().iter().zip(fields).map(|(array, field)| cast(array, field.data_type()));
        // What may be null is for the writer to say, in Avro's terms.
        let fields: Vec<_> = fields.iter().map(|field| Field::clone(field).with_nullable(true)).collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns.collect::<Result<_, _>>()?, &rows)
    }
}

impl Output for Avro<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        self.schema = Arc::new(schema.clone());
        self.writer = match std::mem::replace(&mut self.writer, State::Done) {
            State::New(to) => {
                let builder = WriterBuilder::new(Arc::clone(&self.schema)).with_options(self.options.clone());
                match self.threads {
                    0 | 1 => State::One(Box::new(builder.build(to)?)),
                    threads => State::Several(Box::new(builder.build_parallel(to, threads)?)),
                }
            }
            begun => begun,
        };
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.conform(batch)?;
        match &mut self.writer {
            State::One(writer) => writer.write(&batch)?,
            State::Several(writer) => writer.write(&batch)?,
            State::New(_) | State::Done => {
                return Err(Error::Failed("internal error: rows before columns".to_owned()));
            }
        }
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        match std::mem::replace(&mut self.writer, State::Done) {
            State::One(writer) => drop(writer.finish()?),
            State::Several(writer) => drop(writer.finish()?),
            State::New(_) | State::Done => {}
        }
        Ok(Counts::all(self.rows, self.schema.fields().len()))
    }
}
