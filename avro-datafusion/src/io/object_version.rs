//! Reads ranges of one version of an object, and fails if the object changes.

use crate::error::store_error;
use bytes::{Bytes, BytesMut};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_err};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;
use tokio::runtime::Handle;

/// An object at the time its header was read.
#[derive(Debug)]
pub(crate) struct ObjectSnapshot {
    meta: ObjectMeta,
    /// Whether a change was detected.
    gone: AtomicBool,
}

/// Bytes of an object and, for local files, the open file for the next read.
pub(crate) struct FetchedBytes {
    pub(crate) bytes: Bytes,
    pub(crate) file: Option<File>,
}

impl ObjectSnapshot {
    /// Creates a snapshot from the metadata returned with the first bytes.
    pub(crate) fn new(meta: ObjectMeta) -> ObjectSnapshot {
        ObjectSnapshot { meta, gone: AtomicBool::new(false) }
    }

    /// Returns the size of the object.
    pub(crate) fn len(&self) -> u64 {
        self.meta.size
    }

    /// Returns the path of the object in its store.
    pub(crate) fn path(&self) -> &Path {
        &self.meta.location
    }

    /// Checks that this is the version that another process listed, as far as both can be compared.
    #[cfg(feature = "proto")]
    pub(crate) fn check_listed(&self, listed: &ObjectMeta, is_local: bool, name: &str) -> Result<()> {
        // Listings and reads of one store may differ in the quotes of tags and in fractions of seconds.
        let tag = |meta: &ObjectMeta| {
            let tag = meta.e_tag.as_deref().filter(|tag| !tag.starts_with("W/"));
            tag.map(|tag| tag.trim_matches('"').to_owned())
        };
        let (then, now) = (listed.last_modified, self.meta.last_modified);
        let difference = match (tag(listed), tag(&self.meta)) {
            // Tags of local files contain the file's number, which differs between machines.
            _ if is_local => (then != now).then(|| format!("its modification time was {then} and is {now}")),
            (Some(then), Some(now)) => (then != now).then(|| format!("its entity tag was {then} and is {now}")),
            _ => {
                (then.timestamp() != now.timestamp()).then(|| format!("its modification time was {then} and is {now}"))
            }
        };
        difference.map_or(Ok(()), |difference| self.changed(name, &difference))
    }

