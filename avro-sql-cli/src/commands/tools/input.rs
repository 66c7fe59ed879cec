//! Inputs of the tools: finds the files of paths, globs, URLs and `-`, and opens their headers and blocks.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use avro_arrow::container::{Framer, Header, RawBlock};
use avro_arrow::idl::Document;
use avro_arrow::schema::{MergedSchema, Schema};
use avro_arrow::{DamagedBlock, Limits, OnCorruptBlock};
use avro_datafusion::{AvroOptions, PartitionColumns, StoredFile};
use tokio::runtime::Handle;

use super::Context;
use crate::commands::schema;
use crate::error::{Error, Result, print_note};
use crate::files::inputs::{self, InputFile};
use crate::options::Resources;
use crate::progress::Counter;
use crate::session::Session;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// Bytes of the first request where requests are slow: few, since often only the beginning is needed.
const REQUEST_BYTES_FIRST: u64 = 64 << 10;
const REQUEST_BYTES_MAX: u64 = 8 << 20;

/// Bytes of a piece of standard input, and how many pieces are read ahead.
const PIECE_BYTES: usize = 1 << 16;
const PIECES_AHEAD: usize = 4;

/// How often a wait for standard input checks for cancellation.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// State shared by a tool and the thread that waits for it.
#[derive(Debug, Default)]
pub(super) struct ToolJob {
    /// Whether the job was canceled.
    pub(super) canceled: AtomicBool,
    /// The bytes read.
    pub(super) read: Arc<Counter>,
}

/// A file to read.
pub(super) struct Input {
    place: InputLocation,
    job: Arc<ToolJob>,
}

#[derive(Clone)]
enum InputLocation {
    Stdin,
    Local(InputFile),
    Stored(StoredFile, Handle),
}

/// Finds the files of these paths.
pub(super) async fn find(
    paths: &[PathBuf],
    reading: &AvroOptions,
    resources: &Resources,
    job: &Arc<ToolJob>,
) -> Result<Vec<Input>> {
    let mut places = Vec::new();
    let mut session = None;
    for path in paths {
        if path.as_os_str() == "-" {
            places.push(InputLocation::Stdin);
        } else if inputs::local(path).is_ok() {
            let files = inputs::expand(std::slice::from_ref(path), &reading.file_extension)?;
            places.extend(files.into_iter().map(InputLocation::Local));
        } else {
            let text = path.to_str().ok_or_else(|| Error::Usage(format!("{}: not a valid URL", path.display())))?;
            if session.is_none() {
                session = Some(Session::open(resources, reading, &[]).await?);
            }
            if let Some(session) = &session {
                let files = session.files(text, reading).await?;
                places.extend(files.into_iter().map(|file| InputLocation::Stored(file, Handle::current())));
            }
        }
    }
    let inputs: Vec<Input> = places.into_iter().map(|place| Input { place, job: Arc::clone(job) }).collect();
    // Useless if one size is unknown.
    let total = inputs.iter().map(Input::size).sum::<Option<u64>>().unwrap_or(0);
    job.read.total_bytes.store(total, Ordering::Relaxed);
    Ok(inputs)
}

impl Input {
    /// Returns its name for messages.
    pub(super) fn name(&self) -> String {
        match &self.place {
            InputLocation::Stdin => "standard input".to_owned(),
            InputLocation::Local(file) => file.path.display().to_string(),
            InputLocation::Stored(file, _) => file.name(),
        }
    }

    /// Returns its size in bytes, if known.
    fn size(&self) -> Option<u64> {
        match &self.place {
            InputLocation::Stdin => None,
            InputLocation::Local(file) => {
                file.path.metadata().ok().filter(|found| found.is_file()).map(|found| found.len())
            }
            InputLocation::Stored(file, _) => Some(file.size()),
        }
    }

    /// Whether it is standard input, which can be read only once.
    pub(super) fn is_stdin(&self) -> bool {
        matches!(self.place, InputLocation::Stdin)
    }

