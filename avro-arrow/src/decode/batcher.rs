//! The batcher: turns decompressed blocks into record batches. It decides which rows of which blocks are decoded
//! together.
//!
//! Blocks are decoded in chunks of several, so that the program has lanes to run on, and a chunk is returned in slices
//! of the batch size. A block with more rows than a chunk is decoded in parts. So memory depends on the size of blocks
//! and batches, not of files.
//!
//! Where corrupt blocks are skipped, a damaged block is removed from its chunk and the others are decoded again. A
//! block that is decoded in parts is first decoded whole and dropped, so that no rows are returned from a block whose
//! last rows are damaged.

mod row_positions;
mod skip;
mod predicate_scan;

pub(crate) use predicate_scan::{PredicateScan, SelectedRows};
pub use row_positions::RowRange;

use row_positions::RowPositions;

use crate::codec::Block;
use crate::column::ROWS;
use crate::damage::DamagedBlock;
use crate::encoding::PaddedBytes;
use crate::error::{Error, Fault, Result};
use crate::exec::{BlockSlice, Stop, run};
use crate::program::Program;
use crate::reference::{self, Located};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of blocks that are decoded together, if their rows do not fill a batch before.
const CHUNK_BYTES_MAX: usize = 8 << 20;
/// Bytes of blocks at which a chunk that fills a batch is large enough.
const CHUNK_BYTES: usize = 1 << 20;
/// Number of blocks at which a chunk that fills a batch is large enough, with a lane for each.
const CHUNK_BLOCKS: usize = 8;
/// Batches of at most this many rows do not wait for more blocks than they need: the caller may want no more rows.
const FEW_ROWS: usize = 256;
/// Maximum number of batches of a chunk.
const CHUNK_BATCHES_MAX: usize = 16;
/// Maximum size of the buffers of the rows in a chunk.
const CHUNK_COLUMN_BYTES_MAX: usize = 32 << 20;
/// Smaller blocks are copied to one buffer, so that string columns do not have thousands of buffers.
const SMALL_BLOCK_BYTES: usize = 4 << 10;

/// Makes batches of blocks.
#[derive(Debug)]
pub(crate) struct Batcher {
    program: Arc<Program>,
    /// Locates errors instead of `program`, as it may read more columns.
    error_locator: Option<Arc<Program>>,
    queue: VecDeque<QueuedBlock>,
    /// Rows and bytes in the queue.
    queued_rows: u64,
    queued_bytes: usize,
    /// Decoded batches that were not yet returned.
    ready: VecDeque<RecordBatch>,
    /// Rows that are only counted, as no column is read.
    counted_rows: u64,
    /// Maximum rows of a chunk; lowered once a chunk takes too much memory.
    max_rows: usize,
    /// Slots of each level per row in the last chunk.
    slots_per_row: Vec<f64>,
    /// Skipped blocks that were not yet taken.
    damage: Vec<DamagedBlock>,
    /// Row positions, if they are recorded.
    row_positions: Option<Box<RowPositions>>,
}

/// A block that is not yet decoded to its end.
#[derive(Debug)]
struct QueuedBlock {
    block: Block,
    at: usize,
    rows_left: u64,
    zero_width_items: u64,
    /// The positions of its rows in the file's block, if they were picked from it.
    picked: SelectedRows,
    /// Whether the block is known to be intact.
    checked: bool,
}

/// The pieces of a chunk, its columns, and the number of their rows.
type Decoded = (Vec<BlockSlice>, Vec<ArrayRef>, usize);

impl Batcher {
    pub(crate) fn new(program: Arc<Program>) -> Self {
        let (queue, ready) = (VecDeque::new(), VecDeque::new());
        let row_bytes = program.layout.slot_bytes(ROWS).max(1);
        let max_rows = (CHUNK_COLUMN_BYTES_MAX.min(program.options.limits.batch_bytes) / row_bytes).max(1);
        let max_rows = max_rows.min(program.options.batch_size.max(1).saturating_mul(CHUNK_BATCHES_MAX));
        Batcher {
            program,
            error_locator: None,
            queue,
            queued_rows: 0,
            queued_bytes: 0,
            ready,
            counted_rows: 0,
            max_rows,
            slots_per_row: Vec::new(),
            damage: Vec::new(),
            row_positions: None,
        }
    }

