//! Finds the copies of a scan's files, and makes those that are missing if the scan may.

use super::build::{CopyMaker, Made, MakeError};
use super::copy::{CopyColumns, FileCopy};
use super::directory::Directory;
use super::keys::keyed_columns;
use crate::block_index::format::Identity;
use crate::listing::listed::ListedFile;
use crate::listing::location::file_name;
use crate::options::read::{AvroOptions, CacheUse};
use crate::projection::DecodeColumns;
use crate::schema::header_cache::{FileHeader, HeaderCache};
use crate::schema::reader_schema::ReaderSchema;
use arrow_schema::{FieldRef, Schema};
use avro_arrow::OnCorruptBlock;
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Files looked at concurrently.
const CONCURRENCY: usize = 32;
/// Files that `EXPLAIN` names.
const NAMES_MAX: usize = 10;

/// The copy that the planner found for a file.
pub(crate) struct PlannedCopy {
    pub(crate) copy: Arc<FileCopy>,
    header: Arc<FileHeader>,
}

impl std::fmt::Debug for PlannedCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PlannedCopy").field(&self.copy.path()).finish()
    }
}

impl PlannedCopy {
    /// Returns where these decoded columns, which a program reads as `program`, are in the copy; `None` if it lacks
    /// some.
    pub(crate) fn columns(
        &self,
        reader: &ReaderSchema,
        options: &AvroOptions,
        decoded: &DecodeColumns,
        program: &Schema,
    ) -> Option<CopyColumns> {
        let columns = keyed_columns(&self.header.schema, reader, options, decoded, program)?;
        self.copy.columns(columns.iter().map(|(field, key)| (field, key.as_ref())))
    }

    /// Returns whether the copy has these decoded columns.
    pub(crate) fn covers(&self, reader: &ReaderSchema, options: &AvroOptions, decoded: &DecodeColumns) -> bool {
        // The programs of the scan itself have another batch size.
        let programs = reader.programs(&self.header.schema, decoded, None, 1, options);
        programs.is_ok_and(|(program, _)| self.columns(reader, options, decoded, program.arrow_schema()).is_some())
    }
}

/// Returns the directory of the copies; `None` if these options do not use copies. Skipping damage requires reading
/// every block.
pub(super) fn directory(options: &AvroOptions) -> Option<Directory> {
    let is_used = options.cache != CacheUse::Ignore && options.on_corrupt_block == OnCorruptBlock::Error;
    let path = options.cache_path.as_ref().filter(|_| is_used)?;
    Some(Directory::new(path, options.cache_bytes))
}

/// Returns the copy of each file that has one of its current version.
pub(crate) async fn copies(
    headers: &HeaderCache,
    store: &Arc<dyn ObjectStore>,
    store_url: &ObjectStoreUrl,
    files: &[PartitionedFile],
) -> Vec<Option<Arc<PlannedCopy>>> {
    let none = || vec![None; files.len()];
    let Some(directory) = directory(headers.options()).filter(Directory::exists) else { return none() };
    let names: Arc<[String]> = files.iter().map(|file| file_name(store_url, &file.object_meta.location)).collect();
    // Only a file with a copy needs its header now.
    let (found, of) = (Arc::clone(&names), directory.clone());
    let is_there =
        SpawnedTask::spawn_blocking(move || found.iter().map(|name| of.copy_of(name).exists()).collect::<Vec<bool>>());
    let is_there: Vec<bool> = is_there.join_unwind().await.unwrap_or_default();
    let one = |i: usize| {
        let (directory, file, name) = (directory.clone(), files.get(i), names.get(i).cloned());
        let is_there = is_there.get(i) == Some(&true);
        async move {
            let (object, name) = (&file.filter(|_| is_there)?.object_meta, name?);
            // Errors of the file itself are reported by its scan.
            let (header, _) = headers.get(store.as_ref(), object, &name).await.ok()?;
            let identity = Identity::new(object, header.header.sync, header.schema.avro());
            let find = move || FileCopy::find(&directory, &name, &identity);
            let copy = SpawnedTask::spawn_blocking(find).join_unwind().await.ok()??;
            // The copy knows the rows of a remote file, too.
            let _ = header.rows.set(Some(copy.n_rows()));
            Some(Arc::new(PlannedCopy { copy, header }))
        }
    };
    stream::iter(0..files.len()).map(one).buffered(CONCURRENCY).collect().await
}

