//! The encoder: turns batches into whole blocks of a file.

use super::derive::{Derived, derive};
use super::options::WriteOptions;
use super::plan::WritePlan;
use super::row_buffer::RowBuffer;
use super::rows::append;
use crate::codec::{Codec, Compressor};
use crate::container::{frame_head, header_bytes, random_sync};
use crate::error::{Error, Result};
use crate::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use std::io::Write;
use std::sync::Arc;

/// Encodes batches of one Arrow schema into blocks. It is cheap to clone; blocks can be made on any thread, and be in
/// any order in the file.
///
/// A file is the [`header`](Self::header) and any number of blocks.
#[derive(Debug, Clone)]
pub struct Encoder(Arc<EncoderInner>);

#[derive(Debug)]
struct EncoderInner {
    plan: WritePlan,
    columns: Vec<DataType>,
    codec: Codec,
    level: Option<i32>,
    block_bytes: usize,
    metadata: Vec<(String, Vec<u8>)>,
    sync: [u8; 16],
}

/// A block that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenBlock {
    /// Number of its rows.
    pub rows: u64,
    /// Size in the file, including its sync marker.
    pub bytes: u64,
    /// Size of its rows before compression.
    pub raw_bytes: u64,
}

impl Encoder {
    pub(super) fn new(arrow: &SchemaRef, options: &WriteOptions) -> Result<Encoder> {
        if let Some((key, _)) = options.metadata.iter().find(|(key, _)| key.starts_with("avro.")) {
            return Err(Error::argument(format!("metadata `{key}`: keys that start with `avro.` are reserved")));
        }
        if options.block_bytes == 0 {
            return Err(Error::argument("`block_bytes` must be at least 1"));
        }
        Compressor::new(options.codec, options.level)?;
        let plan = match &options.schema {
            Some(schema) => WritePlan::new(arrow, schema, &options.limits)?,
            None => {
                let Derived { schema, arrow } = derive(arrow, &options.limits)?;
                WritePlan::new(&arrow, &schema, &options.limits)?
            }
        };
        if let Some(schema) = options.schema.as_ref().filter(|_| options.check_schema) {
            schema.check_valid()?;
        }
        Ok(Encoder(Arc::new(EncoderInner {
            plan,
            columns: arrow.fields().iter().map(|field| field.data_type().clone()).collect(),
            codec: options.codec,
            level: options.level,
            block_bytes: options.block_bytes,
            metadata: options.metadata.clone(),
            sync: options.sync.unwrap_or_else(random_sync),
        })))
    }

    /// Returns the Avro schema of the file.
    pub fn schema(&self) -> &Schema {
        &self.0.plan.schema
    }

    /// Returns the sync marker that follows the header and each block.
    pub fn sync(&self) -> &[u8; 16] {
        &self.0.sync
    }

    /// Returns the header, with which a file begins.
    pub fn header(&self) -> Vec<u8> {
        header_bytes(self.schema().json(), self.0.codec, &self.0.metadata, &self.0.sync)
    }

    /// Creates the block encoder of one thread.
    ///
    /// # Errors
    /// Fails if the codec's library fails.
    pub fn blocks(&self) -> Result<Blocks> {
        let compressor = Compressor::new(self.0.codec, self.0.level)?;
        Ok(Blocks {
            encoder: self.clone(),
            compressor,
            rows: RowBuffer::default(),
            ends: Vec::new(),
            n_done: 0,
            done: 0,
            n_rows: 0,
            stored: Vec::new(),
        })
    }

    /// Appends whole blocks with all rows of these batches to `out`. Pass batches for several blocks at once, as the
    /// last block is as small as the rest of the rows.
    ///
    /// # Errors
    /// Fails as [`Blocks::add`] does.
    pub fn encode(&self, batches: &[RecordBatch], out: &mut Vec<u8>) -> Result<Vec<WrittenBlock>> {
        let mut blocks = self.blocks()?;
        let mut written = Vec::new();
        for batch in batches {
            blocks.add(batch, out, &mut written)?;
        }
        blocks.finish(out, &mut written)?;
        Ok(written)
    }

    /// Creates the encoder for an existing file with this marker.
    pub(super) fn with_sync(options: &WriteOptions, arrow: &SchemaRef, sync: [u8; 16]) -> Result<Encoder> {
        Encoder::new(arrow, &WriteOptions { sync: Some(sync), ..options.clone() })
    }
}

