//! The selector: decodes the rows that a filter selects, by one of two strategies, chosen by the observed
//! selectivity.
//!
//! Where few rows are selected, it uses late materialization with two programs. The first decodes the filter's
//! columns, skips the others, and records where each row starts. The selected rows are then copied together as blocks,
//! which the second program decodes: so batches are full even if few rows are selected, and the other rows are dropped
//! at once.
//!
//! Where many rows are selected, decoding them in two steps costs more than it saves: all columns are decoded, and
//! then filtered.

use super::{AllColumns, FilterProgram, RowFilter};
use crate::codec::Block;
use crate::decode::batcher::{Batcher, PredicateScan, RowRange};
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
const FILTER_AFTER_DECODE_ABOVE: usize = 3;
/// Late materialization is used if fewer than one in this many recent rows were selected.
const LATE_MATERIALIZE_BELOW: usize = 6;
/// Number of rows that count as recent, so that a short run of equal rows changes nothing.
const RECENT_ROWS: usize = 1 << 16;

/// Decodes the rows of blocks that a filter selects.
pub(crate) struct Selector {
    filter: Box<dyn RowFilter>,
    pub(super) strategy: Strategy,
    /// Whether to switch to the other strategy once this one has no rows left.
    switch_pending: bool,
    scanner: Batcher,
    /// Decodes the picked rows.
    picked: Batcher,
    /// Decodes all columns; with the positions of the filter's columns in its batches.
    all_columns: Option<(Batcher, Vec<usize>)>,
    output: Arc<Program>,
    /// Where corrupt blocks are skipped, these first decode each block whole. So the set of damaged blocks does not
    /// depend on the filter, and no rows of a damaged block are returned.
    checks: Vec<Batcher>,
    /// Numbers of recent rows that were filtered and selected.
    recent_selectivity: (usize, usize),
    /// Positions of the rows of the last batch, if they are recorded.
    row_positions: Vec<RowRange>,
    pub(crate) rows_selected: u64,
    pub(crate) rows_pruned: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Decodes the filter's columns first, and the other columns of selected rows only.
    LateMaterialize,
    /// Decodes all columns, and then filters the batch.
    FilterAfterDecode,
}

impl Selector {
    pub(crate) fn new(program: &FilterProgram, filter: Box<dyn RowFilter>) -> Selector {
        let FilterProgram { output, predicate, all_columns } = program;
        let all = all_columns.as_ref().map_or(output, |all_columns| &all_columns.program);
        let scanner = Batcher::new(Arc::clone(predicate)).with_error_locator(all);
        let checks = match (output.options.on_corrupt_block, &all_columns) {
            (OnCorruptBlock::Error, _) => vec![],
            (OnCorruptBlock::Skip, Some(all_columns)) => vec![Batcher::new(Arc::clone(&all_columns.program))],
            (OnCorruptBlock::Skip, None) => vec![Batcher::new(Arc::clone(predicate)), Batcher::new(Arc::clone(output))],
        };
        // Once rows are filtered, counting them needs no more decoding.
        let all_columns = all_columns.as_ref().filter(|_| !output.counts_only());
        let all_columns = all_columns
            .map(|AllColumns { program, filter_columns }| (Batcher::new(Arc::clone(program)), filter_columns.clone()));
        Selector {
            filter,
            strategy: Strategy::LateMaterialize,
            switch_pending: false,
            scanner,
            picked: Batcher::new(Arc::clone(output)),
            all_columns,
            output: Arc::clone(output),
            checks,
            recent_selectivity: (0, 0),
            row_positions: Vec::new(),
            rows_selected: 0,
            rows_pruned: 0,
        }
    }

    /// Records the positions of the rows of each batch from now on.
    pub(crate) fn with_row_positions(self) -> Self {
        let all_columns =
            self.all_columns.map(|(all_columns, filter_columns)| (all_columns.with_row_positions(), filter_columns));
        Selector { picked: self.picked.with_row_positions(), all_columns, ..self }
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
        match (self.strategy, &mut self.all_columns) {
            (Strategy::FilterAfterDecode, Some((all_columns, _))) => all_columns.push(block),
            _ => self.scanner.push(block),
        }
    }

    /// Returns the next batch, which is never empty; `None` if more blocks are needed or, at the `end`, if there are
    /// no more rows.
    pub(crate) fn next_batch(&mut self, end: bool) -> Result<Option<RecordBatch>> {
        loop {
            let end = end || self.switch_pending;
            let batch = match self.strategy {
                Strategy::LateMaterialize => self.next_of_picked(end)?,
                Strategy::FilterAfterDecode => self.next_of_whole(end)?,
            };
            // Blocks wait in one strategy only. The rows left in it may have made it switch.
            if batch.is_some() || !self.switch_pending {
                return Ok(batch);
            }
            if end {
                self.switch_pending = false;
                self.strategy = if self.strategy == Strategy::LateMaterialize {
                    Strategy::FilterAfterDecode
                } else {
                    Strategy::LateMaterialize
                };
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
            let parts = self.scanner.take_queue();
            let any = !parts.is_empty();
            for part in parts {
                self.rows_selected += part.n_rows as u64;
                let (block, picked) = part.all();
                self.picked.push_picked(block, picked);
            }
            return Ok(any);
        }
        let Some(PredicateScan { columns, starts, parts }) = self.scanner.next_predicate_scan(end)? else {
            return Ok(false);
        };
        let selected = self.select(&columns)?;
        let (asked, n_selected) = self.recent_selectivity;
        self.switch_pending |= self.all_columns.is_some() && n_selected * FILTER_AFTER_DECODE_ABOVE > asked;
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
            let Some((all_columns, filter_columns)) = &mut self.all_columns else { return Ok(None) };
            let Some(all) = all_columns.next_batch(end)? else { return Ok(None) };
            self.row_positions = all_columns.take_row_positions();
            let columns = all.project(filter_columns)?;
            let mut batch = self.output_of(&all)?;
            if self.filter.selects_all() {
                self.rows_selected += batch.num_rows() as u64;
                return Ok(Some(batch));
            }
            let selected = self.select(&columns)?;
            let (asked, n_selected) = self.recent_selectivity;
            self.switch_pending |= n_selected * LATE_MATERIALIZE_BELOW < asked;
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
        if self.recent_selectivity.0 > RECENT_ROWS {
            self.recent_selectivity = (self.recent_selectivity.0 / 2, self.recent_selectivity.1 / 2);
        }
        self.recent_selectivity = (self.recent_selectivity.0 + n_rows, self.recent_selectivity.1 + n_selected);
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
        f.debug_struct("Selector")
            .field("strategy", &self.strategy)
            .field("scanner", &self.scanner)
            .finish_non_exhaustive()
    }
}
