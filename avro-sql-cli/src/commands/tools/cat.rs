//! `cat` and `head`: print rows of files, in file order and in any format.

use std::path::PathBuf;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use avro_arrow::container::Header;
use avro_arrow::{ReaderBuilder, WriteOptions};
use avro_datafusion::{PARTITION_SCHEMA_KEY, PartitionColumns};

use super::Context;
use super::input::{Input, merged, partition_columns};
use super::out::Out;
use super::values::Rng;
use crate::diagnostics::scan_notes::skipped_line;
use crate::error::{Error, Result, print_note};
use crate::output::{Display, Format, Writing};

/// The rows to print.
#[derive(Debug)]
pub(crate) struct Cat {
    pub(crate) inputs: Vec<PathBuf>,
    /// Rows to skip first.
    pub(crate) offset: u64,
    /// Maximum number of rows.
    pub(crate) limit: Option<u64>,
    /// The share of the remaining rows, from 0 to 1, and the seed of the choice.
    pub(crate) sample: Option<(f64, u64)>,
    pub(crate) format: Format,
    pub(crate) display: Display,
    pub(crate) output: PathBuf,
}

/// Selects rows of batches.
struct RowSampler {
    offset: u64,
    left: u64,
    sample: Option<(f64, Rng)>,
}

impl Cat {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let reading = &context.reading;
        let reader_schema = match &reading.reader_schema {
            Some(schema) => Some(schema.clone()),
            None if inputs.len() > 1 => {
                if inputs.iter().any(Input::is_stdin) {
                    return Err(Error::Usage(
                        "standard input can be read only once; use --reader-schema to read it with other files"
                            .to_owned(),
                    ));
                }
                Some(merged(inputs, context)?.schema)
            }
            None => None,
        };
        let unions = self.format.unions(reading.unions);
        let options = reading.decoder(None, context.batch_rows).with_reader_schema(reader_schema).with_unions(unions);
        let mut columns: Option<PartitionColumns> = None;
        let mut wanted = RowSampler {
            offset: self.offset,
            left: self.limit.unwrap_or(u64::MAX),
            sample: self.sample.map(|(rate, seed)| (rate, Rng::new(seed, 0))),
        };
        let mut out = Out::create(&self.output)?;
        let (mut to, mut output) = (Some(&mut out), None);
        for (at, input) in inputs.iter().enumerate() {
            // The first file's columns are needed even if no row is.
            if columns.is_some() && wanted.left == 0 {
                break;
            }
            let builder = ReaderBuilder::new().with_options(options.clone());
            let mut reader = builder.build_parallel(input.open()?, context.threads).map_err(|e| input.failed(e))?;
            let columns = match &mut columns {
                Some(columns) => columns,
                none => none.insert(partition_columns(&reader.schema(), inputs, context)?),
            };
            if let Some(to) = to.take() {
                let adds_columns = columns.schema().fields().len() > reader.schema().fields().len();
                let begun = output.insert(match self.format {
                    Format::Avro => self.format.to_file(Box::new(to), &like(reader.header(), adds_columns, context)),
                    format => format.output(to, &self.display, columns.schema()),
                });
                begun.begin(columns.schema())?;
            }
            let Some(output) = &mut output else { break };
            while wanted.left > 0 {
                context.check()?;
                let batch = reader.next().transpose().map_err(|e| input.failed(e))?;
                for damaged in reader.take_damage() {
                    print_note(&skipped_line(&input.name(), &damaged));
                }
                let Some(batch) = batch else { break };
                if let Some(batch) = wanted.sample(batch)? {
                    output.batch(&columns.append(at, batch)?)?;
                }
            }
        }
        if let Some(output) = &mut output {
            output.end()?;
        }
        drop(output);
        out.commit()
    }
}

/// Returns options to write a file like the one with this header: its codec and metadata.
fn like(header: &Header, adds_columns: bool, context: &Context) -> Writing {
    let own = |key: &str| key.starts_with("avro.") || (adds_columns && key == PARTITION_SCHEMA_KEY);
    let metadata = header.metadata.iter().filter(|(key, _)| !own(key)).cloned().collect();
    let limits = context.limits().clone();
    let avro = WriteOptions::default().with_codec(header.codec).with_metadata(metadata).with_limits(limits);
    Writing { avro, threads: context.threads, ..Writing::default() }
}

impl RowSampler {
    /// Returns the selected rows of a batch, or `None` without rows.
    fn sample(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let n_rows = batch.num_rows() as u64;
        let skipped = self.offset.min(n_rows);
        self.offset -= skipped;
        let mut batch = batch.slice(skipped as usize, (n_rows - skipped) as usize);
        if let Some((rate, rng)) = &mut self.sample {
            let chosen: BooleanArray = (0..batch.num_rows()).map(|_| Some(rng.unit() < *rate)).collect();
            batch = filter_record_batch(&batch, &chosen)?;
        }
        let n_rows = self.left.min(batch.num_rows() as u64);
        self.left -= n_rows;
        Ok((n_rows > 0).then(|| batch.slice(0, n_rows as usize)))
    }
}
