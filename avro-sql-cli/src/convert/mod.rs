//! `convert`: the rows of Avro files in, one Parquet or Arrow file out, batch by batch.
//!
//! Next files: `parquet.rs` for what Parquet cannot hold as it is, `sink.rs` for the writers.

pub(crate) mod parquet;
mod sink;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use avro_arrow::{DamagedBlock, Enums, Options, ParallelReader, Program, Strings, Unions};
use avro_datafusion::AvroOptions;

use crate::error::{Error, Result, say};
use crate::outfile::OutFile;
use crate::{inputs, inspect, interrupt, skipped};
use sink::Sink;

/// What to convert to what.
#[derive(Debug)]
pub(crate) struct Task {
    /// Files, directories and globs.
    pub(crate) inputs: Vec<PathBuf>,
    /// The file to write.
    pub(crate) output: PathBuf,
    /// Its format.
    pub(crate) target: Target,
    /// Its compression, for Parquet.
    pub(crate) codec: Codec,
}

/// A format to convert to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Parquet.
    Parquet,
    /// Arrow IPC, the file format with an index at its end.
    ArrowFile,
    /// Arrow IPC, the streaming format.
    ArrowStream,
}

/// Compression of a Parquet file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// None.
    None,
    /// Snappy.
    Snappy,
    /// Deflate in gzip's frame.
    Gzip,
    /// LZ4 without a frame.
    Lz4,
    /// Zstandard, level 1.
    Zstd,
}

/// Converts, with this many threads that decode. The output appears whole or not at all.
pub(crate) async fn run(task: Task, reading: AvroOptions, threads: usize, batch_rows: usize) -> Result<()> {
    let given_up = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&given_up);
    let mut work = tokio::task::spawn_blocking(move || convert(&task, &reading, threads, batch_rows, &flag));
    let done = tokio::select! {
        done = &mut work => done,
        () = interrupt::requested() => {
            // The thread cannot be stopped from outside; it looks at the flag at every batch, and removes its file.
            given_up.store(true, Ordering::Relaxed);
            work.await
        }
    };
    done.map_err(|e| Error::Failed(format!("internal error: {e}")))?
}

fn convert(task: &Task, reading: &AvroOptions, threads: usize, batch_rows: usize, given_up: &AtomicBool) -> Result<()> {
    let files = inputs::expand(&task.inputs)?;
    let reader_schema = match &reading.reader_schema {
        Some(schema) => schema.clone(),
        None => inspect::merged(&files, reading)?.schema,
    };
    let options = Options {
        batch_size: batch_rows,
        reader_schema: Some(reader_schema.clone()),
        // Other readers know plain strings longer than views, and files need not hold more than the text that is used.
        strings: Strings::Plain,
        enums: Enums::Dictionary,
        unions: if task.target == Target::Parquet { Unions::Struct } else { Unions::Dense },
        field_match: reading.field_match,
        pairs: reading.pairs,
        recursion_levels: reading.recursion_levels,
        damage: reading.damage,
        limits: reading.limits.clone(),
        ..Options::default()
    };
    let named = |e: avro_arrow::Error| match files.as_slice() {
        [only] => Error::from(e.in_file(only.display().to_string())),
        _ => Error::from(e),
    };
    let schema = Arc::clone(Program::compile(&reader_schema, &options).map_err(named)?.arrow_schema());

    let mut sink = Sink::create(OutFile::create(&task.output)?, &schema, task.target, task.codec)
        .map_err(|e| e.within(&task.output.display().to_string()))?;
    for file in &files {
        let named = |e: avro_arrow::Error| Error::from(e.in_file(file.display().to_string()));
        let mut reader = ParallelReader::new(inspect::open(file)?, &options, threads).map_err(named)?;
        while let Some(batch) = reader.next() {
            if given_up.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            sink.write(&batch.map_err(named)?).map_err(|e| e.within(&task.output.display().to_string()))?;
            say_skipped(file, reader.take_damage());
        }
        say_skipped(file, reader.take_damage());
    }
    sink.finish().map_err(|e| e.within(&task.output.display().to_string()))?.commit()
}

/// Says what of a file was skipped.
fn say_skipped(file: &Path, damage: Vec<DamagedBlock>) {
    damage.iter().for_each(|damaged| say(&skipped::line(&file.display().to_string(), damaged)));
}
