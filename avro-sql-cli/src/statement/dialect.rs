//! What people write and DataFusion 55 does not read, in words that it reads:
//!
//! - `items[1].price`, which it reads as `items[1]['price']` only;
//! - `address.*`, the fields of a record, which is `unnest(address)`;
//! - `FROM t, UNNEST(t.items) AS u(item)`, see [`unnest`];
//! - `FROM 'x'` without a `SELECT`, of which it would make rows without columns;
//! - `SELECT DISTINCT a.b .. ORDER BY a.b`, where it does not see that both are the same.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Distinct, Expr, Ident, ObjectName, OrderBy, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, Value, VisitorMut, WildcardAdditionalOptions,
};

use super::unnest;

/// Rewrites all of it.
pub(super) struct Dialect;

impl VisitorMut for Dialect {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            if let Some(order) = &mut query.order_by {
                order_by_place(select, order);
            }
            unnest::into_select(select, query.order_by.as_mut());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::Standard;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        unnest::into_select(select, None);
        let factors = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
        let tables: Vec<String> = factors.filter_map(table_name).map(folded).collect();
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), but) = item
                && *but == WildcardAdditionalOptions::default()
                && let Some(column) = column(name, &tables)
            {
                *item = SelectItem::UnnamedExpr(unnest::call(column));
            }
        }
        ControlFlow::Continue(())
    }

    // After what is inside: names there must not be taken for columns before.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(name)) = access {
                    *access = AccessExpr::Dot(Expr::Value(Value::SingleQuotedString(folded(name)).into()));
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The name that an identifier stands for: without quotes, capitals are small letters.
pub(super) fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}

/// What the rest of the statement calls a table.
pub(super) fn table_name(table: &TableFactor) -> Option<&Ident> {
    match table {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::TableFunction { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } => Some(&alias.name),
        TableFactor::Table { name, .. } => name.0.last()?.as_ident(),
        _ => None,
    }
}

/// The column that a name in front of `.*` stands for, if it is none of the tables.
fn column(name: &ObjectName, tables: &[String]) -> Option<Expr> {
    let parts: Vec<Ident> = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<_>>()?;
    let is_table = |part: Option<&Ident>| part.is_some_and(|part| tables.contains(&folded(part)));
    match parts.as_slice() {
        [one] => (!is_table(Some(one))).then(|| Expr::Identifier(one.clone())),
        // A table in a schema, or a field of a column.
        [first, ..] => {
            (is_table(Some(first)) || !is_table(parts.last())).then(|| Expr::CompoundIdentifier(parts.clone()))
        }
        [] => None,
    }
}

/// Orders the distinct rows by the numbers of their columns, where those are the same expressions.
fn order_by_place(select: &Select, order: &mut OrderBy) {
    let OrderByKind::Expressions(by) = &mut order.kind else { return };
    if select.distinct != Some(Distinct::Distinct) {
        return;
    }
    let expr = |item: &'_ SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
        _ => None,
    };
    let columns: Vec<_> = select.projection.iter().map_while(expr).collect();
    for by in by {
        if matches!(by.expr, Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. })
            && let Some(at) = columns.iter().position(|column| *column == by.expr)
        {
            by.expr = Expr::Value(Value::Number((at + 1).to_string(), false).into());
        }
    }
}
