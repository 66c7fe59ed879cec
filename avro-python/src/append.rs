//! Appending: rows of any object with `__arrow_c_stream__` become further blocks of a local file, all of them or none.
//!
//! Blocks are appended to a copy of the file, which then replaces it, so nobody ever sees a part of them, and a process
//! that is killed leaves the file as it was. A lock on the file keeps appends in line.

use crate::engine::{Engine, failed};
use crate::error::raise;
use crate::ffi::capsule::stream_of;
use crate::ffi::import::StreamReader;
use avro_arrow::{Limits, WriterBuilder};
use avro_datafusion::AvroWriteOptions;
use avro_sql_cli::embed::{Class, SqlFailure};
use datafusion::error::DataFusionError;
use pyo3::prelude::*;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::Builder;

/// How often a lock that another process holds is tried.
const TICK: Duration = Duration::from_millis(20);

/// Appends rows to a file that exists, with its schema and codec. Returns the number of rows.
#[pyfunction]
#[pyo3(signature = (rows, path, options))]
pub(crate) fn append(
    py: Python<'_>,
    rows: &Bound<'_, PyAny>,
    path: PathBuf,
    options: Vec<(String, String)>,
) -> PyResult<u64> {
    let engine = Engine::get(py)?;
    let mut writing = AvroWriteOptions::default();
    for (name, value) in &options {
        match writing.set(name, value, &[], &Limits::default()).map_err(|e| raise(py, e))? {
            true => {}
            false => return Err(raise(py, SqlFailure::request(format!("unknown write option `{name}`")))),
        }
    }
    let reader = stream_of(rows)?;
    let canceled = CancelOnDrop(Arc::default());
    engine.run(py, async move {
        // Dropped with this future, if nobody waits for it any more.
        let canceled = canceled;
        let appending = Appending { path, options: writing, canceled: Arc::clone(&canceled.0) };
        // The other library may wait for the GIL, so it gets a thread that may block.
        let appended = tokio::task::spawn_blocking(move || appending.run(reader)).await;
        appended.unwrap_or_else(|e| Err(failed(Class::Internal, format!("internal error: {e}"))))
    })
}

/// Tells the thread that writes when nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Appending {
    path: PathBuf,
    options: AvroWriteOptions,
    canceled: Arc<AtomicBool>,
}

impl Appending {
    fn run(&self, reader: StreamReader) -> Result<u64, SqlFailure> {
        // A symbolic link is kept: its target is replaced.
        let path = fs::canonicalize(&self.path).map_err(|e| self.failed(e))?;
        let mut existing = self.lock(&path)?;
        let fail = |e: io::Error| self.failed(e);
        let directory = path.parent().unwrap_or(Path::new("."));
        let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
        let mut copy = Builder::new().prefix(&prefix).suffix(".tmp").tempfile_in(directory).map_err(fail)?;
        // Without copying bytes where the file system can share them.
        io::copy(&mut existing, copy.as_file_mut()).map_err(fail)?;
        copy.as_file().set_permissions(existing.metadata().map_err(fail)?.permissions()).map_err(fail)?;
        let n_rows = self.write(reader, copy.as_file_mut())?;
        self.check()?;
        // A power cut must not cost the rows that were there before.
        copy.as_file().sync_all().map_err(fail)?;
        copy.persist(&path).map_err(|e| fail(e.error))?;
        Ok(n_rows)
    }

    fn write(&self, reader: StreamReader, file: &mut File) -> Result<u64, SqlFailure> {
        let named = |e: avro_arrow::Error| SqlFailure::from(e.in_file(self.path.to_string_lossy()));
        let AvroWriteOptions { codec, level, block_bytes, .. } = self.options;
        let mut builder =
            WriterBuilder::new(Arc::clone(reader.schema())).with_codec(codec).with_block_bytes(block_bytes);
        if let Some(level) = level {
            builder = builder.with_level(level);
        }
        let mut writer = builder.build_append(file).map_err(named)?;
        let mut n_rows = 0;
        for batch in reader {
            self.check()?;
            let batch = batch.map_err(|e| DataFusionError::Execution(format!("rows to write: {e}")))?;
            writer.write(&batch).map_err(named)?;
            n_rows += batch.num_rows() as u64;
        }
        writer.finish().map_err(named)?;
        Ok(n_rows)
    }

    /// Opens the file, and waits for others that append to it.
    fn lock(&self, path: &Path) -> Result<File, SqlFailure> {
        loop {
            self.check()?;
            let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| self.failed(e))?;
            match file.try_lock() {
                // Another append may have replaced the file meanwhile.
                Ok(()) if is_still(&file, path).map_err(|e| self.failed(e))? => return Ok(file),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => thread::sleep(TICK),
                // A file system without locks has no other writers.
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(self.failed(e)),
            }
        }
    }

    fn check(&self) -> Result<(), SqlFailure> {
        match self.canceled.load(Ordering::Relaxed) {
            true => Err(SqlFailure::request("interrupted")),
            false => Ok(()),
        }
    }

    fn failed(&self, e: io::Error) -> SqlFailure {
        DataFusionError::IoError(io::Error::new(e.kind(), format!("{}: {e}", self.path.display()))).into()
    }
}

/// Whether this is the file that has the path.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, theirs) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
}

/// Whether this is the file that has the path, as far as its size and time tell.
#[cfg(not(unix))]
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, theirs) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.len(), ours.modified()?) == (theirs.len(), theirs.modified()?))
}
