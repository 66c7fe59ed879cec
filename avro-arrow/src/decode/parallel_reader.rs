//! The parallel reader: several threads take turns to read and frame a run of blocks, and each decompresses and decodes what it
//! has read; batches come out in the file's order.
//!
//! ```text
//! thread: (its turn: read and frame a run, put the run's channel in line) --> decode --(batches)--> the run's channel
//! iterator: the runs' channels, in line, and the batches of each
//! ```
//!
//! Whoever reads decodes, so that the bytes are in the cache of the CPU that needs them. (Lineitem on two
//! threads: 0.131 s, and 0.156 s with a third that reads for both.)
//! All channels are bounded, so memory is too: a thread that is ahead waits.

use crate::container::{Framer, Header, RawBlock};
use crate::damage::{DamagedBlock, insert};
use crate::decode::decoder::BlockDecoder;
use crate::decode::reader::read_some;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::program::Program;
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Bytes of blocks, as stored, that one thread decodes at a time.
const RUN_BYTES: usize = 1 << 20;
/// Batches that one thread decodes at a time, if their bytes are not enough before.
const RUN_BATCHES: u64 = 16;
/// Stack of a thread. Arrow walks types by recursion, and the usual 2 MiB do not last for [`Limits::nesting`](crate::Limits::nesting)
/// levels of them in a debug build. Only what is used is taken.
const STACK_BYTES: usize = 32 << 20;
/// Batches that a thread may be ahead in one run.
const BATCHES_AHEAD: usize = 2;

/// Reads a container file on several threads, as an iterator of record batches in the file's order.
///
/// Batches have at most [`Options::batch_size`] rows. Threads end when the file does, or soon after the reader is dropped.
#[derive(Debug)]
pub struct ParallelReader {
    header: Header,
    schema: SchemaRef,
    runs: Option<Receiver<RunOutput>>,
    current: Option<RunOutput>,
    threads: Vec<JoinHandle<()>>,
    /// What was skipped, in the order of the file.
    damage: Vec<DamagedBlock>,
}

/// What becomes of one run of blocks.
type RunOutput = Receiver<Result<Message>>;
type RunInput = SyncSender<Result<Message>>;

/// A part of what becomes of a run.
enum Message {
    Batch(RecordBatch),
    Skipped(Vec<DamagedBlock>),
    End,
}

/// Some blocks of the file, and what was skipped around them.
#[derive(Default)]
struct Run {
    blocks: Vec<RawBlock>,
    damage: Vec<DamagedBlock>,
}

impl ParallelReader {
    /// Starts the threads, each with a decoder that `prepare` was given.
    pub(super) fn start(
        mut read: impl Read + Send + 'static,
        options: &Options,
        threads: usize,
        mut prepare: impl FnMut(&Arc<Program>, &mut BlockDecoder) -> Result<()>,
    ) -> Result<Self> {
        let (header, rest) = Header::read(&mut read, &options.limits)?;
        let program = Arc::new(Program::compile(&header.schema, options)?);
        let schema = program.arrow_schema().clone();
        let threads = threads.max(1);

        let (run_sender, runs) = sync_channel::<RunOutput>(threads * 2);
        let mut framer = Framer::new(&header, &options.limits).with_on_corrupt_block(options.on_corrupt_block);
        framer.feed(rest.into());
        let run_rows = (options.batch_size.max(1) as u64).saturating_mul(RUN_BATCHES);
        let source = Arc::new(Mutex::new(Source { read, framer, run_rows, runs: Some(run_sender) }));
        let mut handles = Vec::with_capacity(threads);
        for _ in 0..threads {
            let source = Arc::clone(&source);
            // One for all runs, so that what the codec needs is set up once.
            let mut decoder = BlockDecoder::new(header.codec, Arc::clone(&program));
            prepare(&program, &mut decoder)?;
            let thread = thread::Builder::new().name("avro-decode".into()).stack_size(STACK_BYTES);
            handles.push(thread.spawn(move || {
                while let Some((run, output)) = next_run(&source) {
                    if decode(run, &mut decoder, &output).is_none() {
                        return;
                    }
                }
            })?);
        }
        Ok(ParallelReader { header, schema, runs: Some(runs), current: None, threads: handles, damage: vec![] })
    }

