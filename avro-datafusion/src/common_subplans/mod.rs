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

/// Makes a session compute an aggregate once that a query has several times, such as that of a CTE.
///
/// Its rows are kept in memory, within the session's memory pool, until the last use has started. If they do not fit,
/// each use computes them. Workers compute them at each use, since each may run on another machine.
pub fn enable_common_subplans(ctx: &SessionContext) {
    let state = ctx.state_ref();
    let mut state = state.write();
    if state.optimizers().iter().any(|known| known.name() == find::NAME) {
        return;
    }
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    // A session that does not push filters down keeps its plans: it would share too much.
    if let Some(optimizer) = builder.optimizer()
        && let Some(at) = optimizer.rules.iter().position(|known| known.name() == AFTER)
    {
        optimizer.rules.insert(at + 1, Arc::new(find::CommonSubplans));
        optimizer.rules.push(Arc::new(narrow::NarrowSubplans));
    }
    *state = builder.build();
}

/// Removes the rules.
#[cfg(feature = "cluster")]
pub(crate) fn disable(builder: &mut SessionStateBuilder) {
    if let Some(optimizer) = builder.optimizer() {
        optimizer.rules.retain(|known| ![find::NAME, narrow::NAME].contains(&known.name()));
    }
}
