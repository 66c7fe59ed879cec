//! `--read-only`: rejects statements that write files.

use avro_datafusion::AvroIndexFunc;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::logical_expr::{DmlStatement, LogicalPlan};

use crate::error::{Error, Result};

/// Returns an error if running the plan writes a file. Tables in memory may change.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut writes = None;
    plan.apply_with_subqueries(|plan| {
        writes = writes.or(writer(plan));
        Ok(match plan {
            // EXPLAIN shows a plan and does not run it.
            LogicalPlan::Explain(_) => TreeNodeRecursion::Stop,
            _ if writes.is_some() => TreeNodeRecursion::Stop,
            _ => TreeNodeRecursion::Continue,
        })
    })?;
    match writes {
        Some(what) => Err(Error::Failed(format!("{what} writes files, which --read-only forbids"))),
        None => Ok(()),
    }
}

/// Returns the part of SQL that makes this node write files.
fn writer(plan: &LogicalPlan) -> Option<&'static str> {
    match plan {
        LogicalPlan::Copy(_) => Some("COPY"),
        LogicalPlan::Dml(DmlStatement { target, .. }) => {
            let table = source_as_provider(target);
            let is_in_memory = table.is_ok_and(|table| table.downcast_ref::<MemTable>().is_some());
            (!is_in_memory).then_some("INSERT")
        }
        LogicalPlan::TableScan(scan) => {
            let table = source_as_provider(&scan.source);
            table.is_ok_and(|table| AvroIndexFunc::builds(table.as_ref())).then_some("avro_index")
        }
        _ => None,
    }
}
