//! Header cache: fetches and parses the header of each file once per version. Files with equal schemas share the parsed
//! schema and the programs compiled from it.
//!
//! DataFusion's file metadata cache cannot hold these entries: its key is a path without the store, and buckets may
//! contain the same paths; and its memory is shared with Parquet footers, which would evict compiled programs.

use crate::block_index::CachedIndex;
use crate::error::file_error;
use crate::io::boundary_check::BoundaryCheck;
use crate::io::object_version::{ObjectSnapshot, collect, open_first};
use crate::listing::partition_values::RECORDED;
use crate::options::read::AvroOptions;
#[cfg(feature = "cache")]
use arrow_schema::FieldRef;
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
/// Maximum number of cached headers and programs. When a cache is full, all entries are dropped.
const FILES_MAX: usize = 100_000;
const PROGRAMS_MAX: usize = 1_000;

/// The header cache of a table, and the table's options.
pub(crate) struct HeaderCache {
    options: AvroOptions,
    files: Mutex<HashMap<(String, Path), Entry>>,
    schemas: Mutex<HashMap<Arc<str>, Arc<FileSchema>>>,
}

/// A cached header, valid for an object of this size, time and tag. The first caller fetches it, others wait.
#[derive(Clone)]
struct Entry {
    meta: ObjectMeta,
    header: Arc<OnceCell<Arc<FileHeader>>>,
}

/// A file's header and what is derived from it.
pub(crate) struct FileHeader {
    /// Codec, sync marker and length. The metadata is dropped, since thousands of headers may be cached.
    pub(crate) header: Header,
    /// Version of the object; all later reads must be of the same version.
    pub(crate) version: Arc<ObjectSnapshot>,
    /// Schema, shared by all files that have it.
    pub(crate) schema: Arc<FileSchema>,
    /// Checks that ranges of the file meet at block boundaries.
    pub(crate) boundaries: BoundaryCheck,
    /// Row count; `None` if block headers do not tell.
    pub(crate) rows: OnceCell<Option<u64>>,
    /// Block index, once loaded.
    pub(crate) index: CachedIndex,
    /// Recorded schema of the partition columns.
    pub(crate) partitions: Option<String>,
    /// Declared rows and bytes of the first block.
    pub(crate) first_block: Option<(u64, u64)>,
}

/// A writer's schema, with the programs compiled from it.
pub(crate) struct FileSchema {
    schema: Schema,
    programs: Mutex<HashMap<Reads, Arc<Program>>>,
    filters: Mutex<HashMap<Filters, Arc<FilterProgram>>>,
    /// What identifies the values of the table's columns, by name, for the last reader schema.
    #[cfg(feature = "cache")]
    keys: Mutex<HashMap<String, KnownKey>>,
}

/// A column's key, and the reader schema for which it was computed.
#[cfg(feature = "cache")]
type KnownKey = (Option<Schema>, Option<Arc<ColumnKey>>);

/// A column of a file as a table reads it.
#[cfg(feature = "cache")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnKey {
    /// The column, with its type before it is cast to the table's.
    pub(crate) field: FieldRef,
    /// Hash of all that decides its values, apart from the bytes of the file.
    pub(crate) hash: String,
    /// Whether the values are those of the file's own schema.
    pub(crate) is_own: bool,
}

/// Key of a filter program: its row program and the columns it uses.
type Filters = (Reads, Vec<String>);

/// Key of a program: columns of the reader schema (of the file's without one; `None`: all), and the batch size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reads {
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) batch_size: usize,
    pub(crate) reader: Option<ByText>,
}

/// A schema that is compared by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByText(pub(crate) Schema);

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.json().hash(state);
    }
}

impl HeaderCache {
    pub(crate) fn new(options: AvroOptions) -> Self {
        HeaderCache { options, files: Mutex::default(), schemas: Mutex::default() }
    }

    /// Returns the options.
    pub(crate) fn options(&self) -> &AvroOptions {
        &self.options
    }

    /// Returns the header of an object, and its first bytes if they were fetched now. Errors call the object `name`.
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