    /// Takes the blocks skipped since the last call.
    pub(crate) fn take_damage(&mut self) -> Vec<DamagedBlock> {
        std::mem::take(&mut self.damage)
    }

    /// The offset of the first block that is not decoded to its end.
    pub(crate) fn first_waiting(&self) -> Option<u64> {
        self.queue.front().map(|pending| pending.block.offset)
    }

    /// Adds a block, after checking its row count against its bytes.
    pub(crate) fn push(&mut self, block: Block) -> Result<()> {
        self.check_row_count(&block)?;
        self.enqueue(block, SelectedRows::default(), false);
        Ok(())
    }

    /// Checks that the block's bytes can hold its declared row count.
    fn check_row_count(&self, block: &Block) -> Result<()> {
        let Err(fault) = self.program.row_count_check().decompressed(block.data.len(), block.rows) else {
            return Ok(());
        };
        // A count that is slightly too large suggests that a value is cut; decoding then locates it.
        let needed = block.rows.saturating_mul(self.program.min_row_bytes);
        let cut = matches!(fault, Fault::RowCount(_)) && needed / 2 <= block.data.len() as u64;
        let located = if cut { self.locate(block) } else { None };
        Err(at_block(located.map_or_else(|| fault.into(), Located::into_error), block))
    }

    /// Adds rows picked from a block that was checked.
    pub(crate) fn push_picked(&mut self, block: Block, picked: SelectedRows) {
        self.enqueue(block, picked, true);
    }

    fn enqueue(&mut self, block: Block, picked: SelectedRows, checked: bool) {
        self.queued_rows += block.rows;
        self.queued_bytes += block.data.len();
        self.queue.push_back(QueuedBlock { at: 0, rows_left: block.rows, zero_width_items: 0, block, picked, checked });
    }

    /// Adds all rows of a block, to be counted only.
    pub(crate) fn push_counted(&mut self, rows: u64, block: u64, offset: u64) {
        let counted = usize::try_from(rows).unwrap_or(usize::MAX);
        self.record_counted_positions(RowRange { block, offset, row: 0, n_rows: counted });
        self.push_count(rows);
    }

    /// Adds rows to be counted only, without recording their positions.
    pub(crate) fn push_count(&mut self, rows: u64) {
        self.counted_rows = self.counted_rows.saturating_add(rows);
    }

    /// Returns the next batch; `None` if more blocks are needed or, at the `end`, if there are no more rows.
    pub(crate) fn next_batch(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        if self.ready.is_empty() && self.wants_to_decode(end) {
            self.decode_chunk(end)?;
        }
        if let Some(batch) = self.ready.pop_front() {
            self.give_row_positions();
            return Ok(Some(batch));
        }
        let batch_rows = self.batch_size() as u64;
        if self.counted_rows >= batch_rows || (end && self.counted_rows > 0) {
            let rows = self.counted_rows.min(batch_rows);
            self.counted_rows -= rows;
            self.give_counted_row_positions(rows as usize);
            return Ok(Some(self.batch_of(vec![], rows as usize)?));
        }
        Ok(None)
    }

    fn batch_size(&self) -> usize {
        self.program.options.batch_size.max(1)
    }

