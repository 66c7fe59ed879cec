//! Filter pushdown: the predicate of a scan, and for each file a filter of its rows.
//!
//! The scan returns exactly the rows for which the predicate is true, so the planner needs no filter above it. Dynamic
//! filters, which other operators update while the query runs (joins, `ORDER BY .. LIMIT`, aggregates), only save work:
//! they are skipped while they keep almost all rows.

use crate::diagnostics::metrics::FilterMetrics;
use crate::projection::{DecodeColumns, ProjectedColumns, rebuild_for_pruned_schema};
use crate::schema::batch_adapter::BatchAdapter;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use avro_arrow::{FilterError, RowFilter};
use datafusion::arrow::compute::{and, prep_null_mask_filter};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr, Literal};
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr_common::physical_expr::{is_volatile, snapshot_generation};
use datafusion::physical_plan::PhysicalExpr;
use std::sync::Arc;

/// Rows after which the selectivity of a dynamic filter is judged, and the share of rows from which on it is skipped.
const ROWS_TRIED: usize = 16 << 10;
const KEEPS_MOST: f64 = 0.9;
/// If a smaller share of rows is left, the next expression is evaluated on those rows only.
const FEW_LEFT: f64 = 0.2;

/// A conjunction of expressions over a table's columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Predicate(Vec<Arc<dyn PhysicalExpr>>);

/// A predicate for the files of a scan, with the columns it uses.
#[derive(Debug, Clone)]
pub(crate) struct ScanPredicate {
    /// Columns to decode for it.
    pub(crate) decoded: DecodeColumns,
    /// Expressions over these columns, followed by the partition columns.
    exprs: Vec<Arc<dyn PhysicalExpr>>,
}

/// A predicate over the batches of one decoder.
pub(crate) struct BatchFilter {
    adapter: BatchAdapter,
    conjuncts: Vec<Conjunct>,
    metrics: FilterMetrics,
}

/// One expression of the conjunction.
struct Conjunct {
    expr: Arc<dyn PhysicalExpr>,
    /// Statistics, for a dynamic filter.
    dynamic: Option<Dynamic>,
}

/// Statistics of a dynamic filter.
#[derive(Default)]
struct Dynamic {
    generation: u64,
    rows: usize,
    kept: usize,
    idle: bool,
}

impl Predicate {
    /// Returns whether the scan can evaluate this expression with the same result as an operator above it. Volatile
    /// expressions differ from call to call.
    pub(crate) fn takes(expr: &Arc<dyn PhysicalExpr>) -> bool {
        // The result of this function is only known above the scan.
        let names_file = expr.exists(|expr| Ok(expr.to_string().starts_with("input_file_name(")));
        !is_volatile(expr) && !names_file.unwrap_or(true)
    }

    /// Returns the conjunction with more expressions.
    pub(crate) fn and(&self, more: impl IntoIterator<Item = Arc<dyn PhysicalExpr>>) -> Predicate {
        Predicate(self.0.iter().cloned().chain(more).collect())
    }

    /// Returns the conjunction as one expression; `None` if it is empty.
    pub(crate) fn expr(&self) -> Option<Arc<dyn PhysicalExpr>> {
        (!self.0.is_empty()).then(|| conjunction(self.0.iter().cloned()))
    }

    /// Returns the expressions.
    pub(crate) fn exprs(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.0
    }

    /// Returns the conjunction over the file columns, with these partition values as literals; `None` if it is empty.
    pub(crate) fn for_partition(
        &self,
        partition_values: &[ScalarValue],
        file_columns: usize,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let value = |column: &Column| {
            let value = partition_values.get(column.index().checked_sub(file_columns)?)?;
            Some(Arc::new(Literal::new(value.clone())) as Arc<dyn PhysicalExpr>)
        };
        self.expr().map(|expr| replace_columns(&expr, value)).transpose()
    }

    /// Prepares the predicate for files of these columns, which may be pruned from those of `full`; `None` if it is
    /// empty.
    pub(crate) fn for_scan(&self, file_schema: &Schema, full: &Schema) -> Result<Option<ScanPredicate>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let parts = ProjectedColumns::from_exprs(&self.0, file_schema.fields());
        let (columns, file_columns) = (parts.columns(), file_schema.fields().len());
        let place = |index: usize| match columns.binary_search(&index) {
            Ok(place) => place,
            // A partition column.
            Err(_) => columns.len() + index.saturating_sub(file_columns),
        };
        let narrow = parts.narrow(file_schema);
        let exprs = self.0.iter().map(|expr| {
            let expr = rebuild_for_pruned_schema(expr, &narrow)?;
            replace_columns(&expr, |column| Some(Arc::new(Column::new(column.name(), place(column.index())))))
        });
        Ok(Some(ScanPredicate { exprs: exprs.collect::<Result<_>>()?, decoded: parts.decoded(file_schema, full) }))
    }
}

