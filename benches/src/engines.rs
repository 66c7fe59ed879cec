//! The engines: a file and columns in, the number of rows out, or their checksum. Every engine decodes all its batches
//! and drops them.

use crate::checksum::Checksum;
use crate::data::Data;
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::BufReader;
use std::path::Path;

/// Rows of a batch, for all engines.
pub(crate) const BATCH_ROWS: usize = 8192;

/// Something that reads Avro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// avro-arrow, this project.
    Ours,
    /// arrow-avro, of the Arrow project.
    ArrowAvro,
    /// apache-avro, of the Avro project: rows of values, not columns.
    ApacheAvro,
    /// Decoders written by hand for lineitem and events: what ours could be at best.
    Limit,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Everything is decoded, and dropped.
    Decode,
    /// As `Decode`, and arrow-avro makes string views as ours does.
    Views,
    /// Rows are counted. Who cannot do that without decoding decodes.
    Count,
}

/// What is read.
#[derive(Debug)]
pub struct Input<'a> {
    /// The file.
    pub path: &'a Path,
    /// The columns, by name and in the order of the file; `None` is all.
    pub columns: Option<Vec<String>>,
    /// What is done with it.
    pub task: Task,
    /// What it was generated as, if it was.
    pub data: Option<Data>,
}

impl Engine {
    /// Its name on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Ours => "ours",
            Engine::ArrowAvro => "arrow-avro",
            Engine::ApacheAvro => "apache-avro",
            Engine::Limit => "limit",
        }
    }

    /// The threads it decodes on, when asked to use this many. Only ours can use more than one for one file.
    pub fn threads(self, asked: usize) -> usize {
        if self == Engine::Ours { asked } else { 1 }
    }

    /// Is it made for this? An engine may be for some data only.
    pub fn reads(self, input: &Input<'_>) -> bool {
        match self {
            Engine::Ours | Engine::ArrowAvro | Engine::ApacheAvro => true,
            Engine::Limit => limit_reads(input),
        }
    }

    /// Whether the engine can run on this CPU.
    pub fn runs_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let limit = !crate::limit::Level::here().is_empty();
        #[cfg(not(target_arch = "x86_64"))]
        let limit = false;
        limit || self != Engine::Limit
    }

    /// Decodes everything, or just counts if that is the task, and gives the number of rows: the timed pass.
    pub fn drain(self, input: &Input<'_>, threads: usize) -> Result<u64, Box<dyn Error>> {
        let mut rows = 0;
        match self {
            Engine::Ours if input.task == Task::Count => {
                let mut file = avro_arrow::container::Positioned::new(File::open(input.path)?);
                rows = avro_arrow::container::count_rows(&mut file, &avro_arrow::Limits::default())?;
            }
            Engine::Ours => ours(input, threads, |batch| {
                rows += black_box(batch).num_rows() as u64;
                Ok(())
            })?,
            Engine::ArrowAvro => arrow_avro(input, |batch| {
                rows += black_box(batch).num_rows() as u64;
                Ok(())
            })?,
            Engine::ApacheAvro => apache_avro(input, |row| {
                black_box(row);
                rows += 1;
                Ok(())
            })?,
            Engine::Limit => limit(input, |batch| {
                rows += black_box(batch).num_rows() as u64;
                Ok(())
            })?,
        }
        Ok(rows)
    }

    /// Decodes everything and looks at every value: the untimed pass.
    pub fn checksum(self, input: &Input<'_>, threads: usize) -> Result<Checksum, Box<dyn Error>> {
        let mut sum = Checksum::default();
        match self {
            Engine::Ours => ours(input, threads, |batch| sum.add_arrow59(&batch))?,
            Engine::ArrowAvro => arrow_avro(input, |batch| sum.add_arrow60(&batch))?,
            Engine::ApacheAvro => apache_avro(input, |row| sum.add_values(row.iter()))?,
            Engine::Limit => limit(input, |batch| sum.add_arrow59(&batch))?,
        }
        Ok(sum)
    }
}

fn ours(
    input: &Input<'_>,
    threads: usize,
    mut each: impl FnMut(arrow_array::RecordBatch) -> Result<(), String>,
) -> Result<(), Box<dyn Error>> {
    let file = File::open(input.path)?;
    let options = avro_arrow::Options::default().with_batch_size(BATCH_ROWS).with_projection(input.columns.clone());
    let builder = avro_arrow::ReaderBuilder::new().with_options(options);
    if threads == 1 {
        for batch in builder.build(file)? {
            each(batch?)?;
        }
    } else {
        for batch in builder.build_parallel(file, threads)? {
            each(batch?)?;
        }
    }
    Ok(())
}

/// Whether the engine `limit` can read this input.
#[cfg(target_arch = "x86_64")]
fn limit_reads(input: &Input<'_>) -> bool {
    crate::limit::Shape::of(input).is_some()
}

#[cfg(not(target_arch = "x86_64"))]
fn limit_reads(_: &Input<'_>) -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn limit(
    input: &Input<'_>,
    each: impl FnMut(arrow_array::RecordBatch) -> Result<(), String>,
) -> Result<(), Box<dyn Error>> {
    use crate::limit::{Level, Shape, read};
    let shape = Shape::of(input).ok_or("it reads required lineitem and events alone")?;
    let level = Level::here().pop().ok_or("it needs a CPU with AVX2 and BMI2")?;
    read(input, shape, level, each)
}

#[cfg(not(target_arch = "x86_64"))]
fn limit(_: &Input<'_>, _: impl FnMut(arrow_array::RecordBatch) -> Result<(), String>) -> Result<(), Box<dyn Error>> {
    Err("it is written for x86-64".into())
}

fn arrow_avro(
    input: &Input<'_>,
    mut each: impl FnMut(arrow60::RecordBatch) -> Result<(), String>,
) -> Result<(), Box<dyn Error>> {
    // Its fastest: a larger buffer gains nothing, smaller batches lose. Its string views are copies of plain strings,
    // slower by a third, and its nulls become empty strings in them (60.1), so that the checksums differ.
    let views = input.task == Task::Views;
    let file = || Ok::<_, std::io::Error>(BufReader::with_capacity(64 << 10, File::open(input.path)?));
    let mut builder = arrow_avro::reader::ReaderBuilder::new().with_batch_size(BATCH_ROWS).with_utf8_view(views);
    if let Some(columns) = &input.columns {
        let schema = arrow_avro::reader::ReaderBuilder::new().build(file()?)?.schema();
        let indices: Result<Vec<_>, _> = columns.iter().map(|name| schema.index_of(name)).collect();
        builder = builder.with_projection(indices?);
    }
    for batch in builder.build(file()?)? {
        each(batch?)?;
    }
    Ok(())
}

/// It has no projection, so it reads every column and then only those asked for are looked at.
fn apache_avro(
    input: &Input<'_>,
    mut each: impl FnMut(Vec<apache_avro::types::Value>) -> Result<(), String>,
) -> Result<(), Box<dyn Error>> {
    use apache_avro::types::Value;
    for row in apache_avro::Reader::new(BufReader::with_capacity(64 << 10, File::open(input.path)?))? {
        let values = match (row?, &input.columns) {
            (Value::Record(fields), None) => fields.into_iter().map(|(_, v)| v).collect(),
            (Value::Record(fields), Some(columns)) => {
                let mut values = vec![Value::Null; columns.len()];
                for (name, value) in fields {
                    if let Some(index) = columns.iter().position(|c| *c == name) {
                        values[index] = value;
                    }
                }
                values
            }
            (value, _) => vec![value],
        };
        each(values)?;
    }
    Ok(())
}
