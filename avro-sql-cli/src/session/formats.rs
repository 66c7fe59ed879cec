//! Text and Parquet formats by file extension: `.ndjson` and `.jsonl` for JSON, `.csv` and `.tsv` with any delimiter,
//! and `.json` for one array as well as for an object on each line.
//!
//! DataFusion knows one extension for each format, needs options for JSON arrays and delimiters, and infers the types
//! of CSV from the first 1,000 rows.

mod distinct;
mod inferring;
mod parquet;

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::config::CsvOptions;
use datafusion::common::{GetExt, Result};
use datafusion::datasource::file_format::arrow::ArrowFormatFactory;
use datafusion::datasource::file_format::csv::{CsvFormat, CsvFormatFactory};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::{JsonFormat, JsonFormatFactory};
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::files::text::infer::{self, Header};
use distinct::Distinct;
use inferring::{Infer, Inferring};

/// Bytes searched for the `[` of an array. In compressed files, a whole block.
const INSPECTED_BYTES: u64 = 64 << 10;

/// Registers these extensions in a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for extension in ["json", "ndjson", "jsonl"] {
        state.register_file_format(Arc::new(JsonFactory { extension }), true)?;
    }
    for (extension, delimiter) in [("csv", None), ("tsv", Some(b'\t')), ("tab", Some(b'\t'))] {
        state.register_file_format(Arc::new(Delimited { extension, delimiter }), true)?;
    }
    state.register_file_format(Arc::new(Distinct(parquet::ParquetFactory)), true)?;
    state.register_file_format(Arc::new(Distinct(ArrowFormatFactory::new())), true)?;
    Ok(())
}

/// Wraps Parquet so that uuids and durations are recognized.
pub(crate) fn annotated(format: Arc<dyn FileFormat>) -> Arc<dyn FileFormat> {
    Arc::new(Inferring(parquet::AnnotatedParquet(format)))
}

/// CSV with any delimiter.
#[derive(Debug)]
struct Delimited {
    extension: &'static str,
    /// Set if the file's extension implies it.
    delimiter: Option<u8>,
}

impl GetExt for Delimited {
    fn get_ext(&self) -> String {
        self.extension.to_owned()
    }
}

impl FileFormatFactory for Delimited {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let mut all = options.clone();
        if let Some(delimiter) = self.delimiter {
            all.entry("format.delimiter".to_owned()).or_insert_with(|| char::from(delimiter).to_string());
        }
        let said = CsvFormatFactory::new().create(state, &all)?;
        let is_said = |key: &str| options.keys().any(|other| other.eq_ignore_ascii_case(key));
        // The engine handles options about the spelling of cells, and then infers types too.
        let is_plain = options.keys().all(|key| HANDLED_HERE.iter().any(|ours| key.eq_ignore_ascii_case(ours)));
        let delimiter = match is_said("format.delimiter") {
            true => said.downcast_ref::<CsvFormat>().map(CsvFormat::delimiter),
            false => self.delimiter,
        };
        Ok(match said.downcast_ref::<CsvFormat>() {
            Some(csv) if is_plain => {
                let (csv, found) = (csv.options().clone(), OnceLock::new());
                Arc::new(Inferring(AnyCsv { csv, delimiter, found, extension: self.extension }))
            }
            _ => said,
        })
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        FileFormatFactory::default(&CsvFormatFactory::new())
    }
}

/// Options of CSV that do not change how its cells are read.
const HANDLED_HERE: [&str; 4] =
    ["format.delimiter", "format.newlines_in_values", "format.has_header", "format.compression"];

/// CSV whose delimiter and types are inferred with the columns.
#[derive(Debug)]
struct AnyCsv {
    csv: CsvOptions,
    delimiter: Option<u8>,
    found: OnceLock<Arc<dyn FileFormat>>,
    extension: &'static str,
}

#[async_trait]
impl Infer for AnyCsv {
    fn format(&self) -> Arc<dyn FileFormat> {
        let as_said = || Arc::new(CsvFormat::default().with_options(self.csv.clone())) as Arc<dyn FileFormat>;
        self.found.get().cloned().unwrap_or_else(as_said)
    }

