//! Input paths: a file is itself, a directory is the data in and below it, a glob is its matches.
//!
//! `avro_datafusion::data_files` defines which files of a directory are data.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use avro_datafusion::data_files::{DataFiles, LeftOut, MAGIC, Named, is_hidden};

use crate::error::{Error, Result, print_note};

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    pub(crate) path: PathBuf,
    /// The directory in which it was found, at any depth; `None` for a named file.
    pub(crate) root: Option<PathBuf>,
}

impl InputFile {
    /// Returns the parts of its path below that directory, the file name last.
    pub(crate) fn below(&self) -> Vec<&str> {
        let below = self.root.as_ref().and_then(|root| self.path.strip_prefix(root).ok());
        let parts = below.into_iter().flat_map(Path::components);
        parts.filter_map(|part| if let Component::Normal(name) = part { name.to_str() } else { None }).collect()
    }
}

/// Returns the files of these paths, sorted by name for each path; never empty. Of a directory it returns the data
/// files with this extension, and warns about others that look like data.
pub(crate) fn expand(paths: &[PathBuf], extension: &str) -> Result<Vec<InputFile>> {
    let mut files = Vec::new();
    for path in paths {
        local(path)?;
        let before = files.len();
        let mut reason = String::new();
        if path.is_dir() {
            let directory = Directory::read(path, extension)?;
            if let Some(warning) = directory.left_out.warning(&path.display().to_string(), directory.all_bare)
                && !directory.files.is_empty()
            {
                print_note(&format!("avro-sql: warning: {warning}"));
            }
            reason = directory.left_out.reason();
            let root = Some(path.clone());
            files.extend(directory.files.into_iter().map(|path| InputFile { path, root: root.clone() }));
        } else if path.exists() || !is_glob(path) {
            // Opening the file reports that it is missing.
            files.push(InputFile { path: path.clone(), root: None });
        } else {
            let pattern =
                path.to_str().ok_or_else(|| Error::Usage(format!("{}: not a valid pattern", path.display())))?;
            let matches =
                glob::glob(pattern).map_err(|e| Error::Usage(format!("{pattern}: not a valid pattern: {}", e.msg)))?;
            let root = Some(before_wildcards(path));
            for found in matches {
                let path = found.map_err(|e| Error::file(e.path(), std::io::Error::from(e.error().kind())))?;
                if !name(&path).is_some_and(is_hidden) && is_filled(&path) {
                    files.push(InputFile { path, root: root.clone() });
                }
            }
        }
        if files.len() == before {
            let what = if path.is_dir() { "no Avro files in this directory" } else { "no file matches" };
            return Err(Error::Failed(format!("{}: {what}{reason}", path.display())));
        }
    }
    Ok(files)
}