    /// The Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was skipped so far, in the order of the file: all of it, once there are no more batches. Empty under
    /// [`OnCorruptBlock::Error`](crate::OnCorruptBlock::Error).
    pub fn damage(&self) -> &[DamagedBlock] {
        &self.damage
    }

    /// Takes that list. What is found later lies behind it.
    pub fn take_damage(&mut self) -> Vec<DamagedBlock> {
        std::mem::take(&mut self.damage)
    }

    /// Converts the reader into a [`RecordBatchReader`], which APIs such as Arrow's C stream interface take.
    ///
    /// The reader itself yields this crate's [`Error`](crate::Error), so that callers can match on
    /// [`kind`](crate::Error::kind) and [`position`](crate::Error::position) without a downcast. A `RecordBatchReader`
    /// must yield [`ArrowError`]s: they are [`ArrowError::ExternalError`] with that error inside, and
    /// [`Error::from`](crate::Error) takes it out again.
    pub fn into_record_batch_reader(self) -> impl RecordBatchReader + Send {
        let schema = self.schema();
        RecordBatchIterator::new(self.map(|batch| batch.map_err(ArrowError::from)), schema)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some(run) = &self.current else {
                let Some(runs) = &self.runs else { return Ok(None) };
                match runs.recv() {
                    Ok(run) => self.current = Some(run),
                    // The file is at its end, unless a thread died: what it was given to read from may panic.
                    Err(_) => {
                        let died = self.threads.drain(..).fold(false, |died, thread| died | thread.join().is_err());
                        return if died { Err(Error::new(ErrorKind::Worker)) } else { Ok(None) };
                    }
                }
                continue;
            };
            match run.recv() {
                Ok(Ok(Message::Batch(batch))) => return Ok(Some(batch)),
                Ok(Ok(Message::Skipped(damage))) => insert(&mut self.damage, damage),
                Ok(Ok(Message::End)) => self.current = None,
                Ok(Err(error)) => return Err(error),
                // A run that does not say that it ends was cut short.
                Err(_) => return Err(Error::new(ErrorKind::Worker)),
            }
        }
    }
}

impl Iterator for ParallelReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if !matches!(next, Some(Ok(_))) {
            // No more is wanted: all threads see their channels closed.
            self.runs = None;
            self.current = None;
        }
        next
    }
}

/// The file, for the thread whose turn it is.
struct Source<R> {
    read: R,
    framer: Framer,
    /// Rows of a run, if its bytes are not enough before.
    run_rows: u64,
    /// None once the file is at its end, is found damaged, or nobody wants more.
    runs: Option<SyncSender<RunOutput>>,
}

