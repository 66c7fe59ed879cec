//! `date_trunc`, `date_bin` and `to_char` over all years, and with PostgreSQL's patterns.
//!
//! DataFusion 55 computes the first two in nanoseconds, which fail before 1677 and after 2262, also for dates.
//! `to_char` reads only strftime patterns, and prints `YYYY-MM-DD` literally. Here a pattern without `%` is
//! PostgreSQL's.
//!
//! Delete when: DataFusion truncates in the unit of its argument (upstream: the functions of `date_trunc` in
//! nanoseconds).

use std::sync::Arc;

use super::clock::{self, NANOS};
use super::operand::is_text;
use super::pattern::Pattern;
use super::widened::{More, Widened};
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Offset, TimeZone};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

/// Returns the functions, which wrap DataFusion's; `function` finds those by name.
pub(super) fn all(function: impl Fn(&str) -> Option<Arc<ScalarUDF>>) -> Vec<ScalarUDF> {
    let widened = |name: &'static str, aliases: &[&str], more: &'static dyn More| {
        function(name).map(|inner| Widened::new(inner, name, aliases, more).into())
    };
    let all = [
        widened("date_trunc", &["datetrunc"], &Dates::Trunc),
        widened("date_bin", &[], &Dates::Bin),
        widened("to_char", &["date_format"], &Dates::ToChar),
    ];
    all.into_iter().flatten().collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dates {
    Trunc,
    Bin,
    ToChar,
}

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

impl More for Dates {
    fn coerce(&self, types: &[DataType]) -> Result<Option<Vec<DataType>>> {
        let is_day = |data_type: &DataType| *data_type == DataType::Date32 || is_text(data_type);
        Ok(match (self, types) {
            (Dates::Trunc, [part, day]) if is_text(part) && is_day(day) => Some(vec![DataType::Utf8, MICROS]),
            (Dates::Bin, [stride, at @ ..])
                if is_stride(stride) && at.iter().all(|at| is_day(at) || is_timestamp(at)) =>
            {
                let at = at.iter().map(|at| if is_day(at) { MICROS } else { at.clone() });
                Some(std::iter::once(INTERVAL).chain(at).collect())
            }
            (Dates::ToChar, [value, pattern]) if is_text(pattern) && is_point(value) => {
                Some(vec![value.clone(), DataType::Utf8])
            }
            (Dates::ToChar, [value, pattern]) if is_text(pattern) && is_text(value) => {
                Some(vec![MICROS, DataType::Utf8])
            }
            _ => None,
        })
    }

    fn is_own(&self, types: &[DataType]) -> bool {
        match self {
            Dates::ToChar => types.first().is_some_and(is_point),
            Dates::Bin => types.first() == Some(&INTERVAL) && types.get(1).is_some_and(is_timestamp),
            Dates::Trunc => false,
        }
    }

    fn returns(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self, types.get(1)) {
            (Dates::Bin, Some(at)) => at.clone(),
            _ => DataType::Utf8,
        })
    }

    fn call(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let result = match (self, args.args.as_slice()) {
            (Dates::ToChar, [value, pattern]) => formatted(&value.to_array(rows)?, pattern, rows, Pattern::parse)?,
            (Dates::Bin, [stride, value, origin @ ..]) => {
                let value = value.to_array(rows)?;
                let DataType::Timestamp(unit, _) = value.data_type() else {
                    return exec_err!("date_bin of no timestamp");
                };
                let Some(bin) = Bin::new(stride, origin.first(), *unit)? else {
                    return Ok(ColumnarValue::Scalar(ScalarValue::try_from(value.data_type())?));
                };
                mapped(&value, |value| bin.of(value))?
            }
            _ => return exec_err!("arguments differ from the planned ones"),
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn can_rescue(&self) -> bool {
        *self == Dates::Trunc
    }

    fn rescue(&self, args: &ScalarFunctionArgs) -> Option<Result<ColumnarValue>> {
        let [ColumnarValue::Scalar(part), value] = args.args.as_slice() else { return None };
        let part = DatePart::of(part.try_as_str().flatten()?)?;
        let DataType::Timestamp(unit, zone) = value.data_type() else { return None };
        let zone = zone.as_deref().filter(|zone| !clock::is_utc(zone)).map(clock::zone).transpose().ok()?;
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let cut = |value: &ColumnarValue| -> Result<ColumnarValue> {
            let values = mapped(&value.to_array(rows)?, |value| truncated(value, unit, part, zone))?;
            if is_scalar {
                return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?));
            }
            Ok(ColumnarValue::Array(values))
        };
        Some(cut(value))
    }
}

