//! Output files of a conversion: all appear together once every row is written.
//!
//! Partitioned output has a file in each directory `key=value`, and more if there are very many directories: open files
//! and memory are bounded. Rows whose file is not open are gathered, so that they make few files.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use avro_datafusion::Partitioning;

use crate::error::{Error, Result};
use crate::files::output_file::{Finished, OutputFile};
use crate::files::upload;
use crate::output::{Format, Output, Writing};

/// Maximum number of open files.
const OPEN_MAX: usize = 128;

/// Bytes that all open files may hold in memory, if there are several.
const HELD_MAX: usize = 96 << 20;

/// Bytes of rows gathered while their files are not open.
const GATHERED_MAX: usize = 64 << 20;

/// The output of a job.
pub(super) enum Sink {
    /// One file.
    One(SinkFile),
    /// A file for each partition.
    Many(Box<Directories>),
}

impl Sink {
    /// Opens one file with these columns.
    pub(super) fn file(path: &Path, schema: &SchemaRef, format: Format, writing: &Writing) -> Result<Self> {
        Ok(Sink::One(SinkFile::create(path, schema, format, writing)?))
    }

    /// Opens a partitioned directory, which must be empty or missing.
    pub(super) fn directories(
        root: &Path,
        by: &[String],
        schema: &SchemaRef,
        format: Format,
        writing: &Writing,
    ) -> Result<Self> {
        let by: Vec<_> = by.iter().map(|name| spelled(schema, name)).collect::<Result<_>>()?;
        let partitioning = Partitioning::new(schema, &by, false)?;
        let is_used = match root.to_str().filter(|_| upload::is_url(root)) {
            Some(url) => !upload::is_empty(url)?,
            None => fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()),
        };
        if is_used {
            return Err(Error::Failed(format!("{}: output directory is not empty", root.display())));
        }
        // Many files are written concurrently already.
        let mut writing = Writing { threads: 1, ..writing.clone() };
        writing.avro.metadata.extend(partitioning.recorded(schema));
        Ok(Sink::Many(Box::new(Directories {
            root: root.to_owned(),
            schema: partitioning.file_schema(schema)?,
            partitioning,
            format,
            writing,
            open: HashMap::new(),
            gathered: BTreeMap::new(),
            gathered_bytes: 0,
            written: Vec::new(),
            n_files: 0,
            round: 0,
        })))
    }

    /// Writes the next rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Sink::One(file) => file.write(batch),
            Sink::Many(directories) => directories.write(batch),
        }
    }

    /// Finishes the files; they still have to be renamed.
    pub(super) fn finish(self) -> Result<Vec<Finished>> {
        match self {
            Sink::One(file) => Ok(vec![file.finish()?]),
            Sink::Many(directories) => directories.finish(),
        }
    }
}

/// Returns the column that a name means: the exact one, or the only one that differs in case.
fn spelled(schema: &SchemaRef, name: &str) -> Result<String> {
    let alike = schema.fields().iter().filter(|field| field.name().eq_ignore_ascii_case(name));
    let alike: Vec<_> = alike.map(|field| field.name().as_str()).collect();
    match alike.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Ok(name.to_owned()),
        several if several.contains(&name) => Ok(name.to_owned()),
        several => Err(Error::Failed(format!(
            "no column `{name}` to partition by, but `{}`, which differ only in case",
            several.join("` and `")
        ))),
    }
}

/// A file being written.
pub(super) struct SinkFile {
    output: Box<dyn Output>,
    file: SharedFile,
    name: String,
    /// The round of its last write.
    used: u64,
}

impl SinkFile {
    fn create(path: &Path, schema: &SchemaRef, format: Format, writing: &Writing) -> Result<Self> {
        let file = SharedFile(Arc::new(Mutex::new(Some(OutputFile::create(path)?))));
        let mut output = format.to_file(Box::new(file.clone()), writing);
        let name = path.display().to_string();
        output.begin(schema).map_err(|e| e.with_context(&name))?;
        Ok(SinkFile { output, file, name, used: 0 })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.output.batch(batch).map_err(|e| e.with_context(&self.name))
    }

    /// Returns the bytes in memory that are not written or sent yet.
    fn held(&self) -> usize {
        self.output.held() + self.file.lock().as_ref().map_or(0, OutputFile::held)
    }

