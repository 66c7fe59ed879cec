//! Plans the jobs of a conversion: which inputs become which output.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use avro_datafusion::data_files::compression;

use super::ConvertTask;
use super::kind::InputFormat;
use crate::error::{Error, Result};
use crate::files::inputs::{self, InputFile};

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
pub(super) fn plan(task: &ConvertTask, extension: &str) -> Result<Vec<ConvertJob>> {
    inputs::writable(&task.output)?;
    if task.inputs.iter().any(|input| input.as_os_str() == "-") {
        return Err(Error::Usage("convert does not read standard input; use avro-sql cat - -o OUT".to_owned()));
    }
    let is_remote = task.inputs.iter().any(|input| inputs::local(input).is_err());
    if is_remote {
        if let Some(other) = task.inputs.iter().find(|input| inputs::local(input).is_ok()) {
            return Err(Error::Usage(format!(
                "{} is a local file, but other inputs are URLs; convert them separately",
                other.display()
            )));
        }
        if task.into_directory && task.partition_by.is_empty() {
            return Err(Error::Usage("files in object stores can be converted to one file only".to_owned()));
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
    let mut jobs = Vec::new();
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    for input in &task.inputs {
        for file in found(input, extension)? {
            let path = &file.path;
            let (name, keeps_directories) = match path.strip_prefix(input) {
                Ok(below) if !below.as_os_str().is_empty() => (below.to_owned(), true),
                _ => (PathBuf::from(path.file_name().unwrap_or_default()), false),
            };
            let output = task.output.join(plain(&name)).with_extension(task.format.extension());
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
            jobs.push(ConvertJob { inputs: vec![file], keeps_directories, is_remote, output });
        }
    }
    Ok(jobs)
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
