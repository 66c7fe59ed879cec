//! Block indexes as data: how they are stored, what they hold in memory, and what follows from them for a query.

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

pub(crate) use model::{FileIndex, Kept};
pub(crate) use prune::{Columns, Pruner};
pub(crate) use schedule::{Schedule, SortKey};
pub(crate) use statistics::{of_file, of_files};
