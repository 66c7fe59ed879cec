//! [`WriterBuilder`]: options, from which writers and encoders are built.

use super::blocks::Encoder;
use super::options::WriteOptions;
use super::parallel::ParallelWriter;
use super::to_file::Writer;
use crate::codec::Codec;
use crate::error::Result;
use crate::limits::Limits;
use crate::schema::Schema;
use arrow_schema::SchemaRef;
use std::io::{Read, Seek, Write};

/// Builds a [`Writer`], a [`ParallelWriter`] or an [`Encoder`] for batches of one Arrow schema.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use avro_arrow::{Codec, WriterBuilder};
///
/// let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1, 2]));
/// let batch = RecordBatch::try_from_iter([("id", ids)])?;
/// let mut writer = WriterBuilder::new(batch.schema())
///     .with_codec(Codec::Null)
///     .with_metadata("origin", "an example")
///     .build(Vec::new())?;
/// writer.write(&batch)?;
/// let file = writer.finish()?;
/// assert!(file.starts_with(b"Obj\x01"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WriterBuilder {
    arrow: SchemaRef,
    options: WriteOptions,
}

impl WriterBuilder {
    /// Returns a builder for batches of this Arrow schema, with the default [`WriteOptions`].
    pub fn new(arrow: SchemaRef) -> Self {
        WriterBuilder { arrow, options: WriteOptions::default() }
    }

    /// Replaces all options. Setters that were called before have no effect then.
    #[must_use]
    pub fn with_options(self, options: WriteOptions) -> Self {
        WriterBuilder { options, ..self }
    }

    /// Sets how blocks are compressed: [`WriteOptions::codec`].
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.options.codec = codec;
        self
    }

    /// Sets the compression level: [`WriteOptions::level`].
    #[must_use]
    pub fn with_level(mut self, level: i32) -> Self {
        self.options.level = Some(level);
        self
    }

    /// Sets the maximum size of a block before compression: [`WriteOptions::block_bytes`].
    #[must_use]
    pub fn with_block_bytes(mut self, block_bytes: usize) -> Self {
        self.options.block_bytes = block_bytes;
        self
    }

    /// Sets the Avro schema to write: [`WriteOptions::schema`].
    #[must_use]
    pub fn with_schema(mut self, schema: Schema) -> Self {
        self.options.schema = Some(schema);
        self
    }

    /// Adds an entry to the metadata of the header: [`WriteOptions::metadata`].
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.options.metadata.push((key.into(), value.into()));
        self
    }

    /// Sets the sync marker: [`WriteOptions::sync`].
    #[must_use]
    pub fn with_sync(mut self, sync: [u8; 16]) -> Self {
        self.options.sync = Some(sync);
        self
    }

    /// Sets the maximum sizes of the schema and its defaults: [`WriteOptions::limits`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Writes the header and returns a writer that encodes on the calling thread. `to` needs no buffer.
    ///
    /// # Errors
    /// Fails as [`build_encoder`](Self::build_encoder) does, or if writing fails.
    pub fn build<W: Write>(self, to: W) -> Result<Writer<W>> {
        Writer::new(to, self.build_encoder()?)
    }

    /// Writes the header and returns a writer that encodes and compresses on `threads` threads, at least one.
    ///
    /// # Errors
    /// Fails as [`build_encoder`](Self::build_encoder) does, or if writing fails.
    pub fn build_parallel<W: Write>(self, to: W, threads: usize) -> Result<ParallelWriter<W>> {
        ParallelWriter::new(to, self.build_encoder()?, self.options.block_bytes, threads)
    }

    /// Returns a writer that appends blocks to an existing file, with the schema, codec and sync marker of that file.
    /// The options for these three have no effect.
    ///
    /// A program that stops in the middle of a write leaves a file whose last block is cut short.
    ///
    /// # Errors
    /// Fails as [`Header::read`](crate::container::Header::read) and [`build_encoder`](Self::build_encoder) do, and
    /// with [`ErrorKind::SyncMismatch`](crate::ErrorKind::SyncMismatch) if the file does not end with its sync marker:
    /// rows after a cut block would be lost.
    pub fn build_append<W: Read + Write + Seek>(self, file: W) -> Result<Writer<W>> {
        Writer::append(file, &self.arrow, &self.options)
    }

    /// Returns an encoder, for callers who write the file themselves.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Argument`](crate::ErrorKind::Argument) if the columns do not fit the Avro schema, the
    /// Avro schema is [not valid](Schema::check_valid), or an option is not valid. Fails with
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if there is no Avro schema and Avro has no type for a
    /// column (see [`Schema::from_arrow`]).
    pub fn build_encoder(&self) -> Result<Encoder> {
        Encoder::new(&self.arrow, &self.options)
    }
}
