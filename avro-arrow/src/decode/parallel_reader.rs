//! The parallel reader: threads take turns to read and frame a run of blocks, and each decompresses and decodes its
//! run. Batches are returned in the file's order.
//!
//! ```text
//! thread: (its turn: read and frame a run, queue the run's channel) --> decode --(batches)--> the run's channel
//! iterator: the runs' channels, in order, and the batches of each
//! ```
//!
//! The thread that reads a run also decodes it, so that the bytes are in its CPU's cache. (Lineitem on two threads:
//! 0.131 s, and 0.156 s with a third thread that reads for both.) All channels are bounded, so memory is too: a thread
//! that is ahead waits.

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

/// Stored bytes of the blocks of a run.
const RUN_BYTES: usize = 1 << 20;
/// Batches of a run, if its bytes do not end it first.
const RUN_BATCHES: u64 = 16;
/// Stack size of a thread. Arrow walks types recursively, and in a debug build the usual 2 MiB do not suffice for
/// [`Limits::nesting`](crate::Limits::nesting) levels. Unused stack takes no memory.
const STACK_BYTES: usize = 32 << 20;
/// Number of batches by which a thread may be ahead in one run. (Two threads against one, lineitem: 1.4 times as fast,
/// and 1.0 times with 2 batches; with snappy 1.6 to 1.9 and 1.2 times. Peak memory differs by at most 30 MB.)
const BATCHES_AHEAD: usize = 8;

/// Reads a container file on several threads, as an iterator of record batches in the file's order.
///
/// Batches have at most [`Options::batch_size`] rows. The threads end at the end of the file, or soon after the reader
/// is dropped.
#[derive(Debug)]
pub struct ParallelReader {
    header: Header,
    schema: SchemaRef,
    runs: Option<Receiver<RunOutput>>,
    current: Option<RunOutput>,
    threads: Vec<JoinHandle<()>>,
    /// Skipped blocks, in the order of the file.
    damage: Vec<DamagedBlock>,
}

/// The results of a run, received.
type RunOutput = Receiver<Result<RunMessage>>;
type RunInput = SyncSender<Result<RunMessage>>;

/// One result of a run.
enum RunMessage {
    Batch(RecordBatch),
    Skipped(Vec<DamagedBlock>),
    End,
}

/// Consecutive blocks of the file, and the blocks that were skipped between them.
#[derive(Default)]
struct BlockRun {
    blocks: Vec<RawBlock>,
    damage: Vec<DamagedBlock>,
}

impl ParallelReader {
    /// Starts the threads, each with a decoder that `prepare` has set up.
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
        let source = Arc::new(Mutex::new(SharedFile { read, framer, run_rows, runs: Some(run_sender) }));
        let mut handles = Vec::with_capacity(threads);
        for _ in 0..threads {
            let source = Arc::clone(&source);
            // One decoder per thread, so that the state of the codec is set up once.
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

    /// Returns the Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Returns the file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the skipped blocks so far, in the order of the file; the list is complete after the last batch. Empty
    /// under [`OnCorruptBlock::Error`](crate::OnCorruptBlock::Error).
    pub fn damage(&self) -> &[DamagedBlock] {
        &self.damage
    }

    /// Removes and returns the skipped blocks so far. Blocks found later lie after them in the file.
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
                    // The file has ended, unless a thread died: the caller's `Read` may panic.
                    Err(_) => {
                        let died = self.threads.drain(..).fold(false, |died, thread| died | thread.join().is_err());
                        return if died { Err(Error::new(ErrorKind::Worker)) } else { Ok(None) };
                    }
                }
                continue;
            };
            match run.recv() {
                Ok(Ok(RunMessage::Batch(batch))) => return Ok(Some(batch)),
                Ok(Ok(RunMessage::Skipped(damage))) => insert(&mut self.damage, damage),
                Ok(Ok(RunMessage::End)) => self.current = None,
                Ok(Err(error)) => return Err(error),
                // A run without an end message was cut short.
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
            // The threads stop, as they see their channels closed.
            self.runs = None;
            self.current = None;
        }
        next
    }
}

