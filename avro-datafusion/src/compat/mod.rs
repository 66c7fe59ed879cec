//! Corrections of what DataFusion 55 gets wrong or leaves open, one file each.
//!
//! Every file says what DataFusion does, what happens here instead, and when the correction can be deleted.

mod in_order;
mod map_keys;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Registers the corrections that concern Avro's types. Every session that knows Avro has them.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    state.register_function_rewrite(Arc::new(map_keys::MapKeys))?;
    Ok(())
}

/// Makes SQL in this session exact: a query returns the right answer or an error.
///
/// These corrections change the meaning of SQL for all tables of the session, so [`enable`](crate::enable) does not make them.
/// The command `avro-sql` does.
pub fn enable_sql_semantics(ctx: &SessionContext) -> Result<()> {
    in_order::register(&mut ctx.state_ref().write());
    Ok(())
}
