//! Parses paths, URLs and globs into a base directory and a pattern; `list` lists them.

use crate::listing::data_files::{DataFiles, Named, is_hidden};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::object_store::ObjectStoreUrl;
use glob::{MatchOptions, Pattern};
use object_store::path::{DELIMITER, Path};
use std::fs;
use url::Url;

/// One path, URL or glob.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    /// The text as the caller wrote it, for messages.
    text: String,
    /// The file, or the directory that contains the files.
    base: ListingTableUrl,
    find: Find,
    /// Whether it comes from the same text as the location before it.
    alternative: bool,
    /// Whether it is a local directory that did not exist.
    missing: bool,
    /// Directory in which the caller found the file, and below which its partition directories are.
    root: Option<ListingTableUrl>,
}

/// What is at a location.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Find {
    File,
    Directory,
    /// A file if there is one of this name, otherwise a directory: object stores only tell when asked.
    Either,
    /// The files below the directory whose relative paths match.
    Glob(Pattern),
}

/// Maximum number of locations the braces of one text may expand to.
const ALTERNATIVES_MAX: usize = 1_000;

impl Location {
    /// Parses a text into one location, or, if it contains `{a,b}`, one per valid alternative. A local path must exist
    /// up to its first wildcard.
    pub(crate) fn parse(text: &str) -> Result<Vec<Location>> {
        let texts = match is_local_file(text) {
            true => vec![text.to_owned()],
            false => alternatives(text)?,
        };
        let mut locations = vec![];
        let mut first_error = None;
        for alternative in &texts {
            match Self::parse_one(alternative) {
                Ok(location) => {
                    let alternative = !locations.is_empty();
                    locations.push(Location { text: text.to_owned(), alternative, ..location });
                }
                Err(e) => first_error = first_error.or(Some(e)),
            }
        }
        match first_error {
            Some(e) if locations.is_empty() => Err(e),
            _ => Ok(locations),
        }
    }

    fn parse_one(text: &str) -> Result<Location> {
        match text.split_once("://") {
            // `?` is a wildcard here, not the start of a URL query.
            Some(("file", _)) => match url(&text.replace('?', "%3F"))?.to_file_path() {
                Ok(path) => Self::parse_path(text, &path.to_string_lossy()),
                Err(()) => plan_err!("not a local path: {text}"),
            },
            Some((scheme, _)) if !scheme.contains(std::path::is_separator) => Self::parse_url(text, scheme),
            _ => Self::parse_path(text, text),
        }
    }

    fn parse_path(text: &str, path: &str) -> Result<Location> {
        // File names may contain wildcard characters, so existing files come first.
        let home = expand_home(path);
        let path = home.as_deref().unwrap_or(path);
        if path == "-" && fs::metadata(path).is_err() {
            return plan_err!("{STDIN}");
        }
        if let Ok(found) = fs::metadata(path) {
            if !found.is_file() && !found.is_dir() {
                return plan_err!("{text} is not a file: {STDIN}");
            }
            let (find, url) = match found.is_dir() {
                true => (Find::Directory, directory_url(path)?),
                false => (Find::File, file_url(path)?),
            };
            return Ok(Location {
                text: text.to_owned(),
                base: ListingTableUrl::try_new(url, None)?,
                find,
                alternative: false,
                missing: false,
                root: None,
            });
        }
        let Some((base, pattern)) = split_glob(path, &['*', '?', '[']) else {
            // A directory that a write will create.
            if path.ends_with(std::path::is_separator) {
                let base = ListingTableUrl::try_new(directory_url(path)?, None)?;
                return Ok(Location {
                    text: text.to_owned(),
                    base,
                    find: Find::Directory,
                    alternative: false,
                    missing: true,
                    root: None,
                });
            }
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
            alternative: false,
            missing: false,
            root: None,
        })
    }

    fn parse_url(text: &str, scheme: &str) -> Result<Location> {
        // In a web URL `?` begins the query; object stores have no queries.
        let wildcards: &[char] = if scheme.starts_with("http") { &['*', '['] } else { &['*', '?', '['] };
        let (base, find) = match split_glob(text, wildcards) {
            Some((base, pattern)) => (base, Find::Glob(glob_pattern(text, pattern)?)),
            None if text.ends_with(DELIMITER) => (text, Find::Directory),
            None => (text, Find::Either),
        };
        Ok(Location {
            text: text.to_owned(),
            base: ListingTableUrl::try_new(url(base)?, None)?,
            find,
            alternative: false,
            missing: false,
            root: None,
        })
    }

    /// Parses the path of a file that the caller found in the directory `root`.
    pub(crate) fn parse_found(text: &str, root: &str) -> Result<Vec<Location>> {
        let root = ListingTableUrl::try_new(directory_url(root)?, None)?;
        let mut locations = Self::parse(text)?;
        locations.iter_mut().for_each(|location| location.root = Some(root.clone()));
        Ok(locations)
    }

    /// Returns the text as the caller wrote it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether its files are those in a directory.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.find, Find::Directory | Find::Either)
    }

    /// Returns whether it is a local directory that did not exist when parsed.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing
    }

    /// Returns the URL of its object store.
    pub(crate) fn store(&self) -> ObjectStoreUrl {
        self.base.object_store()
    }

    /// Returns the components of a file's path below this location, ending with the file name.
    pub(crate) fn below<'a>(&'a self, file: &'a Path) -> Vec<&'a str> {
        let base = self.root.as_ref().unwrap_or(&self.base);
        base.strip_prefix(file).map(Iterator::collect).unwrap_or_default()
    }

    /// Returns the file, or the directory that contains the files.
    pub(crate) fn base(&self) -> &Path {
        self.base.prefix()
    }

    /// Returns what to find at the location.
    pub(crate) fn find(&self) -> &Find {
        &self.find
    }

    /// Returns whether it comes from the same text as the location before it, by brace expansion.
    pub(crate) fn is_alternative(&self) -> bool {
        self.alternative
    }

    /// Classifies a file below the base. A glob takes every file that it matches.
    pub(crate) fn named(&self, file: &Path, rule: &DataFiles<'_>) -> Named {
        let below = self.below(file);
        match &self.find {
            // A glob that spells out a hidden name matches it.
            Find::Glob(pattern) => {
                let hidden = below.iter().any(|name| is_hidden(name));
                let takes = (!hidden || pattern.as_str().split(DELIMITER).any(is_hidden))
                    && pattern.matches_with(&below.join(DELIMITER), GLOB);
                if takes { Named::Data } else { Named::Hidden }
            }
            _ => rule.named(below),
        }
    }
}

