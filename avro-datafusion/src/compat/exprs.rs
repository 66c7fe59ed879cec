//! Rewrites all expressions of a plan.

use std::cell::Cell;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// A rewrite of plans and expressions. Schemas have the columns that an expression may use.
pub(super) trait Rewrite {
    /// A plan whose inputs and expressions are rewritten.
    fn plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        Ok(Transformed::no(plan))
    }

    /// An expression whose arguments are rewritten.
    fn expr(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>>;

    /// The two sides of `ON a = b`, which a join stores apart. Returns whether they were changed.
    fn join_keys(&self, _keys: &mut (Expr, Expr), _left: &DFSchema, _right: &DFSchema) -> Result<bool> {
        Ok(false)
    }
}

/// Rewrites a plan and its subqueries, innermost first. Columns keep their names.
pub(super) fn rewrite(plan: LogicalPlan, with: &impl Rewrite) -> Result<LogicalPlan> {
    let is_changed = Cell::new(false);
    let walked = plan.transform_up_with_subqueries(|plan| {
        // Inputs may have other types now.
        let plan = if is_changed.get() { plan.recompute_schema()? } else { plan };
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| with.expr(expr, &schema))?;
            Ok(if expr.transformed { expr.update_data(|expr| name.restore(expr)) } else { expr })
        })?;
        let plan = plan.transform_data(|plan| match plan {
            LogicalPlan::Join(mut join) => {
                let mut is_rewritten = false;
                for keys in &mut join.on {
                    is_rewritten |= with.join_keys(keys, join.left.schema(), join.right.schema())?;
                }
                Ok(Transformed::new_transformed(LogicalPlan::Join(join), is_rewritten))
            }
            plan => Ok(Transformed::no(plan)),
        })?;
        let plan = if plan.transformed { plan.map_data(LogicalPlan::recompute_schema)? } else { plan };
        let plan = plan.transform_data(|plan| with.plan(plan))?;
        is_changed.set(is_changed.get() || plan.transformed);
        Ok(plan)
    });
    walked.data()
}
