//! Tables with names that nobody types.

use avro_sql_cli::embed::{SqlFailure, SqlSession};
use datafusion::datasource::TableProvider;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of the tables, as each needs a name.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A table that is registered with a session until this is dropped.
pub(crate) struct Registered {
    session: Arc<SqlSession>,
    name: String,
}

impl Registered {
    /// Registers a table.
    pub(crate) fn new(session: &Arc<SqlSession>, table: Arc<dyn TableProvider>) -> Result<Registered, SqlFailure> {
        let name = format!("avro_scan_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        session.context().register_table(name.as_str(), table)?;
        Ok(Registered { session: Arc::clone(session), name })
    }

    /// Returns the name of the table.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // It is there, as nobody else knows its name.
        let _ = self.session.context().deregister_table(self.name.as_str());
    }
}
