//! The directory of the copies: their names, atomic writes, and which copies are removed when the cache is full.
//!
//! A file has at most one copy, named by the hash of its URL; the copy itself says which version of the file it is of.
//! Processes need no locks: a copy gets its name when it is complete, and a reader keeps the file open that it found.

use avro_arrow::schema::Fingerprint;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Extension of copies, and of copies being written.
const EXTENSION: &str = "parquet";
const TEMPORARY: &str = "writing";
/// Age from which on a file that nobody writes to any more is taken for one of a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);
/// The time of the last use is recorded in steps of this length.
const USE_STEP: Duration = Duration::from_secs(60);

/// A directory of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    path: PathBuf,
    max_bytes: u64,
}

/// What tells two copies of one name apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

/// A copy in the directory.
#[derive(Debug)]
pub(super) struct CopyEntry {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

/// A copy being written. Dropping it before [`commit`](Self::commit) removes it.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: Directory,
    from: PathBuf,
    to: PathBuf,
    is_done: bool,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Stamp { bytes: metadata.len(), modified: metadata.modified().ok(), inode }
    }
}

impl Directory {
    pub(super) fn new(path: &str, max_bytes: u64) -> Directory {
        let path = crate::listing::location::expand_home(path).unwrap_or_else(|| path.to_owned());
        Directory { path: PathBuf::from(path), max_bytes }
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Returns the path of the copy of the file with this name, which is its path or URL.
    pub(super) fn copy_of(&self, name: &str) -> PathBuf {
        let hash = Fingerprint::Sha256(Fingerprint::sha256_of([name.as_bytes()])).to_string();
        self.path.join(format!("{}.{EXTENSION}", hash.get(..32).unwrap_or(&hash)))
    }

    /// Returns all copies.
    pub(super) fn entries(&self) -> io::Result<Vec<CopyEntry>> {
        let files = match fs::read_dir(&self.path) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(e),
        };
        let mut entries = vec![];
        for file in files {
            let path = file?.path();
            // Another process may have removed it.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if path.extension() == Some(OsStr::new(EXTENSION)) && is_hash(&path) && metadata.is_file() {
                let used = metadata.accessed().into_iter().chain(metadata.modified()).max();
                entries.push(CopyEntry { path, bytes: metadata.len(), used: used.unwrap_or(SystemTime::UNIX_EPOCH) });
            }
        }
        Ok(entries)
    }

    /// Creates the file for the copy of the file with this name.
    pub(super) fn create(&self, name: &str) -> io::Result<(File, Temporary)> {
        self.make()?;
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let to = self.copy_of(name);
        loop {
            let n = COUNT.fetch_add(1, Ordering::Relaxed);
            let from = to.with_extension(format!("{}-{n}.{TEMPORARY}", std::process::id()));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&from) {
                Ok(file) => {
                    return Ok((file, Temporary { directory: self.clone(), from, to, is_done: false }));
                }
                // Of a process of the same number that died.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Creates the directory, which only its user can read: copies hold data of files that may be secret.
    fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)
    }

    /// Removes copies until all fit, those first that were not used for the longest time; never the one at `new`.
    /// Also removes what processes left that died.
    fn evict(&self, new: &Path) -> io::Result<()> {
        self.sweep();
        let mut entries = self.entries()?;
        let mut bytes = entries.iter().map(|entry| entry.bytes).sum::<u64>();
        entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        for entry in entries {
            if bytes <= self.max_bytes {
                break;
            }
            // Another process may have removed it, or, on Windows, reads it.
            if entry.path != new && remove(&entry.path).is_ok() {
                bytes = bytes.saturating_sub(entry.bytes);
            }
        }
        Ok(())
    }

    fn sweep(&self) {
        for path in fs::read_dir(&self.path).into_iter().flatten().flatten().map(|file| file.path()) {
            let age = || fs::metadata(&path).ok()?.modified().ok()?.elapsed().ok();
            if path.extension() == Some(OsStr::new(TEMPORARY)) && age().is_some_and(|age| age > ABANDONED) {
                let _ = remove(&path);
            }
        }
    }
}

impl Temporary {
    /// Gives the copy its name, and removes others until all fit. Returns `false`, and makes no copy, if it is larger
    /// than the maximum size of the cache.
    pub(super) fn commit(mut self, file: File) -> io::Result<bool> {
        if file.metadata()?.len() > self.directory.max_bytes {
            return Ok(false);
        }
        // After a crash of the machine, the name must not lead to a file with a part of the bytes.
        file.sync_data()?;
        drop(file);
        fs::rename(&self.from, &self.to)?;
        self.is_done = true;
        self.directory.evict(&self.to)?;
        Ok(true)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = remove(&self.from);
        }
    }
}

/// Records that a copy is used. A directory that cannot be written to records nothing.
pub(super) fn touch(file: &File, metadata: &Metadata) {
    let now = SystemTime::now();
    let is_old = |then: SystemTime| now.duration_since(then).is_ok_and(|age| age > USE_STEP);
    if metadata.accessed().is_ok_and(is_old) {
        let _ = file.set_times(FileTimes::new().set_accessed(now));
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether this is the name of a copy, and not a Parquet file that somebody put into the directory.
fn is_hash(path: &Path) -> bool {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn write(directory: &Directory, name: &str, bytes: usize) -> bool {
        let (mut file, temporary) = directory.create(name).unwrap();
        file.write_all(&vec![1; bytes]).unwrap();
        temporary.commit(file).unwrap()
    }

    fn age(path: &Path, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_accessed(then).set_modified(then)).unwrap();
    }

    #[test]
    fn least_recently_used_copies_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path().join("new/dir").to_str().unwrap(), 250);
        assert!(!directory.exists() && directory.entries().unwrap().is_empty());
        for (name, seconds) in [("a", 300), ("b", 500)] {
            assert!(write(&directory, name, 100));
            age(&directory.copy_of(name), seconds);
        }
        let file = File::open(directory.copy_of("b")).unwrap();
        touch(&file, &file.metadata().unwrap());
        assert!(write(&directory, "c", 100));
        let has = |name| directory.copy_of(name).exists();
        assert!(!has("a") && has("b") && has("c"), "a was not used for the longest time");
        assert!(!write(&directory, "d", 251), "larger than the cache");
        assert!(has("b") && has("c") && !has("d"));
        assert!(write(&directory, "d", 250));
        assert!(!has("b") && !has("c") && has("d"));
        assert_eq!(directory.entries().unwrap().len(), 1);
    }

    #[test]
    fn unfinished_copies_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path().to_str().unwrap(), 1000);
        let n_files = || fs::read_dir(dir.path()).unwrap().count();
        drop(directory.create("a").unwrap());
        assert_eq!(n_files(), 0);
        // A process was killed, long ago and now.
        let (_, old) = directory.create("a").unwrap();
        let (_, new) = directory.create("a").unwrap();
        age(&old.from, ABANDONED.as_secs() + 60);
        std::mem::forget((old, new));
        fs::write(dir.path().join("mine.parquet"), "not a copy").unwrap();
        assert!(write(&directory, "b", 10));
        assert_eq!(n_files(), 3, "the new one, the copy, and what is not a copy");
        assert_eq!(directory.entries().unwrap().len(), 1);
    }
}
