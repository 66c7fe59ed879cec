//! `CREATE EXTERNAL TABLE .. STORED AS AVRO` in the Python package `datafusion`.

use crate::engine::scan_settings;
use crate::query_table::QueryTable;
use crate::registered::Registered;
use async_trait::async_trait;
use avro_datafusion::{AvroOptions, AvroTableFactory};
use avro_sql_cli::embed::{Run, SqlFailure, SqlSession};
use datafusion::catalog::{Session, TableProviderFactory};
use datafusion::common::exec_datafusion_err;
use datafusion::datasource::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::CreateExternalTable;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Makes tables of Avro files.
pub(crate) struct Factory {
    threads: Handle,
    /// What must live as long as the factory and its tables.
    guard: Arc<dyn Any + Send + Sync>,
}

impl Factory {
    /// Makes a factory of tables whose queries run on these threads. `guard` is kept as long as
    /// the factory and its tables.
    pub(crate) fn new(threads: Handle, guard: Arc<dyn Any + Send + Sync>) -> Factory {
        Factory { threads, guard }
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Factory")
    }
}

#[async_trait]
impl TableProviderFactory for Factory {
    async fn create(&self, _: &dyn Session, statement: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        let (statement, threads, guard) = (statement.clone(), self.threads.clone(), Arc::clone(&self.guard));
        let made = self.threads.spawn(async move {
            // Options of object stores hold for a whole session, so each table has its own.
            let session = Arc::new(SqlSession::open(scan_settings(), &AvroOptions::default())?);
            let table = AvroTableFactory::default().create(&session.context().state(), &statement).await?;
            let table = Registered::new(&session, table)?;
            let query = session.query(&format!("SELECT * FROM {}", table.name()), &Run::default()).await?;
            Ok::<_, SqlFailure>(QueryTable::new(query, threads, Arc::new((session, table, guard))))
        });
        let made = made.await.map_err(|e| exec_datafusion_err!("the table was not made: {e}"))?;
        Ok(Arc::new(made.map_err(|e| DataFusionError::External(Box::new(e)))?))
    }
}
