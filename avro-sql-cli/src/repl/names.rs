//! What a session knows by name: tables, their columns, functions. In: a session; out: lists for completion.
//!
//! Columns of a path are found by looking at its files, on the session's own threads. A person waits for it, so it is given up
//! when it takes long; what was found is remembered.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use tokio::runtime::Handle;

use crate::session::Session;

/// How long a person waits for names.
const PATIENCE: Duration = Duration::from_millis(800);

/// A table as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Table {
    /// By its name, as SQL has it: `t`, `s.t`.
    Named(String),
    /// By a name or path in quotes.
    Quoted(String),
}

/// Names of a session.
pub(super) struct Names {
    context: SessionContext,
    threads: Option<Handle>,
    columns: Mutex<HashMap<Table, Vec<String>>>,
}

impl Names {
    pub(super) fn of(session: &Session) -> Names {
        Names { context: session.context().clone(), threads: session.threads(), columns: Mutex::default() }
    }

    /// Forgets columns: statements may change them.
    pub(super) fn forget(&mut self, session: &Session) {
        self.threads = session.threads();
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Tables and views; those of other schemas than the usual one with the schema's name.
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

    /// Functions that make tables.
    pub(super) fn table_functions(&self) -> BTreeSet<String> {
        self.context.state().table_functions().keys().cloned().collect()
    }

    /// Functions of values.
    pub(super) fn functions(&self) -> BTreeSet<String> {
        let state = self.context.state();
        let all = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
        all.chain(state.window_functions().keys()).cloned().collect()
    }

    /// The columns of a table; none where there is no such table, or nothing is known of it in time.
    pub(super) fn columns(&self, table: &Table) -> Vec<String> {
        let known = self.columns.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        known.unwrap_or_else(|| {
            let found = self.look_up(table).unwrap_or_default();
            self.columns.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), found.clone());
            found
        })
    }

    fn look_up(&self, table: &Table) -> Option<Vec<String>> {
        let reference = match table {
            Table::Named(name) => TableReference::from(name.as_str()),
            Table::Quoted(name) => TableReference::bare(name.as_str()),
        };
        let context = self.context.clone();
        let (send, receive) = channel();
        self.threads.as_ref()?.spawn(async move {
            if let Ok(table) = context.table_provider(reference).await {
                let columns: Vec<_> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
                let _ = send.send(columns); // nobody may be waiting any more
            }
        });
        receive.recv_timeout(PATIENCE).ok()
    }
}
