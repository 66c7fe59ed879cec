//! A copy in memory: its footer, what it says about itself, and its row groups as the blocks of an index.

use super::directory::{Directory, Stamp, touch};
use super::footer::CopyAbout;
use super::types::leaves;
use crate::block_index::FileIndex;
use crate::block_index::format::Identity;
use crate::block_index::model::{Bounds, IndexColumn};
use crate::schema::header_cache::ColumnKey;
use crate::schema::type_text::type_text;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::{DataType, FieldRef, Fields};
use datafusion::arrow::compute::cast;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::PageIndexPolicy;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of footers that are kept in memory. When there are more, all are dropped.
const FOOTER_BYTES: usize = 64 << 20;

/// Footers of copies, so that a session reads each once.
static LOADED: Mutex<Footers> = Mutex::new(Footers { bytes: 0, copies: None });

struct Footers {
    bytes: usize,
    copies: Option<HashMap<PathBuf, Arc<FileCopy>>>,
}

/// The copy of a file, as it was found.
#[derive(Debug)]
pub(crate) struct FileCopy {
    path: PathBuf,
    stamp: Stamp,
    pub(super) about: CopyAbout,
    footer: ArrowReaderMetadata,
    /// Position of each column, by name.
    roots: HashMap<String, usize>,
    /// The row groups as blocks of the file: each begins where a block does.
    index: Arc<FileIndex>,
}

/// An open copy.
#[derive(Debug)]
pub(crate) struct OpenCopy {
    pub(crate) file: Arc<File>,
    pub(crate) footer: ArrowReaderMetadata,
}

/// The columns of a copy that a scan reads.
#[derive(Debug, Clone)]
pub(crate) struct CopyColumns {
    pub(crate) mask: ProjectionMask,
    /// The columns, in the order of the copy.
    pub(crate) fields: Fields,
}

impl FileCopy {
    /// Returns the copy of the file with this name, if it is of this version of the file.
    pub(super) fn find(directory: &Directory, name: &str, now: &Identity) -> Option<Arc<FileCopy>> {
        let path = directory.copy_of(name);
        let copy = FileCopy::load(&path, &File::open(&path).ok()?)?;
        (copy.about.file == name && copy.about.identity.differs(now).is_none()).then_some(copy)
    }

    /// Reads the footer of a copy, or takes it from memory.
    pub(super) fn load(path: &Path, file: &File) -> Option<Arc<FileCopy>> {
        let stamp = Stamp::of(&file.metadata().ok()?);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = loaded.copies.as_ref().and_then(|copies| copies.get(path));
        if let Some(copy) = known.filter(|copy| copy.stamp == stamp) {
            return Some(Arc::clone(copy));
        }
        drop(loaded);
        let copy = Arc::new(FileCopy::read(path, file, stamp)?);
        loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.bytes += copy.footer.metadata().memory_size();
        if loaded.bytes > FOOTER_BYTES {
            *loaded = Footers { bytes: copy.footer.metadata().memory_size(), copies: None };
        }
        loaded.copies.get_or_insert_default().insert(path.to_owned(), Arc::clone(&copy));
        Some(copy)
    }

    fn read(path: &Path, file: &File, stamp: Stamp) -> Option<FileCopy> {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let footer = ArrowReaderMetadata::load(file, options).ok()?;
        let about = CopyAbout::parse(footer.metadata().file_metadata())?;
        let fields = footer.schema().fields();
        let index = index(&footer, &about)?;
        if about.columns.len() != fields.len() {
            return None;
        }
        let roots = fields.iter().enumerate().map(|(root, field)| (field.name().clone(), root)).collect();
        Some(FileCopy { path: path.to_owned(), stamp, about, roots, index: Arc::new(index), footer })
    }

    /// Returns the row groups as the blocks of an index of the file.
    pub(crate) fn index(&self) -> &Arc<FileIndex> {
        &self.index
    }

    /// Returns the number of rows.
    pub(crate) fn n_rows(&self) -> u64 {
        self.index.n_rows()
    }

    /// Returns the columns.
    pub(super) fn fields(&self) -> &Fields {
        self.footer.schema().fields()
    }

    /// Returns whether the copy has this column with these values.
    pub(crate) fn has(&self, key: &ColumnKey) -> bool {
        self.root(key).is_some()
    }

