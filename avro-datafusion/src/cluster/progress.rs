//! The progress of queries on workers: a worker counts what the scans of each query have read, and the coordinator
//! asks for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use url::Url;

use super::channel::Channels;
use crate::diagnostics::query_scans::{QueryScans, ScanProgress};

/// The path at which a worker says what the scans of a query have read.
pub(super) const PATH: &str = "/avro-sql/progress";

/// The header with the name of the query.
pub(super) const QUERY: HeaderName = HeaderName::from_static("avro-sql-query");

const BYTES: HeaderName = HeaderName::from_static("avro-sql-bytes");
const ROWS: HeaderName = HeaderName::from_static("avro-sql-rows");

/// Time between two requests. Shorter queries are not asked about.
const INTERVAL: Duration = Duration::from_millis(500);

/// The queries of which tasks run on a worker.
#[derive(Debug, Default)]
pub(super) struct RunningQueries(Mutex<HashMap<String, RunningQuery>>);

#[derive(Debug, Default)]
struct RunningQuery {
    tasks: usize,
    scans: Arc<QueryScans>,
}

impl RunningQueries {
    pub(super) fn start_task(&self, query: &str) {
        self.lock().entry(query.to_owned()).or_default().tasks += 1;
    }

    /// Forgets the query with its last task.
    pub(super) fn end_task(&self, query: &str) {
        let mut queries = self.lock();
        if let Some(running) = queries.get_mut(query) {
            running.tasks = running.tasks.saturating_sub(1);
            if running.tasks == 0 {
                queries.remove(query);
            }
        }
    }

    /// Returns where scans of this query are counted; `None` if it has no task.
    pub(super) fn scans(&self, query: &str) -> Option<Arc<QueryScans>> {
        Some(Arc::clone(&self.lock().get(query)?.scans))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, RunningQuery>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what was read to the headers of an answer.
pub(super) fn write(progress: ScanProgress, headers: &mut HeaderMap) {
    headers.insert(BYTES, HeaderValue::from(progress.bytes));
    headers.insert(ROWS, HeaderValue::from(progress.rows));
}

/// Reads what was read from the headers of an answer.
pub(super) fn read(headers: &HeaderMap) -> Option<ScanProgress> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse().ok();
    Some(ScanProgress { bytes: number(&BYTES)?, rows: number(&ROWS)? })
}

async fn ask(channels: &Channels, url: &Url, query: &str) -> Option<ScanProgress> {
    let header = (QUERY, HeaderValue::from_str(query).ok()?);
    read(&channels.ask(url, PATH, header).await?)
}

/// What the scans of a statement have read on each worker, as far as the workers said.
#[derive(Debug, Default)]
pub(super) struct WorkersProgress(Mutex<HashMap<(String, Url), ScanProgress>>);

impl WorkersProgress {
    /// Asks the workers about a query, again and again.
    pub(super) async fn watch(self: Arc<Self>, channels: Arc<Channels>, query: String) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let asked = |url: Url| async { (ask(&channels, &url, &query).await, url) };
            let answers = join_all(channels.urls().into_iter().map(asked)).await;
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (answer, url) in answers {
                // A worker forgets a query when its tasks there have ended.
                let progress = known.entry((query.clone(), url)).or_default();
                *progress = answer.filter(|answer| answer.bytes >= progress.bytes).unwrap_or(*progress);
            }
        }
    }

    /// Returns the sum of all workers.
    pub(super) fn total(&self) -> ScanProgress {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().fold(ScanProgress::default(), |sum, worker| ScanProgress {
            bytes: sum.bytes + worker.bytes,
            rows: sum.rows + worker.rows,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_progress() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers), None);
        let progress = ScanProgress { bytes: 1 << 40, rows: 7 };
        write(progress, &mut headers);
        assert_eq!(read(&headers), Some(progress));
    }

    #[test]
    fn query_is_forgotten_with_its_last_task() {
        let queries = RunningQueries::default();
        queries.start_task("q");
        queries.start_task("q");
        queries.end_task("q");
        assert_eq!(queries.scans("q").unwrap().progress(), ScanProgress::default());
        queries.end_task("q");
        assert!(queries.scans("q").is_none());
        queries.end_task("q");
    }
}
