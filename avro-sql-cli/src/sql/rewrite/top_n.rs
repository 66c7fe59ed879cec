//! `max(x, 3)`, `min(x, 3)`, `arg_max(x, y, 3)` and `arg_min(x, y, 3)`: lists of the greatest or least values.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::walk::walk;

/// Replaces such calls by lists of the ordered values.
pub(super) struct TopN;

impl VisitorMut for TopN {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let mut replaced = expr.clone();
            let _ = walk(&mut replaced, self);
            if replaced != *expr {
                // The column is named after the call.
                let alias = Ident::with_quote('"', expr.to_string());
                *item = SelectItem::ExprWithAlias { expr: replaced, alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Function(call) = expr
            && let Some(list) = list(call)
        {
            *expr = list;
        }
        ControlFlow::Continue(())
    }
}

/// Replaces names in a template by expressions.
struct Template<'a>([(&'a str, &'a Expr); 4]);

impl VisitorMut for Template<'_> {
    type Break = Infallible;

    // Expressions are visited after their parts, so what replaces a name is not visited.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Identifier(name) = expr
            && let Some((_, replacement)) = self.0.iter().find(|(known, _)| *known == name.value)
        {
            *expr = (*replacement).clone();
        }
        ControlFlow::Continue(())
    }
}

/// Returns the list that a call asks for.
fn list(call: &Function) -> Option<Expr> {
    let (n_args, order) = match call.name.to_string().to_ascii_lowercase().as_str() {
        "max" => (2, "DESC"),
        "min" => (2, "ASC"),
        "arg_max" | "argmax" | "max_by" => (3, "DESC"),
        "arg_min" | "argmin" | "min_by" => (3, "ASC"),
        _ => return None,
    };
    let FunctionArguments::List(arguments) = &call.args else { return None };
    let is_plain = arguments.duplicate_treatment.is_none() && arguments.clauses.is_empty() && call.over.is_none();
    if !is_plain || arguments.args.len() != n_args {
        return None;
    }
    let argument = |at: usize| match arguments.args.get(at) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr.clone()),
        _ => None,
    };
    let (value, by, n) = (argument(0)?, argument(n_args - 2)?, argument(n_args - 1)?);
    let template = format!(
        "array_slice(array_agg(x ORDER BY y {order}) FILTER (WHERE x IS NOT NULL AND y IS NOT NULL AND z), 1, n)"
    );
    let mut list = Parser::new(&GenericDialect {}).try_with_sql(&template).ok()?.parse_expr().ok()?;
    let is_counted = match &call.filter {
        Some(filter) => Expr::Nested(filter.clone()),
        None => Parser::new(&GenericDialect {}).try_with_sql("true").ok()?.parse_expr().ok()?,
    };
    let _ = walk(&mut list, &mut Template([("x", &value), ("y", &by), ("z", &is_counted), ("n", &n)]));
    Some(list)
}