/// Timestamps with other values.
fn mapped(array: &ArrayRef, map: impl Fn(i64) -> Option<i64>) -> Result<ArrayRef> {
    let values = cast(array, &DataType::Int64)?;
    let values: Int64Array = values
        .as_primitive::<Int64Type>()
        .try_unary(|value| map(value).ok_or_else(|| exec_datafusion_err!("a timestamp is out of range")))?;
    Ok(cast(&values, array.data_type())?)
}

/// The grid of `date_bin`.
struct Bin {
    months: u32,
    nanos: i128,
    origin: i128,
    /// Nanoseconds in a unit of the values.
    per: i128,
}

impl Bin {
    /// `None` if an argument is null.
    fn new(stride: &ColumnarValue, origin: Option<&ColumnarValue>, unit: TimeUnit) -> Result<Option<Bin>> {
        let ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(stride)) = stride else {
            return exec_err!("date_bin: the stride must be the same for all rows");
        };
        let origin = match origin {
            None => Some(0),
            Some(ColumnarValue::Scalar(origin)) => match origin.cast_to(&MICROS)? {
                ScalarValue::TimestampMicrosecond(micros, _) => micros.map(|micros| i128::from(micros) * 1_000),
                _ => None,
            },
            Some(ColumnarValue::Array(_)) => return exec_err!("date_bin: the origin must be the same for all rows"),
        };
        let (Some(stride), Some(origin)) = (stride, origin) else { return Ok(None) };
        let nanos = i128::from(stride.days) * 86_400 * NANOS + i128::from(stride.nanoseconds);
        let months = u32::try_from(stride.months);
        let months = match (months, nanos) {
            (Ok(0), 1..) => 0,
            (Ok(months @ 1..), 0) => months,
            _ => return exec_err!("date_bin: the stride must be positive, in months or in days and less"),
        };
        Ok(Some(Bin { months, nanos, origin, per: NANOS / i128::from(clock::per_second(unit)) }))
    }

    /// Returns the start of a value's bin.
    fn of(&self, value: i64) -> Option<i64> {
        let at = i128::from(value) * self.per;
        let begin = if self.months == 0 { at - (at - self.origin).rem_euclid(self.nanos) } else { self.month(at)? };
        i64::try_from(begin.div_euclid(self.per)).ok()
    }

    fn month(&self, at: i128) -> Option<i128> {
        let local = |nanos: i128| clock::naive(i64::try_from(nanos.div_euclid(NANOS)).ok()?);
        let (origin, here) = (local(self.origin)?, local(at)?);
        let count = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
        let stride = i64::from(self.months);
        let bins = (count(here) - count(origin)).div_euclid(stride);
        let begin = |bins: i64| -> Option<i128> {
            let months = Months::new(u32::try_from((bins * stride).unsigned_abs()).ok()?);
            let begin = if bins < 0 { origin.checked_sub_months(months) } else { origin.checked_add_months(months) };
            Some(i128::from(begin?.and_utc().timestamp()) * NANOS + self.origin.rem_euclid(NANOS))
        };
        begin(bins).filter(|begin| *begin <= at).or_else(|| begin(bins - 1))
    }
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

fn is_stride(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

pub(crate) fn is_point(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Time32(_) | DataType::Time64(_))
}

/// The part of a point in time that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DatePart {
    /// Whole units of this many nanoseconds.
    Nanos(i64),
    Seconds(i64),
    Week,
    /// Whole groups of this many months.
    Months(i32),
}

impl DatePart {
    fn of(name: &str) -> Option<DatePart> {
        Some(match name.to_ascii_lowercase().as_str() {
            "microsecond" => DatePart::Nanos(1_000),
            "millisecond" => DatePart::Nanos(1_000_000),
            "second" => DatePart::Seconds(1),
            "minute" => DatePart::Seconds(60),
            "hour" => DatePart::Seconds(3_600),
            "day" => DatePart::Seconds(86_400),
            "week" => DatePart::Week,
            "month" => DatePart::Months(1),
            "quarter" => DatePart::Months(3),
            "year" => DatePart::Months(12),
            _ => return None,
        })
    }
}

