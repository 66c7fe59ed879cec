//! Writes query results as Avro files, for `COPY` and `INSERT`.
//!
//! `partition` assigns rows to directories, `group` encodes rows, `files` manages the files of a write, and `upload`
//! sends one file to the store. DataFusion's own file sink is not used: it writes nulls into directories of other
//! values, spreads the rows of a file over several files to encode them in parallel, and leaves partial files if a
//! write is aborted.

mod files;
mod group;
mod partition;
pub(crate) mod upload;

use crate::error::file_error;
use crate::index::{IndexOptions, build_files};
use crate::listing::listed::ListedFile;
use crate::listing::location::{file_name, is_local};
use crate::options::read::AvroOptions;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use avro_arrow::{WriteOptions, WriterBuilder, tagged};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::datasource::physical_plan::FileSinkConfig;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_expr_common::sort_expr::LexRequirement;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use files::{Making, OutputFiles};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

pub(crate) use group::held_bytes;
pub use partition::Partitioning;

/// Bytes per write to a local disk.
const LOCAL_PART_BYTES: usize = 1 << 20;
/// Minimum bytes of a part that object stores accept.
const REMOTE_PART_BYTES_MIN: usize = 5 << 20;

/// Destination of a write.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) store_url: ObjectStoreUrl,
    /// The file, or the directory of the files.
    pub(crate) base: Path,
    /// Whether the write makes a single file.
    pub(crate) single: bool,
    /// Extension of the files, with the dot.
    pub(crate) extension: String,
    /// Columns that name the directories.
    pub(crate) partition_by: Vec<String>,
    /// Whether files also contain those columns.
    pub(crate) keep: bool,
}

impl Destination {
    /// Creates the destination from DataFusion's sink configuration.
    fn from_config(config: &FileSinkConfig) -> Result<Self> {
        let [base] = config.table_paths.as_slice() else {
            return plan_err!("expected one output location, found {}", config.table_paths.len());
        };
        if base.get_glob().is_some() {
            return plan_err!("{}: an output path must not contain wildcards", config.original_url);
        }
        let partition_by: Vec<_> = config.table_partition_cols.iter().map(|(name, _)| name.clone()).collect();
        Ok(Destination {
            store_url: config.object_store_url.clone(),
            base: base.prefix().clone(),
            single: partition_by.is_empty() && config.file_output_mode.single_file_output(base),
            extension: format!(".{}", config.file_extension),
            partition_by,
            keep: config.keep_partition_by_columns,
        })
    }

    fn name(&self) -> String {
        self.name_of(&self.base)
    }

    fn name_of(&self, path: &Path) -> String {
        file_name(&self.store_url, path)
    }

    /// Returns the path of the next file. Names sort in creation order, after those of earlier writes; part of the sync
    /// marker makes them unique.
    fn path(&self, directory: &Path, n: usize, sync: &[u8; 16]) -> Path {
        if self.single {
            return self.base.clone();
        }
        let millis = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        let unique = u128::from_be_bytes(*sync) >> 64;
        let directory = self.base.parts().chain(directory.parts()).collect::<Path>();
        directory.join(format!("part-{millis:012x}-{n:05}-{unique:016x}{}", self.extension))
    }
}

/// Writes Avro files. All files appear when the write completes; if it fails or is dropped, none does.
#[derive(Debug)]
pub struct AvroSink {
    destination: Destination,
    /// Columns of the input, those with unions instead of tagged structs, and those of the files.
    schema: SchemaRef,
    dense: Option<SchemaRef>,
    file_schema: SchemaRef,
    partitioning: Partitioning,
    options: AvroOptions,
    metrics: ExecutionPlanMetricsSet,
}

/// Metrics of a write.
struct Metrics {
    rows: Count,
    blocks: Count,
    bytes: Count,
    /// Time in encoding and compression, over all threads.
    time: Time,
}

impl AvroSink {
    /// Creates a sink and checks its columns and options.
    fn try_new(destination: Destination, schema: SchemaRef, options: AvroOptions) -> Result<Self> {
        let partitioning = Partitioning::new(&schema, &destination.partition_by, destination.keep)?;
        let dense = tagged::dense_schema(&schema);
        let file_schema = partitioning.file_schema(dense.as_ref().unwrap_or(&schema))?;
        let encoder = options.writing.encoder(&options.limits)?;
        WriterBuilder::new(Arc::clone(&file_schema))
            .with_options(encoder)
            .build_encoder()
            .map_err(|e| file_error(e, &destination.name()))?;
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(AvroSink {
            destination,
            schema,
            dense: dense.as_ref().map(nullable),
            file_schema,
            partitioning,
            options,
            metrics,
        })
    }

