//! Writes copies: rows of a file → row groups of encoded columns → a Parquet file.
//!
//! A row group begins where a block of the file does, so a byte range of the file has whole row groups.

use super::directory::Temporary;
use super::footer::CopyAbout;
use super::groups::{GroupCuts, GroupRows};
use super::parts::PartSink;
use super::types::fits;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use avro_arrow::RowRange;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

/// Rows and decoded bytes from which on a row group ends with its block.
const GROUP_ROWS: usize = 1 << 18;
const GROUP_BYTES: usize = 96 << 20;

/// Why rows cannot be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// This column has a value that Parquet would change.
    Inexact(usize),
    Failed(String),
}

impl From<ParquetError> for WriteError {
    fn from(e: ParquetError) -> Self {
        WriteError::Failed(e.to_string())
    }
}

impl From<std::io::Error> for WriteError {
    fn from(e: std::io::Error) -> Self {
        WriteError::Failed(e.to_string())
    }
}

/// An encoded row group.
pub(super) struct RowGroup {
    /// Offset in the file of its first block.
    pub(super) start: u64,
    pub(super) rows: u64,
    columns: Vec<ArrowColumnChunk>,
}

/// Encodes the rows of consecutive blocks.
pub(super) struct GroupEncoder {
    columns: Arc<Columns>,
    cuts: GroupCuts,
    current: Option<Current>,
    ended: Vec<RowGroup>,
}

/// Makes the encoders of the columns of a copy.
pub(super) struct Columns {
    schema: SchemaRef,
    encoders: ArrowRowGroupWriterFactory,
}

/// The row group that is being encoded.
struct Current {
    start: u64,
    rows: usize,
    writers: Vec<ArrowColumnWriter>,
}

/// A copy that is being written.
pub(super) struct CopyWriter {
    writer: SerializedFileWriter<BufWriter<File>>,
    temporary: Temporary,
    starts: Vec<u64>,
    pub(super) rows: u64,
}

impl CopyWriter {
    /// Begins a copy with these columns in a new file.
    pub(super) fn new(
        file: File,
        temporary: Temporary,
        schema: &SchemaRef,
    ) -> Result<(CopyWriter, Arc<Columns>), WriteError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_created_by(concat!("avro-datafusion ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(BufWriter::new(file), Arc::clone(schema), Some(properties))?;
        let (writer, encoders) = writer.into_serialized_writer()?;
        let columns = Arc::new(Columns { schema: Arc::clone(schema), encoders });
        Ok((CopyWriter { writer, temporary, starts: vec![], rows: 0 }, columns))
    }

    /// Appends a row group.
    pub(super) fn append(&mut self, group: RowGroup) -> Result<(), WriteError> {
        let RowGroup { start, rows, columns } = group;
        self.starts.push(start);
        self.rows += rows;
        let mut writer = self.writer.next_row_group()?;
        columns.into_iter().try_for_each(|column| column.append_to_row_group(&mut writer))?;
        writer.close()?;
        Ok(())
    }

    /// Ends the copy and gives it its name. `about` is completed with the row groups; the blocks of the file begin at
    /// `first`. Returns `false`, and makes no copy, if it is larger than the maximum
    /// size of the cache.
    pub(super) fn finish(mut self, mut about: CopyAbout, first: u64) -> Result<bool, WriteError> {
        // Blocks without rows belong to the row group before, at the start of the file to the first.
        if let Some(start) = self.starts.first_mut() {
            *start = first;
        }
        self.starts.push(about.identity.size);
        about.starts = self.starts;
        about.entries().into_iter().for_each(|entry| self.writer.append_key_value_metadata(entry));
        let file = self.writer.into_inner()?.into_inner().map_err(|e| e.into_error())?;
        Ok(self.temporary.commit(file)?)
    }
}

impl GroupEncoder {
    pub(super) fn new(columns: Arc<Columns>) -> GroupEncoder {
        GroupEncoder { columns, cuts: GroupCuts::new(GROUP_ROWS, GROUP_BYTES), current: None, ended: vec![] }
    }

    fn encode(&mut self, batch: &RecordBatch, rows: std::ops::Range<usize>) -> Result<(), WriteError> {
        let Some(current) = self.current.as_mut().filter(|_| !rows.is_empty()) else { return Ok(()) };
        current.rows += rows.len();
        let batch = batch.slice(rows.start, rows.len());
        let mut writers = current.writers.iter_mut();
        for (field, array) in self.columns.schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array)? {
                let Some(writer) = writers.next() else {
                    return Err(WriteError::Failed("internal error: a column without an encoder".to_owned()));
                };
                writer.write(&leaf)?;
            }
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), WriteError> {
        if let Some(Current { start, rows, writers, .. }) = self.current.take() {
            let columns = writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>()?;
            self.ended.push(RowGroup { start, rows: rows as u64, columns });
        }
        Ok(())
    }
}

impl PartSink for GroupEncoder {
    type Output = Vec<RowGroup>;
    type Error = WriteError;

    fn push(&mut self, batch: &RecordBatch, positions: &[RowRange]) -> Result<(), WriteError> {
        if let Some(column) = batch.columns().iter().position(|array| !fits(array)) {
            return Err(WriteError::Inexact(column));
        }
        let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
        let positions = positions.iter().map(|range| (range.offset, range.n_rows));
        let Some(parts) = self.cuts.cut(batch.num_rows(), row_bytes, positions) else {
            return Err(WriteError::Failed("internal error: rows without a block".to_owned()));
        };
        for GroupRows { starts, rows } in parts {
            if let Some(start) = starts {
                self.end_group()?;
                let writers = self.columns.encoders.create_column_writers(0)?;
                self.current = Some(Current { start, rows: 0, writers });
            }
            self.encode(batch, rows)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RowGroup>, WriteError> {
        self.end_group()?;
        Ok(self.ended)
    }
}
