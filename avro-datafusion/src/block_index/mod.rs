//! Block indexes as data: file format, in-memory model, and what queries derive from them.

pub(crate) mod collect;
pub(crate) mod format;
pub(crate) mod leaves;
pub(crate) mod matching;
pub(crate) mod model;
pub(crate) mod place;
pub(crate) mod prune;
pub(crate) mod schedule;
pub(crate) mod statistics;
pub(crate) mod value;

#[cfg(feature = "cluster")]
pub(crate) use model::MARKER;
pub(crate) use model::{CachedIndex, FileIndex};
pub(crate) use prune::{ColumnMapping, Pruner};
pub(crate) use schedule::{BlockSchedule, SortKey};
pub(crate) use statistics::{of_file, of_files};
