//! For the tests in this folder: bytes of a file in; what each way of reading it gives out, as batches and as JSON
//! text. Not every test uses all of it.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod imports;
pub(crate) mod json;

pub(crate) use avro_testing::ways;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the test data.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) file: Vec<u8>,
    /// The text beside it: its rows, or a piece of its error.
    pub(crate) beside: String,
}

/// All files of a folder of `testdata/`, each with the file beside it that has this ending.
pub(crate) fn cases(folder: &str, beside: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(folder);
    let cases: Vec<Case> = files_in(&folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "avro"))
        .map(|path| Case {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            file: fs::read(&path).unwrap(),
            beside: fs::read_to_string(path.with_extension(beside)).unwrap(),
        })
        .collect();
    assert!(cases.len() > 50, "the test data is not where it should be: {}", folder.display());
    cases
}

/// The files of a folder, sorted by name.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The folder of foreign projects' files, if it is there: `shared/data/avro` beside a folder around this workspace.
pub(crate) fn foreign_files() -> Option<PathBuf> {
    let around = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/data/avro"));
    let found = around.into_iter().find(|folder| folder.join("MANIFEST.tsv").is_file());
    if found.is_none() {
        println!("there is no shared/data/avro around this workspace: nothing is tested");
    }
    found
}
