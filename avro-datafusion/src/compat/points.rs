//! Functions of points in time for the rewrites of [`zones`](super::zones) and [`coercion`](super::coercion). SQL
//! cannot call them by name.
//!
//! DataFusion 55 expresses a change of time zone as a cast, and moves casts from a column to the literal it is compared
//! with. From a wall clock to an instant that is wrong, since the literal loses its zone. Functions are not moved.
//!
//! Delete when: `unwrap_cast_in_comparison` is fixed upstream for timestamps of which only one has a zone.

use std::sync::{Arc, LazyLock};

use super::clock;
use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Int64Type, IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalYearMonthType,
};
use arrow_array::{Array, ArrayRef, Decimal128Array, Int64Array, IntervalMonthDayNanoArray};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

/// The instant at which a zone's clock shows `local`, a timestamp without a zone.
pub(super) fn to_instant(local: Expr, zone: &str) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(PointConversion::ToInstant));
    FUNCTION.call(vec![local, lit(zone)])
}

/// The wall clock at an instant, in the zone of its type.
pub(super) fn to_local(instant: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(PointConversion::ToLocal));
    FUNCTION.call(vec![instant])
}

/// A date, a timestamp or an interval in nanoseconds, as a decimal that holds them all. A month has 30 days, a day 24
/// hours.
pub(super) fn nanos(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(PointConversion::Nanos));
    FUNCTION.call(vec![value])
}

/// Returns an interval from the 12 bytes that Avro and Parquet store.
pub(super) fn duration(bytes: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(PointConversion::Duration));
    FUNCTION.call(vec![bytes])
}

/// Returns whether a field holds durations in Parquet's form.
pub(super) fn is_duration(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(12)
        && field.metadata().get("avro.logicalType").is_some_and(|word| word == "duration")
}

/// Returns the 12 bytes that Avro and Parquet store for an interval.
pub(super) fn duration_bytes(interval: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(PointConversion::DurationBytes));
    FUNCTION.call(vec![interval])
}

/// Parses text as a timestamp, in every form that [`clock::parse`] reads. Instants have this zone.
pub(super) fn parse(text: Expr, unit: TimeUnit, is_instant: bool, zone: &str, is_try: bool) -> Expr {
    function(PointConversion::Parse { unit, is_instant, is_try }).call(vec![text, lit(zone)])
}

/// The type of [`nanos`].
const WIDE: DataType = DataType::Decimal128(38, 0);

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// A number of nanoseconds as a literal of that type.
pub(super) fn nanos_literal(nanos: i128) -> Expr {
    lit(ScalarValue::Decimal128(Some(nanos), 38, 0))
}

/// Returns one function of each name, as no session registers them.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    let parse = |is_try| PointConversion::Parse { unit: TimeUnit::Microsecond, is_instant: false, is_try };
    let kinds = [
        PointConversion::ToInstant,
        PointConversion::ToLocal,
        PointConversion::Nanos,
        PointConversion::Duration,
        PointConversion::DurationBytes,
    ];
    kinds.into_iter().chain([false, true].map(parse)).map(function).collect()
}

/// Returns whether functions of this name differ only in the types of their results.
#[cfg(feature = "proto")]
pub(super) fn follows_types(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Points>().is_some_and(|points| matches!(points.kind, PointConversion::Parse { .. }))
}