    fn root(&self, key: &ColumnKey) -> Option<usize> {
        let root = *self.roots.get(key.field.name())?;
        let (hash, _) = self.about.columns.get(root)?;
        let stored = self.fields().get(root)?;
        let is_same = *hash == key.hash && type_text(stored.data_type()) == type_text(key.field.data_type());
        is_same.then_some(root)
    }

    /// Returns where these columns are, each pruned to the fields that are read, whose whole columns have these keys;
    /// `None` if one of them is not in the copy.
    pub(crate) fn columns<'a>(
        &self,
        columns: impl IntoIterator<Item = (&'a FieldRef, &'a ColumnKey)>,
    ) -> Option<CopyColumns> {
        let columns = columns.into_iter().map(|(field, key)| Some((self.root(key)?, field)));
        let mut columns = columns.collect::<Option<Vec<_>>>()?;
        columns.sort_by_key(|(root, _)| *root);
        let leaves = leaves(self.fields(), columns.iter().copied())?;
        let fields = columns.into_iter().map(|(_, field)| Arc::clone(field)).collect();
        Some(CopyColumns { mask: ProjectionMask::leaves(self.footer.parquet_schema(), leaves), fields })
    }

    /// Opens the copy; `None` if it was removed or replaced since it was found.
    pub(crate) fn open(&self) -> Option<OpenCopy> {
        let file = File::open(&self.path).ok()?;
        let metadata = file.metadata().ok()?;
        if Stamp::of(&metadata) != self.stamp {
            return None;
        }
        touch(&file, &metadata);
        Some(OpenCopy { file: Arc::new(file), footer: self.footer.clone() })
    }

    /// Returns the path of the copy.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the bytes of the copy.
    pub(super) fn bytes(&self) -> u64 {
        self.stamp.bytes
    }
}

/// Returns the index that row groups and their statistics make; `None` if these do not match.
fn index(footer: &ArrowReaderMetadata, about: &CopyAbout) -> Option<FileIndex> {
    let groups = footer.metadata().row_groups();
    let rows = groups.iter().map(|group| u64::try_from(group.num_rows()).ok()).collect::<Option<Vec<_>>>()?;
    let is_ascending = about.starts.is_sorted() && about.starts.last() == Some(&about.identity.size);
    if about.starts.len() != groups.len() + 1 || !is_ascending {
        return None;
    }
    let mut columns = HashMap::new();
    for (field, (_, is_own)) in footer.schema().fields().iter().zip(&about.columns) {
        // The bounds of a resolved column are not those of the file's column of its name.
        if let (true, Some(to)) = (is_own, bounds_type(field.data_type()))
            && let Some(column) = statistics(footer, field, &to)
        {
            columns.insert(field.name().clone(), column);
        }
    }
    let n_rows = rows.iter().sum();
    Some(FileIndex { starts: about.starts.clone(), rows: rows.into(), n_rows, columns })
}

/// Returns the type of a column's bounds in an index, if they are used. Bounds of floats say nothing about NaN, and
/// those of enums are not by the order of an index.
pub(super) fn bounds_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Utf8 | Utf8View => Utf8,
        Binary | BinaryView => Binary,
        Boolean | Int32 | Int64 | Date32 | Time32(_) | Time64(_) | Timestamp(_, _) => data_type.clone(),
        Decimal128(_, _) | Decimal256(_, _) => data_type.clone(),
        _ => return None,
    })
}

fn statistics(footer: &ArrowReaderMetadata, field: &FieldRef, to: &DataType) -> Option<IndexColumn> {
    let groups = footer.metadata().row_groups();
    let found = StatisticsConverter::try_new(field.name(), footer.schema(), footer.parquet_schema()).ok()?;
    let found = found.with_missing_null_counts_as_zero(false);
    let bounds = |values: ArrayRef, exact: BooleanArray| {
        let exact = (0..exact.len()).map(|i| exact.is_valid(i) && exact.value(i)).collect::<Vec<_>>();
        Some(Bounds { values: cast(&values, to).ok()?, exact: exact.into() })
    };
    let nulls: UInt64Array = found.row_group_null_counts(groups).ok()?;
    let min = bounds(found.row_group_mins(groups).ok()?, found.row_group_is_min_value_exact(groups).ok()?)?;
    let max = bounds(found.row_group_maxes(groups).ok()?, found.row_group_is_max_value_exact(groups).ok()?)?;
    let n = groups.len();
    let is_complete = [min.values.len(), max.values.len(), min.exact.len(), max.exact.len(), nulls.len()] == [n; 5];
    is_complete.then_some(IndexColumn { nulls, min, max })
}
