//! Bytes and file objects of Python as an object store, so that they are read like all other files.

use crate::file_objects::{FileObject, ObjectReader};
use avro_sql_cli::embed::{SqlFailure, SqlSession};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use url::Url;

/// Numbers of the stores, as each needs a URL.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file of Python.
pub(crate) enum PythonFile {
    Bytes(Bytes),
    Object(FileObject),
}

impl PythonFile {
    /// Returns the file of `bytes`, or of an object with its position and its size.
    pub(crate) fn of(item: &Bound<'_, PyAny>) -> PyResult<PythonFile> {
        if let Ok(bytes) = item.extract::<PyBackedBytes>() {
            return Ok(PythonFile::Bytes(Bytes::from_owner(bytes)));
        }
        let (object, start, size) = item.extract()?;
        Ok(PythonFile::Object(FileObject::new(object, start, size)))
    }
}

/// A registered store. Dropping it removes it from the session.
pub(crate) struct PythonFiles {
    session: Arc<SqlSession>,
    url: Url,
    /// The URLs of the files.
    pub(crate) urls: Vec<String>,
}

impl PythonFiles {
    /// Registers a store of these files with a session.
    pub(crate) fn register(session: &Arc<SqlSession>, files: Vec<PythonFile>) -> Result<PythonFiles, SqlFailure> {
        let text = format!("memory://bytes-{}/", NEXT.fetch_add(1, Ordering::Relaxed));
        let url = Url::parse(&text).map_err(|e| SqlFailure::request(e.to_string()))?;
        let urls = (0..files.len()).map(|at| format!("{text}{at}.avro")).collect();
        let store = PythonStore::new(files).map_err(DataFusionError::IoError)?;
        session.context().register_object_store(&url, Arc::new(store) as Arc<dyn ObjectStore>);
        Ok(PythonFiles { session: Arc::clone(session), url, urls })
    }
}

impl Drop for PythonFiles {
    fn drop(&mut self) {
        // It is there, as nobody else knows its URL.
        let _ = self.session.context().deregister_object_store(&self.url);
    }
}

/// The files, by their number: `0.avro` is the first.
struct PythonStore {
    files: Vec<StoredContent>,
    registered: SystemTime,
    reader: ObjectReader,
}

enum StoredContent {
    Bytes(Bytes),
    /// An object of this size, which the thread has under this number.
    Object {
        number: usize,
        size: u64,
    },
}

impl PythonStore {
    fn new(files: Vec<PythonFile>) -> io::Result<PythonStore> {
        let mut objects = vec![];
        let files = files.into_iter().map(|file| match file {
            PythonFile::Bytes(bytes) => StoredContent::Bytes(bytes),
            PythonFile::Object(object) => {
                let (number, size) = (objects.len(), object.size);
                objects.push(object);
                StoredContent::Object { number, size }
            }
        });
        let files = files.collect();
        Ok(PythonStore { files, registered: SystemTime::now(), reader: ObjectReader::start(objects)? })
    }

    fn find(&self, location: &Path) -> Result<(&StoredContent, ObjectMeta), Error> {
        let number = location.as_ref().strip_suffix(".avro").and_then(|number| number.parse::<usize>().ok());
        let Some(content) = number.and_then(|number| self.files.get(number)) else {
            return Err(Error::NotFound { path: location.to_string(), source: "no such file".into() });
        };
        Ok((content, self.meta(location.clone(), content)))
    }

    fn meta(&self, location: Path, content: &StoredContent) -> ObjectMeta {
        let size = match content {
            StoredContent::Bytes(bytes) => bytes.len() as u64,
            StoredContent::Object { size, .. } => *size,
        };
        ObjectMeta { location, last_modified: self.registered.into(), size, e_tag: None, version: None }
    }

    async fn read(&self, content: &StoredContent, range: Range<u64>) -> Result<Bytes, Error> {
        match content {
            StoredContent::Bytes(bytes) => {
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(at(range.start)..at(range.end)))
            }
            StoredContent::Object { number, .. } => {
                let bytes = self.reader.read(*number, range).await;
                bytes.map_err(|e| Error::Generic { store: "file object", source: e.into() })
            }
        }
    }
}

impl fmt::Debug for PythonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonStore")
    }
}

impl fmt::Display for PythonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("files of Python")
    }
}

#[async_trait::async_trait]
impl ObjectStore for PythonStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult, Error> {
        let (content, meta) = self.find(location)?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|e| Error::Generic { store: "file", source: e.into() })?,
            None => 0..meta.size,
        };
        let bytes = match options.head {
            true => Bytes::new(),
            false => self.read(content, range.clone()).await?,
        };
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        let is_below = |path: &Path| prefix.is_none_or(|prefix| path.prefix_match(prefix).is_some());
        let files = self.files.iter().enumerate();
        let found = files.map(|(at, content)| self.meta(Path::from(format!("{at}.avro")), content));
        let found: Vec<_> = found.filter(|meta| is_below(&meta.location)).map(Ok).collect();
        stream::iter(found).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult, Error> {
        let mut objects = vec![];
        let mut found = self.list(prefix);
        while let Some(meta) = found.next().await {
            objects.push(meta?);
        }
        Ok(ListResult { common_prefixes: vec![], objects })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult, Error> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>, Error> {
        Err(read_only())
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path, Error>>) -> BoxStream<'static, Result<Path, Error>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<(), Error> {
        Err(read_only())
    }
}

fn read_only() -> Error {
    Error::Generic { store: "files of Python", source: "they are read-only".into() }
}
