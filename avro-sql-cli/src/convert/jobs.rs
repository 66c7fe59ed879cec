//! Which files become which: a task in, jobs of some files to read and one place to write out.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Task;
use super::source::Kind;
use crate::error::{Error, Result};
use crate::inputs;

/// Files that become one, or one directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) inputs: Vec<PathBuf>,
    /// Are they in an object store?
    pub(super) is_remote: bool,
    pub(super) output: PathBuf,
}

/// The jobs of a task: one for all its files, or one for each where they go into a directory without being divided otherwise.
pub(super) fn plan(task: &Task) -> Result<Vec<Job>> {
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
        return Ok(vec![Job { inputs: task.inputs.clone(), is_remote, output: task.output.clone() }]);
    }
    if !task.into_directory || !task.partition_by.is_empty() {
        let mut files = Vec::new();
        for input in &task.inputs {
            files.extend(found(input)?);
        }
        return Ok(vec![Job { inputs: files, is_remote, output: task.output.clone() }]);
    }
    let mut jobs = Vec::new();
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    for input in &task.inputs {
        for file in found(input)? {
            let name = match file.strip_prefix(input) {
                Ok(below) if !below.as_os_str().is_empty() => below.to_owned(),
                _ => PathBuf::from(file.file_name().unwrap_or_default()),
            };
            let output = task.output.join(name).with_extension(task.format.ending());
            if let Some(other) = taken.insert(output.clone(), file.clone()) {
                return Err(Error::Failed(format!(
                    "{} and {} would both become {}",
                    other.display(),
                    file.display(),
                    output.display()
                )));
            }
            if let Some(parent) = output.parent() {
                fs::create_dir_all(parent).map_err(|e| Error::file(parent, e))?;
            }
            jobs.push(Job { inputs: vec![file], is_remote, output });
        }
    }
    Ok(jobs)
}

/// The files that an input stands for. A directory without Avro files is one of files of another format.
fn found(input: &Path) -> Result<Vec<PathBuf>> {
    let input = [input.to_owned()];
    if let [directory] = &input
        && directory.is_dir()
        && let Err(no_avro) = inputs::expand(&input)
    {
        return match inputs::expand_to(&input, |file| Kind::of(file) != Kind::Avro) {
            Ok(files) => Ok(files),
            Err(_) => Err(no_avro),
        };
    }
    inputs::expand(&input)
}
