//! Filters of joins that the coordinator computes before a plan is sent.
//!
//! A join that has read its build side gives the scans of its probe side a filter. That happens inside one task: the
//! filter does not reach a scan in another stage, which then reads and sends rows that no join needs. So where the
//! build side is a scan of small files, the coordinator reads it too, and adds the filter to the plan that it sends.
//! (TPC-H's `q7`: two nations of 25 leave a twelfth of the suppliers, and thus of lineitem.)

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{NullEquality, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::{DynamicFilterPhysicalExpr, in_list, lit};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, execute_stream};
use futures::TryStreamExt;

use super::travel::avro_scan;
use crate::scan::source::AvroSource;

/// Bytes of files of a build side that is read twice.
const SMALL_BYTES: u64 = 1 << 20;

/// Distinct values of a key up to which the filter lists them, as DataFusion's own filters do.
const MAX_VALUES: usize = 150;

/// The values of a join's keys by the identifier of its filter; `None` for a key with many.
type KeyValues = HashMap<u64, Vec<Option<Vec<ScalarValue>>>>;

/// Adds the filters of joins with small build sides to the scans of the plan; `None` if no join has one. A build side
/// that cannot be read, which is an error of the query itself, adds no filter.
pub(super) async fn with_filters(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let mut values = KeyValues::new();
    // From the top: the filter of a join above makes the build sides below smaller.
    let mut nodes = vec![plan];
    while let Some(node) = nodes.pop() {
        if let Some(join) = node.downcast_ref::<HashJoinExec>().filter(|join| is_suitable(join)) {
            let ids: Vec<_> = join.dynamic_expressions_produced().iter().filter_map(|e| e.expression_id()).collect();
            if let (false, Ok(keys)) = (ids.is_empty(), keys(join, &values, context).await) {
                values.extend(ids.into_iter().map(|id| (id, keys.clone())));
            }
        }
        nodes.extend(node.children().into_iter().rev());
    }
    if values.is_empty() { Ok(None) } else { filtered(plan, &values).map(Some) }
}

fn is_suitable(join: &HashJoinExec) -> bool {
    // Nulls that equal each other, or decide an anti join, are not in a list of values.
    let only_values = join.null_equality() == NullEquality::NullEqualsNothing && !join.null_aware;
    only_values && join.on().iter().all(|(key, _)| is_listable(key, join)) && is_small(join.left())
}

/// Returns whether equality of the key in lists is that of joins.
fn is_listable(key: &Arc<dyn PhysicalExpr>, join: &HashJoinExec) -> bool {
    let Ok(data_type) = key.data_type(&join.left().schema()) else { return false };
    data_type.is_integer()
        || data_type.is_string()
        || data_type.is_decimal()
        || matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

/// Returns whether a plan reads small files and no more than filters and projects their rows.
fn is_small(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let repeats = plan.apply_expressions(&mut |expr| {
        let is_volatile = expr.exists(|part| Ok(part.is_volatile_node()))?;
        Ok(if is_volatile { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    // The rows of a limit may be others when the worker reads them.
    if plan.fetch().is_some() || !repeats.is_ok_and(|end| end == TreeNodeRecursion::Continue) {
        return false;
    }
    if let Some((files, _)) = avro_scan(plan) {
        let sizes = files.file_groups.iter().flat_map(FileGroup::iter).map(PartitionedFile::effective_size);
        return sizes.sum::<u64>() <= SMALL_BYTES;
    }
    let passes = plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<RepartitionExec>();
    passes && plan.children().into_iter().all(is_small)
}

/// Reads the build side of a join, as far as a key has few values, and returns the values of each key.
async fn keys(
    join: &HashJoinExec,
    known: &KeyValues,
    context: &Arc<TaskContext>,
) -> Result<Vec<Option<Vec<ScalarValue>>>> {
    let build = filtered(join.left(), known)?;
    let mut rows = execute_stream(reset_plan_states(build)?, Arc::clone(context))?;
    let mut keys = vec![Some(HashSet::new()); join.on().len()];
    while keys.iter().any(Option::is_some)
        && let Some(batch) = rows.try_next().await?
    {
        for ((key, _), values) in join.on().iter().zip(&mut keys) {
            add_values(key, &batch, values)?;
        }
    }
    Ok(keys.into_iter().map(|values| values.map(|values| values.into_iter().collect())).collect())
}

/// Adds the values of a key that are not null; `None` is for a key with many.
fn add_values(
    key: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    values: &mut Option<HashSet<ScalarValue>>,
) -> Result<()> {
    let Some(known) = values else { return Ok(()) };
    let keys = key.evaluate(batch)?.into_array(batch.num_rows())?;
    for row in 0..keys.len() {
        let value = ScalarValue::try_from_array(&keys, row)?;
        if !value.is_null() && known.insert(value) && known.len() > MAX_VALUES {
            *values = None;
            return Ok(());
        }
    }
    Ok(())
}

/// Returns a plan whose scans also have filters of these values. The filters of the joins stay: joins with larger build
/// sides set them in their tasks.
fn filtered(plan: &Arc<dyn ExecutionPlan>, values: &KeyValues) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = Arc::clone(plan).transform_up(|node| {
        let Some((files, source)) = avro_scan(&node) else { return Ok(Transformed::no(node)) };
        let known = |expr: &Arc<dyn PhysicalExpr>| {
            // Its children are the keys of the probe side, as columns of this scan.
            let filter = expr.downcast_ref::<DynamicFilterPhysicalExpr>()?;
            Some((expr.children().into_iter().cloned().collect::<Vec<_>>(), values.get(&filter.expression_id()?)?))
        };
        let schema = source.table_schema.table_schema();
        let mut more = vec![];
        for (columns, values) in source.predicate.exprs().iter().filter_map(known) {
            for (column, values) in columns.into_iter().zip(values) {
                match values {
                    Some(values) if values.is_empty() => more.push(lit(false)),
                    Some(values) => {
                        let list = values.iter().cloned().map(lit).collect();
                        // Values that cannot have the column's type make no filter. The join is right without it.
                        more.extend(in_list(column, list, &false, schema).ok());
                    }
                    None => {}
                }
            }
        }
        if more.is_empty() {
            return Ok(Transformed::no(node));
        }
        let source = AvroSource { predicate: source.predicate.and(more), ..source.clone() };
        let mut files = files.clone();
        files.file_source = Arc::new(source);
        Ok(Transformed::yes(DataSourceExec::from_data_source(files) as _))
    })?;
    Ok(plan.data)
}
