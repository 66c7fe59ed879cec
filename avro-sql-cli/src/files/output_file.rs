//! Outputs of commands: a local file or an object of a store. Both appear whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use crate::error::Result;
use crate::files::atomic_file::{AtomicFile, Written};
use crate::files::upload::{self, UploadFile, Uploaded};

/// An output being written. Dropping it before it is committed leaves nothing.
pub(crate) enum OutputFile {
    Local(AtomicFile),
    Stored(Box<UploadFile>),
}

/// A complete output that still has to appear. Dropping it leaves nothing.
pub(crate) enum Finished {
    Local(Written),
    Stored(Uploaded),
}

impl OutputFile {
    /// Creates an output that will be at this path or URL; `-` is standard output.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        match path.to_str() {
            Some(url) if upload::is_url(path) => Ok(OutputFile::Stored(Box::new(UploadFile::create(url)?))),
            _ => Ok(OutputFile::Local(AtomicFile::create(path)?)),
        }
    }

    /// Returns the bytes of memory that it holds, if they may be many.
    pub(crate) fn held(&self) -> usize {
        match self {
            OutputFile::Local(_) => 0,
            OutputFile::Stored(file) => file.held(),
        }
    }

    /// Finishes the output and makes it appear.
    pub(crate) fn commit(self) -> Result<()> {
        self.finish()?.commit()
    }

    /// Finishes the output, which still has to appear.
    pub(crate) fn finish(self) -> Result<Finished> {
        Ok(match self {
            OutputFile::Local(file) => Finished::Local(file.finish()?),
            OutputFile::Stored(file) => Finished::Stored(file.finish()?),
        })
    }
}

impl Finished {
    /// Makes the output appear.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Finished::Local(file) => file.commit(),
            Finished::Stored(file) => file.commit(),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            OutputFile::Local(file) => file.write(bytes),
            OutputFile::Stored(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            OutputFile::Local(file) => file.flush(),
            // Parts of a store have a minimum size.
            OutputFile::Stored(_) => Ok(()),
        }
    }
}
