//! `CREATE EXTERNAL TABLE .. STORED AS AVRO`.

use crate::options::read::{AvroOptions, Partitions};
use crate::stores;
use crate::table::provider::AvroTable;
use arrow_schema::Schema;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::logical_expr::CreateExternalTable;
use std::sync::Arc;

/// Creates tables from `CREATE EXTERNAL TABLE` statements.
#[derive(Debug, Clone, Default)]
pub struct AvroTableFactory {
    options: AvroOptions,
}

impl AvroTableFactory {
    /// Creates a factory with these default options; options of a statement take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroTableFactory { options }
    }
}

#[async_trait]
impl TableProviderFactory for AvroTableFactory {
    async fn create(&self, session: &dyn Session, statement: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        if !statement.order_exprs.is_empty() {
            return not_impl_err!("WITH ORDER for Avro tables");
        }
        if statement.unbounded {
            return not_impl_err!("unbounded Avro tables");
        }
        let mut options = self.options.clone().with_sql_options(&statement.options)?;
        let columns = statement.schema.fields();
        if !columns.is_empty() {
            let missing = statement.table_partition_cols.iter().find(|name| columns.find(name).is_none());
            if let Some(name) = missing {
                return plan_err!("the partition column `{name}` is not one of the table's columns");
            }
            options.schema = Some(Arc::new(Schema::new(columns.clone())));
        }
        if !statement.table_partition_cols.is_empty() {
            options.partitions = Partitions::Named(statement.table_partition_cols.clone());
        }
        stores::configure(session.runtime_env(), &statement.locations, &statement.options)?;
        let mut table = AvroTable::declared(session, statement.locations.clone(), options).await?;
        table.definition = statement.definition.clone();
        table.constraints = statement.constraints.clone();
        table.column_defaults = statement.column_defaults.clone();
        Ok(Arc::new(table))
    }
}
