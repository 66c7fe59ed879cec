//! The sync reader: record batches from any `Read`.

use crate::container::Header;
use crate::damage::DamagedBlock;
use crate::decode::decoder::{DecodeResult, Decoder};
use crate::error::Result;
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_buffer::Buffer;
use arrow_schema::{ArrowError, SchemaRef};
use std::io::Read;

/// Size of one read.
pub(crate) const READ_BYTES: usize = 1 << 20;

/// Reads a container file on the calling thread, as an iterator of record batches.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro");
/// use avro_arrow::ReaderBuilder;
///
/// let reader = ReaderBuilder::new().build(std::fs::File::open(path)?)?;
/// println!("{}", reader.schema());
/// for batch in reader {
///     println!("{} rows", batch?.num_rows());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    read: R,
    header: Header,
    schema: SchemaRef,
    decoder: Decoder,
    failed: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(read: R, header: Header, decoder: Decoder) -> Self {
        Reader { read, header, schema: decoder.schema(), decoder, failed: false }
    }

    /// Returns the Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Returns the file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the skipped blocks so far, in the order of the file; the list is complete after the last batch. Empty
    /// under [`OnCorruptBlock::Error`](crate::OnCorruptBlock::Error).
    pub fn damage(&self) -> &[DamagedBlock] {
        self.decoder.damage()
    }

    /// Removes and returns the first skipped blocks: see [`Decoder::take_damage`].
    pub fn take_damage(&mut self) -> Vec<DamagedBlock> {
        self.decoder.take_damage()
    }

    /// Converts the reader into a [`RecordBatchReader`], which APIs such as Arrow's C stream interface take.
    ///
    /// The reader itself yields this crate's [`Error`](crate::Error), so that callers can match on
    /// [`kind`](crate::Error::kind) and [`position`](crate::Error::position) without a downcast. A `RecordBatchReader`
    /// must yield [`ArrowError`]s: they are [`ArrowError::ExternalError`] with that error inside, and
    /// [`Error::from`](crate::Error) takes it out again.
    pub fn into_record_batch_reader(self) -> impl RecordBatchReader {
        let schema = self.schema();
        RecordBatchIterator::new(self.map(|batch| batch.map_err(ArrowError::from)), schema)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.decoder.try_decode()? {
                DecodeResult::Batch(batch) => return Ok(Some(batch)),
                DecodeResult::Finished => return Ok(None),
                DecodeResult::NeedsData(_) => {}
            }
            match read_some(&mut self.read)? {
                Some(bytes) => self.decoder.feed(bytes),
                None => self.decoder.finish(),
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_batch().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// Reads the next bytes; `None` at the end.
pub(crate) fn read_some(read: &mut impl Read) -> Result<Option<Buffer>> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    read.take(READ_BYTES as u64).read_to_end(&mut bytes)?;
    Ok((!bytes.is_empty()).then(|| Buffer::from_vec(bytes)))
}
