//! The progress of a query: bytes and rows from the metrics of its scans.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "cluster")]
use avro_datafusion::cluster::workers_progress;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use crate::progress::{Meter, Reading};

/// The meter of one statement. Its plan is known after planning.
#[derive(Default)]
pub(crate) struct PlanMeter(Mutex<Option<Arc<dyn ExecutionPlan>>>);

impl PlanMeter {
    /// Sets the plan of the statement.
    pub(crate) fn watch(&self, plan: Arc<dyn ExecutionPlan>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }
}

impl Meter for PlanMeter {
    fn read(&self) -> Reading {
        let plan = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut reading = Reading::default();
        // Plans may be deep, so the walk uses a list instead of recursion.
        let mut rest: Vec<_> = plan.into_iter().collect();
        // A common subplan has several places.
        let mut seen = HashSet::new();
        while let Some(plan) = rest.pop() {
            if !seen.insert(Arc::as_ptr(&plan).cast::<()>()) {
                continue;
            }
            #[cfg(feature = "cluster")]
            if let Some(read) = workers_progress(plan.as_ref()) {
                reading.bytes += read.bytes;
                reading.rows += read.rows;
            }
            let children = plan.children();
            if children.is_empty() {
                add(plan.as_ref(), &mut reading);
            }
            rest.extend(children.into_iter().map(Arc::clone));
        }
        reading
    }
}

/// Adds what a plan without inputs has read.
fn add(plan: &dyn ExecutionPlan, to: &mut Reading) {
    if let Some(metrics) = plan.metrics() {
        let number = |n: Option<usize>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        to.rows += number(metrics.output_rows());
        to.bytes += number(metrics.sum_by_name("bytes_scanned").map(|sum| sum.as_usize()));
    }
    let Some(source) = plan.downcast_ref::<DataSourceExec>() else { return };
    let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>() else { return };
    for file in scan.file_groups.iter().flat_map(|group| group.files()) {
        to.total_bytes += match &file.range {
            Some(range) => u64::try_from(range.end - range.start).unwrap_or(0),
            None => file.object_meta.size,
        };
    }
}
