//! Decoded columns of a file in memory. All columns of a file are cut into the same groups of rows.

use super::copy::bounds_type;
use super::keys::keyed_columns;
use crate::block_index::FileIndex;
use crate::block_index::format::Identity;
use crate::block_index::model::{Bounds, IndexColumn};
use crate::options::read::AvroOptions;
use crate::projection::DecodeColumns;
use crate::schema::header_cache::{ColumnKey, FileSchema};
use crate::schema::reader_schema::ReaderSchema;
use crate::schema::type_text::type_text;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::{DataType, FieldRef, Schema};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion_functions_aggregate_common::min_max::{max_batch, min_batch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Columns of a version of a file.
#[derive(Debug)]
pub(crate) struct FileColumns {
    pub(super) identity: Identity,
    /// The groups as blocks of the file: each begins where a block does.
    index: Arc<FileIndex>,
    columns: Vec<Arc<CachedColumn>>,
}

/// A column, or some fields of one.
#[derive(Debug)]
pub(crate) struct CachedColumn {
    /// The column as it was decoded.
    pub(crate) field: FieldRef,
    /// Tells what decides its values, see [`ColumnKey`].
    hash: String,
    /// The values of each group.
    pub(crate) groups: Vec<ArrayRef>,
    bounds: Option<IndexColumn>,
    /// The memory of the values, as the session's pool counts it.
    memory: MemoryReservation,
    /// When a scan used it last, by the clock of its cache.
    used: AtomicU64,
}

/// The decoded rows of a group.
pub(super) struct GroupColumns {
    /// Offset of its first block.
    pub(super) start: u64,
    pub(super) rows: usize,
    pub(super) columns: Vec<GroupValues>,
}

/// The values of a column in a group.
pub(super) struct GroupValues {
    pub(super) values: ArrayRef,
    /// Number of nulls, minimum and maximum, if the type has an order.
    pub(super) bounds: Option<(u64, ScalarValue, ScalarValue)>,
}

impl GroupValues {
    pub(super) fn new(values: ArrayRef) -> Result<GroupValues> {
        let bounds = match bounds_type(values.data_type()) {
            Some(_) => Some((values.null_count() as u64, min_batch(&values)?, max_batch(&values)?)),
            None => None,
        };
        Ok(GroupValues { values, bounds })
    }
}

impl FileColumns {
    /// Creates the columns of a file from its groups. `body` are the first byte after the header and the length of the
    /// file. Each column has a key and a memory reservation.
    pub(super) fn new(
        identity: Identity,
        (first, len): (u64, u64),
        groups: Vec<GroupColumns>,
        columns: Vec<(FieldRef, Arc<ColumnKey>, MemoryReservation)>,
    ) -> Result<FileColumns> {
        let mut starts: Vec<u64> = groups.iter().map(|group| group.start).collect();
        // Blocks without rows belong to the group before, at the start of the file to the first.
        if let Some(start) = starts.first_mut() {
            *start = first;
        }
        starts.push(len);
        let rows: UInt64Array = groups.iter().map(|group| group.rows as u64).collect::<Vec<_>>().into();
        let mut values: Vec<Vec<GroupValues>> = columns.iter().map(|_| vec![]).collect();
        for group in groups {
            values.iter_mut().zip(group.columns).for_each(|(column, group)| column.push(group));
        }
        let new =
            |((field, key, memory), groups): ((FieldRef, Arc<ColumnKey>, MemoryReservation), Vec<GroupValues>)| {
                // The bounds of a resolved column are not those of the file's column of its name.
                let bounds = if key.is_own { index_column(field.data_type(), &groups)? } else { None };
                let groups = groups.into_iter().map(|group| group.values).collect();
                let hash = key.hash.clone();
                Ok(Arc::new(CachedColumn { field, hash, groups, bounds, memory, used: AtomicU64::new(0) }))
            };
        let columns = columns.into_iter().zip(values).map(new).collect::<Result<Vec<_>>>()?;
        let n_rows = rows.values().iter().sum();
        Ok(FileColumns::of(identity, FileIndex { starts, rows, n_rows, columns: Default::default() }, columns))
    }

    fn of(identity: Identity, mut index: FileIndex, columns: Vec<Arc<CachedColumn>>) -> FileColumns {
        let bounds =
            columns.iter().filter_map(|column| Some((column.field.name().clone(), column.bounds.clone()?))).collect();
        index.columns = bounds;
        FileColumns { identity, index: Arc::new(index), columns }
    }

    /// Returns these columns with those of another set, of the same version of the file. If the groups differ, only the
    /// other columns remain.
    pub(super) fn with(&self, other: FileColumns) -> FileColumns {
        if self.index.starts() != other.index.starts() || self.index.rows() != other.index.rows() {
            return other;
        }
        // A column that has all fields of another replaces it.
        let is_replaced = |old: &&Arc<CachedColumn>| !other.columns.iter().any(|new| new.covers_column(old));
        let old = self.columns.iter().filter(is_replaced).cloned();
        let columns = old.chain(other.columns.iter().cloned()).collect();
        FileColumns::of(other.identity, self.bare_index(), columns)
    }

    /// Returns these columns without some.
    pub(super) fn without(&self, gone: impl Fn(&Arc<CachedColumn>) -> bool) -> FileColumns {
        let columns = self.columns.iter().filter(|column| !gone(column)).cloned().collect();
        FileColumns::of(self.identity.clone(), self.bare_index(), columns)
    }

    fn bare_index(&self) -> FileIndex {
        FileIndex {
            starts: self.index.starts().to_vec(),
            rows: self.index.rows().clone(),
            n_rows: self.index.n_rows(),
            columns: Default::default(),
        }
    }

    /// Returns the groups as the blocks of an index of the file.
    pub(crate) fn index(&self) -> &Arc<FileIndex> {
        &self.index
    }

    pub(super) fn columns(&self) -> &[Arc<CachedColumn>] {
        &self.columns
    }

    /// Returns the bytes of all columns.
    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.bytes()).sum()
    }

    /// Returns the columns that a scan decodes, which a program reads as `program`; `None` if one is missing.
    pub(crate) fn of_scan(
        &self,
        file: &FileSchema,
        reader: &ReaderSchema,
        options: &AvroOptions,
        decoded: &DecodeColumns,
        program: &Schema,
    ) -> Option<Vec<Arc<CachedColumn>>> {
        self.find(&keyed_columns(file, reader, options, decoded, program)?)
    }

    /// Returns where these columns are, each pruned to the fields that are read, whose whole columns have these keys;
    /// `None` if one is missing.
    pub(super) fn find(&self, wanted: &[(FieldRef, Arc<ColumnKey>)]) -> Option<Vec<Arc<CachedColumn>>> {
        let column = |(field, key): &(FieldRef, Arc<ColumnKey>)| {
            let fits = |column: &&Arc<CachedColumn>| column.covers(field, &key.hash);
            self.columns.iter().find(fits).cloned()
        };
        wanted.iter().map(column).collect()
    }
}