    fn extension(&self) -> Option<&'static str> {
        Some(self.extension)
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        let (mut delimiter, mut has_line_breaks, mut schemas) = (self.delimiter, false, Vec::new());
        let header = match self.csv.has_header {
            Some(false) => Header::Missing,
            _ => Header::Present,
        };
        let compression = FileCompressionType::from(self.csv.compression);
        for object in objects.iter().filter(|object| object.size > 0) {
            let bytes = store.get_range(&object.location, 0..object.size.min(infer::INSPECTED_BYTES)).await?;
            let whole = bytes.len() as u64 == object.size;
            let (bytes, whole) = match compression.is_compressed() {
                true => decompressed(&bytes, &compression, whole)?,
                false => (bytes.into(), whole),
            };
            let inferred = infer::infer(&bytes, delimiter, header, whole)
                .map_err(|e| DataFusionError::Execution(format!("/{}: {e}", object.location)))?;
            if let Some(first) = schemas.first()
                && let Some(reason) = infer::other_columns(first, &inferred.schema)
            {
                return Err(DataFusionError::Execution(format!("/{}: {reason}", object.location)));
            }
            // Files of one table have one delimiter.
            delimiter = Some(inferred.delimiter);
            has_line_breaks |= inferred.has_line_breaks;
            schemas.push(inferred.schema);
        }
        let csv = CsvFormat::default().with_options(self.csv.clone());
        if schemas.is_empty() {
            return csv.infer_schema(state, store, objects).await;
        }
        let newlines = self.csv.newlines_in_values.unwrap_or(has_line_breaks);
        let csv = csv.with_delimiter(delimiter.unwrap_or(b',')).with_has_header(header == Header::Present);
        let csv = csv.with_newlines_in_values(newlines);
        self.found.get_or_init(|| Arc::new(csv));
        Ok(Arc::new(infer::merged(&schemas)))
    }
}

/// Decompresses the first bytes of a file; returns at most [`infer::INSPECTED_BYTES`], and whether they are all.
fn decompressed(bytes: &[u8], compression: &FileCompressionType, whole: bool) -> Result<(Vec<u8>, bool)> {
    let mut text = Vec::new();
    let mut reader = compression.convert_read(io::Cursor::new(bytes.to_vec()))?.take(infer::INSPECTED_BYTES);
    match reader.read_to_end(&mut text) {
        Ok(n) => Ok((text, whole && (n as u64) < infer::INSPECTED_BYTES)),
        // The stored bytes were cut.
        Err(_) if !whole => Ok((text, false)),
        Err(e) => Err(e.into()),
    }
}

/// JSON of either kind.
#[derive(Debug)]
struct JsonFactory {
    extension: &'static str,
}

impl GetExt for JsonFactory {
    fn get_ext(&self) -> String {
        self.extension.to_owned()
    }
}

impl FileFormatFactory for JsonFactory {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let said = JsonFormatFactory::new().create(state, options)?;
        if options.contains_key("format.newline_delimited") {
            return Ok(said);
        }
        let json = said.downcast_ref::<JsonFormat>();
        Ok(json.map_or(Arc::clone(&said), |json| Arc::new(Inferring(EitherJson::new(json, self.extension)))))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        FileFormatFactory::default(&JsonFormatFactory::new())
    }
}

/// Objects on lines or in an array, recognized with the columns.
#[derive(Debug)]
struct EitherJson {
    lines: Arc<dyn FileFormat>,
    array: Arc<dyn FileFormat>,
    is_array: OnceLock<bool>,
    extension: &'static str,
}

impl EitherJson {
    fn new(json: &JsonFormat, extension: &'static str) -> Self {
        let format = |is_lines| {
            let options = json.options().clone();
            Arc::new(JsonFormat::default().with_options(options).with_newline_delimited(is_lines))
        };
        EitherJson { lines: format(true), array: format(false), is_array: OnceLock::new(), extension }
    }
}

#[async_trait]
impl Infer for EitherJson {
    fn format(&self) -> Arc<dyn FileFormat> {
        Arc::clone(if self.is_array.get().is_some_and(|is_array| *is_array) { &self.array } else { &self.lines })
    }

    fn extension(&self) -> Option<&'static str> {
        Some(self.extension)
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        if let Some(object) = objects.iter().find(|object| object.size > 0) {
            let start = store.get_range(&object.location, 0..object.size.min(INSPECTED_BYTES)).await?;
            let compression = self.format().compression_type().unwrap_or(FileCompressionType::UNCOMPRESSED);
            let bytes = BufReader::new(compression.convert_read(io::Cursor::new(start))?).bytes();
            let first = bytes.map_while(std::result::Result::ok).find(|byte| !byte.is_ascii_whitespace());
            let is_array = first == Some(b'[');
            self.is_array.get_or_init(|| is_array);
        }
        self.format().infer_schema(state, store, objects).await
    }
}
