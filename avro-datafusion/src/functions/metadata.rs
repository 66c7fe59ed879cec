//! `SELECT .. FROM avro_metadata('path')`: a row for each entry of the headers' metadata.

use super::file_table::{PerFile, Run, file_table, readable};
use crate::listing::listed::ListedFile;
use crate::options::read::AvroOptions;
use crate::schema::header_cache;
use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use futures::stream::{BoxStream, StreamExt, once};
use std::sync::Arc;

/// The table function `avro_metadata('path')`: the metadata in the header of each file.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `key` | Utf8 | `avro.schema`, `avro.codec`, and other keys of the writer |
/// | `value` | Utf8 | the value; null where it is not UTF-8 |
/// | `bytes` | Binary | the value as bytes |
/// | `file_bytes` | Int64 | bytes of the file |
/// | `header_bytes` | Int64 | bytes of its header, which is the offset of the first block |
/// | `sync` | Utf8 | the sync marker, in hexadecimal |
/// | `error` | Utf8 | why the header of one of several files cannot be read; such a file has one row, null but for `file` and `file_bytes` |
///
/// Rows come in header order. Only headers are read.
#[derive(Debug)]
pub struct AvroMetadataFunc {
    options: AvroOptions,
}

impl AvroMetadataFunc {
    /// Creates the function with these default options; options of a call take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroMetadataFunc { options }
    }
}

impl TableFunctionImpl for AvroMetadataFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("key", DataType::Utf8, true),
            Field::new("value", DataType::Utf8, true),
            Field::new("bytes", DataType::Binary, true),
            Field::new("file_bytes", DataType::Int64, false),
            Field::new("header_bytes", DataType::Int64, true),
            Field::new("sync", DataType::Utf8, true),
            Field::new("error", DataType::Utf8, true),
        ]));
        file_table("avro_metadata", &args, &self.options, |options| Metadata { options: Arc::new(options), schema })
    }
}

#[derive(Debug)]
struct Metadata {
    options: Arc<AvroOptions>,
    schema: SchemaRef,
}

impl PerFile for Metadata {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self, file: ListedFile, run: &Run) -> BoxStream<'static, Result<RecordBatch>> {
        let (options, schema, is_only) = (Arc::clone(&self.options), Arc::clone(&self.schema), run.is_only_file);
        once(async move { entries(&file, is_only, &options, schema).await }).boxed()
    }
}

async fn entries(file: &ListedFile, is_only: bool, options: &AvroOptions, schema: SchemaRef) -> Result<RecordBatch> {
    let name = file.name();
    let fetched = header_cache::fetch(file.store.as_ref(), &file.object, options, &name).await;
    let (mut files, mut keys, mut values) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let mut bytes = BinaryBuilder::new();
    let (mut file_bytes, mut header_bytes) = (Int64Builder::new(), Int64Builder::new());
    let (mut syncs, mut errors) = (StringBuilder::new(), StringBuilder::new());
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    match readable(fetched, is_only)? {
        Ok((header, _, _)) => {
            let sync: String = header.sync.iter().map(|byte| format!("{byte:02x}")).collect();
            for (key, value) in &header.metadata {
                files.append_value(&name);
                keys.append_value(key);
                values.append_option(str::from_utf8(value).ok());
                bytes.append_value(value);
                file_bytes.append_value(number(file.object.size));
                header_bytes.append_value(number(header.len));
                syncs.append_value(&sync);
                errors.append_null();
            }
        }
        Err(error) => {
            files.append_value(&name);
            keys.append_null();
            values.append_null();
            bytes.append_null();
            file_bytes.append_value(number(file.object.size));
            header_bytes.append_null();
            syncs.append_null();
            errors.append_value(error);
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(files.finish()),
        Arc::new(keys.finish()),
        Arc::new(values.finish()),
        Arc::new(bytes.finish()),
        Arc::new(file_bytes.finish()),
        Arc::new(header_bytes.finish()),
        Arc::new(syncs.finish()),
        Arc::new(errors.finish()),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}
