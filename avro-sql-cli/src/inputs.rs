//! Paths as the user writes them → files to read: a file is itself, a directory is the `.avro` files in and below it, a glob
//! is what it matches.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// All files that the paths stand for, each path's in order of name. Never empty.
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    expand_to(paths, |path| path.extension().is_some_and(|e| e == "avro"))
}

/// The same, with these of the files in directories.
pub(crate) fn expand_to(paths: &[PathBuf], is_wanted: fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        local(path)?;
        let before = files.len();
        if path.is_dir() {
            walk(path, is_wanted, &mut files)?;
        } else if path.exists() || !is_glob(path) {
            // A file that does not exist is reported when it is opened.
            files.push(path.clone());
        } else {
            let pattern =
                path.to_str().ok_or_else(|| Error::Usage(format!("{}: not a valid pattern", path.display())))?;
            let matches =
                glob::glob(pattern).map_err(|e| Error::Usage(format!("{pattern}: not a valid pattern: {}", e.msg)))?;
            for found in matches {
                let found = found.map_err(|e| Error::file(e.path(), std::io::Error::from(e.error().kind())))?;
                if is_data(&found) {
                    files.push(found);
                }
            }
        }
        if files.len() == before {
            let what = if path.is_dir() { "no .avro files in this directory" } else { "no file matches" };
            return Err(Error::Failed(format!("{}: {what}", path.display())));
        }
    }
    Ok(files)
}

/// An error where a path is the address of something elsewhere, for what reads local files only.
pub(crate) fn local(path: &Path) -> Result<()> {
    match path.to_str().and_then(|path| path.split_once("://")) {
        Some((scheme, _)) if !path.exists() && !scheme.contains(std::path::is_separator) => Err(Error::Usage(format!(
            "{}: not a local file; SQL reads what is in object stores, as in avro-sql -c \"SELECT count(*) FROM '{0}'\"",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// An error where what is to be written is the address of something elsewhere.
pub(crate) fn writable(path: &Path) -> Result<()> {
    local(path).map_err(|_| {
        Error::Usage(format!(
            "{0}: local files only are written here; SQL writes to object stores: COPY (SELECT * FROM '..') TO '{0}' STORED AS AVRO, \
             or PARQUET, CSV, JSON",
            path.display()
        ))
    })
}

fn is_glob(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.contains(['*', '?', '[']))
}

/// Is it a file that was found, rather than named, to be read? Names that begin with `.` or `_` belong to whoever is still
/// writing, and an empty file is one that nobody wrote to yet. Tables of the engine pass over the same files.
fn is_data(path: &Path) -> bool {
    !is_hidden(path) && fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0)
}

/// `_` also begins the names of columns, in directories called `_key=value`.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Adds the files in and below `directory` that are wanted.
fn walk(directory: &Path, is_wanted: fn(&Path) -> bool, files: &mut Vec<PathBuf>) -> Result<()> {
    let fail = |e| Error::file(directory, e);
    let mut entries = fs::read_dir(directory).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if !is_hidden(&path) {
                walk(&path, is_wanted, files)?;
            }
        } else if is_wanted(&path) && is_data(&path) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_directories_and_globs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("a/_k=v")).unwrap();
        fs::create_dir_all(root.join("empty")).unwrap();
        for name in
            ["a/2.avro", "a/1.avro", "a/b/3.avro", "a/_k=v/4.avro", "a/_4.avro", "a/.5.avro", "a/6.txt", "x[1].avro"]
        {
            fs::write(root.join(name), "x").unwrap();
        }
        fs::write(root.join("a/7.avro"), "").unwrap();
        let cases: [(&[&str], Option<&[&str]>); 10] = [
            (&["a"], Some(&["a/1.avro", "a/2.avro", "a/_k=v/4.avro", "a/b/3.avro"])),
            (&["a/6.txt"], Some(&["a/6.txt"])),
            (&["a/[12].avro"], Some(&["a/1.avro", "a/2.avro"])),
            (&["a/**/3.avro", "a/1.avro"], Some(&["a/b/3.avro", "a/1.avro"])),
            (&["x[1].avro"], Some(&["x[1].avro"])),
            (&["missing.avro"], Some(&["missing.avro"])),
            (&["missing*.avro"], None),
            (&["empty"], None),
            (&["a/***"], None),
            (&["a/*"], Some(&["a/1.avro", "a/2.avro", "a/6.txt"])),
        ];
        for (paths, expected) in cases {
            let paths: Vec<_> = paths.iter().map(|p| root.join(p)).collect();
            let expected: Option<Vec<_>> = expected.map(|names| names.iter().map(|n| root.join(n)).collect());
            assert_eq!(expand(&paths).ok(), expected, "{paths:?}");
        }
    }
}
