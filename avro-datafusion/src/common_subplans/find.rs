//! Finds the subplans that a query has more than once.

use super::table::{SubplanTable, column_name};
use crate::compat::{is_subquery, table_address};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const NAME: &str = "eliminate_common_subplans";

/// Replaces subplans that a query has more than once by scans of one table.
#[derive(Debug)]
pub(super) struct CommonSubplans;

/// Equal subplans.
struct EqualSubplans {
    /// The tables that they scan, by address: equal names may be those of different tables.
    tables: Vec<usize>,
    /// How many there are.
    n: usize,
    /// How many of them are in no other common subplan.
    outermost: usize,
    /// The place of the first among them.
    first: usize,
    replacement: Option<LogicalPlan>,
}

/// Subplans that are equal but for their tables, and the groups of those with equal tables.
type SubplanGroups = HashMap<LogicalPlan, Vec<EqualSubplans>>;

impl OptimizerRule for CommonSubplans {
    fn name(&self) -> &str {
        NAME
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut groups = SubplanGroups::new();
        let mut is_recursive = false;
        plan.apply_with_subqueries(|node| {
            is_recursive |= matches!(node, LogicalPlan::RecursiveQuery(_));
            if is_costly(node) {
                let tables = tables(node)?;
                let group = group(groups.entry(node.clone()).or_default(), tables);
                group.n += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        // A recursive query computes its part again and again, each time from other rows.
        if is_recursive {
            return Ok(Transformed::no(plan));
        }
        let mut shared = SubplanGroups::new();
        for (subplan, groups) in groups {
            if groups.iter().any(|group| group.n > 1) && can_share(&subplan)? {
                shared.insert(subplan, groups);
            }
        }
        let mut groups = shared;
        if groups.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let mut place = 0;
        plan.apply_with_subqueries(|node| {
            Ok(match find(&mut groups, node)? {
                Some(group) => {
                    if group.outermost == 0 {
                        place += 1;
                        group.first = place;
                    }
                    group.outermost += 1;
                    TreeNodeRecursion::Jump
                }
                None => TreeNodeRecursion::Continue,
            })
        })?;
        let all = groups.iter_mut().flat_map(|(subplan, groups)| groups.iter_mut().map(move |group| (subplan, group)));
        let mut chosen: Vec<_> = all.filter(|(_, group)| group.outermost > 1).collect();
        chosen.sort_by_key(|(_, group)| group.first);
        for (i, (subplan, group)) in chosen.into_iter().enumerate() {
            group.replacement = Some(scan(subplan, i + 1)?);
        }
        plan.transform_down_with_subqueries(|node| {
            let replacement = find(&mut groups, &node)?.and_then(|group| group.replacement.clone());
            Ok(match replacement {
                Some(scan) => Transformed::new(scan, true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })
    }
}

/// Returns whether a subplan is worth keeping: its last step is an aggregate, `DISTINCT`, or window functions.
fn is_costly(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) | LogicalPlan::Window(_))
}

/// Returns the addresses of the tables that a subplan scans, in order.
fn tables(node: &LogicalPlan) -> Result<Vec<usize>> {
    let mut tables = Vec::new();
    node.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.push(table_address(scan));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables)
}

/// Returns the group of these tables, which may be new.
fn group(groups: &mut Vec<EqualSubplans>, tables: Vec<usize>) -> &mut EqualSubplans {
    let at = groups.iter().position(|group| group.tables == tables).unwrap_or(groups.len());
    if at == groups.len() {
        groups.push(EqualSubplans { tables, n: 0, outermost: 0, first: 0, replacement: None });
    }
    &mut groups[at]
}

/// Returns the group of a subplan, if it has more than one.
fn find<'g>(groups: &'g mut SubplanGroups, node: &LogicalPlan) -> Result<Option<&'g mut EqualSubplans>> {
    if !is_costly(node) {
        return Ok(None);
    }
    let Some(groups) = groups.get_mut(node) else { return Ok(None) };
    let tables = tables(node)?;
    Ok(groups.iter_mut().find(|group| group.n > 1 && group.tables == tables))
}

/// Returns whether a subplan has the same rows wherever it is: it refers to no row of an outer query, and none of its
/// functions is volatile, or a lateral subquery, which is compared without its tables.
fn can_share(subplan: &LogicalPlan) -> Result<bool> {
    let mut can_share = true;
    subplan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            let is_bound = |expr: &Expr| {
                Ok(match expr {
                    Expr::OuterReferenceColumn(..) => true,
                    Expr::ScalarFunction(call) => is_subquery(&call.func),
                    _ => false,
                })
            };
            can_share &= !expr.is_volatile() && !expr.exists(is_bound)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(can_share)
}

/// Returns the scan of a subplan's table, with the columns of the subplan.
fn scan(subplan: &LogicalPlan, number: usize) -> Result<LogicalPlan> {
    let name = TableReference::bare(format!("common_subplan_{number}"));
    let table = provider_as_source(Arc::new(SubplanTable::new(subplan.clone())));
    let columns = subplan.schema().iter().enumerate().map(|(i, (qualifier, field))| {
        Expr::Column(Column::new(Some(name.clone()), column_name(i))).alias_qualified(qualifier.cloned(), field.name())
    });
    LogicalPlanBuilder::scan(name.clone(), table, None)?.project(columns.collect::<Vec<_>>())?.build()
}
