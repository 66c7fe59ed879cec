//! The names of a session for completion: tables, columns, functions.
//!
//! Columns of a path are read from its files on the session's own threads. A person waits for them, so a slow read is
//! abandoned; found columns are cached.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use tokio::runtime::Handle;

use crate::session::Session;

/// How long a person waits for names.
const COLUMNS_TIMEOUT: Duration = Duration::from_millis(800);

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
    columns: Mutex<HashMap<TableName, Vec<String>>>,
}

impl Names {
    pub(super) fn new(session: &Session) -> Names {
        Names { context: session.context().clone(), threads: session.threads(), columns: Mutex::default() }
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
        let known = self.columns.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        known.unwrap_or_else(|| {
            let found = self.look_up(table).unwrap_or_default();
            self.columns.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), found.clone());
            found
        })
    }

    fn look_up(&self, table: &TableName) -> Option<Vec<String>> {
        let reference = match table {
            TableName::Named(name) => TableReference::from(name.as_str()),
            TableName::Quoted(name) => TableReference::bare(name.as_str()),
        };
        let context = self.context.clone();
        let (send, receive) = channel();
        self.threads.as_ref()?.spawn(async move {
            if let Ok(table) = context.table_provider(reference).await {
                let columns: Vec<_> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
                let _ = send.send(columns); // the waiting thread may have given up
            }
        });
        receive.recv_timeout(COLUMNS_TIMEOUT).ok()
    }
}
