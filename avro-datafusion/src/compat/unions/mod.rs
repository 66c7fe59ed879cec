//! Unions in SQL.
//!
//! DataFusion 55 casts Arrow's unions to one of their types, which silently makes nulls of all other values. `CASE`,
//! `nullif` and null padding give rows the values of other rows, and much else fails with internal errors
//! ([apache/datafusion#22825](https://github.com/apache/datafusion/issues/22825) is one of them).
//!
//! Here no union reaches the engine. Avro's unions are read as tagged structs ([`avro_arrow::tagged`]), which every
//! operator can move, compare for equality and test for null. Unions of other sources become such structs directly
//! above their scans. How an expression treats a union depends on its branches:
//!
//! - A union of numbers (int, long, float, double) computes as its widest type. If that is double, a long that a double
//!   cannot represent is an error; comparisons examine each branch and need no wider type.
//! - Any other union compares with a number as its numeric branches do, with a date as its dates do, and so on; values
//!   of other branches are unequal. With text it compares as text, and text functions and casts see every branch as
//!   text.
//! - An expression without an answer, such as `u + 1` where `u` may be text, is an error that names the branches.
//!
//! `planner` and `functions` give DataFusion's planner types for such expressions; `rule` rewrites them before type
//! coercion: `compare` for comparisons, `arguments` for functions; `values` computes. `branch` is `u.int`.
//!
//! Delete when: DataFusion can compute with unions.

mod arguments;
mod branch;
#[cfg_attr(not(feature = "sql"), allow(dead_code))]
mod compare;
mod expressions;
mod functions;
mod nodes;
#[cfg(feature = "sql")]
mod planner;
mod rule;
mod shape;
mod values;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{CreateView, DdlStatement, LogicalPlan, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// Registers all union corrections.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    state.register_udf(Arc::new(ScalarUDF::from(branch::UnionExtract::default())))?;
    state.register_udf(Arc::new(ScalarUDF::from(branch::UnionTag::default())))?;
    if state.analyzer().rules.iter().any(|rule| rule.name() == rule::NAME) {
        return Ok(());
    }
    // Before type coercion.
    let mut rules = state.analyzer().rules.clone();
    rules.insert(0, Arc::new(rule::Unions));
    #[cfg_attr(not(feature = "sql"), allow(unused_mut))]
    let mut planners = state.expr_planners().to_vec();
    #[cfg(feature = "sql")]
    planners.insert(0, Arc::new(planner::UnionPlanner));
    // A new list of rules creates a new analyzer, without function rewrites.
    let rewrites = state.analyzer().function_rewrites().to_vec();
    let builder = SessionStateBuilder::new_from_existing(state.clone());
    *state = builder.with_analyzer_rules(rules).with_expr_planners(planners).build();
    rewrites.into_iter().try_for_each(|rewrite| state.register_function_rewrite(rewrite))
}

#[cfg(feature = "proto")]
pub(super) use values::{follows_types, unregistered};

/// Moves the rule and the planner before all others, which cannot handle unions.
pub(super) fn make_first(state: &mut SessionState) {
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    if let Some(analyzer) = builder.analyzer()
        && let Some(at) = analyzer.rules.iter().position(|known| known.name() == rule::NAME)
    {
        let rule = analyzer.rules.remove(at);
        analyzer.rules.insert(0, rule);
    }
    #[cfg(feature = "sql")]
    if let Some(planners) = builder.expr_planners() {
        let planner = Arc::new(planner::UnionPlanner);
        planners.retain(|other| format!("{other:?}") != format!("{planner:?}"));
        planners.insert(0, planner);
    }
    *state = builder.build();
}

/// Returns whether planning failed because a function was given a union.
pub fn concerns_union(error: &DataFusionError) -> bool {
    shape::is_in_text(&error.to_string())
}

/// Returns the state with functions that take unions at planning. A statement is planned with it after an error that
/// [`concerns_union`].
pub fn tolerant(state: &SessionState) -> SessionState {
    functions::tolerant(state)
}

/// Rewrites the plan of a `CREATE VIEW`, whose types DataFusion coerces before any rule; returns any other plan
/// unchanged.
pub fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateView(view)) => {
            let input = rule::Unions.analyze(view.input.as_ref().clone(), &ConfigOptions::default())?;
            Ok(LogicalPlan::Ddl(DdlStatement::CreateView(CreateView { input: Arc::new(input), ..view })))
        }
        plan => Ok(plan),
    }
}

/// Rewrites an error of DataFusion's that spells out a union as an Arrow type.
pub fn explain(text: &str) -> Option<String> {
    shape::in_words(text)
}
