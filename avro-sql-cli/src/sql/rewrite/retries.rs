//! Retries of statements that DataFusion 55 cannot plan: rewrites a statement according to the planning error.
//!
//! The meaning of some syntax depends on the types of columns, which only planning knows. So these rewrites wait for
//! the error.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, Subscript, TableAliasColumnDef, TableFactor, Value, VisitorMut,
};

use super::names::folded;
use super::{groups, unnest, visit};

/// Rewrites the statement to avoid this error. Returns `false` for other errors, or if there is nothing to change.
pub(super) fn rewrite(statement: &mut Statement, error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::NotImplemented(text) => {
            let outer = "Nested identifiers are not yet supported for OuterReferenceColumn ";
            let Some(column) = text.strip_prefix(outer) else { return false };
            let mut fields = FieldsOf { column: Column::from_qualified_name(column), changed: false };
            visit(statement, &mut fields);
            fields.changed
        }
        DataFusionError::Plan(text) if text.starts_with("unnest() can only be applied to array") => {
            let mut maps = Maps { changed: false };
            visit(statement, &mut maps);
            maps.changed
        }
        DataFusionError::SchemaError(error, _)
            if matches!(error.as_ref(), SchemaError::DuplicateUnqualifiedField { .. }) =>
        {
            groups::rename(statement)
        }
        _ => false,
    }
}

/// Names the column of `UNNEST(..) AS u` when a statement refers to the column `u` and the items are records: it means
/// whole records. Returns `false` without such a column.
pub(super) fn name_items(statement: &mut Statement, error: &DataFusionError) -> bool {
    let DataFusionError::SchemaError(error, _) = error.find_root() else { return false };
    let SchemaError::FieldNotFound { field, .. } = error.as_ref() else { return false };
    if field.relation.is_some() {
        return false;
    }
    let mut items = Items { name: &field.name, changed: false };
    visit(statement, &mut items);
    items.changed
}

/// Rewrites `record.field` as `record['field']` where the record is a column of an outer query.
struct FieldsOf {
    column: Column,
    changed: bool,
}

impl FieldsOf {
    /// Returns how many of these names are the column's.
    fn of_column(&self, names: &[Ident]) -> Option<usize> {
        let is = |name: &Ident, expected: &str| folded(name) == expected;
        let table = self.column.relation.as_ref().map(|table| table.table());
        match (names, table) {
            ([first, second, _, ..], Some(table)) if is(first, table) && is(second, &self.column.name) => Some(2),
            ([first, _, ..], _) if is(first, &self.column.name) => Some(1),
            _ => None,
        }
    }
}

impl VisitorMut for FieldsOf {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundIdentifier(names) = expr
            && let Some(n) = self.of_column(names)
        {
            let fields = names.split_off(n);
            let root = match names.as_slice() {
                [name] => Expr::Identifier(name.clone()),
                _ => Expr::CompoundIdentifier(std::mem::take(names)),
            };
            let access = |field: Ident| {
                let name = Value::SingleQuotedString(folded(&field));
                AccessExpr::Subscript(Subscript::Index { index: Expr::Value(name.into()) })
            };
            let access_chain = fields.into_iter().map(access).collect();
            *expr = Expr::CompoundFieldAccess { root: Box::new(root), access_chain };
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}

/// Lets `unnest` take maps.
struct Maps {
    changed: bool,
}

impl VisitorMut for Maps {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Some(argument) = unnest::argument(expr)
            && unnest::argument(argument).is_none()
            && !unnest::is_unnestable(argument)
        {
            *expr = unnest::call(unnest::unnestable(argument.clone()));
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}

struct Items<'a> {
    name: &'a str,
    changed: bool,
}

impl VisitorMut for Items<'_> {
    type Break = Infallible;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        let alias = match table {
            TableFactor::UNNEST { alias, .. } => alias,
            TableFactor::Function { name, alias, .. } if unnest::is_unnest(name) => alias,
            _ => return ControlFlow::Continue(()),
        };
        if let Some(alias) = alias
            && alias.columns.is_empty()
            && folded(&alias.name) == self.name
        {
            let mut column = TableAliasColumnDef::from_name(&alias.name.value);
            column.name.clone_from(&alias.name);
            alias.columns.push(column);
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}
