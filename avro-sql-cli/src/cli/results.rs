//! Commands that are queries: `ls` and `summarize`.

use std::path::PathBuf;

use clap::Args;

use super::{FormatArgument, QueryArguments, Task, query};
use crate::error::Result;

/// How the rows of a command are written.
#[derive(Args)]
pub(super) struct ResultArguments {
    /// Output format (default: by the extension of -o, else table on a terminal and csv elsewhere)
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Write rows to this file, replaced only on success
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl ResultArguments {
    /// Returns the query that this SQL is.
    pub(super) fn query(self, sql: String, quiet: bool) -> Result<Task> {
        let arguments = QueryArguments {
            command: vec![sql],
            format: self.format,
            output: self.output,
            max_rows: Some(0),
            ..QueryArguments::default()
        };
        query(arguments, quiet).map(Task::Query)
    }
}

/// Returns the query of the files at these paths, which are literals. Names are relative to the working directory.
pub(super) fn files_of(paths: &str) -> String {
    let here = std::env::current_dir().ok().map(|here| format!("{}/", here.display())).unwrap_or_default();
    let name = match here.as_str() {
        "" | "//" => "file".to_owned(),
        here => format!(
            "CASE WHEN starts_with(file, {}) THEN substr(file, {}) ELSE file END AS file",
            literal(here),
            here.chars().count() + 1
        ),
    };
    format!("SELECT {name}, rows, blocks, bytes, codec, fingerprint, error FROM avro_files([{paths}]) ORDER BY 1")
}

/// Returns a text as a literal of SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
