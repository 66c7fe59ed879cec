//! Projection pushdown through `unnest(items)['price']`: prunes the scan to the struct fields that the query uses.
//!
//! DataFusion pushes field accesses only to the operator that produces the rows, here `UnnestExec`, which needs whole
//! lists. This rule finds a projection above it that uses parts of the items, and our scan below it.

use crate::projection::ProjectedColumns;
use crate::scan::source::AvroSource;
use arrow_schema::{DataType, FieldRef, Schema};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning, replace_children_if_necessary};
use std::sync::Arc;

/// Removes unused struct fields from unnested lists.
#[derive(Debug)]
pub(crate) struct NarrowUnnested;

impl NarrowUnnested {
    pub(crate) const NAME: &str = "narrow_unnested_avro_lists";
}

impl PhysicalOptimizerRule for NarrowUnnested {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let narrow = |plan: Arc<dyn ExecutionPlan>| {
            Ok(match plan.downcast_ref::<ProjectionExec>().map(narrowed).transpose()?.flatten() {
                Some(narrowed) => Transformed::yes(narrowed),
                None => Transformed::no(plan),
            })
        };
        plan.transform_down(narrow).data()
    }

    fn name(&self) -> &str {
        Self::NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Returns the projection over a pruned scan, if the plan has the expected form.
fn narrowed(projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(unnest) = projection.input().downcast_ref::<UnnestExec>() else { return Ok(None) };
    let lists = unnest.list_column_indices();
    // Each list becomes one column, and columns keep their positions.
    if !unnest.struct_column_indices().is_empty() || lists.iter().any(|list| list.depth != 1) {
        return Ok(None);
    }
    let schema = unnest.schema();
    let exprs: Vec<_> = projection.expr().iter().map(|projected| Arc::clone(&projected.expr)).collect();
    let wanted = ProjectedColumns::from_exprs(&exprs, schema.fields());
    let mut input = Arc::clone(unnest.input());
    let mut fields = schema.fields().to_vec();
    for list in lists.iter().map(|list| list.index_in_input_schema) {
        let Some(scanned) = with_narrow_list(&input, list, &wanted)? else { continue };
        let (Some(field), DataType::List(item)) =
            (fields.get_mut(list), scanned.schema().field(list).data_type().clone())
        else {
            continue;
        };
        *field = Arc::new(field.as_ref().clone().with_data_type(item.data_type().clone()));
        input = scanned;
    }
    if Arc::ptr_eq(&input, unnest.input()) {
        return Ok(None);
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let unnest = UnnestExec::new(input, lists.to_vec(), vec![], schema, unnest.options().clone())?;
    let projected = projection.expr().to_vec();
    Ok(Some(Arc::new(ProjectionExec::try_new(projected, Arc::new(unnest))?)))
}

/// Returns the scan if the plan is a scan of Avro files.
fn scan(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &AvroSource)> {
    plan.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<AvroSource>()
}

/// Returns the plan with unused parts of a list column pruned; `None` if nothing can be pruned.
fn with_narrow_list(
    plan: &Arc<dyn ExecutionPlan>,
    list: usize,
    wanted: &ProjectedColumns,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // A round-robin repartition may be between the two.
    if let Some(dealt) = plan.downcast_ref::<RepartitionExec>()
        && let Partitioning::RoundRobinBatch(_) = dealt.partitioning()
    {
        let Some(input) = with_narrow_list(dealt.input(), list, wanted)? else { return Ok(None) };
        return Ok(Some(replace_children_if_necessary(Arc::clone(plan), vec![input])?));
    }
    Ok(scan(plan).and_then(|(config, source)| scan_with_narrow_list(config, source, list, wanted)))
}

fn scan_with_narrow_list(
    config: &FileScanConfig,
    source: &AvroSource,
    list: usize,
    wanted: &ProjectedColumns,
) -> Option<Arc<dyn ExecutionPlan>> {
    use datafusion::datasource::physical_plan::FileSource;
    let projected = source.projection()?.iter().nth(list)?;
    let column = projected.expr.downcast_ref::<Column>()?.index();
    let whole: &FieldRef = source.table_schema().file_schema().fields().get(column)?;
    let narrow = wanted.of_items(list, whole);
    if narrow == *whole {
        return None;
    }
    let source = source.narrowed(column, narrow.data_type().clone())?;
    let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
    Some(DataSourceExec::from_data_source(config))
}
