//! Rows to convert, batch by batch.
//!
//! Several threads decode whole local Avro files directly. Everything else is a query of the engine: other formats,
//! object stores, selected columns and rows. Both keep the order of rows.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use avro_arrow::{DamagedBlock, Options, ParallelReader, Program, ReaderBuilder};
use avro_datafusion::data_files::compression;
use avro_datafusion::{AvroOptions, AvroSessionExt, PartitionColumns, Paths};
use datafusion::common::plan_err;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::options::{ArrowReadOptions, ReadOptions};
use datafusion::datasource::listing::{ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::prelude::{CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionContext};
use tokio::runtime::Handle;
use url::Url;

use super::columns;
use super::jobs::ConvertJob;
use super::kind::{InputFormat, compression_of};
use super::text::{self, Text};
use crate::commands::schema;
use crate::diagnostics::scan_notes::skipped_line;
use crate::error::{Error, Result, print_note};
use crate::files::inputs::InputFile;
use crate::files::text::infer::Inferred;
use crate::progress::{CountedFile, Counter};
use crate::session::formats;
use crate::session::{QueryResult, ResultPart, Session};
use crate::terminal::interrupt::unless_interrupted;

/// The table name of the input in `--select` and `--where`.
const TABLE: &str = "input";

/// Rows of a text file from which its column types are inferred.
const INFERENCE_ROWS: usize = 100_000;

/// Rows being read.
pub(super) enum Rows {
    Decoded(Box<DecodedFiles>),
    Text(Box<Text>),
    Query(QueryRows),
}

impl Rows {
    /// Returns the columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        match self {
            Rows::Decoded(rows) => rows.columns.schema(),
            Rows::Text(rows) => rows.schema(),
            Rows::Query(rows) => &rows.schema,
        }
    }

    /// Returns the next rows, or `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Rows::Decoded(rows) => rows.next(),
            Rows::Text(rows) => rows.next(),
            Rows::Query(rows) => rows.next(),
        }
    }
}

/// Avro files that are decoded directly.
pub(super) struct DecodedFiles {
    options: Options,
    threads: usize,
    /// The columns, including those of the files' directories.
    columns: PartitionColumns,
    files: Vec<PathBuf>,
    /// The file to open next.
    next: usize,
    reader: Option<ParallelReader>,
    read: Arc<Counter>,
}

impl DecodedFiles {
    /// Opens a job's files, which are read with one schema.
    pub(super) fn open(
        job: &ConvertJob,
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
        Ok(DecodedFiles { options, threads, columns, files, next: 0, reader: None, read: Arc::clone(read) })
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let at = self.next.saturating_sub(1);
            if let (Some(reader), Some(file)) = (&mut self.reader, self.files.get(at)) {
                let batch = reader.next();
                print_skipped(file, reader.take_damage());
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
            let counted = CountedFile { file: schema::open(file)?, read: Arc::clone(&self.read) };
            let reader = ReaderBuilder::new().with_options(self.options.clone()).build_parallel(counted, self.threads);
            self.reader = Some(reader.map_err(|e| e.in_file(file.display().to_string()))?);
        }
    }
}

/// Prints which blocks of a file were skipped.
fn print_skipped(file: &Path, damage: Vec<DamagedBlock>) {
    damage.iter().for_each(|damaged| print_note(&skipped_line(&file.display().to_string(), damaged)));
}

/// The result of a query.
pub(super) struct QueryRows {
    schema: SchemaRef,
    result: QueryResult,
    /// The caller's runtime, which waits for the result.
    runtime: Handle,
}

/// Which rows and columns are converted.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSelection {
    /// The expressions of `SELECT`; `None` for all columns.
    pub(crate) select: Option<String>,
    /// The condition of `WHERE`.
    pub(crate) filter: Option<String>,
}

impl RowSelection {
    /// Whether everything is converted.
    pub(crate) fn is_all(&self) -> bool {
        self.select.is_none() && self.filter.is_none()
    }

