//! The file source: projection, filter, sort and split pushdown for scans of Avro files.

use crate::block_index::SortKey;
#[cfg(feature = "cache")]
use crate::cache::{ScanColumns, ScanCopies};
use crate::diagnostics::metrics::ScanMetrics;
use crate::io::readahead::ReadaheadPolicy;
use crate::listing::location::is_local;
use crate::projection::{DecodeColumns, ProjectedColumns, field_access, rebuild_for_pruned_schema};
use crate::scan::opener::{AvroOpener, Pruning};
use crate::scan::row_filter::Predicate;
use crate::scan::split::split_remote_files;
use crate::schema::header_cache::HeaderCache;
use crate::schema::reader_schema::ReaderSchema;
use crate::virtual_columns::{VirtualColumnAppender, is_virtual};
use arrow_schema::{DataType, Schema, SchemaRef};
use avro_arrow::OnCorruptBlock;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::physical_plan::{FileGroup, FileGroupPartitioner, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::fmt_sql;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr, apply_expression_roots};
use object_store::ObjectStore;
use std::fmt;
use std::sync::Arc;

/// Batch size, unless the session sets one.
const BATCH_SIZE: usize = 8192;
/// Up to this limit, one partition answers the query from the first file on. More partitions would read rows for
/// nothing and make the choice of rows random.
const FEW_ROWS: usize = 100_000;

/// Returns whether one partition is enough for this limit.
pub(crate) fn is_few(limit: Option<usize>) -> bool {
    limit.is_some_and(|limit| limit <= FEW_ROWS)
}

/// Reads Avro files for DataFusion.
///
/// - Projection: the scan decodes only the columns and struct fields that the query uses, and skips the bytes of
///   others. If it uses none, as in `COUNT(*)`, the scan reads only the row counts of the blocks.
///
/// - Filters: the scan decodes the columns of filters first, and other columns only for rows that match.
///
/// - Byte ranges: a range includes the blocks whose preceding sync marker begins in it, so however a file is split,
///   each row is in one range. Files are not split under [`OnCorruptBlock::Skip`], or if blocks or rows are counted.
///
/// - Block access: a [`BlockAccessPlan`](crate::BlockAccessPlan) on a file selects its blocks.
#[derive(Debug, Clone)]
pub struct AvroSource {
    pub(crate) table_schema: TableSchema,
    /// Columns of the files before pruning, see [`narrowed`](Self::narrowed).
    pub(crate) full_schema: SchemaRef,
    pub(crate) headers: Arc<HeaderCache>,
    pub(crate) reader: Arc<ReaderSchema>,
    pub(crate) projection: SplitProjection,
    /// The columns that the projection uses.
    pub(crate) parts: ProjectedColumns,
    pub(crate) predicate: Predicate,
    /// The requested sort order, which the scan may follow approximately.
    pub(crate) order: Option<SortKey>,
    pub(crate) batch_size: usize,
    pub(crate) metrics: ExecutionPlanMetricsSet,
    /// Memory pool that fetched bytes are charged to.
    pub(crate) memory: Arc<dyn MemoryPool>,
    /// The columnar copies of the files.
    #[cfg(feature = "cache")]
    pub(crate) copies: ScanCopies,
    /// The columns of the files that are in memory.
    #[cfg(feature = "cache")]
    pub(crate) in_memory: ScanColumns,
}

impl AvroSource {
    /// Creates a source of all columns of this table. Files are resolved to `reader`; headers come from `headers`.
    pub(crate) fn new(table_schema: TableSchema, headers: Arc<HeaderCache>, reader: ReaderSchema) -> Self {
        let projection = SplitProjection::unprojected(&table_schema);
        AvroSource {
            parts: parts(&projection, table_schema.file_schema()),
            projection,
            predicate: Predicate::default(),
            order: None,
            reader: Arc::new(reader),
            full_schema: Arc::clone(table_schema.file_schema()),
            table_schema,
            headers,
            batch_size: BATCH_SIZE,
            metrics: ExecutionPlanMetricsSet::new(),
            memory: Arc::new(UnboundedMemoryPool::default()),
            #[cfg(feature = "cache")]
            copies: ScanCopies::default(),
            #[cfg(feature = "cache")]
            in_memory: ScanColumns::default(),
        }
    }

    /// Returns this source with the copies of its files, and their columns in memory.
    #[cfg(feature = "cache")]
    pub(crate) fn with_cached(self, copies: ScanCopies, in_memory: ScanColumns) -> Self {
        AvroSource { copies, in_memory, ..self }
    }

