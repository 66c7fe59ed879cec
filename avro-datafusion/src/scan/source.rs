//! The scan of Avro files as DataFusion's planner sees it: which columns it reads and how it may be split, in; openers, out.

use crate::block_index::SortKey;
use crate::diagnostics::metrics::ScanMetrics;
use crate::io::readahead::Pace;
use crate::listing::location::is_local;
use crate::projection::{Decoded, Parts, field_access, over_narrowed};
use crate::scan::opener::{AvroOpener, Pruning};
use crate::scan::row_filter::Predicate;
use crate::scan::split::cut;
use crate::schema::header_cache::Headers;
use crate::schema::reader_schema::TableReader;
use crate::virtual_columns::{Placed, is_virtual};
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

/// Rows of a batch where the engine does not say.
const BATCH_SIZE: usize = 8192;
/// A query for so few rows is answered by one partition from the first file on: more would read what is thrown away, and
/// would make it a matter of chance which rows are shown.
const FEW_ROWS: usize = 100_000;

/// Does this limit make more than one partition a waste?
pub(crate) fn is_few(limit: Option<usize>) -> bool {
    limit.is_some_and(|limit| limit <= FEW_ROWS)
}

/// Reads Avro files for DataFusion.
///
/// Projection: only columns, and fields of structs, that the query's expressions refer to are decoded, the others are skipped in
/// the bytes; where none is, as in `COUNT(*)`, only the row counts of blocks are read. Filters: their columns are decoded first, and
/// the others only for the rows that they are true for. Byte ranges: a range has the blocks whose preceding sync
/// marker begins in it, so however a file is cut, every row is in one range. Under [`OnCorruptBlock::Skip`], and where blocks
/// or rows are counted, files are not cut.
#[derive(Debug, Clone)]
pub struct AvroSource {
    table_schema: TableSchema,
    /// The columns of the files before they were narrowed, see [`narrowed`](Self::narrowed).
    full_schema: SchemaRef,
    headers: Arc<Headers>,
    reader: Arc<TableReader>,
    projection: SplitProjection,
    /// Which parts of the columns that is.
    parts: Parts,
    predicate: Predicate,
    /// The order in which rows are wanted, as far as that can be had.
    order: Option<SortKey>,
    batch_size: usize,
    metrics: ExecutionPlanMetricsSet,
    /// What bytes that are read are accounted to.
    memory: Arc<dyn MemoryPool>,
}

impl AvroSource {
    /// Returns a source of all columns of this table. Its files are resolved to `reader`, and their headers come from `headers`.
    pub(crate) fn new(table_schema: TableSchema, headers: Arc<Headers>, reader: TableReader) -> Self {
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
        }
    }

    /// The same source, which accounts for the bytes that it reads ahead, and holds, to this pool.
    #[must_use]
    pub fn with_memory_pool(mut self, memory: Arc<dyn MemoryPool>) -> Self {
        self.memory = memory;
        self
    }

    /// The paths that are decoded for the output.
    fn decoded(&self) -> Decoded {
        self.parts.decoded(self.table_schema.file_schema(), &self.full_schema)
    }

    /// What is wanted behind that of where the rows are.
    fn placed(&self, decoded: &Decoded) -> Option<Placed> {
        let fields = self.table_schema.file_schema().fields();
        Placed::of(self.parts.columns().iter().filter_map(|&column| fields.get(column)), &decoded.schema)
    }

    /// The same, with less in one of its columns: it is of this type then, in which fields of structs are left out. None if the column
    /// is used in any other way than to be put out as it is, once.
    pub(crate) fn narrowed(&self, column: usize, data_type: DataType) -> Option<AvroSource> {
        let file_schema = self.table_schema.file_schema();
        let whole = file_schema.fields().get(column)?;
        let exprs = self.projection.source.expr_iter().collect::<Vec<_>>();
        let uses = exprs.iter().filter(|expr| Parts::of([*expr], file_schema.fields()).has(column)).count();
        let filtered = Parts::of(self.predicate.exprs(), file_schema.fields()).has(column);
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

/// Which parts of the columns a projection looks at.
fn parts(projection: &SplitProjection, file_schema: &Schema) -> Parts {
    Parts::of(&projection.source.expr_iter().collect::<Vec<_>>(), file_schema.fields())
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
            placed: self.placed(&columns),
            columns,
            predicate: self.predicate.for_scan(file_schema, &self.full_schema)?.map(Arc::new),
            pruning: Pruning {
                table: Arc::clone(file_schema),
                predicate: self.predicate.clone(),
                order: self.order.clone(),
            },
            batch_size: self.batch_size,
            limit: config.limit,
            pace: Pace::of(is_local(&config.object_store_url), config.limit, config.file_groups.len()),
            memory: Arc::new(MemoryConsumer::new(format!("AvroScan[{partition}]")).register(&self.memory)),
            metrics: ScanMetrics::new(&self.metrics, partition),
        };
        // Expressions over the columns, and partition columns, are computed from what the opener yields.
        let narrow = self.parts.narrow(file_schema);
        let projection = self.projection.source.clone().try_map_exprs(|expr| over_narrowed(&expr, &narrow))?;
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
        let projection = SplitProjection::new(self.table_schema.file_schema(), &merged);
        let parts = parts(&projection, self.table_schema.file_schema());
        Ok(Some(Arc::new(AvroSource { projection, parts, ..self.clone() })))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.predicate.expr()
    }

    /// All filters are exact: rows that they are not true for are not in the output.
    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let fields = self.table_schema.file_schema().fields();
        let looks_at_virtual = |filter: &Arc<dyn PhysicalExpr>| {
            let columns = Parts::of([filter], fields).columns();
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

    /// Where there are indexes, what comes first in the order is read first; so that a query which wants only that leaves out the rest.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        _eq_properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let key = order.first().and_then(|first| {
            // The order is that of the output.
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
        let decoded = self.decoded();
        let decoded = match decoded.paths.is_empty() {
            true => "row counts only".to_owned(),
            false => format!("[{}]", decoded.paths.join(", ")),
        };
        let tree = matches!(t, DisplayFormatType::TreeRender);
        match tree {
            false => write!(f, ", decoded={decoded}")?,
            true => writeln!(f, "decoded={decoded}")?,
        }
        match self.filter() {
            Some(filter) if tree => writeln!(f, "predicate={}", fmt_sql(filter.as_ref())),
            Some(filter) => write!(f, ", predicate={filter}"),
            None => Ok(()),
        }
    }

    /// Blocks end with a sync marker, so that a file can be entered anywhere.
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
        // A file that is read around its damage is read from its start: so the list of what was skipped says which blocks.
        let counts = self.placed(&self.decoded()).is_some_and(|placed| placed.counts());
        if is_few(config.limit) || self.headers.options().on_corrupt_block == OnCorruptBlock::Skip || counts {
            return Ok(None);
        }
        if !is_local(&config.object_store_url) {
            let groups = (output_ordering.is_none()).then(|| cut(&config.file_groups, target_partitions)).flatten();
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
