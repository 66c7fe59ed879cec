//! The sync reader: anything that can be read in, record batches out.

use crate::container::Header;
use crate::damage::DamagedBlock;
use crate::decode::decoder::Decoder;
use crate::decode::filter::{FilterProgram, RowFilter};
use crate::error::Result;
use crate::options::Options;
use crate::program::Program;
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use std::io::Read;
use std::sync::Arc;

/// Bytes that are read at a time.
pub(crate) const READ_BYTES: usize = 1 << 20;

/// Reads a container file on the calling thread, as an iterator of record batches.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro");
/// use avro_arrow::{Options, Reader};
///
/// let reader = Reader::new(std::fs::File::open(path)?, &Options::default())?;
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
    /// Reads the header.
    ///
    /// # Errors
    /// Where the header cannot be read, is damaged, or has a codec or schema that cannot be used; or where the options do
    /// not fit the schema, see [`Program::compile`].
    pub fn new(mut read: R, options: &Options) -> Result<Self> {
        let (header, rest) = Header::read(&mut read, &options.limits)?;
        let program = Arc::new(Program::compile(&header.schema, options)?);
        let schema = program.arrow_schema().clone();
        let mut decoder = Decoder::new(&header, program);
        decoder.feed(rest.into());
        Ok(Reader { read, header, schema, decoder, failed: false })
    }

    /// The same, but of the rows only those that the filter selects, from these columns of theirs: see
    /// [`Decoder::with_filter`]. To be called before the first batch.
    ///
    /// # Errors
    /// Where there are no such columns.
    pub fn with_filter(mut self, columns: &[String], filter: impl RowFilter + 'static) -> Result<Self> {
        let program = FilterProgram::compile(self.decoder.program(), columns)?;
        self.decoder = self.decoder.with_filter(&program, filter);
        Ok(self)
    }

    /// The Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was skipped so far, in the order of the file: all of it, once there are no more batches. Empty under
    /// [`OnCorruptBlock::Error`](crate::OnCorruptBlock::Error).
    pub fn damage(&self) -> &[DamagedBlock] {
        self.decoder.damage()
    }

    /// Takes the beginning of that list out of it: see [`Decoder::take_damage`].
    pub fn take_damage(&mut self) -> Vec<DamagedBlock> {
        self.decoder.take_damage()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decoder.next_batch()? {
                return Ok(Some(batch));
            }
            if self.decoder.is_done() {
                return Ok(None);
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

/// The next bytes; none at the end.
pub(crate) fn read_some(read: &mut impl Read) -> Result<Option<Buffer>> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    read.take(READ_BYTES as u64).read_to_end(&mut bytes)?;
    Ok((!bytes.is_empty()).then(|| Buffer::from_vec(bytes)))
}
