//! Damaged blocks that were skipped under `--lenient`, in; lines on standard error, out: after a statement, in the order of
//! files and of what is in them.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use avro_datafusion::{DamageSink, DamagedBlock};

use crate::error::{aside, n_of, one_line};

/// Lines kept until the statement ends. Beyond these, which is beyond what anybody reads, they are said at once.
const LINES_MAX: usize = 100_000;

/// What was skipped since it was last said: a block that is read twice is said once.
#[derive(Default)]
pub(crate) struct Skipped(Mutex<BTreeMap<(String, u64), String>>);

impl Skipped {
    /// Says what was skipped.
    pub(crate) fn say(&self) {
        let lines = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        lines.into_values().for_each(|line| aside(&line));
    }
}

impl DamageSink for Skipped {
    fn skipped(&self, file: &str, damaged: &DamagedBlock) {
        let line = line(file, damaged);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.insert((file.to_owned(), damaged.offset), line);
        } else {
            aside(&line);
        }
    }
}

/// One line about one block.
pub(crate) fn line(file: &str, damaged: &DamagedBlock) -> String {
    let rows = damaged.rows.map_or("an unknown number of rows".to_owned(), |n| n_of(n, "row"));
    one_line(&format!("avro-sql: {file}: skipped {rows} in {}: {}", n_of(damaged.bytes, "byte"), damaged.error))
}
