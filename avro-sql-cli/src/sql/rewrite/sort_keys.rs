//! Moves subqueries out of ORDER BY, where DataFusion 55 does not plan them if they are correlated.
//!
//! `SELECT a FROM t ORDER BY (SELECT ..)` becomes
//! `SELECT * EXCLUDE (__sort_0) FROM (SELECT a, (SELECT ..) AS __sort_0 FROM t) ORDER BY __sort_0`.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Visit, Visitor,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::names::folded;

/// Rewrites the queries of a statement.
pub(super) struct SortKeys;

impl VisitorMut for SortKeys {
    type Break = Infallible;

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if has_subquery_key(query)
            && let Some(rewritten) = rewritten(query.clone())
        {
            *query = rewritten;
        }
        ControlFlow::Continue(())
    }
}

fn has_subquery_key(query: &Query) -> bool {
    struct Find;
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    query.order_by.visit(&mut Find).is_break()
}

/// Returns the query with its sort keys in the select list of a subquery; `None` if that would change its meaning.
fn rewritten(mut query: Query) -> Option<Query> {
    let SetExpr::Select(inner) = query.body.as_mut() else { return None };
    // The keys of SELECT DISTINCT must be in its select list.
    if inner.distinct.is_some() {
        return None;
    }
    let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = &mut query.order_by else { return None };
    let mut moved = vec![];
    for key in keys {
        if !is_of_result(&key.expr, inner) {
            let name = Ident::new(format!("__sort_{}", moved.len()));
            let expr = std::mem::replace(&mut key.expr, Expr::Identifier(name.clone()));
            inner.projection.push(SelectItem::ExprWithAlias { expr, alias: name.clone() });
            moved.push(name.value);
        }
    }
    let template = format!("SELECT * EXCLUDE ({}) FROM (SELECT 1) AS __sorted", moved.join(", "));
    let parsed = Parser::parse_sql(&GenericDialect {}, &template).ok()?.pop()?;
    let Statement::Query(mut outer) = parsed else { return None };
    let SetExpr::Select(select) = outer.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    std::mem::swap(&mut subquery.body, &mut query.body);
    query.body = outer.body;
    Some(query)
}

/// Returns whether a sort key is a position or a column of the result.
fn is_of_result(key: &Expr, select: &Select) -> bool {
    match key {
        Expr::Value(_) => true,
        Expr::Identifier(name) => select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::ExprWithAlias { alias, .. } if folded(alias) == folded(name))),
        _ => false,
    }
}
