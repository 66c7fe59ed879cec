//! What scans report without failing: skipped blocks and warnings, for Python to ask for.

use crate::error::text;
use avro_datafusion::{DamagedBlock, ScanObserver};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of each kind that are kept.
const KEPT_MAX: usize = 100_000;

/// Skipped blocks and warnings.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    /// By file and offset, so that a block that is read twice is one.
    skipped: BTreeMap<(String, u64), Skipped>,
    warnings: BTreeSet<String>,
}

#[derive(Clone)]
struct Skipped {
    block: u64,
    rows: Option<u64>,
    n_bytes: u64,
    message: String,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the skipped blocks as dicts.
    pub(crate) fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let skipped = self.lock().skipped.clone();
        let dict = |((path, offset), block): ((String, u64), Skipped)| {
            let dict = PyDict::new(py);
            dict.set_item("path", path)?;
            dict.set_item("block", block.block)?;
            dict.set_item("offset", offset)?;
            dict.set_item("bytes", block.n_bytes)?;
            dict.set_item("rows", block.rows)?;
            dict.set_item("message", block.message)?;
            Ok(dict)
        };
        skipped.into_iter().map(dict).collect()
    }

    /// Returns the warnings.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.lock().warnings.iter().cloned().collect()
    }
}

impl ScanObserver for Notes {
    fn block_skipped(&self, file: &str, block: &DamagedBlock) {
        let skipped = Skipped {
            block: block.block,
            rows: block.rows,
            n_bytes: block.bytes,
            message: text(&block.error.to_string()),
        };
        let mut inner = self.lock();
        if inner.skipped.len() < KEPT_MAX {
            inner.skipped.insert((file.to_owned(), block.offset), skipped);
        }
    }

    fn warning(&self, message: &str) {
        let mut inner = self.lock();
        if inner.warnings.len() < KEPT_MAX {
            inner.warnings.insert(text(message));
        }
    }
}
