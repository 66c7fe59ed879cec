//! What the scans of one query have read, on a worker.

use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use std::sync::{Mutex, PoisonError};

/// The metrics of a query's scans. It is an extension of the session's configuration.
#[derive(Debug, Default)]
pub(crate) struct QueryScans(Mutex<Vec<ExecutionPlanMetricsSet>>);

/// Bytes and rows that scans have read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanProgress {
    /// Bytes fetched.
    pub bytes: u64,
    /// Rows that the scans returned.
    pub rows: u64,
}

impl QueryScans {
    /// Adds a scan.
    pub(crate) fn add(&self, scan: ExecutionPlanMetricsSet) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scan);
    }

    /// Returns what the scans have read so far.
    pub(crate) fn progress(&self) -> ScanProgress {
        let scans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut progress = ScanProgress::default();
        for metrics in scans.iter().map(ExecutionPlanMetricsSet::clone_inner) {
            progress.bytes += metrics.sum_by_name("bytes_scanned").map_or(0, |sum| sum.as_usize() as u64);
            progress.rows += metrics.output_rows().unwrap_or_default() as u64;
        }
        progress
    }
}
