//! From exact totals to the results of `sum` and `avg`.

use arrow_array::types::{Decimal128Type, Decimal256Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, PrimitiveArray, UInt64Array};
use arrow_schema::{DataType, TimeUnit};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::i256;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use std::sync::Arc;

use super::kernels::Width;
use super::shape::{DecimalShape, quotient, sql_name};

/// Microseconds of a day: an average of dates is a timestamp.
const DAY_MICROS: i64 = 86_400_000_000;

/// How a total becomes a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finish {
    function: &'static str,
    result: DataType,
    /// Multiplied by this power of ten and this number of units, then divided by the count.
    average: Option<(i16, i64)>,
}

impl Finish {
    /// The sum of a type's values; `None` if the type cannot be summed.
    pub(super) fn sum(of: &DataType) -> Option<Finish> {
        let result = match of {
            DataType::Int64 | DataType::UInt64 => of.clone(),
            DataType::Decimal128(p, s) => {
                DataType::Decimal128((p + 10).min(arrow_schema::DECIMAL128_MAX_PRECISION), *s)
            }
            DataType::Decimal256(p, s) => {
                DataType::Decimal256((p + 10).min(arrow_schema::DECIMAL256_MAX_PRECISION), *s)
            }
            _ => return None,
        };
        Some(Finish { function: "sum", result, average: None })
    }

    /// The average of a type's values; `None` if the type has no average.
    pub(super) fn avg(of: &DataType) -> Option<Finish> {
        let (result, average) = match of {
            DataType::Int64 | DataType::UInt64 => (DataType::Float64, (0, 1)),
            DataType::Decimal128(..) | DataType::Decimal256(..) => {
                let shape = DecimalShape::of(of)?;
                let most = i16::from(arrow_schema::DECIMAL256_MAX_PRECISION) - shape.whole;
                let scale = quotient(shape, DecimalShape { whole: 1, scale: 0 }).scale.min(most).max(shape.scale);
                let result = match (DecimalShape { scale, ..shape }.decimal()?, of) {
                    (DataType::Decimal128(p, s), DataType::Decimal256(..)) => DataType::Decimal256(p, s),
                    (DataType::Decimal256(..), DataType::Decimal128(..)) => return None,
                    (result, _) => result,
                };
                (result, (scale - shape.scale, 1))
            }
            DataType::Date32 => (DataType::Timestamp(TimeUnit::Microsecond, None), (0, DAY_MICROS)),
            DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => (of.clone(), (0, 1)),
            _ => return None,
        };
        Some(Finish { function: "avg", result, average: Some(average) })
    }

    /// The type of the results.
    pub(super) fn result(&self) -> &DataType {
        &self.result
    }

    /// Returns the error for a total or result that does not fit.
    pub(super) fn overflow(&self) -> DataFusionError {
        let (function, name) = (self.function, sql_name(&self.result));
        let wider = match self.result {
            DataType::Int64 | DataType::UInt64 => "cast its argument to DECIMAL(38, 0)",
            DataType::Decimal128(_, scale) => {
                return exec_datafusion_err!(
                    "{function}: the result does not fit {name}; cast its argument to DECIMAL(76, {scale}) or DOUBLE"
                );
            }
            _ => "cast its argument to DOUBLE",
        };
        exec_datafusion_err!("{function}: the result does not fit {name}; {wider}")
    }

    /// Returns the results for totals and counts; null if the count is 0.
    pub(super) fn results<W: DecimalTotal>(
        &self,
        totals: impl Iterator<Item = (W::Native, Option<u64>)>,
    ) -> Result<ArrayRef> {
        let unfit = || self.overflow();
        let totals = totals.map(|(total, count)| count.map(|count| (total, count)));
        if self.result == DataType::Float64 {
            let average = |(total, count): (W::Native, u64)| total.to_f64() / count as f64;
            return Ok(Arc::new(Float64Array::from_iter(totals.map(|row| row.map(average)))));
        }
        let factor = match self.average {
            Some((power, units)) => Some(W::power(power).and_then(|f| f.times(units)).ok_or_else(unfit)?),
            None => None,
        };
        let value = |(total, count): (W::Native, u64)| match factor {
            Some(factor) => W::quotient(total, factor, <W::Native as TotalValue>::of(count)).ok_or_else(unfit),
            None => Ok(total),
        };
        let values = totals.map(|row| row.map(value).transpose());
        match &self.result {
            DataType::Decimal128(p, _) | DataType::Decimal256(p, _) => {
                let fitting = |value: Option<W::Native>| match value {
                    Some(value) if !W::is_valid_decimal_precision(value, *p) => Err(unfit()),
                    value => Ok(value),
                };
                let values = values.map(|value| fitting(value?));
                let values: PrimitiveArray<W> = values.collect::<Result<_>>()?;
                Ok(Arc::new(values.with_data_type(self.result.clone())))
            }
            DataType::UInt64 => {
                let whole = |value: W::Native| value.to_i128().and_then(|v| u64::try_from(v).ok()).ok_or_else(unfit);
                let values = values.map(|value| value?.map(whole).transpose());
                Ok(Arc::new(values.collect::<Result<UInt64Array>>()?))
            }
            result => {
                let whole = |value: W::Native| value.to_i128().and_then(|v| i64::try_from(v).ok()).ok_or_else(unfit);
                let values = values.map(|value| value?.map(whole).transpose()).collect::<Result<Int64Array>>()?;
                typed(values, result)
            }
        }
    }
}

/// Integers as values of a type that is stored as integers.
fn typed(values: Int64Array, to: &DataType) -> Result<ArrayRef> {
    let checked = CastOptions { safe: false, ..CastOptions::default() };
    Ok(match to {
        DataType::Int64 => Arc::new(values),
        DataType::Time32(_) => cast(&cast_with_options(&values, &DataType::Int32, &checked)?, to)?,
        _ => cast(&values, to)?,
    })
}

/// A decimal type that totals have.
pub(super) trait DecimalTotal: Width + ArrowPrimitiveType<Native: TotalValue> + Send {
    /// The type, with its largest precision.
    const TYPE: DataType;
}

impl DecimalTotal for Decimal128Type {
    const TYPE: DataType = DataType::Decimal128(arrow_schema::DECIMAL128_MAX_PRECISION, 0);
}

impl DecimalTotal for Decimal256Type {
    const TYPE: DataType = DataType::Decimal256(arrow_schema::DECIMAL256_MAX_PRECISION, 0);
}

/// What finishing needs of a total.
pub(super) trait TotalValue: Sized + Copy {
    fn of(count: u64) -> Self;
    fn times(self, units: i64) -> Option<Self>;
    fn to_i128(self) -> Option<i128>;
    fn to_f64(self) -> f64;
}

impl TotalValue for i128 {
    fn of(count: u64) -> Self {
        i128::from(count)
    }

    fn times(self, units: i64) -> Option<Self> {
        self.checked_mul(i128::from(units))
    }

    fn to_i128(self) -> Option<i128> {
        Some(self)
    }

    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl TotalValue for i256 {
    fn of(count: u64) -> Self {
        i256::from_i128(i128::from(count))
    }

    fn times(self, units: i64) -> Option<Self> {
        self.checked_mul(i256::from_i128(i128::from(units)))
    }

    fn to_i128(self) -> Option<i128> {
        i256::to_i128(self)
    }

    fn to_f64(self) -> f64 {
        self.to_i128().map_or(f64::NAN, |v| v as f64)
    }
}
