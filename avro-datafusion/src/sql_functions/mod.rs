//! Functions that people type: DuckDB's names for dates, text, lists, JSON and aggregates.
//!
//! [`register`] adds them to a session whose SQL is exact (see [`compat`](crate::compat)). [`aliases`] is a table of
//! the functions that DataFusion has under other names. The others are rows of tables ([`function::Definition`]) with
//! their documentation. Most rows are expressions of existing functions, which replace the call before types are
//! determined; the rest are loops over values.

mod types;
mod function;
mod aliases;
mod dates;
mod moments;
mod strftime;
mod text;
mod regex;
mod spec;
mod printf;
mod general;
mod aggregates;
mod counts;
mod json;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result;
#[cfg(feature = "sql")]
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

use function::{Definition, Functions};

/// Computations, before the expressions that call them.
const KERNELS: &[&[Definition]] = &[moments::DEFINITIONS, strftime::KERNELS];

const TABLES: &[&[Definition]] = &[
    dates::DEFINITIONS,
    strftime::DEFINITIONS,
    text::DEFINITIONS,
    regex::DEFINITIONS,
    printf::DEFINITIONS,
    general::DEFINITIONS,
    json::DEFINITIONS,
];

/// Adds DuckDB's functions to a session: of dates, text, lists and JSON, and aggregates.
///
/// Call [`enable_sql_semantics`](crate::compat::enable_sql_semantics) before: the functions use its time zones and
/// casts. `docs/functions.md` lists all functions of such a session.
///
/// # Errors
/// If DataFusion refuses a registration.
pub fn register_sql_functions(ctx: &SessionContext) -> Result<()> {
    let state = ctx.state_ref();
    let mut state = state.write();
    aliases::register(&mut state)?;
    let aggregates = aggregates::all(|name| state.aggregate_functions().get(name).cloned());
    for function in aggregates.into_iter().chain(counts::all()) {
        state.register_udaf(Arc::new(function))?;
    }
    scalar(&mut state)?;
    state.register_function_rewrite(Arc::new(function::Expand))?;
    state.register_function_rewrite(Arc::new(aggregates::Replace))?;
    let json = |state: &SessionState, name: &str| state.scalar_functions().get(name).cloned();
    if let Some(to_json) = json(&state, "to_json") {
        state.register_function_rewrite(Arc::new(json::casts::Casts { to_json }))?;
    }
    #[cfg(feature = "sql")]
    if let (Some(extract), Some(extract_string)) = (json(&state, "json_extract"), json(&state, "json_extract_string")) {
        let mut builder = SessionStateBuilder::new_from_existing(state.clone());
        let operators = json::operators::JsonOperators { extract, extract_string };
        builder.expr_planners().get_or_insert_default().insert(0, Arc::new(operators));
        *state = builder.build();
    }
    Ok(())
}

/// Returns the functions that rules create and no session registers.
#[cfg(feature = "proto")]
pub(crate) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    let kernels = KERNELS.iter().flat_map(|table| function::all(table, &Functions::default()));
    json::casts::unregistered().into_iter().chain(kernels.map(Arc::new)).collect()
}

/// Registers scalar functions: the expressions see the session's functions and the computations.
fn scalar(state: &mut SessionState) -> Result<()> {
    let mut known: HashMap<String, Arc<ScalarUDF>> = state.scalar_functions().clone();
    let none: Functions = Arc::default();
    for table in KERNELS {
        known.extend(function::all(table, &none).into_iter().map(|f| (f.name().to_owned(), Arc::new(f))));
    }
    // The functions of JSON are computations, too, which others call.
    let json = function::all(json::DEFINITIONS, &none);
    known.extend(json.into_iter().map(|f| (f.name().to_owned(), Arc::new(f))));
    let known: Functions = Arc::new(known);
    for table in TABLES {
        for function in function::all(table, &known) {
            state.register_udf(Arc::new(function))?;
        }
    }
    Ok(())
}
