//! Selecting: blocks in, batches of the rows that a caller's filter selects out, in one of two ways, by how many those are.
//!
//! Where they are few, two programs run. The first walks the rows: it reads the columns that the filter looks at, moves over
//! the others, and writes down where each row starts. The rows that are selected are then put together as blocks like any
//! others, for the second program to decode: so batches are full, however few the rows are, and the others are dropped at once.
//!
//! Where they are many, walking them twice costs more than it saves: everything is decoded, and filtered then.

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

/// If more than one row in so many was selected lately, the next ones are decoded whole. `examples/filter.rs` tells
/// where both ways take as long.
const WHOLE_ABOVE: usize = 3;
/// If fewer than one row in so many was selected lately, the next ones are walked first.
const WALK_BELOW: usize = 6;
/// Lately is within so many rows, so that a few alike in the middle of others change nothing.
const LATELY_ROWS: usize = 1 << 16;

/// Decodes the rows of blocks that a filter selects.
pub(crate) struct Selector {
    filter: Box<dyn RowFilter>,
    pub(super) way: Way,
    /// The other way is to be gone once nothing is left in this one.
    turns: bool,
    walker: Batcher,
    /// Of the rows that were picked.
    picked: Batcher,
    /// And where in its batches is what the filter looks at.
    whole: Option<(Batcher, Vec<usize>)>,
    output: Arc<Program>,
    /// Where damage is skipped, these decode all of each block first, so that it does not hang on the filter what is found
    /// damaged when, and no rows are given of a block that is.
    checks: Vec<Batcher>,
    /// Rows that the filter was asked about lately, and that it selected.
    lately: (usize, usize),
    /// Where the rows of the last batch are, if that is wanted.
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
        // To count rows, nothing is left to decode once they are walked.
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

    /// From here on, it says where the rows of each batch are.
    pub(crate) fn with_row_positions(self) -> Self {
        let whole = self.whole.map(|(whole, looked_at)| (whole.with_row_positions(), looked_at));
        Selector { picked: self.picked.with_row_positions(), whole, ..self }
    }

    /// Where the rows of the last batch are, in its order. Taken once.
    pub(crate) fn take_row_positions(&mut self) -> Vec<RowRange> {
        std::mem::take(&mut self.row_positions)
    }

    /// Takes a block, whose claim to so many rows is checked against its bytes. Only once there is no next batch.
    pub(crate) fn push(&mut self, block: Block) -> Result<()> {
        for check in &mut self.checks {
            check.check(&block)?;
        }
        match (self.way, &mut self.whole) {
            (Way::Whole, Some((whole, _))) => whole.push(block),
            _ => self.walker.push(block),
        }
    }

    /// The next batch, never empty; none if more blocks are wanted, or, at the `end`, if there are no more rows.
    pub(crate) fn next_batch(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        loop {
            let end = end || self.turns;
            let batch = match self.way {
                Way::Walk => self.next_of_picked(end)?,
                Way::Whole => self.next_of_whole(end)?,
            };
            // Blocks wait in one way only. What this way has left may have made it turn.
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
        // No more is picked than is needed for a batch.
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

    /// Picks rows of the next blocks. False if more blocks are wanted, or, at the `end`, if there are no more.
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

    /// The rows that are selected of the next batch that has any.
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

    /// A bit for each row.
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

/// Where those rows are that are selected of those at these positions.
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
