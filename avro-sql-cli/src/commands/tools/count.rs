//! `count`: counts rows, from block headers where these are plausible.

use std::path::PathBuf;

use avro_arrow::container::{Positioned, count_rows};
use avro_arrow::{OnCorruptBlock, ReaderBuilder};

use super::Context;
use super::failures::Failures;
use super::input::Input;
use super::out::Out;
use crate::commands::schema;
use crate::diagnostics::scan_notes::skipped_line;
use crate::error::{Result, print_note};
use crate::options::CountMode;

/// The files to count.
#[derive(Debug)]
pub(crate) struct Count {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) total: CountMode,
}

impl Count {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let mut out = Out::stdout();
        let mut sum = 0u64;
        let mut failures = Failures::new(inputs);
        for input in inputs {
            context.check()?;
            match (count(input, context), self.total) {
                (Ok(rows), CountMode::PerFile) => out.put(format!("{rows}\t{}\n", input.name()).as_bytes())?,
                (Ok(rows), CountMode::Sum) => sum += rows,
                (Err(e), CountMode::PerFile) => failures.add(e)?,
                (Err(e), CountMode::Sum) => return Err(e),
            }
        }
        if let CountMode::Sum = self.total {
            out.put(format!("{sum}\n").as_bytes())?;
        }
        out.commit()?;
        failures.finish()
    }
}

/// Counts the rows of a file.
fn count(input: &Input, context: &Context) -> Result<u64> {
    match (context.reading.on_corrupt_block, input.path()) {
        (OnCorruptBlock::Error, Some(path)) if path.metadata().is_ok_and(|found| found.is_file()) => {
            let mut file = Positioned::new(schema::open(path)?);
            count_rows(&mut file, context.limits()).map_err(|e| input.failed(e))
        }
        (OnCorruptBlock::Error, None) if !input.is_stdin() => {
            count_rows(&mut input.open()?, context.limits()).map_err(|e| input.failed(e))
        }
        _ => all_rows(input, context),
    }
}

/// Counts the rows of intact blocks: reads and decompresses all bytes and walks every row. Prints what was skipped.
fn all_rows(input: &Input, context: &Context) -> Result<u64> {
    let builder = ReaderBuilder::new()
        .with_projection::<String>([])
        .with_on_corrupt_block(context.reading.on_corrupt_block)
        .with_limits(context.limits().clone());
    let mut reader = builder.build(input.open()?).map_err(|e| input.failed(e))?;
    let mut rows = 0;
    loop {
        let batch = reader.next().transpose().map_err(|e| input.failed(e))?;
        for damaged in reader.take_damage() {
            print_note(&skipped_line(&input.name(), &damaged));
        }
        match batch {
            Some(batch) => rows += batch.num_rows() as u64,
            None => return Ok(rows),
        }
    }
}
