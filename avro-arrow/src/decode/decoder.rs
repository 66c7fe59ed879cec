//! The push decoder: bytes of a container file in, record batches out. It does no I/O and knows no threads; the readers and
//! the engine bring the bytes.

use crate::codec::{Block, Codec, Decompressor};
use crate::container::count::{RowsFit, rows_fault, rows_fit, rows_may_fit};
use crate::container::{Framer, Header, RawBlock};
use crate::damage::{DamagedBlock, insert};
use crate::decode::batcher::{Batcher, RowRange};
use crate::decode::filter::{FilterProgram, RowFilter, Selector};
use crate::error::{Error, Result};
use crate::options::OnCorruptBlock;
use crate::program::Program;
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Decodes the blocks of a file, or of a byte range of a file, from bytes that the caller feeds.
///
/// The caller reads the [`Header`], feeds the bytes that follow it in pieces of any size, and takes the batches that
/// they complete:
///
/// ```
/// # fn main() -> avro_arrow::Result<()> {
/// # let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro"))?;
/// use avro_arrow::{DecodeResult, Limits, ReaderBuilder, container::Header};
///
/// let header = Header::parse(&file, &Limits::default())?.expect("the whole header");
/// let mut decoder = ReaderBuilder::new().build_decoder(&header)?;
/// let mut pieces = file[decoder.first_offset() as usize..].chunks(4096);
/// let mut rows = 0;
/// loop {
///     match decoder.try_decode()? {
///         DecodeResult::Batch(batch) => rows += batch.num_rows(),
///         DecodeResult::NeedsData(_) => match pieces.next() {
///             Some(piece) => decoder.feed(piece.to_vec().into()),
///             None => decoder.finish(),
///         },
///         DecodeResult::Finished => break,
///     }
/// }
/// assert!(rows > 0);
/// # Ok(())
/// # }
/// ```
///
/// An asynchronous source needs no other API. From a stream of `Bytes`, such as the body of an HTTP response or of an
/// object store's `get`:
///
/// ```
/// # fn main() -> avro_arrow::Result<()> {
/// # let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro"))?;
/// use arrow_array::RecordBatch;
/// use avro_arrow::{DecodeResult, Decoder, Limits, ReaderBuilder, container::Header};
/// use bytes::Bytes;
/// use futures::stream::{self, Stream, TryStreamExt};
///
/// fn batches(
///     decoder: Decoder,
///     input: impl Stream<Item = std::io::Result<Bytes>> + Unpin,
/// ) -> impl Stream<Item = avro_arrow::Result<RecordBatch>> {
///     stream::try_unfold((decoder, input), |(mut decoder, mut input)| async move {
///         loop {
///             match decoder.try_decode()? {
///                 DecodeResult::Batch(batch) => return Ok(Some((batch, (decoder, input)))),
///                 DecodeResult::NeedsData(_) => match input.try_next().await? {
///                     Some(bytes) => decoder.feed(bytes.into()),
///                     None => decoder.finish(),
///                 },
///                 DecodeResult::Finished => return Ok(None),
///             }
///         }
///     })
/// }
///
/// let header = Header::parse(&file, &Limits::default())?.expect("the whole header");
/// let decoder = ReaderBuilder::new().build_decoder(&header)?;
/// let pieces = file[decoder.first_offset() as usize..].chunks(4096).map(|piece| Ok(Bytes::copy_from_slice(piece)));
/// let batches = futures::executor::block_on(batches(decoder, stream::iter(pieces)).try_collect::<Vec<_>>())?;
/// assert!(!batches.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// Bytes are taken as Arrow [`Buffer`]s, to which `Bytes` and `Vec<u8>` convert without a copy: string views of the
/// batches point into them where the file is not compressed.
#[derive(Debug)]
pub struct Decoder {
    framer: Framer,
    blocks: BlockDecoder,
    finished: bool,
    /// What was skipped, in the order of the file.
    damage: Vec<DamagedBlock>,
    /// Where rows are, if that is wanted.
    row_positions: Option<Box<FileRowPositions>>,
}

