//! The rows of one file or byte range: pieces of the file in, batches of the table's schema out.
//!
//! Decoding happens where the stream is polled, as in DataFusion's own sources: the threads of the query are the ones that
//! decode, one partition each, and dropping the stream stops all work. Only reading is left to other threads.

use crate::adapt::Adapter;
use crate::damage::Report;
use crate::fetch::Fetch;
use crate::headers::{FileHeader, external};
use crate::metrics::ScanMetrics;
use crate::virtual_columns::Placed;
use arrow_array::RecordBatch;
use avro_arrow::Decoder;
use bytes::Bytes;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::{Result, exec_err};
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::ops::Range;
use std::sync::Arc;

/// What it takes to read a file.
pub(crate) struct FileRows {
    pub(crate) decoder: Decoder,
    pub(crate) fetch: Fetch,
    pub(crate) adapter: Adapter,
    /// What is wanted of where the rows are.
    pub(crate) placed: Option<Placed>,
    /// Makes full batches of what a filter leaves over, if there is one.
    pub(crate) coalescer: Option<BatchCoalescer>,
    /// The file's name, for errors.
    pub(crate) name: String,
    pub(crate) metrics: ScanMetrics,
    /// Who is told of damaged blocks that are skipped.
    pub(crate) report: Report,
    /// The file, and the range of it that is read if that is not all of it.
    pub(crate) file: Arc<FileHeader>,
    pub(crate) range: Option<Range<u64>>,
    /// Has the decoder been told that the file ends?
    pub(crate) finished: bool,
    /// Have all its rows been decoded?
    pub(crate) ended: bool,
}

impl FileRows {
    /// Gives the decoder its next bytes.
    pub(crate) fn feed(&mut self, bytes: Bytes) {
        self.decoder.feed(Buffer::from(bytes));
    }

    /// The batches, decoded as they are asked for.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        try_unfold(self, |mut rows| async move { Ok(rows.next().await?.map(|batch| (batch, rows))) }).boxed()
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.as_mut().and_then(BatchCoalescer::next_completed_batch) {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.next_decoded().await? {
                Some(batch) => match &mut self.coalescer {
                    Some(coalescer) => coalescer.push_batch(batch)?,
                    None => return Ok(Some(batch)),
                },
                None => {
                    self.ended = true;
                    if let Some(coalescer) = &mut self.coalescer {
                        coalescer.finish_buffered_batch()?;
                    }
                }
            }
        }
    }

    /// The next batch as it is decoded.
    async fn next_decoded(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decode()? {
                return Ok(Some(batch));
            }
            if self.finished || self.decoder.is_done() {
                return self.meets_neighbours().map(|()| None);
            }
            let waiting = self.metrics.time_fetching.timer();
            let bytes = self.fetch.next().await?;
            waiting.done();
            match bytes {
                Some(bytes) => self.feed(bytes),
                None => {
                    self.decoder.finish();
                    self.finished = true;
                }
            }
        }
    }

    /// Checks, at the end of a range, that it ends where the next one begins.
    fn meets_neighbours(&self) -> Result<()> {
        let Some(range) = &self.range else { return Ok(()) };
        if self.file.spans.agree(range.clone(), self.decoder.span()) {
            return Ok(());
        }
        exec_err!(
            "{}: a value of this file holds what looks like a block of it, so it cannot be read in parts; \
             `SET datafusion.optimizer.repartition_file_scans = false` reads it whole",
            self.name
        )
    }

    /// The next batch of the bytes that are there.
    fn decode(&mut self) -> Result<Option<RecordBatch>> {
        let (blocks, decompressing) = (self.decoder.blocks_read(), self.decoder.time_decompressing());
        let time = self.metrics.time_decoding.timer();
        let batch = self.decoder.next_batch().map_err(|e| external(e, &self.name))?;
        time.done();
        self.metrics.blocks_read.add((self.decoder.blocks_read() - blocks) as usize);
        self.metrics.time_decompressing.add_duration(self.decoder.time_decompressing() - decompressing);
        for damaged in self.decoder.take_damage() {
            self.metrics.blocks_damaged.add(1);
            self.report.skipped(&self.name, &damaged);
        }
        let adapt = |batch: RecordBatch| {
            let batch = self.adapter.adapt(&batch)?;
            match &self.placed {
                Some(placed) => placed.append(&batch, self.decoder.places()),
                None => Ok(batch),
            }
        };
        batch.map(adapt).transpose().map_err(|e| external(e.into(), &self.name))
    }
}
