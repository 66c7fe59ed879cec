//! Where a table's files are: a path, a URL or a glob in, the sorted list of files out.
//!
//! DataFusion's own listing matches globs by file name only, has none for URLs, keeps its answers for ever and takes
//! whatever it finds; this one is asked at every scan and passes over what is not data: empty files, and files and directories
//! whose names start with `_` or `.`.

use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt;
use glob::{MatchOptions, Pattern};
use object_store::path::{DELIMITER, Path};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::fs;
use url::Url;

/// One path, URL or glob.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    /// As the caller wrote it, for messages.
    text: String,
    /// The file, or the directory under which the files are.
    base: ListingTableUrl,
    find: Find,
}

/// What is at a location.
#[derive(Debug, Clone)]
enum Find {
    File,
    Directory,
    /// A file if there is one of this name, otherwise a directory: object stores only know when asked.
    Either,
    /// The files under the directory whose paths below it match.
    Glob(Pattern),
}

/// Which of the files that are found are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// In directories those whose names end like this; elsewhere all.
    Extension(&'a str),
    /// All.
    Any,
}

impl Location {
    /// What `text` means. A local path must exist, up to its first wildcard.
    pub(crate) fn parse(text: &str) -> Result<Location> {
        match text.split_once("://") {
            // A `?` is a wildcard here, and would begin a query.
            Some(("file", _)) => match url(&text.replace('?', "%3F"))?.to_file_path() {
                Ok(path) => Self::parse_path(text, &path.to_string_lossy()),
                Err(()) => plan_err!("not a path of this machine: {text}"),
            },
            Some((scheme, _)) if !scheme.contains(std::path::is_separator) => Self::parse_url(text, scheme),
            _ => Self::parse_path(text, text),
        }
    }

    fn parse_path(text: &str, path: &str) -> Result<Location> {
        // A file may have a wildcard's character in its name, so what exists comes first.
        if let Ok(found) = fs::metadata(path) {
            let (find, url) = match found.is_dir() {
                true => (Find::Directory, directory_url(path)?),
                false => (Find::File, file_url(path)?),
            };
            return Ok(Location { text: text.to_owned(), base: ListingTableUrl::try_new(url, None)?, find });
        }
        let Some((base, pattern)) = split_glob(path, &['*', '?', '[']) else {
            return plan_err!("no such file or directory: {text}");
        };
        let base = if base.is_empty() { "." } else { base };
        if !fs::metadata(base).is_ok_and(|found| found.is_dir()) {
            return plan_err!("no such directory: {base} (of {text})");
        }
        Ok(Location {
            text: text.to_owned(),
            base: ListingTableUrl::try_new(directory_url(base)?, None)?,
            find: Find::Glob(glob_pattern(text, pattern)?),
        })
    }

    fn parse_url(text: &str, scheme: &str) -> Result<Location> {
        // In a web address `?` begins the query; in the addresses of object stores it has no meaning but the wildcard's.
        let wildcards: &[char] = if scheme.starts_with("http") { &['*', '['] } else { &['*', '?', '['] };
        let (base, find) = match split_glob(text, wildcards) {
            Some((base, pattern)) => (base, Find::Glob(glob_pattern(text, pattern)?)),
            None if text.ends_with(DELIMITER) => (text, Find::Directory),
            None => (text, Find::Either),
        };
        Ok(Location { text: text.to_owned(), base: ListingTableUrl::try_new(url(base)?, None)?, find })
    }