impl<R: Read> Source<R> {
    /// The next run and where its batches go; none at the end.
    fn next_run(&mut self) -> Option<(Run, RunInput)> {
        let mut run = Run::default();
        let (mut rows, mut bytes) = (0u64, 0);
        let end = loop {
            match self.next_block() {
                Ok(Some(block)) => {
                    rows = block.rows.saturating_add(rows);
                    bytes += block.data.len();
                    run.blocks.push(block);
                    if bytes >= RUN_BYTES || rows >= self.run_rows {
                        break None;
                    }
                }
                Ok(None) => break Some(None),
                Err(error) => break Some(Some(error)),
            }
        };
        run.damage = self.framer.take_damage();
        let runs = self.runs.take()?;
        // What came before the end or an error is read first.
        let empty = run.blocks.is_empty() && run.damage.is_empty();
        let output = if empty { None } else { Some(queue(&runs)?) };
        match end {
            None => self.runs = Some(runs),
            Some(None) => {}
            // If nobody receives it, nobody wants it.
            Some(Some(error)) => drop(queue(&runs)?.send(Err(error))),
        }
        output.map(|output| (run, output))
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>> {
        if self.runs.is_none() {
            return Ok(None);
        }
        loop {
            if let Some(block) = self.framer.next_block()? {
                return Ok(Some(block));
            }
            if self.framer.is_done() {
                return Ok(None);
            }
            match read_some(&mut self.read)? {
                Some(bytes) => self.framer.feed(bytes),
                None => self.framer.finish(),
            }
        }
    }
}

/// Puts the channel of a run in line; none if nobody wants more.
fn queue(runs: &SyncSender<RunOutput>) -> Option<RunInput> {
    let (output, receiver) = sync_channel(BATCHES_AHEAD);
    runs.send(receiver).ok()?;
    Some(output)
}

/// The next run, when it is this thread's turn. A poisoned lock is of a thread that died while it read: nothing can come after.
fn next_run<R: Read>(source: &Mutex<Source<R>>) -> Option<(Run, RunInput)> {
    source.lock().ok()?.next_run()
}

/// Decodes a run and sends its batches, then that it ends. None: there was an error, or nobody wants more; the decoder may be
/// left in the middle of a run, and nothing after that run is asked for.
fn decode(run: Run, decoder: &mut BlockDecoder, output: &RunInput) -> Option<()> {
    match send_run(run, decoder, output) {
        Ok(sent) => sent,
        Err(error) => {
            // If nobody receives it, nobody wants it.
            let _ = output.send(Err(error));
            None
        }
    }
}

/// The same, but where there is an error it is given back. `None` if nobody wants more.
fn send_run(run: Run, decoder: &mut BlockDecoder, output: &RunInput) -> Result<Option<()>> {
    // In the order of the file, which is known once all is decoded.
    let mut damage: Vec<_> = run.damage.into_iter().map(|damaged| decoder.doubt(damaged)).collect();
    let last = [None];
    for block in run.blocks.into_iter().map(Some).chain(last) {
        let end = block.is_none();
        if let Some(block) = block {
            decoder.push(block)?;
        }
        while let Some(batch) = decoder.next_batch(end)? {
            if output.send(Ok(Message::Batch(batch))).is_err() {
                return Ok(None);
            }
        }
        insert(&mut damage, decoder.take_damage());
    }
    if !damage.is_empty() && output.send(Ok(Message::Skipped(damage))).is_err() {
        return Ok(None);
    }
    Ok(output.send(Ok(Message::End)).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::container::testing::file;
    use crate::decode::reader_builder::ReaderBuilder;

    /// A file of so many rows, which panics where it should end.
    struct Panics(std::io::Cursor<Vec<u8>>);

    impl Read for Panics {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(out)? {
                0 => panic!("a test's panic on another thread"),
                n => Ok(n),
            }
        }
    }

    fn error(read: impl Read + Send + 'static, batch_size: usize) -> Option<Error> {
        ReaderBuilder::new().with_batch_size(batch_size).build_parallel(read, 2).unwrap().find_map(Result::err)
    }

    #[test]
    fn what_breaks_a_thread_is_no_end_of_the_file() {
        let rows = |claim: i64| file("\"int\"", Codec::Null, &[(claim, &[2; 10][..]); 5]);
        // Longer than what is read at a time, so that the header is read without a panic.
        let long = file("\"int\"", Codec::Null, &[(1 << 20, &[2; 1 << 20][..]); 5]);
        for batch_size in [100, 8192, usize::MAX] {
            let read = Panics(std::io::Cursor::new(long.clone()));
            assert!(matches!(error(read, batch_size).unwrap().kind(), ErrorKind::Worker), "{batch_size}");
            let claims = error(std::io::Cursor::new(rows(i64::MAX)), batch_size).unwrap();
            assert_eq!(claims.position().block, Some(0), "{batch_size}: {claims}");
            assert!(error(std::io::Cursor::new(rows(10)), batch_size).is_none());
        }
    }
}