/// The outcome of [`Decoder::try_decode`].
#[derive(Debug)]
pub enum DecodeResult {
    /// [Feed](Decoder::feed) the next bytes of the file, or [`finish`](Decoder::finish) if there are none.
    ///
    /// The range is that of the block whose end is missing, from its frame to its sync marker, or `None` while its frame
    /// is missing too. It is a hint for callers who fetch bytes: pieces may be smaller or larger than the block. The
    /// bytes to feed are always those that follow the bytes fed before, which may lie inside the range.
    NeedsData(Option<Range<u64>>),
    /// The next rows.
    Batch(RecordBatch),
    /// There are no more rows.
    Finished,
}

/// Where the rows of the last batch are, and what it takes to know.
#[derive(Debug, Default)]
struct FileRowPositions {
    last: Vec<RowRange>,
    /// The blocks that are being decoded: each one's index, and that of its first row.
    first_rows: VecDeque<(u64, u64)>,
    /// Rows of the blocks so far.
    rows: u64,
}

impl Decoder {
    /// For a whole file, whose bytes are fed from [`Header::len`] on.
    pub fn new(header: &Header, program: Arc<Program>) -> Decoder {
        let framer = Framer::new(header, &program.options.limits);
        Self::of(framer, header, program)
    }

    /// For the blocks that a byte range of a file owns: those whose preceding sync marker begins inside it. Ranges that
    /// cover a file without overlap give every row once. Under [`OnCorruptBlock::Skip`], what is skipped is listed by the range in which
    /// it begins, and what the search of the next range would pass over as well belongs to the range before.
    pub fn for_range(header: &Header, program: Arc<Program>, range: Range<u64>, file_len: u64) -> Decoder {
        let framer = Framer::for_range(header, range, file_len, &program.options.limits);
        Self::of(framer, header, program)
    }

    fn of(framer: Framer, header: &Header, program: Arc<Program>) -> Decoder {
        let framer = framer.with_on_corrupt_block(program.options.on_corrupt_block);
        Decoder {
            framer,
            blocks: BlockDecoder::new(header.codec, program),
            finished: false,
            damage: Vec::new(),
            row_positions: None,
        }
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
    /// use avro_arrow::{DecodeResult, Decoder, FilterProgram, Options, Program, container::Header};
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
    /// decoder.feed(file[decoder.first_offset() as usize..].to_vec().into());
    /// decoder.finish();
    /// let mut rows = 0;
    /// while let DecodeResult::Batch(batch) = decoder.try_decode()? {
    ///     rows += batch.num_rows() as u64;
    /// }
    /// assert_eq!(rows, decoder.rows_selected());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_filter(self, program: &FilterProgram, filter: impl RowFilter + 'static) -> Decoder {
        self.with_boxed_filter(program, Box::new(filter))
    }

    pub(super) fn with_boxed_filter(mut self, program: &FilterProgram, filter: Box<dyn RowFilter>) -> Decoder {
        self.blocks.set_filter(program, filter);
        self
    }

    /// The same, and it says [where](Self::row_positions) the rows of each batch are. To be called last, before bytes are fed.
    #[must_use]
    pub fn with_row_positions(mut self) -> Decoder {
        self.row_positions = Some(Box::default());
        self.blocks.set_row_positions();
        self
    }

    /// Where the rows of the last batch are in the file, in the batch's order. Empty without [`with_row_positions`](Self::with_row_positions).
    ///
    /// Blocks and rows are counted from the file's first; of a byte range, from the first that it owns. Under [`OnCorruptBlock::Skip`],
    /// rows of a block that is skipped count as many as it says, if it could have them, and a stretch in which no blocks can be told
    /// apart counts as one block of no rows.
    pub fn row_positions(&self) -> &[RowRange] {
        self.row_positions.as_ref().map(|row_positions| row_positions.last.as_slice()).unwrap_or_default()
    }

