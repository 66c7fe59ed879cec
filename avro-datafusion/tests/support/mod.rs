//! Shared test code: Avro files, and SQL results as text.

pub(crate) mod counting;
pub(crate) mod tables;
mod tpch;

pub(crate) use avro_testing::wire::{Row, row};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::path::{Path, PathBuf};

pub(crate) const SYNC: [u8; 16] = *b"\xa5sync\x00marker\xff\xfe\xfd\x01";

/// A container file of these rows, without compression.
pub(crate) fn avro(schema: &str, rows: &[Row], rows_per_block: usize) -> Vec<u8> {
    let metadata = [("avro.codec", &b"null"[..]), ("avro.schema", schema.as_bytes())];
    avro_testing::wire::file_of_rows(&metadata, rows, rows_per_block, &SYNC)
}

/// A record schema of these fields, given as JSON.
pub(crate) fn record(fields: &[&str]) -> String {
    format!(r#"{{"type": "record", "name": "r", "fields": [{}]}}"#, fields.join(", "))
}

/// A temporary directory of files.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The text with `$DIR` for this directory.
    pub(crate) fn hide(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "$DIR")
    }

    /// The text with this directory for `$DIR`.
    pub(crate) fn show(&self, text: &str) -> String {
        text.replace("$DIR", self.0.path().to_str().unwrap())
    }
}

/// A session with Avro registered, with this many partitions.
pub(crate) fn session(partitions: usize) -> SessionContext {
    avro_datafusion::new_session(SessionConfig::new().with_target_partitions(partitions)).unwrap()
}

/// Runs a query; column names and rows as text, a line each, or the error.
pub(crate) async fn run(ctx: &SessionContext, sql: &str) -> String {
    match query(ctx, sql).await {
        Ok(batches) => lines(&batches),
        Err(e) => format!("error: {}", e.strip_backtrace()),
    }
}

pub(crate) async fn query(ctx: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    ctx.sql(sql).await?.collect().await
}

/// Column names and rows as text, a line each.
pub(crate) fn lines(batches: &[RecordBatch]) -> String {
    let options = FormatOptions::default().with_null("null");
    let mut lines = vec![];
    if let Some(first) = batches.first() {
        let names: Vec<_> = first.schema().fields().iter().map(|field| field.name().clone()).collect();
        lines.push(names.join(" | "));
    }
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for i in 0..batch.num_rows() {
            let values: Vec<_> = columns.iter().map(|column| column.value(i).to_string()).collect();
            lines.push(values.join(" | "));
        }
    }
    lines.join("\n")
}

/// Runs every case of SQL and expected text, and reports all that differ. A line `...` at the end of an expected error
/// stands for any rest.
pub(crate) async fn check(ctx: &SessionContext, dir: &Dir, cases: &[(&str, &str)]) {
    let mut wrong = vec![];
    for (sql, expected) in cases {
        let expected: Vec<_> = expected.trim().lines().map(str::trim).collect();
        let expected = expected.join("\n");
        let found = dir.hide(&run(ctx, &dir.show(sql)).await);
        let same = match expected.strip_suffix("...") {
            Some(start) => found.starts_with(start),
            None => found == expected,
        };
        if !same {
            wrong.push(format!("{sql}\n--- expected\n{expected}\n--- found\n{found}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
