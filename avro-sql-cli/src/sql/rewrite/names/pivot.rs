//! `t PIVOT (sum(x) FOR kind IN ('a', 'b'))` and `t UNPIVOT (v FOR n IN (a, b))`: replaces them by queries.
//!
//! A pivot becomes `SELECT others, sum(x) FILTER (WHERE kind = 'a') AS a, .. FROM t GROUP BY others`, where the others
//! are the columns that it does not name. An unpivot becomes a query with `unnest` of the names and of the values.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, Expr, ExprWithAlias, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    NullInclusion, PivotValueSource, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, Value,
};

use super::super::pivot::GROUPS;
use super::super::unnest;
use super::super::walk::any_expr;
use super::scope::Scope;
use super::{Binder, placeholder_query};

impl Binder<'_> {
    /// Replaces a pivot or unpivot by a query; returns `false` for other tables.
    pub(super) fn pivoted(&mut self, table: &mut TableFactor) -> Result<bool> {
        let (query, alias) = match table {
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                default_on_null: None,
                alias,
                ..
            } => {
                let [column] = value_column.as_slice() else {
                    return plan_err!("PIVOT: write FOR with one column");
                };
                let PivotValueSource::List(values) = value_source else {
                    return plan_err!("PIVOT: write FOR {column} IN (value, ..)");
                };
                (self.pivot(table, aggregate_functions, column, values)?, alias.take())
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
                let Expr::Identifier(value) = value else {
                    return plan_err!("UNPIVOT: write a name before FOR, not `{value}`");
                };
                let keeps_nulls = *null_inclusion == Some(NullInclusion::IncludeNulls);
                (self.unpivot(table, value, name, columns, keeps_nulls)?, alias.take())
            }
            _ => return Ok(false),
        };
        *table = derived(query, alias);
        Ok(true)
    }

    /// Returns the names of a table's columns.
    fn names_in(&mut self, table: &TableFactor) -> Result<Vec<String>> {
        self.within(table, |binder| {
            let outputs = binder.columns_of(|_| true);
            outputs.map(|outputs| outputs.into_iter().map(|output| output.short).collect())
        })
    }

    /// Calls a function in the scope of this table.
    fn within<T>(&mut self, table: &TableFactor, of: impl FnOnce(&mut Self) -> Option<T>) -> Result<T> {
        self.scopes.push(Scope::default());
        let found = self.relation(&mut table.clone()).map(|()| of(self));
        self.scopes.pop();
        match found? {
            Some(found) => Ok(found),
            None => plan_err!("PIVOT and UNPIVOT need a table whose columns are known"),
        }
    }

    fn pivot(
        &mut self,
        table: &TableFactor,
        aggregates: &[ExprWithAlias],
        column: &Expr,
        values: &[ExprWithAlias],
    ) -> Result<Query> {
        let is_groups = |aggregate: &&ExprWithAlias| function_name(&aggregate.expr).as_deref() == Some(GROUPS);
        let groups: Vec<Expr> = match aggregates.iter().find(is_groups) {
            Some(groups) => arguments(&groups.expr),
            None => {
                let mut used = names(column);
                used.extend(aggregates.iter().flat_map(|aggregate| names(&aggregate.expr)));
                let columns = self.names_in(table)?;
                let is_other = |name: &String| !used.iter().any(|used| used.eq_ignore_ascii_case(name));
                columns
                    .into_iter()
                    .filter(is_other)
                    .map(|name| Expr::Identifier(Ident::with_quote('"', name)))
                    .collect()
            }
        };
        let mut projection: Vec<_> = groups.iter().cloned().map(SelectItem::UnnamedExpr).collect();
        let aggregates: Vec<_> = aggregates.iter().filter(|aggregate| !is_groups(aggregate)).collect();
        for ExprWithAlias { expr: value, alias } in values {
            let own = alias.as_ref().map_or_else(|| said(value), |alias| alias.value.clone());
            for aggregate in &aggregates {
                let Expr::Function(mut function) = aggregate.expr.clone() else {
                    return plan_err!("PIVOT: `{}` is not an aggregate function", aggregate.expr);
                };
                let is_value = equal(column.clone(), value.clone());
                function.filter = Some(Box::new(match function.filter.take() {
                    Some(filter) => both(*filter, is_value),
                    None => is_value,
                }));
                let name = match (aggregates.len(), &aggregate.alias) {
                    (1, None) => own.clone(),
                    (_, Some(alias)) => format!("{own}_{}", alias.value),
                    (_, None) => format!("{own}_{}", aggregate.expr),
                };
                let alias = Ident::with_quote('"', name);
                projection.push(SelectItem::ExprWithAlias { expr: Expr::Function(function), alias });
            }
        }
        if projection.len() == groups.len() {
            return plan_err!("PIVOT: the column `{column}` has no values");
        }
        let mut query = from(table.clone());
        if let Some(select) = select(&mut query) {
            select.projection = projection;
            select.group_by = GroupByExpr::Expressions(groups, vec![]);
        }
        Ok(query)
    }

    fn unpivot(
        &mut self,
        table: &TableFactor,
        value: &Ident,
        name: &Ident,
        columns: &[ExprWithAlias],
        keeps_nulls: bool,
    ) -> Result<Query> {
        let mut chosen: Vec<(Expr, String)> = Vec::new();
        for ExprWithAlias { expr, alias } in columns {
            let is_columns = function_name(expr).as_deref() == Some("columns");
            let found = match is_columns {
                true => self.within(table, |binder| Some(binder.chosen(expr)))??,
                false => vec![expr.clone()],
            };
            for expr in found {
                let said = alias.as_ref().map_or_else(|| names(&expr).pop().unwrap_or_default(), |a| a.value.clone());
                chosen.push((expr, said));
            }
        }
        let used: Vec<String> = chosen.iter().flat_map(|(expr, _)| names(expr)).collect();
        let mut items: Vec<SelectItem> = Vec::new();
        for other in self.names_in(table)? {
            if !used.iter().any(|used| used.eq_ignore_ascii_case(&other)) {
                items.push(SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', other))));
            }
        }
        let (values, labels): (Vec<Expr>, Vec<String>) = chosen.into_iter().unzip();
        let text = |label: String| Expr::Value(Value::SingleQuotedString(label).into());
        for (list, alias) in [(labels.into_iter().map(text).collect(), name), (values, value)] {
            let expr = unnest::call(Expr::Array(Array { elem: list, named: false }));
            items.push(SelectItem::ExprWithAlias { expr, alias: alias.clone() });
        }
        let mut inner = from(table.clone());
        if let Some(select) = select(&mut inner) {
            select.projection = items;
        }
        if keeps_nulls {
            return Ok(inner);
        }
        let mut query = from(derived(inner, None));
        if let Some(select) = select(&mut query) {
            select.projection = vec![SelectItem::Wildcard(Default::default())];
            select.selection = Some(Expr::IsNotNull(Box::new(Expr::Identifier(value.clone()))));
        }
        Ok(query)
    }
}

