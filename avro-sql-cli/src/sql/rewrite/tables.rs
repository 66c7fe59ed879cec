//! Tables that are queries here: `json_each(x)` and `json_tree(x)`, whose arguments may be columns of the tables before
//! them, and `information_schema.columns`, which shows SQL's names of types.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select, SetExpr, Statement,
    TableAlias, TableFactor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::walk::any_expr;

/// The columns of `json_each` and `json_tree`.
const JSON_COLUMNS: [&str; 8] = ["key", "value", "type", "atom", "id", "parent", "fullkey", "path"];

/// Replaces these tables.
pub(super) struct TableCalls;

impl VisitorMut for TableCalls {
    type Break = Infallible;

    // After the table's parts: the new query names tables, too.
    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        let replaced = match table {
            TableFactor::Table { name, args: None, alias, .. } if is_columns(name) => columns(name, alias.as_ref()),
            TableFactor::Table { name, args: Some(args), alias, .. } => json(name, &args.args, alias.as_ref()),
            TableFactor::Function { name, args, alias, .. } => json(name, args, alias.as_ref()),
            _ => None,
        };
        if let Some(replaced) = replaced {
            *table = replaced;
        }
        ControlFlow::Continue(())
    }
}

/// Whether this is `information_schema.columns`.
fn is_columns(name: &ObjectName) -> bool {
    let is = |at: usize, word: &str| {
        let ident = name.0.get(at).and_then(|part| part.as_ident());
        ident.is_some_and(|ident| ident.value.eq_ignore_ascii_case(word))
    };
    name.0.len() == 2 && is(0, "information_schema") && is(1, "columns")
}

fn columns(name: &ObjectName, alias: Option<&TableAlias>) -> Option<TableFactor> {
    let query = query(&format!("SELECT * REPLACE (avro_sql_type(data_type) AS data_type) FROM {name}"))?;
    Some(derived(query, alias, "columns", false))
}

/// Returns the rows of a call of `json_each` or `json_tree`.
fn json(name: &ObjectName, args: &[FunctionArg], alias: Option<&TableAlias>) -> Option<TableFactor> {
    let [part] = name.0.as_slice() else { return None };
    let function = part.as_ident()?.value.to_ascii_lowercase();
    if !matches!(function.as_str(), "json_each" | "json_tree") {
        return None;
    }
    let list = JSON_COLUMNS.map(|column| format!("json_row['{column}'] AS \"{column}\"")).join(", ");
    let mut query = query(&format!("SELECT {list} FROM UNNEST({function}(x)) AS json_rows(json_row)"))?;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let is_lateral = args.iter().any(names_columns);
    *arguments(select)? = args.to_vec();
    Some(derived(query, alias, &function, is_lateral))
}

/// Whether an argument is computed from columns.
fn names_columns(argument: &FunctionArg) -> bool {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return false };
    any_expr(expr, |expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
}

/// The arguments of the function in `FROM UNNEST(function(..))`.
fn arguments(select: &mut Select) -> Option<&mut Vec<FunctionArg>> {
    let TableFactor::UNNEST { array_exprs, .. } = &mut select.from.first_mut()?.relation else { return None };
    let Expr::Function(call) = array_exprs.first_mut()? else { return None };
    match &mut call.args {
        FunctionArguments::List(list) => Some(&mut list.args),
        _ => None,
    }
}

fn query(sql: &str) -> Option<Box<Query>> {
    match Parser::parse_sql(&GenericDialect {}, sql).ok()?.into_iter().next() {
        Some(Statement::Query(query)) => Some(query),
        _ => None,
    }
}

fn derived(subquery: Box<Query>, alias: Option<&TableAlias>, name: &str, lateral: bool) -> TableFactor {
    let own = || TableAlias { explicit: true, name: Ident::new(name), columns: vec![], at: None };
    TableFactor::Derived { lateral, subquery, alias: Some(alias.cloned().unwrap_or_else(own)), sample: None }
}
