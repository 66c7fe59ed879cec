//! Skipped blocks and warnings of scans: collects them during a statement and prints each once after it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use avro_datafusion::{DamagedBlock, ScanObserver};

use crate::error::{n_of, one_line, print_note};

/// Maximum number of lines of a kind that are kept. Further blocks are printed at once, further warnings dropped.
const LINES_MAX: usize = 100_000;

/// The notes of scans since they were last printed.
#[derive(Default)]
pub(crate) struct ScanNotes(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    /// A line for each skipped block, by file and offset: a block that is read twice has one line.
    skipped: BTreeMap<(String, u64), String>,
    warnings: BTreeSet<String>,
    /// Warnings that were printed, which are not repeated in later statements.
    printed: BTreeSet<String>,
}

impl ScanNotes {
    /// Prints the skipped blocks in the order of files and offsets, then new warnings.
    pub(crate) fn print(&self) {
        let mut notes = self.lock();
        mem::take(&mut notes.skipped).into_values().for_each(|line| print_note(&line));
        let mut warnings = mem::take(&mut notes.warnings);
        warnings.iter().for_each(|line| print_note(&format!("avro-sql: warning: {line}")));
        notes.printed.append(&mut warnings);
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScanObserver for ScanNotes {
    fn block_skipped(&self, file: &str, damaged: &DamagedBlock) {
        let line = skipped_line(file, damaged);
        let mut notes = self.lock();
        if notes.skipped.len() < LINES_MAX {
            notes.skipped.insert((file.to_owned(), damaged.offset), line);
        } else {
            print_note(&line);
        }
    }

    fn warning(&self, message: &str) {
        let line = one_line(message);
        let mut notes = self.lock();
        if notes.warnings.len() + notes.printed.len() < LINES_MAX && !notes.printed.contains(&line) {
            notes.warnings.insert(line);
        }
    }
}

/// Returns one line about a skipped block.
pub(crate) fn skipped_line(file: &str, damaged: &DamagedBlock) -> String {
    let rows = damaged.rows.map_or("an unknown number of rows".to_owned(), |n| n_of(n, "row"));
    one_line(&format!("avro-sql: {file}: skipped {rows} in {}: {}", n_of(damaged.bytes, "byte"), damaged.error))
}
