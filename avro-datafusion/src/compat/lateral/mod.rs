//! Subqueries and tables in `FROM` over columns of an outer row: `FROM t, UNNEST(t.items) AS u(item)`, `LEFT JOIN
//! UNNEST(..) ON ..`, `CROSS JOIN LATERAL (SELECT ..)`, `EXISTS (SELECT .. FROM UNNEST(t.tags) ..)`, `(SELECT sum(x)
//! FROM UNNEST(t.l) AS u(x))`.
//!
//! DataFusion 55 plans them with outer references and then fails to run them
//! (<https://github.com/apache/datafusion/issues/13659>, <https://github.com/apache/datafusion/issues/21201>), or does
//! not plan them at all: maps, `WITH ORDINALITY`, several names for the fields of items.
//!
//! Here, [`relation`] plans `UNNEST` in `FROM`. [`rule`] replaces joins and subqueries: a join whose right side uses
//! single rows of its left side becomes an `Unnest` over the left side; any other subquery becomes a [`function`] of
//! the columns it uses. [`push`] rewrites the plan of the subquery for both.
//!
//! Delete when: DataFusion decorrelates `Unnest`; `relation` when it also supports maps and ordinality.

mod batch;
mod function;
mod ordinals;
mod push;
mod relation;
mod rule;

pub(super) use function::is_subquery;

use datafusion::execution::SessionState;
use std::cell::Cell;
use std::sync::Arc;

/// Registers the planner of `UNNEST` in `FROM`, and the rule, once.
pub(super) fn register(state: &mut SessionState) -> datafusion::common::Result<()> {
    if !state.analyzer().rules.iter().any(|rule| rule.name() == rule::Decorrelate::NAME) {
        state.register_relation_planner(Arc::new(relation::UnnestInFrom))?;
        state.add_analyzer_rule(Arc::new(rule::Decorrelate));
    }
    Ok(())
}

/// Returns the functions that no session registers.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<datafusion::logical_expr::ScalarUDF>> {
    vec![Arc::new(ordinals::ordinals())]
}

/// Returns distinct names for columns, which no statement uses.
#[derive(Debug, Default)]
struct UniqueNames(Cell<usize>);

impl UniqueNames {
    fn next(&self, what: &str) -> String {
        let n = self.0.get() + 1;
        self.0.set(n);
        format!("__{what}_{n}")
    }
}
