//! The settings of a session on workers: what `SET` changed, and the name of the query, travel with each task.
//!
//! A worker's session has DataFusion's defaults, and functions follow the settings of the session that runs them: a
//! time zone that stayed behind would change results.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::DistributedExt;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::channel::Channels;
use super::progress::{QUERY, WorkersProgress};
use super::travel;
use crate::diagnostics::query_scans::ScanProgress;

/// The header with the settings, as `name=value&..`, percent-encoded.
const SETTINGS: HeaderName = HeaderName::from_static("avro-sql-settings");

/// The header of a session whose SQL is exact.
const EXACT: HeaderName = HeaderName::from_static("avro-sql-exact");

/// Sends the settings of the session with the tasks of its input.
#[derive(Debug)]
pub(super) struct WithSettings {
    input: Arc<dyn ExecutionPlan>,
    progress: Arc<WorkersProgress>,
}

impl WithSettings {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        WithSettings { input, progress: Arc::default() }
    }
}

/// Returns what scans on workers have read for this node of a running plan; `None` if it does not send work to workers.
///
/// Workers are asked twice a second, if [`Channels::install`](super::Channels::install) set up the session.
pub fn workers_progress(plan: &dyn ExecutionPlan) -> Option<ScanProgress> {
    Some(plan.downcast_ref::<WithSettings>()?.progress.total())
}

impl DisplayAs for WithSettings {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for WithSettings {
    fn name(&self) -> &'static str {
        "WithSettings"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            // A plan around this one, as that of SUMMARIZE, is optimized, and its rules remove what joins partitions.
            Some(input) if children.is_empty() && partitions(&input) != partitions(&self.input) => Ok(self),
            Some(input) if children.is_empty() => {
                Ok(Arc::new(WithSettings { input, progress: Arc::clone(&self.progress) }))
            }
            _ => internal_err!("{} has one child", self.name()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut config = context.session_config().clone();
        let mut headers = HeaderMap::new();
        headers.insert(SETTINGS, value(&changed(config.options()))?);
        let query = next_query();
        headers.insert(QUERY, value(&query)?);
        if travel::is_exact(&config) {
            headers.insert(EXACT, HeaderValue::from_static("true"));
        }
        config.set_distributed_passthrough_headers(headers)?;
        let context = TaskContext::new(
            context.task_id(),
            context.session_id(),
            config,
            context.scalar_functions().clone(),
            context.higher_order_functions().clone(),
            context.aggregate_functions().clone(),
            context.window_functions().clone(),
            context.runtime_env(),
        );
        let Some(channels) = context.session_config().get_extension::<Channels>() else {
            return self.input.execute(partition, Arc::new(context));
        };
        let rows = self.input.execute(partition, Arc::new(context))?;
        let watch = SpawnedTask::spawn(Arc::clone(&self.progress).watch(channels, query));
        // The workers are asked as long as the rows are read.
        let watched = rows.map(move |batch| {
            let _ = &watch;
            batch
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), watched)))
    }
}

fn partitions(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|e| internal_datafusion_err!("settings cannot travel: {e}"))
}

/// Returns the settings of DataFusion that differ from its defaults.
fn changed(options: &ConfigOptions) -> String {
    static DEFAULTS: LazyLock<HashMap<String, Option<String>>> = LazyLock::new(|| {
        ConfigOptions::default().entries().into_iter().map(|entry| (entry.key, entry.value)).collect()
    });
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = options.entries().into_iter().filter_map(|entry| {
        let value = entry.value?;
        let is_changed = DEFAULTS.get(&entry.key)?.as_ref() != Some(&value);
        is_changed.then(|| format!("{}={}", encoded(&entry.key), encoded(&value)))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Returns a name that no other query has, of this process or another.
fn next_query() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static QUERIES: AtomicU64 = AtomicU64::new(1);
    format!("{:08x}-{}", *PROCESS >> 32, QUERIES.fetch_add(1, Ordering::Relaxed))
}

/// Changes the settings of a worker's session to those of the coordinator.
///
/// # Errors
/// If a setting is unknown here, or its value is invalid.
pub(super) fn apply(config: &mut SessionConfig, headers: &HeaderMap) -> Result<()> {
    let Some(all) = headers.get(SETTINGS) else { return Ok(()) };
    let invalid = || internal_datafusion_err!("the settings of a task are garbled");
    let decoded =
        |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| invalid());
    for pair in all.to_str().map_err(|_| invalid())?.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(invalid)?;
        config.options_mut().set(&decoded(name)?, &decoded(value)?)?;
    }
    Ok(())
}

/// Returns whether a task is of a session whose SQL is exact.
pub(super) fn is_exact(headers: &HeaderMap) -> bool {
    headers.contains_key(EXACT)
}

/// Returns the name of a task's query.
pub(super) fn query_id(headers: &HeaderMap) -> &str {
    headers.get(QUERY).and_then(|name| name.to_str().ok()).unwrap_or("of another kind")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn changed_settings_arrive() {
        let mut here = SessionConfig::new();
        for (name, value) in [
            ("datafusion.execution.time_zone", "+05:30"),
            ("datafusion.execution.batch_size", "77"),
            ("datafusion.format.null", "n=u&l %ü"),
            ("datafusion.sql_parser.default_null_ordering", "nulls_last"),
        ] {
            here.options_mut().set(name, value).unwrap();
        }
        let mut headers = HeaderMap::new();
        headers.insert(SETTINGS, value(&changed(here.options())).unwrap());
        let mut there = SessionConfig::new();
        apply(&mut there, &headers).unwrap();
        let entries = |config: &SessionConfig| {
            let entries = config.options().entries().into_iter();
            entries.map(|entry| (entry.key, entry.value)).collect::<HashMap<_, _>>()
        };
        assert_eq!(entries(&here), entries(&there));
        assert_ne!(entries(&there), entries(&SessionConfig::new()));
        assert_eq!(changed(SessionConfig::new().options()).matches("time").count(), 0);
    }

    #[test]
    fn unknown_setting_is_an_error() {
        let mut headers = HeaderMap::new();
        headers.insert(SETTINGS, HeaderValue::from_static("datafusion%2Eno%2Esuch=1"));
        assert!(apply(&mut SessionConfig::new(), &headers).is_err());
        headers.insert(SETTINGS, HeaderValue::from_static("garbled"));
        assert!(apply(&mut SessionConfig::new(), &headers).is_err());
    }
}
