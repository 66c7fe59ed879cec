//! Rewrites clauses that DataFusion 55 knows only under another name: `SEMI JOIN`, `FETCH FIRST 5 ROWS ONLY`,
//! `CREATE TEMP TABLE`, `?` for `$1`.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, JoinOperator, LimitClause, Query, Select, Statement, TableFactor, TableWithJoins, Value, ValueWithSpan,
    VisitorMut,
};

/// Rewrites these clauses.
#[derive(Default)]
pub(super) struct Synonyms {
    /// The number of `?` so far.
    parameters: usize,
}

impl VisitorMut for Synonyms {
    type Break = Infallible;

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<Infallible> {
        // Every table of a session is temporary.
        match statement {
            Statement::CreateTable(table) => table.temporary = false,
            Statement::CreateView(view) => view.temporary = false,
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Infallible> {
        if let Value::Placeholder(name) = &mut value.value
            && name == "?"
        {
            self.parameters += 1;
            *name = format!("${}", self.parameters);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        let Some(fetch) = query.fetch.take_if(|fetch| !fetch.with_ties && !fetch.percent) else {
            return ControlFlow::Continue(());
        };
        let one = || Expr::Value(Value::Number("1".to_owned(), false).into());
        let rows = Some(fetch.quantity.unwrap_or_else(one));
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, .. }) => *limit = limit.take().or(rows),
            Some(LimitClause::OffsetCommaLimit { .. }) => {}
            none => *none = Some(LimitClause::LimitOffset { limit: rows, offset: None, limit_by: vec![] }),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        select.from.iter_mut().for_each(one_sided);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = table {
            one_sided(table_with_joins);
        }
        ControlFlow::Continue(())
    }
}

/// Rewrites `SEMI JOIN` and `ANTI JOIN`, which keep rows of the left table.
fn one_sided(table: &mut TableWithJoins) {
    for join in &mut table.joins {
        let operator = &mut join.join_operator;
        *operator = match operator {
            JoinOperator::Semi(on) => JoinOperator::LeftSemi(on.clone()),
            JoinOperator::Anti(on) => JoinOperator::LeftAnti(on.clone()),
            _ => continue,
        };
    }
}
