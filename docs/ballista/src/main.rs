//! SQL over Avro files on Ballista: a scheduler, executors and a client, each a process of this program.
//!
//! ```sh
//! avro-ballista scheduler 50050
//! avro-ballista executor 50050 50061 &  avro-ballista executor 50050 50071 &
//! avro-ballista query 50050 logs/ "SELECT kind, count(*) FROM t GROUP BY kind"
//! ```
//!
//! The client sends a logical plan, whose table is the path of its files (`LogicalCodec`). The scheduler plans it, cuts it
//! into stages, and sends each to the executors as a physical plan, whose scans are encoded by `AvroCodec`. All processes
//! must reach the files under the same path.

use avro_datafusion::proto::AvroCodec;
use avro_datafusion::{AvroOptions, AvroTable};
use ballista::prelude::{SessionConfigExt, SessionContextExt};
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, TableReference, exec_datafusion_err, plan_err};
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{ComposedPhysicalExtensionCodec, PhysicalExtensionCodec};
use std::error::Error;
use std::sync::Arc;
use tokio::runtime::Handle;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["scheduler", port] => scheduler(port.parse()?).await,
        ["executor", scheduler, port] => executor(scheduler.parse()?, port.parse()?).await,
        ["query", scheduler, path, sql] => query(scheduler.parse()?, path, sql).await,
        _ => Err("usage: avro-ballista scheduler PORT | executor SCHEDULER_PORT PORT | query SCHEDULER_PORT PATH SQL".into()),
    }
}

async fn scheduler(port: u16) -> Result<(), Box<dyn Error>> {
    let config = SchedulerConfig {
        bind_port: port,
        // An executor that is gone for this long is left out, and its tasks run elsewhere.
        executor_timeout_seconds: 6,
        expire_dead_executor_interval_seconds: 2,
        override_logical_codec: Some(logical_codec()),
        override_physical_codec: Some(physical_codec()),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    Ok(start_server(cluster, ([127, 0, 0, 1], port).into(), Arc::new(config)).await?)
}

async fn executor(scheduler: u16, port: u16) -> Result<(), Box<dyn Error>> {
    let config = ExecutorProcessConfig {
        scheduler_port: scheduler,
        port,
        grpc_port: port + 1,
        executor_heartbeat_interval_seconds: 2,
        override_logical_codec: Some(logical_codec()),
        override_physical_codec: Some(physical_codec()),
        ..ExecutorProcessConfig::default()
    };
    Ok(start_executor_process(Arc::new(config)).await?)
}

async fn query(scheduler: u16, path: &str, sql: &str) -> Result<(), Box<dyn Error>> {
    let config = SessionConfig::new_with_ballista()
        .with_ballista_logical_extension_codec(logical_codec())
        .with_ballista_physical_extension_codec(physical_codec());
    let state = SessionStateBuilder::new().with_config(config).with_default_features().build();
    let table = AvroPath::open(&state, path).await?;
    let ctx = SessionContext::remote_with_state(&format!("df://127.0.0.1:{scheduler}"), state).await?;
    ctx.register_table("t", Arc::new(table))?;
    ctx.sql(sql).await?.show().await?;
    Ok(())
}

/// Ballista's plans and those of `avro-datafusion`.
fn physical_codec() -> Arc<dyn PhysicalExtensionCodec> {
    let avro: Arc<dyn PhysicalExtensionCodec> = Arc::new(AvroCodec::default());
    Arc::new(ComposedPhysicalExtensionCodec::new(vec![Arc::new(BallistaPhysicalExtensionCodec::default()), avro]))
}

fn logical_codec() -> Arc<dyn LogicalExtensionCodec> {
    Arc::new(LogicalCodec::default())
}

/// A table of Avro files that knows its path.
#[derive(Debug)]
struct AvroPath {
    path: String,
    table: AvroTable,
}

impl AvroPath {
    async fn open(session: &SessionState, path: &str) -> Result<AvroPath> {
        let table = AvroTable::try_new(session, path, AvroOptions::default()).await?;
        Ok(AvroPath { path: path.to_owned(), table })
    }
}

#[async_trait::async_trait]
impl TableProvider for AvroPath {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(session, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }
}

/// Sends a table of Avro files as its path; all else as Ballista does.
#[derive(Debug, Default)]
struct LogicalCodec(BallistaLogicalExtensionCodec);

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode(&self, bytes: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        self.0.try_decode(bytes, inputs, ctx)
    }

    fn try_encode(&self, node: &Extension, bytes: &mut Vec<u8>) -> Result<()> {
        self.0.try_encode(node, bytes)
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        _: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let path = str::from_utf8(bytes).map_err(|e| exec_datafusion_err!("path of a table: {e}"))?;
        let state = SessionContext::new().state();
        // Decoding is not async, but listing files is.
        let open = || Handle::current().block_on(AvroPath::open(&state, path));
        let table = tokio::task::block_in_place(open)?;
        if table.schema() != schema {
            return plan_err!("{path}: the files have changed since the query was planned");
        }
        Ok(Arc::new(table))
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        table: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        match table.downcast_ref::<AvroPath>() {
            Some(table) => bytes.extend_from_slice(table.path.as_bytes()),
            None => return plan_err!("a table that is not of Avro files"),
        }
        Ok(())
    }
}
