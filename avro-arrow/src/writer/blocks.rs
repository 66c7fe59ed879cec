//! The encoder: batches in, whole blocks of a file out.

use super::derive::{Derived, derive};
use super::options::WriteOptions;
use super::out::Out;
use super::plan::Plan;
use super::rows::append;
use crate::codec::{Codec, Compressor};
use crate::container::{frame_head, header_bytes, random_sync};
use crate::error::{Error, Result};
use crate::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use std::io::Write;
use std::sync::Arc;

/// Makes blocks of batches of certain columns. Cheap to clone; blocks can be made on any thread, and stand in any order in the file.
///
/// A file is [`header`](Self::header) and any number of blocks.
#[derive(Debug, Clone)]
pub struct Encoder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plan: Plan,
    columns: Vec<DataType>,
    codec: Codec,
    level: Option<i32>,
    block_bytes: usize,
    metadata: Vec<(String, Vec<u8>)>,
    sync: [u8; 16],
}

/// A block that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenBlock {
    /// Its rows.
    pub rows: u64,
    /// Bytes that it takes in the file, with its marker.
    pub bytes: u64,
    /// Bytes of its rows before compression.
    pub raw_bytes: u64,
}

impl Encoder {
    pub(super) fn new(arrow: &SchemaRef, options: &WriteOptions) -> Result<Encoder> {
        if let Some((key, _)) = options.metadata.iter().find(|(key, _)| key.starts_with("avro.")) {
            return Err(Error::argument(format!(
                "the metadata `{key}` is not the caller's: `avro.` is the specification's"
            )));
        }
        if options.block_bytes == 0 {
            return Err(Error::argument("blocks of 0 bytes have no rows"));
        }
        Compressor::new(options.codec, options.level)?;
        let plan = match &options.schema {
            Some(schema) => Plan::new(arrow, schema, &options.limits)?,
            None => {
                let Derived { schema, arrow } = derive(arrow, &options.limits)?;
                Plan::new(&arrow, &schema, &options.limits)?
            }
        };
        if let Some(schema) = options.schema.as_ref().filter(|_| options.check_schema) {
            schema.check_valid()?;
        }
        Ok(Encoder(Arc::new(Inner {
            plan,
            columns: arrow.fields().iter().map(|field| field.data_type().clone()).collect(),
            codec: options.codec,
            level: options.level,
            block_bytes: options.block_bytes,
            metadata: options.metadata.clone(),
            sync: options.sync.unwrap_or_else(random_sync),
        })))
    }

    /// The schema that is written.
    pub fn schema(&self) -> &Schema {
        &self.0.plan.schema
    }

    /// The marker behind the header and every block.
    pub fn sync(&self) -> &[u8; 16] {
        &self.0.sync
    }

    /// What a file begins with.
    pub fn header(&self) -> Vec<u8> {
        header_bytes(self.schema().json(), self.0.codec, &self.0.metadata, &self.0.sync)
    }

    /// What makes the blocks of one thread.
    ///
    /// # Errors
    /// None but of the codec's library.
    pub fn blocks(&self) -> Result<Blocks> {
        let compressor = Compressor::new(self.0.codec, self.0.level)?;
        Ok(Blocks {
            encoder: self.clone(),
            compressor,
            rows: Out::default(),
            ends: Vec::new(),
            n_done: 0,
            done: 0,
            n_rows: 0,
            stored: Vec::new(),
        })
    }

    /// Whole blocks of all rows of these batches, appended to `out`. To be given batches of several blocks together: the last block
    /// has what is left.
    ///
    /// # Errors
    /// As of [`Blocks::add`].
    pub fn encode(&self, batches: &[RecordBatch], out: &mut Vec<u8>) -> Result<Vec<WrittenBlock>> {
        let mut blocks = self.blocks()?;
        let mut written = Vec::new();
        for batch in batches {
            blocks.add(batch, out, &mut written)?;
        }
        blocks.finish(out, &mut written)?;
        Ok(written)
    }

    /// The encoder for a file that is there, with this marker.
    pub(super) fn with_sync(options: &WriteOptions, arrow: &SchemaRef, sync: [u8; 16]) -> Result<Encoder> {
        Encoder::new(arrow, &WriteOptions { sync: Some(sync), ..options.clone() })
    }
}

/// Makes blocks, one after the other, and keeps the rows that are not enough for one.
#[derive(Debug)]
pub struct Blocks {
    encoder: Encoder,
    compressor: Compressor,
    /// Rows, and the end of each.
    rows: Out,
    ends: Vec<usize>,
    /// How many of them are in a block already, and their bytes.
    n_done: usize,
    done: usize,
    /// Rows that were added before, for errors.
    n_rows: u64,
    stored: Vec<u8>,
}

impl Blocks {
    /// Adds the rows of a batch. Blocks that are full are written to `out`, each in three parts, and told in `written`.
    ///
    /// # Errors
    /// [`ErrorKind::Unwritable`](crate::ErrorKind::Unwritable) with the row, counted from the first that was added, and the field
    /// of a value that the schema does not allow; what writing says. What was written before are whole blocks; rows may be lost, so that the file should
    /// be given up.
    pub fn add(&mut self, batch: &RecordBatch, out: &mut impl Write, written: &mut Vec<WrittenBlock>) -> Result<()> {
        let encoder = self.encoder.clone();
        let inner = &encoder.0;
        if !batch.columns().iter().map(|column| column.data_type()).eq(&inner.columns) {
            return Err(Error::argument("the batch has not the columns that the writer was made for"));
        }
        let row = inner.plan.bind(batch)?;
        let mut from = 0;
        while from < batch.num_rows() {
            let first = self.n_rows + from as u64;
            let n = append(&row, from, batch.num_rows(), &mut self.rows, &mut self.ends)
                .map_err(|e| e.at(|p| p.row = p.row.map(|row| first + row)))?;
            from += n;
            // What is left is enough to share it evenly at the end.
            self.cut(2 * inner.block_bytes, out, written)?;
        }
        self.n_rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes what is left as the last blocks, one or two.
    ///
    /// # Errors
    /// What writing says.
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

    /// Writes blocks until what is left has no more than so many bytes.
    fn cut(&mut self, left_max: usize, out: &mut impl Write, written: &mut Vec<WrittenBlock>) -> Result<()> {
        while self.rows.len() - self.done > left_max {
            self.block(self.encoder.0.block_bytes, out, written)?;
        }
        // Now and then, as what is left moves to the front.
        if self.done > FORGET_BYTES {
            self.forget();
        }
        Ok(())
    }

    /// Writes a block of the next rows, of one at least and of no more than so many bytes.
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

/// Rows that are in blocks are dropped when they have more bytes than this.
const FORGET_BYTES: usize = 512 << 10;