    /// Returns the Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.blocks.program.arrow_schema())
    }

    /// Rows that the filter selected so far; 0 without one.
    pub fn rows_selected(&self) -> u64 {
        self.blocks.selector().map_or(0, |selector| selector.rows_selected)
    }

    /// Rows that the filter did not select so far; 0 without one.
    pub fn rows_pruned(&self) -> u64 {
        self.blocks.selector().map_or(0, |selector| selector.rows_pruned)
    }

    /// Blocks that were decoded, or counted, so far.
    pub fn blocks_read(&self) -> u64 {
        self.blocks.blocks_read
    }

    /// How long decompression took so far. It is part of the time in [`try_decode`](Self::try_decode).
    pub fn time_decompressing(&self) -> Duration {
        self.blocks.time_decompressing
    }

    /// Offset in the file of the first byte to feed.
    pub fn first_offset(&self) -> u64 {
        self.framer.first_offset()
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

    /// Where its blocks are, for whoever reads ranges of a file to compare: see [`Framer::covered_range`].
    pub fn covered_range(&self) -> Option<Range<u64>> {
        self.framer.covered_range()
    }

    /// Decodes the bytes that were fed so far, up to the next batch.
    ///
    /// A batch has at most [`Options::batch_size`](crate::Options::batch_size) rows. It has fewer at the end of the file,
    /// and where rows are so large that memory would not be bounded otherwise.
    ///
    /// # Errors
    /// Returns the first error in the data. Nothing can be decoded after an error. Under [`OnCorruptBlock::Skip`] corrupt
    /// blocks are no errors.
    pub fn try_decode(&mut self) -> Result<DecodeResult> {
        let batch = self.next();
        if let Some(row_positions) = &mut self.row_positions {
            row_positions.give(self.blocks.take_row_positions());
        }
        let framed =
            self.framer.take_damage().into_iter().map(|damaged| self.blocks.doubt(damaged)).collect::<Vec<_>>();
        insert(&mut self.damage, framed);
        insert(&mut self.damage, self.blocks.take_damage());
        Ok(match batch? {
            Some(batch) => DecodeResult::Batch(batch),
            None if self.has_all_bytes() => DecodeResult::Finished,
            None => DecodeResult::NeedsData(self.framer.needed_range()),
        })
    }

    /// Whether no more bytes are needed. For a whole file that is known only after [`finish`](Self::finish).
    fn has_all_bytes(&self) -> bool {
        self.finished || self.framer.is_done()
    }

    /// What was skipped so far, in the order of the file: all of it, once there are no more batches. Empty under
    /// [`OnCorruptBlock::Error`].
    pub fn damage(&self) -> &[DamagedBlock] {
        &self.damage
    }

    /// Takes the beginning of that list out of it: what lies before all blocks that are still to be decoded. For callers who
    /// do not want to hold it all, as a file may be nothing but damage.
    pub fn take_damage(&mut self) -> Vec<DamagedBlock> {
        let settled = match self.blocks.first_waiting() {
            Some(offset) => self.damage.partition_point(|damaged| damaged.offset < offset),
            None => self.damage.len(),
        };
        self.damage.drain(..settled).collect()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.blocks.next_batch(false)? {
                return Ok(Some(batch));
            }
            match self.framer.next_block() {
                Ok(Some(block)) => {
                    if let Some(row_positions) = &mut self.row_positions {
                        row_positions.first_rows.push_back((block.index, row_positions.rows));
                        row_positions.rows = row_positions.rows.saturating_add(self.blocks.believable_rows(&block));
                    }
                    self.blocks.push(block)?;
                }
                Ok(None) => return self.blocks.next_batch(self.has_all_bytes()),
                // The blocks before come before: what is wrong in them is the first thing that is wrong.
                Err(error) => {
                    while self.blocks.next_batch(true)?.is_some() {}
                    return Err(error);
                }
            }
        }
    }
}

impl FileRowPositions {
    /// A batch is given, of rows that were counted in their blocks.
    fn give(&mut self, mut runs: Vec<RowRange>) {
        // Batches come in the order of the file.
        if let Some(first) = runs.first() {
            while self.first_rows.front().is_some_and(|(block, _)| *block < first.block) {
                self.first_rows.pop_front();
            }
        }
        for run in &mut runs {
            let at = self.first_rows.partition_point(|(block, _)| *block < run.block);
            run.row = run.row.saturating_add(self.first_rows.get(at).map_or(0, |(_, row)| *row));
        }
        self.last = runs;
    }
}

