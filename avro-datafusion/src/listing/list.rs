//! Lists the files at a table's locations.
//!
//! DataFusion's listing matches globs by file name only and not in URLs, caches results forever, and takes every file.
//! This one lists at every scan and takes data files only (`data_files`).

use crate::diagnostics::observer::ScanObserver;
use crate::listing::data_files::{DataFiles, LeftOut, MAGIC, Named};
use crate::listing::location::{Find, Location, file_name, is_local};
use datafusion::common::{Result, plan_err};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::{DELIMITER, Path};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Maximum directories listed one by one, and concurrently. If more are left, one recursive listing costs less.
const DIRECTORIES_MAX: usize = 32;

/// A file found by listing.
#[derive(Clone)]
pub(crate) struct ListedFile {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) object: ObjectMeta,
}

impl ListedFile {
    /// Returns the path or URL, for messages.
    pub(crate) fn name(&self) -> String {
        file_name(&self.store_url, &self.object.location)
    }
}

impl fmt::Debug for ListedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

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

/// The files found at a location.
pub(crate) struct Listing<'a> {
    pub(crate) location: &'a Location,
    /// The files, sorted by path.
    pub(crate) files: Vec<ListedFile>,
    /// Files without bytes, which are left out too.
    empty: Vec<ListedFile>,
    /// Files that are not data.
    pub(crate) left_out: LeftOut,
    /// Whether no file name has an extension.
    all_bare: bool,
    /// Whether an object store has neither an object of this name nor objects below it.
    is_absent: bool,
}

impl Listing<'_> {
    /// Returns the components of a file's path below the location, ending with the file name.
    pub(crate) fn below<'f>(&'f self, file: &'f ListedFile) -> Vec<&'f str> {
        self.location.below(&file.object.location)
    }

    /// Warns of files that look like data and were left out.
    pub(crate) fn warn(&self, observer: Option<&dyn ScanObserver>) {
        if let Some(observer) = observer
            && !self.files.is_empty()
            && let Some(warning) = self.left_out.warning(self.location.text(), self.all_bare)
        {
            observer.warning(&warning);
        }
    }
}

/// Lists the data files of each location. A file that matches several alternatives of one text is listed only once.
pub(crate) async fn list<'a>(
    locations: &'a [Location],
    runtime: &RuntimeEnv,
    extension: &str,
    prune: Option<&dyn DirectoryPruner>,
) -> Result<Vec<Listing<'a>>> {
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
pub(crate) async fn list_some<'a>(
    locations: &'a [Location],
    runtime: &RuntimeEnv,
    extension: &str,
) -> Result<Vec<Listing<'a>>> {
    let listings = list(locations, runtime, extension, None).await?;
    reject_none(&listings)?;
    Ok(listings)
}

/// Lists all files of each location, empty ones too; a text without any files is an error.
pub(crate) async fn list_all<'a>(locations: &'a [Location], runtime: &RuntimeEnv) -> Result<Vec<Listing<'a>>> {
    let mut listings = list(locations, runtime, "", None).await?;
    for listing in &mut listings {
        listing.files.append(&mut listing.empty);
        listing.files.sort_by(|a, b| a.object.location.cmp(&b.object.location));
    }
    reject_none(&listings)?;
    Ok(listings)
}

/// Returns an error if a text has no files.
fn reject_none(listings: &[Listing<'_>]) -> Result<()> {
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

async fn list_one<'a>(
    location: &'a Location,
    runtime: &RuntimeEnv,
    extension: &str,
    prune: Option<&dyn DirectoryPruner>,
) -> Result<Listing<'a>> {
    let store_url = location.store();
    let store = runtime.object_store(&store_url)?;
    let found = |object| ListedFile { store: Arc::clone(&store), store_url: store_url.clone(), object };
    let (mut left_out, mut all_bare) = (LeftOut::default(), true);
    if matches!(location.find(), Find::File | Find::Either) {
        match store.head(location.base()).await {
            Ok(file) => {
                let files = vec![found(file)];
                return Ok(Listing { location, files, empty: vec![], left_out, all_bare: false, is_absent: false });
            }
            Err(object_store::Error::NotFound { .. }) if matches!(location.find(), Find::Either) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let rule = DataFiles::new(extension);
    let (mut files, mut bare, mut empty) = (vec![], vec![], vec![]);
    let objects = below(location, &store, prune, &mut left_out).await?;
    let may_be_absent = matches!(location.find(), Find::Either) && !is_local(&store_url) && prune.is_none();
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
        let store = Arc::clone(&store);
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
    Ok(Listing { location, files, empty, left_out, all_bare, is_absent })
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
