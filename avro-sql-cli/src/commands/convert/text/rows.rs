//! Encodes the rows of text files as an Avro container file in memory, block by block.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use avro_arrow::container::{frame, header_bytes, random_sync};
use avro_arrow::json::Encoder;
use avro_arrow::schema::{Field, Kind, ORIGINAL_NAME, Schema};
use avro_arrow::{Codec, ErrorKind, Limits};

use crate::commands::convert::kind::compression_of;
use crate::commands::schema;
use crate::commands::tools::documents::Documents;
use crate::error::{Error, Result};
use crate::files::text::array::Unwrapped;
use crate::files::text::cells::{CellDialect, Cells, Record};
use crate::files::text::infer;
use crate::progress::{CountedFile, Counter};

/// Bytes of rows in a block, which is decoded at once.
const BLOCK_BYTES: usize = 1 << 18;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 18;

/// The column name if the schema is not a record.
const VALUE_COLUMN: &str = "value";

/// The layout of rows in text files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Objects: on lines, concatenated, or in an array.
    Json,
    /// A header, then a record for each row.
    Cells(CellDialect),
}

/// The rows of text files as the bytes of a container file.
pub(crate) struct TextFiles {
    files: VecDeque<PathBuf>,
    layout: Layout,
    /// The schema of a row: a record; if the given schema is not one, a record around its value.
    row: Schema,
    fields: Vec<Field>,
    encoder: Encoder,
    limits: Limits,
    sync: [u8; 16],
    open: Option<(PathBuf, TextFile)>,
    read: Arc<Counter>,
    /// Bytes that are encoded and not yet read.
    made: Vec<u8>,
    at: usize,
    failed: ReadFailure,
}

/// Holds the error that ended the reading.
pub(crate) type ReadFailure = Arc<Mutex<Option<Error>>>;

enum TextFile {
    Documents(Documents<Unwrapped<Plain>>),
    Cells(Cells<BufReader<Plain>>, Vec<Option<usize>>, usize),
}

/// The decompressed bytes of a file.
type Plain = Box<dyn Read + Send>;

impl TextFiles {
    /// Opens these files with the schema.
    pub(crate) fn open(
        files: Vec<PathBuf>,
        layout: Layout,
        schema: &Schema,
        limits: &Limits,
        read: &Arc<Counter>,
    ) -> Result<Self> {
        let row = match &schema.node(schema.root()).kind {
            Kind::Record(_) => schema.clone(),
            _ => {
                let json = format!(
                    r#"{{"type":"record","name":"avro_sql_row","fields":[{{"name":"{VALUE_COLUMN}","type":{}}}]}}"#,
                    schema.json()
                );
                Schema::parse(&json, limits)?
            }
        };
        let fields = match &row.node(row.root()).kind {
            Kind::Record(record) => record.fields.clone(),
            _ => Vec::new(),
        };
        let sync = random_sync();
        Ok(TextFiles {
            files: files.into(),
            layout,
            encoder: Encoder::readable(&row, limits),
            row,
            fields,
            limits: limits.clone(),
            made: header_bytes(schema.json(), Codec::Null, &[], &sync),
            at: 0,
            sync,
            open: None,
            read: Arc::clone(read),
            failed: ReadFailure::default(),
        })
    }

    /// Returns where the error that ends the reading will be.
    pub(crate) fn failure(&self) -> ReadFailure {
        Arc::clone(&self.failed)
    }

    /// Encodes the next block; `false` at the end.
    fn more(&mut self) -> Result<bool> {
        self.made.clear();
        self.at = 0;
        let (mut rows, mut n_rows) = (Vec::new(), 0);
        while rows.len() < BLOCK_BYTES {
            let Some((path, mut file)) = self.open.take() else {
                let Some(path) = self.files.pop_front() else { break };
                let file = self.begin(&path).map_err(|e| e.with_context(&path.display().to_string()))?;
                self.open = Some((path, file));
                continue;
            };
            let more = match &mut file {
                TextFile::Documents(documents) => self.documents(documents, &mut rows, &mut n_rows),
                TextFile::Cells(cells, columns, width) => self.cells(cells, columns, *width, &mut rows, &mut n_rows),
            };
            if more.map_err(|e| e.with_context(&path.display().to_string()))? {
                self.open = Some((path, file));
            }
        }
        if n_rows > 0 {
            frame(n_rows, &rows, &self.sync, &mut self.made);
        }
        Ok(n_rows > 0)
    }

