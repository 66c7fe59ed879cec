//! Files being written: batches in; files, which appear together once all rows are there, out.
//!
//! With columns to partition by there is a file in each directory `key=value`, and more where there are very many: what is open and
//! what is held in memory are bounded. Rows for which no file can be open are gathered, so that the files they make are few.

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
use crate::files::atomic_file::{OutFile, Written};
use crate::output::{Format, Output, Writing};

/// Files that are open at a time.
const OPEN_MAX: usize = 128;

/// Bytes that all open files hold in memory, where there are several.
const HELD_MAX: usize = 96 << 20;

/// Bytes of rows that are gathered while their files cannot be open.
const GATHERED_MAX: usize = 64 << 20;

/// Where rows go.
pub(super) enum Sink {
    /// To one file.
    One(File),
    /// To directories, by their values.
    Many(Box<Directories>),
}

impl Sink {
    /// One file of these columns.
    pub(super) fn file(path: &Path, schema: &SchemaRef, format: Format, writing: &Writing) -> Result<Self> {
        Ok(Sink::One(File::create(path, schema, format, writing)?))
    }

    /// Files in directories below this one, which is empty or not there.
    pub(super) fn directories(
        root: &Path,
        by: &[String],
        schema: &SchemaRef,
        format: Format,
        writing: &Writing,
    ) -> Result<Self> {
        let by: Vec<_> = by.iter().map(|name| spelled(schema, name)).collect::<Result<_>>()?;
        let partitioning = Partitioning::new(schema, &by, false)?;
        if fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Failed(format!(
                "{}: is not empty; files of another time would stand among those written",
                root.display()
            )));
        }
        // Many files are written at a time already.
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

    /// Ends the files, which then only want their names.
    pub(super) fn finish(self) -> Result<Vec<Written>> {
        match self {
            Sink::One(file) => Ok(vec![file.finish()?]),
            Sink::Many(directories) => directories.finish(),
        }
    }
}

/// The name of the column that is meant: in other letters too, where there is no doubt.
fn spelled(schema: &SchemaRef, name: &str) -> Result<String> {
    let alike = schema.fields().iter().filter(|field| field.name().eq_ignore_ascii_case(name));
    let alike: Vec<_> = alike.map(|field| field.name().as_str()).collect();
    match alike.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Ok(name.to_owned()),
        several if several.contains(&name) => Ok(name.to_owned()),
        several => Err(Error::Failed(format!(
            "there is no column `{name}` to partition by, but `{}`: they differ in capitals only",
            several.join("` and `")
        ))),
    }
}

/// A file being written.
pub(super) struct File {
    output: Box<dyn Output>,
    file: Shared,
    name: String,
    /// The round in which it was written to last.
    used: u64,
}

impl File {
    fn create(path: &Path, schema: &SchemaRef, format: Format, writing: &Writing) -> Result<Self> {
        let file = Shared(Arc::new(Mutex::new(Some(OutFile::create(path)?))));
        let mut output = format.to_file(Box::new(file.clone()), writing);
        let name = path.display().to_string();
        output.begin(schema).map_err(|e| e.within(&name))?;
        Ok(File { output, file, name, used: 0 })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.output.batch(batch).map_err(|e| e.within(&self.name))
    }

    fn finish(mut self) -> Result<Written> {
        self.output.end().map_err(|e| e.within(&self.name))?;
        match self.file.lock().take() {
            Some(file) => file.finish(),
            None => Err(Error::Failed(format!("internal error: {} is ended already", self.name))),
        }
    }
}

/// A file that its format writes to and that is taken back at the end.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<OutFile>>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<OutFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.lock() {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("the file is ended")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().as_mut().map_or(Ok(()), OutFile::flush)
    }
}

/// The values that a directory is named after.
type Key = Vec<Option<String>>;

/// Files by the values that their directories are named after.
pub(super) struct Directories {
    root: PathBuf,
    partitioning: Partitioning,
    schema: SchemaRef,
    format: Format,
    writing: Writing,
    open: HashMap<Key, File>,
    /// Rows whose files are not open, and about how many bytes they keep.
    gathered: BTreeMap<Key, Vec<RecordBatch>>,
    gathered_bytes: usize,
    /// Files that are whole.
    written: Vec<Written>,
    n_files: u64,
    /// How often what was gathered has been written.
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
            // They may keep all of its buffers.
            self.gathered_bytes += batch.get_array_memory_size();
        }
        if self.gathered_bytes > GATHERED_MAX {
            self.write_gathered()?;
        }
        self.make_room()
    }

    /// Writes rows to the file that is open for them, or is opened now.
    fn write_open(&mut self, key: Key, rows: &RecordBatch) -> Result<()> {
        let file = match self.open.entry(key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let directory = self.root.join(self.partitioning.directory(place.key()).as_ref());
                fs::create_dir_all(&directory).map_err(|e| Error::file(&directory, e))?;
                let name = format!("part-{:05}.{}", self.n_files, self.format.ending());
                self.n_files += 1;
                place.insert(File::create(&directory.join(name), &self.schema, self.format, &self.writing)?)
            }
        };
        file.used = self.round;
        file.write(rows)
    }

    /// Writes what is gathered, each to a file that ends with it, but for as many as may stay open. Those that nothing was
    /// written to since the last time make room.
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

    /// Ends files that hold much, where all together hold too much.
    fn make_room(&mut self) -> Result<()> {
        let mut held: usize = self.open.values().map(|file| file.output.held()).sum();
        while self.open.len() > 1 && held > HELD_MAX {
            let largest = self.open.iter().max_by_key(|(_, file)| file.output.held());
            let Some(file) = largest.map(|(key, _)| key.clone()).and_then(|key| self.open.remove(&key)) else { break };
            held -= file.output.held();
            self.written.push(file.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Written>> {
        self.write_gathered()?;
        for (_, file) in self.open {
            self.written.push(file.finish()?);
        }
        Ok(self.written)
    }
}
