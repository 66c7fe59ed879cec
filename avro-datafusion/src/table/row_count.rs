//! How many rows files have, without decoding them: files in, their number of rows out, exactly or about.

use crate::listing::location::{file_name, is_local};
use crate::schema::header_cache::{FileHeader, Headers};
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

/// Files that are counted at a time.
const CONCURRENCY: usize = 32;

/// How many rows these files have, if all of them can be counted by the heads of their blocks. It takes a read of a few bytes for
/// each block, so it is for files on this machine, and for those that are so small that they came with their headers.
///
/// What is wrong with a file is not said here: its rows are not known, and who reads them is told.
pub(crate) async fn exact(
    headers: &Headers,
    store: &Arc<dyn ObjectStore>,
    store_url: &ObjectStoreUrl,
    files: &[PartitionedFile],
) -> Option<u64> {
    // What is skipped has to be found first.
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
    headers: &Headers,
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
        // Another file than the one that was listed is not counted in its place.
        let is_same = file.metadata().is_ok_and(|metadata| metadata.len() == len);
        is_same.then(|| count_rows_behind(&header.header, &mut Positioned::new(file), &limits).ok()).flatten()
    });
    task.join_unwind().await.ok()?
}

/// About how many rows these files have, by their first blocks: for the planner, which joins the smaller table to the larger.
pub(crate) fn estimate(headers: &Headers, store: &dyn ObjectStore, files: &[PartitionedFile]) -> Precision<usize> {
    let rows = |file: &PartitionedFile| {
        let header = headers.known(store, &file.object_meta)?;
        let (rows, bytes) = header.first_block?;
        let blocks = file.object_meta.size.saturating_sub(header.header.len) as f64 / bytes as f64;
        Some(rows as f64 * blocks)
    };
    match files.iter().map(rows).sum::<Option<f64>>() {
        // What a hostile block claims is cut off.
        Some(rows) => Precision::Inexact(rows as usize),
        None => Precision::Absent,
    }
}
