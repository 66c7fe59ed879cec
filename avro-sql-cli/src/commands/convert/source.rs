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
use arrow::datatypes::{DataType, SchemaRef};
use avro_arrow::{DamagedBlock, Options, ParallelReader, Program, ReaderBuilder};
use avro_datafusion::data_files::compression;
use avro_datafusion::{AvroContext, AvroOptions, PartitionColumns, Paths};
use datafusion::common::plan_err;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::options::{ArrowReadOptions, ReadOptions};
use datafusion::datasource::listing::{ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::prelude::{CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionContext};
use tokio::runtime::Handle;
use url::Url;

use super::columns;
use super::jobs::Job;
use super::kind::{Kind, compression_of};
use super::text::{self, Text};
use crate::commands::schema;
use crate::diagnostics::skipped;
use crate::error::{Error, Result, aside};
use crate::files::inputs::Found;
use crate::files::text::infer::Inferred;
use crate::progress::Counter;
use crate::session::formats;
use crate::session::{Answer, Part, Session};
use crate::terminal::interrupt::unless_interrupted;

/// What the rows are called in `--select` and `--where`.
const TABLE: &str = "input";

/// Rows of a text file that are looked at to tell the types of its columns.
const ROWS_LOOKED_AT: usize = 100_000;

/// Rows being read.
pub(super) enum Rows {
    Decoded(Box<Decoded>),
    Text(Box<Text>),
    Queried(Queried),
}

impl Rows {
    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        match self {
            Rows::Decoded(rows) => rows.columns.schema(),
            Rows::Text(rows) => rows.schema(),
            Rows::Queried(rows) => &rows.schema,
        }
    }

    /// The next rows; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Rows::Decoded(rows) => rows.next(),
            Rows::Text(rows) => rows.next(),
            Rows::Queried(rows) => rows.next(),
        }
    }
}

