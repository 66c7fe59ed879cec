//! A subplan as a table, which each use scans.

use super::exec::{CommonSubplanExec, SharedRows};
use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The table of a subplan. Its columns are named by their places: the subplan's may have equal names.
#[derive(Debug)]
pub(super) struct SubplanTable {
    plan: LogicalPlan,
    schema: SchemaRef,
    rows: OnceCell<Arc<SharedRows>>,
}

/// Returns the name of the column at a place.
pub(super) fn column_name(place: usize) -> String {
    format!("c{place}")
}

impl SubplanTable {
    pub(super) fn new(plan: LogicalPlan) -> Self {
        let names = (0..plan.schema().fields().len()).map(column_name).collect();
        Self::with_names(plan, names)
    }

    fn with_names(plan: LogicalPlan, names: Vec<String>) -> Self {
        let fields = plan.schema().fields().iter().zip(names);
        let fields: Vec<_> = fields.map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
        SubplanTable { plan, schema: Arc::new(Schema::new(fields)), rows: OnceCell::new() }
    }

    pub(super) fn n_columns(&self) -> usize {
        self.schema.fields().len()
    }

    /// Returns the table with these columns alone, so that the others are not computed.
    pub(super) fn narrowed(&self, places: &BTreeSet<usize>) -> Result<SubplanTable> {
        let columns = self.plan.schema().columns();
        let columns = places.iter().filter_map(|place| columns.get(*place).cloned()).map(Expr::Column);
        let plan = LogicalPlanBuilder::from(self.plan.clone()).project(columns)?.build()?;
        let names = places.iter().map(|place| self.schema.field(*place).name().clone()).collect();
        Ok(Self::with_names(plan, names))
    }
}

#[async_trait]
impl TableProvider for SubplanTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.rows.get_or_try_init(|| async {
            let input = session.create_physical_plan(&self.plan).await?;
            Ok::<_, DataFusionError>(Arc::new(SharedRows::new(input)))
        });
        let rows = rows.await?;
        let own = session.create_physical_plan(&self.plan).await?;
        let is_alike = own.properties().partitioning.to_string() == rows.input().properties().partitioning.to_string();
        // The plans may differ if files have changed in between.
        let scan: Arc<dyn ExecutionPlan> = match is_alike {
            true => Arc::new(CommonSubplanExec::new(Arc::clone(rows), own)),
            false => own,
        };
        let schema = scan.schema();
        let columns = schema.fields().iter().zip(self.schema.fields()).enumerate();
        let columns = columns.map(|(i, (field, named))| ProjectionExpr {
            expr: Arc::new(Column::new(field.name(), i)),
            alias: named.name().clone(),
        });
        let columns: Vec<_> = columns.collect();
        let columns = match projection {
            Some(places) => places.iter().filter_map(|place| columns.get(*place).cloned()).collect(),
            None => columns,
        };
        Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
    }
}
