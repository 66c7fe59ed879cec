//! Columns of files, so that a later query does not decode rows: columnar copies on disk, and decoded columns in
//! memory.
//!
//! A copy is a Parquet file with the same rows.
//! [`AvroTable::build_copies`](crate::AvroTable::build_copies) makes the copies of a table's files; with the option
//! `cache` = `auto`, a scan makes those of the files that it reads whole. A scan reads a file's copy if the copy is of
//! the file's current version and has all columns that the scan decodes, with the values that the scan would decode;
//! else it reads the file. `docs/cache.md` describes the directory.
//!
//! ```text
//! file → build, decodes in parts → write, row groups → directory, by name
//! directory → copy, checked against the file → lookup, for the planner → scan::copy_rows
//! ```
//!
//! [`ColumnCache`] keeps decoded columns in memory: of files that an earlier statement read as a whole, or, with the
//! option `cache` = `memory`, of all files that are read as a whole.
//!
//! ```text
//! file or copy → load, decodes in groups of rows → columns → column_cache, by name
//! column_cache → for the planner → scan::column_rows
//! ```

mod types;
mod directory;
mod footer;
mod copy;
mod keys;
mod parts;
mod groups;
mod write;
mod build;
mod lookup;
mod columns;
mod column_cache;
mod load;

use crate::block_index::FileIndex;
use crate::listing::listed::ListedFile;
use crate::options::read::AvroOptions;
use arrow_schema::FieldRef;
use copy::FileCopy;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_datafusion_err};
use directory::Directory;
use futures::{StreamExt, TryStreamExt, stream};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

pub use build::CacheProgress;
pub(crate) use build::CopyMaker;
pub use column_cache::ColumnCache;
pub(crate) use columns::{CachedColumn, FileColumns};
pub(crate) use copy::{CopyColumns, OpenCopy};
pub(crate) use load::{ColumnLoader, ScanColumns};
pub(crate) use lookup::{AutoCopies, PlannedCopy, ScanCopies, copies};

/// What [`AvroTable::build_copies`](crate::AvroTable::build_copies) makes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CacheOptions {
    /// Columns to copy, by name. Default: all that a copy can hold.
    pub columns: Option<Vec<String>>,
    /// Whether copies that are up to date are made again.
    pub rebuild: bool,
    /// Receives progress, for reporting while the copies are made.
    pub progress: Option<Arc<CacheProgress>>,
}

impl CacheOptions {
    setters! {
        with_columns(columns: impl Into<Option<Vec<String>>>),
        with_rebuild(rebuild: bool),
        with_progress(progress: Arc<CacheProgress>),
    }
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCached {
    /// Path or URL of the file.
    pub file: String,
    /// Its copy; `None` if a copy can hold none of the columns, or is larger than the limit of the directory.
    pub copy: Option<CachedCopy>,
    /// Requested columns that the copy lacks: the file has none of this name, or Parquet cannot hold its values.
    pub left_out: Vec<String>,
    /// Whether the copy was made by this call, rather than found up to date.
    pub built: bool,
}

/// A copy in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedCopy {
    /// Path or URL of the file that was copied.
    pub file: String,
    /// Path of the copy.
    pub path: String,
    /// Rows of the file.
    pub rows: u64,
    /// Bytes of the copy.
    pub bytes: u64,
    /// The columns of the copy.
    pub columns: Vec<String>,
    /// When the copy was last read or written, to the minute.
    pub used: SystemTime,
}

impl CachedCopy {
    fn new(copy: &FileCopy, used: SystemTime) -> CachedCopy {
        CachedCopy {
            file: copy.about.file.clone(),
            path: copy.path().display().to_string(),
            rows: copy.n_rows(),
            bytes: copy.bytes(),
            columns: copy.fields().iter().map(|field| field.name().clone()).collect(),
            used,
        }
    }
}

/// Returns the copies in a directory, the most recently used first. Copies that other versions of this crate made are
/// left out.
///
/// # Errors
/// If the directory cannot be read. A missing directory has no copies.
pub fn list_copies(directory: &str) -> Result<Vec<CachedCopy>> {
    let mut entries = entries(directory)?;
    entries.sort_by(|a, b| (b.used, &a.path).cmp(&(a.used, &b.path)));
    let copies = entries.into_iter().filter_map(|entry| {
        let copy = FileCopy::load(&entry.path, &File::open(&entry.path).ok()?)?;
        Some(CachedCopy::new(&copy, entry.used))
    });
    Ok(copies.collect())
}

/// Removes all copies from a directory, and returns how many and their bytes.
///
/// # Errors
/// If the directory cannot be read, or a copy cannot be removed.
pub fn clear_copies(directory: &str) -> Result<(u64, u64)> {
    let (mut copies, mut bytes) = (0, 0);
    for entry in entries(directory)? {
        directory::remove(&entry.path).map_err(|e| exec_datafusion_err!("{}: {e}", entry.path.display()))?;
        copies += 1;
        bytes += entry.bytes;
    }
    Ok((copies, bytes))
}

fn entries(directory: &str) -> Result<Vec<directory::CopyEntry>> {
    Directory::new(directory, 0).entries().map_err(|e| exec_datafusion_err!("{directory}: {e}"))
}

/// Returns the directory of these options.
pub(crate) fn directory_of(options: &AvroOptions) -> Result<Directory> {
    lookup::directory(options).ok_or_else(|| {
        plan_datafusion_err!(
            "there is no cache: option `cache_path` names no directory, or `cache` or `damage` turns it off"
        )
    })
}

/// Makes the copies of these files with these columns, several at a time.
pub(crate) async fn build_files(
    mut maker: CopyMaker,
    files: Vec<ListedFile>,
    columns: &[FieldRef],
    options: &AvroOptions,
    cache: &CacheOptions,
    n_tasks: usize,
) -> Result<Vec<FileCached>> {
    if let Some(progress) = &cache.progress {
        maker.progress = Arc::clone(progress);
        progress.total_bytes.fetch_add(files.iter().map(|file| file.object.size).sum(), Ordering::Relaxed);
    }
    let (maker, path) = (&maker, options.cache_path.as_deref().unwrap_or_default());
    let made = stream::iter(files).map(|file| async move {
        let made = maker.make(&file, columns, cache.rebuild).await.map_err(|e| e.into_datafusion(path))?;
        let copy = made.copy.map(|copy| CachedCopy::new(&copy, SystemTime::now()));
        Ok::<_, DataFusionError>(FileCached { file: file.name(), copy, left_out: made.left_out, built: made.built })
    });
    made.buffered(n_tasks.max(1)).try_collect().await
}

/// Removes the copies of these files, and returns how many there were.
pub(crate) fn remove_copies(directory: &Directory, files: &[ListedFile]) -> Result<u64> {
    let mut n = 0;
    for file in files {
        let path = directory.copy_of(&file.name());
        n += u64::from(path.exists());
        directory::remove(&path).map_err(|e| exec_datafusion_err!("{}: {e}", path.display()))?;
    }
    Ok(n)
}

/// Returns the row groups of a copy as an index of its file, for the planner.
pub(crate) fn index_of(copy: &PlannedCopy) -> Arc<FileIndex> {
    Arc::clone(copy.copy.index())
}
