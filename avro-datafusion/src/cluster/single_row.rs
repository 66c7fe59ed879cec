//! Checks that a subquery used as a value has at most one row. DataFusion checks that in an operator that cannot be
//! split between machines; without it, a session turns such subqueries into joins, which would repeat the outer rows.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, LogicalPlan, LogicalPlanBuilder, Signature, Subquery, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// Name of [`single_row`].
const NAME: &str = "single_row";

/// Wraps each subquery that is a value, and may have several rows, in [`single_row`].
#[derive(Debug)]
pub(super) struct SingleRowSubqueries;

impl AnalyzerRule for SingleRowSubqueries {
    fn name(&self) -> &str {
        "single_row_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let checked = plan.transform_down_with_subqueries(|plan| plan.map_expressions(|expr| expr.transform(checked)));
        checked.map(|plan| plan.data)
    }
}

/// Wraps a subquery that is a value, unless it has one row or its rows depend on those of the outer query.
fn checked(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans }) = expr else {
        return Ok(Transformed::no(expr));
    };
    if !outer_ref_columns.is_empty() || subquery.max_rows().is_some_and(|rows| rows <= 1) {
        return Ok(Transformed::no(Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans })));
    }
    let (table, field) = subquery.schema().qualified_field(0);
    let (name, column) = (field.name().clone(), Column::from((table, field)));
    let value = single_row().call(vec![Expr::Column(column)]).alias(name);
    let plan = LogicalPlanBuilder::new_from_arc(subquery).aggregate(Vec::<Expr>::new(), [value])?.build()?;
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans })))
}

/// Returns the aggregate function that returns the value of the only row, NULL without rows, and fails if there are
/// several.
pub(super) fn single_row() -> AggregateUDF {
    AggregateUDF::from(SingleRow { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleRow {
    signature: Signature,
}

impl AggregateUDFImpl for SingleRow {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    // With the metadata of the argument, which has the meaning of some types.
    fn return_field(&self, args: &[FieldRef]) -> Result<FieldRef> {
        let Some(field) = args.first() else { return exec_err!("{NAME} has an argument") };
        Ok(Arc::new(field.as_ref().clone().with_name(NAME).with_nullable(true)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = args.return_field.as_ref().clone().with_name("value");
        Ok(vec![Arc::new(value), Arc::new(Field::new("rows", DataType::UInt64, false))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OnlyRow { value: ScalarValue::try_from(args.return_field.data_type())?, rows: 0 }))
    }
}

/// The value of the only row, if there was one.
#[derive(Debug)]
struct OnlyRow {
    value: ScalarValue,
    rows: u64,
}

impl OnlyRow {
    fn add(&mut self, values: &ArrayRef, at: usize, rows: u64) -> Result<()> {
        self.rows = self.rows.saturating_add(rows);
        match self.rows {
            0 => {}
            1 if rows == 0 => {}
            1 => self.value = ScalarValue::try_from_array(values, at)?,
            // The text of DataFusion's own check.
            _ => return exec_err!("Scalar subquery returned more than one row"),
        }
        Ok(())
    }
}

impl Accumulator for OnlyRow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [values] => self.add(values, 0, values.len() as u64),
            _ => exec_err!("{NAME} has one argument"),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) - size_of_val(&self.value) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::UInt64(Some(self.rows))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, rows] = states else { return exec_err!("{NAME} has two states") };
        let rows = rows.as_primitive::<UInt64Type>().values();
        rows.iter().enumerate().try_for_each(|(at, rows)| self.add(values, at, *rows))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, UInt64Array};

    fn merged(rows: &[u64]) -> Result<ScalarValue> {
        let mut only = OnlyRow { value: ScalarValue::Int64(None), rows: 0 };
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows.len() as i64));
        only.merge_batch(&[values, Arc::new(UInt64Array::from(rows.to_vec()))])?;
        only.evaluate()
    }

    #[test]
    fn several_rows_fail() {
        assert_eq!(merged(&[]).unwrap(), ScalarValue::Int64(None));
        assert_eq!(merged(&[0, 0]).unwrap(), ScalarValue::Int64(None));
        assert_eq!(merged(&[0, 1, 0]).unwrap(), ScalarValue::Int64(Some(1)));
        assert!(merged(&[1, 0, 1]).is_err());
        assert!(merged(&[2]).is_err());
        let mut only = OnlyRow { value: ScalarValue::Int64(None), rows: 0 };
        let batch = |values: Vec<i64>| [Arc::new(Int64Array::from(values)) as ArrayRef];
        only.update_batch(&batch(vec![])).unwrap();
        only.update_batch(&batch(vec![7])).unwrap();
        only.update_batch(&batch(vec![])).unwrap();
        assert_eq!(only.evaluate().unwrap(), ScalarValue::Int64(Some(7)));
        assert!(only.update_batch(&batch(vec![8])).is_err());
    }
}
