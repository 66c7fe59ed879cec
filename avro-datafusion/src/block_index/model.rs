//! A block index in memory: where each block of a file is, its rows, and the bounds of its columns.

use super::leaves::Leaf;
use arrow_array::{ArrayRef, BooleanArray, UInt64Array};
use object_store::ObjectMeta;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The index of a file that was looked at last, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Kept(pub(crate) Mutex<Option<(ObjectMeta, Option<Arc<FileIndex>>)>>);

/// Bytes of a sync marker.
pub(crate) const MARKER: u64 = 16;
/// Bytes of a block of nothing: two numbers and a marker.
pub(crate) const EMPTY_BLOCK: u64 = 2 + MARKER;

/// What is known of a file's blocks.
#[derive(Debug)]
pub(crate) struct FileIndex {
    /// Where each block begins, and where the last one ends.
    pub(crate) starts: Vec<u64>,
    pub(crate) rows: UInt64Array,
    pub(crate) n_rows: u64,
    pub(crate) columns: HashMap<String, IndexColumn>,
}

/// What is known of a column, block by block.
#[derive(Debug)]
pub(crate) struct IndexColumn {
    pub(crate) nulls: UInt64Array,
    pub(crate) min: Bounds,
    pub(crate) max: Bounds,
}

/// Bounds, and which of them are values of their block. As strings and bytes that are no views.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) values: ArrayRef,
    pub(crate) exact: BooleanArray,
}

impl FileIndex {
    pub(crate) fn n_blocks(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The rows of each block.
    pub(crate) fn rows(&self) -> &UInt64Array {
        &self.rows
    }

    /// Where each block begins, and where the last one ends.
    pub(crate) fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// What is known of the column at this path.
    pub(crate) fn column(&self, path: &str) -> Option<&IndexColumn> {
        self.columns.get(path)
    }

    /// Are these all of its columns, or some of them?
    pub(crate) fn has_columns(&self, leaves: &[Leaf]) -> bool {
        leaves.iter().all(|leaf| self.columns.contains_key(&leaf.path))
    }
}