    /// Describes which files are read from memory, and which from their copies.
    #[cfg(feature = "cache")]
    fn cached(&self, decoded: &DecodeColumns) -> [(&'static str, Option<String>); 2] {
        let predicate = self.predicate.for_scan(self.table_schema.file_schema(), &self.full_schema);
        let (Ok(predicate), None) = (predicate, self.virtual_columns(decoded)) else {
            return [("memory", None), ("cached", None)];
        };
        let columns: Vec<_> = [decoded].into_iter().chain(predicate.as_ref().map(|filter| &filter.decoded)).collect();
        let (reader, options) = (&self.reader, self.headers.options());
        let in_memory = self.in_memory.describe(reader, options, &columns);
        [("memory", in_memory), ("cached", self.copies.describe(reader, options, &columns))]
    }

    /// Returns this source with a memory pool, to which it charges the bytes that it fetches.
    #[must_use]
    pub fn with_memory_pool(mut self, memory: Arc<dyn MemoryPool>) -> Self {
        self.memory = memory;
        self
    }

    /// Returns this source with this projection of its columns.
    #[must_use]
    pub(crate) fn with_projection(self, projection: &ProjectionExprs) -> Self {
        let projection = SplitProjection::new(self.table_schema.file_schema(), projection);
        let parts = parts(&projection, self.table_schema.file_schema());
        AvroSource { projection, parts, ..self }
    }

    /// Returns why one task must read each file from its start; `None` if files can be split.
    pub(crate) fn why_whole(&self, limit: Option<usize>) -> Option<&'static str> {
        let counts = self.virtual_columns(&self.decoded()).is_some_and(|columns| columns.counts());
        if self.headers.options().on_corrupt_block == OnCorruptBlock::Skip {
            // Skipped blocks are reported by their index.
            Some("it reports damaged blocks")
        } else if counts {
            Some("it counts blocks or rows")
        } else {
            is_few(limit).then_some("its LIMIT is small")
        }
    }

    /// Returns the columns to decode for the output.
    fn decoded(&self) -> DecodeColumns {
        self.parts.decoded(self.table_schema.file_schema(), &self.full_schema)
    }

    /// Returns the virtual columns to append to the decoded ones.
    fn virtual_columns(&self, decoded: &DecodeColumns) -> Option<VirtualColumnAppender> {
        let fields = self.table_schema.file_schema().fields();
        VirtualColumnAppender::new(
            self.parts.columns().iter().filter_map(|&column| fields.get(column)),
            &decoded.schema,
        )
    }

    /// Returns this source with a column pruned to a type with fewer struct fields; `None` if the query uses the column
    /// in any way but passing it through once.
    pub(crate) fn narrowed(&self, column: usize, data_type: DataType) -> Option<AvroSource> {
        let file_schema = self.table_schema.file_schema();
        let whole = file_schema.fields().get(column)?;
        let exprs = self.projection.source.expr_iter().collect::<Vec<_>>();
        let uses =
            exprs.iter().filter(|expr| ProjectedColumns::from_exprs([*expr], file_schema.fields()).has(column)).count();
        let filtered = ProjectedColumns::from_exprs(self.predicate.exprs(), file_schema.fields()).has(column);
        if uses != 1 || filtered {
            return None;
        }
        let narrow = whole.as_ref().clone().with_data_type(data_type);
        let mut fields = file_schema.fields().to_vec();
        *fields.get_mut(column)? = Arc::new(narrow);
        let schema = Arc::new(Schema::new_with_metadata(fields, file_schema.metadata().clone()));
        let partitions = self.table_schema.table_partition_cols().clone();
        let table_schema = TableSchema::builder(schema).with_table_partition_cols(partitions).build();
        Some(AvroSource { table_schema, ..self.clone() })
    }
}

/// Returns the columns that a projection uses.
fn parts(projection: &SplitProjection, file_schema: &Schema) -> ProjectedColumns {
    ProjectedColumns::from_exprs(&projection.source.expr_iter().collect::<Vec<_>>(), file_schema.fields())
}

