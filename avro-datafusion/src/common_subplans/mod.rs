//! Aggregates that a query has more than once are computed once.
//!
//! DataFusion plans a common table expression (CTE) again at each reference. Here, subplans that are equal once filters
//! have been pushed into them become scans of one table. Its rows are computed at the first scan and kept until the
//! last has started (`find`, `table`, `exec`), in the columns that any of them needs (`narrow`). Only subplans that end
//! in an aggregate, `DISTINCT` or window functions are shared: others are cheap to compute again, or large.

mod exec;
mod table;
mod find;
mod narrow;

use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// The rule of DataFusion after which ours runs: filters are in place then, and each reference has all columns still.
const AFTER: &str = "push_down_filter";

/// Computes aggregates that a query has more than once only once.
///
/// With workers they are computed at each use, since each may run on another machine.
pub fn enable_common_subplans(ctx: &SessionContext) {
    let state = ctx.state_ref();
    let mut state = state.write();
    if state.optimizers().iter().any(|known| known.name() == find::NAME) {
        return;
    }
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    if let Some(optimizer) = builder.optimizer() {
        let at = optimizer.rules.iter().position(|known| known.name() == AFTER).map_or(0, |at| at + 1);
        optimizer.rules.insert(at, Arc::new(find::CommonSubplans));
        optimizer.rules.push(Arc::new(narrow::NarrowSubplans));
    }
    *state = builder.build();
}

/// Removes the rule.
#[cfg(feature = "cluster")]
pub(crate) fn disable(builder: &mut SessionStateBuilder) {
    if let Some(optimizer) = builder.optimizer() {
        optimizer.rules.retain(|known| ![find::NAME, narrow::NAME].contains(&known.name()));
    }
}
