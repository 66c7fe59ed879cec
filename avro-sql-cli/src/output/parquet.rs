//! Parquet: row groups of at most a million rows or 64 MiB, which is what is held in memory, columns encoded on several threads.
//!
//! Batches are gathered, and then threads take one column after the other and encode it for all of them. (A query or a conversion waits for
//! encoding and compression more than for anything else.)

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{mem, thread};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::{Counts, Output, To, count};
use crate::convert::parquet as shape;
use crate::error::{Error, Result};

/// Rows of a row group, where its bytes allow.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Bytes of encoded columns that a row group may hold in memory before it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Rows and bytes that are gathered before they are encoded.
const GATHERED_ROWS: usize = 128 << 10;
const GATHERED_BYTES: usize = 32 << 20;

pub(super) struct Parquet<'a> {
    to: Option<To<'a>>,
    compression: Compression,
    threads: usize,
    file: Option<File<'a>>,
    schema: SchemaRef,
    /// Batches that are to be encoded, their rows and bytes.
    gathered: Vec<RecordBatch>,
    gathered_rows: usize,
    gathered_bytes: usize,
    rows: u64,
}

/// A file that is begun.
struct File<'a> {
    writer: SerializedFileWriter<To<'a>>,
    groups: ArrowRowGroupWriterFactory,
    n_groups: usize,
    /// The row group that is being made, by column of the batches: what encodes its leaves.
    columns: Vec<Mutex<Vec<ArrowColumnWriter>>>,
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

    /// Encodes what is gathered.
    fn encode(&mut self) -> Result<()> {
        let gathered = mem::take(&mut self.gathered);
        let rows = mem::take(&mut self.gathered_rows);
        self.gathered_bytes = 0;
        if let Some(file) = self.file.as_mut().filter(|_| rows > 0) {
            file.encode(&gathered, self.threads)?;
            file.group_rows += rows;
            if file.held() > ROW_GROUP_BYTES {
                file.end_group(self.threads)?;
            }
        }
        Ok(())
    }
}

impl File<'_> {
    /// Encodes batches, as rows of the group.
    fn encode(&mut self, batches: &[RecordBatch], threads: usize) -> Result<()> {
        if self.columns.is_empty() {
            self.begin_group()?;
        }
        let fields = batches.first().map(|batch| batch.schema()).unwrap_or_else(|| Arc::new(Schema::empty()));
        each(&self.columns, threads, |at, writers| {
            let field = fields.field(at);
            batches.iter().try_for_each(|batch| write(writers, field, batch.column(at)))
        })?;
        Ok(())
    }

    fn begin_group(&mut self) -> Result<()> {
        let writers = self.groups.create_column_writers(self.n_groups)?;
        self.n_groups += 1;
        let mut columns: Vec<Vec<ArrowColumnWriter>> = Vec::new();
        for (leaf, writer) in writers.into_iter().enumerate() {
            let column = self.writer.schema_descr().get_column_root_idx(leaf);
            columns.resize_with(columns.len().max(column + 1), Vec::new);
            if let Some(writers) = columns.get_mut(column) {
                writers.push(writer);
            }
        }
        self.columns = columns.into_iter().map(Mutex::new).collect();
        Ok(())
    }

    /// Writes the group.
    fn end_group(&mut self, threads: usize) -> Result<()> {
        self.group_rows = 0;
        let columns = mem::take(&mut self.columns);
        let chunks = each(&columns, threads, |_, writers| {
            writers.drain(..).map(ArrowColumnWriter::close).collect::<Result<Vec<_>, _>>()
        })?;
        if columns.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks.into_iter().flatten() {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Bytes of the group in memory.
    fn held(&self) -> usize {
        let of = |column: &Mutex<Vec<ArrowColumnWriter>>| {
            let writers = column.lock().unwrap_or_else(PoisonError::into_inner);
            writers.iter().map(ArrowColumnWriter::memory_size).sum::<usize>()
        };
        self.columns.iter().map(of).sum()
    }
}

fn write(writers: &mut [ArrowColumnWriter], field: &Field, array: &ArrayRef) -> Result<(), ParquetError> {
    let leaves = compute_leaves(field, array)?;
    writers.iter_mut().zip(&leaves).try_for_each(|(writer, leaf)| writer.write(leaf))
}

/// Does this with each column, on so many threads, this one among them. What comes of it is in the order of the columns.
fn each<T: Send>(
    columns: &[Mutex<Vec<ArrowColumnWriter>>],
    threads: usize,
    work: impl Fn(usize, &mut Vec<ArrowColumnWriter>) -> Result<T, ParquetError> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(column) = columns.get(at) else { return Ok::<_, ParquetError>(done) };
            let mut writers = column.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((at, work(at, &mut writers)?));
        }
    };
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(columns.len())).map(|_| scope.spawn(some)).collect();
        let mut done = some()?;
        for other in others {
            let more = other.join().map_err(|_| Error::Failed("internal error: an encoding thread died".to_owned()))?;
            done.extend(more?);
        }
        Ok::<_, Error>(done)
    })?;
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, value)| value).collect())
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
            .set_created_by(concat!("avro-sql ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        if let Some(to) = self.to.take() {
            // It knows how to begin a file of Arrow columns, and is taken apart for its columns.
            let writer = ArrowWriter::try_new(to, Arc::clone(&self.schema), Some(properties))?;
            let (writer, groups) = writer.into_serialized_writer()?;
            self.file = Some(File { writer, groups, n_groups: 0, columns: Vec::new(), group_rows: 0 });
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
                file.end_group(self.threads)?;
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
            file.end_group(self.threads)?;
            file.writer.finish()?;
        }
        Ok(Counts::all(self.rows, self.schema.fields().len()))
    }

    fn held(&self) -> usize {
        self.gathered_bytes + self.file.as_ref().map_or(0, File::held)
    }
}