    /// Returns the encoder options, with the metadata of the headers.
    fn encoder(&self) -> Result<WriteOptions> {
        let mut encoder = self.options.writing.encoder(&self.options.limits)?;
        encoder.metadata.extend(self.partitioning.recorded(&self.schema));
        Ok(encoder)
    }

    /// Builds the block indexes of the written files.
    async fn index(&self, context: &TaskContext, paths: &[Path]) -> Result<()> {
        let store = context.runtime_env().object_store(&self.destination.store_url)?;
        let mut found = Vec::with_capacity(paths.len());
        for path in paths {
            let object = store.head(path).await?;
            let store_url = self.destination.store_url.clone();
            found.push(ListedFile { store: Arc::clone(&store), store_url, object });
        }
        let (runtime, threads) = (context.runtime_env(), context.session_config().target_partitions());
        let index = IndexOptions { columns: None, rebuild: true, progress: None };
        let built = build_files(&runtime, threads, found, &self.options, &index).await;
        built.map(drop).map_err(|e| e.context("all rows are written, but not all indexes"))
    }
}

#[async_trait]
impl DataSink for AvroSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(&self, mut data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let execution = &context.session_config().options().execution;
        let count = |name| MetricBuilder::new(&self.metrics).counter(name, 0);
        let rows = MetricBuilder::new(&self.metrics).output_rows(0);
        let threads = context.session_config().target_partitions();
        let mut files = OutputFiles::new(Making {
            store: context.runtime_env().object_store(&self.destination.store_url)?,
            destination: self.destination.clone(),
            partitioning: self.partitioning.clone(),
            schema: Arc::clone(&self.file_schema),
            options: self.encoder()?,
            part_bytes: match is_local(&self.destination.store_url) {
                true => LOCAL_PART_BYTES,
                false => execution.objectstore_writer_buffer_size.max(REMOTE_PART_BYTES_MIN),
            },
            rows_max: match self.destination.single {
                true => usize::MAX,
                false => execution.soft_max_rows_per_output_file.get(),
            },
            // One more than threads, so that no thread waits.
            groups_at_once: threads.max(1) + 1,
            memory: MemoryConsumer::new("AvroSink").register(context.memory_pool()),
            metrics: Metrics {
                rows: rows.clone(),
                blocks: count("blocks_written"),
                bytes: count("bytes_written"),
                time: MetricBuilder::new(&self.metrics).subset_time("time_encoding", 0),
            },
        });
        while let Some(batch) = data.next().await {
            let mut batch = conform(batch?, &self.schema)?;
            if let Some(dense) = &self.dense {
                batch = tagged::dense_batch(&batch, dense)?;
            }
            for (key, part) in self.partitioning.split(&batch)? {
                files.write(key, part).await?;
            }
        }
        let paths = files.finish().await?;
        if self.options.writing.index {
            self.index(context, &paths).await?;
        }
        Ok(rows.value() as u64)
    }
}

impl DisplayAs for AvroSink {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = self.options.writing.codec.name();
        match kind {
            DisplayFormatType::TreeRender => write!(f, "format: avro\ncodec: {codec}"),
            _ => {
                write!(f, "AvroSink(to={}, codec={codec}", self.destination.name())?;
                if !self.destination.partition_by.is_empty() {
                    write!(f, ", partition_by=[{}]", self.destination.partition_by.join(", "))?;
                }
                write!(f, ")")
            }
        }
    }
}

/// Casts a batch to the exact types of the schema. Plans and batches may differ in the fields inside columns.
fn conform(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let fits = |(column, field): (&ArrayRef, &FieldRef)| column.data_type() == field.data_type();
    if batch.columns().iter().zip(schema.fields()).all(fits) {
        return Ok(batch);
    }
    let cast_one = |(column, field): (&ArrayRef, &FieldRef)| match fits((column, field)) {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    };
    let columns = batch.columns().iter().zip(schema.fields()).map(cast_one).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(nullable(schema), columns, &options)?)
}

/// Returns the schema with all columns nullable. The encoder checks nulls against the file's schema.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// Plans a `COPY`, or an `INSERT` into one of DataFusion's listing tables.
pub(crate) fn plan(
    input: Arc<dyn ExecutionPlan>,
    config: &FileSinkConfig,
    options: AvroOptions,
    order: Option<LexRequirement>,
) -> Result<Arc<dyn ExecutionPlan>> {
    write(input, config.insert_op, Destination::from_config(config)?, Arc::clone(&config.output_schema), options, order)
}

/// Plans a write of rows with these columns.
pub(crate) fn write(
    input: Arc<dyn ExecutionPlan>,
    op: InsertOp,
    destination: Destination,
    schema: SchemaRef,
    options: AvroOptions,
    order: Option<LexRequirement>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if op != InsertOp::Append {
        return not_impl_err!("{op} of Avro tables; only appending rows is supported");
    }
    let sink = AvroSink::try_new(destination, schema, options)?;
    Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), order)))
}
