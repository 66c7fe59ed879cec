//! The push decoder: turns bytes of a container file into record batches. It does no I/O and starts no threads; the
//! readers and DataFusion's scan feed it.

use crate::codec::{Block, Codec, Decompressor};
use crate::container::row_count_check::RowsFit;
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
    /// Skipped blocks, in the order of the file.
    damage: Vec<DamagedBlock>,
    /// Row positions, if they are recorded.
    row_positions: Option<Box<FileRowPositions>>,
}

/// The outcome of [`Decoder::try_decode`].
#[derive(Debug)]
pub enum DecodeResult {
    /// [Feed](Decoder::feed) the next bytes of the file, or [`finish`](Decoder::finish) at its end.
    ///
    /// The range is that of the block whose end is missing, from its frame to its sync marker, or `None` while its
    /// frame is missing too. It is a hint for callers who fetch bytes: pieces may be smaller or larger than the block.
    /// The bytes to feed are always those that follow the bytes fed before, which may lie inside the range.
    NeedsData(Option<Range<u64>>),
    /// The next rows.
    Batch(RecordBatch),
    /// There are no more rows.
    Finished,
}

/// The row positions of the last batch, and the state to compute them.
#[derive(Debug, Default)]
struct FileRowPositions {
    last: Vec<RowRange>,
    /// Index of each block being decoded, and the index of its first row in the file.
    first_rows: VecDeque<(u64, u64)>,
    /// Rows of the blocks so far.
    rows: u64,
}

impl Decoder {
    /// Creates a decoder for a whole file, to be fed from [`first_offset`](Self::first_offset) on.
    pub fn new(header: &Header, program: Arc<Program>) -> Decoder {
        let framer = Framer::new(header, &program.options.limits);
        Self::of(framer, header, program)
    }

    /// Creates a decoder for a byte range of a file. The range owns the blocks whose preceding sync marker begins
    /// inside it, so that ranges that cover a file without overlap return each row once.
    ///
    /// Under [`OnCorruptBlock::Skip`] a corrupt stretch belongs to the range in which it begins, even if it extends
    /// into the next.
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

    /// Returns only the rows that the filter selects. Call it before the first batch, with a filter program compiled
    /// for the decoder's program.
    ///
    /// Where the filter selects few rows, its columns are decoded first and the other columns only for the selected
    /// rows (late materialization). Where it selects many, all columns are decoded and then filtered. The decoder
    /// switches between the two by the selectivity it observes.
    ///
    /// Batches may have fewer rows than [`Options::batch_size`](crate::Options::batch_size), but at least one. Damaged
    /// values of rows that are not selected may go unnoticed.
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

    /// Records the [positions](Self::row_positions) of the rows of each batch. Call it last, before bytes are fed.
    #[must_use]
    pub fn with_row_positions(mut self) -> Decoder {
        self.row_positions = Some(Box::default());
        self.blocks.set_row_positions();
        self
    }

    /// Looks for markers inside the last block of a byte range, see [`Framer::hides_marker`]. Call it before bytes are
    /// fed.
    #[must_use]
    pub fn with_end_check(mut self) -> Decoder {
        self.framer = self.framer.with_end_check();
        self
    }

    /// Returns whether a marker begins inside a block, after the end of the range: see [`Framer::hides_marker`].
    pub fn hides_marker(&self) -> bool {
        self.framer.hides_marker()
    }

    /// Returns where the rows of the last batch are in the file, in the order of the batch. Empty without
    /// [`with_row_positions`](Self::with_row_positions).
    ///
    /// Blocks and rows are counted from the first of the file, or of the byte range. Under [`OnCorruptBlock::Skip`] a
    /// skipped block counts the rows that it states, if its bytes could hold them, and a stretch without blocks counts
    /// as one block of no rows.
    pub fn row_positions(&self) -> &[RowRange] {
        self.row_positions.as_ref().map(|row_positions| row_positions.last.as_slice()).unwrap_or_default()
    }

