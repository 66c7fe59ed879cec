//! The selector: decodes the rows that a filter selects, in one of two ways that it chooses by the observed
//! selectivity.
//!
//! Where few rows are selected, it uses late materialization with two programs. The first decodes the filter's
//! columns, skips the others, and records where each row starts. The selected rows are then copied together as blocks,
//! which the second program decodes: so batches are full even if few rows are selected, and the other rows are dropped
//! at once.
//!
//! Where many rows are selected, decoding them in two steps costs more than it saves: all columns are decoded, and
//! then filtered.

use super::{FilterProgram, RowFilter, Whole};
use crate::codec::Block;
use crate::decode::batcher::{Batcher, RowRange, Walk};
use crate::error::{Error, ErrorKind, Result};
use crate::options::OnCorruptBlock;
use crate::program::Program;
use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;
use std::fmt;
use std::sync::Arc;

/// All columns are decoded if more than one in this many recent rows was selected. `examples/filter.rs` finds the
/// break-even point.
const WHOLE_ABOVE: usize = 3;
/// Late materialization is used if fewer than one in this many recent rows were selected.
const WALK_BELOW: usize = 6;
/// Number of rows that count as recent, so that a short run of equal rows changes nothing.
const LATELY_ROWS: usize = 1 << 16;

/// Decodes the rows of blocks that a filter selects.
pub(crate) struct Selector {
    filter: Box<dyn RowFilter>,
    pub(super) way: Way,
    /// Whether to switch to the other way once this one has no rows left.
    turns: bool,
    walker: Batcher,
    /// Decodes the picked rows.
    picked: Batcher,
    /// Decodes all columns; with the positions of the filter's columns in its batches.
    whole: Option<(Batcher, Vec<usize>)>,
    output: Arc<Program>,
    /// Where corrupt blocks are skipped, these first decode each block whole. So the set of damaged blocks does not
    /// depend on the filter, and no rows of a damaged block are returned.
    checks: Vec<Batcher>,
    /// Numbers of recent rows that were filtered and selected.
    lately: (usize, usize),
    /// Positions of the rows of the last batch, if they are recorded.
    row_positions: Vec<RowRange>,
    pub(crate) rows_selected: u64,
    pub(crate) rows_pruned: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Walk,
    Whole,
}

impl Selector {
    pub(crate) fn new(program: &FilterProgram, filter: Box<dyn RowFilter>) -> Selector {
        let FilterProgram { output, walk, whole } = program;
        let all = whole.as_ref().map_or(output, |whole| &whole.program);
        let walker = Batcher::new(Arc::clone(walk)).explained_by(all);
        let checks = match (output.options.on_corrupt_block, &whole) {
            (OnCorruptBlock::Error, _) => vec![],
            (OnCorruptBlock::Skip, Some(whole)) => vec![Batcher::new(Arc::clone(&whole.program))],
            (OnCorruptBlock::Skip, None) => vec![Batcher::new(Arc::clone(walk)), Batcher::new(Arc::clone(output))],
        };
        // Once rows are filtered, counting them needs no more decoding.
        let whole = whole.as_ref().filter(|_| !output.counts_only());
        let whole = whole.map(|Whole { program, looked_at }| (Batcher::new(Arc::clone(program)), looked_at.clone()));
        Selector {
            filter,
            way: Way::Walk,
            turns: false,
            walker,
            picked: Batcher::new(Arc::clone(output)),
            whole,
            output: Arc::clone(output),
            checks,
            lately: (0, 0),
            row_positions: Vec::new(),
            rows_selected: 0,
            rows_pruned: 0,
        }
    }

    /// Records the positions of the rows of each batch from now on.
    pub(crate) fn with_row_positions(self) -> Self {
        let whole = self.whole.map(|(whole, looked_at)| (whole.with_row_positions(), looked_at));
        Selector { picked: self.picked.with_row_positions(), whole, ..self }
    }

    /// Takes the positions of the rows of the last batch, in its order.
    pub(crate) fn take_row_positions(&mut self) -> Vec<RowRange> {
        std::mem::take(&mut self.row_positions)
    }

    /// Adds a block, after checking its row count against its bytes. Callers take all
    /// batches that are ready first.
    pub(crate) fn push(&mut self, block: Block) -> Result<()> {
        for check in &mut self.checks {
            check.check(&block)?;
        }
        match (self.way, &mut self.whole) {
            (Way::Whole, Some((whole, _))) => whole.push(block),
            _ => self.walker.push(block),
        }
    }

    /// Returns the next batch, which is never empty; `None` if more blocks are needed or, at the `end`, if there are
    /// no more rows.
    pub(crate) fn next_batch(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        loop {
            let end = end || self.turns;
            let batch = match self.way {
                Way::Walk => self.next_of_picked(end)?,
                Way::Whole => self.next_of_whole(end)?,
            };
            // Blocks wait in one of the ways only. The rows left in it may have made it switch.
            if batch.is_some() || !self.turns {
                return Ok(batch);
            }
            if end {
                self.turns = false;
                self.way = if self.way == Way::Walk { Way::Whole } else { Way::Walk };
                return Ok(None);
            }
        }
    }

