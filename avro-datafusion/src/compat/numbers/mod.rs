//! Exact numbers: decimals stay decimals, and a result that does not fit its type is an error.
//!
//! DataFusion 55 reads `1.19` as a double, computes integers modulo 2^64 and decimals without a check of their
//! precision. Its option `parse_float_as_decimal` and the following corrections change that:
//!
//! - [`operators`]: `+ - * / %` on integers and decimals, with the result types of [`shape`] and the loops of
//!   [`kernels`];
//! - [`mixed`]: decimals beside doubles, and decimals that need more than 38 digits to be compared;
//! - [`casts`]: casts to integers round, and `-x` and `abs(x)` are checked;
//! - [`aggregates`]: `sum` and `avg`, with exact totals; [`median`] of dates and times;
//! - [`lists`]: functions of lists of doubles take decimals;
//! - [`decimal_types`]: `DECIMAL(300, 1)` is an error.
//!
//! Delete when: DataFusion checks overflow by default (apache/datafusion#3520, #22756) and follows SQL's rules for
//! decimals.

mod aggregates;
mod casts;
#[cfg(feature = "sql")]
mod decimal_types;
mod doubles;
mod finish;
mod intervals;
mod kernels;
mod lists;
mod median;
mod mixed;
mod operators;
mod shape;
mod totals;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::AggregateUDF;
#[cfg(feature = "proto")]
use datafusion::logical_expr::ScalarUDF;
use std::sync::Arc;

#[cfg(feature = "cluster")]
pub(super) use lists::wrapped;

/// Returns the functions that no session registers.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    let mut all = operators::unregistered();
    all.push(casts::unregistered());
    all
}

/// Registers all number corrections. Calling it again has no effect.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    if state.analyzer().rules.iter().any(|rule| rule.name() == mixed::MixedNumbers::NAME) {
        return Ok(());
    }
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    if let Some(analyzer) = builder.analyzer() {
        // Before DataFusion's type coercion, which would make doubles decimals.
        analyzer.rules.insert(0, Arc::new(mixed::MixedNumbers));
        analyzer.rules.push(Arc::new(casts::RoundingCasts));
    }
    #[cfg(feature = "sql")]
    {
        let types = builder.type_planner().take();
        builder = builder.with_type_planner(Arc::new(decimal_types::DecimalTypes::before(types)));
    }
    *state = builder.build();
    state.config_mut().options_mut().sql_parser.parse_float_as_decimal = true;
    #[cfg(feature = "sql")]
    state.register_expr_planner(Arc::new(operators::ExactOperators))?;
    state.register_udaf(Arc::new(AggregateUDF::from(aggregates::ExactAggregate::sum())))?;
    state.register_udaf(Arc::new(AggregateUDF::from(aggregates::ExactAggregate::avg())))?;
    state.register_udaf(Arc::new(AggregateUDF::from(median::ExactMedian::default())))?;
    lists::register(state)?;
    Ok(())
}