    /// Fetches the headers of many local files on a few dedicated threads. Each takes microseconds; a round trip
    /// through the runtime's blocking pool takes several times as long. Errors are left to the next caller of `get`.
    pub(crate) async fn prefetch_local(self: &Arc<Self>, store: &Arc<dyn ObjectStore>, objects: &[ObjectMeta]) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(LOCAL_THREADS);
        let mut done = vec![];
        for objects in objects.chunks(objects.len().div_ceil(threads).max(1)) {
            let (headers, store, objects) = (Arc::clone(self), Arc::clone(store), objects.to_vec());
            let (sender, receiver) = oneshot::channel::<()>();
            let fetch = move || {
                for object in objects {
                    // The receiver is gone: the query was dropped.
                    if sender.is_closed() {
                        break;
                    }
                    // Outside of a runtime, a local store reads on the calling thread.
                    let got =
                        futures::executor::block_on(headers.get(store.as_ref(), &object, object.location.as_ref()));
                    drop(got);
                }
            };
            if std::thread::Builder::new().name("avro-headers".into()).spawn(fetch).is_ok() {
                done.push(receiver);
            }
        }
        // An error means that the thread has ended.
        futures::future::join_all(done).await;
    }

    fn cell(&self, store: &dyn ObjectStore, object: &ObjectMeta) -> Arc<OnceCell<Arc<FileHeader>>> {
        let mut files = lock(&self.files);
        if files.len() >= FILES_MAX {
            files.clear();
        }
        // Different buckets may contain the same paths.
        let new = || Entry { meta: object.clone(), header: Arc::default() };
        let entry = files.entry((store.to_string(), object.location.clone())).or_insert_with(new);
        // Some stores' listings lack the metadata that tells versions apart.
        if entry.meta != *object || entry.header.get().is_some_and(|header| header.version.is_stale()) {
            *entry = new();
        }
        Arc::clone(&entry.header)
    }

    /// Returns the header of an object if it is cached and current.
    pub(crate) fn known(&self, store: &dyn ObjectStore, object: &ObjectMeta) -> Option<Arc<FileHeader>> {
        self.cell(store, object).get().cloned()
    }

    /// Builds the entry of a file from its header and first bytes, sharing the parsed schema.
    fn share(&self, mut header: Header, version: ObjectSnapshot, first: Bytes) -> FileHeader {
        let first_block = container::first_block(&header, &first);
        // A file fetched as a whole is counted now. Its errors are left to its readers.
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
        let (boundaries, index) = (BoundaryCheck::default(), CachedIndex::default());
        FileHeader { header, version, schema, boundaries, rows, index, partitions, first_block }
    }
}

impl fmt::Debug for HeaderCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderCache").field("options", &self.options).finish_non_exhaustive()
    }
}

impl FileSchema {
    fn new(schema: Schema) -> FileSchema {
        FileSchema {
            schema,
            programs: Mutex::default(),
            filters: Mutex::default(),
            #[cfg(feature = "cache")]
            keys: Mutex::default(),
        }
    }

    /// Returns the schema.
    pub(crate) fn avro(&self) -> &Schema {
        &self.schema
    }

    /// Returns the column names: fields of the root record, or `value`.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match &self.schema.node(self.schema.root()).kind {
            Kind::Record(record) => record.fields.iter().map(|field| field.name.as_str()).collect(),
            _ => vec!["value"],
        }
    }

    /// Returns the program for these columns.
    pub(crate) fn program(&self, reads: Reads, options: &AvroOptions) -> avro_arrow::Result<Arc<Program>> {
        if let Some(program) = lock(&self.programs).get(&reads) {
            return Ok(Arc::clone(program));
        }
        // Compiled without the lock: two threads may compile the same program, which is cheap and harmless.
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

    /// Returns the key of a column, from `compute` the first time.
    #[cfg(feature = "cache")]
    pub(crate) fn key(
        &self,
        reader: Option<&ByText>,
        column: &str,
        compute: impl FnOnce() -> Option<ColumnKey>,
    ) -> Option<Arc<ColumnKey>> {
        let reader = reader.map(|ByText(schema)| schema);
        if let Some((of, key)) = lock(&self.keys).get(column)
            && of.as_ref().map(Schema::json) == reader.map(Schema::json)
        {
            return key.clone();
        }
        let key = compute().map(Arc::new);
        lock(&self.keys).insert(column.to_owned(), (reader.cloned(), key.clone()));
        key
    }

    /// Returns the filter program for these columns of the row program of `reads`.
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

/// Fetches the first bytes of an object until they contain its header. Errors call the object `name`.
pub(crate) async fn fetch(
    store: &dyn ObjectStore,
    object: &ObjectMeta,
    options: &AvroOptions,
    name: &str,
) -> Result<(Header, ObjectSnapshot, Bytes)> {
    let mut len = FIRST_BYTES.min(object.size);
    // Object stores reject empty ranges.
    if len == 0 {
        return Err(file_error(ErrorKind::NotAvro { found: vec![] }.into(), name));
    }
    let opened = open_first(store, object, 0..len, name).await?;
    let version = ObjectSnapshot::new(opened.meta.clone());
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

/// Locks a mutex. The maps are consistent at every step, so a poisoned lock is fine.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
