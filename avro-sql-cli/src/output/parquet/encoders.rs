//! Columns encoded on several threads: batches in, the encoded columns of whole row groups out, while the caller goes on.
//!
//! Each column has a queue. A thread takes the column that is furthest behind, encodes the next batches for it, and puts it back: so
//! columns that take long do not hold up the others, and threads wait for nothing but work. Threads are there only while there is
//! work. The caller's thread works too where it would wait.

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
const AHEAD: usize = 2;

/// Encodes the columns of one row group after the other.
pub(super) struct Encoders {
    shared: Arc<Shared>,
    /// Threads that work at once, the caller's among them.
    threads: usize,
    /// Is there a group that has ended and was not taken yet?
    is_ending: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A column was put back.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    columns: Vec<Column>,
    /// Threads at work, but for the caller's.
    workers: usize,
    /// Why there will be no more.
    failed: Option<Error>,
}

/// A column of a table.
#[derive(Default)]
struct Column {
    jobs: VecDeque<Job>,
    /// What encodes its leaves. None while a thread has it.
    leaves: Option<Vec<ArrowColumnWriter>>,
    /// Bytes that it holds in memory.
    held: usize,
    /// Its part of the group that has ended, and the bytes of that.
    ended: Option<Vec<ArrowColumnChunk>>,
    ended_held: usize,
}

enum Job {
    Encode(Arc<[RecordBatch]>),
    /// The group ends; what encodes the next one.
    End(Vec<Leaf>),
}

impl Encoders {
    /// Of a group whose leaves of each column are encoded by these.
    pub(super) fn new(columns: Vec<Vec<Leaf>>, threads: usize) -> Encoders {
        let column = |leaves: Vec<Leaf>| {
            let leaves = leaves.into_iter().map(|leaf| leaf.after(None)).collect();
            Column { leaves: Some(leaves), ..Column::default() }
        };
        let state = State { columns: columns.into_iter().map(column).collect(), ..State::default() };
        let shared = Shared { state: Mutex::new(state), ..Shared::default() };
        Encoders { shared: Arc::new(shared), threads: threads.max(1), is_ending: false }
    }

    /// Encodes these rows; at least as far as the columns are not far behind with those before.
    ///
    /// # Errors
    /// What went wrong with these rows or with those before.
    pub(super) fn encode(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        let batches: Arc<[RecordBatch]> = batches.into();
        self.push(|| Job::Encode(Arc::clone(&batches)));
        self.work_while(|state| state.columns.iter().any(|column| column.jobs.len() > AHEAD)).map(drop)
    }

    /// Ends the group; the columns of the next one are encoded by these. The group that ended before was taken.
    pub(super) fn end_group(&mut self, next: Vec<Vec<Leaf>>) {
        let mut next = next.into_iter();
        self.push(|| Job::End(next.next().unwrap_or_default()));
        self.is_ending = true;
    }

