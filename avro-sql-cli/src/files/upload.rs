//! Output files in object stores: bytes are sent in parts while the rest is made, and the object appears at the end.
//!
//! Writers are synchronous and run on any thread, so each file has a task on threads of its own that sends its bytes.
//! A bounded channel between the two makes the writer wait for a slow store.

use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use avro_datafusion::{ObjectStores, StagedUpload, Upload, wait_for_aborts};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::path::Path as Key;
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::error::{Error, Result};
use crate::terminal::interrupt;

/// Threads that send the bytes of all files.
const THREADS: usize = 2;

/// Bytes of the first parts. Stores accept no smaller ones than 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// Bytes that the writer gathers, and how many such pieces wait to be sent.
const PIECE_BYTES: usize = 1 << 20;
const PIECES_AHEAD: usize = 1;

/// Bytes of a complete file that may stay in memory until it appears. More are sent as an upload of one part.
const HELD_MAX: usize = 64 << 10;

/// How long a canceled command waits for stores to delete the parts of unfinished files.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// A file being written. Dropping it before [`UploadFile::finish`] leaves nothing.
pub(crate) struct UploadFile {
    url: String,
    pieces: mpsc::Sender<UploadPiece>,
    /// Bytes not sent to the task yet.
    gathered: Vec<u8>,
    /// How the task ended.
    done: Receiver<Result<StagedUpload>>,
    /// Bytes that the task holds.
    held: Arc<AtomicUsize>,
}

enum UploadPiece {
    Bytes(Vec<u8>),
    End,
}

impl UploadFile {
    /// Creates a file at this URL. The store is not asked before there is a part to send.
    pub(crate) fn create(url: &str) -> Result<Self> {
        let (store, key) = object(url)?;
        if key.as_ref().is_empty() || url.ends_with('/') {
            return Err(Error::Usage(format!("{url}: not the URL of a file")));
        }
        let (pieces, received) = mpsc::channel(PIECES_AHEAD);
        let (send, done) = sync_channel(1);
        let held = Arc::new(AtomicUsize::new(0));
        let upload = Upload::new(store, key, PART_BYTES);
        drop(runtime()?.spawn(run(upload, received, Arc::clone(&held), send)));
        Ok(UploadFile { url: url.to_owned(), pieces, gathered: Vec::new(), done, held })
    }

    /// Returns the bytes held until they are sent.
    pub(crate) fn held(&self) -> usize {
        self.gathered.len() + self.held.load(Ordering::Relaxed)
    }

    /// Sends all bytes. The object still has to be made.
    pub(crate) fn finish(mut self) -> Result<Uploaded> {
        self.flush().map_err(|e| Error::Failed(format!("{}: {e}", self.url)))?;
        let url = self.url.clone();
        // A task that has failed tells so in `done`.
        let _ = block_on(self.pieces.send(UploadPiece::End));
        match self.done.recv() {
            Ok(Ok(staged)) => Ok(Uploaded { url, staged: Some(staged) }),
            Ok(Err(e)) => Err(e.with_context(&url)),
            Err(_) => Err(Error::Interrupted),
        }
    }
}

impl Write for UploadFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = mem::take(&mut self.gathered);
        // Not one of Tokio's channels: those must not be waited for on a thread of its runtimes.
        if block_on(self.pieces.send(UploadPiece::Bytes(piece))).is_ok() {
            return Ok(());
        }
        match self.done.try_recv() {
            Ok(Err(e)) => Err(io::Error::other(e.to_string())),
            _ => Err(io::Error::other("interrupted")),
        }
    }
}

impl Drop for UploadFile {
    fn drop(&mut self) {
        self.pieces.close_channel();
    }
}

/// Sends the pieces of a file, until its end, an error or an interrupt. Without an end the upload is aborted.
async fn run(
    mut upload: Upload,
    mut pieces: mpsc::Receiver<UploadPiece>,
    held: Arc<AtomicUsize>,
    done: SyncSender<Result<StagedUpload>>,
) {
    let interrupted = interrupt::requested();
    let send = async {
        while let Some(piece) = pieces.next().await {
            match piece {
                UploadPiece::Bytes(bytes) => upload.write(bytes.into()).await?,
                UploadPiece::End => return Ok(upload.stage(HELD_MAX).await?),
            }
            held.store(upload.held(), Ordering::Relaxed);
        }
        Err(Error::Interrupted)
    };
    let sent = tokio::select! {
        sent = send => sent,
        () = interrupted => Err(Error::Interrupted),
    };
    let _ = done.send(sent);
}

