//! Rewrites syntax that DataFusion 55 does not read into syntax that it does:
//!
//! - `ARRAY(SELECT ..)`, see [`mod@array`]; `x = ANY(l)`, see [`quantified`];
//! - timestamps and time zones, see [`time`];
//! - named options of functions, see [`named_options`];
//! - `a IS DISTINCT FROM b`, which is `NOT a <=> b`;
//! - `SELECT DISTINCT a.b .. ORDER BY a.b`, where it does not recognize the two as equal.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor,
    UnaryOperator, Value, VisitorMut,
};

use super::{array, named_options, quantified, time};

/// Applies all rewrites.
pub(super) struct Syntax;

impl VisitorMut for Syntax {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if let SetExpr::Select(select) = query.body.as_mut()
            && let Some(order) = &mut query.order_by
        {
            order_by_place(select, order);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        array::rewrite(expr);
        named_options::rewrite(expr);
        quantified::rewrite(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        time::rewrite(expr);
        // DataFusion passes `<=>` to expression planners, but not these words for it.
        if let Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) = expr {
            let nothing = || Box::new(Expr::Value(Value::Null.into()));
            let (left, right) = (std::mem::replace(left, nothing()), std::mem::replace(right, nothing()));
            let same = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::Spaceship, right }));
            *expr = match expr {
                Expr::IsDistinctFrom(..) => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(same) },
                _ => same,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Whether planning failed on the minus of a value that is not a number by type, such as a union of numbers.
pub(super) fn is_of_minus(error: &DataFusionError) -> bool {
    error.to_string().contains("Unary operator '-'")
}

/// Rewrites `-u` as `0 - u`, which DataFusion passes to expression planners.
pub(super) struct Minus;

impl VisitorMut for Minus {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } = expr
            && !matches!(**inner, Expr::Value(_))
        {
            let zero = Box::new(Expr::Value(Value::Number("0".to_owned(), false).into()));
            let right = std::mem::replace(inner, Box::new(Expr::Value(Value::Null.into())));
            let minus = Expr::BinaryOp { left: zero, op: BinaryOperator::Minus, right };
            *expr = Expr::Nested(Box::new(minus));
        }
        ControlFlow::Continue(())
    }
}

/// Returns the name by which the rest of the statement refers to a table.
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

/// Orders distinct rows by column numbers where the expressions are equal.
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
        if !matches!(by.expr, Expr::Identifier(_) | Expr::Value(_))
            && let Some(at) = columns.iter().position(|column| *column == by.expr)
        {
            by.expr = Expr::Value(Value::Number((at + 1).to_string(), false).into());
        }
    }
}