    /// Returns the path of a local file.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.place {
            InputLocation::Local(file) => Some(&file.path),
            _ => None,
        }
    }

    /// Returns its path below the given directory, the file name last. Empty for a named file.
    fn below(&self) -> Vec<&str> {
        match &self.place {
            InputLocation::Stdin => vec![],
            InputLocation::Local(file) => file.below(),
            InputLocation::Stored(file, _) => file.below(),
        }
    }

    /// Returns an error of this file.
    pub(super) fn failed(&self, e: avro_arrow::Error) -> Error {
        match e.kind() {
            // Errors of stored files contain the name already.
            avro_arrow::ErrorKind::Io(io) if io.kind() == io::ErrorKind::Other => Error::Failed(io.to_string()),
            _ => Error::from(e.in_file(self.name())),
        }
    }

    /// Opens it at the start.
    pub(super) fn open(&self) -> Result<InputStream> {
        let from = match &self.place {
            InputLocation::Stdin => From::Stdin(StdinReader::start()?),
            InputLocation::Local(file) => {
                let file = schema::open(&file.path)?;
                let seeks = file.metadata().is_ok_and(|metadata| metadata.is_file());
                From::File { file, seeks }
            }
            InputLocation::Stored(file, handle) => From::Stored(Box::new(Stored {
                file: file.clone(),
                handle: handle.clone(),
                at: 0,
                piece: Vec::new(),
                used: 0,
                request: REQUEST_BYTES_FIRST,
            })),
        };
        Ok(InputStream { pushed: Vec::new(), used: 0, from, job: Arc::clone(&self.job) })
    }

    /// Reads the schema of a data file or schema file.
    pub(super) fn schema(&self, reading: &AvroOptions) -> Result<Schema> {
        schema::schema_in(self.open()?, &self.name(), self.path(), reading)
    }

    /// Reads the types and the protocol of an Avro IDL file, a protocol, or another file with a schema.
    pub(super) fn document(&self, reading: &AvroOptions) -> Result<Document> {
        schema::document_in(self.open()?, &self.name(), self.path(), reading)
    }

    /// Opens it and parses its header.
    pub(super) fn open_avro(&self, limits: &Limits) -> Result<(Header, InputStream)> {
        let mut source = self.open()?;
        let (header, beyond) = Header::read(&mut source, limits).map_err(|e| self.failed(e))?;
        source.pushed = beyond;
        Ok((header, source))
    }

    /// Opens it and returns its header and blocks.
    pub(super) fn blocks(&self, limits: &Limits, damage: OnCorruptBlock) -> Result<(Header, Blocks<'_>)> {
        let (header, source) = self.open_avro(limits)?;
        let framer = Framer::new(&header, limits).with_on_corrupt_block(damage);
        Ok((header, Blocks { input: self, source, framer, ended: false }))
    }
}

/// Returns the readable files: with damage skipped, a file of several without a valid header is left out with a
/// warning. With `texts`, schema files are readable too.
pub(super) fn readable(inputs: Vec<Input>, texts: bool, context: &Context) -> Result<Vec<Input>> {
    if context.reading.on_corrupt_block != OnCorruptBlock::Skip || inputs.len() < 2 {
        return Ok(inputs);
    }
    let mut readable = Vec::with_capacity(inputs.len());
    let mut errors = Vec::new();
    for input in inputs {
        context.check()?;
        // Standard input is read only once.
        let read = match (input.is_stdin(), texts) {
            (true, _) => Ok(()),
            (false, true) => input.schema(&context.reading).map(drop),
            (false, false) => input.open_avro(context.limits()).map(drop),
        };
        match read {
            Ok(()) => readable.push(input),
            Err(e) => errors.push(e),
        }
    }
    if readable.is_empty() && !errors.is_empty() {
        return Err(errors.swap_remove(0));
    }
    errors.iter().for_each(|e| print_note(&format!("avro-sql: warning: skipped a file: {e}")));
    Ok(readable)
}

/// Returns the columns of these files, including those of their directories.
pub(super) fn partition_columns(schema: &SchemaRef, inputs: &[Input], context: &Context) -> Result<PartitionColumns> {
    let mut recorded = Vec::with_capacity(inputs.len());
    for input in inputs {
        let is_partitioned = input.below().iter().rev().skip(1).any(|name| name.contains('='));
        recorded.push(match is_partitioned {
            true => schema::recorded_in(&input.open_avro(context.limits())?.0),
            false => None,
        });
    }
    let places = inputs.iter().zip(&recorded).map(|(input, recorded)| (input.below(), recorded.as_deref()));
    Ok(PartitionColumns::new(schema, places, &context.reading)?)
}

/// Returns one schema that reads all these files.
pub(super) fn merged(inputs: &[Input], context: &Context) -> Result<MergedSchema> {
    let schemas = inputs.iter().map(|input| Ok((input.name(), input.schema(&context.reading)?)));
    let schemas = schemas.collect::<Result<Vec<_>>>()?;
    let named = schemas.iter().map(|(name, schema)| (name.as_str(), schema));
    Ok(MergedSchema::of(named, context.reading.on_conflict, context.limits())?)
}

/// An opened file.
pub(super) struct InputStream {
    /// Bytes put back, and how many of them were read again.
    pushed: Vec<u8>,
    used: usize,
    from: From,
    job: Arc<ToolJob>,
}

enum From {
    Stdin(StdinReader),
    File { file: File, seeks: bool },
    Stored(Box<Stored>),
}

/// Standard input, read by a thread of its own so that waiting can be canceled.
struct StdinReader {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    used: usize,
}

struct Stored {
    file: StoredFile,
    handle: Handle,
    /// File offset after `piece`.
    at: u64,
    piece: Vec<u8>,
    used: usize,
    /// Bytes of the next request.
    request: u64,
}

impl InputStream {
    /// Skips `n` bytes, or to the end if there are fewer.
    pub(super) fn skip(&mut self, n: u64) -> io::Result<()> {
        let pushed = n.min((self.pushed.len() - self.used) as u64);
        self.used += pushed as usize;
        let n = n - pushed;
        match &mut self.from {
            From::File { file, seeks: true } => {
                file.seek(SeekFrom::Current(i64::try_from(n).unwrap_or(i64::MAX)))?;
            }
            From::Stored(stored) => stored.skip(n),
            _ => {
                io::copy(&mut self.take(n), &mut io::sink())?;
                return Ok(());
            }
        }
        self.job.read.bytes.fetch_add(n, Ordering::Relaxed);
        Ok(())
    }
}