    /// Returns whether the object has changed, so that cached data of it is useless.
    pub(crate) fn is_stale(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Reads a range. Errors call the object `name`.
    pub(crate) async fn read(&self, store: &dyn ObjectStore, range: Range<u64>, name: &str) -> Result<FetchedBytes> {
        let opened = match open(store, self.path(), range.clone(), self.strong_tag(), name).await {
            Ok(opened) => opened,
            Err(DataFusionError::ObjectStore(e)) => {
                return match *e {
                    object_store::Error::Precondition { .. } => self.changed(name, "its entity tag has changed"),
                    object_store::Error::NotFound { .. } => self.changed(name, "it no longer exists"),
                    e => Err(store_error(e, name)),
                };
            }
            Err(e) => return Err(e),
        };
        if let Some(difference) = self.difference(&opened.meta) {
            return self.changed(name, &difference);
        }
        match opened.payload {
            GetResultPayload::File(file, _) => self.read_on(file, range, name).await,
            GetResultPayload::Stream(_) => Ok(FetchedBytes { bytes: collect(opened, name).await?, file: None }),
        }
    }

    /// Reads a range of a local file that is already open. If the file is replaced, the open one is unaffected; if it
    /// is written to, its size or time changes.
    pub(crate) async fn read_on(&self, mut file: File, range: Range<u64>, name: &str) -> Result<FetchedBytes> {
        let len = range.end - range.start;
        let read = move || {
            let bytes = read_local(&mut file, range)?;
            let now = file.metadata()?;
            Ok((bytes, now.len(), now.modified()?, file))
        };
        let (bytes, size, modified, file) = blocking(read, name).await?;
        let same = size == self.meta.size && modified == SystemTime::from(self.meta.last_modified);
        match same && bytes.len() as u64 == len {
            true => Ok(FetchedBytes { bytes, file: Some(file) }),
            false => self.changed(name, "it was written to"),
        }
    }

    /// Returns the entity tag to require. A weak tag does not promise equal bytes.
    fn strong_tag(&self) -> Option<&str> {
        self.meta.e_tag.as_deref().filter(|tag| !tag.starts_with("W/"))
    }

    /// Describes how the object differs from the snapshot.
    fn difference(&self, now: &ObjectMeta) -> Option<String> {
        let then = &self.meta;
        if then.size != now.size {
            return Some(format!("it had {} bytes and has {}", then.size, now.size));
        }
        match (&then.e_tag, &now.e_tag) {
            (Some(then), Some(now)) if then == now => None,
            (Some(then), Some(now)) => Some(format!("its entity tag was {then} and is {now}")),
            _ if then.last_modified != now.last_modified => {
                Some(format!("its modification time was {} and is {}", then.last_modified, now.last_modified))
            }
            _ => None,
        }
    }

    fn changed<T>(&self, name: &str, difference: &str) -> Result<T> {
        self.gone.store(true, Ordering::Relaxed);
        exec_err!("{name}: the file changed while it was read: {difference}; run the query again")
    }
}

/// Opens the first range of an object. Only its listed size is known, so only a changed size is an error.
pub(crate) async fn open_first(
    store: &dyn ObjectStore,
    listed: &ObjectMeta,
    range: Range<u64>,
    name: &str,
) -> Result<GetResult> {
    let result = open(store, &listed.location, range, None, name).await?;
    match result.meta.size == listed.size {
        true => Ok(result),
        false => exec_err!(
            "{name}: the file changed while it was read: it had {} bytes and has {}; run the query again",
            listed.size,
            result.meta.size
        ),
    }
}

async fn open(
    store: &dyn ObjectStore,
    path: &Path,
    range: Range<u64>,
    tag: Option<&str>,
    name: &str,
) -> Result<GetResult> {
    let expected = range.clone();
    let options = GetOptions::new().with_range(Some(range)).with_if_match(tag);
    let result = store.get_opts(path, options).await?;
    match result.range == expected {
        true => Ok(result),
        false => exec_err!("{name}: requested bytes {expected:?}, received {:?}", result.range),
    }
}

/// Reads all bytes of an opened range.
pub(crate) async fn collect(opened: GetResult, name: &str) -> Result<Bytes> {
    let GetResult { payload, range, .. } = opened;
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let bytes = match payload {
        GetResultPayload::File(mut file, _) => blocking(move || read_local(&mut file, range), name).await?,
        GetResultPayload::Stream(mut stream) => {
            let mut bytes = BytesMut::new();
            // Stream errors do not name the object.
            let named = |e: object_store::Error| store_error(e, name);
            while let Some(part) = stream.try_next().await.map_err(named)? {
                // Reserve all at once, but only after the server has sent something.
                bytes.reserve(len.saturating_sub(bytes.len()).max(part.len()));
                bytes.extend_from_slice(&part);
            }
            bytes.freeze()
        }
    };
    match bytes.len() == len {
        true => Ok(bytes),
        false => exec_err!("{name}: requested {len} bytes, received {}", bytes.len()),
    }
}

/// Runs a blocking read on a blocking thread.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    name: &str,
) -> Result<T> {
    let read = match Handle::try_current() {
        Ok(_) => {
            let read = SpawnedTask::spawn_blocking(read).join_unwind().await;
            read.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?
        }
        // Outside of a runtime, blocking is fine.
        Err(_) => read(),
    };
    match read {
        Ok(read) => Ok(read),
        Err(e) => exec_err!("{name}: {e}"),
    }
}

/// Reads a range; fewer bytes at the end of the file.
fn read_local(file: &mut File, range: Range<u64>) -> std::io::Result<Bytes> {
    let len = range.end - range.start;
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    file.seek(SeekFrom::Start(range.start))?;
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