/// Returns whether a file name has this extension, in any case; every name has the empty one.
pub(crate) fn has_extension(file: &Path, extension: &str) -> bool {
    file.filename().is_some_and(|name| name.to_ascii_lowercase().ends_with(&extension.to_ascii_lowercase()))
}

/// Why standard input cannot be a table.
const STDIN: &str = "SQL cannot read standard input; save it to a file first, as in \
                     `avro-sql cat - -o x.avro`";

/// Expands `~/` at the start of a path to the home directory, as shells do. Returns `None` for other paths, and if
/// there is a directory named `~`.
pub fn expand_home(path: &str) -> Option<String> {
    let below = path.strip_prefix("~/").filter(|_| !fs::exists("~").unwrap_or(false))?;
    Some(std::env::home_dir()?.join(below).to_str()?.to_owned())
}

/// Whether this names a file or directory on this machine.
pub(crate) fn is_local_file(text: &str) -> bool {
    // File names may contain braces.
    !text.contains("://") && fs::metadata(text).is_ok()
}

/// Expands `{a,b}` as shells do: braces without a comma, or without a closing brace, are literal.
///
/// `globset` matches braces but does not expand them. Each alternative needs its own base here: a bucket, or the
/// directory to list.
fn alternatives(text: &str) -> Result<Vec<String>> {
    let mut done = vec![];
    // Remaining texts, the next one last, each with the offset from which to look for braces.
    let mut to_do = vec![(text.to_owned(), 0)];
    while let Some((text, from)) = to_do.pop() {
        match braces(&text, from) {
            None => done.push(text),
            Some((before, choices, after)) => {
                for choice in choices.iter().rev() {
                    to_do.push((format!("{before}{choice}{after}"), before.len()));
                }
            }
        }
        if done.len() + to_do.len() > ALTERNATIVES_MAX {
            return plan_err!("the braces expand to more than {ALTERNATIVES_MAX} paths");
        }
    }
    Ok(done)
}

/// Returns the text before, the alternatives in, and the text after the next braces with a comma.
fn braces(text: &str, from: usize) -> Option<(&str, Vec<&str>, &str)> {
    let mut open = from;
    loop {
        open += text.get(open..)?.find('{')?;
        let start = open + 1;
        let (mut depth, mut choices, mut choice) = (0_usize, vec![], start);
        for (at, c) in text.get(start..)?.char_indices().map(|(at, c)| (start + at, c)) {
            match c {
                '{' => depth += 1,
                ',' if depth == 0 => {
                    choices.push(text.get(choice..at)?);
                    choice = at + 1;
                }
                '}' if depth == 0 => {
                    if choices.is_empty() {
                        break;
                    }
                    choices.push(text.get(choice..at)?);
                    return Some((text.get(..open)?, choices, text.get(at + 1..)?));
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        open = start;
    }
}

/// `*` stays within one directory, `**` does not.
const GLOB: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// Splits before the first path component with a wildcard.
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
    let made = make(absolute).map_err(|()| DataFusionError::Plan(format!("not a local path: {path}")))?;
    // Parsing again resolves `..`, which object stores do not have.
    url(made.as_str())
}

/// Returns whether the store is the local file system.
pub(crate) fn is_local(store: &ObjectStoreUrl) -> bool {
    store.as_str().starts_with("file:")
}

/// Returns the path or URL of a file, for messages.
pub(crate) fn file_name(store: &ObjectStoreUrl, file: &Path) -> String {
    match store.as_str().strip_prefix("file://") {
        Some(root) => format!("{}/{file}", root.trim_end_matches('/')),
        None => format!("{}/{file}", store.as_str().trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn alternatives_expands_braces() {
        let cases: &[(&str, &[&str])] = &[
            ("a/b.avro", &["a/b.avro"]),
            ("{a,b}", &["a", "b"]),
            ("s3://{x,y}/{1,2}/*", &["s3://x/1/*", "s3://x/2/*", "s3://y/1/*", "s3://y/2/*"]),
            ("{a,b{1,2,}}.avro", &["a.avro", "b1.avro", "b2.avro", "b.avro"]),
            ("{a}/{b,c}", &["{a}/b", "{a}/c"]),
            ("{a{b,c}}", &["{ab}", "{ac}"]),
            ("{a,b", &["{a,b"]),
            ("a,b}", &["a,b}"]),
            ("{{a,b}", &["{a", "{b"]),
            ("é{ü,ö}", &["éü", "éö"]),
            ("", &[""]),
        ];
        check_all(cases, |(text, expected)| {
            assert_eq!(alternatives(text).unwrap(), *expected, "{text}");
        });
        assert!(alternatives(&"{a,b}".repeat(60)).is_err());
        assert_eq!(alternatives(&"{".repeat(2_000)).unwrap().len(), 1);
    }
}
