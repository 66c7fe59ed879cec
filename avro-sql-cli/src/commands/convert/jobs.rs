//! Which files become which: a task in, jobs of some files to read and one place to write out.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use avro_datafusion::data_files::compression;

use super::Task;
use super::kind::Kind;
use crate::error::{Error, Result};
use crate::files::inputs::{self, Found};

/// Files that become one, or one directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) inputs: Vec<Found>,
    /// Does the output's path say which partition the rows are of?
    pub(super) keeps_directories: bool,
    /// Are they in an object store?
    pub(super) is_remote: bool,
    pub(super) output: PathBuf,
}

/// The jobs of a task: one for all its files, or one for each where they go into a directory without being divided otherwise.
pub(super) fn plan(task: &Task, extension: &str) -> Result<Vec<Job>> {
    inputs::writable(&task.output)?;
    if task.inputs.iter().any(|input| input.as_os_str() == "-") {
        return Err(Error::Usage(
            "files are converted; what comes in at standard input is by `cat - -o OUT`".to_owned(),
        ));
    }
    let is_remote = task.inputs.iter().any(|input| inputs::local(input).is_err());
    if is_remote {
        if let Some(other) = task.inputs.iter().find(|input| inputs::local(input).is_ok()) {
            return Err(Error::Usage(format!("{} is a file of this machine, and others are not", other.display())));
        }
        if task.into_directory && task.partition_by.is_empty() {
            return Err(Error::Usage("what is in object stores is converted to one file".to_owned()));
        }
        let inputs = task.inputs.iter().map(|path| Found { path: path.clone(), root: None }).collect();
        return Ok(vec![Job { inputs, keeps_directories: false, is_remote, output: task.output.clone() }]);
    }
    if !task.into_directory || !task.partition_by.is_empty() {
        let mut files = Vec::new();
        for input in &task.inputs {
            files.extend(found(input, extension)?);
        }
        return Ok(vec![Job { inputs: files, keeps_directories: false, is_remote, output: task.output.clone() }]);
    }
    let mut jobs = Vec::new();
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    for input in &task.inputs {
        for file in found(input, extension)? {
            let path = &file.path;
            let (name, keeps_directories) = match path.strip_prefix(input) {
                Ok(below) if !below.as_os_str().is_empty() => (below.to_owned(), true),
                _ => (PathBuf::from(path.file_name().unwrap_or_default()), false),
            };
            let output = task.output.join(plain(&name)).with_extension(task.format.ending());
            if let Some(other) = taken.insert(output.clone(), path.clone()) {
                return Err(Error::Failed(format!(
                    "{} and {} would both become {}",
                    other.display(),
                    path.display(),
                    output.display()
                )));
            }
            if let Some(parent) = output.parent() {
                fs::create_dir_all(parent).map_err(|e| Error::file(parent, e))?;
            }
            jobs.push(Job { inputs: vec![file], keeps_directories, is_remote, output });
        }
    }
    Ok(jobs)
}

/// The files that an input stands for. A directory without Avro files is one of files of another format.
fn found(input: &Path, extension: &str) -> Result<Vec<Found>> {
    let found = inputs::expand(&[input.to_owned()], extension);
    match &found {
        Err(_) if input.is_dir() => {
            let others = inputs::others(input, |file| Kind::of(file) != Kind::Avro)?;
            if others.is_empty() { found } else { Ok(others) }
        }
        _ => found,
    }
}

/// The name without the extension of its compression.
fn plain(name: &Path) -> PathBuf {
    match name.to_str().and_then(compression) {
        Some(_) => name.with_extension(""),
        None => name.to_owned(),
    }
}
