//! `SELECT .. FROM avro_damage('path')`: files in, a row for each damaged block in them out. Every block is read, and all of it,
//! so that no damage stays unseen; nothing is kept but what is found.

use crate::fetch::{Fetch, Object, Pace};
use crate::headers::{Headers, Reads};
use crate::location::{Location, file_name, is_local};
use crate::options::AvroOptions;
use crate::table::files;
use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use avro_arrow::{Damage, DamagedBlock, Decoder};
use datafusion::arrow::buffer::Buffer;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::datasource::TableType;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::Count;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::try_unfold;
use object_store::{ObjectMeta, ObjectStore};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// The table function `avro_damage('path')`: what is damaged in a file, or in the Avro files of a directory or glob.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `block` | Int64 | index of the block, from 0; a stretch in which no blocks can be told apart counts as one. Null: the header |
/// | `offset` | Int64 | where in the file it begins |
/// | `bytes` | Int64 | how much of the file is lost; null where it is the header, and with it the whole file |
/// | `rows` | Int64 | how many rows are lost; null where that cannot be known |
/// | `reason` | Utf8 | what is wrong, and where |
///
/// Rows of a file come in its order. Files without damage have none.
#[derive(Debug)]
pub struct AvroDamage {
    options: AvroOptions,
}

impl AvroDamage {
    /// The function for files that are read with these options.
    pub fn new(options: AvroOptions) -> Self {
        AvroDamage { options: AvroOptions { damage: Damage::Skip, ..options } }
    }
}

impl TableFunctionImpl for AvroDamage {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [Expr::Literal(ScalarValue::Utf8(Some(path)), _)] = args.exprs() else {
            return plan_err!("write avro_damage('path'), with a file, a directory or a glob");
        };
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("block", DataType::Int64, true),
            Field::new("offset", DataType::Int64, false),
            Field::new("bytes", DataType::Int64, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("reason", DataType::Utf8, false),
        ]));
        Ok(Arc::new(DamageTable { location: Location::parse(path)?, options: self.options.clone(), schema }))
    }
}

/// What is damaged in the files of a location, looked for at every scan.
#[derive(Debug)]
struct DamageTable {
    location: Location,
    options: AvroOptions,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for DamageTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let store_url = self.location.store();
        let store = session.runtime_env().object_store(&store_url)?;
        let found = files(std::slice::from_ref(&self.location), store.as_ref(), &self.options).await?;
        let files: Vec<ObjectMeta> = found.into_iter().flat_map(|(_, files)| files).collect();
        let headers = Arc::new(Headers::new(self.options.clone()));
        // A few files to each thread, and none cut: blocks are counted from the file's start.
        let n = files.len().div_ceil(session.config().target_partitions().max(1)).max(1);
        let n_parts = files.len().div_ceil(n);
        let part = |files: &[ObjectMeta]| -> Arc<dyn PartitionStream> {
            Arc::new(Search {
                schema: Arc::clone(&self.schema),
                store: Arc::clone(&store),
                store_url: store_url.clone(),
                headers: Arc::clone(&headers),
                files: files.to_vec(),
                n_parts,
            })
        };
        let parts = files.chunks(n).map(part).collect();
        let schema = Arc::clone(&self.schema);
        Ok(Arc::new(StreamingTableExec::try_new(schema, parts, projection, [], false, limit)?))
    }
}

/// Looks for damage in some files.
struct Search {
    schema: SchemaRef,
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    headers: Arc<Headers>,
    files: Vec<ObjectMeta>,
    /// Parts that are read at the same time.
    n_parts: usize,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("store", &self.store_url).field("files", &self.files.len()).finish()
    }
}

impl PartitionStream for Search {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let under_way = UnderWay {
            schema: Arc::clone(&self.schema),
            store: Arc::clone(&self.store),
            store_url: self.store_url.clone(),
            headers: Arc::clone(&self.headers),
            files: self.files.clone().into(),
            file: None,
            batch_size: context.session_config().batch_size(),
            pace: Pace::of(is_local(&self.store_url), None, self.n_parts),
            memory: Arc::new(MemoryConsumer::new("AvroDamage").register(context.memory_pool())),
        };
        let batches =
            try_unfold(under_way, |mut search| async move { Ok(search.next().await?.map(|batch| (batch, search))) });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

struct UnderWay {
    schema: SchemaRef,
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    headers: Arc<Headers>,
    /// Those to come.
    files: VecDeque<ObjectMeta>,
    file: Option<File>,
    batch_size: usize,
    pace: Pace,
    memory: Arc<MemoryReservation>,
}

/// A file being read.
struct File {
    name: String,
    decoder: Decoder,
    fetch: Fetch,
    finished: bool,
}

impl UnderWay {
    /// The next rows; none at the end of the last file.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut rows = Rows::default();
        while rows.n < self.batch_size {
            match &mut self.file {
                Some(file) => {
                    let more = file.read(&mut rows).await?;
                    if !more {
                        self.file = None;
                    }
                }
                None => match self.files.pop_front() {
                    Some(object) => self.file = self.open(object, &mut rows).await?,
                    None => break,
                },
            }
        }
        if rows.n == 0 { Ok(None) } else { Ok(Some(rows.finish(&self.schema)?)) }
    }

    /// None if its header is damaged, or cannot be used: that is a row.
    async fn open(&mut self, object: ObjectMeta, rows: &mut Rows) -> Result<Option<File>> {
        let name = file_name(&self.store_url, &object.location);
        let header = match self.headers.get(self.store.as_ref(), &object, &name).await {
            Ok((header, _)) => header,
            Err(DataFusionError::External(error)) => {
                let error = error.downcast::<avro_arrow::Error>().map_err(DataFusionError::External)?;
                rows.unreadable(&name, *error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let all = Reads { columns: None, batch_size: self.batch_size, reader: None };
        let program = match header.schema.program(all, self.headers.options()) {
            Ok(program) => program,
            Err(error) => {
                rows.unreadable(&name, error);
                return Ok(None);
            }
        };
        let decoder = Decoder::new(&header.header, program);
        let range = decoder.start()..object.size;
        let (store, version) = (Arc::clone(&self.store), Arc::clone(&header.version));
        let object = Object { store, version, name: name.clone(), memory: Arc::clone(&self.memory) };
        let fetch = Fetch::new(object, range, self.pace, Count::new());
        Ok(Some(File { name, decoder, fetch, finished: false }))
    }
}

impl File {
    /// Reads on, up to the next bytes that are to be fetched; false at the end of the file.
    async fn read(&mut self, rows: &mut Rows) -> Result<bool> {
        // Of the rows nothing is wanted.
        let decoded =
            self.decoder.next_batch().map_err(|e| DataFusionError::External(Box::new(e.in_file(&self.name))))?;
        for damaged in self.decoder.take_damage() {
            rows.push(&self.name, damaged);
        }
        if decoded.is_some() {
            return Ok(true);
        }
        if self.finished {
            return Ok(false);
        }
        match self.fetch.next(self.decoder.awaited()).await? {
            Some(bytes) => self.decoder.feed(Buffer::from(bytes)),
            None => {
                self.decoder.finish();
                self.finished = true;
            }
        }
        Ok(true)
    }
}

/// Rows of the table.
#[derive(Default)]
struct Rows {
    n: usize,
    file: StringBuilder,
    block: Int64Builder,
    offset: Int64Builder,
    bytes: Int64Builder,
    rows: Int64Builder,
    reason: StringBuilder,
}

impl Rows {
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
        // The file has a column of its own.
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
