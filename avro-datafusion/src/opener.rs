//! Opens files: a file or byte range of one in, the stream of its rows out. Its header comes from the shared headers.

use crate::adapt::Adapter;
use crate::fetch::{Fetch, ReadAhead};
use crate::headers::{Headers, external};
use crate::location::file_name;
use crate::metrics::ScanMetrics;
use crate::parts::Decoded;
use crate::predicate::ScanPredicate;
use crate::reader::TableReader;
use crate::stream::FileRows;
use crate::virtual_columns::Placed;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, SchemaRef};
use avro_arrow::Decoder;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use std::ops::Range;
use std::sync::Arc;

/// Opens the files of one scan.
#[derive(Clone)]
pub(crate) struct AvroOpener {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) headers: Arc<Headers>,
    /// The columns wanted of each file, and how they are found.
    pub(crate) columns: Decoded,
    /// What is wanted behind them of where the rows are.
    pub(crate) placed: Option<Placed>,
    pub(crate) reader: Arc<TableReader>,
    /// Which rows are wanted, if not all.
    pub(crate) predicate: Option<Arc<ScanPredicate>>,
    pub(crate) batch_size: usize,
    /// Rows wanted of the whole scan.
    pub(crate) limit: Option<usize>,
    pub(crate) metrics: ScanMetrics,
}

impl FileOpener for AvroOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let opener = self.clone();
        Ok(async move { opener.rows(file).await }.boxed())
    }
}

impl AvroOpener {
    async fn rows(self, file: PartitionedFile) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let object = file.object_meta;
        let name = file_name(&self.store_url, &object.location);
        let (header, first) = self.headers.get(self.store.as_ref(), &object, &name).await?;

        // A batch of more rows than the query wants would be decoded in vain. How many are, before a filter, is not known.
        let few = self.limit.filter(|_| self.predicate.is_none());
        let batch_size = few.map_or(self.batch_size, |limit| limit.min(self.batch_size));
        let options = self.headers.options();
        let looked_at = self.predicate.as_ref().map(|predicate| &predicate.decoded);
        let (program, filter) = self
            .reader
            .programs(&header.schema, &self.columns, looked_at, batch_size, options)
            .map_err(|e| external(e, &name))?;
        let adapter = Adapter::new(program.arrow_schema(), Arc::clone(&self.columns.schema), &name)?;
        let range = file.range.map_or(0..object.size, |range| bounded(&range, object.size));
        let whole = range == (0..object.size);
        let mut decoder = match whole {
            true => Decoder::new(&header.header, program),
            false => Decoder::for_range(&header.header, program, range.clone(), object.size),
        };

        if !whole && self.placed.as_ref().is_some_and(Placed::counts) {
            return internal_err!(
                "{name}: blocks and rows are counted from the start of a file, and this is a part of one"
            );
        }

        let schema = self.placed.as_ref().map_or(&self.columns.schema, Placed::schema);
        let mut coalescer = None;
        if let (Some(predicate), Some(program)) = (&self.predicate, filter) {
            let (metrics, values) = (self.metrics.filter.clone(), &file.partition_values);
            let filter = predicate.for_file(values, program.arrow_schema(), &name, metrics)?;
            decoder = decoder.with_filter(&program, filter);
            coalescer = coalescer_of(schema, self.limit.unwrap_or(batch_size).clamp(1, batch_size));
        }

        if self.placed.is_some() {
            decoder = decoder.with_places();
        }

        // The bytes that came with the header are not read twice.
        let start = decoder.start();
        let first = first.unwrap_or_default();
        self.metrics.bytes_scanned.add(first.len());
        let body = usize::try_from(start).ok().and_then(|at| (at < first.len()).then(|| first.slice(at..)));
        let position = start + body.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let read_ahead = if few.is_some() { ReadAhead::Never } else { ReadAhead::InRange };
        let bytes_scanned = self.metrics.bytes_scanned.clone();
        let fetch =
            Fetch::new(self.store, object.location, position..range.end, object.size, read_ahead, bytes_scanned);
        let mut rows = FileRows {
            decoder,
            fetch,
            adapter,
            placed: self.placed,
            coalescer,
            name,
            metrics: self.metrics,
            report: self.headers.options().report.clone(),
            file: header,
            range: (!whole).then_some(range),
            finished: false,
            ended: false,
        };
        if let Some(bytes) = body {
            rows.feed(bytes);
        }
        Ok(rows.into_stream())
    }
}

/// What makes batches of so many rows of smaller ones.
fn coalescer_of(schema: &SchemaRef, rows: usize) -> Option<BatchCoalescer> {
    // Arrow cannot put together values of no bytes.
    let has_empty = |field: &&Field| matches!(field.data_type(), DataType::FixedSizeBinary(0));
    if schema.flattened_fields().iter().any(has_empty) {
        return None;
    }
    // Batches that are half full are as good as full.
    Some(BatchCoalescer::new(Arc::clone(schema), rows).with_biggest_coalesce_batch_size(Some(rows / 2)))
}

/// The part of the range that lies in the file.
fn bounded(range: &FileRange, file_len: u64) -> Range<u64> {
    let bound = |at: i64| u64::try_from(at).unwrap_or(0).min(file_len);
    bound(range.start)..bound(range.end)
}
