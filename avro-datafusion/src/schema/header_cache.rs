//! Headers of files: an object in, its parsed header out, fetched once while it stays the same. Files with the same schema
//! share it, and the programs compiled from it.

use crate::block_index::Kept;
use crate::error::file_error;
use crate::io::boundary_check::Spans;
use crate::io::object_version::{Version, collect, open_first};
use crate::listing::partition_values::RECORDED;
use crate::options::read::AvroOptions;
use avro_arrow::container::{self, Header};
use avro_arrow::schema::{Kind, Schema};
use avro_arrow::{ErrorKind, FilterProgram, OnCorruptBlock, Program};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, oneshot};

/// Bytes fetched first: most headers are a few kilobytes.
const FIRST_BYTES: u64 = 64 << 10;
/// Threads that fetch the headers of many local files.
const LOCAL_THREADS: usize = 8;
/// Headers and programs kept. Beyond these all are dropped, and those still wanted are made again.
const FILES_MAX: usize = 100_000;
const PROGRAMS_MAX: usize = 1_000;

/// The headers of one table's files, and the options the table is read with.
pub(crate) struct Headers {
    options: AvroOptions,
    files: Mutex<HashMap<(String, Path), Entry>>,
    schemas: Mutex<HashMap<Arc<str>, Arc<FileSchema>>>,
}

/// The header of the object as it was when it had this size, time and tag. Whoever comes first fetches it, others wait.
#[derive(Clone)]
struct Entry {
    meta: ObjectMeta,
    header: Arc<OnceCell<Arc<FileHeader>>>,
}

/// What is known of a file before its rows are read.
pub(crate) struct FileHeader {
    /// Codec, sync marker and length. The metadata is dropped: thousands of headers may be kept.
    pub(crate) header: Header,
    /// The version of the object that it is from; what else is read of the object must be of the same.
    pub(crate) version: Arc<Version>,
    /// The schema, shared by all files that have it.
    pub(crate) schema: Arc<FileSchema>,
    /// Where the blocks of its ranges are.
    pub(crate) spans: Spans,
    /// How many rows it has. None where that cannot be told from the heads of its blocks.
    pub(crate) rows: OnceCell<Option<u64>>,
    /// Its block index, if it was looked for.
    pub(crate) index: Kept,
    /// What its writer recorded of the columns of its directories.
    pub(crate) partitions: Option<String>,
    /// The rows and bytes that its first block says it has.
    pub(crate) first_block: Option<(u64, u64)>,
}

/// A writer's schema and the programs compiled from it.
pub(crate) struct FileSchema {
    schema: Schema,
    programs: Mutex<HashMap<Reads, Arc<Program>>>,
    filters: Mutex<HashMap<Filters, Arc<FilterProgram>>>,
}

/// What a filter's program reads: the rows of that program, and the columns that the filter looks at.
type Filters = (Reads, Vec<String>);

/// What a program reads: these columns of the reader's schema, or of the file's where there is none, or all of them, and at most
/// so many rows at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reads {
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) batch_size: usize,
    pub(crate) reader: Option<ByText>,
}

/// A schema that is told from others by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByText(pub(crate) Schema);

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.json().hash(state);
    }
}

impl Headers {
    pub(crate) fn new(options: AvroOptions) -> Self {
        Headers { options, files: Mutex::default(), schemas: Mutex::default() }
    }

    /// The options that files are read with.
    pub(crate) fn options(&self) -> &AvroOptions {
        &self.options
    }

    /// The header of this object, called `name` in errors, and the first bytes of the object if they had to be fetched.
    pub(crate) async fn get(
        &self,
        store: &dyn ObjectStore,
        object: &ObjectMeta,
        name: &str,
    ) -> Result<(Arc<FileHeader>, Option<Bytes>)> {
        let cell = self.cell(store, object);
        let mut first = None;
        let header = cell
            .get_or_try_init(|| async {
                let (header, version, bytes) = fetch(store, object, &self.options, name).await?;
                first = Some(bytes.clone());
                Ok::<_, DataFusionError>(Arc::new(self.share(header, version, bytes)))
            })
            .await?;
        Ok((Arc::clone(header), first))
    }

