//! A block index in memory: offset and rows of each block, and the bounds of its columns.

use super::leaves::Leaf;
use arrow_array::{ArrayRef, BooleanArray, UInt64Array};
use object_store::ObjectMeta;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The index of a file as last loaded, with the metadata of the index object.
#[derive(Debug, Default)]
pub(crate) struct CachedIndex(pub(crate) Mutex<Option<(ObjectMeta, Option<Arc<FileIndex>>)>>);

/// Bytes of a sync marker.
pub(crate) const MARKER: u64 = 16;
/// Bytes of a block without rows: two numbers and a marker.
pub(crate) const EMPTY_BLOCK: u64 = 2 + MARKER;

/// The block index of a file.
#[derive(Debug)]
pub(crate) struct FileIndex {
    /// Offset of each block, and the end of the last one.
    pub(crate) starts: Vec<u64>,
    pub(crate) rows: UInt64Array,
    pub(crate) n_rows: u64,
    pub(crate) columns: HashMap<String, IndexColumn>,
}

/// Statistics of a column per block.
#[derive(Debug, Clone)]
pub(crate) struct IndexColumn {
    pub(crate) nulls: UInt64Array,
    pub(crate) min: Bounds,
    pub(crate) max: Bounds,
}

/// Bounds per block, and whether each is a value of its block. Strings and bytes are not view arrays.
#[derive(Debug, Clone)]
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

    /// Returns the rows of each block.
    pub(crate) fn rows(&self) -> &UInt64Array {
        &self.rows
    }

    /// Returns the offset of each block, and the end of the last one.
    pub(crate) fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// Returns the statistics of the column at this path.
    pub(crate) fn column(&self, path: &str) -> Option<&IndexColumn> {
        self.columns.get(path)
    }

    /// Returns whether the index has all of these columns.
    pub(crate) fn has_columns(&self, leaves: &[Leaf]) -> bool {
        leaves.iter().all(|leaf| self.columns.contains_key(&leaf.path))
    }
}
