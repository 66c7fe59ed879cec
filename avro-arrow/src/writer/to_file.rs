//! The writer on the calling thread.

use super::blocks::{Blocks, Encoder, WrittenBlock};
use super::options::WriteOptions;
use crate::container::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::io::{Read, Seek, SeekFrom, Write};

/// Writes batches as a container file.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use avro_arrow::{ReaderBuilder, WriterBuilder};
///
/// let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![Some(3), None]));
/// let batch = RecordBatch::try_from_iter([("id", ids)])?;
/// let mut writer = WriterBuilder::new(batch.schema()).build(Vec::new())?;
/// writer.write(&batch)?;
/// let file = writer.finish()?;
///
/// let mut read = ReaderBuilder::new().build(file.as_slice())?;
/// assert_eq!(read.next().transpose()?.map(|batch| batch.num_rows()), Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    encoder: Encoder,
    blocks: Blocks,
    written: Vec<WrittenBlock>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut to: W, encoder: Encoder) -> Result<Self> {
        to.write_all(&encoder.header())?;
        Self::with(to, encoder)
    }

    fn with(to: W, encoder: Encoder) -> Result<Self> {
        let blocks = encoder.blocks()?;
        Ok(Writer { to, encoder, blocks, written: Vec::new() })
    }

    /// Returns the Avro schema of the file.
    pub fn schema(&self) -> &Schema {
        self.encoder.schema()
    }

    /// Returns the blocks written so far.
    pub fn written(&self) -> &[WrittenBlock] {
        &self.written
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// Fails as [`Blocks::add`] does, or if writing fails. The file is incomplete then: discard it.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.blocks.add(batch, &mut self.to, &mut self.written)
    }

    /// Writes the remaining rows and returns the file. Without this call the last rows are missing.
    ///
    /// # Errors
    /// Fails if writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.blocks.finish(&mut self.to, &mut self.written)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

impl<W: Read + Write + Seek> Writer<W> {
    /// Appends to a file, with its schema, codec and sync marker.
    pub(super) fn append(mut file: W, arrow: &SchemaRef, options: &WriteOptions) -> Result<Self> {
        file.rewind()?;
        let (header, _) = Header::read(&mut file, &options.limits)?;
        let len = file.seek(SeekFrom::End(0))?;
        let mut last = [0; 16];
        file.seek(SeekFrom::End(-(last.len() as i64)))?;
        file.read_exact(&mut last)?;
        if last != header.sync {
            return Err(Error::new(ErrorKind::SyncMismatch).at_offset(len - last.len() as u64));
        }
        let schema = Some(header.schema);
        let level = options.level.filter(|_| options.codec == header.codec);
        let options = WriteOptions { schema, check_schema: false, codec: header.codec, level, ..options.clone() };
        Self::with(file, Encoder::with_sync(&options, arrow, header.sync)?)
    }
}