    fn wants_to_decode(&self, end: bool) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let fills_batch = self.queued_rows >= self.batch_size() as u64;
        let large =
            self.batch_size() <= FEW_ROWS || self.queue.len() >= CHUNK_BLOCKS || self.queued_bytes >= CHUNK_BYTES;
        end || (fills_batch && large) || self.queued_bytes >= CHUNK_BYTES_MAX
    }

    /// Decodes rows at the front of the queue into `ready`. Decodes fewer if memory requires it, and none if all these
    /// blocks were skipped.
    fn decode_chunk(&mut self, end: bool) -> Result<()> {
        let Some((pieces, columns, n_rows)) = self.decoded(end)? else { return Ok(()) };
        let chunk = self.batch_of(columns, n_rows)?;
        let batch_size = self.batch_size();
        self.record_batch_positions(&pieces, batch_size);
        self.take_decoded(&pieces);
        for first in (0..n_rows).step_by(batch_size) {
            self.ready.push_back(chunk.slice(first, batch_size.min(n_rows - first)));
        }
        Ok(())
    }

    /// Decodes rows at the front of the queue to arrays, and returns them with their pieces and their number. `None`
    /// if all blocks in the queue were skipped.
    fn decoded(&mut self, end: bool) -> Result<Option<Decoded>> {
        while !self.queue.is_empty() {
            let (mut pieces, blocks) = self.pieces(end);
            if self.skip_unless_whole(&pieces)? {
                continue;
            }
            let n_rows: usize = pieces.iter().map(|piece| piece.n_rows).sum();
            match self.columns(&mut pieces, blocks) {
                Ok(columns) => return Ok(Some((pieces, columns, n_rows))),
                Err(Stop::Damaged) if self.skips_damage() => self.skip_damaged(pieces.len())?,
                Err(Stop::Damaged) => return Err(self.explain(pieces.len())),
                Err(Stop::TooLarge(_)) if n_rows > 1 => self.max_rows = n_rows / 2,
                Err(Stop::TooLarge(error)) => {
                    let Some(pending) = self.queue.front() else { return Err(error) };
                    let error = at_block(error, &pending.block);
                    if !self.skips_damage() {
                        return Err(error);
                    }
                    self.skip(0, error);
                }
            }
        }
        Ok(None)
    }

    fn columns(&mut self, pieces: &mut [BlockSlice], blocks: Arc<[Buffer]>) -> Result<Vec<ArrayRef>, Stop> {
        let finished = run(&self.program, pieces, blocks, &self.slots_per_row)?;
        self.slots_per_row = finished.slots_per_row();
        let columns = self.program.columns.iter().chain(&self.program.starts);
        finished.arrays(columns).map_err(Stop::TooLarge)
    }

    fn batch_of(&self, columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        Ok(RecordBatch::try_new_with_options(self.program.arrow_schema().clone(), columns, &options)?)
    }

    /// Selects the rows to decode next: one piece of each block at the front of the queue, and the buffers of the
    /// blocks. They fill whole batches if they fill one.
    fn pieces(&self, end: bool) -> (Vec<BlockSlice>, Arc<[Buffer]>) {
        let batch_size = self.batch_size();
        let max_rows = self.max_rows;
        let (mut counts, mut total, mut bytes) = (Vec::new(), 0usize, 0usize);
        for pending in &self.queue {
            let full = bytes >= CHUNK_BYTES || counts.len() >= CHUNK_BLOCKS;
            if (total >= batch_size && full) || bytes >= CHUNK_BYTES_MAX || total >= max_rows {
                break;
            }
            let n_rows = usize::try_from(pending.rows_left).unwrap_or(usize::MAX).min(max_rows - total);
            // A large block is decoded alone, a batch at a time.
            let large = pending.block.data.len() > CHUNK_BYTES;
            let n_rows = if large { n_rows.min(batch_size) } else { n_rows };
            counts.push(n_rows);
            total += n_rows;
            bytes += pending.block.data.len();
            if large && total >= batch_size {
                break;
            }
        }
        // Rows that do not fill a batch wait for more, except at the end. Rows of a predicate scan fill no batch.
        let whole_queue = counts.len() == self.queue.len() && total as u64 == self.queued_rows;
        if total > batch_size && !(end && whole_queue) && self.program.starts.is_none() {
            let mut excess = total % batch_size;
            while excess > 0
                && let Some(last) = counts.last_mut()
            {
                let cut = excess.min(*last);
                *last -= cut;
                excess -= cut;
                if *last == 0 {
                    counts.pop();
                }
            }
        }
        Self::place(self.queue.iter().zip(counts))
    }

    /// Makes pieces of the given rows of each block, and copies small blocks together.
    fn place<'a>(parts: impl Iterator<Item = (&'a QueuedBlock, usize)>) -> (Vec<BlockSlice>, Arc<[Buffer]>) {
        let mut pieces: Vec<BlockSlice> = Vec::new();
        let mut buffers: Vec<Buffer> = Vec::new();
        // Small blocks that are copied together, and the index of the first one's piece.
        let mut gathered: Vec<u8> = Vec::new();
        let mut first_gathered = 0;
        let flush = |gathered: &mut Vec<u8>, first: usize, pieces: &mut [BlockSlice], buffers: &mut Vec<Buffer>| {
            if gathered.is_empty() {
                return;
            }
            let data = PaddedBytes::from_vec(std::mem::take(gathered));
            for piece in pieces.get_mut(first..).unwrap_or_default() {
                piece.data = data.clone();
                piece.buffer = buffers.len() as u32;
            }
            buffers.push(data.to_buffer());
        };
        for (pending, n_rows) in parts {
            let data = &pending.block.data;
            let mut piece = BlockSlice {
                data: data.clone(),
                at: pending.at,
                end: data.len(),
                n_rows,
                ends_block: n_rows as u64 == pending.rows_left,
                buffer: 0,
                zero_width_items: pending.zero_width_items,
            };
            if data.len() < SMALL_BLOCK_BYTES {
                if gathered.is_empty() {
                    first_gathered = pieces.len();
                }
                piece.at += gathered.len();
                piece.end += gathered.len();
                gathered.extend_from_slice(data);
                pieces.push(piece);
                continue;
            }
            flush(&mut gathered, first_gathered, &mut pieces, &mut buffers);
            piece.buffer = buffers.len() as u32;
            buffers.push(data.to_buffer());
            pieces.push(piece);
        }
        flush(&mut gathered, first_gathered, &mut pieces, &mut buffers);
        (pieces, Arc::from(buffers))
    }

    /// Removes the decoded pieces from the queue.
    fn take_decoded(&mut self, pieces: &[BlockSlice]) {
        for piece in pieces {
            let Some(mut pending) = self.queue.pop_front() else { return };
            self.queued_rows -= piece.n_rows as u64;
            if piece.ends_block {
                self.queued_bytes -= pending.block.data.len();
            } else {
                let block_start = piece.end - pending.block.data.len();
                pending.at = piece.at - block_start;
                pending.rows_left -= piece.n_rows as u64;
                pending.zero_width_items = piece.zero_width_items;
                self.queue.push_front(pending);
                return;
            }
        }
    }

    /// Finds the exact error in the first block that could not be decoded, with the reference decoder.
    fn explain(&self, n_pieces: usize) -> Error {
        self.queue.iter().take(n_pieces).find_map(|pending| self.error_of(pending)).unwrap_or_else(disagree)
    }

    fn error_of(&self, QueuedBlock { block, picked, .. }: &QueuedBlock) -> Option<Error> {
        self.locate(block).map(|located| at_block(picked.in_block(located).into_error(), block))
    }

    fn locate(&self, block: &Block) -> Option<Located> {
        self.error_locator.iter().chain([&self.program]).find_map(|program| {
            let Program { plan, options, .. } = &**program;
            reference::locate(plan, &block.data, block.rows, &options.limits)
        })
    }
}

#[cold]
fn disagree() -> Error {
    Error::internal("the program found damage where the reference decoder found none")
}

/// Adds the position of the block to an error.
fn at_block(error: Error, block: &Block) -> Error {
    error.at(|position| {
        position.block = Some(block.index);
        position.offset = Some(block.offset);
    })
}
