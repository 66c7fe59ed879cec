//! The push decoder: bytes of a container file in, record batches out. It does no I/O and knows no threads; the readers and
//! the engine bring the bytes.

use crate::batcher::Batcher;
use crate::codec::{Block, Codec, Decompressor};
use crate::container::count::{RowsFit, rows_fault, rows_fit};
use crate::container::{Framer, Header, RawBlock};
use crate::error::{Error, Result};
use crate::filter::{FilterProgram, RowFilter, Selector};
use crate::program::Program;
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use std::ops::Range;
use std::sync::Arc;

/// Decodes the blocks of a file, or of a byte range of one.
///
/// ```
/// # fn main() -> avro_arrow::Result<()> {
/// # let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro"))?;
/// use avro_arrow::{Decoder, Limits, Options, Program, container::Header};
/// use std::sync::Arc;
///
/// let options = Options::default();
/// let header = Header::parse(&file, &options.limits)?.expect("the whole header");
/// let program = Arc::new(Program::compile(&header.schema, &options)?);
/// let mut decoder = Decoder::new(&header, program);
/// let mut rows = 0;
/// for piece in file[decoder.start() as usize..].chunks(4096) {
///     decoder.feed(piece.to_vec().into());
///     while let Some(batch) = decoder.next_batch()? {
///         rows += batch.num_rows();
///     }
/// }
/// decoder.finish();
/// while let Some(batch) = decoder.next_batch()? {
///     rows += batch.num_rows();
/// }
/// assert!(rows > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Decoder {
    framer: Framer,
    blocks: BlockDecoder,
    finished: bool,
}

impl Decoder {
    /// For a whole file, whose bytes are fed from [`Header::len`] on.
    pub fn new(header: &Header, program: Arc<Program>) -> Decoder {
        let framer = Framer::new(header, &program.options.limits);
        Decoder { framer, blocks: BlockDecoder::new(header.codec, program), finished: false }
    }

    /// For the blocks that a byte range of a file owns: those whose preceding sync marker begins inside it. Ranges that
    /// cover a file without overlap give every row once.
    pub fn for_range(header: &Header, program: Arc<Program>, range: Range<u64>, file_len: u64) -> Decoder {
        let framer = Framer::for_range(header, range, file_len, &program.options.limits);
        Decoder { framer, blocks: BlockDecoder::new(header.codec, program), finished: false }
    }

    /// The same, but of the rows only those that the filter selects. To be called before the first batch is asked for, with a
    /// filter program made of the decoder's program.
    ///
    /// Where the filter selects few rows, only the columns that it looks at are decoded first, and the others of those few
    /// rows then; where it selects many, all columns are decoded and filtered. Which of both is found out on the way. Batches
    /// have fewer rows than [`Options::batch_size`](crate::Options::batch_size) then, but at least one. Damage inside values of
    /// rows that are not selected may not be found.
    ///
    /// ```
    /// # fn main() -> avro_arrow::Result<()> {
    /// # let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro"))?;
    /// use arrow_array::{Array, BooleanArray, RecordBatch};
    /// use avro_arrow::{Decoder, FilterProgram, Options, Program, container::Header};
    /// use std::sync::Arc;
    ///
    /// let options = Options::default();
    /// let header = Header::parse(&file, &options.limits)?.expect("the whole header");
    /// let program = Arc::new(Program::compile(&header.schema, &options)?);
    /// let first = program.arrow_schema().field(0).name().clone();
    /// let filter_program = FilterProgram::compile(&program, &[first])?;
    /// // Not null.
    /// let filter = |columns: &RecordBatch| {
    ///     Ok((0..columns.num_rows()).map(|row| Some(columns.column(0).is_valid(row))).collect::<BooleanArray>())
    /// };
    /// let mut decoder = Decoder::new(&header, program).with_filter(&filter_program, filter);
    /// decoder.feed(file[decoder.start() as usize..].to_vec().into());
    /// decoder.finish();
    /// let mut rows = 0;
    /// while let Some(batch) = decoder.next_batch()? {
    ///     rows += batch.num_rows() as u64;
    /// }
    /// assert_eq!(rows, decoder.rows_selected());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_filter(mut self, program: &FilterProgram, filter: impl RowFilter + 'static) -> Decoder {
        self.blocks.set_filter(program, Box::new(filter));
        self
    }

    pub(crate) fn program(&self) -> &Arc<Program> {
        &self.blocks.program
    }

    /// Rows that the filter selected so far; 0 without one.
    pub fn rows_selected(&self) -> u64 {
        self.blocks.selector().map_or(0, |selector| selector.rows_selected)
    }

    /// Rows that the filter did not select so far; 0 without one.
    pub fn rows_pruned(&self) -> u64 {
        self.blocks.selector().map_or(0, |selector| selector.rows_pruned)
    }

    /// Offset in the file of the first byte to feed.
    pub fn start(&self) -> u64 {
        self.framer.start()
    }

    /// Takes the next bytes of the file, as many as there are. Blocks that lie in one buffer are not copied out of it,
    /// and batches may keep the buffer alive.
    pub fn feed(&mut self, bytes: Buffer) {
        self.framer.feed(bytes);
    }

    /// Says that the file ends here.
    pub fn finish(&mut self) {
        self.framer.finish();
        self.finished = true;
    }

    /// Has it all bytes that it needs? Never before [`finish`](Self::finish) for a whole file.
    pub fn is_done(&self) -> bool {
        self.finished || self.framer.is_done()
    }

    /// Where its blocks are, for whoever reads ranges of a file to compare: see [`Framer::span`].
    pub fn span(&self) -> Option<Range<u64>> {
        self.framer.span()
    }

    /// The next batch, of at most [`Options::batch_size`](crate::Options::batch_size) rows: fewer at the end, and where
    /// rows are so large that memory would not be bounded. None: feed more, or, once it [is done](Self::is_done), the end.
    ///
    /// # Errors
    /// Whatever is wrong with the data, once: nothing can be read after an error.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.blocks.next_batch(false)? {
                return Ok(Some(batch));
            }
            match self.framer.next_block()? {
                Some(block) => self.blocks.push(block)?,
                None => return self.blocks.next_batch(self.is_done()),
            }
        }
    }
}

