//! `cat` and `head`: files in; their rows, or some of them, out, in the order of the files and in any format.

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
use crate::diagnostics::skipped;
use crate::error::{Error, Result, aside};
use crate::output::{Display, Format, Writing};

/// Which rows of which files to write.
#[derive(Debug)]
pub(crate) struct Cat {
    pub(crate) inputs: Vec<PathBuf>,
    /// Rows to leave out first.
    pub(crate) offset: u64,
    /// How many to write at most.
    pub(crate) limit: Option<u64>,
    /// Which part of the rest to write, from 0 to 1, chosen by a seed.
    pub(crate) sample: Option<(f64, u64)>,
    pub(crate) format: Format,
    pub(crate) display: Display,
    pub(crate) output: PathBuf,
}

/// Takes the rows that are wanted out of batches.
struct Wanted {
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
                        "standard input can be read once only: give --reader-schema where there are other files beside it"
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
        let mut wanted = Wanted {
            offset: self.offset,
            left: self.limit.unwrap_or(u64::MAX),
            sample: self.sample.map(|(rate, seed)| (rate, Rng::new(seed, 0))),
        };
        let mut out = Out::create(&self.output)?;
        let (mut to, mut output) = (Some(&mut out), None);
        for (at, input) in inputs.iter().enumerate() {
            // Of the first file also where no row is wanted: its columns are.
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
                    format => format.output(to, self.display),
                });
                begun.begin(columns.schema())?;
            }
            let Some(output) = &mut output else { break };
            while wanted.left > 0 {
                context.check()?;
                let batch = reader.next().transpose().map_err(|e| input.failed(e))?;
                for damaged in reader.take_damage() {
                    aside(&skipped::line(&input.name(), &damaged));
                }
                let Some(batch) = batch else { break };
                if let Some(batch) = wanted.of(batch)? {
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

/// How an Avro file is written like the one with this header: its codec and metadata.
fn like(header: &Header, adds_columns: bool, context: &Context) -> Writing {
    let own = |key: &str| key.starts_with("avro.") || (adds_columns && key == PARTITION_SCHEMA_KEY);
    let metadata = header.metadata.iter().filter(|(key, _)| !own(key)).cloned().collect();
    let limits = context.limits().clone();
    let avro = WriteOptions::default().with_codec(header.codec).with_metadata(metadata).with_limits(limits);
    Writing { avro, threads: context.threads, ..Writing::default() }
}

impl Wanted {
    /// The rows of a batch that are wanted, if any are.
    fn of(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
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
