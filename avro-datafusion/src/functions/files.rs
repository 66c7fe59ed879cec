//! `SELECT .. FROM avro_files('dir/')`: a row for each file, of files that cannot be read too.

use super::blocks::BlockWalk;
use super::file_table::{PerFile, Run, file_table, readable};
use crate::listing::listed::ListedFile;
use crate::options::read::AvroOptions;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use avro_arrow::schema::Fingerprint;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use futures::stream::{BoxStream, StreamExt, once};
use std::sync::Arc;

/// The table function `avro_files('dir/')`: the files at a path, with any file extension, empty ones too.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `bytes` | Int64 | bytes of the file |
/// | `codec` | Utf8 | the codec of the blocks |
/// | `rows` | Int64 | rows, by the block headers |
/// | `blocks` | Int64 | number of blocks |
/// | `schema` | Utf8 | the full name of the schema's type, or the type if it has no name |
/// | `fingerprint` | Utf8 | the CRC-64-AVRO fingerprint of the schema, in hexadecimal |
/// | `modified` | Utf8 | when the file was last changed |
/// | `error` | Utf8 | why the file cannot be read: it is not Avro, or is damaged |
///
/// Headers and block headers are read, data is not: damage inside a block is found by `avro_damage`.
#[derive(Debug)]
pub struct AvroFilesFunc {
    options: AvroOptions,
}

impl AvroFilesFunc {
    /// Creates the function with these default options; options of a call take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroFilesFunc { options: AvroOptions { file_extension: String::new(), ..options } }
    }
}

impl TableFunctionImpl for AvroFilesFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("bytes", DataType::Int64, false),
            text("codec"),
            number("rows"),
            number("blocks"),
            text("schema"),
            text("fingerprint"),
            Field::new("modified", DataType::Utf8, false),
            text("error"),
        ]));
        file_table("avro_files", &args, &self.options, |options| FileListing { options: Arc::new(options), schema })
    }
}

#[derive(Debug)]
struct FileListing {
    options: Arc<AvroOptions>,
    schema: SchemaRef,
}

impl PerFile for FileListing {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn is_of_all_files(&self) -> bool {
        self.options.file_extension.is_empty()
    }

    fn rows(&self, file: ListedFile, _: &Run) -> BoxStream<'static, Result<RecordBatch>> {
        let (options, schema) = (Arc::clone(&self.options), Arc::clone(&self.schema));
        once(async move { row(file, &options, schema).await }).boxed()
    }
}

/// What is known of a file.
#[derive(Default)]
struct Known {
    codec: Option<String>,
    rows: Option<u64>,
    blocks: Option<u64>,
    schema: Option<String>,
    fingerprint: Option<String>,
    error: Option<String>,
}

async fn row(file: ListedFile, options: &AvroOptions, schema: SchemaRef) -> Result<RecordBatch> {
    let (name, object) = (file.name(), file.object.clone());
    let known = examine(file, options).await?;
    let number = |n: Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let text = |text: Option<String>| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let integer = |n: Option<u64>| Arc::new(Int64Array::from(vec![number(n)])) as ArrayRef;
    let modified = object.last_modified.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let columns = vec![
        text(Some(name)),
        integer(Some(object.size)),
        text(known.codec),
        integer(known.rows),
        integer(known.blocks),
        text(known.schema),
        text(known.fingerprint),
        text(Some(modified)),
        text(known.error),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// Reads the header and the block headers.
async fn examine(file: ListedFile, options: &AvroOptions) -> Result<Known> {
    let mut known = Known::default();
    let mut walk = match readable(BlockWalk::open(file, options).await, false)? {
        Ok(walk) => walk,
        Err(error) => return Ok(Known { error: Some(error), ..known }),
    };
    let header = &walk.header;
    let root = &header.schema.node(header.schema.root()).kind;
    known.codec = Some(header.codec.name().to_owned());
    known.schema = Some(root.name().map_or_else(|| root.word().to_owned(), |name| name.full().to_owned()));
    known.fingerprint = Some(Fingerprint::Rabin(header.schema.rabin()).to_string());
    let (mut rows, mut blocks) = (0u64, 0u64);
    loop {
        match readable(walk.next().await, false)? {
            Ok(Some(block)) => (rows, blocks) = (rows.saturating_add(block.frame.rows), blocks + 1),
            Ok(None) => return Ok(Known { rows: Some(rows), blocks: Some(blocks), ..known }),
            Err(error) => return Ok(Known { error: Some(error), ..known }),
        }
    }
}
