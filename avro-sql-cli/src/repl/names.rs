//! The names of a session for completion: tables, columns, functions.
//!
//! Columns of a path are read from its files on the session's own threads. A person waits for them, so a slow read is
//! abandoned; found columns are cached.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datafusion::arrow::datatypes::{DataType, Fields};
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use tokio::runtime::Handle;

use crate::session::Session;

/// How long a person waits for names.
const COLUMNS_TIMEOUT: Duration = Duration::from_millis(800);

/// Maximum number of tables that are remembered from earlier statements.
const RECENT_MAX: usize = 4;

/// Maximum number of tables of the session whose columns complete before FROM is typed.
const TABLES_MAX: usize = 16;

/// A table as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TableName {
    /// An unquoted name: `t`, `s.t`.
    Named(String),
    /// A quoted name or path.
    Quoted(String),
}

/// The names of a session.
pub(super) struct Names {
    context: SessionContext,
    threads: Option<Handle>,
    columns: Mutex<HashMap<TableName, Fields>>,
    /// Tables of earlier statements, the last one first.
    recent: Vec<TableName>,
}

impl Names {
    pub(super) fn new(session: &Session) -> Names {
        Names {
            context: session.context().clone(),
            threads: session.threads(),
            columns: Mutex::default(),
            recent: Vec::new(),
        }
    }

    /// Remembers the tables of a statement.
    pub(super) fn remember(&mut self, tables: impl IntoIterator<Item = TableName>) {
        for table in tables {
            self.recent.retain(|known| *known != table);
            self.recent.insert(0, table);
        }
        self.recent.truncate(RECENT_MAX);
    }

    /// Returns the tables that a statement without FROM may mean: those of the session, and of earlier statements.
    /// Stores of other machines are not asked while a person types.
    pub(super) fn likely_tables(&self) -> Vec<TableName> {
        let recent =
            self.recent.iter().filter(|table| !matches!(table, TableName::Quoted(path) if path.contains("://")));
        let mut tables: Vec<_> = recent.cloned().collect();
        for table in self.tables().into_iter().take(TABLES_MAX).map(TableName::Named) {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }

    /// Forgets columns, which statements may change.
    pub(super) fn forget(&mut self, session: &Session) {
        self.threads = session.threads();
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns tables and views; those outside the default schema are qualified.
    pub(super) fn tables(&self) -> BTreeSet<String> {
        let mut tables = BTreeSet::new();
        let state = self.context.state();
        let usual = &state.config_options().catalog;
        let Some(catalog) = self.context.catalog(&usual.default_catalog) else { return tables };
        for name in catalog.schema_names().into_iter().filter(|name| name != "information_schema") {
            let names = catalog.schema(&name).map(|schema| schema.table_names()).unwrap_or_default();
            match name == usual.default_schema {
                true => tables.extend(names),
                false => tables.extend(names.into_iter().map(|table| format!("{name}.{table}"))),
            }
        }
        tables
    }

    /// Returns table functions.
    pub(super) fn table_functions(&self) -> BTreeSet<String> {
        self.context.state().table_functions().keys().cloned().collect()
    }

    /// Returns scalar, aggregate and window functions.
    pub(super) fn functions(&self) -> BTreeSet<String> {
        let state = self.context.state();
        let all = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
        all.chain(state.window_functions().keys()).cloned().collect()
    }

    /// Returns the columns of a table; none if it does not exist or reading takes too long.
    pub(super) fn columns(&self, table: &TableName) -> Vec<String> {
        names_of(&self.fields(table))
    }

    /// Returns the fields of a record: the path starts with a column of the table.
    pub(super) fn fields_at(&self, table: &TableName, path: &[&str]) -> Vec<String> {
        let mut fields = self.fields(table);
        for name in path {
            let found =
                fields.iter().find(|field| field.name().eq_ignore_ascii_case(name)).map(|field| field.data_type());
            let Some(DataType::Struct(inner)) = found else { return Vec::new() };
            fields = inner.clone();
        }
        names_of(&fields)
    }

    fn fields(&self, table: &TableName) -> Fields {
        let known = self.columns.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        known.unwrap_or_else(|| {
            let found = self.look_up(table).unwrap_or_else(Fields::empty);
            self.columns.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), found.clone());
            found
        })
    }

    fn look_up(&self, table: &TableName) -> Option<Fields> {
        let reference = match table {
            TableName::Named(name) => TableReference::from(name.as_str()),
            TableName::Quoted(name) => TableReference::bare(name.as_str()),
        };
        let context = self.context.clone();
        let (send, receive) = channel();
        self.threads.as_ref()?.spawn(async move {
            if let Ok(table) = context.table_provider(reference).await {
                let _ = send.send(table.schema().fields().clone()); // the waiting thread may have given up
            }
        });
        receive.recv_timeout(COLUMNS_TIMEOUT).ok()
    }
}

fn names_of(fields: &Fields) -> Vec<String> {
    fields.iter().map(|field| field.name().clone()).collect()
}
