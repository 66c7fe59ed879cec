//! Plans the jobs of a conversion: which inputs become which output.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use avro_datafusion::StoredFile;
use avro_datafusion::data_files::compression;

use super::ConvertTask;
use super::kind::InputFormat;
use crate::error::{Error, Result};
use crate::files::inputs::{self, InputFile};
use crate::files::upload;

/// Files that become one file or one partitioned directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConvertJob {
    pub(super) inputs: Vec<InputFile>,
    /// Whether the output path already contains the partition directories.
    pub(super) keeps_directories: bool,
    /// Whether the inputs are in an object store.
    pub(super) is_remote: bool,
    pub(super) output: PathBuf,
}

/// Returns the jobs of a task: one for all files, or one for each file if the output is an unpartitioned directory.
/// `find` lists the files at a URL.
pub(super) fn plan(
    task: &ConvertTask,
    extension: &str,
    find: impl Fn(&Path) -> Result<Vec<StoredFile>>,
) -> Result<Vec<ConvertJob>> {
    let is_remote = task.inputs.iter().any(|input| inputs::local(input).is_err());
    if is_remote {
        if let Some(other) = task.inputs.iter().find(|input| inputs::local(input).is_ok()) {
            return Err(Error::Usage(format!(
                "{} is a local file, but other inputs are URLs; convert them separately",
                other.display()
            )));
        }
        if task.into_directory && task.partition_by.is_empty() {
            return each_stored(task, find);
        }
        let inputs = task.inputs.iter().map(|path| InputFile { path: path.clone(), root: None }).collect();
        return Ok(vec![ConvertJob { inputs, keeps_directories: false, is_remote, output: task.output.clone() }]);
    }
    if !task.into_directory || !task.partition_by.is_empty() {
        let mut files = Vec::new();
        for input in &task.inputs {
            files.extend(found(input, extension)?);
        }
        return Ok(vec![ConvertJob {
            inputs: files,
            keeps_directories: false,
            is_remote,
            output: task.output.clone(),
        }]);
    }
    let mut outputs = Outputs::default();
    let mut jobs = Vec::new();
    for input in &task.inputs {
        for file in found(input, extension)? {
            let path = &file.path;
            let (name, keeps_directories) = match path.strip_prefix(input) {
                Ok(below) if !below.as_os_str().is_empty() => (below.to_owned(), true),
                _ => (PathBuf::from(path.file_name().unwrap_or_default()), false),
            };
            let output = outputs.of(task, path, &name)?;
            jobs.push(ConvertJob { inputs: vec![file], keeps_directories, is_remote, output });
        }
    }
    Ok(jobs)
}

/// Returns a job for each file in object stores.
fn each_stored(task: &ConvertTask, find: impl Fn(&Path) -> Result<Vec<StoredFile>>) -> Result<Vec<ConvertJob>> {
    let mut outputs = Outputs::default();
    let mut jobs = Vec::new();
    for input in &task.inputs {
        for file in find(input)? {
            let path = PathBuf::from(upload::escaped(&file.name()));
            let below: PathBuf = file.below().into_iter().collect();
            let name = match below.as_os_str().is_empty() {
                true => PathBuf::from(path.file_name().unwrap_or_default()),
                false => below,
            };
            let output = outputs.of(task, &path, &name)?;
            // A file that is named has no columns of its directories, which the output keeps.
            let inputs = vec![InputFile { path, root: None }];
            jobs.push(ConvertJob { inputs, keeps_directories: false, is_remote: true, output });
        }
    }
    Ok(jobs)
}

/// The outputs in a directory, and their inputs.
#[derive(Default)]
struct Outputs(HashMap<PathBuf, PathBuf>);

impl Outputs {
    /// Returns the output of an input with this name below the directory, and creates local directories.
    fn of(&mut self, task: &ConvertTask, input: &Path, name: &Path) -> Result<PathBuf> {
        let name = plain(name).with_extension(task.format.extension());
        let is_url = upload::is_url(&task.output);
        let output = match is_url {
            true => upload::below(&task.output, &name.to_string_lossy()),
            false => task.output.join(name),
        };
        if let Some(other) = self.0.insert(output.clone(), input.to_owned()) {
            return Err(Error::Failed(format!(
                "{} and {} would both become {}",
                other.display(),
                input.display(),
                output.display()
            )));
        }
        if let Some(parent) = output.parent().filter(|_| !is_url) {
            fs::create_dir_all(parent).map_err(|e| Error::file(parent, e))?;
        }
        Ok(output)
    }
}

/// Returns the files of an input. A directory without Avro files is one of files of another format.
fn found(input: &Path, extension: &str) -> Result<Vec<InputFile>> {
    let found = inputs::expand(&[input.to_owned()], extension);
    match &found {
        Err(_) if input.is_dir() => {
            let others = inputs::others(input, |file| InputFormat::from_path(file) != InputFormat::Avro)?;
            if others.is_empty() { found } else { Ok(others) }
        }
        _ => found,
    }
}

/// Returns the name without the extension of its compression.
fn plain(name: &Path) -> PathBuf {
    match name.to_str().and_then(compression) {
        Some(_) => name.with_extension(""),
        None => name.to_owned(),
    }
}
