//! Arrow IPC: writes batches unchanged, except for types that make files large or hard to read elsewhere.
//!
//! Views become plain text and bytes, because a view keeps its whole buffer, which would be written. In the file format
//! a column has one dictionary (`dictionaries.rs`): enums keep theirs, other dictionaries become their values.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};

use super::dictionaries::{SharedDictionaries, is_enum};
use super::{Counts, Output, To, count};
use crate::error::{Error, Result};

/// The two Arrow IPC formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IpcFormat {
    /// Batches in sequence, for pipes.
    Stream,
    /// Batches with an index at the end.
    File,
}

pub(super) struct Arrow<'a> {
    flavor: IpcFormat,
    /// The dictionaries of the file format.
    shared: SharedDictionaries,
    writer: Writer<'a>,
    schema: SchemaRef,
    rows: u64,
}

enum Writer<'a> {
    New(To<'a>),
    Stream(Box<StreamWriter<To<'a>>>),
    File(Box<FileWriter<To<'a>>>),
    Done,
}

impl<'a> Arrow<'a> {
    pub(super) fn new(to: To<'a>, flavor: IpcFormat) -> Self {
        Arrow {
            flavor,
            shared: SharedDictionaries::default(),
            writer: Writer::New(to),
            schema: Arc::new(Schema::empty()),
            rows: 0,
        }
    }
}

impl Output for Arrow<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        let fields: Vec<_> = schema.fields().iter().map(|f| portable(f, self.flavor)).collect();
        self.schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        self.writer = match std::mem::replace(&mut self.writer, Writer::Done) {
            Writer::New(to) => match self.flavor {
                IpcFormat::Stream => Writer::Stream(Box::new(StreamWriter::try_new(to, &self.schema)?)),
                IpcFormat::File => {
                    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
                    Writer::File(Box::new(FileWriter::try_new_with_options(to, &self.schema, options)?))
                }
            },
            begun => begun,
        };
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(array, field)| {
            if array.data_type() == field.data_type() { Ok(Arc::clone(array)) } else { cast(array, field.data_type()) }
        });
        let mut columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        if self.flavor == IpcFormat::File {
            for (at, column) in columns.iter_mut().enumerate() {
                *column = self.shared.column(at, column)?;
            }
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let portable = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)?;
        match &mut self.writer {
            Writer::Stream(writer) => writer.write(&portable)?,
            Writer::File(writer) => writer.write(&portable)?,
            Writer::New(_) | Writer::Done => {
                return Err(Error::Failed("internal error: rows before columns".to_owned()));
            }
        }
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        match &mut self.writer {
            Writer::Stream(writer) => writer.finish()?,
            Writer::File(writer) => writer.finish()?,
            Writer::New(_) | Writer::Done => {}
        }
        Ok(Counts::all(self.rows, self.schema.fields().len()))
    }
}

/// Returns the field with types that all Arrow readers support.
fn portable(field: &FieldRef, flavor: IpcFormat) -> FieldRef {
    let portable = |field| self::portable(field, flavor);
    let kind = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) if flavor == IpcFormat::File && !is_enum(field.data_type()) => {
            let values = Field::new("values", values.as_ref().clone(), true);
            portable(&Arc::new(values)).data_type().clone()
        }
        DataType::List(item) => DataType::List(portable(item)),
        DataType::LargeList(item) => DataType::LargeList(portable(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(portable(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(portable(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(portable).collect()),
        _ => return Arc::clone(field),
    };
    if kind == *field.data_type() { Arc::clone(field) } else { Arc::new(Field::clone(field).with_data_type(kind)) }
}
