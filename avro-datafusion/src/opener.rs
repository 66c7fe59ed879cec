//! Opens files: a file or byte range of one in, the stream of its rows out. Its header comes from the shared headers.

use crate::adapt::Adapter;
use crate::fetch::{Fetch, Object, Pace};
use crate::headers::Headers;
use crate::location::file_name;
use crate::reader::TableReader;
use crate::stream::FileRows;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use avro_arrow::Decoder;
use datafusion::common::Result;
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::metrics::{Count, Time};
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
    pub(crate) columns: SchemaRef,
    pub(crate) reader: Arc<TableReader>,
    pub(crate) batch_size: usize,
    /// Rows wanted of the whole scan.
    pub(crate) limit: Option<usize>,
    pub(crate) pace: Pace,
    /// Whom bytes that are read are accounted to.
    pub(crate) memory: Arc<MemoryReservation>,
    pub(crate) bytes_scanned: Count,
    pub(crate) blocks_skipped: Count,
    pub(crate) time_decoding: Time,
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

        // A batch of more rows than the query wants would be decoded in vain.
        let batch_size = self.limit.map_or(self.batch_size, |limit| limit.min(self.batch_size));
        let options = self.headers.options();
        let program = self.reader.program(&header.schema, &self.columns, batch_size, options, &name)?;
        let adapter = Adapter::new(program.arrow_schema(), Arc::clone(&self.columns), &name)?;
        let range = file.range.map_or(0..object.size, |range| bounded(&range, object.size));
        let whole = range == (0..object.size);
        let decoder = match whole {
            true => Decoder::new(&header.header, program),
            false => Decoder::for_range(&header.header, program, range.clone(), object.size),
        };

        // The bytes that came with the header are not read twice.
        let start = decoder.start();
        let first = first.unwrap_or_default();
        self.bytes_scanned.add(first.len());
        let body = usize::try_from(start).ok().and_then(|at| (at < first.len()).then(|| first.slice(at..)));
        let position = start + body.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let version = Arc::clone(&header.version);
        let object = Object { store: self.store, version, name: name.clone(), memory: self.memory };
        let fetch = Fetch::new(object, position..range.end, self.pace, self.bytes_scanned);
        let mut rows = FileRows {
            decoder,
            fetch,
            adapter,
            name,
            time_decoding: self.time_decoding,
            report: self.headers.options().report.clone(),
            blocks_skipped: self.blocks_skipped,
            file: header,
            range: (!whole).then_some(range),
            finished: false,
        };
        if let Some(bytes) = body {
            rows.feed(bytes);
        }
        Ok(rows.into_stream())
    }
}

/// The part of the range that lies in the file.
fn bounded(range: &FileRange, file_len: u64) -> Range<u64> {
    let bound = |at: i64| u64::try_from(at).unwrap_or(0).min(file_len);
    bound(range.start)..bound(range.end)
}
