//! What of a plan works on other machines: functions that workers have, and nodes that survive encoding.
//!
//! `datafusion-distributed` 4.0 sends functions by name alone, and `datafusion-proto` 55.2 loses a few things without
//! an error. Plans with these stay on one machine.

use super::single_row::single_row;
use crate::avro_functions::reads_schemas_here;
use crate::compat;
use crate::proto::functions::{KnownFunctions, Table, describe, extends, is_own, kind_of, register};
use crate::proto::{AvroCodec, file_scan};
use crate::scan::source::AvroSource;
use arrow_schema::{Field, Schema};
use avro_arrow::OnCorruptBlock;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::DistributedExt;
use std::collections::HashSet;
use std::sync::Arc;

/// Metadata that functions look at.
const MEANINGFUL: [&str; 2] = ["ARROW:extension:name", "avro.logicalType"];

/// The functions of the coordinator's session, an extension of its [`SessionConfig`].
#[derive(Debug)]
struct SessionFunctions {
    kind: Table,
    /// The names of the program's own functions.
    own: HashSet<String>,
}

/// Adds to a coordinator's session what it needs to send plans.
pub(super) fn coordinator(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    let aggregates = builder.aggregate_functions().as_deref().unwrap_or_default();
    let kind = kind_of(aggregates).unwrap_or(Table::Plain);
    let scalars = builder.scalar_functions().as_deref().unwrap_or_default();
    let own = scalars.iter().map(|function| function.name().to_owned()).collect();
    builder.config().get_or_insert_default().set_extension(Arc::new(SessionFunctions { kind, own }));
    builder.with_distributed_user_codec(AvroCodec::default())
}

/// Returns whether a coordinator's SQL is exact, so that its workers must have the functions of exact SQL.
pub(super) fn is_exact(config: &SessionConfig) -> bool {
    table_of(config) == Table::Exact
}

/// Adds to a worker's session what it needs to receive plans of a coordinator.
pub(super) fn worker(state: SessionState, is_exact: bool) -> Result<SessionState> {
    let mut state = state;
    register(&mut state, if is_exact { Table::Exact } else { Table::Plain })?;
    state.register_udaf(Arc::new(single_row()))?;
    let codec = AvroCodec::default().with_config(Arc::clone(state.config_options()));
    Ok(SessionStateBuilder::new_from_existing(state).with_distributed_user_codec(codec).build())
}

fn table_of(config: &SessionConfig) -> Table {
    config.get_extension::<SessionFunctions>().map_or(Table::Plain, |functions| functions.kind)
}

/// Returns the files of a scan of Avro files, and their source.
pub(super) fn avro_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &AvroSource)> {
    let files = file_scan(plan)?;
    Some((files, files.file_source().downcast_ref::<AvroSource>()?))
}