    /// Returns the Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.blocks.program.arrow_schema())
    }

    /// Number of rows that the filter selected so far; 0 without a filter.
    pub fn rows_selected(&self) -> u64 {
        self.blocks.selector().map_or(0, |selector| selector.rows_selected)
    }

    /// Number of rows that the filter rejected so far; 0 without a filter.
    pub fn rows_pruned(&self) -> u64 {
        self.blocks.selector().map_or(0, |selector| selector.rows_pruned)
    }

    /// Number of blocks decoded or counted so far.
    pub fn blocks_read(&self) -> u64 {
        self.blocks.blocks_read
    }

    /// Time spent on decompression so far, which is part of the time in [`try_decode`](Self::try_decode).
    pub fn time_decompressing(&self) -> Duration {
        self.blocks.time_decompressing
    }

    /// Returns the offset in the file of the first byte to feed.
    pub fn first_offset(&self) -> u64 {
        self.framer.first_offset()
    }

    /// Adds the next bytes of the file, any number. A block inside one buffer is not copied out of it, and batches may
    /// keep the buffer alive.
    pub fn feed(&mut self, bytes: Buffer) {
        self.framer.feed(bytes);
    }

    /// Signals the end of the file.
    pub fn finish(&mut self) {
        self.framer.finish();
        self.finished = true;
    }

    /// Returns the offsets between which the blocks of the range lie: see [`Framer::covered_range`].
    pub fn covered_range(&self) -> Option<Range<u64>> {
        self.framer.covered_range()
    }

    /// Decodes the bytes fed so far, up to the next batch.
    ///
    /// A batch has at most [`Options::batch_size`](crate::Options::batch_size) rows. It has fewer at the end of the
    /// file, and where rows are so large that memory would not be bounded otherwise.
    ///
    /// # Errors
    /// Returns the first error in the data; nothing can be decoded after an error. Under [`OnCorruptBlock::Skip`] a
    /// corrupt block is not an error.
    pub fn try_decode(&mut self) -> Result<DecodeResult> {
        let batch = self.next();
        if let Some(row_positions) = &mut self.row_positions {
            row_positions.give(self.blocks.take_row_positions());
        }
        let framed = self
            .framer
            .take_damage()
            .into_iter()
            .map(|damaged| self.blocks.clear_implausible_count(damaged))
            .collect::<Vec<_>>();
        insert(&mut self.damage, framed);
        insert(&mut self.damage, self.blocks.take_damage());
        Ok(match batch? {
            Some(batch) => DecodeResult::Batch(batch),
            None if self.has_all_bytes() => DecodeResult::Finished,
            None => DecodeResult::NeedsData(self.framer.needed_range()),
        })
    }

    /// Whether no more bytes are needed. For a whole file this is known only after [`finish`](Self::finish).
    fn has_all_bytes(&self) -> bool {
        self.finished || self.framer.is_done()
    }

    /// Returns the skipped blocks so far, in the order of the file; the list is complete after the last batch. Empty
    /// under [`OnCorruptBlock::Error`].
    pub fn damage(&self) -> &[DamagedBlock] {
        &self.damage
    }

    /// Removes and returns the skipped blocks that lie before all blocks still to be decoded. It bounds memory for
    /// callers who report them early, as a file may be mostly damage.
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
                        row_positions.rows = row_positions.rows.saturating_add(self.blocks.plausible_row_count(&block));
                    }
                    self.blocks.push(block)?;
                }
                Ok(None) => return self.blocks.next_batch(self.has_all_bytes()),
                // An error in an earlier block is the first error.
                Err(error) => {
                    while self.blocks.next_batch(true)?.is_some() {}
                    return Err(error);
                }
            }
        }
    }
}

