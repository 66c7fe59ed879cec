//! Table functions with rows per file: the files are listed at every scan.

use super::arguments::TableArguments;
use crate::diagnostics::observer::ScanObserver;
use crate::listing::list::{list_all, list_some};
use crate::listing::listed::ListedFile;
use crate::listing::location::Location;
use crate::options::read::AvroOptions;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::catalog::{Session, TableFunctionArgs, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::{BoxStream, StreamExt, try_unfold};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Produces the rows for a file.
pub(super) trait PerFile: fmt::Debug + Send + Sync {
    /// Returns the columns.
    fn schema(&self) -> SchemaRef;

    /// Whether there are rows for files of every kind, also for empty ones.
    fn is_of_all_files(&self) -> bool {
        false
    }

    /// Returns the rows for this file, computed on demand.
    fn rows(&self, file: ListedFile, run: &Run) -> BoxStream<'static, Result<RecordBatch>>;
}

/// Context of a query.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Maximum rows per batch.
    pub(super) batch_size: usize,
    /// Files processed concurrently.
    pub(super) n_parts: usize,
    /// Whether there is only one file. Its errors fail the query instead of becoming rows.
    pub(super) is_only_file: bool,
    /// Memory pool that fetched bytes are charged to.
    pub(super) memory: Arc<dyn MemoryPool>,
}

/// Separates errors of one of several files, which become rows, from errors that fail the query, such as those of a
/// store.
pub(super) fn readable<T>(read: Result<T>, is_only_file: bool) -> Result<std::result::Result<T, String>> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if is_only_file => Err(error),
        Err(DataFusionError::External(error)) => {
            let error = error.downcast::<avro_arrow::Error>().map_err(DataFusionError::External)?;
            // The file is in a column of its own.
            Ok(Err(error.at(|position| position.file = None).to_string()))
        }
        Err(error) => Err(error),
    }
}

/// Creates the table of a call of this function. `per_file` is called with the options.
pub(super) fn file_table<P: PerFile + 'static>(
    function: &str,
    args: &TableFunctionArgs<'_, '_>,
    options: &AvroOptions,
    per_file: impl FnOnce(AvroOptions) -> P,
) -> Result<Arc<dyn TableProvider>> {
    let arguments = TableArguments::parse(function, args.exprs(), options)?;
    let locations = arguments.locations()?;
    let (extension, observer) = (arguments.options.file_extension.clone(), arguments.options.observer.clone());
    Ok(Arc::new(FileTable { locations, extension, observer, per_file: Arc::new(per_file(arguments.options)) }))
}

/// Table over the files at some locations.
#[derive(Debug)]
struct FileTable {
    locations: Vec<Location>,
    extension: String,
    observer: Option<Arc<dyn ScanObserver>>,
    per_file: Arc<dyn PerFile>,
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        self.per_file.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let runtime = session.runtime_env();
        let listings = match self.per_file.is_of_all_files() {
            true => list_all(&self.locations, runtime).await?,
            false => list_some(&self.locations, runtime, &self.extension).await?,
        };
        listings.iter().for_each(|listing| listing.warn(self.observer.as_deref()));
        let files: Vec<ListedFile> = listings.into_iter().flat_map(|listing| listing.files).collect();
        // A few files per thread; files are not split, as blocks are counted from the start.
        let n = files.len().div_ceil(session.config().target_partitions().max(1)).max(1);
        let (n_parts, is_only_file) = (files.len().div_ceil(n), files.len() == 1);
        let part = |files: &[ListedFile]| -> Arc<dyn PartitionStream> {
            let per_file = Arc::clone(&self.per_file);
            Arc::new(FilePartition {
                schema: per_file.schema(),
                per_file,
                files: files.to_vec(),
                n_parts,
                is_only_file,
            })
        };
        let parts = files.chunks(n).map(part).collect();
        Ok(Arc::new(StreamingTableExec::try_new(self.schema(), parts, projection, [], false, limit)?))
    }
}

/// One partition of the files.
#[derive(Debug)]
struct FilePartition {
    schema: SchemaRef,
    per_file: Arc<dyn PerFile>,
    files: Vec<ListedFile>,
    n_parts: usize,
    is_only_file: bool,
}

impl PartitionStream for FilePartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch_size = context.session_config().batch_size().max(1);
        let under_way = UnderWay {
            per_file: Arc::clone(&self.per_file),
            files: self.files.clone().into(),
            rows: None,
            run: Run {
                batch_size,
                n_parts: self.n_parts,
                is_only_file: self.is_only_file,
                memory: Arc::clone(context.memory_pool()),
            },
            // Files have few rows each.
            coalescer: BatchCoalescer::new(Arc::clone(&self.schema), batch_size),
            ended: false,
        };
        let batches =
            try_unfold(under_way, |mut rows| async move { Ok(rows.next().await?.map(|batch| (batch, rows))) });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

struct UnderWay {
    per_file: Arc<dyn PerFile>,
    /// Remaining files.
    files: VecDeque<ListedFile>,
    /// Rows of the current file.
    rows: Option<BoxStream<'static, Result<RecordBatch>>>,
    run: Run,
    coalescer: BatchCoalescer,
    ended: bool,
}

impl UnderWay {
    /// Returns the next rows; `None` after the last file.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match &mut self.rows {
                Some(rows) => match rows.next().await {
                    Some(batch) => self.coalescer.push_batch(batch?)?,
                    None => self.rows = None,
                },
                None => match self.files.pop_front() {
                    Some(file) => self.rows = Some(self.per_file.rows(file, &self.run)),
                    None => {
                        self.coalescer.finish_buffered_batch()?;
                        self.ended = true;
                    }
                },
            }
        }
    }
}