/// A file of which all bytes are sent. Dropping it before [`Uploaded::commit`] leaves nothing.
pub(crate) struct Uploaded {
    url: String,
    staged: Option<StagedUpload>,
}

impl Uploaded {
    /// Makes the object.
    pub(crate) fn commit(mut self) -> Result<()> {
        let Some(staged) = self.staged.take() else { return Ok(()) };
        wait(async move { Ok(staged.commit().await?) }).map_err(|e| e.with_context(&self.url))
    }
}

impl Drop for Uploaded {
    fn drop(&mut self) {
        // The abort needs a runtime that goes on.
        let _runtime = runtime().map(Runtime::enter);
        self.staged = None;
    }
}

/// Waits for the aborts of uploads, before the process ends.
pub(crate) fn clean_up() {
    wait_for_aborts(ABORT_TIMEOUT);
}

/// Returns whether no object is below this URL of a directory.
pub(crate) fn is_empty(url: &str) -> Result<bool> {
    let (store, key) = object(url)?;
    let listed = wait(async move {
        let found = store.list(Some(&key)).try_next().await;
        Ok(found.map_err(datafusion::error::DataFusionError::from)?.is_none())
    });
    listed.map_err(|e| e.with_context(url))
}

/// Whether the path is the URL of an object store.
pub(crate) fn is_url(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|path| path.split_once("://"));
    scheme.is_some_and(|(scheme, _)| !scheme.contains(std::path::is_separator)) && !path.exists()
}

/// Returns the URL of the file `name` below the URL of a directory.
pub(crate) fn below(directory: &Path, name: &str) -> PathBuf {
    PathBuf::from(format!("{}/{}", directory.to_string_lossy().trim_end_matches('/'), escaped(name)))
}

/// Returns a name, or a URL with one, in which no character has a meaning in URLs or globs. Other characters stay,
/// those beyond ASCII too, which `percent-encoding` would replace: messages show these URLs.
pub(crate) fn escaped(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut text, c| {
        match c {
            '%' | '?' | '#' | '*' | '[' | ']' | '{' | '}' => text.push_str(&format!("%{:02X}", u32::from(c))),
            c => text.push(c),
        }
        text
    })
}

/// Returns the store of a URL, and the name of the object in it.
fn object(text: &str) -> Result<(Arc<dyn ObjectStore>, Key)> {
    static STORES: OnceLock<ObjectStores> = OnceLock::new();
    let url = Url::parse(text).map_err(|e| Error::Usage(format!("{text}: not a valid URL: {e}")))?;
    if url.scheme().starts_with("http") {
        return Err(Error::Usage(format!("{text}: cannot write to a web server; use an object store, such as s3://")));
    }
    let stores = STORES.get_or_init(|| ObjectStores::new(Arc::new(DefaultObjectStoreRegistry::new())));
    let key = Key::from_url_path(url.path()).map_err(|e| Error::Usage(format!("{text}: not a valid name: {e}")))?;
    Ok((stores.get_store(&url)?, key))
}

/// Runs a future on the threads of uploads, and blocks until it is done.
fn wait<T: Send + 'static>(future: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (send, done) = sync_channel(1);
    drop(runtime()?.spawn(async move {
        let interrupted = interrupt::requested();
        let result = tokio::select! {
            result = future => result,
            () = interrupted => Err(Error::Interrupted),
        };
        let _ = send.send(result);
    }));
    done.recv().unwrap_or_else(|_| Err(Error::Failed("internal error: a thread stopped".to_owned())))
}

/// Returns the threads of uploads. They end with the process.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let started = Builder::new_multi_thread().worker_threads(THREADS).thread_name("upload").enable_all().build();
    let started = started.map_err(|e| Error::Failed(format!("cannot start threads: {e}")))?;
    Ok(RUNTIME.get_or_init(|| started))
}
