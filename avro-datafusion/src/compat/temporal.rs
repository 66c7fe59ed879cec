//! Comparisons and sums of points in time, times of day and intervals: the rules of [`coercion`](super::coercion).

use super::clock::{self, NANOS, Written};
use super::operand::{Operand, is_text};
use super::points;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit};

pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIME: DataType = DataType::Time64(TimeUnit::Nanosecond);
const DAY: i128 = 86_400 * NANOS;

/// Kinds of compared values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeClass {
    Point,
    TimeOfDay,
    Interval,
    Text,
}

fn class(data_type: &DataType) -> Option<TimeClass> {
    Some(match data_type {
        DataType::Date32 | DataType::Timestamp(..) => TimeClass::Point,
        DataType::Time32(_) | DataType::Time64(_) => TimeClass::TimeOfDay,
        DataType::Interval(_) | DataType::Duration(_) => TimeClass::Interval,
        other if is_text(other) => TimeClass::Text,
        _ => return None,
    })
}

/// Returns whether values are intervals, which must not be compared field by field.
pub(super) fn is_interval(data_type: &DataType) -> bool {
    class(data_type) == Some(TimeClass::Interval)
}

/// Returns both sides as they can be compared, if these kinds need other expressions.
pub(super) fn align(left: &Operand, right: &Operand, zone: &str) -> Result<Option<(Expr, Expr)>> {
    let (left_class, right_class) = match (class(left.data_type()), class(right.data_type())) {
        (Some(left), Some(right)) => (left, right),
        (Some(time), None) => return with_number(left, time, right),
        (None, Some(time)) => return with_number(right, time, left),
        (None, None) => return Ok(None),
    };
    match (left_class, right_class) {
        (TimeClass::Interval, TimeClass::Interval | TimeClass::Text) | (TimeClass::Text, TimeClass::Interval) => {
            let wide = |side: &Operand, class| match class {
                TimeClass::Text => points::nanos(cast(side.expr.clone(), INTERVAL)),
                _ => points::nanos(side.expr.clone()),
            };
            Ok(Some((wide(left, left_class), wide(right, right_class))))
        }
        (TimeClass::TimeOfDay, TimeClass::TimeOfDay | TimeClass::Text) => times(left, right),
        (TimeClass::Text, TimeClass::TimeOfDay) => Ok(times(right, left)?.map(|(right, left)| (left, right))),
        // A literal takes the type of the column.
        (TimeClass::Point, TimeClass::Point) if point(left, zone).is_some() => {
            Ok(points_of(right, left, zone)?.map(|(right, left)| (left, right)))
        }
        (TimeClass::Point, TimeClass::Point | TimeClass::Text) => points_of(left, right, zone),
        (TimeClass::Text, TimeClass::Point) => Ok(points_of(right, left, zone)?.map(|(right, left)| (left, right))),
        _ => Ok(None),
    }
}

/// Returns the error for a number beside a point in time.
fn with_number(time: &Operand, class: TimeClass, number: &Operand) -> Result<Option<(Expr, Expr)>> {
    let (what, example) = match class {
        TimeClass::Point => ("a point in time", "'2024-02-27'"),
        TimeClass::TimeOfDay => ("a time of day", "'20:08:53'"),
        TimeClass::Interval => ("an interval", "INTERVAL '1 hour'"),
        TimeClass::Text => return Ok(None),
    };
    if !number.data_type().is_numeric() {
        return Ok(None);
    }
    plan_err!(
        "`{}` is {what} and `{}` is a number; compare it with {example}, or cast it: x::bigint",
        short(&time.expr),
        short(&number.expr)
    )
}

/// Formats an expression as the user wrote it.
pub(super) fn short(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.clone(),
        other => other.human_display().to_string(),
    }
}

/// Two times of day, in the type of the first if that is exact.
fn times(left: &Operand, right: &Operand) -> Result<Option<(Expr, Expr)>> {
    if let Some(nanos) = time_literal(right)? {
        let value = |per: i128| (nanos % per == 0).then(|| i64::try_from(nanos / per).ok()).flatten();
        let literal = match left.data_type() {
            DataType::Time32(TimeUnit::Second) => {
                value(NANOS).and_then(|v| i32::try_from(v).ok()).map(|v| ScalarValue::Time32Second(Some(v)))
            }
            DataType::Time32(_) => {
                value(1_000_000).and_then(|v| i32::try_from(v).ok()).map(|v| ScalarValue::Time32Millisecond(Some(v)))
            }
            DataType::Time64(TimeUnit::Microsecond) => value(1_000).map(|v| ScalarValue::Time64Microsecond(Some(v))),
            _ => value(1).map(|v| ScalarValue::Time64Nanosecond(Some(v))),
        };
        if let Some(literal) = literal {
            return Ok(Some((left.expr.clone(), lit(literal))));
        }
        let literal = lit(ScalarValue::Time64Nanosecond(i64::try_from(nanos).ok()));
        return Ok(Some((cast(left.expr.clone(), TIME), literal)));
    }
    Ok(Some((cast(left.expr.clone(), TIME), cast(right.expr.clone(), TIME))))
}

