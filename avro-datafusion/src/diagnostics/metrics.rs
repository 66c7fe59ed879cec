//! What a scan counts, for `EXPLAIN ANALYZE`.

use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

/// The metrics of one partition of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanMetrics {
    /// Bytes fetched from the object store.
    pub(crate) bytes_scanned: Count,
    /// Blocks of which the rows were looked at.
    pub(crate) blocks_read: Count,
    /// Blocks that were left out, since by an index they have no rows that are wanted.
    pub(crate) blocks_pruned: Count,
    /// Blocks that were skipped for their damage.
    pub(crate) blocks_damaged: Count,
    /// Time in which there was nothing to decode, since the next bytes had not come.
    pub(crate) time_fetching: Time,
    /// Time in decompression.
    pub(crate) time_decompressing: Time,
    /// Time in decoding, decompression and filters included.
    pub(crate) time_decoding: Time,
    pub(crate) filter: FilterMetrics,
}

/// What its filter counts.
#[derive(Debug, Clone)]
pub(crate) struct FilterMetrics {
    /// Rows that the filter did not want, and that it wanted.
    pub(crate) rows_pruned: Count,
    pub(crate) rows_matched: Count,
    /// Time in the filter's expressions.
    pub(crate) time: Time,
}

impl ScanMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> ScanMetrics {
        let count = |name| MetricBuilder::new(metrics).counter(name, partition);
        let time = |name| MetricBuilder::new(metrics).subset_time(name, partition);
        ScanMetrics {
            bytes_scanned: count("bytes_scanned"),
            blocks_read: count("blocks_read"),
            blocks_pruned: count("blocks_pruned"),
            blocks_damaged: count("blocks_damaged"),
            time_fetching: time("time_fetching"),
            time_decompressing: time("time_decompressing"),
            time_decoding: time("time_decoding"),
            filter: FilterMetrics {
                rows_pruned: count("pushdown_rows_pruned"),
                rows_matched: count("pushdown_rows_matched"),
                time: time("row_pushdown_eval_time"),
            },
        }
    }
}