/// The file, used by the thread whose turn it is.
struct SharedFile<R> {
    read: R,
    framer: Framer,
    /// Rows of a run, if its bytes do not end it first.
    run_rows: u64,
    /// `None` after the end of the file, after an error, or once the reader was dropped.
    runs: Option<SyncSender<RunOutput>>,
}

impl<R: Read> SharedFile<R> {
    /// Reads the next run and queues its channel; `None` at the end.
    fn next_run(&mut self) -> Option<(BlockRun, RunInput)> {
        let mut run = BlockRun::default();
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
        // Blocks before the end or an error are decoded first.
        let empty = run.blocks.is_empty() && run.damage.is_empty();
        let output = if empty { None } else { Some(queue(&runs)?) };
        match end {
            None => self.runs = Some(runs),
            Some(None) => {}
            // The send fails only if the reader was dropped.
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

/// Queues the channel of a run; `None` once the reader was dropped.
fn queue(runs: &SyncSender<RunOutput>) -> Option<RunInput> {
    let (output, receiver) = sync_channel(BATCHES_AHEAD);
    runs.send(receiver).ok()?;
    Some(output)
}

/// Waits for this thread's turn and reads the next run. A poisoned lock means that a thread died while it read: the
/// reader ends.
fn next_run<R: Read>(source: &Mutex<SharedFile<R>>) -> Option<(BlockRun, RunInput)> {
    source.lock().ok()?.next_run()
}

/// Decodes a run and sends its batches and its end. `None` after an error or once the reader was dropped; the decoder
/// may then be in the middle of a run and is not used again.
fn decode(run: BlockRun, decoder: &mut BlockDecoder, output: &RunInput) -> Option<()> {
    match send_run(run, decoder, output) {
        Ok(sent) => sent,
        Err(error) => {
            // The send fails only if the reader was dropped.
            let _ = output.send(Err(error));
            None
        }
    }
}

/// Decodes a run and sends its batches, and returns an error instead of sending it. `None` once the reader was
/// dropped.
fn send_run(run: BlockRun, decoder: &mut BlockDecoder, output: &RunInput) -> Result<Option<()>> {
    // In the order of the file, which is known once all blocks are decoded.
    let mut damage: Vec<_> = run.damage.into_iter().map(|damaged| decoder.clear_implausible_count(damaged)).collect();
    let last = [None];
    for block in run.blocks.into_iter().map(Some).chain(last) {
        let end = block.is_none();
        if let Some(block) = block {
            decoder.push(block)?;
        }
        while let Some(batch) = decoder.next_batch(end)? {
            if output.send(Ok(RunMessage::Batch(batch))).is_err() {
                return Ok(None);
            }
        }
        insert(&mut damage, decoder.take_damage());
    }
    if !damage.is_empty() && output.send(Ok(RunMessage::Skipped(damage))).is_err() {
        return Ok(None);
    }
    Ok(output.send(Ok(RunMessage::End)).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::decode::reader_builder::ReaderBuilder;
    use avro_testing::wire::{block, file};

    /// A file that panics at its end.
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
    fn panic_of_the_source_is_an_error() {
        let rows = |claim: i64| file("\"int\"", "null", &vec![block(claim, &[2; 10]); 5]);
        // Longer than one read, so that the header is read without a panic.
        let long = file("\"int\"", "null", &vec![block(1 << 20, &[2; 1 << 20]); 5]);
        for batch_size in [100, 8192, usize::MAX] {
            let read = Panics(std::io::Cursor::new(long.clone()));
            assert!(matches!(error(read, batch_size).unwrap().kind(), ErrorKind::Worker), "{batch_size}");
            let claims = error(std::io::Cursor::new(rows(i64::MAX)), batch_size).unwrap();
            assert_eq!(claims.position().block, Some(0), "{batch_size}: {claims}");
            assert!(error(std::io::Cursor::new(rows(10)), batch_size).is_none());
        }
    }
}
