//! The writers of converted files: batches in, bytes out.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Codec, Target, parquet as shape};
use crate::error::{Error, Result};
use crate::outfile::OutFile;

/// Rows of a Parquet row group, where its bytes allow.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Bytes of encoded columns that a Parquet row group may hold in memory before it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A file of one of the formats being written.
pub(super) struct Sink {
    /// The schema that batches get, which has the metadata of the first file.
    schema: SchemaRef,
    writer: Writer,
}

enum Writer {
    Parquet(Box<ArrowWriter<OutFile>>),
    File(Box<FileWriter<OutFile>>),
    Stream(Box<StreamWriter<OutFile>>),
}

impl Sink {
    /// Starts the file.
    pub(super) fn create(file: OutFile, schema: &SchemaRef, target: Target, codec: Codec) -> Result<Self> {
        let mut schema = SchemaRef::clone(schema);
        let writer = match target {
            Target::Parquet => {
                if schema.fields().is_empty() {
                    return Err(Error::Failed(
                        "Parquet cannot hold rows without columns; convert to .arrow or .arrows".to_owned(),
                    ));
                }
                let fields = schema.fields().iter().map(shape::field).collect::<Vec<_>>();
                schema = SchemaRef::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
                let properties = WriterProperties::builder()
                    .set_compression(compression(codec))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .set_created_by(concat!("avro-sql ", env!("CARGO_PKG_VERSION")).to_owned())
                    .build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(file, SchemaRef::clone(&schema), Some(properties))?))
            }
            Target::ArrowFile => Writer::File(Box::new(FileWriter::try_new(file, &schema)?)),
            Target::ArrowStream => Writer::Stream(Box::new(StreamWriter::try_new(file, &schema)?)),
        };
        Ok(Sink { schema, writer })
    }

    /// Writes the next rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Writer::Parquet(writer) => {
                writer.write(&shape::batch(batch, &self.schema)?)?;
                if writer.memory_size() > ROW_GROUP_BYTES {
                    writer.flush()?;
                }
            }
            Writer::File(writer) => writer.write(batch)?,
            Writer::Stream(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<OutFile> {
        Ok(match self.writer {
            Writer::Parquet(writer) => writer.into_inner()?,
            Writer::File(writer) => writer.into_inner()?,
            Writer::Stream(writer) => writer.into_inner()?,
        })
    }
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::UNCOMPRESSED,
        Codec::Snappy => Compression::SNAPPY,
        Codec::Gzip => Compression::GZIP(GzipLevel::default()),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
    }
}
