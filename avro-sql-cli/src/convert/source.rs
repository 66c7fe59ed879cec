//! Rows to convert: files in, their rows batch by batch out.
//!
//! Avro files of this machine that are wanted whole are decoded by several threads, straight away. Everything else is a query of
//! the engine's: other formats, object stores, chosen columns and rows. Either way rows keep their order.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use avro_arrow::{DamagedBlock, Options, ParallelReader, Program};
use avro_datafusion::{AvroContext, AvroOptions};
use datafusion::datasource::file_format::options::ArrowReadOptions;
use datafusion::prelude::{CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionContext};
use tokio::runtime::Handle;

use super::columns;
use crate::error::{Error, Result, aside};
use crate::interrupt::unless_interrupted;
use crate::progress::Counter;
use crate::session::{Answer, Part, Session};
use crate::{inspect, skipped};

/// What the rows are called in `--select` and `--where`.
const TABLE: &str = "input";

/// Rows of a text file that are looked at to tell the types of its columns.
const ROWS_LOOKED_AT: usize = 100_000;

/// A format to convert from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Avro,
    Parquet,
    Arrow,
    Csv,
    Tsv,
    Ndjson,
    Json,
}

impl Kind {
    /// By the ending of the name; what has none that is known is Avro, or says itself that it is not.
    pub(super) fn of(path: &Path) -> Kind {
        match path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase().as_str() {
            "parquet" => Kind::Parquet,
            "arrow" | "feather" | "arrows" | "ipc" => Kind::Arrow,
            "csv" => Kind::Csv,
            "tsv" | "tab" => Kind::Tsv,
            "ndjson" | "jsonl" => Kind::Ndjson,
            "json" => Kind::Json,
            _ => Kind::Avro,
        }
    }

    /// The one kind that all these files are of.
    pub(super) fn of_all(paths: &[PathBuf]) -> Result<Kind> {
        let first = paths.first().map_or(Kind::Avro, |path| Kind::of(path));
        match paths.iter().find(|path| Kind::of(path) != first) {
            Some(other) => Err(Error::Usage(format!(
                "{} is {:?}, but {} is {first:?}: files of one format make one file; one to one they are converted into a directory, \
                 as in `convert IN... OUT/ --to parquet`",
                other.display(),
                Kind::of(other),
                paths.first().map(|path| path.display().to_string()).unwrap_or_default()
            ))),
            None => Ok(first),
        }
    }
}

/// Rows being read.
pub(super) enum Rows {
    Decoded(Box<Decoded>),
    Queried(Queried),
}

impl Rows {
    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        match self {
            Rows::Decoded(rows) => &rows.schema,
            Rows::Queried(rows) => &rows.schema,
        }
    }

    /// The next rows; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Rows::Decoded(rows) => rows.next(),
            Rows::Queried(rows) => rows.next(),
        }
    }
}

/// Avro files that are decoded.
pub(super) struct Decoded {
    options: Options,
    threads: usize,
    schema: SchemaRef,
    /// Files to come, the next one last.
    files: Vec<PathBuf>,
    reader: Option<(PathBuf, ParallelReader)>,
    read: Arc<Counter>,
}

/// A file whose bytes are counted as they are read.
struct Counted {
    file: File,
    read: Arc<Counter>,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(to)?;
        self.read.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Decoded {
    /// The rows of these files, which are read as one schema.
    pub(super) fn open(
        files: &[PathBuf],
        options: &Options,
        reading: &AvroOptions,
        threads: usize,
        read: &Arc<Counter>,
    ) -> Result<Self> {
        let reader_schema = match &reading.reader_schema {
            Some(schema) => schema.clone(),
            None => inspect::merged(files, reading)?.schema,
        };
        let named = |e: avro_arrow::Error| match files {
            [only] => Error::from(e.in_file(only.display().to_string())),
            _ => Error::from(e),
        };
        let options = Options { reader_schema: Some(reader_schema.clone()), ..options.clone() };
        let schema = Arc::clone(Program::compile(&reader_schema, &options).map_err(named)?.arrow_schema());
        Ok(Decoded {
            options,
            threads,
            schema,
            files: files.iter().rev().cloned().collect(),
            reader: None,
            read: Arc::clone(read),
        })
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((file, reader)) = &mut self.reader {
                let batch = reader.next();
                say_skipped(file, reader.take_damage());
                match batch {
                    Some(batch) => return Ok(Some(batch.map_err(|e| e.in_file(file.display().to_string()))?)),
                    None => self.reader = None,
                }
            }
            let Some(file) = self.files.pop() else { return Ok(None) };
            let reader = ParallelReader::new(
                Counted { file: inspect::open(&file)?, read: Arc::clone(&self.read) },
                &self.options,
                self.threads,
            );
            let reader = reader.map_err(|e| e.in_file(file.display().to_string()))?;
            self.reader = Some((file, reader));
        }
    }
}

