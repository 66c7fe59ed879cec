//! Table statistics for the planner, from the indexes of all files: row counts, min and max values.

use super::matching::TableColumn;
use super::model::FileIndex;
use super::prune::ColumnMapping;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::{DataType, SchemaRef, SortOptions};
use datafusion::arrow::compute::sort_to_indices;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};

/// Returns the statistics of the projected columns in a file: exact row and null counts, and bounds.
pub(crate) fn of_file(index: &FileIndex, columns: ColumnMapping<'_>, projection: &[usize]) -> Statistics {
    let is_wanted = |i: &usize| projection.contains(i);
    let column = |(i, field): (usize, &arrow_schema::FieldRef)| match Some(i)
        .filter(is_wanted)
        .and_then(|i| columns.known(index, i, &[]))
    {
        Some((known, _)) => of_column(&known, index, field.data_type()),
        None => ColumnStatistics::new_unknown(),
    };
    Statistics {
        num_rows: exact(index.n_rows()),
        total_byte_size: Precision::Absent,
        column_statistics: columns.table.fields().iter().enumerate().map(column).collect(),
    }
}

/// Merges the statistics of all files. Partition columns, which follow the columns of the files, are unknown.
pub(crate) fn of_files(files: Vec<Statistics>, table: &SchemaRef) -> Option<Statistics> {
    let mut files = files.into_iter();
    let mut all = files.next()?;
    for file in files {
        all.num_rows = all.num_rows.add(&file.num_rows);
        for (a, b) in all.column_statistics.iter_mut().zip(file.column_statistics) {
            a.null_count = a.null_count.add(&b.null_count);
            // A file without values has no bounds, so the merged column has none.
            a.min_value = a.min_value.min(&b.min_value);
            a.max_value = a.max_value.max(&b.max_value);
        }
    }
    all.column_statistics.resize(table.fields().len(), ColumnStatistics::new_unknown());
    Some(all)
}

fn exact(n: u64) -> Precision<usize> {
    usize::try_from(n).map_or(Precision::Absent, Precision::Exact)
}

fn of_column(known: &TableColumn, index: &FileIndex, data_type: &DataType) -> ColumnStatistics {
    let nulls = known.nulls.iter().try_fold(0u64, |sum, nulls| sum.checked_add(nulls?));
    let mut column =
        ColumnStatistics { null_count: nulls.map_or(Precision::Absent, exact), ..ColumnStatistics::new_unknown() };
    // DataFusion's min value of such a column has another type.
    if !matches!(data_type, DataType::Dictionary(_, _)) {
        let extreme = |bounds: &ArrayRef, exact: &BooleanArray, descending| {
            extreme(known, index, bounds, exact, descending).unwrap_or(Precision::Absent)
        };
        column.min_value = extreme(&known.min, &known.min_exact, false);
        column.max_value = extreme(&known.max, &known.max_exact, true);
    }
    column
}

/// Returns the outermost bound; `None` if a block has values but no bound.
fn extreme(
    known: &TableColumn,
    index: &FileIndex,
    bounds: &ArrayRef,
    exact: &BooleanArray,
    descending: bool,
) -> Option<Precision<ScalarValue>> {
    let nulls_only =
        |block: usize| known.nulls.is_valid(block) && known.nulls.value(block) == index.rows().value(block);
    if (0..bounds.len()).any(|block| bounds.is_null(block) && !nulls_only(block)) {
        return None;
    }
    let options = SortOptions { descending, nulls_first: false };
    let best = *sort_to_indices(bounds, Some(options), Some(1)).ok()?.values().first()? as usize;
    if bounds.is_null(best) {
        return None;
    }
    let value = ScalarValue::try_from_array(bounds, best).ok()?;
    let is_exact = known.keeps_exact && exact.is_valid(best) && exact.value(best);
    Some(if is_exact { Precision::Exact(value) } else { Precision::Inexact(value) })
}