    /// Fetches the headers of many local files. Each takes microseconds; handing each to a thread and back, as the runtime does,
    /// takes as long again several times. So a few threads go through them all. What fails is left to who asks for it.
    pub(crate) async fn prefetch_local(self: &Arc<Self>, store: &Arc<dyn ObjectStore>, objects: &[ObjectMeta]) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(LOCAL_THREADS);
        let mut done = vec![];
        for objects in objects.chunks(objects.len().div_ceil(threads).max(1)) {
            let (headers, store, objects) = (Arc::clone(self), Arc::clone(store), objects.to_vec());
            let (sender, receiver) = oneshot::channel::<()>();
            let fetch = move || {
                for object in objects {
                    // Nobody waits any more.
                    if sender.is_closed() {
                        break;
                    }
                    // Outside of a runtime a local store reads on the thread that asks.
                    let got =
                        futures::executor::block_on(headers.get(store.as_ref(), &object, object.location.as_ref()));
                    drop(got);
                }
            };
            if std::thread::Builder::new().name("avro-headers".into()).spawn(fetch).is_ok() {
                done.push(receiver);
            }
        }
        // An error means that the thread is done.
        futures::future::join_all(done).await;
    }

    fn cell(&self, store: &dyn ObjectStore, object: &ObjectMeta) -> Arc<OnceCell<Arc<FileHeader>>> {
        let mut files = lock(&self.files);
        if files.len() >= FILES_MAX {
            files.clear();
        }
        // The path alone is not enough: buckets may have the same paths.
        let new = || Entry { meta: object.clone(), header: Arc::default() };
        let entry = files.entry((store.to_string(), object.location.clone())).or_insert_with(new);
        // Not all stores say enough in their listings to tell versions apart.
        if entry.meta != *object || entry.header.get().is_some_and(|header| header.version.is_gone()) {
            *entry = new();
        }
        Arc::clone(&entry.header)
    }

    /// The header of this object as it is if somebody has asked for it before.
    pub(crate) fn known(&self, store: &dyn ObjectStore, object: &ObjectMeta) -> Option<Arc<FileHeader>> {
        self.cell(store, object).get().cloned()
    }

    /// What is known of a file of these first bytes. The parsed schema is replaced by the one kept of the same text.
    fn share(&self, mut header: Header, version: Version, first: Bytes) -> FileHeader {
        let first_block = container::first_block(&header, &first);
        // A file that is here as a whole is counted at once. What is wrong with it, if it is not, is for its readers.
        let whole = first.len() as u64 == version.len() && self.options.on_corrupt_block == OnCorruptBlock::Error;
        let count = || container::count_rows_behind(&header, &mut Cursor::new(first), &self.options.limits).ok();
        let rows = whole.then(count).flatten();
        let rows = OnceCell::new_with(rows.map(Some));
        let mut schemas = lock(&self.schemas);
        if schemas.len() >= PROGRAMS_MAX {
            schemas.clear();
        }
        let schema = match schemas.get(header.schema.json()) {
            Some(schema) => Arc::clone(schema),
            None => {
                let schema = Arc::new(FileSchema::new(header.schema.clone()));
                schemas.insert(header.schema.json().into(), Arc::clone(&schema));
                schema
            }
        };
        header.schema = schema.schema.clone();
        let partitions = header.metadata.iter().rfind(|(key, _)| key == RECORDED);
        let partitions = partitions.and_then(|(_, text)| String::from_utf8(text.clone()).ok());
        header.metadata = Vec::new();
        let version = Arc::new(version);
        let (spans, index) = (Spans::default(), Kept::default());
        FileHeader { header, version, schema, spans, rows, index, partitions, first_block }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").field("options", &self.options).finish_non_exhaustive()
    }
}

impl FileSchema {
    fn new(schema: Schema) -> FileSchema {
        FileSchema { schema, programs: Mutex::default(), filters: Mutex::default() }
    }

    /// The schema itself.
    pub(crate) fn avro(&self) -> &Schema {
        &self.schema
    }

    /// The names of the columns: the fields of the outermost record, or else the one column `value`.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match &self.schema.node(self.schema.root()).kind {
            Kind::Record(record) => record.fields.iter().map(|field| field.name.as_str()).collect(),
            _ => vec!["value"],
        }
    }

    /// The program that reads this.
    pub(crate) fn program(&self, reads: Reads, options: &AvroOptions) -> avro_arrow::Result<Arc<Program>> {
        if let Some(program) = lock(&self.programs).get(&reads) {
            return Ok(Arc::clone(program));
        }
        // Compiled without the lock. Two may do so at once: the work is small, and either's result is good.
        let reader_schema = reads.reader.clone().map(|ByText(schema)| schema);
        let options = options.decoder(reads.columns.clone(), reads.batch_size).with_reader_schema(reader_schema);
        let program = Arc::new(Program::compile(&self.schema, &options)?);
        let mut programs = lock(&self.programs);
        if programs.len() >= PROGRAMS_MAX {
            programs.clear();
        }
        programs.insert(reads, Arc::clone(&program));
        Ok(program)
    }

    /// The program of a filter that looks at these columns, of the rows that the program of `reads` reads.
    pub(crate) fn filter(
        &self,
        reads: Reads,
        program: &Arc<Program>,
        columns: Vec<String>,
    ) -> avro_arrow::Result<Arc<FilterProgram>> {
        let key = (reads, columns);
        if let Some(filter) = lock(&self.filters).get(&key) {
            return Ok(Arc::clone(filter));
        }
        let filter = Arc::new(FilterProgram::compile(program, &key.1)?);
        let mut filters = lock(&self.filters);
        if filters.len() >= PROGRAMS_MAX {
            filters.clear();
        }
        filters.insert(key, Arc::clone(&filter));
        Ok(filter)
    }
}

/// Fetches the first bytes of an object, called `name` in errors, more and more until they hold its header.
pub(crate) async fn fetch(
    store: &dyn ObjectStore,
    object: &ObjectMeta,
    options: &AvroOptions,
    name: &str,
) -> Result<(Header, Version, Bytes)> {
    let mut len = FIRST_BYTES.min(object.size);
    // An empty range is an error to object stores.
    if len == 0 {
        return Err(file_error(ErrorKind::NotAvro { found: vec![] }.into(), name));
    }
    let opened = open_first(store, object, 0..len, name).await?;
    let version = Version::new(opened.meta.clone());
    let mut bytes = collect(opened, name).await?;
    loop {
        match Header::parse(&bytes, &options.limits).map_err(|e| file_error(e, name))? {
            Some(header) => return Ok((header, version, bytes)),
            None if len == object.size => {
                return Err(file_error(ErrorKind::Truncated { what: "its header" }.into(), name));
            }
            None => len = len.saturating_mul(8).min(object.size),
        }
        bytes = version.read(store, 0..len, name).await?.bytes;
    }
}

/// Locks. The maps behind these locks are whole at every step, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
