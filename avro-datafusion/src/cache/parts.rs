//! Decodes columns of a file from its start to its end, in parts, by several tasks.

use crate::block_index::format::Identity;
use crate::error::file_error;
use crate::io::boundary_check::BoundaryCheck;
use crate::io::readahead::{Fetch, Object, ReadaheadPolicy};
use crate::schema::header_cache::FileHeader;
use arrow_array::RecordBatch;
use avro_arrow::{DecodeResult, Decoder, Program, RowRange};
use datafusion::arrow::buffer::Buffer;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::physical_plan::metrics::Count;
use futures::{Stream, StreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Rows decoded at a time.
pub(super) const BATCH_SIZE: usize = 8192;
/// Bytes of a file that a task decodes.
const PART_BYTES: u64 = 16 << 20;

/// Receives the rows of a part of a file.
pub(super) trait PartSink: Send + 'static {
    type Output: Send + 'static;
    type Error: Send + 'static;

    /// Takes a batch of which the rows are at these positions.
    fn push(&mut self, batch: &RecordBatch, positions: &[RowRange]) -> Result<(), Self::Error>;

    fn finish(self) -> Result<Self::Output, Self::Error>;
}

/// A file, and the program that decodes its columns.
pub(super) struct FileJob {
    pub(super) object: Object,
    pub(super) location: Path,
    pub(super) file_len: u64,
    pub(super) header: Arc<FileHeader>,
    pub(super) program: Arc<Program>,
    pub(super) readahead: ReadaheadPolicy,
    pub(super) bytes: Count,
    pub(super) rows: Arc<AtomicU64>,
}

/// What a sink made of the next part of a file.
pub(super) enum Part<S: PartSink> {
    Rows(Result<S::Output, S::Error>),
    /// The ranges of the file do not meet: it must be read as one.
    ReadWhole,
}

impl FileJob {
    /// Decodes the file, as one part if `is_whole`, and passes each part to a sink of its own. Returns what the sinks
    /// made, in the order of the file.
    pub(super) fn parts<S: PartSink>(
        self: Arc<Self>,
        is_whole: bool,
        tasks: Arc<Semaphore>,
        n_tasks: usize,
        sink: impl Fn() -> S + Send + 'static,
    ) -> impl Stream<Item = Result<Part<S>>> + Send {
        let file_len = self.file_len;
        let parts = self.n_parts(is_whole) as u64;
        let len = file_len.div_ceil(parts);
        let boundaries = BoundaryCheck::default();
        let task = move |i: u64| {
            let range = (i * len).min(file_len)..((i + 1) * len).min(file_len);
            let (job, tasks, sink) = (Arc::clone(&self), Arc::clone(&tasks), sink());
            async move {
                let task = SpawnedTask::spawn(async move {
                    // The semaphore is never closed.
                    let _permit = tasks.acquire_owned().await;
                    job.part(range, sink).await
                });
                task.join_unwind().await
            }
        };
        stream::iter((0..parts).map(task)).buffered(n_tasks.max(1)).map(move |part| {
            let DecodedPart { range, covered, hides_marker, output } =
                part.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            let is_part = range != (0..file_len);
            let meets = !is_part || (!hides_marker && boundaries.record(range, covered));
            Ok(if meets || output.is_err() { Part::Rows(output) } else { Part::ReadWhole })
        })
    }

    /// Returns the number of parts.
    pub(super) fn n_parts(&self, is_whole: bool) -> usize {
        match is_whole {
            true => 1,
            false => usize::try_from(self.file_len.div_ceil(PART_BYTES)).unwrap_or(usize::MAX).max(1),
        }
    }

    async fn part<S: PartSink>(&self, range: Range<u64>, mut sink: S) -> Result<DecodedPart<S>> {
        let (header, name) = (&self.header.header, &self.object.name);
        let decoder = match range == (0..self.file_len) {
            true => Decoder::new(header, Arc::clone(&self.program)),
            false => Decoder::for_range(header, Arc::clone(&self.program), range.clone(), self.file_len),
        };
        let mut decoder = decoder.with_row_positions();
        let wanted = decoder.first_offset()..range.end;
        let mut fetch = Fetch::new(self.object.clone(), wanted, self.readahead, self.bytes.clone());
        let mut pushed = Ok(());
        loop {
            let block = match decoder.try_decode().map_err(|e| file_error(e, name))? {
                DecodeResult::Batch(batch) => {
                    self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    pushed = sink.push(&batch, decoder.row_positions());
                    if pushed.is_err() {
                        break;
                    }
                    continue;
                }
                DecodeResult::NeedsData(block) => block,
                DecodeResult::Finished => break,
            };
            match fetch.next(block).await? {
                Some(bytes) => decoder.feed(Buffer::from(bytes)),
                None => decoder.finish(),
            }
        }
        let output = pushed.and_then(|()| sink.finish());
        Ok(DecodedPart { range, covered: decoder.covered_range(), hides_marker: decoder.hides_marker(), output })
    }

    /// Checks that all bytes were of this version of the file.
    pub(super) async fn check_unchanged(&self, identity: &Identity, activity: &str) -> Result<()> {
        let now = self.object.store.head(&self.location).await?;
        match identity.differs(&Identity::new(&now, self.header.header.sync, self.header.schema.avro())) {
            Some(what) => {
                Err(exec_datafusion_err!("{}: the file's {what} changed while it was {activity}", self.object.name))
            }
            None => Ok(()),
        }
    }
}

/// A part of a file, after decoding.
struct DecodedPart<S: PartSink> {
    range: Range<u64>,
    covered: Option<Range<u64>>,
    hides_marker: bool,
    output: Result<S::Output, S::Error>,
}
