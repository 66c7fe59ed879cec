//! Parquet: row groups of at most a million rows or 48 MiB, held in memory; several threads encode columns.
//!
//! Batches are gathered and passed to the threads of [`encoders`], which encode them while more are gathered. (A query
//! or a conversion waits for encoding and compression more than for anything else.) A row group is written while the
//! next is made.

mod encoders;
mod leaves;
pub(crate) mod shape;

use std::mem;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::{Counts, Output, To, count};
use crate::error::{Error, Result};
use encoders::Encoders;
use leaves::Leaves;

/// Maximum number of rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Bytes of encoded columns that a row group may hold in memory before it is written.
const ROW_GROUP_BYTES: usize = 48 << 20;

/// Rows and bytes gathered before they are encoded.
const GATHERED_ROWS: usize = 32 << 10;
const GATHERED_BYTES: usize = 8 << 20;

pub(super) struct Parquet<'a> {
    to: Option<To<'a>>,
    compression: Compression,
    threads: usize,
    file: Option<ParquetFile<'a>>,
    schema: SchemaRef,
    /// Batches to encode, their rows and bytes.
    gathered: Vec<RecordBatch>,
    gathered_rows: usize,
    gathered_bytes: usize,
    rows: u64,
}

/// A file being written.
struct ParquetFile<'a> {
    writer: SerializedFileWriter<To<'a>>,
    leaves: Leaves,
    n_groups: usize,
    encoders: Encoders,
    /// Rows of the current group.
    group_rows: usize,
}

impl<'a> Parquet<'a> {
    pub(super) fn new(to: To<'a>, compression: Compression, threads: usize) -> Self {
        Parquet {
            to: Some(to),
            compression,
            threads,
            file: None,
            schema: Arc::new(Schema::empty()),
            gathered: Vec::new(),
            gathered_rows: 0,
            gathered_bytes: 0,
            rows: 0,
        }
    }

    /// Encodes the gathered batches.
    fn encode(&mut self) -> Result<()> {
        let gathered = mem::take(&mut self.gathered);
        let rows = mem::take(&mut self.gathered_rows);
        self.gathered_bytes = 0;
        if let Some(file) = self.file.as_mut().filter(|_| rows > 0) {
            file.encoders.encode(gathered)?;
            file.group_rows += rows;
            file.write_ended(false)?;
            if file.encoders.held().0 > ROW_GROUP_BYTES {
                file.end_group()?;
            }
        }
        Ok(())
    }
}

impl<'a> ParquetFile<'a> {
    fn new(writer: SerializedFileWriter<To<'a>>, leaves: Leaves, threads: usize) -> Result<ParquetFile<'a>> {
        let encoders = Encoders::new(leaves.of_group(0)?, threads);
        Ok(ParquetFile { writer, leaves, n_groups: 1, encoders, group_rows: 0 })
    }

    /// Ends the group and begins the next.
    fn end_group(&mut self) -> Result<()> {
        self.write_ended(true)?;
        if mem::take(&mut self.group_rows) > 0 {
            self.encoders.end_group(self.leaves.of_group(self.n_groups)?);
            self.n_groups += 1;
        }
        Ok(())
    }

    /// Writes the group that has ended; if not `urgent`, only if it is encoded already.
    fn write_ended(&mut self, urgent: bool) -> Result<()> {
        if let Some(chunks) = self.encoders.take_ended_group(urgent)? {
            let mut group = self.writer.next_row_group()?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close()?;
        }
        Ok(())
    }
}

impl Output for Parquet<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        if schema.fields().is_empty() {
            return Err(Error::Failed("Parquet cannot store rows without columns; use .arrow or .arrows".to_owned()));
        }
        let fields: Vec<_> = schema.fields().iter().map(shape::field).collect();
        self.schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let properties = WriterProperties::builder()
            .set_compression(self.compression)
            .set_created_by(concat!("avro-sql ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        if let Some(to) = self.to.take() {
            // `ArrowWriter` knows how to begin a file of Arrow columns, and is taken apart for its column writers.
            let stored: Vec<_> = self.schema.fields().iter().map(shape::stored).collect();
            let stored = Arc::new(Schema::new_with_metadata(stored, schema.metadata().clone()));
            let leaves = Leaves::new(&stored, &properties)?;
            let (writer, _) = ArrowWriter::try_new(to, stored, Some(properties))?.into_serialized_writer()?;
            self.file = Some(ParquetFile::new(writer, leaves, self.threads)?);
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
        let is_full =
            self.file.as_ref().is_some_and(|file| file.group_rows + self.gathered_rows + rows > ROW_GROUP_ROWS);
        if is_full {
            self.encode()?;
            if let Some(file) = &mut self.file {
                file.end_group()?;
            }
        }
        self.gathered.push(shape::batch(batch, &self.schema)?);
        self.gathered_rows += rows;
        self.gathered_bytes += bytes;
        self.rows += count(rows);
        if self.gathered_rows >= GATHERED_ROWS || self.gathered_bytes >= GATHERED_BYTES {
            self.encode()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        self.encode()?;
        if let Some(file) = &mut self.file {
            file.end_group()?;
            file.write_ended(true)?;
            file.writer.finish()?;
        }
        Ok(Counts::all(self.rows, self.schema.fields().len()))
    }

    fn held(&self) -> usize {
        let encoded = self.file.as_ref().map_or((0, 0), |file| file.encoders.held());
        self.gathered_bytes + encoded.0 + encoded.1
    }
}