/// Avro files that are decoded.
pub(super) struct Decoded {
    options: Options,
    threads: usize,
    /// The columns, with those of the directories that the files are in.
    columns: PartitionColumns,
    files: Vec<PathBuf>,
    /// The file to open next.
    next: usize,
    reader: Option<ParallelReader>,
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
    /// The rows of a job's files, which are read as one schema.
    pub(super) fn open(
        job: &Job,
        options: &Options,
        reading: &AvroOptions,
        threads: usize,
        read: &Arc<Counter>,
    ) -> Result<Self> {
        let found = schema::readable(&job.inputs, reading)?;
        let files: Vec<PathBuf> = found.iter().map(|file| file.path.clone()).collect();
        let reader_schema = match &reading.reader_schema {
            Some(schema) => schema.clone(),
            None => schema::merged(&files, reading)?.schema,
        };
        let named = |e: avro_arrow::Error| match files.as_slice() {
            [only] => Error::from(e.in_file(only.display().to_string())),
            _ => Error::from(e),
        };
        let options = options.clone().with_reader_schema(Some(reader_schema.clone()));
        let schema = Arc::clone(Program::compile(&reader_schema, &options).map_err(named)?.arrow_schema());
        let columns = match job.keeps_directories {
            true => PartitionColumns::new(&schema, [], reading)?,
            false => schema::partition_columns(&schema, &found, reading)?,
        };
        Ok(Decoded { options, threads, columns, files, next: 0, reader: None, read: Arc::clone(read) })
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let at = self.next.saturating_sub(1);
            if let (Some(reader), Some(file)) = (&mut self.reader, self.files.get(at)) {
                let batch = reader.next();
                say_skipped(file, reader.take_damage());
                match batch {
                    Some(batch) => {
                        let batch = batch.map_err(|e| e.in_file(file.display().to_string()))?;
                        return Ok(Some(self.columns.append(at, batch)?));
                    }
                    None => self.reader = None,
                }
            }
            let Some(file) = self.files.get(self.next) else { return Ok(None) };
            self.next += 1;
            let counted = Counted { file: schema::open(file)?, read: Arc::clone(&self.read) };
            let reader = ReaderBuilder::new().with_options(self.options.clone()).build_parallel(counted, self.threads);
            self.reader = Some(reader.map_err(|e| e.in_file(file.display().to_string()))?);
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

    /// The query. All columns are all but the `hidden` ones.
    fn sql(&self, hidden: &[String]) -> String {
        let quoted: Vec<_> = hidden.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let all = match quoted.is_empty() {
            true => "*".to_owned(),
            false => format!("* EXCLUDE ({})", quoted.join(", ")),
        };
        let select = self.select.as_deref().unwrap_or(&all);
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
        job: &Job,
        kind: Kind,
        reading: &AvroOptions,
        wanted: &Wanted,
        runtime: Handle,
    ) -> Result<Self> {
        columns::distinct(&job.inputs, kind)?;
        let context = session.context();
        let csv = if kind == Kind::Csv && !job.is_remote { Some(text::inferred(&job.inputs)?) } else { None };
        let frame = frame(context, &job.inputs, kind, reading, csv.as_ref());
        let frame = runtime.block_on(unless_interrupted(async { Ok(frame.await?) }))?;
        // The path of the output has them.
        let hidden = match job.keeps_directories && kind == Kind::Avro && wanted.select.is_none() {
            true => added(&job.inputs, reading)?,
            false => vec![],
        };
        context.deregister_table(TABLE)?;
        context.register_table(TABLE, frame.into_view())?;
        let mut answer = session.answer(&wanted.sql(&hidden));
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

/// The columns that the directories of these files add to those of the files.
fn added(files: &[Found], reading: &AvroOptions) -> Result<Vec<String>> {
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let schema = schema::merged(&paths, reading)?.schema;
    let own = Arc::clone(Program::compile(&schema, &reading.decoder(None, 1))?.arrow_schema());
    let all = schema::partition_columns(&own, files, reading)?;
    Ok(all.schema().fields().iter().skip(own.fields().len()).map(|field| field.name().clone()).collect())
}

/// The directory that all these files were found in, and the keys of the directories `key=value` that all of them are in.
pub(super) fn partitions(files: &[Found]) -> Option<(PathBuf, Vec<String>)> {
    let keys = |file: &Found| -> Vec<String> {
        let below = file.below();
        let directories = below.iter().take(below.len().saturating_sub(1));
        directories.filter_map(|name| name.split_once('=')).map(|(key, _)| key.to_owned()).collect()
    };
    let first = files.first()?;
    let (root, common) = (first.root.clone()?, keys(first));
    let alike = files.iter().all(|file| file.root.as_ref() == Some(&root) && keys(file) == common);
    (alike && !common.is_empty()).then_some((root, common))
}

async fn frame(
    context: &SessionContext,
    files: &[Found],
    kind: Kind,
    reading: &AvroOptions,
    csv: Option<&Inferred>,
) -> datafusion::error::Result<DataFrame> {
    // Of several files the metadata of one would be taken for all of them.
    let is_one = files.len() == 1;
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    if kind == Kind::Avro {
        let found = files.iter().map(|file| (text(&file.path), file.root.as_ref().map(text)));
        return context.read_avro(Paths::found(found), reading.clone()).await;
    }
    // As SQL reads a directory: the files of one extension, and the directories as columns of text.
    let (paths, columns) = match partitions(files) {
        Some((root, keys)) => {
            let text = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
            (
                vec![format!("{}/", local_url(&root).trim_end_matches('/'))],
                keys.into_iter().map(|key| (key, text.clone())).collect(),
            )
        }
        None => (files.iter().map(|file| local_url(&file.path)).collect::<Vec<_>>(), vec![]),
    };
    let extension = match (columns.is_empty(), files) {
        (false, [first, others @ ..]) => {
            let of_first = extension(&first.path);
            if let Some(other) = others.iter().find(|other| extension(&other.path) != of_first) {
                let (first, other) = (first.path.display(), other.path.display());
                return plan_err!("{first} and {other} have different extensions; convert them one after the other");
            }
            of_first
        }
        _ => String::new(),
    };
    let extension = extension.as_str();
    let compression = files.first().map_or(FileCompressionType::UNCOMPRESSED, |file| compression_of(&file.path));
    match kind {
        Kind::Parquet => {
            let options = ParquetReadOptions::default().file_extension(extension).skip_metadata(!is_one);
            listed(context, &paths, options.table_partition_cols(columns), formats::telling).await
        }
        Kind::Arrow => {
            let options = ArrowReadOptions { file_extension: extension, ..Default::default() };
            context.read_arrow(paths, options.table_partition_cols(columns)).await
        }
        Kind::Csv | Kind::Tsv => {
            let options = CsvReadOptions::new().file_extension(extension).schema_infer_max_records(ROWS_LOOKED_AT);
            let options = options.file_compression_type(compression).table_partition_cols(columns);
            let options = match (kind, csv) {
                (Kind::Tsv, _) => options.delimiter(b'\t'),
                (_, Some(csv)) => {
                    options.delimiter(csv.delimiter).schema(&csv.schema).newlines_in_values(csv.has_line_breaks)
                }
                _ => options.newlines_in_values(true),
            };
            context.read_csv(paths, options).await
        }
        _ => {
            let is_lines = kind == Kind::Ndjson || !files.iter().any(|file| is_array(&file.path));
            let options = JsonReadOptions::default().file_extension(extension).newline_delimited(is_lines);
            let mut options = options.table_partition_cols(columns);
            options.schema_infer_max_records = ROWS_LOOKED_AT;
            options.file_compression_type = compression;
            context.read_json(paths, options).await
        }
    }
}

/// The rows of these files, in a format that is made of DataFusion's.
async fn listed(
    context: &SessionContext,
    paths: &[String],
    options: impl ReadOptions<'_>,
    format: fn(Arc<dyn FileFormat>) -> Arc<dyn FileFormat>,
) -> datafusion::error::Result<DataFrame> {
    let paths = paths.iter().map(ListingTableUrl::parse).collect::<Result<Vec<_>, _>>()?;
    let mut options = options.to_listing_options(&context.copied_config(), context.copied_table_options());
    options.format = format(options.format);
    let config = ListingTableConfig::new_with_multi_paths(paths).with_listing_options(options);
    let table = ListingTable::try_new(config.infer_schema(&context.state()).await?)?;
    context.read_table(Arc::new(table))
}

/// The extension of a name with its dot, and that of a compression.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain =
        if compression(&name).is_some() { name.rsplit_once('.').map_or(&*name, |(plain, _)| plain) } else { &name };
    plain.rfind('.').and_then(|at| name.get(at..)).unwrap_or_default().to_owned()
}

/// The URL of a local file, in which no character is a wildcard. An address stays what it is.
fn local_url(path: &Path) -> String {
    let text = path.to_string_lossy();
    let url = std::path::absolute(path)
        .ok()
        .filter(|_| !text.contains("://"))
        .and_then(|path| Url::from_file_path(path).ok());
    url.map_or_else(|| text.into_owned(), String::from)
}

/// Is this one array, rather than an object a line? Files of both are called `.json`.
fn is_array(path: &Path) -> bool {
    let file = std::fs::File::open(path).ok();
    let first = file.and_then(|file| compression_of(path).convert_read(file).ok()).and_then(|file| {
        let bytes = std::io::BufReader::new(file).bytes();
        bytes.map_while(std::result::Result::ok).find(|byte| !byte.is_ascii_whitespace())
    });
    first == Some(b'[')
}
