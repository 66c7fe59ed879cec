//! Corrections of DataFusion 55, one per file.
//!
//! Each file says what DataFusion does, what happens here instead, and when the correction can be deleted.

mod approx_distinct;
mod arrow_records;
mod bytes;
mod clock;
mod coercion;
mod dates;
mod declared;
mod empty_subqueries;
mod exprs;
mod filter_pushdown;
mod in_lists;
mod in_order;
mod instants;
mod json;
#[cfg(feature = "sql")]
mod lateral;
mod lengths;
mod list_any;
mod map_entries;
mod map_extract;
mod map_keys;
mod matching;
mod now;
mod null_records;
mod nullable_items;
mod numbers;
mod operand;
mod or_empty;
mod pattern;
#[cfg(feature = "sql")]
mod planner;
mod points;
mod registration;
mod similar;
mod table_functions;
mod temporal;
mod text;
#[cfg(feature = "sql")]
mod types;
pub mod unions;
mod uuid;
mod widened;
mod zones;

pub(crate) use dates::{formatted, is_point};
#[cfg(feature = "proto")]
pub(crate) use in_order::InOrderExec;
pub use in_order::KEEP_ORDER;
pub(crate) use json::{Values, field as json_field, quote};
pub(crate) use operand::{is_bytes, is_text};
pub(crate) use pattern::Pattern;
pub(crate) use table_functions::table_address;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Returns the functions that rules create and no session registers, each under a name of its own.
#[cfg(feature = "proto")]
pub(crate) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    let mut all = vec![similar::unregistered(), empty_subqueries::unregistered()];
    all.extend(null_records::unregistered());
    all.extend(text::unregistered());
    all.extend(uuid::unregistered());
    all.extend(points::unregistered());
    all.extend(numbers::unregistered());
    all.extend(unions::unregistered());
    all.extend(declared::unregistered());
    #[cfg(feature = "sql")]
    all.extend(lateral::unregistered());
    all
}

/// Returns whether functions of this name differ only in the types of their results.
#[cfg(feature = "proto")]
pub(crate) fn follows_types(function: &ScalarUDF) -> bool {
    points::follows_types(function) || unions::follows_types(function)
}

/// Returns the function that a correction extends to more types.
#[cfg(feature = "cluster")]
pub(crate) fn wrapped(function: &ScalarUDF) -> Option<&Arc<ScalarUDF>> {
    let numbers = numbers::wrapped(function).or_else(|| widened::wrapped(function));
    numbers.or_else(|| instants::wrapped(function)).or_else(|| crate::nested_nulls::inner_of(function))
}

/// Returns whether a function runs a subquery in this process.
pub(crate) fn is_subquery(function: &ScalarUDF) -> bool {
    #[cfg(feature = "sql")]
    return lateral::is_subquery(function);
    #[cfg(not(feature = "sql"))]
    return {
        let _ = function;
        false
    };
}

/// Registers the corrections for Avro's types. [`register_all`](crate::register_all) calls it.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    state.register_function_rewrite(Arc::new(map_keys::MapKeys))?;
    state.register_function_rewrite(Arc::new(in_lists::InLists))?;
    state.register_function_rewrite(Arc::new(nullable_items::NullableItems))?;
    state.register_udf(Arc::new(map_entries::map_entries()))?;
    state.register_udf(Arc::new(map_extract::map_extract()))?;
    state.register_udf(Arc::new(list_any::list_any()))?;
    state.register_udf(Arc::new(map_entries::unnestable()))?;
    state.register_udf(Arc::new(or_empty::list_or_empty()))?;
    #[cfg(feature = "sql")]
    lateral::register(state)?;
    unions::register(state)?;
    table_functions::register(state);
    filter_pushdown::register(state);
    Ok(())
}

/// Makes SQL exact in this session: a query returns the right answer or an error.
///
/// These corrections change SQL for all tables of the session, so [`register_all`](crate::register_all) does not
/// include them. The command `avro-sql` does.
pub fn enable_sql_semantics(ctx: &SessionContext) -> Result<()> {
    in_order::register(&mut ctx.state_ref().write());
    registration::enable(ctx)?;
    // The number types wrap the planners that are registered already.
    let state = ctx.state_ref();
    let mut state = state.write();
    // The check rejects plans whose columns differ only in nullability, as casts of required columns do.
    state.config_mut().options_mut().execution.skip_physical_aggregate_schema_check = true;
    numbers::register(&mut state)?;
    unions::make_first(&mut state);
    Ok(())
}
