//! Null records of Arrow files and tables in memory.
//!
//! Such data may have values in the fields of null records, and DataFusion 55 reads a field of a null record as the
//! value that is there. So scans of them make all that is in a null record null. Other files have no such values:
//! decoding leaves nulls.
//!
//! Delete when: `get_field` looks at the nulls of the record.

use super::null_records::clear_nulls;
use crate::nested_nulls::holds_records;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::datasource::listing::ListingTable;
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// Corrects such scans.
#[derive(Debug)]
pub(super) struct ArrowRecords;

impl AnalyzerRule for ArrowRecords {
    fn name(&self) -> &str {
        "avro_arrow_records"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let corrected = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::TableScan(scan) if is_arrow(&scan) => corrected(scan),
            plan => Ok(Transformed::no(plan)),
        });
        Ok(corrected?.data)
    }
}

/// Whether a scan is of Arrow files or of a table in memory.
fn is_arrow(scan: &TableScan) -> bool {
    let Ok(table) = source_as_provider(&scan.source) else { return false };
    let is_file = |table: &ListingTable| table.options().format.get_ext() == "arrow";
    table.downcast_ref::<MemTable>().is_some() || table.downcast_ref::<ListingTable>().is_some_and(is_file)
}

fn corrected(scan: TableScan) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(&scan.projected_schema);
    if !schema.fields().iter().any(|field| holds_records(field.data_type())) {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    }
    let clear = Arc::new(clear_nulls());
    let columns = schema.iter().map(|(relation, field)| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        match holds_records(field.data_type()) {
            true => clear.call(vec![column]).alias_qualified(relation.cloned(), field.name()),
            false => column,
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(LogicalPlan::TableScan(scan)).project(columns)?.build().map(Transformed::yes)
}