    fn next_of_picked(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        // Picks no more rows than a batch needs.
        loop {
            let mut batch = self.picked.next_batch(false)?;
            if batch.is_none() && !self.pick(end)? {
                batch = self.picked.next_batch(end)?;
            } else if batch.is_none() {
                continue;
            }
            self.row_positions = self.picked.take_row_positions();
            return Ok(batch);
        }
    }

    /// Picks rows of the next blocks. Returns `false` if it needs more blocks first or, at the `end`, after the last
    /// block.
    fn pick(&mut self, end: bool) -> Result<bool> {
        if self.filter.selects_all() {
            let parts = self.walker.take_queue();
            let any = !parts.is_empty();
            for part in parts {
                self.rows_selected += part.n_rows as u64;
                let (block, picked) = part.all();
                self.picked.push_picked(block, picked);
            }
            return Ok(any);
        }
        let Some(Walk { columns, starts, parts }) = self.walker.next_walk(end)? else { return Ok(false) };
        let selected = self.select(&columns)?;
        let (asked, n_selected) = self.lately;
        self.turns |= self.whole.is_some() && n_selected * WHOLE_ABOVE > asked;
        let mut first = 0;
        for part in parts {
            let rows = selected.slice(first, part.n_rows);
            let starts = starts.get(first..).unwrap_or_default();
            first += part.n_rows;
            let n_selected = rows.count_set_bits();
            if n_selected == 0 {
                continue;
            }
            if self.output.counts_only() && !self.picked.has_row_positions() {
                self.picked.push_count(n_selected as u64);
                continue;
            }
            let (block, picked) = if n_selected == part.n_rows { part.all() } else { part.pick(starts, &rows) };
            self.picked.push_picked(block, picked);
        }
        Ok(true)
    }

    /// Returns the selected rows of the next decoded batch that has any.
    fn next_of_whole(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        loop {
            let Some((whole, looked_at)) = &mut self.whole else { return Ok(None) };
            let Some(all) = whole.next_batch(end)? else { return Ok(None) };
            self.row_positions = whole.take_row_positions();
            let columns = all.project(looked_at)?;
            let mut batch = self.output_of(&all)?;
            if self.filter.selects_all() {
                self.rows_selected += batch.num_rows() as u64;
                return Ok(Some(batch));
            }
            let selected = self.select(&columns)?;
            let (asked, n_selected) = self.lately;
            self.turns |= n_selected * WALK_BELOW < asked;
            let n_selected = selected.count_set_bits();
            if n_selected < selected.len() {
                self.row_positions = selected_of(&self.row_positions, &selected);
                batch = filter_record_batch(&batch, &BooleanArray::from(selected))?;
            }
            if n_selected > 0 {
                return Ok(Some(batch));
            }
        }
    }

    /// The columns of the output, which come first.
    fn output_of(&self, all: &RecordBatch) -> Result<RecordBatch> {
        let schema = self.output.arrow_schema();
        let columns = all.columns().iter().take(schema.fields().len()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(all.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }

    /// Evaluates the filter to a bit for each row.
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanBuffer> {
        let n_rows = columns.num_rows();
        if n_rows == 0 {
            return Ok(BooleanBuffer::new_unset(0));
        }
        let selected = self.filter.select(columns).map_err(|error| Error::new(ErrorKind::Filter(error)))?;
        let (values, nulls) = selected.into_parts();
        if values.len() != n_rows {
            return Err(Error::argument(format!("the filter returned {} values for {n_rows} rows", values.len())));
        }
        let selected = match nulls {
            Some(nulls) => &values & nulls.inner(),
            None => values,
        };
        let n_selected = selected.count_set_bits();
        if self.lately.0 > LATELY_ROWS {
            self.lately = (self.lately.0 / 2, self.lately.1 / 2);
        }
        self.lately = (self.lately.0 + n_rows, self.lately.1 + n_selected);
        self.rows_selected += n_selected as u64;
        self.rows_pruned += (n_rows - n_selected) as u64;
        Ok(selected)
    }
}

/// The positions of the selected rows among rows at these positions.
fn selected_of(row_positions: &[RowRange], selected: &BooleanBuffer) -> Vec<RowRange> {
    let mut of = Vec::new();
    let mut first = 0;
    for run in row_positions {
        for (from, to) in selected.slice(first, run.n_rows).set_slices() {
            of.push(RowRange { row: run.row + from as u64, n_rows: to - from, ..*run });
        }
        first += run.n_rows;
    }
    of
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector").field("way", &self.way).field("walker", &self.walker).finish_non_exhaustive()
    }
}
