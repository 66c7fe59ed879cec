//! Encodes Parquet columns on several threads, while the caller goes on; returns the encoded columns of whole row
//! groups.
//!
//! Each column has a queue. A thread takes the column with the longest queue, encodes its next batches, and puts it
//! back: slow columns do not delay the others, and threads wait only for work. Threads exist only while there is work.
//! The caller's thread works too instead of waiting.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{mem, thread};

use arrow::array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;

use super::leaves::Leaf;
use crate::error::{Error, Result};
use crate::threads::STACK_BYTES;

/// Gathered batches that may wait for a column.
const BATCHES_QUEUED: usize = 2;

/// Encodes the columns of one row group after another.
pub(super) struct Encoders {
    shared: Arc<SharedState>,
    /// Threads that work at once, including the caller's.
    threads: usize,
    /// Whether a group has ended and was not taken yet.
    is_ending: bool,
}

#[derive(Default)]
struct SharedState {
    state: Mutex<EncoderState>,
    /// Signals that a column was put back.
    changed: Condvar,
}

#[derive(Default)]
struct EncoderState {
    columns: Vec<ColumnQueue>,
    /// Working threads, without the caller's.
    workers: usize,
    /// The error that stopped the encoding.
    failed: Option<Error>,
}

/// A column of a table.
#[derive(Default)]
struct ColumnQueue {
    jobs: VecDeque<EncodeJob>,
    /// The encoders of its leaf columns. `None` while a thread has it.
    leaves: Option<Vec<ArrowColumnWriter>>,
    /// Bytes held in memory.
    held: usize,
    /// Its chunks of the group that has ended, and their bytes.
    ended: Option<Vec<ArrowColumnChunk>>,
    ended_held: usize,
}

enum EncodeJob {
    Encode(Arc<[RecordBatch]>),
    /// Ends the group; the encoders are for the next one.
    End(Vec<Leaf>),
}

impl Encoders {
    /// Starts with the encoders of the first group's leaf columns.
    pub(super) fn new(columns: Vec<Vec<Leaf>>, threads: usize) -> Encoders {
        let column = |leaves: Vec<Leaf>| {
            let leaves = leaves.into_iter().map(|leaf| leaf.after(None)).collect();
            ColumnQueue { leaves: Some(leaves), ..ColumnQueue::default() }
        };
        let state = EncoderState { columns: columns.into_iter().map(column).collect(), ..EncoderState::default() };
        let shared = SharedState { state: Mutex::new(state), ..SharedState::default() };
        Encoders { shared: Arc::new(shared), threads: threads.max(1), is_ending: false }
    }

    /// Queues these rows. If columns are far behind with earlier rows, works on them first.
    ///
    /// # Errors
    /// Returns the error of these rows or of earlier ones.
    pub(super) fn encode(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        let batches: Arc<[RecordBatch]> = batches.into();
        self.push(|| EncodeJob::Encode(Arc::clone(&batches)));
        self.work_while(|state| state.columns.iter().any(|column| column.jobs.len() > BATCHES_QUEUED)).map(drop)
    }

    /// Ends the group; `next` encodes the next one. The previous group must have been taken.
    pub(super) fn end_group(&mut self, next: Vec<Vec<Leaf>>) {
        let mut next = next.into_iter();
        self.push(|| EncodeJob::End(next.next().unwrap_or_default()));
        self.is_ending = true;
    }

    /// Returns the columns of the group that has ended; if not `urgent`, only if all are encoded.
    ///
    /// # Errors
    /// Returns the errors of [`Encoders::encode`].
    pub(super) fn take_ended_group(&mut self, urgent: bool) -> Result<Option<Vec<ArrowColumnChunk>>> {
        if !self.is_ending {
            return Ok(None);
        }
        let is_missing = |state: &EncoderState| state.columns.iter().any(|column| column.ended.is_none());
        let mut state = self.work_while(|state| urgent && is_missing(state))?;
        if is_missing(&state) {
            return Ok(None);
        }
        let mut chunks = Vec::new();
        for column in &mut state.columns {
            column.ended_held = 0;
            chunks.extend(column.ended.take().unwrap_or_default());
        }
        drop(state);
        self.is_ending = false;
        Ok(Some(chunks))
    }

