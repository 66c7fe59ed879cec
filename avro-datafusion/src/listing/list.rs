//! Lists the files at a table's locations.
//!
//! DataFusion's listing matches globs by file name only and not in URLs, caches results forever, and takes every file.
//! This one lists at every scan, but once in a statement (`shared`), and takes data files only (`data_files`).

use crate::listing::data_files::{DataFiles, LeftOut, MAGIC, Named};
use crate::listing::listed::{ListedFile, Listing};
use crate::listing::location::{Find, Location, is_local};
use crate::listing::shared;
use datafusion::common::{Result, plan_err};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::{DELIMITER, Path};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::HashSet;
use std::sync::Arc;

/// Maximum directories listed one by one, and concurrently. If more are left, one recursive listing costs less.
const DIRECTORIES_MAX: usize = 32;

/// Decides which directories can be skipped, by their partition values.
pub(crate) trait DirectoryPruner: Sync {
    /// Returns the number of directory levels it can decide on.
    fn levels(&self) -> usize;

    /// Decides on directories of one level, given as the names from the location down to each.
    fn verdicts(&self, directories: &[Vec<&str>]) -> Result<Vec<Verdict>>;
}

/// What to do with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Skip it: no file in it can match.
    Skip,
    /// Descend: deeper levels may tell more.
    Descend,
    /// List all of it: it is not a partition directory.
    ListAll,
}

/// Lists the data files of each location. A file that matches several alternatives of one text is listed only once.
pub(crate) async fn list(
    locations: &[Location],
    runtime: &RuntimeEnv,
    extension: &str,
    prune: Option<&dyn DirectoryPruner>,
) -> Result<Vec<Listing>> {
    let mut listings = Vec::with_capacity(locations.len());
    let mut seen = HashSet::new();
    for (i, location) in locations.iter().enumerate() {
        let mut listing = list_one(location, runtime, extension, prune).await?;
        if !location.is_alternative() {
            seen.clear();
        }
        if location.is_alternative() || locations.get(i + 1).is_some_and(Location::is_alternative) {
            listing.files.retain(|file| seen.insert((file.store_url.clone(), file.object.location.clone())));
        }
        listings.push(listing);
    }
    Ok(listings)
}

/// Lists the data files of each location; a text without any files is an error.
pub(crate) async fn list_some(locations: &[Location], runtime: &RuntimeEnv, extension: &str) -> Result<Vec<Listing>> {
    let listings = list(locations, runtime, extension, None).await?;
    reject_none(&listings)?;
    Ok(listings)
}

/// Lists all files of each location, empty ones too; a text without any files is an error.
pub(crate) async fn list_all(locations: &[Location], runtime: &RuntimeEnv) -> Result<Vec<Listing>> {
    let mut listings = list(locations, runtime, "", None).await?;
    for listing in &mut listings {
        listing.files.append(&mut listing.empty);
        listing.files.sort_by(|a, b| a.object.location.cmp(&b.object.location));
    }
    reject_none(&listings)?;
    Ok(listings)
}

/// Returns an error if a text has no files.
fn reject_none(listings: &[Listing]) -> Result<()> {
    for of_text in listings.chunk_by(|_, next| next.location.is_alternative()) {
        if let Some(first) = of_text.first()
            && of_text.iter().all(|listing| listing.files.is_empty())
        {
            let text = first.location.text();
            if first.location.is_missing() || of_text.iter().all(|listing| listing.is_absent) {
                return plan_err!("no such file or directory: {text}");
            }
            let reasons: String = of_text.iter().map(|listing| listing.left_out.reason()).collect();
            return plan_err!("no Avro files at {text}{reasons}");
        }
    }
    Ok(())
}

async fn list_one(
    location: &Location,
    runtime: &RuntimeEnv,
    extension: &str,
    prune: Option<&dyn DirectoryPruner>,
) -> Result<Listing> {
    let store_url = location.store();
    let store = runtime.object_store(&store_url)?;
    // All files of the location are right for a query that prunes, too.
    if let Some(listing) = shared::get(&store, location, extension) {
        return Ok(listing);
    }
    let listing = list_store(location, &store_url, &store, extension, prune).await?;
    if prune.is_none() {
        shared::put(&store, location, extension, &listing);
    }
    Ok(listing)
}

