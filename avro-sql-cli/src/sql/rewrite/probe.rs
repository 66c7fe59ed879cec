//! Which columns there are where `UNNEST` in `FROM` misses one: a statement and what it misses in, a statement whose error names the
//! columns out.
//!
//! DataFusion plans what stands in the parentheses of `UNNEST` over a table without columns, so its error lists none, and neither other
//! letters nor a similar name can be found.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, Statement as SqlStatement, TableFactor, TableWithJoins, VisitorMut, With,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::table_name;
use super::names::folded;
use super::visit;

/// The error with the columns that there are, if it is one that lists none.
pub(super) async fn explain(state: &SessionState, statement: &Statement, error: DataFusionError) -> DataFusionError {
    let Some(probe) = probe(statement, &error) else { return error };
    match state.statement_to_plan(probe).await {
        Err(better) if missing(&better).is_some() => better,
        _ => error,
    }
}

/// The column that an error misses, and those that there are.
fn missing(error: &DataFusionError) -> Option<(&Column, &[Column])> {
    let DataFusionError::SchemaError(error, _) = error.find_root() else { return None };
    let SchemaError::FieldNotFound { field, valid_fields } = error.as_ref() else { return None };
    Some((field, valid_fields))
}

/// A statement that misses the same column in a table of all columns, if this error does not say which there are.
fn probe(statement: &Statement, error: &DataFusionError) -> Option<Statement> {
    let (field, valid) = missing(error)?;
    if !valid.is_empty() {
        return None;
    }
    let mut tables = Tables::default();
    visit(&mut statement.clone(), &mut tables);
    let table = field.relation.iter().map(|table| table.table().to_owned());
    let name: Vec<Ident> = table.chain([field.name.clone()]).map(|part| Ident::with_quote('"', part)).collect();
    let parsed = Parser::parse_sql(&GenericDialect {}, "SELECT 1").ok()?;
    let Some(SqlStatement::Query(mut query)) = parsed.into_iter().next() else { return None };
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.projection = vec![SelectItem::UnnamedExpr(Expr::CompoundIdentifier(name))];
    select.from = tables.found.into_iter().map(|(_, relation)| TableWithJoins { relation, joins: vec![] }).collect();
    query.with = tables.with;
    (tables.is_unnesting && !select.from.is_empty()).then(|| Statement::Statement(Box::new(SqlStatement::Query(query))))
}

/// Collects the tables of a statement by their names, and the CTEs that these may be.
#[derive(Default)]
struct Tables {
    found: Vec<(String, TableFactor)>,
    with: Option<With>,
    is_unnesting: bool,
}

impl VisitorMut for Tables {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if let (None, Some(with)) = (&self.with, &query.with) {
            self.with = Some(with.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        self.is_unnesting =
            self.is_unnesting || matches!(table, TableFactor::UNNEST { .. } | TableFactor::Function { .. });
        if matches!(table, TableFactor::Table { .. } | TableFactor::Derived { lateral: false, .. })
            && let Some(name) = table_name(table).map(folded)
            && !self.found.iter().any(|(found, _)| *found == name)
        {
            self.found.push((name, table.clone()));
        }
        ControlFlow::Continue(())
    }
}