/// Decodes whole blocks as they are stored.
#[derive(Debug)]
pub(crate) struct BlockDecoder {
    codec: Codec,
    program: Arc<Program>,
    decompressor: Decompressor,
    rows: Rows,
    /// Blocks that were skipped before they came to the rows.
    damage: Vec<DamagedBlock>,
    blocks_read: u64,
    time_decompressing: Duration,
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
        let rows = Rows::All(Batcher::new(Arc::clone(&program)));
        BlockDecoder {
            codec,
            decompressor,
            rows,
            program,
            damage: Vec::new(),
            blocks_read: 0,
            time_decompressing: Duration::ZERO,
        }
    }

    /// From here on, only rows that the filter selects are decoded.
    pub(crate) fn set_filter(&mut self, program: &FilterProgram, filter: Box<dyn RowFilter>) {
        self.rows = Rows::Selected(Box::new(Selector::new(program, filter)));
    }

    /// From here on, it says where the rows of each batch are.
    fn set_row_positions(&mut self) {
        let nothing = Rows::All(Batcher::new(Arc::clone(&self.program)));
        self.rows = match std::mem::replace(&mut self.rows, nothing) {
            Rows::All(batcher) => Rows::All(batcher.with_row_positions()),
            Rows::Selected(selector) => Rows::Selected(Box::new(selector.with_row_positions())),
        };
    }

    /// Where the rows of the last batch are; their indices are those in their blocks.
    fn take_row_positions(&mut self) -> Vec<RowRange> {
        match &mut self.rows {
            Rows::All(batcher) => batcher.take_row_positions(),
            Rows::Selected(selector) => selector.take_row_positions(),
        }
    }

    /// How many rows a block has, if it could have as many as it says.
    fn believable_rows(&self, block: &RawBlock) -> u64 {
        let (min, limits) = (self.program.min_row_bytes, &self.program.options.limits);
        let fit = rows_may_fit(self.codec, block.data.len() as u64, block.rows, min, limits);
        if fit { block.rows } else { 0 }
    }

    /// The filter, if there is one.
    pub(crate) fn selector(&self) -> Option<&Selector> {
        match &self.rows {
            Rows::All(_) => None,
            Rows::Selected(selector) => Some(selector),
        }
    }

    /// What was skipped since this was last asked for, in almost the order of the file.
    pub(crate) fn take_damage(&mut self) -> Vec<DamagedBlock> {
        let mut damage = std::mem::take(&mut self.damage);
        if let Rows::All(batcher) = &mut self.rows {
            damage.append(&mut batcher.take_damage());
        }
        damage.into_iter().map(|damaged| self.doubt(damaged)).collect()
    }

    /// The same, without a count of rows that could not have been there.
    pub(crate) fn doubt(&self, damaged: DamagedBlock) -> DamagedBlock {
        let (min, limits) = (self.program.min_row_bytes, &self.program.options.limits);
        let rows = damaged.rows.filter(|&rows| rows_may_fit(self.codec, damaged.bytes, rows, min, limits));
        DamagedBlock { rows, ..damaged }
    }

    /// The offset of the first block that may yet be found damaged.
    fn first_waiting(&self) -> Option<u64> {
        match &self.rows {
            Rows::All(batcher) => batcher.first_waiting(),
            // Checked before they are taken.
            Rows::Selected(_) => None,
        }
    }

    /// Takes a block. Under [`OnCorruptBlock::Skip`] one that is damaged is listed instead.
    pub(crate) fn push(&mut self, block: RawBlock) -> Result<()> {
        let (index, bytes, rows, mut len) = (block.index, block.offset..block.end, block.rows, None);
        self.blocks_read += 1;
        let pushed = match self.decompress(block) {
            Ok(None) => Ok(()),
            Ok(Some(block)) => {
                len = Some(block.data.len());
                self.push_block(block)
            }
            Err(error) => Err(error),
        };
        match pushed {
            Err(error) if self.program.options.on_corrupt_block == OnCorruptBlock::Skip && error.is_recoverable() => {
                self.damage.push(DamagedBlock::framed(index, bytes, rows, len, error));
                Ok(())
            }
            pushed => pushed,
        }
    }

    /// The block decompressed; none if there is no need to, as its rows can be counted without.
    fn decompress(&mut self, block: RawBlock) -> Result<Option<Block>> {
        let (min, limits) = (self.program.min_row_bytes, &self.program.options.limits);
        // Rows that take no bytes are not worth it: walking them costs nothing, and finds bytes that should not be there.
        if let Rows::All(batcher) = &mut self.rows
            && self.program.counts_only()
            && min > 0
            && self.program.options.on_corrupt_block == OnCorruptBlock::Error
        {
            match rows_fit(self.codec, &block.data, block.rows, min, limits) {
                RowsFit::Yes => {
                    batcher.push_counted(block.rows, block.index, block.offset);
                    return Ok(None);
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
        let start = Instant::now();
        let block = self.decompressor.decompress(block);
        self.time_decompressing += start.elapsed();
        block.map(Some)
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