impl ScanPredicate {
    /// Prepares the predicate for a file with these partition values, decoded into batches of this schema.
    pub(crate) fn for_file(
        &self,
        partition_values: &[ScalarValue],
        batches: &SchemaRef,
        name: &str,
        metrics: FilterMetrics,
    ) -> Result<BatchFilter> {
        let columns = self.decoded.schema.fields().len();
        let value = |column: &Column| {
            let value = partition_values.get(column.index().checked_sub(columns)?)?;
            Some(Arc::new(Literal::new(value.clone())) as Arc<dyn PhysicalExpr>)
        };
        let conjunct = |expr| {
            let expr = replace_columns(expr, value)?;
            let dynamic = expr.downcast_ref::<DynamicFilterPhysicalExpr>().map(|_| Dynamic::default());
            Ok(Conjunct { expr, dynamic })
        };
        Ok(BatchFilter {
            adapter: BatchAdapter::new(batches, Arc::clone(&self.decoded.schema), name)?,
            conjuncts: self.exprs.iter().map(conjunct).collect::<Result<_>>()?,
            metrics,
        })
    }
}

impl BatchFilter {
    fn mask(&mut self, batch: &RecordBatch) -> Result<BooleanArray> {
        let batch = self.adapter.adapt(batch)?;
        let mut mask: Option<BooleanArray> = None;
        for conjunct in &mut self.conjuncts {
            if conjunct.is_idle() {
                continue;
            }
            let left = mask.as_ref().map_or(batch.num_rows(), BooleanArray::true_count);
            if left == 0 {
                break;
            }
            let few = (left as f64) < batch.num_rows() as f64 * FEW_LEFT;
            let value = match &mask {
                Some(mask) if few => conjunct.expr.evaluate_selection(&batch, mask)?,
                // A row that an earlier condition excludes must not cause an error here.
                Some(mask) => {
                    conjunct.expr.evaluate(&batch).or_else(|_| conjunct.expr.evaluate_selection(&batch, mask))?
                }
                None => conjunct.expr.evaluate(&batch)?,
            };
            let array = value.into_array(batch.num_rows())?;
            let array = as_boolean_array(&array)?;
            let is_true = if array.null_count() > 0 { prep_null_mask_filter(array) } else { array.clone() };
            let both = match mask {
                Some(mask) => and(&mask, &is_true)?,
                None => is_true,
            };
            conjunct.learn(left, both.true_count());
            mask = Some(both);
        }
        Ok(mask.unwrap_or_else(|| BooleanArray::from(vec![true; batch.num_rows()])))
    }
}

impl RowFilter for BatchFilter {
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError> {
        let time = self.metrics.time.clone();
        let _timer = time.timer();
        let mask = self.mask(columns)?;
        let kept = mask.true_count();
        self.metrics.rows_matched.add(kept);
        self.metrics.rows_pruned.add(mask.len() - kept);
        Ok(mask)
    }

    fn selects_all(&mut self) -> bool {
        self.conjuncts.iter_mut().all(Conjunct::is_idle)
    }
}

impl Conjunct {
    /// Returns whether it can be skipped now.
    fn is_idle(&mut self) -> bool {
        let Some(dynamic) = &mut self.dynamic else { return false };
        let generation = snapshot_generation(&self.expr);
        if generation != dynamic.generation {
            *dynamic = Dynamic { generation, ..Dynamic::default() };
            dynamic.idle = is_true(&self.expr);
        }
        dynamic.idle
    }

    /// Records how many of the rows it kept.
    fn learn(&mut self, rows: usize, kept: usize) {
        if let Some(dynamic) = &mut self.dynamic {
            dynamic.rows += rows;
            dynamic.kept += kept;
            dynamic.idle = dynamic.rows >= ROWS_TRIED && dynamic.kept as f64 > dynamic.rows as f64 * KEEPS_MOST;
        }
    }
}

/// Returns whether it is a dynamic filter that has not been set yet.
fn is_true(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let Some(dynamic) = expr.downcast_ref::<DynamicFilterPhysicalExpr>() else { return false };
    let Ok(current) = dynamic.current() else { return false };
    current.downcast_ref::<Literal>().is_some_and(|literal| *literal.value() == ScalarValue::Boolean(Some(true)))
}

/// Replaces columns of an expression.
fn replace_columns(
    expr: &Arc<dyn PhysicalExpr>,
    mut by: impl FnMut(&Column) -> Option<Arc<dyn PhysicalExpr>>,
) -> Result<Arc<dyn PhysicalExpr>> {
    let replace = |expr: Arc<dyn PhysicalExpr>| {
        Ok(match expr.downcast_ref::<Column>().and_then(&mut by) {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(expr),
        })
    };
    Arc::clone(expr).transform(replace).data()
}
