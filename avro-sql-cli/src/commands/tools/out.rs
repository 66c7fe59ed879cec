//! Outputs of the tools: standard output for `-`, else a file or object that appears whole or not at all.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use avro_arrow::Compressor;
use avro_arrow::container::{frame, header_bytes};

use super::Compression;
use crate::error::{Error, Result, on_stdout};
use crate::files::output_file::OutputFile;

/// Bytes gathered before each write to standard output.
const BUFFER_BYTES: usize = 1 << 16;

/// An output of a tool.
pub(super) enum Out {
    Stdout(BufWriter<Stdout>),
    File(OutputFile, PathBuf),
}

impl Out {
    /// Returns standard output.
    pub(super) fn stdout() -> Out {
        Out::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))
    }

    /// Opens the output at this path.
    pub(super) fn create(path: &Path) -> Result<Out> {
        if path.as_os_str() == "-" {
            return Ok(Out::stdout());
        }
        Ok(Out::File(OutputFile::create(path)?, path.to_owned()))
    }

    /// Writes these bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Out::Stdout(stdout) => Ok(stdout.write_all(bytes).map_err(on_stdout)?),
            Out::File(file, path) => file.write_all(bytes).map_err(|e| Error::file(path, e)),
        }
    }

    /// Finishes the output.
    pub(super) fn commit(self) -> Result<()> {
        match self {
            Out::Stdout(mut stdout) => Ok(stdout.flush().map_err(on_stdout)?),
            Out::File(file, _) => file.commit(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Stdout(stdout) => stdout.write(bytes).map_err(on_stdout),
            Out::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Stdout(stdout) => stdout.flush().map_err(on_stdout),
            Out::File(file, _) => file.flush(),
        }
    }
}

/// The header of a container file to write.
pub(super) struct FileHead {
    pub(super) schema: String,
    pub(super) compression: Compression,
    pub(super) metadata: Vec<(String, Vec<u8>)>,
    pub(super) sync: [u8; 16],
}

impl FileHead {
    /// Starts the file. An invalid level of the codec is a usage error, before anything is written.
    pub(super) fn begin(&self, path: &Path) -> Result<Out> {
        self.compressor()?;
        let mut out = Out::create(path)?;
        out.put(&header_bytes(&self.schema, self.compression.codec, &self.metadata, &self.sync))?;
        Ok(out)
    }

    /// Returns a compressor for blocks.
    pub(super) fn compressor(&self) -> Result<Compressor> {
        let Compression { codec, level } = self.compression;
        Compressor::new(codec, level).map_err(|e| Error::Usage(format!("--level: {e}")))
    }

    /// Encodes a block of `rows` rows.
    pub(super) fn block(&self, rows: u64, data: &[u8], compressor: &mut Compressor) -> Result<Vec<u8>> {
        let mut stored = Vec::new();
        compressor.compress(data, &mut stored)?;
        let mut framed = Vec::with_capacity(stored.len() + 64);
        frame(rows, &stored, &self.sync, &mut framed);
        Ok(framed)
    }
}
