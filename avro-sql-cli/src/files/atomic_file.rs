//! Output files that appear whole or not at all: bytes go to a temporary file beside the final one, which is renamed at
//! the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir, TempPath};

use crate::error::{Error, Result};
use crate::files::inputs;

/// Bytes gathered before each write.
const BUFFER_BYTES: usize = 1 << 16;

/// A file being written. Dropping it before [`AtomicFile::commit`] removes it.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    writer: BufWriter<File>,
    /// Its final name.
    path: PathBuf,
    /// Its temporary name; `None` if there is nothing to rename, such as for `/dev/null`, a pipe or standard output.
    temporary: Option<TempPath>,
}

impl AtomicFile {
    /// Creates a file that will be at `path`; `-` is standard output.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if is_stdout(path) {
            let path = PathBuf::from("standard output");
            let file = stdout().map_err(|e| Error::file(&path, e))?;
            return Ok(AtomicFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), path, temporary: None });
        }
        inputs::writable(path)?;
        // A symbolic link is kept: its target is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let existing = fs::metadata(&path).ok();
        let fail = |e: io::Error| Error::file(&path, e);
        if existing.as_ref().is_some_and(|m| m.is_dir()) {
            return Err(Error::Failed(format!("{}: is a directory", path.display())));
        }
        if existing.as_ref().is_some_and(|m| !m.is_file()) {
            let file = OpenOptions::new().write(true).open(&path).map_err(fail)?;
            return Ok(AtomicFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), path, temporary: None });
        }
        let (file, temporary) =
            in_directory_of(&path, |builder, directory| readable_by_umask(builder).tempfile_in(directory))?
                .into_parts();
        if let Some(existing) = existing {
            // Keep the file's permissions if possible; else the default ones apply.
            let _ = file.set_permissions(existing.permissions());
        }
        Ok(AtomicFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), path, temporary: Some(temporary) })
    }

    /// Returns the current position, to go back to.
    pub(crate) fn place(&mut self) -> Result<u64> {
        let path = &self.path;
        self.writer.flush().and_then(|()| self.writer.stream_position()).or_else(|e| match self.temporary {
            Some(_) => Err(Error::file(path, e)),
            None => Ok(0), // a pipe has no positions
        })
    }

    /// Removes everything after a position. Bytes written to a pipe stay.
    pub(crate) fn back_to(&mut self, place: u64) -> Result<()> {
        if self.temporary.is_none() {
            return Ok(());
        }
        let path = &self.path;
        let back = self.writer.seek(SeekFrom::Start(place)).and_then(|_| self.writer.get_ref().set_len(place));
        back.map_err(|e| Error::file(path, e))
    }

    /// Finishes the file and renames it.
    pub(crate) fn commit(self) -> Result<()> {
        self.finish()?.commit()
    }

    /// Finishes and closes the file, which still has to be renamed.
    pub(crate) fn finish(mut self) -> Result<Written> {
        self.writer.flush().map_err(|e| Error::file(&self.path, e))?;
        Ok(Written { path: self.path, temporary: self.temporary.map_or(Temporary::None, Temporary::File) })
    }
}

/// A complete file. Dropping it before [`Written::commit`] removes it.
#[derive(Debug)]
pub(crate) struct Written {
    path: PathBuf,
    temporary: Temporary,
}

/// Where a complete file is until it gets its name.
#[derive(Debug)]
enum Temporary {
    /// It has its name already.
    None,
    File(TempPath),
    /// Another writer makes the file, under its own name in this directory.
    Directory(TempDir),
}

impl Written {
    /// Returns a temporary name for another writer, and the file that is renamed afterwards.
    pub(crate) fn staged(path: &Path) -> Result<(PathBuf, Written)> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = in_directory_of(&path, |builder, directory| {
            // The other writer would create it too.
            fs::create_dir_all(directory)?;
            builder.tempdir_in(directory)
        })?;
        let name = path.file_name().unwrap_or_default();
        Ok((directory.path().join(name), Written { path, temporary: Temporary::Directory(directory) }))
    }

    /// Renames the file.
    pub(crate) fn commit(self) -> Result<()> {
        let path = &self.path;
        match self.temporary {
            Temporary::None => Ok(()),
            Temporary::File(temporary) => temporary.persist(path).map_err(|e| Error::file(path, e.error)),
            Temporary::Directory(directory) => {
                let file = directory.path().join(path.file_name().unwrap_or_default());
                // The other writer may have written nothing.
                if !file.exists() {
                    return Ok(());
                }
                if let Ok(existing) = fs::metadata(path) {
                    let _ = fs::set_permissions(&file, existing.permissions());
                }
                fs::rename(file, path).map_err(|e| Error::file(path, e))
            }
        }
    }
}

/// Whether a path names standard output. `/dev/stdout` may be a regular file that others have open and write to:
/// they would never see a new file under its name.
fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

/// Makes a temporary file or directory with an unused hidden name beside `path`, where renaming it is possible.
fn in_directory_of<T>(path: &Path, make: impl Fn(&mut Builder<'_, '_>, &Path) -> io::Result<T>) -> Result<T> {
    let name = path.file_name().ok_or_else(|| Error::Failed(format!("{}: not a file name", path.display())))?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(Builder::new().prefix(&prefix).suffix(".tmp"), directory).map_err(|e| Error::file(path, e))
}

/// Gives the file the permissions of any new file; those of temporary files are for their owner alone.
#[cfg(unix)]
fn readable_by_umask<'a, 'p, 's>(builder: &'a mut Builder<'p, 's>) -> &'a mut Builder<'p, 's> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn readable_by_umask<'a, 'p, 's>(builder: &'a mut Builder<'p, 's>) -> &'a mut Builder<'p, 's> {
    builder
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dropped_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        let names = || fs::read_dir(dir.path()).unwrap().count();

        let mut given_up = AtomicFile::create(&path).unwrap();
        given_up.write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(names(), 0);

        for text in ["first", "second"] {
            let mut file = AtomicFile::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.commit().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(), 1);
        }
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"kept").unwrap();
        let place = file.place().unwrap();
        file.write_all(b" and taken back").unwrap();
        file.back_to(place).unwrap();
        file.write_all(b"!").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept!");
        assert!(AtomicFile::create(dir.path()).is_err());
        assert!(AtomicFile::create(&dir.path().join("no/such/out.csv")).is_err());
    }
}