    fn finish(mut self) -> Result<Finished> {
        self.output.end().map_err(|e| e.with_context(&self.name))?;
        match self.file.lock().take() {
            Some(file) => file.finish(),
            None => Err(Error::Failed(format!("internal error: {} was already finished", self.name))),
        }
    }
}

/// A file that a format writes to and that is taken back at the end.
#[derive(Clone)]
struct SharedFile(Arc<Mutex<Option<OutputFile>>>);

impl SharedFile {
    fn lock(&self) -> MutexGuard<'_, Option<OutputFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.lock() {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("the file was already finished")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().as_mut().map_or(Ok(()), OutputFile::flush)
    }
}

/// The partition values of a directory.
type Key = Vec<Option<String>>;

/// The files of partitions, by their values.
pub(super) struct Directories {
    root: PathBuf,
    partitioning: Partitioning,
    schema: SchemaRef,
    format: Format,
    writing: Writing,
    open: HashMap<Key, SinkFile>,
    /// Rows whose files are not open, and the approximate bytes they keep.
    gathered: BTreeMap<Key, Vec<RecordBatch>>,
    gathered_bytes: usize,
    /// Complete files.
    written: Vec<Finished>,
    n_files: u64,
    /// Number of flushes of gathered rows.
    round: u64,
}

impl Directories {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut is_gathered = false;
        for (key, rows) in self.partitioning.split(batch)? {
            if self.open.contains_key(&key) || self.open.len() < OPEN_MAX {
                self.write_open(key, &rows)?;
            } else {
                self.gathered.entry(key).or_default().push(rows);
                is_gathered = true;
            }
        }
        if is_gathered {
            // A slice may keep all buffers of its batch.
            self.gathered_bytes += batch.get_array_memory_size();
        }
        if self.gathered_bytes > GATHERED_MAX {
            self.write_gathered()?;
        }
        self.make_room()
    }

    /// Writes rows to their file, opening it if needed.
    fn write_open(&mut self, key: Key, rows: &RecordBatch) -> Result<()> {
        let file = match self.open.entry(key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let directory = self.partitioning.directory(place.key());
                let name = format!("part-{:05}.{}", self.n_files, self.format.extension());
                self.n_files += 1;
                let path = if upload::is_url(&self.root) {
                    upload::below(&self.root, &format!("{directory}/{name}"))
                } else {
                    let directory = self.root.join(directory.as_ref());
                    fs::create_dir_all(&directory).map_err(|e| Error::file(&directory, e))?;
                    directory.join(name)
                };
                place.insert(SinkFile::create(&path, &self.schema, self.format, &self.writing)?)
            }
        };
        file.used = self.round;
        file.write(rows)
    }

    /// Flushes the gathered rows: files beyond the limit of open files are written and finished at once.
    /// Files without a write since the last flush are finished to make room.
    fn write_gathered(&mut self) -> Result<()> {
        let round = self.round;
        for (_, file) in self.open.extract_if(|_, file| file.used < round) {
            self.written.push(file.finish()?);
        }
        self.round += 1;
        self.gathered_bytes = 0;
        for (key, batches) in std::mem::take(&mut self.gathered) {
            let rows = concat_batches(&self.schema, &batches)?;
            let may_stay = self.open.len() < OPEN_MAX;
            self.write_open(key.clone(), &rows)?;
            if !may_stay && let Some(file) = self.open.remove(&key) {
                self.written.push(file.finish()?);
            }
        }
        Ok(())
    }

    /// Finishes files that hold much memory if all together hold too much.
    fn make_room(&mut self) -> Result<()> {
        let mut held: usize = self.open.values().map(SinkFile::held).sum();
        while self.open.len() > 1 && held > HELD_MAX {
            let largest = self.open.iter().max_by_key(|(_, file)| file.held());
            let Some(file) = largest.map(|(key, _)| key.clone()).and_then(|key| self.open.remove(&key)) else { break };
            held = held.saturating_sub(file.held());
            self.written.push(file.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Finished>> {
        self.write_gathered()?;
        for (_, file) in self.open {
            self.written.push(file.finish()?);
        }
        Ok(self.written)
    }
}
