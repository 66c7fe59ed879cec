//! `SELECT .. FROM avro_blocks('path')`: a row for each block. Only block headers are examined; if blocks are large,
//! the data between them is not even read.

use super::file_table::{PerFile, Run, file_table};
use crate::error::file_error;
use crate::io::object_version::ObjectSnapshot;
use crate::listing::listed::ListedFile;
use crate::listing::location::is_local;
use crate::options::read::AvroOptions;
use crate::schema::header_cache;
use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use avro_arrow::container::{Frame, Header};
use avro_arrow::{Error, ErrorKind};
use bytes::Bytes;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::sync::Arc;

/// Bytes of a sync marker.
const SYNC_LEN: usize = 16;
/// Bytes examined of each block: the marker before it, its header, and the decompressed length in the data.
const HEAD_LEN: usize = SYNC_LEN + Frame::LEN_MAX + 18;
/// Bytes per read if blocks are large.
const ONE_HEAD: u64 = 512;
/// Bytes per read if blocks are small: reading on costs less than another request.
const MANY_HEADS: u64 = 1 << 20;
/// Maximum bytes of small blocks, on local disks and elsewhere.
const SMALL_LOCAL: u64 = 32 << 10;
const SMALL_REMOTE: u64 = 512 << 10;

/// The table function `avro_blocks('path')`: the blocks of each file.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `block` | Int64 | index of the block, from 0 |
/// | `offset` | Int64 | offset of the block in the file |
/// | `bytes` | Int64 | length of the block, up to the next one |
/// | `rows` | Int64 | declared row count |
/// | `stored` | Int64 | bytes of its data as stored |
/// | `decompressed` | Int64 | bytes of its decompressed data, if the codec records it (null, snappy, zstandard's first frame) |
///
/// Rows come in file order. Sync markers are checked, data is not.
#[derive(Debug)]
pub struct AvroBlocksFunc {
    options: AvroOptions,
}

impl AvroBlocksFunc {
    /// Creates the function with these default options; options of a call take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroBlocksFunc { options }
    }
}

impl TableFunctionImpl for AvroBlocksFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("block", DataType::Int64, false),
            Field::new("offset", DataType::Int64, false),
            Field::new("bytes", DataType::Int64, false),
            Field::new("rows", DataType::Int64, false),
            Field::new("stored", DataType::Int64, false),
            Field::new("decompressed", DataType::Int64, true),
        ]));
        file_table("avro_blocks", &args, &self.options, |options| PerFileBlocks { options: Arc::new(options), schema })
    }
}

#[derive(Debug)]
struct PerFileBlocks {
    options: Arc<AvroOptions>,
    schema: SchemaRef,
}

impl PerFile for PerFileBlocks {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self, file: ListedFile, run: &Run) -> BoxStream<'static, Result<RecordBatch>> {
        let (options, schema) = (Arc::clone(&self.options), Arc::clone(&self.schema));
        let batch_size = run.batch_size;
        let start = BlockScanState::Closed { file, options };
        try_unfold(start, move |state| {
            let schema = Arc::clone(&schema);
            async move {
                let mut walk = match state {
                    BlockScanState::Closed { file, options } => Box::new(BlockWalk::open(file, &options).await?),
                    BlockScanState::Open(walk) => walk,
                };
                let mut rows = BlockRows::default();
                while rows.n < batch_size
                    && let Some(block) = walk.next().await?
                {
                    rows.push(&walk.name, &block);
                }
                if rows.n == 0 {
                    return Ok(None);
                }
                Ok(Some((rows.finish(schema)?, BlockScanState::Open(walk))))
            }
        })
        .boxed()
    }
}

enum BlockScanState {
    Closed { file: ListedFile, options: Arc<AvroOptions> },
    Open(Box<BlockWalk>),
}

/// What the header of a block says.
pub(super) struct BlockHead {
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) frame: Frame,
    /// Bytes of the decompressed data, if the codec records it.
    pub(super) decompressed: Option<u64>,
}

/// Walks from block to block.
pub(super) struct BlockWalk {
    file: ListedFile,
    name: String,
    pub(super) header: Header,
    version: ObjectSnapshot,
    /// Bytes of the file from `window_start` on.
    window: Bytes,
    window_start: u64,
    /// Offset of the marker before the next block, and the index of that block.
    marker: u64,
    index: u64,
    /// Whether the last block was small.
    small: bool,
    small_max: u64,
}

