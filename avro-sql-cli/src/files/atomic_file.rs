//! An output file that appears whole or not at all: bytes go to a temporary file beside it, which takes its name at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::error::{Error, Result};
use crate::files::inputs;

/// Bytes gathered before each write.
const BUFFER_BYTES: usize = 1 << 16;

/// A file being written. Dropped before [`OutFile::commit`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct OutFile {
    writer: BufWriter<File>,
    /// The name it will have.
    path: PathBuf,
    /// The name it has until then; `None` where there is nothing to rename, such as `/dev/null`, a pipe or standard output.
    temporary: Option<PathBuf>,
}

impl OutFile {
    /// Starts writing what will be the file at `path`; `-` is standard output.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if is_stdout(path) {
            let path = PathBuf::from("standard output");
            let file = stdout().map_err(|e| Error::file(&path, e))?;
            return Ok(OutFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), path, temporary: None });
        }
        inputs::writable(path)?;
        // A link keeps pointing to where it points: its target is what is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let existing = fs::metadata(&path).ok();
        let fail = |e: io::Error| Error::file(&path, e);
        if existing.as_ref().is_some_and(|m| m.is_dir()) {
            return Err(Error::Failed(format!("{}: is a directory", path.display())));
        }
        if existing.as_ref().is_some_and(|m| !m.is_file()) {
            let file = OpenOptions::new().write(true).open(&path).map_err(fail)?;
            return Ok(OutFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), path, temporary: None });
        }
        let temporary = temporary_name(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(fail)?;
        if let Some(existing) = existing {
            // Who may read the file is not for us to change; where that cannot be kept, the usual permissions will do.
            let _ = file.set_permissions(existing.permissions());
        }
        Ok(OutFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), path, temporary: Some(temporary) })
    }

    /// The place that is written to now, to go back to.
    pub(crate) fn place(&mut self) -> Result<u64> {
        let path = &self.path;
        self.writer.flush().and_then(|()| self.writer.stream_position()).or_else(|e| match self.temporary {
            Some(_) => Err(Error::file(path, e)),
            None => Ok(0), // a pipe has no places
        })
    }

    /// Takes back what was written behind a place. What went into a pipe is gone.
    pub(crate) fn back_to(&mut self, place: u64) -> Result<()> {
        if self.temporary.is_none() {
            return Ok(());
        }
        let path = &self.path;
        let back = self.writer.seek(SeekFrom::Start(place)).and_then(|_| self.writer.get_ref().set_len(place));
        back.map_err(|e| Error::file(path, e))
    }

    /// Everything is written: the file takes its name.
    pub(crate) fn commit(self) -> Result<()> {
        self.finish()?.commit()
    }

    /// Everything is written, and the file closed; it is still to take its name.
    pub(crate) fn finish(mut self) -> Result<Written> {
        self.writer.flush().map_err(|e| Error::file(&self.path, e))?;
        Ok(Written { path: std::mem::take(&mut self.path), temporary: self.temporary.take() })
    }
}

/// A file that is whole. Dropped before [`Written::commit`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Written {
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl Written {
    /// A file that somebody else writes: the hidden name for them to write to, and what takes its name then.
    pub(crate) fn aside(path: &Path) -> Result<(PathBuf, Written)> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let temporary = temporary_name(&path)?;
        Ok((temporary.clone(), Written { path, temporary: Some(temporary) }))
    }

    /// The file takes its name.
    pub(crate) fn commit(mut self) -> Result<()> {
        // Who writes it may have had nothing to write.
        if let Some(temporary) = self.temporary.as_ref().filter(|temporary| temporary.exists()) {
            if let Ok(existing) = fs::metadata(&self.path) {
                let _ = fs::set_permissions(temporary, existing.permissions());
            }
            fs::rename(temporary, &self.path).map_err(|e| Error::file(&self.path, e))?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Is this a name of standard output? Behind `/dev/stdout` may be a file, which whoever opened it has written to and will: another one under
/// its name would never be seen by them.
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

/// A hidden name beside `path` that nobody else uses.
fn temporary_name(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::Failed(format!("{}: not a file name", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", process::id()));
    Ok(path.with_file_name(hidden))
}

impl Write for OutFile {
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

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        let names = || fs::read_dir(dir.path()).unwrap().count();

        let mut given_up = OutFile::create(&path).unwrap();
        given_up.write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(names(), 0);

        for text in ["first", "second"] {
            let mut file = OutFile::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.commit().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(), 1);
        }
        let mut file = OutFile::create(&path).unwrap();
        file.write_all(b"kept").unwrap();
        let place = file.place().unwrap();
        file.write_all(b" and taken back").unwrap();
        file.back_to(place).unwrap();
        file.write_all(b"!").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept!");
        assert!(OutFile::create(dir.path()).is_err());
        assert!(OutFile::create(&dir.path().join("no/such/out.csv")).is_err());
    }
}