/// The copies of a scan's files.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanCopies {
    /// Number of files of the scan.
    n_files: usize,
    /// Names of files with copies, and these.
    planned: Arc<[(String, Arc<PlannedCopy>)]>,
    /// Makes the missing copies, if the scan may.
    pub(crate) auto: Option<Arc<AutoCopies>>,
}

impl ScanCopies {
    pub(crate) fn new(
        store_url: &ObjectStoreUrl,
        files: &[PartitionedFile],
        copies: &[Option<Arc<PlannedCopy>>],
        auto: Option<AutoCopies>,
    ) -> ScanCopies {
        let named = files.iter().zip(copies).filter_map(|(file, copy)| {
            Some((file_name(store_url, &file.object_meta.location), Arc::clone(copy.as_ref()?)))
        });
        ScanCopies { n_files: files.len(), planned: named.collect(), auto: auto.map(Arc::new) }
    }

    /// Describes which files are read from their copies, for `EXPLAIN`; `None` if none is.
    pub(crate) fn describe(
        &self,
        reader: &ReaderSchema,
        options: &AvroOptions,
        decoded: &[&DecodeColumns],
    ) -> Option<String> {
        let covers = |copy: &PlannedCopy| decoded.iter().all(|decoded| copy.covers(reader, options, decoded));
        let used = self.planned.iter().filter(|(_, copy)| covers(copy)).map(|(name, _)| name.as_str()).collect();
        describe_files(used, self.n_files).or_else(|| self.auto.is_some().then(|| "auto".to_owned()))
    }
}

/// Names these files of a scan for `EXPLAIN`; `None` without files.
pub(super) fn describe_files(used: Vec<&str>, n_files: usize) -> Option<String> {
    Some(match (used.len(), n_files) {
        (0, _) => return None,
        (1, 1) => "the file".to_owned(),
        (n, all) if n == all => format!("all {n} files"),
        (n, all) => {
            let names = used.into_iter().take(NAMES_MAX).collect::<Vec<_>>().join(", ");
            let more = if n > NAMES_MAX { ", .." } else { "" };
            format!("{n} of {all} files [{names}{more}]")
        }
    })
}

/// What a scan makes once for each of its files; `None` if it cannot be made.
pub(super) struct OncePerFile<T>(Mutex<HashMap<Path, Arc<OnceCell<Option<T>>>>>);

impl<T> Default for OncePerFile<T> {
    fn default() -> Self {
        OncePerFile(Mutex::default())
    }
}

impl<T: Clone> OncePerFile<T> {
    /// Returns what belongs to a file. The first caller makes it, others wait.
    pub(super) async fn get<F>(&self, file: &Path, make: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = Option<T>>,
    {
        let cell = {
            let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(files.entry(file.clone()).or_default())
        };
        cell.get_or_init(make).await.clone()
    }
}

/// Makes the copies of files that a scan reads whole, each once.
pub(crate) struct AutoCopies {
    maker: CopyMaker,
    files: OncePerFile<Arc<FileCopy>>,
}

impl AutoCopies {
    pub(crate) fn new(maker: CopyMaker) -> AutoCopies {
        AutoCopies { maker, files: OncePerFile::default() }
    }

    /// Returns the copy of a file with these columns. The first caller makes it, others wait. If it cannot be written,
    /// a warning says why, and the file itself is read.
    pub(crate) async fn copy(
        &self,
        file: ListedFile,
        header: &Arc<FileHeader>,
        columns: &[FieldRef],
        options: &AvroOptions,
    ) -> Option<Arc<PlannedCopy>> {
        let make = || async {
            match self.maker.make(&file, columns, false).await {
                Ok(Made { copy, .. }) => copy,
                Err(MakeError::Copy(e)) => {
                    options.warn(&format!("{}: no copy in the cache: {e}", file.name()));
                    None
                }
                // The scan reports it, if it reads that far.
                Err(MakeError::File(_)) => None,
            }
        };
        let copy = self.files.get(&file.object.location, make).await?;
        Some(Arc::new(PlannedCopy { copy, header: Arc::clone(header) }))
    }
}

impl std::fmt::Debug for AutoCopies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AutoCopies")
    }
}
