//! Skipping corrupt blocks: finds the damaged blocks of a chunk, and checks whole blocks by decoding them.

use super::{Batcher, CHUNK_BYTES, at_block, disagree};
use crate::codec::Block;
use crate::damage::DamagedBlock;
use crate::error::{Error, Result};
use crate::exec::{BlockSlice, Stop};
use crate::options::OnCorruptBlock;
use std::sync::Arc;

impl Batcher {
    pub(super) fn skips_damage(&self) -> bool {
        self.program.options.on_corrupt_block == OnCorruptBlock::Skip
    }

    /// Skips this block of the queue, none of whose rows were returned.
    pub(super) fn skip(&mut self, at: usize, error: Error) {
        let Some(pending) = self.queue.remove(at) else { return };
        let Block { rows, data, offset, end, index } = pending.block;
        self.queued_rows -= pending.rows_left;
        self.queued_bytes -= data.len();
        self.damage.push(DamagedBlock::framed(index, offset..end, rows, Some(data.len()), error));
    }

    /// Skips all damaged blocks of a chunk. The rest is decoded next, even if it does not fill a batch: so each row is
    /// decoded only a few times, however many blocks are damaged.
    pub(super) fn skip_damaged(&mut self, n_pieces: usize) -> Result<()> {
        let found: Vec<_> = self.queue.iter().take(n_pieces).map(|pending| self.error_of(pending)).collect();
        if found.iter().all(Option::is_none) || found.iter().flatten().any(|error| !error.is_recoverable()) {
            return Err(found.into_iter().flatten().find(|error| !error.is_recoverable()).unwrap_or_else(disagree));
        }
        for (at, error) in found.into_iter().enumerate().rev() {
            match (error, self.queue.get_mut(at)) {
                (Some(error), _) => self.skip(at, error),
                (None, Some(pending)) => pending.checked = true,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Skips the last block of a chunk if the chunk has only a part of it and any part is damaged.
    pub(super) fn skip_unless_whole(&mut self, pieces: &[BlockSlice]) -> Result<bool> {
        let Some(at) = pieces.len().checked_sub(1) else { return Ok(false) };
        let Some(pending) = self.queue.get(at) else { return Ok(false) };
        let in_parts = pieces.last().is_some_and(|piece| !piece.ends_block);
        if !self.skips_damage() || pending.checked || !in_parts {
            return Ok(false);
        }
        let block = pending.block.clone();
        match self.check(&block) {
            Ok(()) => {
                if let Some(pending) = self.queue.get_mut(at) {
                    pending.checked = true;
                }
                Ok(false)
            }
            Err(error) if error.is_recoverable() => {
                self.skip(at, error);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Decodes a whole block and drops its rows.
    pub(crate) fn check(&mut self, block: &Block) -> Result<()> {
        self.check_row_count(block)?;
        let blocks = Arc::from([block.data.to_buffer()]);
        let mut whole = BlockSlice {
            data: block.data.clone(),
            at: 0,
            end: block.data.len(),
            n_rows: 0,
            ends_block: false,
            buffer: 0,
            zero_width_items: 0,
        };
        let mut rows_left = block.rows;
        // A large block is decoded a batch at a time.
        let mut step = self.max_rows;
        if block.data.len() > CHUNK_BYTES {
            step = step.min(self.batch_size());
        }
        while !whole.ends_block {
            let n_rows = usize::try_from(rows_left).unwrap_or(usize::MAX).min(step);
            let mut part = BlockSlice { n_rows, ends_block: n_rows as u64 == rows_left, ..whole.clone() };
            match self.columns(std::slice::from_mut(&mut part), Arc::clone(&blocks)) {
                Ok(_) => rows_left -= n_rows as u64,
                Err(Stop::Damaged) => {
                    return Err(self.locate(block).map_or_else(disagree, |found| at_block(found.into_error(), block)));
                }
                Err(Stop::TooLarge(_)) if n_rows > 1 => {
                    step = n_rows / 2;
                    continue;
                }
                Err(Stop::TooLarge(error)) => return Err(at_block(error, block)),
            }
            whole = part;
        }
        Ok(())
    }
}