impl FileSource for AvroSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.table_schema.file_schema();
        let columns = self.decoded();
        let opener = AvroOpener {
            store,
            store_url: config.object_store_url.clone(),
            headers: Arc::clone(&self.headers),
            reader: Arc::clone(&self.reader),
            virtual_columns: self.virtual_columns(&columns),
            columns,
            predicate: self.predicate.for_scan(file_schema, &self.full_schema)?.map(Arc::new),
            pruning: Pruning {
                table: Arc::clone(file_schema),
                predicate: self.predicate.clone(),
                order: self.order.clone(),
            },
            batch_size: self.batch_size,
            limit: config.limit,
            readahead: ReadaheadPolicy::new(is_local(&config.object_store_url), config.limit, config.file_groups.len()),
            memory: Arc::new(MemoryConsumer::new(format!("AvroScan[{partition}]")).register(&self.memory)),
            metrics: ScanMetrics::new(&self.metrics, partition),
            #[cfg(feature = "cache")]
            auto: self.copies.auto.clone(),
            #[cfg(feature = "cache")]
            loader: self.in_memory.loader.clone(),
            #[cfg(feature = "cache")]
            full_schema: Arc::clone(&self.full_schema),
        };
        // Expressions and partition columns are computed from the opener's output.
        let narrow = self.parts.narrow(file_schema);
        let projection =
            self.projection.source.clone().try_map_exprs(|expr| rebuild_for_pruned_schema(&expr, &narrow))?;
        ProjectionOpener::try_new(SplitProjection::new(&narrow, &projection), Arc::new(opener), &narrow)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(AvroSource { batch_size, ..self.clone() })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(self.clone().with_projection(&merged))))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.predicate.expr()
    }

    /// Accepts filters as exact: the output contains only matching rows.
    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let fields = self.table_schema.file_schema().fields();
        let looks_at_virtual = |filter: &Arc<dyn PhysicalExpr>| {
            let columns = ProjectedColumns::from_exprs([filter], fields).columns();
            columns.iter().filter_map(|&column| fields.get(column)).any(|field| is_virtual(field))
        };
        let takes = |filter: &Arc<dyn PhysicalExpr>| Predicate::takes(filter) && !looks_at_virtual(filter);
        let taken: Vec<_> = filters.iter().map(takes).collect();
        let answer = taken.iter().map(|&taken| if taken { PushedDown::Yes } else { PushedDown::No }).collect();
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(answer);
        if !taken.contains(&true) {
            return Ok(answer);
        }
        let filters = filters.into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(filter, _)| filter);
        let predicate = self.predicate.and(filters);
        Ok(answer.with_updated_node(Arc::new(AvroSource { predicate, ..self.clone() })))
    }

    /// Accepts sort orders as inexact: with block indexes, the first blocks in the order are read first, so that a
    /// query with a limit skips the rest.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        _eq_properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let key = order.first().and_then(|first| {
            // The order refers to the output columns.
            let output = first.expr.downcast_ref::<Column>()?;
            let expr = &self.projection.source.iter().nth(output.index())?.expr;
            let (column, path) = field_access(expr, self.table_schema.file_schema().fields())?;
            let path = path.into_iter().map(str::to_owned).collect();
            Some(SortKey { column, path, options: first.options })
        });
        Ok(match key {
            Some(key) => {
                SortOrderPushdownResult::Inexact { inner: Arc::new(AvroSource { order: Some(key), ..self.clone() }) }
            }
            None => SortOrderPushdownResult::Unsupported,
        })
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "avro"
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let columns = self.decoded();
        let decoded = match columns.paths.is_empty() {
            true => "row counts only".to_owned(),
            false => format!("[{}]", columns.paths.join(", ")),
        };
        let tree = matches!(t, DisplayFormatType::TreeRender);
        match tree {
            false => write!(f, ", decoded={decoded}")?,
            true => writeln!(f, "decoded={decoded}")?,
        }
        #[cfg(feature = "cache")]
        for (from, files) in self.cached(&columns) {
            match files {
                Some(files) if tree => writeln!(f, "{from}={files}")?,
                Some(files) => write!(f, ", {from}={files}")?,
                None => {}
            }
        }
        match self.filter() {
            Some(filter) if tree => writeln!(f, "predicate={}", fmt_sql(filter.as_ref())),
            Some(filter) => write!(f, ", predicate={filter}"),
            None => Ok(()),
        }
    }

    /// Blocks end with a sync marker, so reading can start anywhere in a file.
    fn supports_repartitioning(&self) -> bool {
        true
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        if self.why_whole(config.limit).is_some() {
            return Ok(None);
        }
        if !is_local(&config.object_store_url) {
            let groups = (output_ordering.is_none())
                .then(|| split_remote_files(&config.file_groups, target_partitions))
                .flatten();
            return Ok(groups.map(|groups| with_groups(config, groups)));
        }
        let groups = FileGroupPartitioner::new()
            .with_target_partitions(target_partitions)
            .with_repartition_file_min_size(repartition_file_min_size)
            .with_preserve_order_within_groups(output_ordering.is_some())
            .repartition_file_groups(&config.file_groups);
        Ok(groups.map(|groups| with_groups(config, groups)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let projected = self.projection.source.expr_iter().collect::<Vec<_>>();
        apply_expression_roots(projected.iter().chain(self.predicate.exprs()), f)
    }
}

fn with_groups(config: &FileScanConfig, groups: Vec<FileGroup>) -> FileScanConfig {
    let mut config = config.clone();
    config.file_groups = groups;
    config
}