/// Says what of a file was skipped.
fn say_skipped(file: &Path, damage: Vec<DamagedBlock>) {
    damage.iter().for_each(|damaged| aside(&skipped::line(&file.display().to_string(), damaged)));
}

/// The answer to a query.
pub(super) struct Queried {
    schema: SchemaRef,
    answer: Answer,
    /// The runtime of the caller, on which the answer is waited for.
    runtime: Handle,
}

/// What of the rows is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The expressions of `SELECT`; all columns if there are none.
    pub(crate) select: Option<String>,
    /// The condition of `WHERE`.
    pub(crate) filter: Option<String>,
}

impl Wanted {
    /// Is it all?
    pub(crate) fn is_all(&self) -> bool {
        self.select.is_none() && self.filter.is_none()
    }

    fn sql(&self) -> String {
        let select = self.select.as_deref().unwrap_or("*");
        match &self.filter {
            Some(filter) => format!("SELECT {select} FROM {TABLE} WHERE {filter}"),
            None => format!("SELECT {select} FROM {TABLE}"),
        }
    }
}

impl Queried {
    /// Asks for what is wanted of these files, all of this kind. To be called on a thread that may wait.
    pub(super) fn open(
        session: &Session,
        files: &[PathBuf],
        kind: Kind,
        reading: &AvroOptions,
        wanted: &Wanted,
        runtime: Handle,
    ) -> Result<Self> {
        columns::distinct(files, kind)?;
        let context = session.context();
        let paths: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
        let frame = runtime.block_on(unless_interrupted(async { Ok(frame(context, paths, kind, reading).await?) }))?;
        context.deregister_table(TABLE)?;
        context.register_table(TABLE, frame.into_view())?;
        let mut answer = session.answer(&wanted.sql());
        match runtime.block_on(unless_interrupted(answer.next()))? {
            Some(Part::Columns(schema)) => Ok(Queried { schema, answer, runtime }),
            _ => Err(Error::Usage("--select and --where are those of one query, without a `;`".to_owned())),
        }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.runtime.block_on(unless_interrupted(self.answer.next()))? {
                Some(Part::Rows(batch)) => return Ok(Some(batch)),
                Some(Part::Columns(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

async fn frame(
    context: &SessionContext,
    paths: Vec<String>,
    kind: Kind,
    reading: &AvroOptions,
) -> datafusion::error::Result<DataFrame> {
    // Of several files the metadata of one would be taken for all of them.
    let is_one = paths.len() == 1;
    match kind {
        Kind::Avro => context.read_avro(paths, reading.clone()).await,
        Kind::Parquet => {
            context.read_parquet(paths, ParquetReadOptions::default().file_extension("").skip_metadata(!is_one)).await
        }
        Kind::Arrow => context.read_arrow(paths, ArrowReadOptions { file_extension: "", ..Default::default() }).await,
        Kind::Csv | Kind::Tsv => {
            let options = CsvReadOptions::new().file_extension("").schema_infer_max_records(ROWS_LOOKED_AT);
            let options = match kind {
                Kind::Tsv => options.delimiter(b'\t'),
                _ => options.newlines_in_values(true),
            };
            context.read_csv(paths, options).await
        }
        Kind::Ndjson | Kind::Json => {
            let is_lines = kind == Kind::Ndjson || !paths.iter().any(|path| is_array(path));
            let mut options = JsonReadOptions::default().file_extension("").newline_delimited(is_lines);
            options.schema_infer_max_records = ROWS_LOOKED_AT;
            context.read_json(paths, options).await
        }
    }
}

/// Is this one array, rather than an object a line? Files of both are called `.json`.
fn is_array(path: &str) -> bool {
    let first = std::fs::File::open(path).ok().and_then(|file| {
        let bytes = std::io::BufReader::new(file).bytes();
        bytes.map_while(std::result::Result::ok).find(|byte| !byte.is_ascii_whitespace())
    });
    first == Some(b'[')
}
