//! The analyzer rule that rewrites expressions and operators with unions.

use super::functions::{inner_aggregate, inner_scalar};
use super::{expressions, nodes};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

pub(super) const NAME: &str = "avro_unions";

#[derive(Debug)]
pub(super) struct Unions;

impl AnalyzerRule for Unions {
    fn name(&self) -> &str {
        NAME
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        if !is_any(&plan)? {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(|plan| rewrite(plan).map(Transformed::yes)).data()
    }
}

/// Returns whether a union, another nested value that may be compared, or a placeholder function occurs in the plan.
fn is_any(plan: &LogicalPlan) -> Result<bool> {
    let mut is_any = false;
    plan.apply_with_subqueries(|plan| {
        is_any = plan.schema().fields().iter().any(|field| field.data_type().is_nested()) || has_waiting(plan)?;
        Ok(if is_any { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(is_any)
}

fn has_waiting(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|expr| {
            Ok(match expr {
                Expr::ScalarFunction(call) => inner_scalar(&call.func).is_some(),
                Expr::AggregateFunction(call) => inner_aggregate(&call.func).is_some(),
                _ => false,
            })
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let of_table = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&of_table);
    }
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| expressions::rewrite(expr, &schema).map(Transformed::yes))?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })?;
    nodes::rewrite(plan.data)?.recompute_schema()
}
