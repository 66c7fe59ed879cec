//! Text files read by a schema, and the inferred contents of CSV files.

mod rows;

use std::io::{BufReader, Read};
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use avro_arrow::schema::Schema;
use avro_arrow::{Options, ParallelReader, ReaderBuilder};

use super::kind::{InputFormat, compression_of};
use crate::commands::schema;
use crate::error::{Error, Result};
use crate::files::inputs::InputFile;
use crate::files::text::CellDialect;
use crate::files::text::infer::{self, Header, Inferred};
use crate::progress::Counter;
pub(super) use rows::Layout;
use rows::{ReadFailure, TextFiles};

impl InputFormat {
    /// Returns the layout of text files of this kind.
    pub(super) fn layout(self, files: &[InputFile]) -> Result<Option<Layout>> {
        Ok(match self {
            InputFormat::Csv => Some(Layout::Cells(CellDialect::Csv(delimiter(files)?))),
            InputFormat::Tsv => Some(Layout::Cells(CellDialect::Tsv)),
            InputFormat::Ndjson | InputFormat::Json => Some(Layout::Json),
            InputFormat::Avro | InputFormat::Parquet | InputFormat::Arrow => None,
        })
    }
}

/// Text files that are read by a schema.
pub(super) struct Text {
    schema: SchemaRef,
    reader: ParallelReader,
    failure: ReadFailure,
}

impl Text {
    /// Opens these files with the schema.
    pub(super) fn open(
        files: &[InputFile],
        layout: Layout,
        schema: &Schema,
        options: &Options,
        threads: usize,
        read: &Arc<Counter>,
    ) -> Result<Self> {
        let files = files.iter().map(|file| file.path.clone()).collect();
        let rows = TextFiles::open(files, layout, schema, &options.limits, read)?;
        let failure = rows.failure();
        let reader = ReaderBuilder::new().with_options(options.clone()).build_parallel(rows, threads)?;
        Ok(Text { schema: reader.schema(), reader, failure })
    }

    /// Returns the columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the next rows, or `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.reader.next() {
            // The rows are at fault, not their decoding.
            Some(Err(error)) => {
                let failed = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(failed.unwrap_or_else(|| error.into()))
            }
            Some(Ok(batch)) => Ok(Some(batch)),
            None => Ok(None),
        }
    }
}

/// Infers the contents of these CSV files. They must have one delimiter.
pub(super) fn inferred(files: &[InputFile]) -> Result<Inferred> {
    let mut found: Option<Inferred> = None;
    let mut schemas = Vec::new();
    for path in files.iter().map(|file| &file.path) {
        let named = |e: Error| e.with_context(&path.display().to_string());
        let text = compression_of(path).convert_read(schema::open(path)?)?;
        let (bytes, is_whole) = infer::head(BufReader::new(text)).map_err(|e| named(e.into()))?;
        if bytes.is_empty() && files.len() > 1 {
            continue;
        }
        let delimiter = found.as_ref().map(|found| found.delimiter);
        let inferred = infer::infer(&bytes, delimiter, Header::Present, is_whole).map_err(named)?;
        schemas.push(inferred.schema.clone());
        let has_line_breaks = inferred.has_line_breaks || found.is_some_and(|found| found.has_line_breaks);
        found = Some(Inferred { has_line_breaks, ..inferred });
    }
    let found = found.ok_or_else(|| Error::Failed("all input files are empty".to_owned()))?;
    Ok(Inferred { schema: infer::merged(&schemas), ..found })
}

/// Returns the delimiter of these CSV files.
fn delimiter(files: &[InputFile]) -> Result<u8> {
    let Some(first) = files.first() else { return Ok(b',') };
    let mut head = Vec::new();
    compression_of(&first.path)
        .convert_read(schema::open(&first.path)?)?
        .take(infer::SNIFFED_BYTES as u64)
        .read_to_end(&mut head)?;
    Ok(infer::sniff(&head))
}