    /// The columns of the group that has ended, once all of them are encoded; or, if it is not `urgent`, if they are.
    ///
    /// # Errors
    /// As [`Encoders::encode`].
    pub(super) fn ended(&mut self, urgent: bool) -> Result<Option<Vec<ArrowColumnChunk>>> {
        if !self.is_ending {
            return Ok(None);
        }
        let is_missing = |state: &State| state.columns.iter().any(|column| column.ended.is_none());
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

    /// Bytes of encoded columns in memory: of the group that is being made, and of the one that has ended.
    pub(super) fn held(&self) -> (usize, usize) {
        let state = self.shared.lock();
        state.columns.iter().fold((0, 0), |(now, ended), column| match &column.ended {
            // What it holds is still of the group that ends.
            None if self.is_ending => (now, ended + column.held),
            _ => (now + column.held, ended + column.ended_held),
        })
    }

    /// Gives each column a job.
    fn push(&self, mut job: impl FnMut() -> Job) {
        let mut state = self.shared.lock();
        for column in &mut state.columns {
            column.jobs.push_back(job());
        }
        let wanted = (self.threads - 1).min(state.columns.len());
        let missing = wanted.saturating_sub(state.workers);
        for _ in 0..missing {
            let shared = Arc::clone(&self.shared);
            // Where there cannot be a thread, the caller's does it all.
            let thread = thread::Builder::new().name("parquet".into()).stack_size(STACK_BYTES);
            let spawned = thread.spawn(move || Worker(shared).work());
            state.workers += usize::from(spawned.is_ok());
        }
    }

    /// Works as long as this holds.
    fn work_while(&self, holds: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>> {
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

/// What nobody wants any more is not encoded.
impl Drop for Encoders {
    fn drop(&mut self) {
        self.shared.lock().columns.clear();
    }
}

/// A column that a thread has, and what it does with it.
struct Task {
    at: usize,
    leaves: Vec<ArrowColumnWriter>,
    job: Job,
}

impl State {
    /// The next job of the column that has the most.
    fn take(&mut self) -> Option<Task> {
        let columns = self.columns.iter_mut().enumerate();
        let idle = columns.filter(|(_, column)| column.leaves.is_some());
        let (at, column) = idle.max_by_key(|(_, column)| column.jobs.len())?;
        let job = column.jobs.pop_front()?;
        Some(Task { at, leaves: column.leaves.take()?, job })
    }
}

impl Shared {
    /// No panic leaves the state half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does this without the lock, and puts the column back.
    fn run<'a>(&'a self, state: MutexGuard<'a, State>, task: Task) -> MutexGuard<'a, State> {
        drop(state);
        let Task { at, mut leaves, job } = task;
        let done = match job {
            Job::Encode(batches) => encode(&mut leaves, at, &batches).map(|()| (leaves, None)),
            Job::End(next) => {
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
            // Nobody waits for it any more.
            (Ok(_), None) => {}
        }
        self.changed.notify_all();
        state
    }
}

/// Encodes a column of these batches.
fn encode(leaves: &mut [ArrowColumnWriter], column: usize, batches: &[RecordBatch]) -> Result<(), ParquetError> {
    for batch in batches {
        let schema = batch.schema_ref();
        let arrays = compute_leaves(schema.field(column), batch.column(column))?;
        leaves.iter_mut().zip(&arrays).try_for_each(|(leaf, array)| leaf.write(array))?;
    }
    Ok(())
}

/// A thread that works as long as there is work.
struct Worker(Arc<Shared>);

impl Worker {
    fn work(self) {
        let mut state = self.0.lock();
        while state.failed.is_none()
            && let Some(task) = state.take()
        {
            state = self.0.run(state, task);
        }
        // Not after the lock: who brings work counts on those that are there.
        state.workers -= 1;
    }
}

/// Whoever waits for a thread that died is told.
impl Drop for Worker {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.lock();
            state.workers -= 1;
            state.failed = Some(Error::Failed("internal error: an encoding thread died".to_owned()));
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
    fn each_group_has_its_rows() {
        let leaves = leaves();
        for threads in [0, 1, 2, 3, 8] {
            let mut encoders = Encoders::new(leaves.of_group(0).unwrap(), threads);
            for group in 0..5 {
                // More batches than may wait.
                for n in 0..2 * AHEAD + group {
                    encoders.encode(vec![batch(100), batch(n)]).unwrap();
                }
                encoders.end_group(leaves.of_group(group + 1).unwrap());
                assert_eq!(encoders.held().0, 0, "nothing is of the next group yet");
                let chunks = encoders.ended(true).unwrap().unwrap();
                let rows: Vec<u64> = chunks.iter().map(|chunk| chunk.close().rows_written).collect();
                let n_batches = 2 * AHEAD + group;
                let expected = (100 * n_batches + n_batches * (n_batches - 1) / 2) as u64;
                assert_eq!(rows, [expected, expected], "{threads} threads");
                assert!(encoders.ended(true).unwrap().is_none());
            }
        }
    }

    #[test]
    fn an_error_is_told_and_ends_it() {
        let leaves = leaves();
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(["a"]));
        let wrong = RecordBatch::try_from_iter([("number", Arc::clone(&texts)), ("text", texts)]).unwrap();
        for threads in [1, 2, 3] {
            // Texts are not what encodes numbers can encode.
            let mut encoders = Encoders::new(leaves.of_group(0).unwrap(), threads);
            let told = (0..10).find_map(|_| encoders.encode(vec![batch(10), wrong.clone()]).err());
            assert!(told.is_some_and(|e| !e.to_string().is_empty()), "{threads} threads");
            assert!(encoders.encode(vec![batch(10)]).is_err());
        }
    }

    #[test]
    fn what_is_dropped_halfway_does_not_wait() {
        let leaves = leaves();
        let mut encoders = Encoders::new(leaves.of_group(0).unwrap(), 4);
        for _ in 0..AHEAD {
            encoders.encode(vec![batch(10_000)]).unwrap();
        }
    }
}