    /// Returns the bytes of encoded columns in memory: of the current group, and of the one that has ended.
    pub(super) fn held(&self) -> (usize, usize) {
        let state = self.shared.lock();
        state.columns.iter().fold((0, 0), |(now, ended), column| match &column.ended {
            // Its bytes still belong to the group that ends.
            None if self.is_ending => (now, ended + column.held),
            _ => (now + column.held, ended + column.ended_held),
        })
    }

    /// Gives each column a job.
    fn push(&self, mut job: impl FnMut() -> EncodeJob) {
        let mut state = self.shared.lock();
        for column in &mut state.columns {
            column.jobs.push_back(job());
        }
        let wanted = (self.threads - 1).min(state.columns.len());
        let missing = wanted.saturating_sub(state.workers);
        for _ in 0..missing {
            let shared = Arc::clone(&self.shared);
            // If no thread can start, the caller's does all the work.
            let thread = thread::Builder::new().name("parquet".into()).stack_size(STACK_BYTES);
            let spawned = thread.spawn(move || Worker(shared).work());
            state.workers += usize::from(spawned.is_ok());
        }
    }

    /// Works while `holds` is true.
    fn work_while(&self, holds: impl Fn(&EncoderState) -> bool) -> Result<MutexGuard<'_, EncoderState>> {
        let mut state = self.shared.lock();
        loop {
            if state.failed.is_some() {
                let again = Error::Failed("internal error: rows after an error".to_owned());
                return state.failed.replace(again).map_or(Ok(state), Err);
            }
            if !holds(&state) {
                return Ok(state);
            }
            state = match state.take() {
                Some(task) => self.shared.run(state, task),
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Canceled batches are not encoded.
impl Drop for Encoders {
    fn drop(&mut self) {
        self.shared.lock().columns.clear();
    }
}

/// A column taken by a thread, and its job.
struct ColumnTask {
    at: usize,
    leaves: Vec<ArrowColumnWriter>,
    job: EncodeJob,
}

impl EncoderState {
    /// Returns the next job of the column with the longest queue.
    fn take(&mut self) -> Option<ColumnTask> {
        let columns = self.columns.iter_mut().enumerate();
        let idle = columns.filter(|(_, column)| column.leaves.is_some());
        let (at, column) = idle.max_by_key(|(_, column)| column.jobs.len())?;
        let job = column.jobs.pop_front()?;
        Some(ColumnTask { at, leaves: column.leaves.take()?, job })
    }
}

impl SharedState {
    /// No panic leaves the state half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, EncoderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task without the lock, and puts the column back.
    fn run<'a>(&'a self, state: MutexGuard<'a, EncoderState>, task: ColumnTask) -> MutexGuard<'a, EncoderState> {
        drop(state);
        let ColumnTask { at, mut leaves, job } = task;
        let done = match job {
            EncodeJob::Encode(batches) => encode(&mut leaves, at, &batches).map(|()| (leaves, None)),
            EncodeJob::End(next) => {
                let chunks: Result<Vec<_>, _> = leaves.into_iter().map(ArrowColumnWriter::close).collect();
                chunks.map(|chunks| {
                    let next = next.into_iter().zip(&chunks).map(|(leaf, chunk)| leaf.after(Some(chunk)));
                    (next.collect(), Some(chunks))
                })
            }
        };
        let mut state = self.lock();
        match (done, state.columns.get_mut(at)) {
            (Ok((leaves, ended)), Some(column)) => {
                if ended.is_some() {
                    (column.ended, column.ended_held) = (ended, mem::take(&mut column.held));
                }
                column.held = leaves.iter().map(ArrowColumnWriter::memory_size).sum();
                column.leaves = Some(leaves);
            }
            (Err(e), _) => state.failed = Some(e.into()),
            // The result is no longer needed.
            (Ok(_), None) => {}
        }
        self.changed.notify_all();
        state
    }
}

/// Encodes one column of these batches.
fn encode(leaves: &mut [ArrowColumnWriter], column: usize, batches: &[RecordBatch]) -> Result<(), ParquetError> {
    for batch in batches {
        let schema = batch.schema_ref();
        let arrays = compute_leaves(schema.field(column), batch.column(column))?;
        leaves.iter_mut().zip(&arrays).try_for_each(|(leaf, array)| leaf.write(array))?;
    }
    Ok(())
}

/// A thread that works while there is work.
struct Worker(Arc<SharedState>);

impl Worker {
    fn work(self) {
        let mut state = self.0.lock();
        while state.failed.is_none()
            && let Some(task) = state.take()
        {
            state = self.0.run(state, task);
        }
        // Before the lock is released: producers count on the threads that are registered.
        state.workers -= 1;
    }
}

/// Wakes threads that wait for a thread that has panicked.
impl Drop for Worker {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.lock();
            state.workers -= 1;
            state.failed = Some(Error::Failed("internal error: an encoding thread stopped".to_owned()));
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::output::parquet::leaves::Leaves;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use parquet::file::properties::WriterProperties;

    fn batch(rows: usize) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| row.to_string())));
        RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap()
    }

    fn leaves() -> Leaves {
        Leaves::new(&batch(1).schema(), &WriterProperties::default()).unwrap()
    }

    #[test]
    fn encoded_groups_keep_their_rows() {
        let leaves = leaves();
        let unused = leaves.of_group(0).unwrap().into_iter().flatten().map(|leaf| leaf.after(None).memory_size());
        let unused: usize = unused.sum();
        for threads in [0, 1, 2, 3, 8] {
            let mut encoders = Encoders::new(leaves.of_group(0).unwrap(), threads);
            for group in 0..5 {
                // More batches than may wait.
                for n in 0..2 * BATCHES_QUEUED + group {
                    encoders.encode(vec![batch(100), batch(n)]).unwrap();
                }
                encoders.end_group(leaves.of_group(group + 1).unwrap());
                assert!(encoders.held().0 <= unused, "no row is of the next group yet");
                let chunks = encoders.take_ended_group(true).unwrap().unwrap();
                let rows: Vec<u64> = chunks.iter().map(|chunk| chunk.close().rows_written).collect();
                let n_batches = 2 * BATCHES_QUEUED + group;
                let expected = (100 * n_batches + n_batches * (n_batches - 1) / 2) as u64;
                assert_eq!(rows, [expected, expected], "{threads} threads");
                assert!(encoders.take_ended_group(true).unwrap().is_none());
            }
        }
    }

    #[test]
    fn encode_error_is_returned_and_final() {
        let leaves = leaves();
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(["a"]));
        let wrong = RecordBatch::try_from_iter([("number", Arc::clone(&texts)), ("text", texts)]).unwrap();
        for threads in [1, 2, 3] {
            // Encoders of numbers reject text.
            let mut encoders = Encoders::new(leaves.of_group(0).unwrap(), threads);
            let told = (0..10).find_map(|_| encoders.encode(vec![batch(10), wrong.clone()]).err());
            assert!(told.is_some_and(|e| !e.to_string().is_empty()), "{threads} threads");
            assert!(encoders.encode(vec![batch(10)]).is_err());
        }
    }

    #[test]
    fn dropped_encoders_do_not_wait() {
        let leaves = leaves();
        let mut encoders = Encoders::new(leaves.of_group(0).unwrap(), 4);
        for _ in 0..BATCHES_QUEUED {
            encoders.encode(vec![batch(10_000)]).unwrap();
        }
    }
}
