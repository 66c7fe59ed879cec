//! The summary of one field. Its size does not depend on the number of values.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, UInt64Array, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::approx_distinct::approx_distinct_udaf;
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::Column;

use super::frequent::Frequent;
use super::numbers::Numbers;

/// What is measured of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measures {
    /// Its nulls.
    Nulls,
    /// Its nulls and its frequent values, as of the branches of a union.
    Frequent,
    /// All of it.
    All,
}

/// The summary of one field.
pub(super) struct FieldSummary {
    pub(super) name: String,
    pub(super) type_name: String,
    /// The type of the values.
    pub(super) field: Field,
    pub(super) rows: u64,
    pub(super) nulls: u64,
    pub(super) values: Option<Values>,
}

/// What is known of the values that are not null.
pub(super) struct Values {
    /// The approximate number of distinct hashes.
    distinct: Option<Box<dyn Accumulator>>,
    /// Minimum and maximum, if the type has an order.
    range: Option<(MinAccumulator, MaxAccumulator)>,
    pub(super) numbers: Option<Numbers>,
    pub(super) frequent: Frequent,
    hashes: Vec<u64>,
}

impl FieldSummary {
    pub(super) fn new(name: String, type_name: String, measures: Measures, field: Field) -> Result<Self> {
        let values = (measures != Measures::Nulls).then(|| Values::new(measures, &field)).transpose()?;
        Ok(FieldSummary { name, type_name, field, rows: 0, nulls: 0, values })
    }

    /// Adds values.
    pub(super) fn update(&mut self, array: &ArrayRef) -> Result<()> {
        self.rows += array.len() as u64;
        self.nulls += array.logical_null_count() as u64;
        match &mut self.values {
            Some(values) if !array.is_empty() => values.update(array),
            _ => Ok(()),
        }
    }

    /// Adds the values of another summary of this field.
    pub(super) fn merge(&mut self, other: FieldSummary) -> Result<()> {
        self.rows += other.rows;
        self.nulls += other.nulls;
        match (&mut self.values, other.values) {
            (Some(values), Some(other)) => values.merge(other),
            _ => Ok(()),
        }
    }

    /// Returns the number of values that are not null.
    pub(super) fn present(&self) -> u64 {
        self.rows.saturating_sub(self.nulls)
    }

    /// Returns the approximate number of distinct values.
    pub(super) fn distinct(&mut self) -> Result<Option<u64>> {
        let present = self.present();
        let Some(distinct) = self.values.as_mut().and_then(|values| values.distinct.as_mut()) else { return Ok(None) };
        Ok(match distinct.evaluate()? {
            ScalarValue::UInt64(Some(distinct)) => Some(distinct.min(present)),
            _ => None,
        })
    }

    /// Returns the minimum and the maximum.
    pub(super) fn range(&mut self) -> Result<Option<(ScalarValue, ScalarValue)>> {
        let Some((min, max)) = self.values.as_mut().and_then(|values| values.range.as_mut()) else { return Ok(None) };
        Ok(Some((min.evaluate()?, max.evaluate()?)))
    }
}

impl Values {
    fn new(measures: Measures, field: &Field) -> Result<Self> {
        let is_all = measures == Measures::All;
        Ok(Values {
            distinct: if is_all { Some(distinct_hashes()?) } else { None },
            range: is_all.then(|| range(field)).flatten(),
            numbers: if is_all { Numbers::new(field.data_type()) } else { None },
            frequent: Frequent::default(),
            hashes: Vec::new(),
        })
    }

    fn update(&mut self, array: &ArrayRef) -> Result<()> {
        if let Some((min, max)) = &mut self.range {
            min.update_batch(std::slice::from_ref(array))?;
            max.update_batch(std::slice::from_ref(array))?;
        }
        if let Some(numbers) = &mut self.numbers {
            numbers.update(array)?;
        }
        self.hashes.clear();
        self.hashes.resize(array.len(), 0);
        create_hashes([array], &RandomState::default(), &mut self.hashes)?;
        let nulls = array.logical_nulls();
        let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        if let Some(distinct) = &mut self.distinct {
            let present = self.hashes.iter().enumerate().filter(|(row, _)| is_valid(*row)).map(|(_, hash)| *hash);
            distinct.update_batch(&[Arc::new(UInt64Array::from_iter_values(present)) as ArrayRef])?;
        }
        self.frequent.update(array, &self.hashes, is_valid)
    }

    fn merge(&mut self, other: Values) -> Result<()> {
        if let (Some(distinct), Some(mut other)) = (self.distinct.as_mut(), other.distinct) {
            let state = other.state()?.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
            distinct.merge_batch(&state)?;
        }
        if let (Some((min, max)), Some((mut other_min, mut other_max))) = (&mut self.range, other.range) {
            min.merge_batch(&[other_min.evaluate()?.to_array()?])?;
            max.merge_batch(&[other_max.evaluate()?.to_array()?])?;
        }
        if let (Some(numbers), Some(other)) = (&mut self.numbers, &other.numbers) {
            numbers.merge(other);
        }
        self.frequent.merge(other.frequent);
        Ok(())
    }
}

/// Returns an accumulator of the number of distinct hashes.
fn distinct_hashes() -> Result<Box<dyn Accumulator>> {
    let schema = Arc::new(Schema::new(vec![Field::new("hash", DataType::UInt64, false)]));
    let hash: Arc<dyn PhysicalExpr> = Arc::new(Column::new("hash", 0));
    let aggregate = AggregateExprBuilder::new(approx_distinct_udaf(), vec![hash]).schema(schema).alias("distinct");
    aggregate.build()?.create_accumulator()
}

/// Returns accumulators of the minimum and maximum, if the engine orders this type.
fn range(field: &Field) -> Option<(MinAccumulator, MaxAccumulator)> {
    let of = field.data_type();
    let (mut min, max) = (MinAccumulator::try_new(of).ok()?, MaxAccumulator::try_new(of).ok()?);
    min.update_batch(&[new_empty_array(of)]).ok()?;
    Some((min, max))
}
