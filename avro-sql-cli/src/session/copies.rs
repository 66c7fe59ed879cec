//! `COPY .. TO` a local file: changes the plan to write to a temporary name, and returns the file that is renamed at
//! the end.
//!
//! Without this, the engine finishes a Parquet file even if the query fails, which leaves a valid file with some of the
//! rows. Avro files have a sink that avoids this.

use std::fs;
use std::path::Path;

use datafusion::logical_expr::LogicalPlan;
use url::Url;

use crate::error::{Error, Result};
use crate::files::atomic_file::Written;
use crate::files::inputs;

/// Returns the plan to run instead, and the file to rename afterwards.
pub(crate) fn stage_copy_output(plan: LogicalPlan) -> Result<(LogicalPlan, Option<Written>)> {
    let LogicalPlan::Copy(mut copy) = plan else { return Ok((plan, None)) };
    if let Some(path) = at_home(&copy.output_url) {
        copy.output_url = path;
    }
    let path = Path::new(&copy.output_url).to_owned();
    is_file(&path)?;
    // Without an extension the output is a directory, with any number of files.
    let is_one = path.extension().is_some() && !copy.output_url.ends_with('/') && !path.is_dir();
    if !is_one || !copy.partition_by.is_empty() || inputs::local(&path).is_err() || copy.file_type.get_ext() == "avro" {
        copy.output_url = plain(copy.output_url);
        return Ok((LogicalPlan::Copy(copy), None));
    }
    let (hidden, written) = Written::staged(&path)?;
    match hidden.to_str() {
        Some(hidden) => copy.output_url = plain(hidden.to_owned()),
        None => return Ok((LogicalPlan::Copy(copy), None)),
    }
    Ok((LogicalPlan::Copy(copy), Some(written)))
}

/// Expands `~/`, unless there is a directory of that name.
fn at_home(path: &str) -> Option<String> {
    let below = path.strip_prefix("~/").filter(|_| !Path::new("~").exists())?;
    Some(dirs::home_dir()?.join(below).to_str()?.to_owned())
}

/// Escapes the characters of an output name that the engine would take for wildcards.
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

/// Rejects paths that are neither file nor directory: the engine takes them for directories and fails with obscure
/// errors.
fn is_file(path: &Path) -> Result<()> {
    let is_other = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if path.starts_with("/dev/fd") || path == Path::new("/dev/stdout") || path == Path::new("-") || is_other {
        return Err(Error::Failed(format!(
            "COPY writes regular files only, not {}; a query alone writes to standard output, or with -o to pipes",
            path.display()
        )));
    }
    Ok(())
}
