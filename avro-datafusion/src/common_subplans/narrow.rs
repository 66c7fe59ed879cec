//! Leaves out the columns of common subplans that no use needs.

use super::table::SubplanTable;
use crate::compat::table_address;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlan, TableScan, TableSource};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(super) const NAME: &str = "narrow_common_subplans";

/// Narrows the tables of common subplans to the columns that scans have.
#[derive(Debug)]
pub(super) struct NarrowSubplans;

/// What the scans of a table need.
#[derive(Default)]
struct Needed {
    places: BTreeSet<usize>,
    narrowed: Option<Arc<dyn TableSource>>,
}

impl OptimizerRule for NarrowSubplans {
    fn name(&self) -> &str {
        NAME
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut tables: HashMap<usize, Needed> = HashMap::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                with_table(scan, |address, table| {
                    let needed = tables.entry(address).or_default();
                    match &scan.projection {
                        Some(places) => needed.places.extend(places),
                        None => needed.places.extend(0..table.n_columns()),
                    }
                    Ok(())
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if tables.is_empty() {
            return Ok(Transformed::no(plan));
        }
        // Rows are counted by the first column.
        for needed in tables.values_mut().filter(|needed| needed.places.is_empty()) {
            needed.places.insert(0);
        }
        plan.transform_down_with_subqueries(|node| {
            let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
            let mut narrowed = None;
            with_table(scan, |address, table| {
                if let Some(needed) = tables.get_mut(&address)
                    && needed.places.len() < table.n_columns()
                {
                    narrowed = Some(narrow(scan, table, needed)?);
                }
                Ok(())
            })?;
            Ok(narrowed.map_or_else(|| Transformed::no(node), |scan| Transformed::yes(LogicalPlan::TableScan(scan))))
        })
    }
}

/// Passes on the table of a common subplan, if the scan is of one, and its address.
fn with_table(scan: &TableScan, mut pass: impl FnMut(usize, &SubplanTable) -> Result<()>) -> Result<()> {
    if let Ok(provider) = source_as_provider(&scan.source)
        && let Some(table) = provider.downcast_ref::<SubplanTable>()
    {
        pass(table_address(scan), table)?;
    }
    Ok(())
}

/// Returns the scan of the narrowed table.
fn narrow(scan: &TableScan, table: &SubplanTable, needed: &mut Needed) -> Result<TableScan> {
    let source = match &needed.narrowed {
        Some(source) => Arc::clone(source),
        None => {
            let table = table.narrowed(&needed.places)?;
            Arc::clone(needed.narrowed.insert(provider_as_source(Arc::new(table))))
        }
    };
    let place = |old: usize| needed.places.iter().position(|kept| *kept == old);
    let projection = match &scan.projection {
        Some(places) => places.iter().filter_map(|old| place(*old)).collect(),
        None => (0..needed.places.len()).collect(),
    };
    Ok(TableScan { source, projection: Some(projection), ..scan.clone() })
}
