//! Unions in SQL.
//!
//! DataFusion 55 computes with Arrow's unions by casting them to one of their types, which makes nulls of the values of all others
//! without a word; `CASE`, `nullif` and padding by nulls give rows the values of other rows, and much else fails with internal errors
//! ([apache/datafusion#22825](https://github.com/apache/datafusion/issues/22825) is one of them).
//!
//! Here no union reaches the engine. Avro's are read as tagged structs ([`avro_arrow::tagged`]), which every operator can move, compare
//! for equality and test for null. Unions of other sources become such structs right above their scans. What an expression does with a
//! union is decided by its branches:
//!
//! - A union of numbers (int, long, float, double) computes as its widest type. Where that is double, a long that is no double is an
//!   error, never another number; comparisons look at each branch and need no wider type.
//! - Any other union compares with a number as its numeric branches do, with a date as its dates do, and so on; the values of other branches are different
//!   from it. With text it compares as text, and functions of text and casts see every branch as text.
//! - What has no answer, such as `u + 1` where `u` may be text, is an error that names the branches.
//!
//! `planner` and `functions` see to it that DataFusion's planner finds types for such expressions, `rule` rewrites them before DataFusion
//! coerces types: `compare` comparisons, `arguments` functions, and `values` is what computes. `branch` is `u.int`.
//!
//! Can go after: not before DataFusion computes with unions at all.

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

/// Registers all of it.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    state.register_udf(Arc::new(ScalarUDF::from(branch::UnionExtract::default())))?;
    state.register_udf(Arc::new(ScalarUDF::from(branch::UnionTag::default())))?;
    if state.analyzer().rules.iter().any(|rule| rule.name() == rule::NAME) {
        return Ok(());
    }
    // Before types are coerced.
    let mut rules = state.analyzer().rules.clone();
    rules.insert(0, Arc::new(rule::Unions));
    #[cfg_attr(not(feature = "sql"), allow(unused_mut))]
    let mut planners = state.expr_planners().to_vec();
    #[cfg(feature = "sql")]
    planners.insert(0, Arc::new(planner::UnionPlanner));
    // A new list of rules makes a new analyzer, which has no rewrites of functions.
    let rewrites = state.analyzer().function_rewrites().to_vec();
    let builder = SessionStateBuilder::new_from_existing(state.clone());
    *state = builder.with_analyzer_rules(rules).with_expr_planners(planners).build();
    rewrites.into_iter().try_for_each(|rewrite| state.register_function_rewrite(rewrite))
}

/// Moves the rule and the planner before all others, which do not know unions.
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

/// Whether planning failed because a function was given a union.
pub fn concerns_union(error: &DataFusionError) -> bool {
    shape::is_in_text(&error.to_string())
}

/// The state with functions that take unions, which DataFusion's own do not where they plan. A statement is planned with it
/// after an error that [`concerns_union`].
pub fn tolerant(state: &SessionState) -> SessionState {
    functions::tolerant(state)
}

/// The plan of a `CREATE VIEW`, of which DataFusion coerces the types before any rule sees it, without unions in the way; any other plan
/// as it is.
pub fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateView(view)) => {
            let input = rule::Unions.analyze(view.input.as_ref().clone(), &ConfigOptions::default())?;
            Ok(LogicalPlan::Ddl(DdlStatement::CreateView(CreateView { input: Arc::new(input), ..view })))
        }
        plan => Ok(plan),
    }
}

/// An error of DataFusion's in which a union is spelled out as an Arrow type, in words.
pub fn explain(text: &str) -> Option<String> {
    shape::in_words(text)
}