    /// Returns the query. `*` leaves out the `hidden` columns.
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

impl QueryRows {
    /// Starts the query over these files, all of one kind. Call it on a thread that may block.
    pub(super) fn open(
        session: &Session,
        job: &ConvertJob,
        kind: InputFormat,
        reading: &AvroOptions,
        wanted: &RowSelection,
        runtime: Handle,
    ) -> Result<Self> {
        columns::distinct(&job.inputs, kind)?;
        let context = session.context();
        let csv = if kind == InputFormat::Csv && !job.is_remote { Some(text::inferred(&job.inputs)?) } else { None };
        let frame = frame(context, &job.inputs, kind, reading, csv.as_ref());
        let frame = runtime.block_on(unless_interrupted(async { Ok(frame.await?) }))?;
        // The output path has the partition columns.
        let hidden = match job.keeps_directories && kind == InputFormat::Avro && wanted.select.is_none() {
            true => added(&job.inputs, reading)?,
            false => vec![],
        };
        context.deregister_table(TABLE)?;
        context.register_table(TABLE, frame.into_view())?;
        let mut result = session.execute(&wanted.sql(&hidden));
        match runtime.block_on(unless_interrupted(result.next()))? {
            Some(ResultPart::Columns(schema)) => Ok(QueryRows { schema, result, runtime }),
            _ => Err(Error::Usage("--select and --where must be parts of one query, without `;`".to_owned())),
        }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.runtime.block_on(unless_interrupted(self.result.next()))? {
                Some(ResultPart::Rows(batch)) => return Ok(Some(batch)),
                Some(ResultPart::Columns(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

/// Returns the partition columns of these files' directories.
fn added(files: &[InputFile], reading: &AvroOptions) -> Result<Vec<String>> {
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let schema = schema::merged(&paths, reading)?.schema;
    let own = Arc::clone(Program::compile(&schema, &reading.decoder(None, 1))?.arrow_schema());
    let all = schema::partition_columns(&own, files, reading)?;
    Ok(all.schema().fields().iter().skip(own.fields().len()).map(|field| field.name().clone()).collect())
}

/// Returns the common root directory of these files and the keys of their directories `key=value`.
pub(super) fn partitions(files: &[InputFile]) -> Option<(PathBuf, Vec<String>)> {
    let keys = |file: &InputFile| -> Vec<String> {
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
    files: &[InputFile],
    kind: InputFormat,
    reading: &AvroOptions,
    csv: Option<&Inferred>,
) -> datafusion::error::Result<DataFrame> {
    // With several files, one file's metadata would be taken for all.
    let is_one = files.len() == 1;
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    if kind == InputFormat::Avro {
        let found = files.iter().map(|file| (text(&file.path), file.root.as_ref().map(text)));
        return context.read_avro_table(Paths::found(found), reading.clone()).await;
    }
    // As SQL reads a directory: files of one extension, and directories as text columns.
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
                return plan_err!("{first} and {other} have different extensions; convert them separately");
            }
            of_first
        }
        _ => String::new(),
    };
    let extension = extension.as_str();
    let compression = files.first().map_or(FileCompressionType::UNCOMPRESSED, |file| compression_of(&file.path));
    match kind {
        InputFormat::Parquet => {
            let options = ParquetReadOptions::default().file_extension(extension).skip_metadata(!is_one);
            listed(context, &paths, options.table_partition_cols(columns), formats::annotated).await
        }
        InputFormat::Arrow => {
            let options = ArrowReadOptions { file_extension: extension, ..Default::default() };
            context.read_arrow(paths, options.table_partition_cols(columns)).await
        }
        InputFormat::Csv | InputFormat::Tsv => {
            let options = CsvReadOptions::new().file_extension(extension).schema_infer_max_records(INFERENCE_ROWS);
            let options = options.file_compression_type(compression).table_partition_cols(columns);
            let options = match (kind, csv) {
                (InputFormat::Tsv, _) => options.delimiter(b'\t'),
                (_, Some(csv)) => {
                    options.delimiter(csv.delimiter).schema(&csv.schema).newlines_in_values(csv.has_line_breaks)
                }
                _ => options.newlines_in_values(true),
            };
            context.read_csv(paths, options).await
        }
        _ => {
            let is_lines = kind == InputFormat::Ndjson || !files.iter().any(|file| is_array(&file.path));
            let options = JsonReadOptions::default().file_extension(extension).newline_delimited(is_lines);
            let mut options = options.table_partition_cols(columns);
            options.schema_infer_max_records = INFERENCE_ROWS;
            options.file_compression_type = compression;
            context.read_json(paths, options).await
        }
    }
}

/// Opens these files with one of DataFusion's formats.
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

/// Returns the extension of a name with its dot, and with that of a compression.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain =
        if compression(&name).is_some() { name.rsplit_once('.').map_or(&*name, |(plain, _)| plain) } else { &name };
    plain.rfind('.').and_then(|at| name.get(at..)).unwrap_or_default().to_owned()
}

/// Returns the URL of a local file with wildcards escaped. URLs stay unchanged.
fn local_url(path: &Path) -> String {
    let text = path.to_string_lossy();
    let url = std::path::absolute(path)
        .ok()
        .filter(|_| !text.contains("://"))
        .and_then(|path| Url::from_file_path(path).ok());
    url.map_or_else(|| text.into_owned(), String::from)
}

/// Whether the file holds one JSON array rather than an object on each line; both have the extension `.json`.
fn is_array(path: &Path) -> bool {
    let file = std::fs::File::open(path).ok();
    let first = file.and_then(|file| compression_of(path).convert_read(file).ok()).and_then(|file| {
        let bytes = std::io::BufReader::new(file).bytes();
        bytes.map_while(std::result::Result::ok).find(|byte| !byte.is_ascii_whitespace())
    });
    first == Some(b'[')
}
