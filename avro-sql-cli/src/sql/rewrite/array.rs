//! Rewrites `ARRAY(SELECT x FROM ..)`, which DataFusion 55 does not plan, as `(SELECT list_or_empty(array_agg(x)) FROM
//! ..)`.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableAliasColumnDef, TableFactor, Value,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Rewrites the expression if it is an array of a subquery's rows.
pub(super) fn rewrite(expr: &mut Expr) {
    if let Expr::Function(Function { name, args: FunctionArguments::Subquery(rows), .. }) = expr
        && name.to_string().eq_ignore_ascii_case("array")
        && let Some(array) = aggregated((**rows).clone())
    {
        *expr = array;
    }
}

/// Returns the subquery that collects the rows of this one, in its order.
fn aggregated(mut rows: Query) -> Option<Expr> {
    let parsed =
        Parser::parse_sql(&GenericDialect {}, "SELECT (SELECT list_or_empty(array_agg(a.c)) FROM (SELECT 1) AS a(c))");
    let Some(Statement::Query(mut outer)) = parsed.ok()?.into_iter().next() else { return None };
    let SelectItem::UnnamedExpr(mut array) = select(&mut outer)?.projection.pop()? else { return None };
    let Expr::Subquery(query) = &mut array else { return None };
    let collects = select(query)?;
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = &mut collects.from.first_mut()?.relation else {
        return None;
    };
    // The aggregate has to sort, because tables in FROM have no order. So it needs the sort keys.
    let keys = sort_keys(&mut rows);
    let mut order = Vec::new();
    for (i, (expr, by)) in keys.into_iter().enumerate() {
        let key = match expr {
            Some(expr) => {
                select(&mut rows)?.projection.push(SelectItem::UnnamedExpr(expr));
                let key = Ident::new(format!("o{i}"));
                alias.columns.push(TableAliasColumnDef::from_name(key.value.clone()));
                key
            }
            None => Ident::new("c"),
        };
        order.push(OrderByExpr { expr: Expr::CompoundIdentifier(vec![Ident::new("a"), key]), ..by });
    }
    **subquery = rows;
    let SelectItem::UnnamedExpr(Expr::Function(or_empty)) = collects.projection.first_mut()? else { return None };
    let FunctionArguments::List(args) = &mut or_empty.args else { return None };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(aggregate))) = args.args.first_mut()? else {
        return None;
    };
    if let (FunctionArguments::List(args), false) = (&mut aggregate.args, order.is_empty()) {
        args.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    Some(array)
}

fn select(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

/// Returns the sort keys: an expression added as a column, or `None` for the column itself.
fn sort_keys(rows: &mut Query) -> Vec<(Option<Expr>, OrderByExpr)> {
    let Some(order) = &rows.order_by else { return vec![] };
    let OrderByKind::Expressions(keys) = &order.kind else { return vec![] };
    let keys = keys.clone();
    let column = select(rows).and_then(|select| select.projection.first().cloned());
    let of_key = |by: OrderByExpr| {
        let is_first =
            matches!(&by.expr, Expr::Value(value) if matches!(&value.value, Value::Number(n, _) if n == "1"));
        let is_column = match &column {
            Some(SelectItem::UnnamedExpr(expr)) => *expr == by.expr,
            Some(SelectItem::ExprWithAlias { expr, alias }) => {
                *expr == by.expr || matches!(&by.expr, Expr::Identifier(name) if name.value == alias.value)
            }
            // A union: only its columns can be named.
            _ => true,
        };
        ((!is_first && !is_column).then(|| by.expr.clone()), by)
    };
    keys.into_iter().map(of_key).collect()
}