/// Returns the files in and below a directory that satisfy a condition, sorted by name.
pub(crate) fn others(directory: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<InputFile>> {
    let mut files = Vec::new();
    walk(directory, &mut |path| {
        if is_wanted(path) && is_filled(path) {
            files.push(InputFile { path: path.to_owned(), root: Some(directory.to_owned()) });
        }
    })?;
    Ok(files)
}

/// Returns an error for a URL, where only local files are read.
pub(crate) fn local(path: &Path) -> Result<()> {
    match path.to_str().and_then(|path| path.split_once("://")) {
        Some((scheme, _)) if !path.exists() && !scheme.contains(std::path::is_separator) => Err(Error::Usage(format!(
            "{}: not a local file; use SQL for object stores: avro-sql -c \"SELECT count(*) FROM '{0}'\"",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Returns an error for a URL where only local files are written.
pub(crate) fn writable(path: &Path) -> Result<()> {
    local(path).map_err(|_| {
        Error::Usage(format!(
            "{0}: only local files can be written here; use COPY (SELECT * FROM '..') TO '{0}', or the option -o",
            path.display()
        ))
    })
}

fn is_glob(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.contains(['*', '?', '[']))
}

/// Returns the part of a glob before the first name with a wildcard.
fn before_wildcards(glob: &Path) -> PathBuf {
    glob.components().take_while(|part| !is_glob(part.as_ref())).collect()
}

fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// Whether the path is a file that is not empty. An empty file has not been written yet.
fn is_filled(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0)
}

/// The contents of a directory.
struct Directory {
    files: Vec<PathBuf>,
    left_out: LeftOut,
    /// Whether no file has an extension.
    all_bare: bool,
}

impl Directory {
    fn read(directory: &Path, extension: &str) -> Result<Self> {
        let rule = DataFiles::new(extension);
        let mut found = Directory { files: Vec::new(), left_out: LeftOut::default(), all_bare: true };
        walk(directory, &mut |path| {
            let below = path.strip_prefix(directory).unwrap_or(path);
            let lossy = below.file_name().unwrap_or_default().to_string_lossy();
            // The directory names were checked on the way.
            let named = rule.named([lossy.as_ref()]);
            let is_data = match named {
                Named::Data => true,
                Named::Bare => begins_with_magic(path),
                _ => false,
            };
            match is_filled(path) {
                false => found.left_out.add_empty(),
                true if is_data => {
                    found.all_bare &= named == Named::Bare;
                    found.files.push(path.to_owned());
                }
                true => found.left_out.add(&below.to_string_lossy(), named),
            }
        })?;
        Ok(found)
    }
}

fn begins_with_magic(path: &Path) -> bool {
    let mut first = [0; MAGIC.len()];
    // Reading a pipe would block.
    is_filled(path) && File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *MAGIC
}

/// Calls `each` with every file in and below `directory`, except hidden ones.
fn walk(directory: &Path, each: &mut impl FnMut(&Path)) -> Result<()> {
    let fail = |e| Error::file(directory, e);
    let mut entries = fs::read_dir(directory).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if is_hidden(&entry.file_name().to_string_lossy()) {
            continue;
        }
        match path.is_dir() {
            true => walk(&path, each)?,
            false => each(&path),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn expand_finds_files_directories_and_globs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("a/_k=v")).unwrap();
        fs::create_dir_all(root.join("empty")).unwrap();
        for name in
            ["a/2.avro", "a/1.AVRO", "a/b/3.avro", "a/_k=v/4.avro", "a/_4.avro", "a/.5.avro", "a/6.txt", "x[1].avro"]
        {
            fs::write(root.join(name), "x").unwrap();
        }
        fs::create_dir_all(root.join("hive")).unwrap();
        for (name, bytes) in [("000000_0", "Obj\u{1}.."), ("README", "Object"), ("x", "Ob")] {
            fs::write(root.join("hive").join(name), bytes).unwrap();
        }
        fs::write(root.join("a/7.avro"), "").unwrap();
        let cases: [(&[&str], Option<&[&str]>); 11] = [
            (&["hive"], Some(&["hive/000000_0"])),
            (&["a"], Some(&["a/1.AVRO", "a/2.avro", "a/_k=v/4.avro", "a/b/3.avro"])),
            (&["a/6.txt"], Some(&["a/6.txt"])),
            (&["a/[12].*"], Some(&["a/1.AVRO", "a/2.avro"])),
            (&["a/**/3.avro", "a/1.AVRO"], Some(&["a/b/3.avro", "a/1.AVRO"])),
            (&["x[1].avro"], Some(&["x[1].avro"])),
            (&["missing.avro"], Some(&["missing.avro"])),
            (&["missing*.avro"], None),
            (&["empty"], None),
            (&["a/***"], None),
            (&["a/*"], Some(&["a/1.AVRO", "a/2.avro", "a/6.txt"])),
        ];
        check_all(cases, |(paths, expected)| {
            let paths: Vec<_> = paths.iter().map(|p| root.join(p)).collect();
            let expected: Option<Vec<_>> = expected.map(|names| names.iter().map(|n| root.join(n)).collect());
            let found = expand(&paths, ".avro").ok();
            let found: Option<Vec<_>> = found.map(|found| found.into_iter().map(|found| found.path).collect());
            assert_eq!(found, expected, "{paths:?}");
        });
    }
}
