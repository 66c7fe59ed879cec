//! Compares a value of each row with all items of the row's list.

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr_common::datum::apply_cmp;

/// Returns the row number of each item between the first and the last offset.
pub(super) fn rows_of_items(offsets: &[i32]) -> UInt32Array {
    let ranges = (0_u32..).zip(offsets.windows(2));
    let rows = ranges.flat_map(|(row, range)| match range {
        [start, end] => std::iter::repeat_n(row, usize::try_from(end - start).unwrap_or(0)),
        _ => std::iter::repeat_n(row, 0),
    });
    UInt32Array::from_iter_values(rows)
}

/// Compares `values[row] op item` for each item. `rows` is [`rows_of_items`] of the offsets.
pub(super) fn compare(
    op: Operator,
    items: &ArrayRef,
    offsets: &[i32],
    values: &ArrayRef,
    rows: &UInt32Array,
) -> Result<BooleanArray> {
    let first = offsets.first().and_then(|first| usize::try_from(*first).ok()).unwrap_or(0);
    let items = items.slice(first, rows.len());
    let values = take(values, rows, None)?;
    let compared = apply_cmp(op, &ColumnarValue::Array(values), &ColumnarValue::Array(items))?;
    match compared.into_array(rows.len())?.as_any().downcast_ref::<BooleanArray>() {
        Some(compared) => Ok(compared.clone()),
        None => exec_err!("a comparison that is neither true nor false"),
    }
}