    /// As the caller wrote it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Are its files those that a directory holds?
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.find, Find::Directory | Find::Either)
    }

    /// The object store that has it.
    pub(crate) fn store(&self) -> ObjectStoreUrl {
        self.base.object_store()
    }

    /// The parts of a file's path below this location, the file's name last.
    pub(crate) fn below<'a>(&'a self, file: &'a Path) -> Vec<&'a str> {
        self.base.strip_prefix(file).map(Iterator::collect).unwrap_or_default()
    }

    /// The files, sorted by path, and how many more were found that are empty.
    pub(crate) async fn files(&self, store: &dyn ObjectStore, wanted: Wanted<'_>) -> Result<(Vec<ObjectMeta>, usize)> {
        let prefix = self.base.prefix();
        if matches!(self.find, Find::File | Find::Either) {
            match store.head(prefix).await {
                Ok(file) => return Ok((vec![file], 0)),
                Err(object_store::Error::NotFound { .. }) if matches!(self.find, Find::Either) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let prefix = Some(prefix).filter(|p| !p.as_ref().is_empty());
        let found: Vec<ObjectMeta> = store.list(prefix).try_collect().await?;
        let (mut files, empty): (Vec<_>, Vec<_>) =
            found.into_iter().filter(|file| self.takes(&file.location, wanted)).partition(|file| file.size > 0);
        files.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok((files, empty.len()))
    }

    /// Is this file, found under the base, one of the table's?
    fn takes(&self, file: &Path, wanted: Wanted<'_>) -> bool {
        let below = self.below(file);
        let hidden = has_hidden(below.iter().copied());
        match &self.find {
            // A glob that spells out a hidden name means it.
            Find::Glob(pattern) => {
                (!hidden || has_hidden(pattern.as_str().split(DELIMITER)))
                    && pattern.matches_with(&below.join(DELIMITER), GLOB)
            }
            _ => !hidden && wanted.takes(file),
        }
    }
}

/// Is one of these names not for data? Partition columns may start with `_`.
fn has_hidden<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name.starts_with('.') || (name.starts_with('_') && !name.contains('=')))
}

impl Wanted<'_> {
    /// Does a file in a directory have the extension?
    fn takes(self, file: &Path) -> bool {
        match self {
            Wanted::Any => true,
            Wanted::Extension(extension) => {
                file.filename().is_some_and(|name| name.to_ascii_lowercase().ends_with(&extension.to_ascii_lowercase()))
            }
        }
    }
}

/// `*` stays inside one directory, `**` does not.
const GLOB: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The part before the first directory or file name with a wildcard, and the rest.
fn split_glob<'a>(text: &'a str, wildcards: &[char]) -> Option<(&'a str, &'a str)> {
    let first = text.find(wildcards)?;
    let start = text.get(..first)?.rfind(std::path::is_separator).map_or(0, |at| at + 1);
    text.split_at_checked(start)
}

fn glob_pattern(text: &str, pattern: &str) -> Result<Pattern> {
    match Pattern::new(pattern) {
        Ok(pattern) => Ok(pattern),
        Err(e) => plan_err!("{text} is not a valid glob: {e}"),
    }
}

fn url(text: &str) -> Result<Url> {
    Url::parse(text).map_err(|e| DataFusionError::Plan(format!("{text} is not a valid URL: {e}")))
}

fn file_url(path: &str) -> Result<Url> {
    local_url(path, std::path::absolute(path)?, Url::from_file_path)
}

fn directory_url(path: &str) -> Result<Url> {
    local_url(path, std::path::absolute(path)?, Url::from_directory_path)
}

fn local_url(
    path: &str,
    absolute: std::path::PathBuf,
    make: impl FnOnce(std::path::PathBuf) -> Result<Url, ()>,
) -> Result<Url> {
    let made = make(absolute).map_err(|()| DataFusionError::Plan(format!("not a path of this machine: {path}")))?;
    // Parsing once more resolves `..`, which object stores do not have.
    url(made.as_str())
}

/// Are the files of this store on a disk of this machine?
pub(crate) fn is_local(store: &ObjectStoreUrl) -> bool {
    store.as_str().starts_with("file:")
}

/// What to call a file in messages: its path or URL.
pub(crate) fn file_name(store: &ObjectStoreUrl, file: &Path) -> String {
    match store.as_str().strip_prefix("file://") {
        Some(root) => format!("{}/{file}", root.trim_end_matches('/')),
        None => format!("{}/{file}", store.as_str().trim_end_matches('/')),
    }
}
