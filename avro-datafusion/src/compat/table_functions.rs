//! `SELECT (SELECT max(id) FROM read_avro('a/')), (SELECT max(id) FROM read_avro('b/'))`: each call is its own table.
//!
//! DataFusion 55 names the table of a call `read_avro()`, whatever its arguments, and compares plans by the names of
//! their tables. So it takes both subqueries for one, and returns the first maximum twice. Tables of
//! `SessionContext::read_table` share one name too.
//!
//! Here each call has a table name of its own, below an alias with DataFusion's name, if a plan has several calls of
//! one function. The references to a CTE have one call, and one name.
//!
//! Delete when: DataFusion returns `5, 2` for
//! `SELECT (SELECT max(value) FROM generate_series(1, 5)), (SELECT max(value) FROM generate_series(1, 2))`.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, TableReference};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, SubqueryAlias, TableScan, UNNAMED_TABLE};
use datafusion::optimizer::AnalyzerRule;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers calls, also of plans that are analyzed apart and joined later.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Adds the rule.
pub(super) fn register(state: &mut SessionState) {
    if !state.analyzer().rules.iter().any(|rule| rule.name() == DistinctCalls::NAME) {
        state.add_analyzer_rule(Arc::new(DistinctCalls));
    }
}

/// Gives each call of a table function a name.
#[derive(Debug)]
struct DistinctCalls;

impl DistinctCalls {
    const NAME: &str = "name_table_function_calls";
}

impl AnalyzerRule for DistinctCalls {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let mut calls: HashMap<TableReference, usize> = HashMap::new();
        plan.apply_with_subqueries(|plan| {
            if let Some(scan) = called(plan) {
                *calls.entry(scan.table_name.clone()).or_default() += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let repeated: HashSet<TableReference> =
            calls.into_iter().filter(|(_, calls)| *calls > 1).map(|(name, _)| name).collect();
        if repeated.is_empty() {
            return Ok(plan);
        }
        let mut numbers = HashMap::new();
        let named = plan.transform_up_with_subqueries(|plan| {
            let (name, scan) = match called(&plan) {
                Some(scan) if repeated.contains(&scan.table_name) => {
                    let next = || CALLS.fetch_add(1, Ordering::Relaxed) + 1;
                    let number = numbers.entry(table_address(scan)).or_insert_with(next);
                    (scan.table_name.clone(), named(scan, *number))
                }
                _ => return Ok(Transformed::no(plan)),
            };
            let alias = SubqueryAlias::try_new(Arc::new(LogicalPlan::TableScan(scan)), name)?;
            Ok(Transformed::yes(LogicalPlan::SubqueryAlias(alias)))
        })?;
        Ok(named.data)
    }

    fn name(&self) -> &str {
        Self::NAME
    }
}

/// Returns the scan of a call of a table function, or of a table that a program reads without a name.
fn called(plan: &LogicalPlan) -> Option<&TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() => {
            let name = scan.table_name.table();
            (name.ends_with("()") || name == UNNAMED_TABLE).then_some(scan)
        }
        _ => None,
    }
}

/// Returns the address of the table that is scanned: equal names may be those of different tables.
pub(crate) fn table_address(scan: &TableScan) -> usize {
    match source_as_provider(&scan.source) {
        Ok(provider) => Arc::as_ptr(&provider).cast::<()>().addr(),
        Err(_) => Arc::as_ptr(&scan.source).cast::<()>().addr(),
    }
}

/// Returns the scan with the name of its call.
fn named(scan: &TableScan, number: u64) -> TableScan {
    let name = TableReference::bare(format!("{}#{number}", scan.table_name.table()));
    let projected_schema = Arc::new(scan.projected_schema.as_ref().clone().replace_qualifier(name.clone()));
    TableScan { table_name: name, projected_schema, ..scan.clone() }
}
