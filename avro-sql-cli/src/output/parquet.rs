//! Parquet: row groups of at most a million rows or 64 MiB, which is what is held in memory.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{Counts, Output, To, count};
use crate::convert::parquet as shape;
use crate::error::{Error, Result};

/// Rows of a row group, where its bytes allow.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Bytes of encoded columns that a row group may hold in memory before it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;

pub(super) struct Parquet<'a> {
    to: Option<To<'a>>,
    compression: Compression,
    writer: Option<ArrowWriter<To<'a>>>,
    schema: SchemaRef,
    rows: u64,
}

impl<'a> Parquet<'a> {
    pub(super) fn new(to: To<'a>, compression: Compression) -> Self {
        Parquet { to: Some(to), compression, writer: None, schema: Arc::new(Schema::empty()), rows: 0 }
    }
}

impl Output for Parquet<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        if schema.fields().is_empty() {
            return Err(Error::Failed("Parquet cannot hold rows without columns; .arrow and .arrows can".to_owned()));
        }
        let fields: Vec<_> = schema.fields().iter().map(shape::field).collect();
        self.schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let properties = WriterProperties::builder()
            .set_compression(self.compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(concat!("avro-sql ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        self.writer = match self.to.take() {
            Some(to) => Some(ArrowWriter::try_new(to, Arc::clone(&self.schema), Some(properties))?),
            None => None,
        };
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.write(&shape::batch(batch, &self.schema)?)?;
            if writer.memory_size() > ROW_GROUP_BYTES {
                writer.flush()?;
            }
        }
        self.rows += count(batch.num_rows());
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        if let Some(writer) = &mut self.writer {
            writer.finish()?;
        }
        Ok(Counts::all(self.rows, self.schema.fields().len()))
    }

    fn held(&self) -> usize {
        self.writer.as_ref().map_or(0, ArrowWriter::memory_size)
    }
}
