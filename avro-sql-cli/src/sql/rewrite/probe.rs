//! Lists the available columns when `UNNEST` in `FROM` names a missing one.
//!
//! DataFusion plans the argument of `UNNEST` over a table without columns, so its error lists none. Planning a second
//! statement, whose error names the columns, allows a hint about case or a similar name.

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

use super::names::folded;
use super::syntax::table_name;
use super::walk::visit;

/// Returns the error with the available columns, if it lists none.
pub(super) async fn explain(state: &SessionState, statement: &Statement, error: DataFusionError) -> DataFusionError {
    let Some(probe) = probe(statement, &error) else { return error };
    match state.statement_to_plan(probe).await {
        Err(better) if missing(&better).is_some() => better,
        _ => error,
    }
}

/// Returns the missing column of an error, and the available ones.
fn missing(error: &DataFusionError) -> Option<(&Column, &[Column])> {
    let DataFusionError::SchemaError(error, _) = error.find_root() else { return None };
    let SchemaError::FieldNotFound { field, valid_fields } = error.as_ref() else { return None };
    Some((field, valid_fields))
}

/// Returns a statement that misses the same column in a table of all columns, if this error lists no columns.
fn probe(statement: &Statement, error: &DataFusionError) -> Option<Statement> {
    let (field, valid) = missing(error)?;
    if !valid.is_empty() {
        return None;
    }
    let mut tables = TableCollector::default();
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

/// Collects the tables of a statement by name, and its CTEs.
#[derive(Default)]
struct TableCollector {
    found: Vec<(String, TableFactor)>,
    with: Option<With>,
    is_unnesting: bool,
}

impl VisitorMut for TableCollector {
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
