//! The precedence of `->` and `->>`.
//!
//! The generic dialect lets them bind less tightly than comparisons, so that `x ->> 'a' = 'b'` has a boolean as its
//! path. Here they bind more tightly than all operators but casts, as in PostgreSQL.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitorMut};

/// Moves the operators of JSON to their first operand.
pub(super) struct Arrows;

impl VisitorMut for Arrows {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::LongArrow, right, .. } = expr
            && first(right).is_some()
        {
            rotate(expr);
        }
        ControlFlow::Continue(())
    }
}

/// Rewrites `x ->> ('a' = 'b')`, which was written without parentheses, as `(x ->> 'a') = 'b'`.
fn rotate(expr: &mut Expr) {
    let nothing = || Expr::Value(Value::Null.into());
    let Expr::BinaryOp { left, op, right } = std::mem::replace(expr, nothing()) else { return };
    *expr = *right;
    let mut place = &mut *expr;
    while first(place).is_some() {
        match first(place) {
            Some(inner) => place = inner,
            None => return,
        }
    }
    let path = Box::new(std::mem::replace(place, nothing()));
    *place = Expr::BinaryOp { left, op, right: path };
}

/// Returns the first operand of an operator without parentheses around it.
fn first(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::BinaryOp { left: first, op, .. } if !matches!(op, BinaryOperator::Arrow | BinaryOperator::LongArrow) => {
            Some(first)
        }
        Expr::IsNull(first)
        | Expr::IsNotNull(first)
        | Expr::IsTrue(first)
        | Expr::IsNotTrue(first)
        | Expr::IsFalse(first)
        | Expr::IsNotFalse(first)
        | Expr::IsDistinctFrom(first, _)
        | Expr::IsNotDistinctFrom(first, _)
        | Expr::InList { expr: first, .. }
        | Expr::InSubquery { expr: first, .. }
        | Expr::Between { expr: first, .. }
        | Expr::Like { expr: first, .. }
        | Expr::ILike { expr: first, .. }
        | Expr::SimilarTo { expr: first, .. } => Some(first),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::rewrite::walk::walk;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    #[test]
    fn arrows_bind_tightly() {
        // `=` tells the top operator: its sides are in parentheses.
        let cases = [
            ("x ->> 'a' = 'b'", "x ->> 'a'"),
            ("x -> 'a' ->> 'b' = 'c'", "x -> 'a' ->> 'b'"),
            ("x ->> 'a' || 'b' = 'c'", "x ->> 'a' || 'b'"),
            ("x ->> 'a' IN ('b')", "x ->> 'a'"),
            ("x ->> 'a' IS NULL", "x ->> 'a'"),
            ("x ->> 'a' LIKE 'b%'", "x ->> 'a'"),
            ("x ->> 'a' BETWEEN 'b' AND 'c'", "x ->> 'a'"),
        ];
        for (sql, operand) in cases {
            let mut expr = Parser::new(&GenericDialect {}).try_with_sql(sql).unwrap().parse_expr().unwrap();
            let _ = walk(&mut expr, &mut Arrows);
            assert_eq!(first(&mut expr).unwrap().to_string(), operand, "{sql}");
        }
        for kept in ["x ->> ('a' = 'b')", "x -> 'a'", "x ->> lower('A')"] {
            let mut expr = Parser::new(&GenericDialect {}).try_with_sql(kept).unwrap().parse_expr().unwrap();
            let _ = walk(&mut expr, &mut Arrows);
            assert_eq!(expr.to_string(), kept);
            assert!(first(&mut expr).is_none(), "{kept}");
        }
    }
}
