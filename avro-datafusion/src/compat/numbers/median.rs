//! `median` of dates, times and timestamps.
//!
//! DataFusion's `median` takes only numbers. The median of an even number of values is halfway between the middle two,
//! as in DuckDB; that of dates is a timestamp.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion::arrow::compute::cast;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::functions_aggregate::median::Median;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};
use std::sync::Arc;

/// DataFusion's `median`, extended to types that are stored as integers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExactMedian {
    numbers: AggregateUDF,
    signature: Signature,
}

impl Default for ExactMedian {
    fn default() -> Self {
        ExactMedian {
            numbers: AggregateUDF::from(Median::new()),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Time64(_) | DataType::Time32(_))
}

fn argument<'a>(args: &'a AccumulatorArgs) -> &'a DataType {
    args.expr_fields.first().map_or(&DataType::Null, |field| field.data_type())
}

impl AggregateUDFImpl for ExactMedian {
    fn name(&self) -> &str {
        self.numbers.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(match types {
            [DataType::Date32] => vec![DataType::Timestamp(TimeUnit::Microsecond, None)],
            [data_type] if !is_temporal(data_type) => {
                let fields = [Arc::new(Field::new("", data_type.clone(), true))];
                // Types without a median are rejected in `return_type`, whose errors DataFusion does not wrap.
                match fields_with_udf(&fields, &self.numbers) {
                    Ok(fields) => fields.iter().map(|field| field.data_type().clone()).collect(),
                    Err(_) => types.to_vec(),
                }
            }
            _ => types.to_vec(),
        })
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] if is_temporal(data_type) => Ok(data_type.clone()),
            [data_type] if !data_type.is_numeric() => Err(super::aggregates::not_numbers(self.name(), data_type)),
            _ => self.numbers.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match args.input_fields {
            [field] if is_temporal(field.data_type()) => {
                let list = Field::new_list("", Field::new_list_field(DataType::Int64, true), false);
                Ok(vec![Arc::new(list.with_name(format_state_name(args.name, "median")))])
            }
            _ => self.numbers.state_fields(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match argument(&args) {
            data_type if is_temporal(data_type) => {
                let (data_type, is_distinct) = (data_type.clone(), args.is_distinct);
                Ok(Box::new(Middle { values: vec![], data_type, is_distinct }))
            }
            _ => self.numbers.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !is_temporal(argument(&args)) && self.numbers.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.numbers.create_groups_accumulator(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.numbers.documentation()
    }
}

/// All values so far, as integers.
#[derive(Debug)]
struct Middle {
    values: Vec<i64>,
    data_type: DataType,
    is_distinct: bool,
}

impl Accumulator for Middle {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values.first().ok_or_else(|| internal_datafusion_err!("expected a column"))?;
        // Times of 32 bits are cast through integers.
        let integers = match values.data_type() {
            DataType::Time32(_) => cast(values, &DataType::Int32)?,
            _ => Arc::clone(values),
        };
        let integers = cast(&integers, &DataType::Int64)?;
        self.values.extend(integers.as_primitive::<Int64Type>().iter().flatten());
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = Arc::new(Int64Array::from(std::mem::take(&mut self.values)));
        Ok(vec![SingleRowListArrayBuilder::new(values).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states.first().and_then(|lists| lists.as_list_opt::<i32>());
        let lists = lists.ok_or_else(|| internal_datafusion_err!("expected lists of values"))?;
        for list in lists.iter().flatten() {
            self.values.extend(list.as_primitive::<Int64Type>().iter().flatten());
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut values = self.values.clone();
        values.sort_unstable();
        if self.is_distinct {
            values.dedup();
        }
        let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        let middle = values.get(low).zip(values.get(high)).map(|(low, high)| {
            // The midpoint of two values in range is in range.
            let middle = (i128::from(*low) + i128::from(*high)).div_euclid(2);
            i64::try_from(middle).unwrap_or(*low)
        });
        let middle: ArrayRef = Arc::new(Int64Array::from(vec![middle]));
        let middle = match self.data_type {
            DataType::Time32(_) => cast(&middle, &DataType::Int32)?,
            _ => middle,
        };
        ScalarValue::try_from_array(&cast(&middle, &self.data_type)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<i64>()
    }
}