/// Truncates a timestamp to a part, by the clock of a zone.
fn truncated(value: i64, unit: TimeUnit, part: DatePart, zone: Option<Tz>) -> Option<i64> {
    let per = clock::per_second(unit);
    if let DatePart::Nanos(nanos) = part {
        let cut = nanos / (clock::per_second(TimeUnit::Nanosecond) / per);
        return Some(if cut > 1 { value - value.rem_euclid(cut) } else { value });
    }
    let seconds = value.div_euclid(per);
    let local = zone.map_or(seconds, |zone| clock::wall_of(zone, seconds));
    let date = || clock::naive(local).map(|local| local.date());
    let midnight = |date: NaiveDate| Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp());
    let cut = match part {
        DatePart::Seconds(n) => local - local.rem_euclid(n),
        DatePart::Week => {
            let days = local.div_euclid(86_400);
            // The first of January 1970 was a Thursday.
            (days - (days + 3).rem_euclid(7)) * 86_400
        }
        DatePart::Months(n) => {
            let date = date()?;
            let month0 = date.month0() / u32::try_from(n).ok()? * u32::try_from(n).ok()?;
            midnight(NaiveDate::from_ymd_opt(date.year(), month0 + 1, 1)?)?
        }
        DatePart::Nanos(_) => local,
    };
    zone.map_or(cut, |zone| clock::instant_of(zone, cut)).checked_mul(per)
}

/// Formats points in time; `parse` reads a pattern.
pub(crate) fn formatted(
    values: &ArrayRef,
    pattern: &ColumnarValue,
    rows: usize,
    parse: fn(&str) -> Result<Pattern>,
) -> Result<ArrayRef> {
    let patterns =
        cast(&pattern.to_array(if matches!(pattern, ColumnarValue::Scalar(_)) { 1 } else { rows })?, &DataType::Utf8)?;
    let patterns = patterns.as_string::<i32>();
    let (per, zone) = match values.data_type() {
        DataType::Timestamp(unit, zone) => (clock::per_second(*unit), zone.as_deref().map(clock::zone).transpose()?),
        DataType::Time32(unit) | DataType::Time64(unit) => (clock::per_second(*unit), None),
        _ => (0, None),
    };
    let numbers = match values.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(&cast(values, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(values, &DataType::Int64)?,
    };
    let numbers = numbers.as_primitive::<Int64Type>();
    let mut texts = StringBuilder::with_capacity(rows, rows * 10);
    let mut known: Option<(String, Pattern)> = None;
    for row in 0..rows {
        let at = if patterns.len() == 1 { 0 } else { row };
        if numbers.is_null(row) || patterns.is_null(at) {
            texts.append_null();
            continue;
        }
        let text = patterns.value(at);
        if known.as_ref().is_none_or(|(known, _)| known != text) {
            known = Some((text.to_owned(), parse(text)?));
        }
        let Some((_, pattern)) = &known else { continue };
        let number = numbers.value(row);
        let (seconds, nanos) = if per == 0 {
            (number.saturating_mul(86_400), 0)
        } else {
            (number.div_euclid(per), number.rem_euclid(per) * (1_000_000_000 / per))
        };
        let utc: Option<NaiveDateTime> = u32::try_from(nanos)
            .ok()
            .and_then(|nanos| DateTime::from_timestamp(seconds, nanos))
            .map(|utc| utc.naive_utc());
        let Some(utc) = utc else { return exec_err!("to_char: a point in time is beyond the calendar") };
        let (local, offset, name) = match zone {
            Some(zone) => {
                let offset = zone.offset_from_utc_datetime(&utc);
                let seconds = offset.fix();
                (utc + seconds, Some(seconds), offset.to_string())
            }
            None => (utc, None, String::new()),
        };
        let mut text = String::new();
        pattern.write(local, offset, &name, &mut text)?;
        texts.append_value(text);
    }
    Ok(Arc::new(texts.finish()))
}
