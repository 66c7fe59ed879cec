//! Counts rows without decoding them, exactly or by estimate.

use crate::listing::location::{file_name, is_local};
use crate::schema::header_cache::{FileHeader, HeaderCache};
use avro_arrow::OnCorruptBlock;
use avro_arrow::container::{Positioned, count_rows_behind};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::{ObjectMeta, ObjectStore};
use std::fs::File;
use std::sync::Arc;

/// Files counted concurrently.
const CONCURRENCY: usize = 32;

/// Returns the total rows of these files, if block headers tell. This takes a small read per block, so it is only done
/// for local files, and for files so small that they came with their headers.
///
/// Errors make the count unknown; the scan reports them.
///
pub(crate) async fn exact(
    headers: &HeaderCache,
    store: &Arc<dyn ObjectStore>,
    store_url: &ObjectStoreUrl,
    files: &[PartitionedFile],
) -> Option<u64> {
    // Skipped blocks are only known after reading.
    if headers.options().on_corrupt_block == OnCorruptBlock::Skip {
        return None;
    }
    let mut counts = stream::iter(0..files.len())
        .map(|i| async move {
            let object = &files.get(i)?.object_meta;
            let (header, _) =
                headers.get(store.as_ref(), object, &file_name(store_url, &object.location)).await.ok()?;
            let count = || count(Arc::clone(&header), headers, store_url, object);
            *header.rows.get_or_init(count).await
        })
        .buffer_unordered(CONCURRENCY);
    let mut total = 0u64;
    while let Some(rows) = counts.next().await {
        total = total.checked_add(rows?)?;
    }
    Some(total)
}

async fn count(
    header: Arc<FileHeader>,
    headers: &HeaderCache,
    store_url: &ObjectStoreUrl,
    object: &ObjectMeta,
) -> Option<u64> {
    if !is_local(store_url) {
        return None;
    }
    let path = LocalFileSystem::new().path_to_filesystem(&object.location).ok()?;
    let (limits, len) = (headers.options().limits.clone(), object.size);
    let task = SpawnedTask::spawn_blocking(move || {
        let file = File::open(path).ok()?;
        // A file that was replaced since the listing is not counted.
        let is_same = file.metadata().is_ok_and(|metadata| metadata.len() == len);
        is_same.then(|| count_rows_behind(&header.header, &mut Positioned::new(file), &limits).ok()).flatten()
    });
    task.join_unwind().await.ok()?
}

/// Estimates the total rows from the first block of each file, so that the planner joins the smaller table to the
/// larger.
pub(crate) fn estimate(headers: &HeaderCache, store: &dyn ObjectStore, files: &[PartitionedFile]) -> Precision<usize> {
    let rows = |file: &PartitionedFile| {
        let header = headers.known(store, &file.object_meta)?;
        let (rows, bytes) = header.first_block?;
        let blocks = file.object_meta.size.saturating_sub(header.header.len) as f64 / bytes as f64;
        Some(rows as f64 * blocks)
    };
    match files.iter().map(rows).sum::<Option<f64>>() {
        // The cast saturates absurd counts of hostile blocks.
        Some(rows) => Precision::Inexact(rows as usize),
        None => Precision::Absent,
    }
}