/// Lists the data files of a location in its store.
async fn list_store(
    location: &Location,
    store_url: &ObjectStoreUrl,
    store: &Arc<dyn ObjectStore>,
    extension: &str,
    prune: Option<&dyn DirectoryPruner>,
) -> Result<Listing> {
    let listing = |files, empty, left_out, all_bare, is_absent| Listing {
        location: location.clone(),
        files,
        empty,
        left_out,
        all_bare,
        is_absent,
    };
    let found = |object| ListedFile { store: Arc::clone(store), store_url: store_url.clone(), object };
    let (mut left_out, mut all_bare) = (LeftOut::default(), true);
    if matches!(location.find(), Find::File | Find::Either) {
        match store.head(location.base()).await {
            Ok(file) => {
                return Ok(listing(vec![found(file)], vec![], left_out, false, false));
            }
            Err(object_store::Error::NotFound { .. }) if matches!(location.find(), Find::Either) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let rule = DataFiles::new(extension);
    let (mut files, mut bare, mut empty) = (vec![], vec![], vec![]);
    let objects = below(location, store, prune, &mut left_out).await?;
    let may_be_absent = matches!(location.find(), Find::Either) && !is_local(store_url) && prune.is_none();
    let is_absent = may_be_absent && objects.is_empty() && left_out.is_empty();
    for object in objects {
        match location.named(&object.location, &rule) {
            Named::Hidden => {}
            _ if object.size == 0 => {
                left_out.add_empty();
                empty.push(found(object));
            }
            Named::Data => files.push(object),
            Named::Bare => bare.push(object),
            named => left_out.add(&location.below(&object.location).join(DELIMITER), named),
        }
    }
    all_bare &= files.is_empty();
    let looked_at = stream::iter(bare).map(|object| {
        let store = Arc::clone(store);
        async move { starts_avro(&store, &object).await.map(|is_avro| (object, is_avro)) }
    });
    let looked_at: Vec<(ObjectMeta, bool)> = looked_at.buffered(DIRECTORIES_MAX).try_collect().await?;
    for (object, is_avro) in looked_at {
        match is_avro {
            true => files.push(object),
            false => left_out.add(&location.below(&object.location).join(DELIMITER), Named::Bare),
        }
    }
    files.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    let files = files.into_iter().map(found).collect();
    Ok(listing(files, empty, left_out, all_bare, is_absent))
}

/// Returns whether an object begins with the magic bytes of Avro.
pub(crate) async fn starts_avro(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Result<bool> {
    let len = MAGIC.len() as u64;
    Ok(object.size >= len && store.get_range(&object.location, 0..len).await?.as_ref() == MAGIC)
}

/// Lists the objects that may belong to a location.
async fn below(
    location: &Location,
    store: &Arc<dyn ObjectStore>,
    prune: Option<&dyn DirectoryPruner>,
    left_out: &mut LeftOut,
) -> Result<Vec<ObjectMeta>> {
    if let Find::Glob(pattern) = location.find()
        && !pattern.as_str().contains(DELIMITER)
        && !pattern.as_str().contains("**")
    {
        // Deeper directories cannot match.
        match store.list_with_delimiter(prefix(location.base())).await {
            Ok(listed) => return Ok(listed.objects),
            // The store cannot name one of the entries; the listing below skips it.
            Err(object_store::Error::InvalidPath { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let (mut objects, directories) = match prune {
        Some(prune) => walk(location, store, prune).await?,
        None => (vec![], vec![location.base().clone()]),
    };
    let mut listings = stream::iter(directories)
        .map(|directory| {
            let store = Arc::clone(store);
            async move {
                match store.list(prefix(&directory)).try_collect::<Vec<_>>().await {
                    Err(object_store::Error::InvalidPath { .. }) => one_by_one(&store, directory).await,
                    listed => Ok((listed?, vec![])),
                }
            }
        })
        .buffered(DIRECTORIES_MAX);
    while let Some((listed, unnamable)) = listings.try_next().await? {
        objects.extend(listed);
        unnamable.iter().for_each(|name| left_out.add_unnamable(name));
    }
    Ok(objects)
}

/// Lists all local files below a directory, and the names the store cannot express: its own listing stops at the first
/// of these.
async fn one_by_one(store: &Arc<dyn ObjectStore>, directory: Path) -> Result<(Vec<ObjectMeta>, Vec<String>)> {
    let (mut objects, mut unnamable) = (vec![], vec![]);
    let mut directories = vec![directory];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(format!("/{directory}"))? {
            let entry = entry?;
            let name = entry.file_name();
            let path = name.to_str().and_then(|name| Path::parse(format!("{directory}/{name}")).ok());
            let Some(path) = path else {
                unnamable.push(name.to_string_lossy().into_owned());
                continue;
            };
            let found = std::fs::metadata(entry.path());
            if found.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
                directories.push(path);
            } else if found.is_ok_and(|found| found.is_file()) {
                objects.push(store.head(&path).await?);
            }
        }
    }
    Ok((objects, unnamable))
}

/// Descends as long as directories can be pruned; returns the files on the way, and the directories still to be listed.
async fn walk(
    location: &Location,
    store: &Arc<dyn ObjectStore>,
    prune: &dyn DirectoryPruner,
) -> Result<(Vec<ObjectMeta>, Vec<Path>)> {
    let (mut objects, mut whole) = (vec![], vec![]);
    let mut level = vec![location.base().clone()];
    for _ in 0..prune.levels() {
        let listed: Result<Vec<_>, _> = stream::iter(level.clone())
            .map(|directory| {
                let store = Arc::clone(store);
                async move { store.list_with_delimiter(prefix(&directory)).await }
            })
            .buffered(DIRECTORIES_MAX)
            .try_collect()
            .await;
        let listed = match listed {
            Ok(listed) => listed,
            // The store cannot name one of the entries; the recursive listing skips it.
            Err(object_store::Error::InvalidPath { .. }) => break,
            Err(e) => return Err(e.into()),
        };
        let directories: Vec<&Path> = listed.iter().flat_map(|listed| &listed.common_prefixes).collect();
        let names: Vec<_> = directories.iter().map(|directory| location.below(directory)).collect();
        let verdicts = prune.verdicts(&names)?;
        let with = |verdict| {
            let matching = directories.iter().zip(&verdicts).filter(move |(_, found)| **found == verdict);
            matching.map(|(directory, _)| (*directory).clone())
        };
        let (enter, unknown): (Vec<_>, Vec<_>) = (with(Verdict::Descend).collect(), with(Verdict::ListAll).collect());
        if enter.len() + unknown.len() > DIRECTORIES_MAX {
            break;
        }
        objects.extend(listed.into_iter().flat_map(|listed| listed.objects));
        whole.extend(unknown);
        level = enter;
    }
    whole.extend(level);
    Ok((objects, whole))
}

/// Object stores have no name for their root.
fn prefix(directory: &Path) -> Option<&Path> {
    Some(directory).filter(|directory| !directory.as_ref().is_empty())
}