/// Returns why workers cannot run a plan; `None` if they can.
pub(super) fn why_local(plan: &Arc<dyn ExecutionPlan>, config: &SessionConfig) -> Result<Option<String>> {
    let functions = table_of(config).functions()?;
    let session = config.get_extension::<SessionFunctions>();
    let is_of_program = |name: &str| session.as_ref().is_some_and(|session| session.own.contains(name));
    let mut reason = None;
    plan.apply(|node| {
        reason = match why_local_node(node, functions)? {
            Some(reason) => Some(reason),
            // Scans of Avro files send their expressions themselves.
            None if avro_scan(node).is_some() => None,
            None => why_local_exprs(node, functions, &is_of_program)?,
        };
        Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(reason)
}

fn why_local_node(node: &Arc<dyn ExecutionPlan>, functions: &KnownFunctions) -> Result<Option<String>> {
    let is_wide = |n: usize| u32::try_from(n).is_err();
    if let Some((_, source)) = avro_scan(node)
        && source.headers.options().on_corrupt_block == OnCorruptBlock::Skip
    {
        return Ok(Some("damaged blocks are reported where they are skipped".to_owned()));
    }
    if avro_scan(node).is_none()
        && let Some(reason) = file_scan(node).and_then(why_local_files)
    {
        return Ok(Some(reason.to_owned()));
    }
    let skip = node.downcast_ref::<GlobalLimitExec>().map_or(0, GlobalLimitExec::skip);
    if avro_scan(node).is_none() && (node.fetch().is_some_and(is_wide) || is_wide(skip)) {
        return Ok(Some("its LIMIT or OFFSET has more than 32 bits".to_owned()));
    }
    if node.name() == "LazyMemoryExec" {
        return Ok(Some("it generates rows".to_owned()));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        let all = aggregate.aggr_expr().iter().map(|aggregate| aggregate.fun());
        return Ok(all.filter_map(|function| why_local_aggregate(function, functions)).next());
    }
    let window = node.downcast_ref::<WindowAggExec>().map(WindowAggExec::window_expr);
    let window = window.or_else(|| node.downcast_ref::<BoundedWindowAggExec>().map(BoundedWindowAggExec::window_expr));
    let all = window.unwrap_or_default().iter().filter_map(aggregate_of_window);
    Ok(all.filter_map(|function| why_local_aggregate(function, functions)).next())
}

/// Returns why files that are not read by this crate's source must stay: plans for workers lose whether files are
/// compressed and whether a JSON file is one array, and the engine also splits files that cannot be split.
fn why_local_files(files: &FileScanConfig) -> Option<&'static str> {
    if files.file_compression_type.is_compressed() {
        return Some("it reads compressed text files");
    }
    if !files.file_source().supports_repartitioning() {
        return Some("it reads files that cannot be split, such as CSV with line breaks in values");
    }
    let has_lines = |file: &PartitionedFile| matches!(file.object_meta.location.extension(), Some("ndjson" | "jsonl"));
    let is_json = files.file_source().file_type() == "json";
    let has_all_lines = files.file_groups.iter().flat_map(FileGroup::iter).all(has_lines);
    (is_json && !has_all_lines).then_some("it reads JSON files that may be arrays; the extension ndjson is for lines")
}

fn aggregate_of_window(window: &Arc<dyn WindowExpr>) -> Option<&AggregateUDF> {
    let window = window.as_any();
    let plain = window.downcast_ref::<PlainAggregateWindowExpr>().map(PlainAggregateWindowExpr::get_aggregate_expr);
    let sliding = || window.downcast_ref::<SlidingAggregateWindowExpr>().map(|expr| expr.get_aggregate_expr());
    plain.or_else(sliding).map(|expr| expr.fun())
}

/// A program's own aggregates are looked up by name.
fn why_local_aggregate(function: &AggregateUDF, functions: &KnownFunctions) -> Option<String> {
    let known = functions.aggregate.get(function.name())?;
    (known.as_ref() != function).then(|| format!("workers have another function {}", function.name()))
}

fn why_local_exprs(
    node: &Arc<dyn ExecutionPlan>,
    functions: &KnownFunctions,
    is_of_program: &dyn Fn(&str) -> bool,
) -> Result<Option<String>> {
    let mut reason = None;
    node.apply_expressions(&mut |expr| {
        expr.apply(|expr| {
            reason = why_local_expr(expr, functions, is_of_program)?;
            Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(reason)
}

fn why_local_expr(
    expr: &Arc<dyn PhysicalExpr>,
    functions: &KnownFunctions,
    is_of_program: &dyn Fn(&str) -> bool,
) -> Result<Option<String>> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return Ok(lost_metadata(cast.target_field()).map(|what| format!("a cast to {what} loses its type on the way")));
    }
    if expr.is::<Literal>() {
        let is_typed = !expr.return_field(&Schema::empty())?.metadata().is_empty();
        return Ok(is_typed.then(|| "a literal loses its type on the way".to_owned()));
    }
    let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
    let function = call.fun();
    if reads_schemas_here(call) {
        return Ok(Some(format!("{}() reads schemas as this machine finds them", function.name())));
    }
    if compat::is_subquery(function) {
        return Ok(Some(describe(function)));
    }
    let is_there = match functions.scalar.get(call.name()) {
        Some(known) => extends(known, function),
        // A program's own functions are looked up by name.
        None => is_of_program(call.name()) && !is_own(function)?,
    };
    if !is_there {
        return Ok(Some(format!("workers have another function {}", function.name())));
    }
    let result = call.return_field(&Schema::empty())?;
    Ok(lost_metadata(&result)
        .map(|what| format!("{}() makes {what}, which loses its type on the way", function.name())))
}

/// Returns the meaning of a column that only its metadata has.
fn lost_metadata(field: &Field) -> Option<&str> {
    MEANINGFUL.iter().find_map(|key| field.metadata().get(*key)).map(String::as_str)
}
