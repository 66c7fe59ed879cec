//! Sums and averages of intervals, which are Avro's durations.
//!
//! DataFusion's `sum` wraps around, and it has no `avg` of intervals. An average carries the remainder of months to
//! days, 30 per month, and that of days to nanoseconds, as in PostgreSQL and DuckDB.

use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{ArrayRef, IntervalMonthDayNanoArray};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_datafusion_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::utils::format_state_name;
use std::collections::HashSet;
use std::sync::Arc;

const DAYS_OF_MONTH: i128 = 30;
const NANOS_OF_DAY: i128 = 86_400_000_000_000;

/// A total of intervals. Its state is the list of added intervals, so that partial totals need no type of their own.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    is_average: bool,
    total: IntervalTotal,
    /// The distinct values, for `DISTINCT`.
    distinct: Option<HashSet<IntervalMonthDayNano>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct IntervalTotal {
    months: i128,
    days: i128,
    nanos: i128,
    count: i128,
}

impl Intervals {
    pub(super) fn new(is_average: bool, is_distinct: bool) -> Self {
        Intervals { is_average, total: IntervalTotal::default(), distinct: is_distinct.then(HashSet::new) }
    }

    pub(super) fn state_fields(name: &str) -> Vec<FieldRef> {
        let item = Field::new_list_field(DataType::Interval(IntervalUnit::MonthDayNano), true);
        let field = |state, field: Field| field.with_name(format_state_name(name, state));
        vec![
            Arc::new(field("values", Field::new_list("", item, false))),
            Arc::new(field("count", Field::new("", DataType::UInt64, false))),
        ]
    }

    fn add(&mut self, values: &IntervalMonthDayNanoArray, sign: i128) {
        for value in values.iter().flatten() {
            if self.distinct.as_mut().is_none_or(|seen| seen.insert(value)) {
                self.total.add(value, sign);
            }
        }
    }
}

impl IntervalTotal {
    fn add(&mut self, value: IntervalMonthDayNano, sign: i128) {
        self.months += sign * i128::from(value.months);
        self.days += sign * i128::from(value.days);
        self.nanos += sign * i128::from(value.nanoseconds);
        self.count += sign;
    }

    fn average(self) -> IntervalTotal {
        let n = self.count.max(1);
        let days = self.days + self.months % n * DAYS_OF_MONTH;
        let nanos = self.nanos + days % n * NANOS_OF_DAY;
        IntervalTotal { months: self.months / n, days: days / n, nanos: nanos / n, count: 1 }
    }

    fn interval(self) -> Option<IntervalMonthDayNano> {
        let (months, days) = (i32::try_from(self.months).ok()?, i32::try_from(self.days).ok()?);
        Some(IntervalMonthDayNano::new(months, days, i64::try_from(self.nanos).ok()?))
    }

    /// Returns intervals that add up to this total: one, unless it is too large for one.
    fn parts(mut self) -> Vec<IntervalMonthDayNano> {
        let mut parts = vec![];
        while (self.months, self.days, self.nanos) != (0, 0, 0) || parts.is_empty() {
            let part = IntervalMonthDayNano::new(
                self.months.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32,
                self.days.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32,
                self.nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64,
            );
            self.add(part, -1);
            parts.push(part);
        }
        parts
    }
}

impl Accumulator for Intervals {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(column(values.first())?, 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(column(values.first())?, -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let parts: Vec<_> = match &self.distinct {
            Some(seen) => seen.iter().copied().collect(),
            None => self.total.parts(),
        };
        let parts = Arc::new(IntervalMonthDayNanoArray::from(parts));
        let count = u64::try_from(self.total.count).unwrap_or(0);
        Ok(vec![SingleRowListArrayBuilder::new(parts).build_list_scalar(), ScalarValue::UInt64(Some(count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states.first().and_then(|lists| lists.as_list_opt::<i32>());
        let counts = states.get(1).and_then(|counts| counts.as_primitive_opt::<arrow_array::types::UInt64Type>());
        let (Some(lists), Some(counts)) = (lists, counts) else {
            return Err(internal_datafusion_err!("expected lists of intervals and counts"));
        };
        for (list, count) in lists.iter().zip(counts.values()) {
            let Some(list) = list else { continue };
            let before = self.total.count;
            self.add(column(Some(&list))?, 1);
            if self.distinct.is_none() {
                self.total.count = before + i128::from(*count);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.total.count == 0 {
            return Ok(ScalarValue::IntervalMonthDayNano(None));
        }
        let result = if self.is_average { self.total.average() } else { self.total };
        let interval =
            result.interval().ok_or_else(|| exec_datafusion_err!("sum: the result does not fit INTERVAL"))?;
        Ok(ScalarValue::IntervalMonthDayNano(Some(interval)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.distinct.as_ref().map_or(0, |seen| seen.capacity() * 17)
    }
}

fn column(values: Option<&ArrayRef>) -> Result<&IntervalMonthDayNanoArray> {
    let values = values.and_then(|values| values.as_primitive_opt::<IntervalMonthDayNanoType>());
    values.ok_or_else(|| internal_datafusion_err!("expected intervals"))
}