fn derived(query: Query, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None }
}

/// Returns a query of this table, without columns yet.
fn from(table: TableFactor) -> Query {
    let mut query = placeholder_query();
    if let Some(select) = select(&mut query) {
        select.from = vec![datafusion::sql::sqlparser::ast::TableWithJoins { relation: table, joins: vec![] }];
    }
    query
}

fn select(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

fn function_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Function(function) => Some(function.name.to_string().to_lowercase()),
        _ => None,
    }
}

fn arguments(expr: &Expr) -> Vec<Expr> {
    let Expr::Function(function) = expr else { return vec![] };
    let FunctionArguments::List(list) = &function.args else { return vec![] };
    let expr = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().filter_map(expr).collect()
}

/// Returns all names in an expression that may be columns.
fn names(expr: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    any_expr(expr, |expr| {
        match expr {
            Expr::Identifier(name) => names.push(name.value.clone()),
            Expr::CompoundIdentifier(parts) => names.extend(parts.iter().map(|part| part.value.clone())),
            _ => {}
        }
        false
    });
    names
}

/// Returns the name of the column of a value.
fn said(value: &Expr) -> String {
    match value {
        Expr::Value(literal) => match literal.value.clone().into_string() {
            Some(text) => text,
            None => value.to_string(),
        },
        _ => value.to_string(),
    }
}

fn equal(column: Expr, value: Expr) -> Expr {
    if matches!(&value, Expr::Value(value) if value.value == Value::Null) {
        return Expr::IsNull(Box::new(column));
    }
    Expr::BinaryOp { left: Box::new(column), op: BinaryOperator::Eq, right: Box::new(value) }
}

fn both(left: Expr, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp { left: nested(left), op: BinaryOperator::And, right: nested(right) }
}