impl CachedColumn {
    fn covers(&self, field: &FieldRef, hash: &str) -> bool {
        self.field.name() == field.name() && self.hash == hash && covers(self.field.data_type(), field.data_type())
    }

    fn covers_column(&self, other: &CachedColumn) -> bool {
        self.covers(&other.field, &other.hash)
    }

    pub(super) fn bytes(&self) -> usize {
        self.memory.size()
    }

    /// Returns when a scan used it last.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Records that a scan uses the column.
    pub(crate) fn touch(&self, now: u64) {
        self.used.fetch_max(now, Ordering::Relaxed);
    }
}

/// Returns whether values of a type have all fields of a pruned type.
fn covers(whole: &DataType, pruned: &DataType) -> bool {
    match (whole, pruned) {
        (whole, pruned) if type_text(whole) == type_text(pruned) => true,
        (DataType::Struct(whole), DataType::Struct(pruned)) => pruned.iter().all(|field| {
            let found = whole.find(field.name());
            found.is_some_and(|(_, whole)| covers(whole.data_type(), field.data_type()))
        }),
        (DataType::List(whole), DataType::List(pruned)) => covers(whole.data_type(), pruned.data_type()),
        _ => false,
    }
}

/// Returns the bounds of a column's groups, if its type has an order.
fn index_column(data_type: &DataType, groups: &[GroupValues]) -> Result<Option<IndexColumn>> {
    let Some(to) = bounds_type(data_type).filter(|_| !groups.is_empty()) else { return Ok(None) };
    let Some(known) = groups.iter().map(|group| group.bounds.as_ref()).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let bounds = |value: &dyn Fn(&(u64, ScalarValue, ScalarValue)) -> ScalarValue| {
        let values = ScalarValue::iter_to_array(known.iter().map(|bounds| value(bounds)))?;
        Ok::<_, datafusion::common::DataFusionError>(Bounds {
            values: cast(&values, &to)?,
            exact: BooleanArray::from(vec![true; known.len()]),
        })
    };
    let nulls = known.iter().map(|bounds| bounds.0).collect::<Vec<_>>().into();
    Ok(Some(IndexColumn { nulls, min: bounds(&|bounds| bounds.1.clone())?, max: bounds(&|bounds| bounds.2.clone())? }))
}
