//! A second physical plan for queries whose first one DataFusion 55 cannot make.
//!
//! - The rule that moves fields of records toward the scan gives some of them names that clash
//!   (`__datafusion_extracted_1`), or loses them above joins of subqueries.
//! - Sorts by a function of an expression over round-robin repartitions fail DataFusion's own check of the plan: "does
//!   not satisfy order requirements".
//!
//! The second plan is made without that rule and without such repartitions. It has the same rows.
//! Remove when DataFusion plans `SELECT g + 1 FROM t WHERE id > 0 ORDER BY abs(id % 7)` over several partitions.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;

/// Makes the physical plan, with fewer rules if the first attempt fails.
pub(crate) async fn physical_plan(mut state: SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let error = match state.create_physical_plan(plan).await {
        Err(error) if is_of_rules(&error) => error,
        done => return done,
    };
    let optimizer = &mut state.config_mut().options_mut().optimizer;
    optimizer.enable_leaf_expression_pushdown = false;
    optimizer.enable_round_robin_repartition = false;
    state.create_physical_plan(plan).await.map_err(|_| error)
}

/// Returns `true` for an error that DataFusion's rules make of a valid query.
fn is_of_rules(error: &DataFusionError) -> bool {
    let text = error.to_string();
    text.contains("__datafusion_extracted_") || text.contains("does not satisfy order requirements")
}