impl Read for InputStream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.job.canceled.load(Ordering::Relaxed) {
            return Err(canceled());
        }
        if self.used < self.pushed.len() {
            let n = self.pushed.get(self.used..).unwrap_or_default().read(to)?;
            self.used += n;
            return Ok(n);
        }
        let n = match &mut self.from {
            From::Stdin(piped) => piped.read(to, &self.job),
            From::File { file, .. } => file.read(to),
            From::Stored(stored) => stored.read(to),
        }?;
        self.job.read.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// For counting, which reads small pieces at many places. Only for files in object stores.
impl Seek for InputStream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.pushed.clear();
        self.used = 0;
        match &mut self.from {
            From::Stdin(_) => Err(io::ErrorKind::NotSeekable.into()),
            From::File { file, .. } => file.seek(to),
            From::Stored(stored) => stored.seek(to),
        }
    }
}

/// The error after cancellation. It is never shown: the command ends as interrupted.
fn canceled() -> io::Error {
    io::Error::other("interrupted")
}

impl StdinReader {
    fn start() -> io::Result<StdinReader> {
        let (send, pieces) = sync_channel(PIECES_AHEAD);
        let read = move || {
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let read = io::stdin().lock().read(&mut piece);
                let done = match read {
                    Ok(0) => return,
                    Ok(n) => {
                        piece.truncate(n);
                        send.send(Ok(piece))
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => {
                        let _ = send.send(Err(e));
                        return;
                    }
                };
                if done.is_err() {
                    return; // the job was canceled
                }
            }
        };
        thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
        Ok(StdinReader { pieces, piece: Vec::new(), used: 0 })
    }

    fn read(&mut self, to: &mut [u8], job: &ToolJob) -> io::Result<usize> {
        while self.used == self.piece.len() {
            match self.pieces.recv_timeout(CANCEL_CHECK_INTERVAL) {
                Ok(piece) => (self.piece, self.used) = (piece?, 0),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if job.canceled.load(Ordering::Relaxed) => return Err(canceled()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let n = self.piece.get(self.used..).unwrap_or_default().read(to)?;
        self.used += n;
        Ok(n)
    }
}

impl Stored {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let left = (self.piece.len() - self.used) as u64;
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(by) => (self.at - left).checked_add_signed(by),
            SeekFrom::End(by) => self.file.size().checked_add_signed(by),
        };
        let to = to.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let start = self.at - self.piece.len() as u64;
        if (start..=self.at).contains(&to) {
            self.used = (to - start) as usize;
        } else {
            self.at = to;
            self.piece.clear();
            self.used = 0;
            self.request = REQUEST_BYTES_FIRST;
        }
        Ok(to)
    }

    fn skip(&mut self, n: u64) {
        let left = (self.piece.len() - self.used) as u64;
        if n <= left {
            self.used += n as usize;
            return;
        }
        self.at = self.at.saturating_add(n - left).min(self.file.size());
        self.used = self.piece.len();
        // A skip is probably followed by another.
        self.request = REQUEST_BYTES_FIRST;
    }

    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() {
            let end = self.at.saturating_add(self.request).min(self.file.size());
            if end <= self.at {
                return Ok(0);
            }
            let bytes = self.handle.block_on(self.file.read(self.at..end));
            let bytes = bytes.map_err(|e| io::Error::other(Error::from(e).to_string()))?;
            self.piece.clear();
            self.piece.extend_from_slice(&bytes);
            self.used = 0;
            self.at = end;
            self.request = (self.request * 2).min(REQUEST_BYTES_MAX);
        }
        let n = self.piece.get(self.used..).unwrap_or_default().read(to)?;
        self.used += n;
        Ok(n)
    }
}

/// The stored blocks of a file.
pub(super) struct Blocks<'a> {
    input: &'a Input,
    source: InputStream,
    framer: Framer,
    ended: bool,
}

impl Blocks<'_> {
    /// Returns the next block.
    pub(super) fn next(&mut self) -> Result<Option<RawBlock>> {
        loop {
            if let Some(block) = self.framer.next_block().map_err(|e| self.input.failed(e))? {
                return Ok(Some(block));
            }
            if self.framer.is_done() || self.ended {
                return Ok(None);
            }
            let mut bytes = Vec::with_capacity(READ_BYTES);
            let read = self.source.by_ref().take(READ_BYTES as u64).read_to_end(&mut bytes);
            match read.map_err(|e| self.input.failed(e.into()))? {
                0 => {
                    self.framer.finish();
                    self.ended = self.framer.is_done();
                }
                _ => self.framer.feed(Buffer::from_vec(bytes)),
            }
        }
    }

    /// Returns the damage since the last call.
    pub(super) fn take_damage(&mut self) -> Vec<DamagedBlock> {
        self.framer.take_damage()
    }
}
