//! Warnings of queries, such as of a block index that is not used, in; lines on standard error, out: after a statement, each once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use avro_datafusion::WarningSink;

use crate::error::{aside, one_line};

/// Lines that are remembered so as not to be said twice. Beyond these, which is beyond what anybody reads, no more are said.
const LINES_MAX: usize = 100_000;

/// What there was to warn of.
#[derive(Default)]
pub(crate) struct Warned(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    /// To be said.
    new: BTreeSet<String>,
    said: BTreeSet<String>,
}

impl Warned {
    /// Says what was not said before.
    pub(crate) fn say(&self) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = std::mem::take(&mut lines.new);
        new.iter().for_each(|line| aside(&format!("avro-sql: warning: {line}")));
        lines.said.append(&mut new);
    }
}

impl WarningSink for Warned {
    fn warn(&self, message: &str) {
        let line = one_line(message);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.new.len() + lines.said.len() < LINES_MAX && !lines.said.contains(&line) {
            lines.new.insert(line);
        }
    }
}
