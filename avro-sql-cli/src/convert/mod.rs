//! `convert`: the rows of Avro files in, one Parquet or Arrow file out, batch by batch.
//!
//! Next files: `parquet.rs` for what Parquet cannot hold as it is, `sink.rs` for the writers.

mod parquet;
mod sink;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use avro_arrow::container::Header;
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
    let headers = files.iter().map(|file| inspect::header(file, &reading.limits)).collect::<Result<Vec<_>>>()?;
    let options = Options {
        batch_size: batch_rows,
        // Other readers know plain strings longer than views, and files need not hold more than the text that is used.
        strings: Strings::Plain,
        // A dictionary belongs to a whole Arrow file, so files with different symbols cannot share a column of them.
        enums: if same_text(&headers) { Enums::Dictionary } else { Enums::String },
        unions: if task.target == Target::Parquet { Unions::Struct } else { Unions::Dense },
        pairs: reading.pairs,
        recursion_levels: reading.recursion_levels,
        damage: reading.damage,
        limits: reading.limits.clone(),
        ..Options::default()
    };
    let schema = common_schema(&files, &headers, &options)?;
    drop(headers);

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

/// Do all files have the same schema, letter by letter?
fn same_text(headers: &[Header]) -> bool {
    let text = |header: &Header| {
        header.metadata.iter().find(|(key, _)| key == "avro.schema").map(|(_, json)| json.clone()).unwrap_or_default()
    };
    headers.iter().all(|header| headers.first().is_some_and(|first| text(first) == text(header)))
}

/// The Arrow schema that all files are read as.
fn common_schema(files: &[PathBuf], headers: &[Header], options: &Options) -> Result<SchemaRef> {
    let mut common: Option<(&Path, SchemaRef)> = None;
    for (file, header) in files.iter().zip(headers) {
        let program = Program::compile(&header.schema, options).map_err(|e| e.in_file(file.display().to_string()))?;
        let schema = program.arrow_schema();
        match &common {
            None => common = Some((file, Arc::clone(schema))),
            Some((first, expected)) => {
                if let Some(difference) = difference(expected, schema) {
                    return Err(Error::Failed(format!(
                        "{} and {} have different schemas: {difference}",
                        first.display(),
                        file.display()
                    )));
                }
            }
        }
    }
    common.map(|(_, schema)| schema).ok_or_else(|| Error::Failed("no files to convert".to_owned()))
}

/// What keeps rows of `other` out of a file of `expected`, if anything. Documentation and other metadata do not.
fn difference(expected: &SchemaRef, other: &SchemaRef) -> Option<String> {
    let names = |schema: &SchemaRef| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>().join(", ");
    if names(expected) != names(other) {
        return Some(format!("columns ({}) against ({})", names(expected), names(other)));
    }
    let describe = |nullable: bool| if nullable { "nullable " } else { "" };
    expected.fields().iter().zip(other.fields()).find_map(|(a, b)| {
        let same = a.data_type().equals_datatype(b.data_type()) && a.is_nullable() == b.is_nullable();
        (!same).then(|| {
            let (null_a, null_b) = (describe(a.is_nullable()), describe(b.is_nullable()));
            format!("column {} is {null_a}{} against {null_b}{}", a.name(), a.data_type(), b.data_type())
        })
    })
}
