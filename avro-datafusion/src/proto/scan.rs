//! Scans of Avro files as messages.

use super::AvroCodec;
use super::message::{AccessPlan, CallResult, FileState, Options, Order, Pair, Scan};
use crate::block_index::{FileIndex, SortKey};
use crate::diagnostics::observer::ScanObserver;
#[cfg(feature = "cluster")]
use crate::diagnostics::query_scans::QueryScans;
use crate::options::read::AvroOptions;
use crate::scan::access_plan::BlockAccessPlan;
use crate::scan::row_filter::Predicate;
use crate::scan::sent_file::SentFile;
use crate::scan::source::AvroSource;
use crate::schema::header_cache::HeaderCache;
use crate::schema::reader_schema::ReaderSchema;
use crate::schema_file::given_json;
use crate::virtual_columns::without;
use arrow_schema::{Schema, SchemaRef, SortOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, exec_err, internal_err, not_impl_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion_proto::physical_plan::from_proto::{parse_protobuf_file_scan_config, parse_table_schema_from_proto};
use datafusion_proto::physical_plan::to_proto::serialize_file_scan_config;
use datafusion_proto::physical_plan::{PhysicalPlanDecodeContext, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf::{Field, PhysicalExprNode};
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum rows of a batch in a message.
const BATCH_SIZE_MAX: usize = 1 << 24;
/// Maximum tables whose headers are kept for later plans.
const TABLES_MAX: usize = 64;

type Exprs = Vec<Arc<dyn PhysicalExpr>>;

/// Encodes a scan.
///
/// # Errors
/// If the files are not read by this crate, or a part of the scan exists in this process only.
pub(super) fn encode(
    config: &FileScanConfig,
    codec: &AvroCodec,
    proto_converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Scan> {
    let Some(source) = config.file_source().downcast_ref::<AvroSource>() else {
        return not_impl_err!("a scan of {} files cannot be sent to another process", config.file_source().file_type());
    };
    // A new field must be sent, too.
    let AvroSource {
        table_schema,
        full_schema,
        headers,
        reader,
        projection,
        parts: _,
        predicate,
        order,
        batch_size,
        metrics: _,
        memory: _,
        // Each machine has copies and columns of its own.
        #[cfg(feature = "cache")]
            copies: _,
        #[cfg(feature = "cache")]
            in_memory: _,
    } = source;
    let options = headers.options();
    if **reader != ReaderSchema::new(&without(full_schema), options) {
        return internal_err!("the reader schema of a scan is not that of its table");
    }
    if config.output_partitioning.is_some() {
        return not_impl_err!("a scan of partitions by value cannot be sent to another process");
    }
    if config.file_compression_type != FileCompressionType::UNCOMPRESSED {
        return not_impl_err!("a scan of compressed files cannot be sent to another process");
    }
    let projected: Exprs = projection.source.expr_iter().collect();
    let exprs = || projected.iter().chain(predicate.exprs());
    if exprs().any(|expr| expr.exists(|expr| Ok(expr.is::<ScalarSubqueryExpr>())).unwrap_or(true)) {
        return not_impl_err!(
            "a filter by a subquery cannot be sent to another process; \
             set datafusion.optimizer.enable_physical_uncorrelated_scalar_subquery to false"
        );
    }
    let is_typed = |expr: &Arc<dyn PhysicalExpr>| {
        Ok(expr.is::<Literal>() && !expr.return_field(&Schema::empty())?.metadata().is_empty())
    };
    if exprs().any(|expr| expr.exists(is_typed).unwrap_or(true)) {
        return not_impl_err!("a literal of a type that is in its metadata cannot be sent to another process");
    }
    let files = config.file_groups.iter().flat_map(FileGroup::iter);
    let full_schema = (full_schema != table_schema.file_schema()).then(|| full_schema.as_ref().try_into());
    let predicate = predicate.exprs().iter().map(|expr| proto_converter.physical_expr_to_proto(expr, codec));
    Ok(Scan {
        base: Some(serialize_file_scan_config(config, codec, proto_converter)?),
        full_schema: full_schema.transpose()?,
        options: Some(encode_options(options)?),
        predicate: predicate.collect::<Result<_>>()?,
        order: order.as_ref().map(encode_order),
        batch_size: *batch_size as u64,
        limit: config.limit.map(|limit| limit as u64),
        preserve_order: config.preserve_order,
        files: files.map(encode_file).collect::<Result<_>>()?,
        results: call_results(exprs())?,
    })
}

/// Decodes a scan.
///
/// # Errors
/// If the message is not valid.
pub(super) fn decode(
    message: Scan,
    codec: &AvroCodec,
    ctx: &TaskContext,
    proto_converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Scan { base, full_schema, options, predicate, order, batch_size, limit, preserve_order, files, results } =
        message;
    let (Some(mut base), Some(options)) = (base, options) else {
        return exec_err!("encoded plan: a scan lacks a part");
    };
    let table_schema = parse_table_schema_from_proto(&base)?;
    let full_schema = match full_schema {
        Some(schema) => Arc::new(Schema::try_from(&schema)?),
        None => Arc::clone(table_schema.file_schema()),
    };
    let columns = Arc::clone(table_schema.table_schema());
    let n_statistics = base.statistics.as_ref().map_or(0, |statistics| statistics.column_stats.len());
    if n_statistics > columns.fields().len() {
        return exec_err!(
            "encoded plan: statistics of {n_statistics} columns, but there are {}",
            columns.fields().len()
        );
    }
    let batch_size = usize::try_from(batch_size).unwrap_or(usize::MAX);
    if !(1..=BATCH_SIZE_MAX).contains(&batch_size) {
        return exec_err!("encoded plan: batches of {batch_size} rows");
    }
    check_narrowed(table_schema.file_schema(), &full_schema)?;

    let context = PhysicalPlanDecodeContext::new(ctx, codec);
    let mut results = Results { left: &results, at: 0 };
    let mut decode_expr = |expr: &PhysicalExprNode| {
        let expr = proto_converter.proto_to_physical_expr(expr, &columns, &context)?;
        check_columns(&expr, &columns)?;
        results.put_into(expr)
    };
    // Taken out of `base`, as DataFusion would not check that the columns exist.
    let Some(projection) = base.projection_exprs.take() else { return exec_err!("encoded plan: a scan of no columns") };
    let projection = projection.projections.into_iter().map(|column| match &column.expr {
        Some(expr) => Ok(ProjectionExpr::new(decode_expr(expr)?, column.alias)),
        None => exec_err!("encoded plan: a column without an expression"),
    });
    let projection = ProjectionExprs::new(projection.collect::<Result<Vec<_>>>()?);
    let predicate = predicate.iter().map(&mut decode_expr).collect::<Result<Exprs>>()?;

    let headers = headers_of(decode_options(options)?, codec.observer.as_ref());
    let reader = ReaderSchema::new(&without(&full_schema), headers.options());
    let order = order.map(|order| decode_order(order, &full_schema)).transpose()?;
    let predicate = Predicate::default().and(predicate);
    let source =
        AvroSource { full_schema, order, batch_size, predicate, ..AvroSource::new(table_schema, headers, reader) };
    let source = source.with_memory_pool(Arc::clone(&ctx.runtime_env().memory_pool)).with_projection(&projection);
    #[cfg(feature = "cluster")]
    if let Some(scans) = ctx.session_config().get_extension::<QueryScans>() {
        scans.add(source.metrics.clone());
    }
    let mut config = parse_protobuf_file_scan_config(&base, &context, proto_converter, Arc::new(source))?;
    for expr in config.output_ordering.iter().flatten() {
        check_columns(&expr.expr, &columns)?;
    }
    if config.output_partitioning.is_some() {
        return exec_err!("encoded plan: a scan of partitions by value");
    }
    config.limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    config.preserve_order = preserve_order;
    decode_files(&mut config, files, ctx)?;
    Ok(DataSourceExec::from_data_source(config))
}

fn encode_options(options: &AvroOptions) -> Result<Options> {
    let pairs = options.to_pairs()?.into_iter().map(|(name, value)| Pair { name, value }).collect();
    let schema = options.schema.as_ref().map(|schema| schema.as_ref().try_into()).transpose()?;
    Ok(Options { pairs, schema })
}

fn decode_options(Options { pairs, schema }: Options) -> Result<AvroOptions> {
    let mut options = AvroOptions::default();
    for Pair { name, value } in pairs {
        // Any other text names a local file.
        if ["reader_schema", "schema"].contains(&name.as_str()) && given_json(&value).is_none() {
            return exec_err!("encoded plan: option `{name}` is not a schema");
        }
        options.set(&name, &value)?;
    }
    options.schema = schema.map(|schema| Schema::try_from(&schema).map(Arc::new)).transpose()?;
    Ok(options)
}

/// Returns the headers of tables with these options, which all plans of this process share.
fn headers_of(options: AvroOptions, observer: Option<&Arc<dyn ScanObserver>>) -> Arc<HeaderCache> {
    static TABLES: Mutex<Vec<Arc<HeaderCache>>> = Mutex::new(Vec::new());
    let options = AvroOptions { observer: observer.cloned(), ..options };
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = tables.iter().find(|known| *known.options() == options) {
        return Arc::clone(known);
    }
    if tables.len() >= TABLES_MAX {
        tables.remove(0);
    }
    let headers = Arc::new(HeaderCache::new(options));
    tables.push(Arc::clone(&headers));
    headers
}

fn encode_order(SortKey { column, path, options }: &SortKey) -> Order {
    let SortOptions { descending, nulls_first } = *options;
    Order { column: u32::try_from(*column).unwrap_or(u32::MAX), path: path.clone(), descending, nulls_first }
}

fn decode_order(order: Order, columns: &Schema) -> Result<SortKey> {
    let Order { column, path, descending, nulls_first } = order;
    let column = usize::try_from(column).unwrap_or(usize::MAX);
    match column < columns.fields().len() {
        true => Ok(SortKey { column, path, options: SortOptions { descending, nulls_first } }),
        false => exec_err!("encoded plan: no column {column} to sort by"),
    }
}

fn encode_file(file: &PartitionedFile) -> Result<FileState> {
    // The planner uses the hint, the table's name and the order of rows; a scan does not.
    let PartitionedFile {
        object_meta,
        partition_values: _,
        range: _,
        statistics: _,
        ordering: _,
        extensions,
        metadata_size_hint: _,
        table_reference: _,
        arrow_schema: _,
    } = file;
    let access_plan = extensions
        .get_arc::<BlockAccessPlan>()
        .map(|plan| AccessPlan { bounds: plan.ranges().iter().flat_map(|range| [range.start, range.end]).collect() });
    let was_sent = extensions.get_arc::<SentFile>().is_some_and(|sent| sent.has_index());
    Ok(FileState {
        e_tag: object_meta.e_tag.clone(),
        version: object_meta.version.clone(),
        has_index: was_sent || extensions.get_arc::<FileIndex>().is_some(),
        access_plan,
    })
}

fn decode_files(config: &mut FileScanConfig, files: Vec<FileState>, ctx: &TaskContext) -> Result<()> {
    let n_partition_values = config.table_partition_cols().len();
    let mut files = files.into_iter();
    let mut groups = vec![];
    for group in std::mem::take(&mut config.file_groups) {
        let mut decoded = vec![];
        for file in group.into_inner() {
            let Some(FileState { e_tag, version, has_index, access_plan }) = files.next() else {
                return exec_err!("encoded plan: a file lacks its version");
            };
            if file.partition_values.len() != n_partition_values {
                return exec_err!("encoded plan: {} partition values of a file", file.partition_values.len());
            }
            if file.range.as_ref().is_some_and(|range| range.start < 0 || range.start > range.end) {
                return exec_err!("encoded plan: an invalid byte range of a file");
            }
            let mut file = file;
            file.object_meta.e_tag = e_tag;
            file.object_meta.version = version;
            if let Some(AccessPlan { bounds }) = access_plan {
                let ranges = bounds.chunks(2).map(|bounds| match bounds {
                    [start, end] => Ok(*start..*end),
                    _ => exec_err!("encoded plan: a block access plan with an odd number of bounds"),
                });
                file = file.with_extension(BlockAccessPlan::try_new(ranges.collect::<Result<Vec<_>>>()?)?);
            }
            decoded.push(file.with_extension(SentFile::new(ctx.runtime_env(), has_index)));
        }
        groups.push(FileGroup::new(decoded));
    }
    config.file_groups = groups;
    match files.next() {
        None => Ok(()),
        Some(_) => exec_err!("encoded plan: more versions than files"),
    }
}

/// Checks that a pruned schema has the columns of the whole one.
fn check_narrowed(narrowed: &SchemaRef, full: &SchemaRef) -> Result<()> {
    let same = narrowed.fields().iter().map(|field| field.name()).eq(full.fields().iter().map(|field| field.name()));
    if same { Ok(()) } else { exec_err!("encoded plan: pruned columns that are not those of the table") }
}

/// Checks that all columns of an expression exist.
fn check_columns(expr: &Arc<dyn PhysicalExpr>, columns: &Schema) -> Result<()> {
    let is_unknown = |expr: &Arc<dyn PhysicalExpr>| {
        let column = expr.downcast_ref::<Column>();
        Ok(column.is_some_and(|column| {
            columns.fields().get(column.index()).is_none_or(|field| field.name() != column.name())
        }))
    };
    if expr.exists(is_unknown)? { exec_err!("encoded plan: `{expr}` uses an unknown column") } else { Ok(()) }
}

/// The result of a function or a cast, if DataFusion does not encode all of it.
fn result_of(expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Field>> {
    let field = if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(call.return_field(&Schema::empty())?).filter(|field| !field.metadata().is_empty())
    } else if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        cast.has_explicit_metadata().then(|| Arc::clone(cast.target_field()))
    } else {
        None
    };
    field.map(|field| Field::try_from(field.as_ref()).map_err(DataFusionError::from)).transpose()
}

fn is_call(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.is::<ScalarFunctionExpr>() || expr.is::<CastExpr>()
}

/// Returns the results that DataFusion does not encode.
fn call_results<'a>(exprs: impl Iterator<Item = &'a Arc<dyn PhysicalExpr>>) -> Result<Vec<CallResult>> {
    let (mut results, mut at) = (vec![], 0);
    for expr in exprs {
        expr.apply(|expr| {
            if is_call(expr) {
                if let Some(field) = result_of(expr)? {
                    results.push(CallResult { at, field: Some(field) });
                }
                at += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(results)
}

/// Puts results into decoded expressions, in the order in which they were taken.
struct Results<'a> {
    left: &'a [CallResult],
    /// Calls and casts visited so far.
    at: u32,
}

impl Results<'_> {
    fn put_into(&mut self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let put = |expr: Arc<dyn PhysicalExpr>| -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
            if !is_call(&expr) {
                return Ok(Transformed::no(expr));
            }
            let at = self.at;
            self.at += 1;
            let Some((CallResult { field: Some(field), .. }, left)) =
                self.left.split_first().filter(|(first, _)| first.at == at)
            else {
                return Ok(Transformed::no(expr));
            };
            self.left = left;
            let field = Arc::new(arrow_schema::Field::try_from(field)?);
            let with_field: Arc<dyn PhysicalExpr> = if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
                let (fun, args) = (Arc::new(call.fun().clone()), call.args().to_vec());
                let config = Arc::new(call.config_options().clone());
                Arc::new(ScalarFunctionExpr::new(call.name(), fun, args, field, config))
            } else if let Some(cast) = expr.downcast_ref::<CastExpr>() {
                let options = Some(cast.cast_options().clone());
                Arc::new(CastExpr::new_with_target_field(Arc::clone(cast.expr()), field, options))
            } else {
                expr
            };
            Ok(Transformed::yes(with_field))
        };
        expr.transform_down(put).data()
    }
}