    fn begin(&self, path: &Path) -> Result<TextFile> {
        let counted = CountedFile { file: schema::open(path)?, read: Arc::clone(&self.read) };
        let counted = compression_of(path).convert_read(counted)?;
        match self.layout {
            Layout::Json => Ok(TextFile::Documents(Documents::new(Unwrapped::new(counted), self.limits.block_bytes))),
            Layout::Cells(dialect) => {
                let mut cells =
                    Cells::new(BufReader::with_capacity(READ_BYTES, counted), dialect, self.limits.block_bytes);
                let mut header = Record::default();
                if !cells.next(&mut header)? {
                    return Err(Error::Failed("the file is empty; expected a header with column names".into()));
                }
                let columns = self.columns(&header)?;
                let width = header.len();
                Ok(TextFile::Cells(cells, columns, width))
            }
        }
    }

    /// Returns the column of each field.
    fn columns(&self, header: &Record) -> Result<Vec<Option<usize>>> {
        let fields = &self.fields;
        let original = |at: usize| fields.get(at)?.attributes.get(ORIGINAL_NAME)?.as_str();
        let mut columns = vec![None; fields.len()];
        for (column, name) in infer::names(header)?.into_iter().enumerate() {
            let field = fields.iter().position(|field| field.name == name);
            let field = field.or_else(|| (0..fields.len()).find(|at| original(*at) == Some(name.as_str())));
            match field.and_then(|field| columns.get_mut(field)) {
                Some(place) => *place = Some(column),
                None => {
                    return Err(Error::Failed(format!("column `{name}` is in the file, but not in the schema")));
                }
            }
        }
        for (field, column) in self.fields.iter().zip(&columns) {
            if column.is_none() && field.default.is_none() && !may_be_null(&self.row, field) {
                return Err(Error::Failed(format!(
                    "field `{}` of the schema has no default and no column in the file",
                    field.name
                )));
            }
        }
        Ok(columns)
    }

    /// Encodes some documents; `false` at the end of the file.
    fn documents(
        &mut self,
        documents: &mut Documents<Unwrapped<Plain>>,
        rows: &mut Vec<u8>,
        n_rows: &mut u64,
    ) -> Result<bool> {
        let Some(chunk) = documents.next()? else { return Ok(false) };
        for document in chunk.documents() {
            let encode = |text: &str| self.encoder.encode(text, self.row.root(), rows).map_err(|e| e.to_string());
            let done = document.text().and_then(encode);
            done.map_err(|reason| Error::Failed(format!("{}: {reason}", document.place())))?;
            *n_rows += 1;
        }
        Ok(true)
    }

    /// Encodes some records; `false` at the end of the file.
    fn cells(
        &mut self,
        cells: &mut Cells<BufReader<Plain>>,
        columns: &[Option<usize>],
        width: usize,
        rows: &mut Vec<u8>,
        n_rows: &mut u64,
    ) -> Result<bool> {
        let mut found = Record::default();
        while rows.len() < BLOCK_BYTES {
            if !cells.next(&mut found)? {
                return Ok(false);
            }
            if infer::is_blank(&found, width) {
                continue;
            }
            if found.len() != width {
                return Err(infer::wrong_width(&found, width));
            }
            for (at, field) in self.fields.iter().enumerate() {
                let done = match (columns.get(at).copied().flatten(), &field.default) {
                    (Some(column), _) => self.encoder.encode_cell(found.get(column), field.node, rows),
                    (None, Some(default)) => self.encoder.encode_default(default, field.node, rows),
                    (None, None) => self.encoder.encode_cell(None, field.node, rows),
                };
                done.map_err(|e| wrong(&e, found.line, &field.name))?;
            }
            *n_rows += 1;
        }
        Ok(true)
    }
}

fn may_be_null(schema: &Schema, field: &Field) -> bool {
    match &schema.node(field.node).kind {
        Kind::Null => true,
        Kind::Union(branches) => branches.iter().any(|branch| schema.node(*branch).kind == Kind::Null),
        _ => false,
    }
}

/// Returns the error of a cell, with its position.
fn wrong(error: &avro_arrow::Error, line: u64, column: &str) -> Error {
    let what = match error.kind() {
        ErrorKind::Json { at, reason } if at == "$" => reason.clone(),
        ErrorKind::Json { at, reason } => format!("{}: {reason}", at.trim_start_matches("$.")),
        _ => error.to_string(),
    };
    Error::Failed(format!("line {line}, column `{column}`: {what}"))
}

impl Read for TextFiles {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.made.len() {
            match self.more() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    let what = error.to_string();
                    *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(io::Error::other(what));
                }
            }
        }
        let left = self.made.get(self.at..).unwrap_or_default();
        let n = left.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..n), left.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}