/// The nanoseconds since midnight that a literal stands for.
fn time_literal(side: &Operand) -> Result<Option<i128>> {
    let text = side.literal_text().or_else(|| match &side.expr {
        Expr::Cast(Cast { expr, field }) if matches!(field.data_type(), DataType::Time32(_) | DataType::Time64(_)) => {
            match expr.as_ref() {
                Expr::Literal(value, _) => value.try_as_str().flatten(),
                _ => None,
            }
        }
        _ => None,
    });
    let Some(text) = text else { return Ok(None) };
    let nanos = clock::time_of_day(text.trim());
    nanos.map(Some).ok_or_else(|| exec_datafusion_err!("'{text}' is not a time of day; write it as '20:08:53.438'"))
}

/// Compares a point with another, or with text.
fn points_of(column: &Operand, other: &Operand, zone: &str) -> Result<Option<(Expr, Expr)>> {
    let is_date = *column.data_type() == DataType::Date32;
    if let Some(written) = point(other, zone) {
        return Ok(match literal_as(other, column.data_type(), zone) {
            // DataFusion handles dates and text correctly.
            Some(_) if is_date && is_text(other.data_type()) => None,
            Some(literal) => Some((column.expr.clone(), literal)),
            None => Some((
                points::nanos(column.expr.clone()),
                points::nanos_literal(as_seen_by(written, column.data_type(), zone)),
            )),
        });
    }
    if let Some(text) = other.literal_text() {
        let what = if is_date { "date" } else { "timestamp" };
        return Err(exec_datafusion_err!(
            "'{text}' is not a {what}; write it as '2024-02-27' or '2024-02-27 20:08:53'"
        ));
    }
    let unit = |data_type: &DataType| match data_type {
        DataType::Timestamp(unit, _) => *unit,
        _ => TimeUnit::Second,
    };
    let zone_of = |data_type: &DataType| match data_type {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let (this, that) = (column.data_type(), other.data_type());
    if is_text(that) {
        if is_date {
            return Ok(None);
        }
        let finer = if unit(this) == TimeUnit::Nanosecond { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
        let parsed = points::parse(other.expr.clone(), finer, zone_of(this).is_some(), zone, false);
        return Ok(Some((in_unit(column, finer), parsed)));
    }
    // Both have a zone, or neither has. A date is midnight.
    let is_instant = zone_of(this).is_some() || zone_of(that).is_some();
    let (is_wide, unit) = match (unit(this), unit(that)) {
        (a, b) if a == b => (false, a),
        (TimeUnit::Nanosecond, _) | (_, TimeUnit::Nanosecond) => (true, TimeUnit::Nanosecond),
        (TimeUnit::Microsecond, _) | (_, TimeUnit::Microsecond) => (false, TimeUnit::Microsecond),
        _ => (false, TimeUnit::Millisecond),
    };
    let zoned = |side: &Operand| {
        let in_unit = match side.data_type() {
            DataType::Date32 if is_wide => cast(side.expr.clone(), DataType::Timestamp(TimeUnit::Second, None)),
            DataType::Date32 => cast(side.expr.clone(), DataType::Timestamp(unit, None)),
            _ if is_wide => side.expr.clone(),
            _ => in_unit(side, unit),
        };
        let expr =
            if is_instant && zone_of(side.data_type()).is_none() { points::to_instant(in_unit, zone) } else { in_unit };
        if is_wide { points::nanos(expr) } else { expr }
    };
    Ok(Some((zoned(column), zoned(other))))
}

/// A timestamp in this unit.
fn in_unit(side: &Operand, unit: TimeUnit) -> Expr {
    match side.data_type() {
        DataType::Timestamp(same, _) if *same == unit => side.expr.clone(),
        DataType::Timestamp(_, zone) => cast(side.expr.clone(), DataType::Timestamp(unit, zone.clone())),
        _ => side.expr.clone(),
    }
}

/// Returns the point of a literal; `None` if it is not a literal of one.
fn point(side: &Operand, zone: &str) -> Option<Written> {
    literal_point(&side.expr, zone)
}

fn literal_point(expr: &Expr, zone: &str) -> Option<Written> {
    let timestamp = |value: &i64, unit, zone: &Option<_>| Written {
        nanos: i128::from(*value) * (NANOS / i128::from(clock::per_second(unit))),
        is_instant: zone.is_some(),
    };
    match expr {
        Expr::Literal(value, _) => Some(match value {
            ScalarValue::Date32(Some(days)) => Written { nanos: i128::from(*days) * DAY, is_instant: false },
            ScalarValue::TimestampSecond(Some(v), z) => timestamp(v, TimeUnit::Second, z),
            ScalarValue::TimestampMillisecond(Some(v), z) => timestamp(v, TimeUnit::Millisecond, z),
            ScalarValue::TimestampMicrosecond(Some(v), z) => timestamp(v, TimeUnit::Microsecond, z),
            ScalarValue::TimestampNanosecond(Some(v), z) => timestamp(v, TimeUnit::Nanosecond, z),
            text => clock::parse(text.try_as_str().flatten()?)?,
        }),
        Expr::Cast(Cast { expr, field }) => {
            let written = literal_point(expr, zone)?;
            match field.data_type() {
                to @ DataType::Timestamp(unit, _) => {
                    let per = NANOS / i128::from(clock::per_second(*unit));
                    let nanos = as_seen_by(written, to, zone);
                    Some(Written { nanos: nanos - nanos.rem_euclid(per), is_instant: is_instant(to) })
                }
                to @ DataType::Date32 => {
                    let nanos = as_seen_by(written, to, zone);
                    Some(Written { nanos: nanos - nanos.rem_euclid(DAY), is_instant: false })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

/// Converts a point to an instant or a wall clock, as in this type.
fn as_seen_by(point: Written, data_type: &DataType, zone: &str) -> i128 {
    if point.is_instant == is_instant(data_type) || clock::is_utc(zone) {
        return point.nanos;
    }
    let Ok(zone) = clock::zone(zone) else { return point.nanos };
    let Ok(seconds) = i64::try_from(point.nanos.div_euclid(NANOS)) else { return point.nanos };
    let moved = if point.is_instant { clock::wall_of(zone, seconds) } else { clock::instant_of(zone, seconds) };
    i128::from(moved) * NANOS + point.nanos.rem_euclid(NANOS)
}

/// Converts a literal to this type, if that is exact.
pub(super) fn literal_as(literal: &Operand, to: &DataType, zone: &str) -> Option<Expr> {
    let nanos = as_seen_by(point(literal, zone)?, to, zone);
    exactly(nanos, to).map(lit)
}

fn exactly(nanos: i128, to: &DataType) -> Option<ScalarValue> {
    let whole = |per: i128| (nanos % per == 0).then_some(nanos / per);
    match to {
        DataType::Date32 => Some(ScalarValue::Date32(Some(i32::try_from(whole(DAY)?).ok()?))),
        DataType::Timestamp(unit, zone) => {
            let value = Some(i64::try_from(whole(NANOS / i128::from(clock::per_second(*unit)))?).ok()?);
            let zone = zone.clone();
            Some(match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(value, zone),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone),
            })
        }
        _ => None,
    }
}

/// Returns whether it is a non-literal point in time.
pub(super) fn is_column(side: &Operand, zone: &str) -> bool {
    class(side.data_type()) == Some(TimeClass::Point)
        && point(side, zone).is_none()
        && !matches!(side.expr, Expr::Literal(..))
}

/// Casts text to a timestamp; arrow accepts fewer forms.
pub(super) fn cast_text(text: &Operand, to: &DataType, zone: &str, is_try: bool) -> Option<Expr> {
    let DataType::Timestamp(unit, to_zone) = to else { return None };
    if let Some(written) = point(text, zone) {
        let per = NANOS / i128::from(clock::per_second(*unit));
        let nanos = as_seen_by(written, to, zone);
        if let Some(literal) = exactly(nanos - nanos.rem_euclid(per), to) {
            return Some(lit(literal));
        }
    }
    Some(points::parse(text.expr.clone(), *unit, to_zone.is_some(), zone, is_try))
}

/// Plans sums and differences for which DataFusion would use nanoseconds, or drop the hours of an interval.
pub(super) fn arithmetic(left: &Operand, op: Operator, right: &Operand, zone: &str) -> Result<Option<Expr>> {
    let binary = |left, right| Ok(Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))));
    let midnight = |date: &Operand, unit| cast(date.expr.clone(), DataType::Timestamp(unit, None));
    match (left.data_type(), right.data_type()) {
        (DataType::Date32, DataType::Interval(_) | DataType::Duration(_)) if may_have_hours(right) => {
            binary(midnight(left, TimeUnit::Microsecond), right.expr.clone())
        }
        (DataType::Interval(_) | DataType::Duration(_), DataType::Date32) if may_have_hours(left) => {
            binary(left.expr.clone(), midnight(right, TimeUnit::Microsecond))
        }
        (DataType::Date32, DataType::Time32(_) | DataType::Time64(_)) => {
            binary(midnight(left, TimeUnit::Microsecond), since_midnight(right))
        }
        (DataType::Time32(_) | DataType::Time64(_), DataType::Date32) => {
            binary(since_midnight(left), midnight(right, TimeUnit::Microsecond))
        }
        (DataType::Timestamp(_, this), DataType::Timestamp(_, that))
            if op == Operator::Minus && this.is_some() != that.is_some() =>
        {
            let instant = |side: &Operand| match side.data_type() {
                DataType::Timestamp(_, None) => points::to_instant(side.expr.clone(), zone),
                _ => side.expr.clone(),
            };
            binary(instant(left), instant(right))
        }
        (DataType::Timestamp(unit, other_zone), DataType::Date32) if op == Operator::Minus => {
            let date = midnight(right, *unit);
            binary(left.expr.clone(), if other_zone.is_some() { points::to_instant(date, zone) } else { date })
        }
        (DataType::Date32, DataType::Timestamp(unit, other_zone)) if op == Operator::Minus => {
            let date = midnight(left, *unit);
            binary(if other_zone.is_some() { points::to_instant(date, zone) } else { date }, right.expr.clone())
        }
        _ => Ok(None),
    }
}

/// A time of day as a duration.
fn since_midnight(time: &Operand) -> Expr {
    let nanos = cast(cast(time.expr.clone(), TIME), DataType::Int64);
    cast(nanos, DataType::Duration(TimeUnit::Nanosecond))
}

/// Returns whether an interval may include parts of a day.
fn may_have_hours(interval: &Operand) -> bool {
    match &interval.expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => value.nanoseconds != 0,
        Expr::Literal(ScalarValue::IntervalDayTime(Some(value)), _) => value.milliseconds != 0,
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => false,
        _ => true,
    }
}

/// Returns whether values are times of day.
#[cfg(feature = "sql")]
pub(super) fn is_time_of_day(data_type: &DataType) -> bool {
    class(data_type) == Some(TimeClass::TimeOfDay)
}

/// Returns the common type for one column of these types, if they are points in time of several types.
pub(super) fn common_type(types: &[&DataType], zone: &str) -> Option<DataType> {
    let mut unit = None;
    let mut is_instant = false;
    for data_type in types {
        let finer = match data_type {
            DataType::Timestamp(unit, zone) => {
                is_instant |= zone.is_some();
                *unit
            }
            DataType::Date32 => TimeUnit::Second,
            DataType::Null => continue,
            other if is_text(other) => TimeUnit::Microsecond,
            _ => return None,
        };
        unit = unit.max(Some(finer));
    }
    let is_timestamp = |data_type: &&DataType| matches!(data_type, DataType::Timestamp(..));
    let is_mixed = types.windows(2).any(|pair| matches!(pair, [a, b] if a != b));
    if !is_mixed || !types.iter().any(is_timestamp) {
        return None;
    }
    Some(DataType::Timestamp(unit?, is_instant.then(|| zone.into())))
}

/// A value as a timestamp of this type.
pub(super) fn as_timestamp(value: &Operand, to: &DataType, zone: &str) -> Expr {
    let DataType::Timestamp(unit, to_zone) = to else { return value.expr.clone() };
    let expr = value.expr.clone();
    match value.data_type() {
        same if same == to => expr,
        other if is_text(other) => points::parse(expr, *unit, to_zone.is_some(), zone, false),
        DataType::Date32 | DataType::Timestamp(_, None) if to_zone.is_some() => {
            points::to_instant(cast(expr, DataType::Timestamp(*unit, None)), zone)
        }
        _ => cast(expr, to.clone()),
    }
}
