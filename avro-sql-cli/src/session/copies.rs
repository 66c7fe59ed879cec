//! `COPY .. TO` a file of this machine: the plan in; the plan that writes it under a hidden name, and the file that takes its name at the end, out.
//!
//! Left alone, the engine ends a Parquet file like any other when the query fails: under its name there would then be a good file of
//! some of the rows. Avro files are written by a sink that knows better.

use std::fs;
use std::path::Path;

use datafusion::logical_expr::LogicalPlan;
use url::Url;

use crate::error::{Error, Result};
use crate::files::atomic_file::Written;
use crate::files::inputs;

/// The plan to run instead, and what to commit when it has been.
pub(crate) fn aside(plan: LogicalPlan) -> Result<(LogicalPlan, Option<Written>)> {
    let LogicalPlan::Copy(mut copy) = plan else { return Ok((plan, None)) };
    if let Some(path) = at_home(&copy.output_url) {
        copy.output_url = path;
    }
    let path = Path::new(&copy.output_url).to_owned();
    is_file(&path)?;
    // Without an ending it is a directory, of whatever number of files.
    let is_one = path.extension().is_some() && !copy.output_url.ends_with('/') && !path.is_dir();
    if !is_one || !copy.partition_by.is_empty() || inputs::local(&path).is_err() || copy.file_type.get_ext() == "avro" {
        copy.output_url = plain(copy.output_url);
        return Ok((LogicalPlan::Copy(copy), None));
    }
    let (hidden, written) = Written::aside(&path)?;
    match hidden.to_str() {
        Some(hidden) => copy.output_url = plain(hidden.to_owned()),
        None => return Ok((LogicalPlan::Copy(copy), None)),
    }
    Ok((LogicalPlan::Copy(copy), Some(written)))
}

/// The path that `~/` means, unless there is a directory of that name.
fn at_home(path: &str) -> Option<String> {
    let below = path.strip_prefix("~/").filter(|_| !Path::new("~").exists())?;
    Some(dirs::home_dir()?.join(below).to_str()?.to_owned())
}

/// A path as the engine reads it: it takes some characters for wildcards, which are characters in the name of a file to write.
fn plain(path: String) -> String {
    if !path.contains(['*', '?', '[']) || path.contains("://") {
        return path;
    }
    let Ok(absolute) = std::path::absolute(&path) else { return path };
    let url = match path.ends_with('/') {
        true => Url::from_directory_path(absolute),
        false => Url::from_file_path(absolute),
    };
    url.map_or(path, String::from)
}

/// What is neither a file nor a directory the engine takes for a directory, and fails in ways that nobody understands.
fn is_file(path: &Path) -> Result<()> {
    let is_other = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if path.starts_with("/dev/fd") || path == Path::new("/dev/stdout") || path == Path::new("-") || is_other {
        return Err(Error::Failed(format!(
            "COPY writes files, and {} is none; a query by itself writes to standard output, or with -o to pipes, in any --format",
            path.display()
        )));
    }
    Ok(())
}