impl FileRowPositions {
    /// Converts the positions of a returned batch from block-relative to file-relative rows.
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

/// Decompresses and decodes stored blocks.
#[derive(Debug)]
pub(crate) struct BlockDecoder {
    codec: Codec,
    program: Arc<Program>,
    decompressor: Decompressor,
    rows: RowDecoder,
    /// Blocks that were skipped before their rows were decoded.
    damage: Vec<DamagedBlock>,
    blocks_read: u64,
    time_decompressing: Duration,
}

/// The rows to decode, and their decoder.
#[derive(Debug)]
enum RowDecoder {
    All(Batcher),
    Selected(Box<Selector>),
}

impl BlockDecoder {
    pub(crate) fn new(codec: Codec, program: Arc<Program>) -> Self {
        let decompressor = Decompressor::new(codec, &program.options.limits);
        let rows = RowDecoder::All(Batcher::new(Arc::clone(&program)));
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

    /// From now on, decodes only rows that the filter selects.
    pub(crate) fn set_filter(&mut self, program: &FilterProgram, filter: Box<dyn RowFilter>) {
        self.rows = RowDecoder::Selected(Box::new(Selector::new(program, filter)));
    }

    /// From now on, records the positions of the rows of each batch.
    fn set_row_positions(&mut self) {
        let nothing = RowDecoder::All(Batcher::new(Arc::clone(&self.program)));
        self.rows = match std::mem::replace(&mut self.rows, nothing) {
            RowDecoder::All(batcher) => RowDecoder::All(batcher.with_row_positions()),
            RowDecoder::Selected(selector) => RowDecoder::Selected(Box::new(selector.with_row_positions())),
        };
    }

    /// Takes the positions of the rows of the last batch, with indices relative to their blocks.
    fn take_row_positions(&mut self) -> Vec<RowRange> {
        match &mut self.rows {
            RowDecoder::All(batcher) => batcher.take_row_positions(),
            RowDecoder::Selected(selector) => selector.take_row_positions(),
        }
    }

    /// The block's declared row count, or 0 if its bytes cannot hold that many rows.
    fn plausible_row_count(&self, block: &RawBlock) -> u64 {
        let check = self.program.row_count_check();
        if check.stored_len(self.codec, block.data.len() as u64, block.rows) { block.rows } else { 0 }
    }

    /// The filter, if there is one.
    pub(crate) fn selector(&self) -> Option<&Selector> {
        match &self.rows {
            RowDecoder::All(_) => None,
            RowDecoder::Selected(selector) => Some(selector),
        }
    }

    /// Takes the blocks skipped since the last call, almost in the order of the file.
    pub(crate) fn take_damage(&mut self) -> Vec<DamagedBlock> {
        let mut damage = std::mem::take(&mut self.damage);
        if let RowDecoder::All(batcher) = &mut self.rows {
            damage.append(&mut batcher.take_damage());
        }
        damage.into_iter().map(|damaged| self.clear_implausible_count(damaged)).collect()
    }

    /// Clears a row count that the block's bytes could not hold.
    pub(crate) fn clear_implausible_count(&self, damaged: DamagedBlock) -> DamagedBlock {
        let check = self.program.row_count_check();
        let rows = damaged.rows.filter(|&rows| check.stored_len(self.codec, damaged.bytes, rows));
        DamagedBlock { rows, ..damaged }
    }

    /// The offset of the first block that may still be found damaged.
    fn first_waiting(&self) -> Option<u64> {
        match &self.rows {
            RowDecoder::All(batcher) => batcher.first_waiting(),
            // Blocks are checked before they are taken.
            RowDecoder::Selected(_) => None,
        }
    }

    /// Adds a block. Under [`OnCorruptBlock::Skip`] a damaged block is listed instead.
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

    /// Decompresses a block; `None` if its rows can be counted without decompression.
    fn decompress(&mut self, block: RawBlock) -> Result<Option<Block>> {
        let check = self.program.row_count_check();
        // Rows that take no bytes are walked: that costs nothing, and finds bytes that should not be there.
        if let RowDecoder::All(batcher) = &mut self.rows
            && self.program.counts_only()
            && self.program.min_row_bytes > 0
            && self.program.options.on_corrupt_block == OnCorruptBlock::Error
        {
            match check.stored(self.codec, &block.data, block.rows) {
                RowsFit::Yes => {
                    batcher.push_counted(block.rows, block.index, block.offset);
                    return Ok(None);
                }
                RowsFit::No => {
                    let fault = Error::from(check.fault(block.rows));
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
            RowDecoder::All(batcher) => batcher.push(block),
            RowDecoder::Selected(selector) => selector.push(block),
        }
    }

    /// Returns the next batch; `None` if it needs more blocks or, at the `end`, if there are no more rows.
    pub(crate) fn next_batch(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        match &mut self.rows {
            RowDecoder::All(batcher) => batcher.next_batch(end),
            RowDecoder::Selected(selector) => selector.next_batch(end),
        }
    }
}