/// Encodes blocks one after the other, and keeps the rows that do not yet fill one.
#[derive(Debug)]
pub struct Blocks {
    encoder: Encoder,
    compressor: Compressor,
    /// The encoded rows, and the end of each.
    rows: RowBuffer,
    ends: Vec<usize>,
    /// Number and bytes of the rows that are already in a block.
    n_done: usize,
    done: usize,
    /// Number of rows added before, for errors.
    n_rows: u64,
    stored: Vec<u8>,
}

impl Blocks {
    /// Adds the rows of a batch. Full blocks are written to `out`, each in three parts, and listed in `written`.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Unwritable`](crate::ErrorKind::Unwritable) if the schema does not allow a value; the
    /// error has its field and its row, counted from the first row added. Fails if writing fails. The blocks written
    /// before are whole, but rows may be lost: discard the file.
    pub fn add(&mut self, batch: &RecordBatch, out: &mut impl Write, written: &mut Vec<WrittenBlock>) -> Result<()> {
        let encoder = self.encoder.clone();
        let inner = &encoder.0;
        if !batch.columns().iter().map(|column| column.data_type()).eq(&inner.columns) {
            return Err(Error::argument("the columns of the batch are not those of the writer"));
        }
        let row = inner.plan.bind(batch)?;
        let mut from = 0;
        while from < batch.num_rows() {
            let first = self.n_rows + from as u64;
            let n = append(&row, from, batch.num_rows(), &mut self.rows, &mut self.ends)
                .map_err(|e| e.at(|p| p.row = p.row.map(|row| first + row)))?;
            from += n;
            // Leaves enough rows to share them evenly between the last two blocks.
            self.cut(2 * inner.block_bytes, out, written)?;
        }
        self.n_rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes the remaining rows as one or two blocks.
    ///
    /// # Errors
    /// Fails if writing fails.
    pub fn finish(&mut self, out: &mut impl Write, written: &mut Vec<WrittenBlock>) -> Result<()> {
        let left = self.rows.len() - self.done;
        if left > self.encoder.0.block_bytes {
            self.block(left / 2, out, written)?;
        }
        if self.n_done < self.ends.len() {
            self.block(usize::MAX, out, written)?;
        }
        self.forget();
        Ok(())
    }

    /// Writes blocks until at most `left_max` bytes of rows are left.
    fn cut(&mut self, left_max: usize, out: &mut impl Write, written: &mut Vec<WrittenBlock>) -> Result<()> {
        while self.rows.len() - self.done > left_max {
            self.block(self.encoder.0.block_bytes, out, written)?;
        }
        // Only sometimes, as the remaining rows are moved to the front.
        if self.done > FORGET_BYTES {
            self.forget();
        }
        Ok(())
    }

    /// Writes a block of the next rows, at least one and at most `max` bytes.
    fn block(&mut self, max: usize, out: &mut impl Write, written: &mut Vec<WrittenBlock>) -> Result<()> {
        let ends = self.ends.get(self.n_done..).unwrap_or_default();
        let n = ends.partition_point(|end| end - self.done <= max).max(1);
        let end = ends.get(n - 1).copied().unwrap_or(self.rows.len());
        let rows = self.rows.get(self.done, end);
        let stored = match self.encoder.0.codec {
            Codec::Null => rows,
            _ => {
                self.stored.clear();
                self.compressor.compress(rows, &mut self.stored)?;
                &self.stored
            }
        };
        let head = frame_head(n as u64, stored.len() as u64);
        for part in [&head, stored, &self.encoder.0.sync] {
            out.write_all(part)?;
        }
        let bytes = (head.len() + stored.len() + self.encoder.0.sync.len()) as u64;
        written.push(WrittenBlock { rows: n as u64, bytes, raw_bytes: rows.len() as u64 });
        (self.n_done, self.done) = (self.n_done + n, end);
        Ok(())
    }

    /// Drops the rows that are in blocks.
    fn forget(&mut self) {
        let (n, bytes) = (std::mem::take(&mut self.n_done), std::mem::take(&mut self.done));
        self.rows.drop_front(bytes);
        self.ends.drain(..n);
        self.ends.iter_mut().for_each(|end| *end -= bytes);
    }
}

/// Rows that are in blocks are dropped when they exceed this size.
const FORGET_BYTES: usize = 512 << 10;
