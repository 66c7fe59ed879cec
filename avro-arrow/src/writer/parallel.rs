//! The writer on several threads. Rows keep their order.
//!
//! ```text
//! caller: groups of batches --(jobs)--> threads: encode, compress --(each job's own channel)--> caller, in order -->
//! the file
//! ```
//!
//! The caller waits for slow threads, so memory is bounded.

use super::blocks::{Encoder, WrittenBlock};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;
use arrow_array::RecordBatch;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Approximate number of blocks in a job; all but its last are full.
const BLOCKS_PER_JOB: usize = 8;

/// Batches to be encoded together, and the number of rows before them.
struct Job {
    batches: Vec<RecordBatch>,
    first_row: u64,
    done: SyncSender<Done>,
}

type Done = Result<(Vec<u8>, Vec<WrittenBlock>)>;

/// Writes batches as a container file, with blocks made on several threads; see [`Writer`](super::Writer).
#[derive(Debug)]
pub struct ParallelWriter<W: Write> {
    to: W,
    encoder: Encoder,
    jobs: Option<Sender<Job>>,
    /// The results of the jobs in progress, in order.
    under_way: VecDeque<Receiver<Done>>,
    threads: Vec<JoinHandle<()>>,
    /// The batches of the next job.
    batches: Vec<RecordBatch>,
    n_rows: usize,
    first_row: u64,
    /// Rows of a job, estimated from the size of the rows so far.
    rows_per_job: usize,
    job_bytes: usize,
    written: Vec<WrittenBlock>,
}

impl<W: Write> ParallelWriter<W> {
    pub(super) fn new(mut to: W, encoder: Encoder, block_bytes: usize, threads: usize) -> Result<Self> {
        to.write_all(&encoder.header())?;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let work = |_| {
            let (encoder, queue) = (encoder.clone(), Arc::clone(&queue));
            thread::spawn(move || work(&encoder, &queue))
        };
        let threads = (0..threads.max(1)).map(work).collect();
        Ok(ParallelWriter {
            to,
            jobs: Some(jobs),
            under_way: VecDeque::new(),
            threads,
            batches: Vec::new(),
            n_rows: 0,
            first_row: 0,
            rows_per_job: 1,
            job_bytes: block_bytes.saturating_mul(BLOCKS_PER_JOB),
            written: Vec::new(),
            encoder,
        })
    }

    /// Returns the Avro schema of the file.
    pub fn schema(&self) -> &Schema {
        self.encoder.schema()
    }

    /// Returns the blocks written so far.
    pub fn written(&self) -> &[WrittenBlock] {
        &self.written
    }

    /// Adds the rows of a batch, which is kept until they are written. An error may concern batches that were added
    /// earlier.
    ///
    /// # Errors
    /// Fails as [`Blocks::add`](super::Blocks::add) does, or if writing fails. The file is incomplete then: discard
    /// it.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.batches.push(batch.clone());
        self.n_rows += batch.num_rows();
        if self.n_rows >= self.rows_per_job { self.send() } else { Ok(()) }
    }

    /// Writes the remaining rows and returns the file. Without this call rows are missing.
    ///
    /// # Errors
    /// Fails as [`write`](Self::write) does.
    pub fn finish(mut self) -> Result<W> {
        self.send()?;
        self.jobs = None;
        while !self.under_way.is_empty() {
            self.receive()?;
        }
        for thread in self.threads {
            thread.join().map_err(|_| Error::new(ErrorKind::Worker))?;
        }
        self.to.flush()?;
        Ok(self.to)
    }

    fn send(&mut self) -> Result<()> {
        if self.n_rows == 0 {
            return Ok(());
        }
        // One job more than there are threads is ready when a thread becomes idle.
        while self.under_way.len() > self.threads.len() {
            self.receive()?;
        }
        let (done, result) = sync_channel(1);
        let batches = std::mem::take(&mut self.batches);
        let job = Job { batches, first_row: self.first_row, done };
        self.first_row += std::mem::take(&mut self.n_rows) as u64;
        self.under_way.push_back(result);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err(Error::new(ErrorKind::Worker)) }
    }

    /// Writes the result of the first job.
    fn receive(&mut self) -> Result<()> {
        let Some(result) = self.under_way.pop_front() else { return Ok(()) };
        let (bytes, written) = result.recv().map_err(|_| Error::new(ErrorKind::Worker))??;
        self.to.write_all(&bytes)?;
        let (rows, raw) = written.iter().fold((0, 0), |(rows, raw), block| (rows + block.rows, raw + block.raw_bytes));
        if let Some(per_row) = (raw as usize).checked_div(rows as usize) {
            self.rows_per_job = self.job_bytes / per_row.max(1);
        }
        self.written.extend(written);
        Ok(())
    }
}

fn work(encoder: &Encoder, queue: &Mutex<Receiver<Job>>) {
    loop {
        let Some(job) = queue.lock().ok().and_then(|queue| queue.recv().ok()) else { return };
        let mut bytes = Vec::new();
        let result = encoder.encode(&job.batches, &mut bytes);
        let in_file = |e: Error| e.at(|p| p.row = p.row.map(|row| row + job.first_row));
        // The send fails only if the writer was dropped.
        let _ = job.done.send(result.map(|written| (bytes, written)).map_err(in_file));
    }
}
