//! One version of an object: ranges of it in, their bytes out, or an error if the object is another one by now.

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

/// An object as it was when its header was read.
#[derive(Debug)]
pub(crate) struct Version {
    meta: ObjectMeta,
    /// Was it seen to be another one since?
    gone: AtomicBool,
}

/// Bytes of an object, and the file they are from if it is a local one, for whoever wants to read on.
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) file: Option<File>,
}

impl Version {
    /// What a store said of the object along with its first bytes.
    pub(crate) fn new(meta: ObjectMeta) -> Version {
        Version { meta, gone: AtomicBool::new(false) }
    }

    /// Bytes of the object.
    pub(crate) fn len(&self) -> u64 {
        self.meta.size
    }

    /// Where the object is in its store.
    pub(crate) fn path(&self) -> &Path {
        &self.meta.location
    }

    /// Was it seen that there is another version by now, so that what is known of this one is of no use?
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// The bytes of a range of it. The object is called `name` in errors.
    pub(crate) async fn read(&self, store: &dyn ObjectStore, range: Range<u64>, name: &str) -> Result<Piece> {
        let opened = match open(store, self.path(), range.clone(), self.strong_tag(), name).await {
            Ok(opened) => opened,
            Err(DataFusionError::ObjectStore(e)) => {
                return match *e {
                    object_store::Error::Precondition { .. } => self.changed(name, "its entity tag is another one"),
                    object_store::Error::NotFound { .. } => self.changed(name, "it is not there any more"),
                    e => exec_err!("{name}: {e}"),
                };
            }
            Err(e) => return Err(e),
        };
        if let Some(difference) = self.difference(&opened.meta) {
            return self.changed(name, &difference);
        }
        match opened.payload {
            GetResultPayload::File(file, _) => self.read_on(file, range, name).await,
            GetResultPayload::Stream(_) => Ok(Piece { bytes: collect(opened, name).await?, file: None }),
        }
    }

    /// The same of a local file that was opened for a range before. A file that is replaced by another one of its name
    /// stays what it was; one that is written to is noticed by its size and time.
    pub(crate) async fn read_on(&self, mut file: File, range: Range<u64>, name: &str) -> Result<Piece> {
        let len = range.end - range.start;
        let read = move || {
            let bytes = read_local(&mut file, range)?;
            let now = file.metadata()?;
            Ok((bytes, now.len(), now.modified()?, file))
        };
        let (bytes, size, modified, file) = blocking(read, name).await?;
        let same = size == self.meta.size && modified == SystemTime::from(self.meta.last_modified);
        match same && bytes.len() as u64 == len {
            true => Ok(Piece { bytes, file: Some(file) }),
            false => self.changed(name, "it was written to"),
        }
    }

    /// The tag to ask for. A weak one says that two objects mean the same, not that their bytes are the same.
    fn strong_tag(&self) -> Option<&str> {
        self.meta.e_tag.as_deref().filter(|tag| !tag.starts_with("W/"))
    }

    /// In what this object is another one.
    fn difference(&self, now: &ObjectMeta) -> Option<String> {
        let then = &self.meta;
        if then.size != now.size {
            return Some(format!("it had {} bytes and has {}", then.size, now.size));
        }
        match (&then.e_tag, &now.e_tag) {
            (Some(then), Some(now)) if then == now => None,
            (Some(then), Some(now)) => Some(format!("its entity tag was {then} and is {now}")),
            _ if then.last_modified != now.last_modified => {
                Some(format!("it was of {} and is of {}", then.last_modified, now.last_modified))
            }
            _ => None,
        }
    }

    fn changed<T>(&self, name: &str, difference: &str) -> Result<T> {
        self.gone.store(true, Ordering::Relaxed);
        exec_err!("{name}: the file changed while it was read: {difference}; run the query again")
    }
}

/// Opens a range of an object of which nothing is known yet but its size, which errors speak of as of a change.
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
        false => exec_err!("{name}: bytes {expected:?} were asked for and {:?} came", result.range),
    }
}

/// All bytes of a range that was opened.
pub(crate) async fn collect(opened: GetResult, name: &str) -> Result<Bytes> {
    let GetResult { payload, range, .. } = opened;
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let bytes = match payload {
        GetResultPayload::File(mut file, _) => blocking(move || read_local(&mut file, range), name).await?,
        GetResultPayload::Stream(mut stream) => {
            let mut bytes = BytesMut::new();
            // Errors on the way do not say what was asked for.
            let named = |e: object_store::Error| DataFusionError::Execution(format!("{name}: {e}"));
            while let Some(part) = stream.try_next().await.map_err(named)? {
                // Room for all of it at once, but not before a server has shown that it has anything.
                bytes.reserve(len.saturating_sub(bytes.len()).max(part.len()));
                bytes.extend_from_slice(&part);
            }
            bytes.freeze()
        }
    };
    match bytes.len() == len {
        true => Ok(bytes),
        false => exec_err!("{name}: {len} bytes were asked for and {} came", bytes.len()),
    }
}

/// Runs what may wait for a disk where nothing else waits for it.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    name: &str,
) -> Result<T> {
    let read = match Handle::try_current() {
        Ok(_) => {
            let read = SpawnedTask::spawn_blocking(read).join_unwind().await;
            read.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?
        }
        // A thread of no runtime is one that may wait.
        Err(_) => read(),
    };
    match read {
        Ok(read) => Ok(read),
        Err(e) => exec_err!("{name}: {e}"),
    }
}

/// The bytes of a range, fewer where the file ends.
fn read_local(file: &mut File, range: Range<u64>) -> std::io::Result<Bytes> {
    let len = range.end - range.start;
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    file.seek(SeekFrom::Start(range.start))?;
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