impl BlockWalk {
    /// Reads the header of a file.
    pub(super) async fn open(file: ListedFile, options: &AvroOptions) -> Result<BlockWalk> {
        let name = file.name();
        let (header, version, window) = header_cache::fetch(file.store.as_ref(), &file.object, options, &name).await?;
        Ok(BlockWalk {
            name,
            version,
            window,
            window_start: 0,
            marker: header.len.saturating_sub(SYNC_LEN as u64),
            header,
            index: 0,
            small: true,
            small_max: if is_local(&file.store_url) { SMALL_LOCAL } else { SMALL_REMOTE },
            file,
        })
    }

    /// Returns the next block; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<BlockHead>> {
        let file_len = self.file.object.size;
        let offset = self.marker.saturating_add(SYNC_LEN as u64);
        let head = self.head().await?;
        let Some((sync, head)) = head.split_first_chunk::<SYNC_LEN>() else {
            return Err(self.error(ErrorKind::Truncated { what: "a block" }, file_len));
        };
        if *sync != self.header.sync {
            self.index = self.index.saturating_sub(1);
            return Err(self.error(ErrorKind::SyncMismatch, self.marker));
        }
        if offset >= file_len {
            return Ok(None);
        }
        let frame = match Frame::parse(head).map_err(|kind| self.error(kind, offset))? {
            Some(frame) => frame,
            None => return Err(self.error(ErrorKind::Truncated { what: "a block's count and size" }, offset)),
        };
        let len = frame.len_with_data();
        if len.saturating_add(SYNC_LEN as u64) > file_len - offset {
            return Err(self.error(ErrorKind::Truncated { what: "a block" }, offset));
        }
        let data = head.get(frame.len..).unwrap_or_default();
        let data = data.get(..usize::try_from(frame.size).unwrap_or(usize::MAX)).unwrap_or(data);
        let decompressed = self.header.codec.stated_len(data, frame.size);
        self.small = len <= self.small_max;
        self.marker = offset + len;
        self.index += 1;
        Ok(Some(BlockHead { index: self.index - 1, offset, frame, decompressed }))
    }

    /// Returns the bytes to examine from the marker before the next block on.
    async fn head(&mut self) -> Result<Bytes> {
        let left = self.file.object.size.saturating_sub(self.marker);
        let wanted = left.min(HEAD_LEN as u64);
        let end = self.window_start + self.window.len() as u64;
        if self.marker < self.window_start || self.marker + wanted > end {
            if wanted == 0 {
                return Ok(Bytes::new());
            }
            let read = if self.small { MANY_HEADS } else { ONE_HEAD };
            let range = self.marker..self.marker + left.min(read);
            self.window = self.version.read(self.file.store.as_ref(), range, &self.name).await?.bytes;
            self.window_start = self.marker;
        }
        let from = usize::try_from(self.marker - self.window_start).unwrap_or(usize::MAX).min(self.window.len());
        let to = from.saturating_add(HEAD_LEN).min(self.window.len());
        Ok(self.window.slice(from..to))
    }

    fn error(&self, kind: ErrorKind, offset: u64) -> datafusion::error::DataFusionError {
        let error = Error::new(kind).at(|position| {
            position.offset = Some(offset);
            position.block = Some(self.index);
        });
        file_error(error, &self.name)
    }
}

/// Builder of the output rows.
#[derive(Default)]
struct BlockRows {
    n: usize,
    file: StringBuilder,
    block: Int64Builder,
    offset: Int64Builder,
    bytes: Int64Builder,
    rows: Int64Builder,
    stored: Int64Builder,
    decompressed: Int64Builder,
}

impl BlockRows {
    fn push(&mut self, file: &str, block: &BlockHead) {
        let BlockHead { index, offset, frame, decompressed } = block;
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.n += 1;
        self.file.append_value(file);
        self.block.append_value(number(*index));
        self.offset.append_value(number(*offset));
        self.bytes.append_value(number(frame.len_with_data().saturating_add(SYNC_LEN as u64)));
        self.rows.append_value(number(frame.rows));
        self.stored.append_value(number(frame.size));
        self.decompressed.append_option(decompressed.map(number));
    }

    fn finish(mut self, schema: SchemaRef) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.block.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.bytes.finish()),
            Arc::new(self.rows.finish()),
            Arc::new(self.stored.finish()),
            Arc::new(self.decompressed.finish()),
        ];
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}
