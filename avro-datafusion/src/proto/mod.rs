//! Plans as bytes: sends physical plans that scan Avro files to other processes.
//!
//! [`AvroCodec`] extends `datafusion-proto`, which encodes DataFusion's own plans. It serves every engine on top of
//! `datafusion-proto` that runs parts of a plan elsewhere.
//!
//! What a scan needs travels: files with their versions, byte ranges, partition values and block access plans, columns,
//! options, filters, order and limit. Block indexes do not: the other process loads them when it opens a file. Object
//! stores do not either: the other process must have them in its `RuntimeEnv`, see
//! [`ObjectStores`](crate::ObjectStores).

pub(crate) mod functions;
mod message;
mod scan;

use crate::compat::InOrderExec;
use crate::diagnostics::observer::ScanObserver;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, exec_err, not_impl_err};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use message::{InOrder, Kind, PlanNode};
use std::sync::Arc;

/// Encodes and decodes the plan nodes of this crate, for `datafusion-proto`.
///
/// Functions of DataFusion and of this crate are found in the other process by themselves. Functions that a program
/// registers are looked up by name in the session that decodes.
///
/// ```
/// # use datafusion::prelude::SessionContext;
/// use avro_datafusion::proto::AvroCodec;
/// use avro_datafusion::{AvroOptions, AvroSessionExt};
/// use datafusion_proto::bytes::{physical_plan_from_bytes_with_extension_codec,
///     physical_plan_to_bytes_with_extension_codec};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> datafusion::error::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/all_types_null.avro");
/// # if !std::path::Path::new(path).exists() { return Ok(()) }
/// let ctx = SessionContext::new();
/// let table = ctx.read_avro_table(path, AvroOptions::default()).await?;
/// let plan = table.create_physical_plan().await?;
///
/// let bytes = physical_plan_to_bytes_with_extension_codec(plan, &AvroCodec::default())?;
/// let there = SessionContext::new();
/// let plan = physical_plan_from_bytes_with_extension_codec(&bytes, &there.task_ctx(), &AvroCodec::default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct AvroCodec {
    observer: Option<Arc<dyn ScanObserver>>,
    config: Arc<ConfigOptions>,
}

impl AvroCodec {
    /// Returns this codec with an observer, to which decoded scans report warnings.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn ScanObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Returns this codec with the settings of the session that decodes. `to_timestamp` depends on the time zone.
    #[must_use]
    pub fn with_config(mut self, config: Arc<ConfigOptions>) -> Self {
        self.config = config;
        self
    }
}

impl PhysicalExtensionCodec for AvroCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (message::read::<PlanNode>(buf)?.kind, inputs) {
            (Some(Kind::Scan(scan)), []) => scan::decode(*scan, self, ctx, proto_converter),
            (Some(Kind::InOrder(InOrder { fetch })), [input]) => {
                let fetch = fetch.map(|fetch| usize::try_from(fetch).unwrap_or(usize::MAX));
                Ok(Arc::new(InOrderExec::new(Arc::clone(input), fetch)))
            }
            (Some(_), _) => exec_err!("encoded plan: a node with {} inputs", inputs.len()),
            (None, _) => exec_err!("encoded plan: a node of an unknown kind"),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let kind = if let Some(in_order) = node.downcast_ref::<InOrderExec>() {
            let fetch = in_order.fetch().map(|fetch| u64::try_from(fetch).unwrap_or(u64::MAX));
            Kind::InOrder(InOrder { fetch })
        } else if let Some(files) = file_scan(&node) {
            Kind::Scan(Box::new(scan::encode(files, self, proto_converter)?))
        } else {
            return not_impl_err!("{} cannot be sent to another process", node.name());
        };
        message::write(&PlanNode { kind: Some(kind) }, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        match functions::scalar(node)? {
            Some(table) => message::write(&message::FunctionPlace { table: table.position() }, buf),
            None => Ok(()),
        }
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        if buf.is_empty() {
            return not_impl_err!("encoded plan: this session has no function {name}; register it");
        }
        functions::find_scalar(message::read::<message::FunctionPlace>(buf)?.table, name, &self.config)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        match functions::aggregate(node)? {
            Some(table) => message::write(&message::FunctionPlace { table: table.position() }, buf),
            None => Ok(()),
        }
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        if buf.is_empty() {
            return not_impl_err!("encoded plan: this session has no aggregate function {name}; register it");
        }
        functions::find_aggregate(message::read::<message::FunctionPlace>(buf)?.table, name)
    }
}

/// Returns the files of a scan.
pub(crate) fn file_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}
