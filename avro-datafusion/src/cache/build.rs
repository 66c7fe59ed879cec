//! Makes copies: decodes the columns of a file once, in several tasks, and writes their row groups in order.

use super::copy::FileCopy;
use super::directory::Directory;
use super::footer::CopyAbout;
use super::parts::{BATCH_SIZE, FileJob, Part};
use super::types::is_exact;
use super::write::{CopyWriter, GroupEncoder, WriteError};
use crate::block_index::format::Identity;
use crate::error::file_error;
use crate::io::readahead::{Object, ReadaheadPolicy};
use crate::listing::listed::ListedFile;
use crate::listing::location::is_local;
use crate::projection::DecodeColumns;
use crate::schema::header_cache::{ColumnKey, FileHeader, HeaderCache};
use crate::schema::reader_schema::ReaderSchema;
use arrow_schema::{FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::Count;
use futures::StreamExt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Progress of copying, readable from other threads.
#[derive(Debug, Default)]
pub struct CacheProgress {
    pub(super) total_bytes: AtomicU64,
    bytes: Count,
    rows: Arc<AtomicU64>,
}

impl CacheProgress {
    /// Returns the total bytes of all files; 0 until they are listed.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes read, including files whose copy was up to date. May slightly exceed the total, as some bytes
    /// are read twice.
    pub fn bytes(&self) -> u64 {
        self.bytes.value() as u64
    }

    /// Returns the rows read.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// Makes copies of the files of a table.
pub(crate) struct CopyMaker {
    headers: Arc<HeaderCache>,
    reader: Arc<ReaderSchema>,
    /// All columns that the files may have.
    fields: Fields,
    pub(super) directory: Directory,
    /// Limits the number of working tasks.
    tasks: Arc<Semaphore>,
    n_tasks: usize,
    memory: Arc<MemoryReservation>,
    pub(super) progress: Arc<CacheProgress>,
}

/// What became of a file.
#[derive(Debug)]
pub(crate) struct Made {
    /// `None` if the file has no column that a copy can hold, or its copy is larger than the maximum size of the cache.
    pub(crate) copy: Option<Arc<FileCopy>>,
    /// Whether the copy was made by this call.
    pub(crate) built: bool,
    /// Requested columns that stay with Avro.
    pub(crate) left_out: Vec<String>,
}

/// Why making a copy failed.
#[derive(Debug)]
pub(crate) enum MakeError {
    /// The file cannot be read.
    File(DataFusionError),
    /// The copy cannot be written.
    Copy(String),
}

impl MakeError {
    pub(super) fn into_datafusion(self, directory: &str) -> DataFusionError {
        match self {
            MakeError::File(e) => e,
            MakeError::Copy(e) => exec_datafusion_err!("{directory}: cannot write the copy: {e}"),
        }
    }
}

/// The end of an attempt.
enum Attempt {
    Written(bool),
    /// The ranges of the file do not meet: it must be read as one.
    ReadWhole,
    /// A value of this column would change.
    Without(usize),
}

impl CopyMaker {
    pub(crate) fn new(
        headers: Arc<HeaderCache>,
        reader: Arc<ReaderSchema>,
        fields: Fields,
        directory: Directory,
        n_tasks: usize,
        memory: MemoryReservation,
    ) -> CopyMaker {
        let (tasks, progress) = (Arc::new(Semaphore::new(n_tasks.max(1))), Arc::default());
        CopyMaker { headers, reader, fields, directory, tasks, n_tasks, memory: Arc::new(memory), progress }
    }

    /// Returns the copy of a file with at least these columns of the table, as far as a copy can hold them. It is made
    /// unless there is one, or if `rebuild`. Columns of an existing copy are kept.
    pub(crate) async fn make(&self, file: &ListedFile, columns: &[FieldRef], rebuild: bool) -> Result<Made, MakeError> {
        let name = file.name();
        let header = self.headers.get(file.store.as_ref(), &file.object, &name).await.map_err(MakeError::File)?.0;
        let identity = Identity::new(&file.object, header.header.sync, header.schema.avro());
        let key = |field: &FieldRef| self.reader.column_key(&header.schema, field, self.headers.options());
        let existing = FileCopy::find(&self.directory, &name, &identity);
        let (mut keys, mut fields, mut left_out) = (vec![], vec![], vec![]);
        for field in columns {
            match key(field) {
                Some(key) if is_exact(key.field.data_type()) => {
                    fields.push(Arc::clone(field));
                    keys.push(key);
                }
                _ => left_out.push(field.name().clone()),
            }
        }
        let has_all = |copy: &Arc<FileCopy>| keys.iter().all(|key| copy.has(key));
        if let Some(copy) = existing.as_ref().filter(|copy| !rebuild && has_all(copy)) {
            self.progress.bytes.add(usize::try_from(file.object.size).unwrap_or(usize::MAX));
            return Ok(Made { copy: Some(Arc::clone(copy)), built: false, left_out });
        }
        for field in &self.fields {
            if let Some(copy) = &existing
                && copy.fields().find(field.name()).is_some()
                && let Some(key) = key(field).filter(|key| copy.has(key))
                && !keys.contains(&key)
            {
                fields.push(Arc::clone(field));
                keys.push(key);
            }
        }
        let (mut is_whole, mut written) = (false, false);
        while !keys.is_empty() {
            match self.attempt(file, &name, &header, &identity, &fields, &keys, is_whole).await? {
                Attempt::Written(is_written) => {
                    written = is_written;
                    break;
                }
                Attempt::ReadWhole => is_whole = true,
                Attempt::Without(column) => {
                    left_out.push(fields.remove(column).name().clone());
                    keys.remove(column);
                }
            }
        }
        let copy = if written { FileCopy::find(&self.directory, &name, &identity) } else { None };
        Ok(Made { copy, built: written, left_out })
    }

    /// Writes the copy of a file with these columns.
    #[allow(clippy::too_many_arguments)]
    async fn attempt(
        &self,
        file: &ListedFile,
        name: &str,
        header: &Arc<FileHeader>,
        identity: &Identity,
        fields: &[FieldRef],
        keys: &[Arc<ColumnKey>],
        is_whole: bool,
    ) -> Result<Attempt, MakeError> {
        let columns = DecodeColumns {
            paths: fields.iter().map(|field| field.name().clone()).collect(),
            schema: Arc::new(Schema::new(fields.to_vec())),
        };
        let options = self.headers.options();
        let programs = self.reader.programs(&header.schema, &columns, None, BATCH_SIZE, options);
        let (program, _) = programs.map_err(|e| MakeError::File(file_error(e, name)))?;
        // The columns come in the order of the program.
        let order = program.arrow_schema().fields().iter().map(|field| keys.iter().position(|key| key.field == *field));
        let Some(order) = order.collect::<Option<Vec<_>>>().filter(|order| order.len() == keys.len()) else {
            return Err(MakeError::Copy("internal error: columns change when they are read together".to_owned()));
        };
        let schema: SchemaRef = Arc::new(Schema::new(program.arrow_schema().fields().clone()));
        let about = CopyAbout {
            file: name.to_owned(),
            identity: identity.clone(),
            columns: order.iter().filter_map(|i| keys.get(*i)).map(|key| (key.hash.clone(), key.is_own)).collect(),
            starts: vec![],
        };
        let failed = |e: WriteError| match e {
            WriteError::Inexact(column) => match order.get(column) {
                Some(column) => Ok(Attempt::Without(*column)),
                None => Err(MakeError::Copy("internal error: a column that is not there".to_owned())),
            },
            WriteError::Failed(e) => Err(MakeError::Copy(e)),
        };
        let job = Arc::new(FileJob {
            object: Object {
                store: Arc::clone(&file.store),
                version: Arc::clone(&header.version),
                name: name.to_owned(),
                memory: Arc::clone(&self.memory),
            },
            location: file.object.location.clone(),
            file_len: file.object.size,
            header: Arc::clone(header),
            program,
            readahead: ReadaheadPolicy::new(is_local(&file.store_url), None, self.n_tasks),
            bytes: self.progress.bytes.clone(),
            rows: Arc::clone(&self.progress.rows),
        });
        let (new, temporary) = self.directory.create(name).map_err(|e| MakeError::Copy(e.to_string()))?;
        let (mut writer, columns) = match CopyWriter::new(new, temporary, &schema) {
            Ok(begun) => begun,
            Err(e) => return failed(e),
        };
        let encoder = move || GroupEncoder::new(Arc::clone(&columns));
        let mut parts = pin!(Arc::clone(&job).parts(is_whole, Arc::clone(&self.tasks), self.n_tasks, encoder));
        while let Some(part) = parts.next().await {
            let groups = match part.map_err(MakeError::File)? {
                Part::Rows(Ok(groups)) => groups,
                Part::Rows(Err(e)) => return failed(e),
                Part::ReadWhole => return Ok(Attempt::ReadWhole),
            };
            if let Err(e) = groups.into_iter().try_for_each(|group| writer.append(group)) {
                return failed(e);
            }
        }
        job.check_unchanged(identity, "copied").await.map_err(MakeError::File)?;
        match writer.finish(about, header.header.len) {
            Ok(is_written) => Ok(Attempt::Written(is_written)),
            Err(e) => failed(e),
        }
    }
}
