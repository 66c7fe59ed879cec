//! `SELECT .. FROM avro_damage('path')`: a row for each damaged block. All blocks are decoded, so that no damage is
//! missed.

use super::file_table::{PerFile, Run, file_table};
use crate::io::readahead::{Fetch, Object, ReadaheadPolicy};
use crate::listing::listed::ListedFile;
use crate::listing::location::is_local;
use crate::options::read::AvroOptions;
use crate::schema::header_cache::{HeaderCache, Reads};
use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use avro_arrow::{DamagedBlock, DecodeResult, Decoder, OnCorruptBlock};
use datafusion::arrow::buffer::Buffer;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::metrics::Count;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::sync::Arc;

/// The table function `avro_damage('path')`: the damaged blocks of a file, or of the Avro files of a directory or glob.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `block` | Int64 | index of the block, from 0; a range without recognizable blocks counts as one. Null: the header |
/// | `offset` | Int64 | offset of the damage in the file |
/// | `bytes` | Int64 | bytes lost; null if the header, and with it the whole file, is damaged |
/// | `rows` | Int64 | rows lost; null if unknown |
/// | `reason` | Utf8 | what is wrong, and where |
///
/// Rows come in file order. Files without damage have none.
#[derive(Debug)]
pub struct AvroDamageFunc {
    options: AvroOptions,
}

impl AvroDamageFunc {
    /// Creates the function with these default options; options of a call take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroDamageFunc { options }
    }
}

impl TableFunctionImpl for AvroDamageFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("block", DataType::Int64, true),
            Field::new("offset", DataType::Int64, false),
            Field::new("bytes", DataType::Int64, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("reason", DataType::Utf8, false),
        ]));
        file_table("avro_damage", &args, &self.options, |options| {
            let options = AvroOptions { on_corrupt_block: OnCorruptBlock::Skip, ..options };
            Search { headers: Arc::new(HeaderCache::new(options)), schema }
        })
    }
}

/// Finds damage in files.
#[derive(Debug)]
struct Search {
    headers: Arc<HeaderCache>,
    schema: SchemaRef,
}

impl PerFile for Search {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self, file: ListedFile, run: &Run) -> BoxStream<'static, Result<RecordBatch>> {
        let (headers, schema, run) = (Arc::clone(&self.headers), Arc::clone(&self.schema), run.clone());
        try_unfold(DamageScanState::Closed(file), move |state| {
            let (headers, schema, run) = (Arc::clone(&headers), Arc::clone(&schema), run.clone());
            async move {
                let mut rows = DamageRows::default();
                let mut file = match state {
                    DamageScanState::Closed(file) => open(file, &headers, &run, &mut rows).await?,
                    DamageScanState::Open(file) => Some(file),
                    DamageScanState::Done => None,
                };
                while rows.n < run.batch_size
                    && let Some(open) = &mut file
                {
                    if !open.read(&mut rows).await? {
                        file = None;
                    }
                }
                let next = file.map_or(DamageScanState::Done, DamageScanState::Open);
                Ok(if rows.n == 0 { None } else { Some((rows.finish(&schema)?, next)) })
            }
        })
        .boxed()
    }
}

enum DamageScanState {
    Closed(ListedFile),
    Open(Box<DamageScan>),
    Done,
}

/// Opens a file; `None` if its header is damaged or unusable, which becomes a row.
async fn open(
    found: ListedFile,
    headers: &HeaderCache,
    run: &Run,
    rows: &mut DamageRows,
) -> Result<Option<Box<DamageScan>>> {
    let name = found.name();
    let ListedFile { store, store_url, object } = found;
    let header = match headers.get(store.as_ref(), &object, &name).await {
        Ok((header, _)) => header,
        Err(DataFusionError::External(error)) => {
            let error = error.downcast::<avro_arrow::Error>().map_err(DataFusionError::External)?;
            rows.unreadable(&name, *error);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let all = Reads { columns: None, batch_size: run.batch_size, reader: None };
    let program = match header.schema.program(all, headers.options()) {
        Ok(program) => program,
        Err(error) => {
            rows.unreadable(&name, error);
            return Ok(None);
        }
    };
    let decoder = Decoder::new(&header.header, program);
    let range = decoder.first_offset()..object.size;
    let memory = Arc::new(MemoryConsumer::new("AvroDamage").register(&run.memory));
    let readahead = ReadaheadPolicy::new(is_local(&store_url), None, run.n_parts);
    let object = Object { store, version: Arc::clone(&header.version), name: name.clone(), memory };
    let fetch = Fetch::new(object, range, readahead, Count::new());
    Ok(Some(Box::new(DamageScan { name, decoder, fetch })))
}

/// A file being read.
struct DamageScan {
    name: String,
    decoder: Decoder,
    fetch: Fetch,
}

impl DamageScan {
    /// Decodes until more bytes are needed; returns `false` at the end of the file.
    async fn read(&mut self, rows: &mut DamageRows) -> Result<bool> {
        // The rows themselves are not needed.
        let decoded =
            self.decoder.try_decode().map_err(|e| DataFusionError::External(Box::new(e.in_file(&self.name))))?;
        for damaged in self.decoder.take_damage() {
            rows.push(&self.name, damaged);
        }
        match decoded {
            DecodeResult::Batch(_) => {}
            DecodeResult::NeedsData(block) => match self.fetch.next(block).await? {
                Some(bytes) => self.decoder.feed(Buffer::from(bytes)),
                None => self.decoder.finish(),
            },
            DecodeResult::Finished => return Ok(false),
        }
        Ok(true)
    }
}

/// Builder of the output rows.
#[derive(Default)]
struct DamageRows {
    n: usize,
    file: StringBuilder,
    block: Int64Builder,
    offset: Int64Builder,
    bytes: Int64Builder,
    rows: Int64Builder,
    reason: StringBuilder,
}

impl DamageRows {
    fn push(&mut self, file: &str, damaged: DamagedBlock) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.n += 1;
        self.file.append_value(file);
        self.block.append_value(number(damaged.block));
        self.offset.append_value(number(damaged.offset));
        self.bytes.append_value(number(damaged.bytes));
        self.rows.append_option(damaged.rows.map(number));
        self.reason.append_value(damaged.error.to_string());
    }

    fn unreadable(&mut self, file: &str, error: avro_arrow::Error) {
        self.n += 1;
        self.file.append_value(file);
        self.block.append_null();
        self.offset.append_value(0);
        self.bytes.append_null();
        self.rows.append_null();
        // The file is in a column of its own.
        self.reason.append_value(error.at(|position| position.file = None).to_string());
    }

    fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.block.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.bytes.finish()),
            Arc::new(self.rows.finish()),
            Arc::new(self.reason.finish()),
        ];
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
