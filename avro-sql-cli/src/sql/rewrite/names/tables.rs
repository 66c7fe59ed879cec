//! The tables that a statement names, looked up once, so that names resolve to the same columns that the plan has.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use avro_datafusion::{AvroTable, is_virtual_column};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::{Result, TableReference};
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, ObjectName, SelectItem, SetExpr, Statement as Sql,
    TableFactor, Value, VisitorMut,
};

use super::super::walk::visit;
use super::scope::{Columns, folded};

/// The columns of a statement's tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    named: HashMap<TableReference, Found>,
    /// By the text of the call.
    called: HashMap<String, Found>,
}

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Found {
    schema: SchemaRef,
    /// How many columns at the end a `*` leaves out.
    hidden: usize,
}

impl Found {
    /// `has_hidden` says whether a `*` leaves out virtual columns, which are last.
    fn new(schema: SchemaRef, has_hidden: bool) -> Self {
        let n_virtual = schema.fields().iter().filter(|field| is_virtual_column(field)).count();
        Found { schema, hidden: if has_hidden { n_virtual } else { 0 } }
    }

    pub(super) fn columns(&self) -> Columns {
        Columns::from_schema(&self.schema).with_hidden(self.hidden)
    }
}

impl Tables {
    /// Looks up the tables of a statement. The engine reports missing ones.
    pub(super) async fn load(state: &SessionState, statement: &mut Statement, names_places: bool) -> Result<Tables> {
        let mut tables = Tables::default();
        for name in state.resolve_table_references(statement)? {
            if let Ok(schema) = state.schema_for_ref(name.clone())
                && let Some(table) = schema.table(name.table()).await?
            {
                let is_given = table.downcast_ref::<AvroTable>().is_none_or(|table| table.options().virtual_columns);
                tables.named.insert(name, Found::new(table.schema(), !is_given));
            }
        }
        let mut calls = Calls { names_places, found: Vec::new() };
        visit(statement, &mut calls);
        for (call, has_hidden) in calls.found {
            let said = call.to_string();
            if !tables.called.contains_key(&said)
                && let Some(select) = select_from(call)
                && let Ok(plan) = state.statement_to_plan(select).await
            {
                tables.called.insert(said, Found::new(Arc::clone(plan.schema().inner()), has_hidden));
            }
        }
        Ok(tables)
    }

    /// Returns the columns of the table of this name.
    pub(super) fn named(&self, name: &ObjectName) -> Option<&Found> {
        let parts: Vec<String> = name.0.iter().map(|part| part.as_ident().map(folded)).collect::<Option<_>>()?;
        let reference = match parts.as_slice() {
            [table] => TableReference::bare(table.as_str()),
            [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
            [catalog, schema, table] => TableReference::full(catalog.as_str(), schema.as_str(), table.as_str()),
            _ => return None,
        };
        self.named.get(&reference)
    }

    /// Returns the columns of a table function's result.
    pub(super) fn called(&self, call: &TableFactor) -> Option<&Found> {
        self.called.get(&bare(call.clone()).to_string())
    }
}

/// Collects calls of table functions, and whether a `*` leaves out their virtual columns.
struct Calls {
    names_places: bool,
    found: Vec<(TableFactor, bool)>,
}

impl VisitorMut for Calls {
    type Break = std::convert::Infallible;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Self::Break> {
        let has_hidden = self.names_places && add_places(table);
        if let TableFactor::Table { args: Some(_), .. } = table {
            self.found.push((bare(table.clone()), has_hidden));
        }
        ControlFlow::Continue(())
    }
}

/// Adds virtual columns to a call of `read_avro` that does not say whether it has them.
fn add_places(table: &mut TableFactor) -> bool {
    let TableFactor::Table { name, args: Some(args), .. } = table else { return false };
    let says = |argument: &FunctionArg| argument.to_string().to_lowercase().contains("virtual_columns");
    if !name.to_string().eq_ignore_ascii_case("read_avro") || args.args.iter().any(says) {
        return false;
    }
    args.args.push(FunctionArg::Named {
        name: Ident::new("virtual_columns"),
        arg: FunctionArgExpr::Expr(Expr::Value(Value::Boolean(true).into())),
        operator: FunctionArgOperator::RightArrow,
    });
    true
}

/// Returns the call without its alias.
fn bare(mut call: TableFactor) -> TableFactor {
    if let TableFactor::Table { alias, .. } = &mut call {
        *alias = None;
    }
    call
}

/// Returns `SELECT *` from this table.
fn select_from(table: TableFactor) -> Option<Statement> {
    let mut query = super::placeholder_query();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.projection = vec![SelectItem::Wildcard(<_>::default())];
    select.from = vec![datafusion::sql::sqlparser::ast::TableWithJoins { relation: table, joins: vec![] }];
    Some(Statement::Statement(Box::new(Sql::Query(Box::new(query)))))
}

/// The tables found for a statement so far, by catalog, schema and name.
type TableCache = Arc<Mutex<HashMap<[String; 3], Arc<dyn TableProvider>>>>;

/// A catalog that looks up each table once.
#[derive(Debug)]
pub(in super::super) struct CachedCatalog {
    inner: Arc<dyn CatalogProviderList>,
    kept: TableCache,
    has_places: bool,
}

#[derive(Debug)]
struct Catalog {
    inner: Arc<dyn CatalogProvider>,
    name: String,
    kept: TableCache,
    has_places: bool,
}

#[derive(Debug)]
struct Schema {
    inner: Arc<dyn SchemaProvider>,
    catalog: String,
    name: String,
    kept: TableCache,
    has_places: bool,
}

/// Returns a session that looks up each table once. It serves one statement, because the next may find other files.
/// Tables of Avro files have virtual columns if `has_places`.
pub(in super::super) fn once(state: &SessionState, has_places: bool) -> SessionState {
    let mut state = state.clone();
    let inner = Arc::clone(state.catalog_list());
    state.register_catalog_list(Arc::new(CachedCatalog { inner, kept: TableCache::default(), has_places }));
    state
}

impl CatalogProviderList for CachedCatalog {
    fn register_catalog(&self, name: String, catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        self.inner.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.inner.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let inner = self.inner.catalog(name)?;
        let (name, kept, has_places) = (name.to_owned(), Arc::clone(&self.kept), self.has_places);
        Some(Arc::new(Catalog { inner, name, kept, has_places }))
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let inner = self.inner.schema(name)?;
        let (catalog, name, kept) = (self.name.clone(), name.to_owned(), Arc::clone(&self.kept));
        Some(Arc::new(Schema { inner, catalog, name, kept, has_places: self.has_places }))
    }
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let key = [self.catalog.clone(), self.name.clone(), name.to_owned()];
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(Arc::clone(kept)));
        }
        let mut found = self.inner.table(name).await?;
        if self.has_places
            && let Some(table) = found.as_ref().and_then(|table| table.downcast_ref::<AvroTable>())
            && !table.options().virtual_columns
        {
            found = Some(Arc::new(table.with_virtual_columns()));
        }
        if let Some(table) = &found {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(table));
        }
        Ok(found)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}
