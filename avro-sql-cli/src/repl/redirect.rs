//! Where `\o` and `\once` send results: a local file, or an object of a store.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::atomic_file::AtomicFile;
use crate::files::output_file::OutputFile;
use crate::files::upload::is_url;

/// A file that results go to. It appears when the user is done with it.
pub(super) enum Redirect {
    Local(AtomicFile),
    /// Bytes that have been sent cannot be taken back, so the object is sent when it is complete.
    Stored {
        url: PathBuf,
        gathered: File,
    },
}

impl Redirect {
    /// Starts a file at this path or URL.
    pub(super) fn create(path: &Path) -> Result<Redirect> {
        if !is_url(path) {
            return Ok(Redirect::Local(AtomicFile::create(path)?));
        }
        // A wrong URL is an error now, not at the end.
        drop(OutputFile::create(path)?);
        let gathered = tempfile::tempfile().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
        Ok(Redirect::Stored { url: path.to_owned(), gathered })
    }

    /// Returns the current position, to go back to.
    pub(super) fn place(&mut self) -> Result<u64> {
        match self {
            Redirect::Local(file) => file.place(),
            Redirect::Stored { url, gathered } => gathered.stream_position().map_err(|e| Error::file(url, e)),
        }
    }

    /// Removes everything after a position.
    pub(super) fn back_to(&mut self, place: u64) -> Result<()> {
        match self {
            Redirect::Local(file) => file.back_to(place),
            Redirect::Stored { url, gathered } => {
                let back = gathered.seek(SeekFrom::Start(place)).and_then(|_| gathered.set_len(place));
                back.map_err(|e| Error::file(url, e))
            }
        }
    }

    /// Finishes the file and makes it appear.
    pub(super) fn commit(self) -> Result<()> {
        match self {
            Redirect::Local(file) => file.commit(),
            Redirect::Stored { url, mut gathered } => {
                let mut object = OutputFile::create(&url)?;
                gathered
                    .rewind()
                    .and_then(|()| io::copy(&mut gathered, &mut object))
                    .map_err(|e| Error::file(&url, e))?;
                object.commit()
            }
        }
    }
}

impl Write for Redirect {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Redirect::Local(file) => file.write(bytes),
            Redirect::Stored { gathered, .. } => gathered.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Redirect::Local(file) => file.flush(),
            Redirect::Stored { gathered, .. } => gathered.flush(),
        }
    }
}
