//! Finds the block indexes of a table's files. An index is cached until it changes; an unusable index causes a warning.

use super::load;
use crate::block_index::model::FileIndex;
use crate::block_index::place::ObjectLocation;
use crate::listing::location::file_name;
use crate::options::read::Index;
use crate::schema::header_cache::{FileHeader, HeaderCache};
use avro_arrow::OnCorruptBlock;
use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Maximum concurrent requests.
const CONCURRENCY: usize = 32;
/// Up to this many indexes of one remote directory are requested one by one; more are found by listing.
const ONE_BY_ONE: usize = 4;

/// Returns the index of each file that has one which matches its current version.
pub(crate) async fn indexes(
    headers: &HeaderCache,
    runtime: &RuntimeEnv,
    store: &Arc<dyn ObjectStore>,
    store_url: &ObjectStoreUrl,
    files: &[PartitionedFile],
) -> Result<Vec<Option<Arc<FileIndex>>>> {
    let options = headers.options();
    // Skipping damage requires reading every block.
    if options.index == Index::Ignore || options.on_corrupt_block == OnCorruptBlock::Skip {
        return Ok(vec![None; files.len()]);
    }
    let directory = options.index_path.as_ref().map(|path| ObjectLocation::directory(path, runtime)).transpose()?;
    let place = |file: &PartitionedFile| {
        let path = file.object_meta.location.clone();
        ObjectLocation { store: Arc::clone(store), store_url: store_url.clone(), path }.of_index(directory.as_ref())
    };
    let places = files.iter().map(place).collect::<Result<Vec<_>>>()?;
    let existing = existing_indexes(&places).await;
    let one = |i: usize| {
        let (file, place) = (files.get(i), places.get(i));
        let existing = place.and_then(|place| existing.get(&place.path));
        async move {
            let (object, place, existing) = (&file?.object_meta, place?, existing?);
            let name = file_name(store_url, &object.location);
            // Errors of the file itself are reported by its scan.
            let (header, _) = headers.get(store.as_ref(), object, &name).await.ok()?;
            cached_index(headers, &header, object, place, existing, &name).await
        }
    };
    Ok(stream::iter(0..files.len()).map(one).buffered(CONCURRENCY).collect().await)
}

/// Returns the cached index, loaded again if it has changed.
async fn cached_index(
    headers: &HeaderCache,
    header: &FileHeader,
    object: &ObjectMeta,
    place: &ObjectLocation,
    there: &ObjectMeta,
    name: &str,
) -> Option<Arc<FileIndex>> {
    let mut cached = header.index.0.lock().await;
    if let Some((meta, index)) = cached.as_ref()
        && meta == there
    {
        return index.clone();
    }
    let limits = &headers.options().limits;
    let index = match load::fetch(place).await {
        Ok(None) => return None,
        Ok(Some(bytes)) => load::parse(&bytes, header, object, limits),
        Err(reason) => Err(reason),
    };
    let index = match index {
        Ok(index) => Some(Arc::new(index)),
        Err(reason) => {
            headers.options().warn(&format!("{name}: block index not used: {reason} ({})", place.name()));
            None
        }
    };
    *cached = Some((there.clone(), index.clone()));
    index
}

/// Returns the metadata of the indexes that exist.
async fn existing_indexes(places: &[ObjectLocation]) -> HashMap<Path, ObjectMeta> {
    let Some(first) = places.first() else { return HashMap::new() };
    let store = &first.store;
    let paths: Vec<Path> = places.iter().map(|place| place.path.clone()).collect();
    if first.store_url.as_str() == "file:///" {
        // Checking for a missing local file costs almost nothing.
        let paths = SpawnedTask::spawn_blocking(move || {
            let is_there =
                |path: &Path| LocalFileSystem::new().path_to_filesystem(path).is_ok_and(|path| path.exists());
            paths.into_iter().filter(is_there).collect::<Vec<_>>()
        });
        return head_all(store, paths.join_unwind().await.unwrap_or_default()).await;
    }
    let mut directories: BTreeMap<String, Vec<Path>> = BTreeMap::new();
    for path in paths {
        let parent = path.as_ref().rsplit_once('/').map_or("", |(parent, _)| parent);
        directories.entry(parent.to_owned()).or_default().push(path);
    }
    let found = stream::iter(directories)
        .map(|(directory, paths)| async move {
            if paths.len() <= ONE_BY_ONE {
                return head_all(store, paths).await;
            }
            let prefix = Path::parse(&directory).ok().filter(|prefix| !prefix.as_ref().is_empty());
            // A store that cannot list has no indexes.
            let listed = store.list_with_delimiter(prefix.as_ref()).await.map(|listed| listed.objects);
            listed.unwrap_or_default().into_iter().map(|object| (object.location.clone(), object)).collect()
        })
        .buffer_unordered(CONCURRENCY);
    found
        .fold(HashMap::new(), |mut all, some| async move {
            all.extend(some);
            all
        })
        .await
}

async fn head_all(store: &Arc<dyn ObjectStore>, paths: Vec<Path>) -> HashMap<Path, ObjectMeta> {
    let head = |path: Path| async move { store.head(&path).await.ok().map(|meta| (path, meta)) };
    stream::iter(paths).map(head).buffer_unordered(CONCURRENCY).filter_map(std::future::ready).collect().await
}
