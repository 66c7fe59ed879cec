//! Shared test code: a small Avro writer, and SQL results as text.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod counting;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::path::{Path, PathBuf};

/// The bytes of one value or row, written from left to right.
#[derive(Debug, Clone, Default)]
pub struct Row(pub Vec<u8>);

pub fn row() -> Row {
    Row::default()
}

impl Row {
    /// An int, a long, a union's branch, an enum's symbol or an item count.
    pub fn long(mut self, value: i64) -> Self {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        self
    }

    pub fn string(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    pub fn bytes(self, value: &[u8]) -> Self {
        self.long(value.len() as i64).raw(value)
    }

    pub fn double(self, value: f64) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn float(self, value: f32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    /// As it is: `fixed`, booleans.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

pub const SYNC: [u8; 16] = *b"\xa5sync\x00marker\xff\xfe\xfd\x01";

/// A container file of these rows, without compression.
pub fn avro(schema: &str, rows: &[Row], rows_per_block: usize) -> Vec<u8> {
    let header = row().raw(b"Obj\x01").long(2).string("avro.codec").bytes(b"null").string("avro.schema").string(schema);
    let mut file = header.long(0).raw(&SYNC);
    for block in rows.chunks(rows_per_block.max(1)) {
        let data: Vec<u8> = block.iter().flat_map(|row| row.0.iter().copied()).collect();
        file = file.long(block.len() as i64).bytes(&data).raw(&SYNC);
    }
    file.0
}

/// A record schema of these fields, given as JSON.
pub fn record(fields: &[&str]) -> String {
    format!(r#"{{"type": "record", "name": "r", "fields": [{}]}}"#, fields.join(", "))
}

/// A temporary directory of files.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The text with `$DIR` for this directory.
    pub fn hide(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "$DIR")
    }

    /// The text with this directory for `$DIR`.
    pub fn show(&self, text: &str) -> String {
        text.replace("$DIR", self.0.path().to_str().unwrap())
    }
}

/// A session with Avro registered, with this many partitions.
pub fn session(partitions: usize) -> SessionContext {
    avro_datafusion::new_session(SessionConfig::new().with_target_partitions(partitions)).unwrap()
}

/// Runs a query; column names and rows as text, a line each, or the error.
pub async fn run(ctx: &SessionContext, sql: &str) -> String {
    match query(ctx, sql).await {
        Ok(batches) => lines(&batches),
        Err(e) => format!("error: {}", e.strip_backtrace()),
    }
}

pub async fn query(ctx: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    ctx.sql(sql).await?.collect().await
}

/// Column names and rows as text, a line each.
pub fn lines(batches: &[RecordBatch]) -> String {
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
pub async fn check(ctx: &SessionContext, dir: &Dir, cases: &[(&str, &str)]) {
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
