//! `COPY .. TO` a local file or an object store: changes where the plan writes, and returns what appears at the end.
//!
//! Without this, the engine finishes a Parquet file even if the query fails, which leaves a valid file with some of the
//! rows, or the parts of an upload. Avro files have a sink that avoids this.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use avro_datafusion::{StagedWrites, expand_home};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::prelude::SessionContext;
use url::Url;

use crate::error::{Error, Result};
use crate::files::atomic_file::Written;
use crate::files::inputs;

/// What a statement has written and is not there yet.
pub(crate) enum Staged {
    /// Nothing, or the statement's own sink makes it appear.
    Nothing,
    File(Written),
    Objects(StagedWrites),
}

impl Staged {
    /// Whether the statement writes files that appear before it has finished.
    pub(crate) fn appears_in_parts(&self, plan: &LogicalPlan) -> bool {
        match (self, plan) {
            (Staged::Nothing, LogicalPlan::Copy(copy)) => copy.file_type.get_ext() != "avro",
            (_, LogicalPlan::Dml(_)) => true,
            _ => false,
        }
    }

    /// Makes it appear.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Staged::Nothing => Ok(()),
            Staged::File(file) => file.commit(),
            Staged::Objects(writes) => Ok(writes.commit().await?),
        }
    }
}

/// Returns the session and the plan to run instead, and what appears afterwards.
pub(crate) fn stage(context: &SessionContext, plan: LogicalPlan) -> Result<(SessionContext, LogicalPlan, Staged)> {
    let plan = nested_as_text(plan)?;
    match &plan {
        LogicalPlan::Copy(copy)
            if inputs::local(Path::new(&copy.output_url)).is_err() && copy.file_type.get_ext() != "avro" =>
        {
            let (context, writes) = StagedWrites::begin(context)?;
            Ok((context, plan, Staged::Objects(writes)))
        }
        _ => {
            let (plan, written) = stage_file(plan)?;
            Ok((context.clone(), plan, written.map_or(Staged::Nothing, Staged::File)))
        }
    }
}

/// Casts nested columns that are copied to CSV to text, which is JSON: the format has no nested values.
fn nested_as_text(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Copy(mut copy) = plan else { return Ok(plan) };
    let is_nested = |field: &Field| field.data_type().is_nested();
    let has_nested = copy.input.schema().fields().iter().any(|field| is_nested(field));
    if !matches!(copy.file_type.get_ext().as_str(), "csv" | "tsv" | "tab") || !has_nested {
        return Ok(LogicalPlan::Copy(copy));
    }
    let column = |(table, field): (Option<&TableReference>, &FieldRef)| {
        let column = Expr::Column(Column::new(table.cloned(), field.name()));
        match is_nested(field) {
            true => cast(column, DataType::Utf8).alias(field.name()),
            false => column,
        }
    };
    let columns: Vec<_> = copy.input.schema().iter().map(column).collect();
    copy.input = Arc::new(LogicalPlanBuilder::from(copy.input.as_ref().clone()).project(columns)?.build()?);
    Ok(LogicalPlan::Copy(copy))
}

/// Returns the plan to run instead, and the local file to rename afterwards.
fn stage_file(plan: LogicalPlan) -> Result<(LogicalPlan, Option<Written>)> {
    let LogicalPlan::Copy(mut copy) = plan else { return Ok((plan, None)) };
    if let Some(path) = expand_home(&copy.output_url) {
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

/// Escapes the characters of an output name that the engine would take for wildcards.
pub(super) fn plain(path: String) -> String {
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
