//! File objects of Python, read by a thread of their own: queries send it requests and wait for the answers, as only
//! such a thread may wait for the GIL.

use bytes::Bytes;
use pyo3::exceptions::{PyEOFError, PyOSError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the end of Python looks for running reads.
const END_TICK: Duration = Duration::from_millis(5);

/// A file object that can seek.
pub(crate) struct FileObject {
    object: Py<PyAny>,
    /// Held from each seek to the end of its read, as several scans may have the object.
    lock: Arc<Mutex<()>>,
    /// The position in the object at which the file begins.
    start: u64,
    /// The bytes after it.
    pub(crate) size: u64,
}

impl FileObject {
    /// Returns the file of an object, from a position on.
    pub(crate) fn new(object: Py<PyAny>, start: u64, size: u64) -> FileObject {
        let lock = lock_of(&object);
        FileObject { object, lock, start, size }
    }

    /// Reads a range that is within the file, and goes back to its start, where the next scan of the object begins.
    fn read(&self, py: Python<'_>, range: Range<u64>) -> PyResult<Bytes> {
        let bytes = self.read_part(py, range);
        let back = self.object.bind(py).call_method1("seek", (self.start,));
        bytes.and_then(|bytes| back.map(|_| bytes))
    }

    fn read_part(&self, py: Python<'_>, range: Range<u64>) -> PyResult<Bytes> {
        let object = self.object.bind(py);
        let len = usize::try_from(range.end - range.start)?;
        object.call_method1("seek", (self.start + range.start,))?;
        let mut bytes = vec![];
        while bytes.len() < len {
            let rest = len - bytes.len();
            let part: PyBackedBytes = object.call_method1("read", (rest,))?.extract()?;
            match part.len() {
                0 => return Err(PyEOFError::new_err(format!("the file ended {rest} bytes early"))),
                n if n > rest => return Err(PyOSError::new_err(format!("read({rest}) returned {n} bytes"))),
                n if n == len => return Ok(Bytes::from_owner(part)),
                _ => bytes.extend_from_slice(&part),
            }
        }
        Ok(bytes.into())
    }
}

/// The process and the address of a file object, and its lock.
type ObjectLock = (u32, usize, Weak<Mutex<()>>);

/// The locks of the file objects of all scans.
static LOCKS: Mutex<Vec<ObjectLock>> = Mutex::new(vec![]);

/// Returns the lock of an object.
fn lock_of(object: &Py<PyAny>) -> Arc<Mutex<()>> {
    let (process, address) = (std::process::id(), object.as_ptr() as usize);
    let mut locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    // A live lock belongs to a live object, whose address no other object has.
    locks.retain(|(_, _, lock)| lock.strong_count() > 0);
    let known = locks.iter().find(|(p, a, _)| (*p, *a) == (process, address)).and_then(|(_, _, lock)| lock.upgrade());
    known.unwrap_or_else(|| {
        let lock = Arc::default();
        locks.push((process, address, Arc::downgrade(&lock)));
        lock
    })
}

/// A thread that reads file objects. It ends when this is dropped.
pub(crate) struct ObjectReader(Sender<ReadRequest>);

/// A range of an object that a query waits for.
struct ReadRequest {
    number: usize,
    range: Range<u64>,
    answer: oneshot::Sender<Result<Bytes, String>>,
}

impl ObjectReader {
    /// Starts the thread, unless there is nothing to read.
    pub(crate) fn start(objects: Vec<FileObject>) -> io::Result<ObjectReader> {
        let (requests, waiting) = channel();
        if !objects.is_empty() {
            let process = std::process::id();
            if PROCESS.swap(process, Ordering::SeqCst) != process {
                CALLS.store(0, Ordering::SeqCst);
            }
            thread::Builder::new().name("avro-sql-files".to_owned()).spawn(move || serve(objects, waiting))?;
        }
        Ok(ObjectReader(requests))
    }

    /// Reads a range of the object of this number.
    pub(crate) async fn read(&self, number: usize, range: Range<u64>) -> Result<Bytes, String> {
        let (answer, answered) = oneshot::channel();
        // Without the thread, the answer is dropped with the request.
        let _ = self.0.send(ReadRequest { number, range, answer });
        answered.await.unwrap_or_else(|_| Err("the thread that reads it has ended".to_owned()))
    }
}

/// Answers requests until there can be no more.
fn serve(objects: Vec<FileObject>, requests: Receiver<ReadRequest>) {
    for ReadRequest { number, range, answer } in requests {
        let Some(object) = objects.get(number) else { continue };
        // Nobody waits for the bytes of a canceled query.
        if answer.is_closed() {
            continue;
        }
        // Without the GIL, as a thread that holds the lock may wait for it.
        let _held = object.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let read = in_python(|py| object.read(py, range).map_err(|e| e.to_string()));
        let _ = answer.send(read.unwrap_or_else(|| Err("Python is shutting down".to_owned())));
    }
    let mut objects = Some(objects);
    in_python(|_| drop(objects.take()));
    // Python frees them when it ends.
    mem::forget(objects);
}

/// The process whose calls are counted: a forked one has none of the threads.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// Calls of Python that these threads are in.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// Whether Python is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Calls Python on a thread of this module; `None` if Python is about to end, which ends threads that it finds inside.
fn in_python<T>(call: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    CALLS.fetch_add(1, Ordering::SeqCst);
    let called = if ENDING.load(Ordering::SeqCst) { None } else { Python::try_attach(call) };
    CALLS.fetch_sub(1, Ordering::SeqCst);
    called
}

/// Waits for the calls of Python that are running, and allows no further ones. Python runs it before it ends.
#[pyfunction]
fn end_reads(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    while PROCESS.load(Ordering::SeqCst) == std::process::id() && CALLS.load(Ordering::SeqCst) > 0 {
        py.detach(|| thread::sleep(END_TICK));
    }
}

/// Asks Python to run [`end_reads`].
pub(crate) fn at_exit(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let end = wrap_pyfunction!(end_reads, module)?;
    module.py().import("atexit")?.call_method1("register", (end,)).map(|_| ())
}