/// Decodes whole blocks as they are stored.
#[derive(Debug)]
pub(crate) struct BlockDecoder {
    codec: Codec,
    program: Arc<Program>,
    decompressor: Decompressor,
    rows: Rows,
}

/// Which rows are decoded, and by what.
#[derive(Debug)]
enum Rows {
    All(Batcher),
    Selected(Box<Selector>),
}

impl BlockDecoder {
    pub(crate) fn new(codec: Codec, program: Arc<Program>) -> Self {
        let decompressor = Decompressor::new(codec, &program.options.limits);
        BlockDecoder { codec, decompressor, rows: Rows::All(Batcher::new(Arc::clone(&program))), program }
    }

    /// From here on, only rows that the filter selects are decoded.
    pub(crate) fn set_filter(&mut self, program: &FilterProgram, filter: Box<dyn RowFilter>) {
        self.rows = Rows::Selected(Box::new(Selector::new(program, filter)));
    }

    /// The filter, if there is one.
    pub(crate) fn selector(&self) -> Option<&Selector> {
        match &self.rows {
            Rows::All(_) => None,
            Rows::Selected(selector) => Some(selector),
        }
    }

    pub(crate) fn push(&mut self, block: RawBlock) -> Result<()> {
        let (min, limits) = (self.program.min_row_bytes, &self.program.options.limits);
        // Rows that take no bytes are not worth it: walking them costs nothing, and finds bytes that should not be there.
        if let Rows::All(batcher) = &mut self.rows
            && self.program.counts_only()
            && min > 0
        {
            match rows_fit(self.codec, &block.data, block.rows, min, limits) {
                RowsFit::Yes => {
                    batcher.push_count(block.rows);
                    return Ok(());
                }
                RowsFit::No => {
                    let fault = Error::from(rows_fault(block.rows, min, limits));
                    return Err(fault.at(|position| {
                        position.block = Some(block.index);
                        position.offset = Some(block.offset);
                    }));
                }
                // The block is decompressed and its rows are walked.
                RowsFit::Unknown => {}
            }
        }
        let block = self.decompressor.decompress(block)?;
        self.push_block(block)
    }

    pub(crate) fn push_block(&mut self, block: Block) -> Result<()> {
        match &mut self.rows {
            Rows::All(batcher) => batcher.push(block),
            Rows::Selected(selector) => selector.push(block),
        }
    }

    /// The next batch; none if more blocks are needed to fill one, or, at the `end`, if there are no more rows.
    pub(crate) fn next_batch(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        match &mut self.rows {
            Rows::All(batcher) => batcher.next_batch(end),
            Rows::Selected(selector) => selector.next_batch(end),
        }
    }
}
