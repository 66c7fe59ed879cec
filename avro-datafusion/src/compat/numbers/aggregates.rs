//! `sum` and `avg`.
//!
//! DataFusion's `sum` wraps around for integers and loses digits of decimals after the 38th. Its `avg` truncates
//! decimals four digits after those of the values, and does not take timestamps, dates and times. Here totals are exact
//! ([`totals`]), and a result that does not fit is an error. Floats are left to DataFusion.

use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::{DataFusionError, Result, internal_err, plan_datafusion_err, plan_err};
use datafusion::functions_aggregate::average::Avg;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    Volatility,
};
use std::sync::Arc;

use super::finish::{DecimalTotal, Finish};
use super::intervals::Intervals;
use super::totals::{Distinct, GroupTotals, One};

/// `sum` or `avg`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExactAggregate {
    of: SumOrAvg,
    signature: Signature,
    aliases: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum SumOrAvg {
    Sum(Sum),
    Avg(Avg),
}

impl ExactAggregate {
    pub(super) fn sum() -> ExactAggregate {
        ExactAggregate {
            of: SumOrAvg::Sum(Sum::new()),
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: vec![],
        }
    }

    pub(super) fn avg() -> ExactAggregate {
        ExactAggregate {
            of: SumOrAvg::Avg(Avg::new()),
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: vec!["mean".to_owned()],
        }
    }

    /// Returns how totals of this type are finished; `None` if DataFusion's function is right.
    fn finish(&self, data_type: &DataType) -> Option<Finish> {
        match self.of {
            SumOrAvg::Sum(_) => Finish::sum(data_type),
            SumOrAvg::Avg(_) => Finish::avg(data_type),
        }
    }

    fn other(&self) -> &dyn AggregateUDFImpl {
        match &self.of {
            SumOrAvg::Sum(sum) => sum,
            SumOrAvg::Avg(avg) => avg,
        }
    }

    fn coerced(&self, data_type: &DataType) -> DataType {
        match data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::UInt64,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
            // An average with more than 38 digits needs a wider total.
            DataType::Decimal128(p, s) if self.finish(data_type).is_none() => DataType::Decimal256(*p, *s),
            DataType::Decimal128(..) | DataType::Decimal256(..) => data_type.clone(),
            DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null => DataType::Float64,
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Date64 if matches!(self.of, SumOrAvg::Avg(_)) => DataType::Timestamp(TimeUnit::Millisecond, None),
            DataType::Dictionary(_, values) if values.is_numeric() => self.coerced(values),
            // Types without a sum are rejected in `return_type`, whose errors DataFusion does not wrap.
            other => other.clone(),
        }
    }
}

/// An aggregate of numbers met something else.
pub(super) fn not_numbers(function: &str, found: &DataType) -> DataFusionError {
    plan_datafusion_err!("{function} needs a number, not {found}")
}

/// Calls a macro with the Arrow types of the values and of their totals.
macro_rules! of_type {
    ($data_type:expr, $with:ident) => {
        match $data_type {
            DataType::Int64 => $with!(Int64Type, Decimal128Type),
            DataType::UInt64 => $with!(UInt64Type, Decimal128Type),
            DataType::Decimal128(..) => $with!(Decimal128Type, Decimal128Type),
            DataType::Decimal256(..) => $with!(Decimal256Type, Decimal256Type),
            DataType::Date32 => $with!(Date32Type, Decimal128Type),
            DataType::Time32(TimeUnit::Second) => $with!(Time32SecondType, Decimal128Type),
            DataType::Time32(_) => $with!(Time32MillisecondType, Decimal128Type),
            DataType::Time64(TimeUnit::Microsecond) => $with!(Time64MicrosecondType, Decimal128Type),
            DataType::Time64(_) => $with!(Time64NanosecondType, Decimal128Type),
            DataType::Timestamp(TimeUnit::Second, _) => $with!(TimestampSecondType, Decimal128Type),
            DataType::Timestamp(TimeUnit::Millisecond, _) => $with!(TimestampMillisecondType, Decimal128Type),
            DataType::Timestamp(TimeUnit::Microsecond, _) => $with!(TimestampMicrosecondType, Decimal128Type),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => $with!(TimestampNanosecondType, Decimal128Type),
            other => internal_err!("no exact totals of {other}"),
        }
    };
}

/// The type of the values of an aggregate.
fn argument(args: &AccumulatorArgs) -> DataType {
    args.expr_fields.first().map_or(DataType::Null, |field| field.data_type().clone())
}

impl AggregateUDFImpl for ExactAggregate {
    fn name(&self) -> &str {
        self.other().name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [data_type] => Ok(vec![self.coerced(data_type)]),
            _ => plan_err!("{} takes one argument, found {}", self.name(), types.len()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let data_type = types.first().unwrap_or(&DataType::Null);
        match (self.finish(data_type), data_type) {
            (Some(finish), _) => Ok(finish.result().clone()),
            (None, DataType::Float64 | DataType::Duration(_)) => self.other().return_type(types),
            (None, DataType::Interval(_)) => Ok(data_type.clone()),
            (None, other) => Err(not_numbers(self.name(), other)),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let data_type = args.input_fields.first().map_or(&DataType::Null, |field| field.data_type());
        if matches!(data_type, DataType::Interval(_)) {
            return Ok(Intervals::state_fields(args.name));
        }
        if self.finish(data_type).is_none() {
            return self.other().state_fields(args);
        }
        let field = |state, data_type, is_nullable| {
            Arc::new(Field::new(format_state_name(args.name, state), data_type, is_nullable))
        };
        if args.is_distinct {
            let item = Field::new_list_field(data_type.clone(), true);
            return Ok(vec![field("distinct", DataType::List(Arc::new(item)), false)]);
        }
        let total = match data_type {
            DataType::Decimal256(..) => Decimal256Type::TYPE,
            _ => Decimal128Type::TYPE,
        };
        Ok(vec![field("total", total, true), field("count", DataType::UInt64, false)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = argument(&args);
        if matches!(data_type, DataType::Interval(_)) {
            return Ok(Box::new(Intervals::new(matches!(self.of, SumOrAvg::Avg(_)), args.is_distinct)));
        }
        let Some(finish) = self.finish(&data_type) else { return self.other().accumulator(args) };
        macro_rules! accumulator {
            ($value:ty, $total:ty) => {
                match args.is_distinct {
                    true => Ok(Box::new(Distinct::<$value, $total>::new(&data_type, finish)) as _),
                    false => Ok(Box::new(One::<$value, $total>::new(finish)) as _),
                }
            };
        }
        of_type!(&data_type, accumulator)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.finish(&argument(&args)) {
            None if matches!(argument(&args), DataType::Interval(_)) => self.accumulator(args),
            Some(_) if args.is_distinct => plan_err!("{}(DISTINCT ..) cannot slide over a window", self.name()),
            Some(_) => self.accumulator(args),
            None => self.other().create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match self.finish(&argument(&args)) {
            Some(_) => !args.is_distinct,
            None if matches!(argument(&args), DataType::Interval(_)) => false,
            None => self.other().groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = argument(&args);
        let Some(finish) = self.finish(&data_type) else { return self.other().create_groups_accumulator(args) };
        macro_rules! groups {
            ($value:ty, $total:ty) => {
                Ok(Box::new(GroupTotals::<$value, $total>::new(finish)) as _)
            };
        }
        of_type!(&data_type, groups)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.other().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.other().documentation()
    }
}