fn function(kind: PointConversion) -> Arc<ScalarUDF> {
    let n_args = if matches!(kind, PointConversion::ToInstant | PointConversion::Parse { .. }) { 2 } else { 1 };
    Arc::new(Points { kind, signature: Signature::any(n_args, Volatility::Immutable) }.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PointConversion {
    ToInstant,
    ToLocal,
    Nanos,
    Duration,
    DurationBytes,
    Parse { unit: TimeUnit, is_instant: bool, is_try: bool },
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Points {
    kind: PointConversion,
    signature: Signature,
}

impl ScalarUDFImpl for Points {
    fn name(&self) -> &str {
        match self.kind {
            PointConversion::ToInstant => "avro_to_instant",
            PointConversion::ToLocal => "avro_to_local",
            PointConversion::Nanos => "avro_nanos",
            PointConversion::Duration => "avro_duration",
            PointConversion::DurationBytes => "avro_duration_bytes",
            PointConversion::Parse { is_try: false, .. } => "avro_timestamp",
            PointConversion::Parse { is_try: true, .. } => "avro_try_timestamp",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        plan_err!("the type of {} depends on its arguments", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(value) = args.arg_fields.first() else { return plan_err!("{} has no arguments", self.name()) };
        let zone = || match args.scalar_arguments.get(1).copied().flatten().and_then(|zone| zone.try_as_str().flatten())
        {
            Some(zone) => clock::zone(zone).map(|_| Some(zone.into())),
            None => plan_err!("the time zone must be a literal"),
        };
        let mut is_nullable = value.is_nullable();
        let data_type = match (self.kind, value.data_type()) {
            (PointConversion::ToInstant, DataType::Timestamp(unit, None)) => DataType::Timestamp(*unit, zone()?),
            (PointConversion::ToLocal, DataType::Timestamp(unit, Some(_))) => DataType::Timestamp(*unit, None),
            (PointConversion::Nanos, _) => WIDE,
            (PointConversion::Duration, DataType::FixedSizeBinary(12) | DataType::Interval(_)) => INTERVAL,
            (PointConversion::DurationBytes, DataType::Interval(_) | DataType::Duration(_)) => {
                DataType::FixedSizeBinary(12)
            }
            (PointConversion::Parse { unit, is_instant, is_try }, _) => {
                is_nullable |= is_try;
                DataType::Timestamp(unit, if is_instant { zone()? } else { None })
            }
            (_, other) => return plan_err!("{} of {other}", self.name()),
        };
        let field = Field::new(self.name(), data_type, is_nullable);
        Ok(Arc::new(match self.kind {
            PointConversion::DurationBytes => {
                field.with_metadata([("avro.logicalType".to_owned(), "duration".to_owned())].into())
            }
            _ => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first() else { return exec_err!("{} has no arguments", self.name()) };
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let array = value.to_array(rows)?;
        let result = match self.kind {
            PointConversion::Nanos => nanos_of(&array)?,
            // It may be an interval already, see `zones`.
            PointConversion::Duration if *array.data_type() == INTERVAL => array,
            PointConversion::Duration => durations(&array)?,
            PointConversion::DurationBytes => duration_bytes_of(&array)?,
            PointConversion::Parse { is_try, .. } => {
                let zone = match args.args.get(1) {
                    Some(ColumnarValue::Scalar(zone)) => clock::zone(zone.try_as_str().flatten().unwrap_or("UTC"))?,
                    _ => return exec_err!("the time zone must be a literal"),
                };
                parsed(&array, args.return_field.data_type(), zone, is_try)?
            }
            PointConversion::ToInstant => match args.return_field.data_type() {
                DataType::Timestamp(unit, Some(zone)) => {
                    let zone = clock::zone(zone)?;
                    moved(&array, *unit, args.return_field.data_type(), |s| clock::instant_of(zone, s))?
                }
                _ => array,
            },
            PointConversion::ToLocal => match array.data_type() {
                DataType::Timestamp(unit, Some(zone)) => {
                    let zone = clock::zone(zone)?;
                    moved(&array, *unit, args.return_field.data_type(), |s| clock::wall_of(zone, s))?
                }
                _ => array,
            },
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Returns timestamps of this type with changed seconds.
fn moved(array: &ArrayRef, unit: TimeUnit, to: &DataType, map: impl Fn(i64) -> i64) -> Result<ArrayRef> {
    let values = cast(array, &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>().try_unary::<_, Int64Type, _>(|value| {
        clock::map_seconds(value, unit, &map).ok_or_else(|| exec_datafusion_err!("a timestamp is out of range"))
    })?;
    Ok(cast(&values, to)?)
}

// SPEC: Duration: months, days and milliseconds, each four bytes, little endian, unsigned.
fn durations(array: &ArrayRef) -> Result<ArrayRef> {
    let number = |bytes: &[u8], at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        u32::from_le_bytes(bytes)
    };
    let small =
        |n: u32| i32::try_from(n).map_err(|_| exec_datafusion_err!("a duration of {n} months or days is out of range"));
    let interval = |bytes: &[u8]| -> Result<IntervalMonthDayNano> {
        let nanos = i64::from(number(bytes, 8)) * 1_000_000;
        Ok(IntervalMonthDayNano::new(small(number(bytes, 0))?, small(number(bytes, 4))?, nanos))
    };
    let intervals = array.as_fixed_size_binary().iter().map(|bytes| bytes.map(interval).transpose());
    Ok(Arc::new(intervals.collect::<Result<IntervalMonthDayNanoArray>>()?))
}

fn duration_bytes_of(array: &ArrayRef) -> Result<ArrayRef> {
    let intervals = cast(array, &INTERVAL)?;
    let mut bytes = FixedSizeBinaryBuilder::with_capacity(array.len(), 12);
    for value in intervals.as_primitive::<IntervalMonthDayNanoType>() {
        let Some(value) = value else {
            bytes.append_null();
            continue;
        };
        let millis = value.nanoseconds / 1_000_000;
        let parts = [u32::try_from(value.months), u32::try_from(value.days), u32::try_from(millis)];
        let [Ok(months), Ok(days), Ok(millis)] = parts else {
            return exec_err!("Parquet cannot hold an interval that is negative, or has more than 49 days in hours");
        };
        if i64::from(millis) * 1_000_000 != value.nanoseconds {
            return exec_err!("Parquet cannot hold an interval of less than a millisecond");
        }
        let value: Vec<u8> = [months, days, millis].into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.append_value(value)?;
    }
    Ok(Arc::new(bytes.finish()))
}

/// Parses text as timestamps: as arrow does, or as [`clock::parse`] does if arrow fails.
fn parsed(array: &ArrayRef, to: &DataType, zone: Tz, is_try: bool) -> Result<ArrayRef> {
    let quick = cast(array, to)?;
    if quick.null_count() == array.logical_null_count() {
        return Ok(quick);
    }
    let DataType::Timestamp(unit, to_zone) = to else { return Ok(quick) };
    let per = i128::from(clock::per_second(*unit));
    let texts = cast(array, &DataType::Utf8)?;
    let value = |text: &str| {
        let written = clock::parse(text)?;
        let mut nanos = written.nanos;
        if written.is_instant != to_zone.is_some() {
            let seconds = i64::try_from(nanos.div_euclid(clock::NANOS)).ok()?;
            let moved =
                if written.is_instant { clock::wall_of(zone, seconds) } else { clock::instant_of(zone, seconds) };
            nanos += (i128::from(moved) - i128::from(seconds)) * clock::NANOS;
        }
        i64::try_from(nanos.div_euclid(clock::NANOS / per)).ok()
    };
    let values = texts.as_string::<i32>().iter().map(|text| match text.map(|text| (text, value(text))) {
        Some((text, None)) if !is_try => {
            exec_err!("'{text}' is not a timestamp; write it as '2024-02-27 20:08:53', or use TRY_CAST")
        }
        Some((_, value)) => Ok(value),
        None => Ok(None),
    });
    Ok(cast(&values.collect::<Result<Int64Array>>()?, to)?)
}

fn nanos_of(array: &ArrayRef) -> Result<ArrayRef> {
    const DAY: i128 = 86_400 * clock::NANOS;
    let per_unit = |unit: &TimeUnit| clock::NANOS / i128::from(clock::per_second(*unit));
    let wide: Decimal128Array = match array.data_type() {
        DataType::Date32 => array.as_primitive::<Date32Type>().unary(|days| i128::from(days) * DAY),
        DataType::Timestamp(unit, _) => {
            let (values, per) = (cast(array, &DataType::Int64)?, per_unit(unit));
            values.as_primitive::<Int64Type>().unary(|value| i128::from(value) * per)
        }
        DataType::Duration(unit) => {
            let per = per_unit(unit);
            let nanos = |value: i64| i128::from(value) * per;
            match unit {
                TimeUnit::Second => array.as_primitive::<DurationSecondType>().unary(nanos),
                TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().unary(nanos),
                TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().unary(nanos),
                TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().unary(nanos),
            }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => array
            .as_primitive::<IntervalMonthDayNanoType>()
            .unary(|i| (i128::from(i.months) * 30 + i128::from(i.days)) * DAY + i128::from(i.nanoseconds)),
        DataType::Interval(IntervalUnit::DayTime) => array
            .as_primitive::<IntervalDayTimeType>()
            .unary(|i| i128::from(i.days) * DAY + i128::from(i.milliseconds) * 1_000_000),
        DataType::Interval(IntervalUnit::YearMonth) => {
            array.as_primitive::<IntervalYearMonthType>().unary(|months| i128::from(months) * 30 * DAY)
        }
        DataType::Null => return Ok(cast(array, &WIDE)?),
        other => return exec_err!("{other} is not a point in time or an interval"),
    };
    let wide: arrow_array::PrimitiveArray<Decimal128Type> = wide;
    Ok(Arc::new(wide.with_precision_and_scale(38, 0)?))
}
