//! Functions of dates and timestamps that other expressions replace.
//!
//! An instant counts by the session's time zone, as in DuckDB: casts to a wall clock apply it.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit};

use super::function::Body::Expr as By;
use super::function::{Call, Definition};
use super::types::{self, is_text};

pub(super) const DEFINITIONS: &[Definition] = &[
    part("year", &[], "year(x)", "The year.", "year(DATE '2024-05-07')"),
    part("quarter", &[], "quarter(x)", "The quarter, from 1 to 4.", "quarter(DATE '2024-05-07')"),
    part("month", &[], "month(x)", "The month, from 1 to 12.", "month(DATE '2024-05-07')"),
    part("week", &["weekofyear"], "week(x)", "The ISO week, from 1 to 53.", "week(DATE '2024-05-07')"),
    part("day", &["dayofmonth"], "day(x)", "The day of the month.", "day(DATE '2024-05-07')"),
    part("dayofyear", &[], "dayofyear(x)", "The day of the year, from 1.", "dayofyear(DATE '2024-05-07')"),
    part(
        "dayofweek",
        &["weekday"],
        "dayofweek(x)",
        "The day of the week: 0 is Sunday, 6 is Saturday.",
        "dayofweek(DATE '2024-05-07')",
    ),
    Definition {
        name: "isodow",
        aliases: &[],
        usage: "isodow(x)",
        about: "The day of the week: 1 is Monday, 7 is Sunday.",
        example: "isodow(DATE '2024-05-07')",
        n_args: 1..=1,
        body: By(isodow),
    },
    part("hour", &[], "hour(x)", "The hour, from 0 to 23.", "hour(TIMESTAMP '2024-05-07 15:04:09')"),
    part("minute", &[], "minute(x)", "The minute.", "minute(TIMESTAMP '2024-05-07 15:04:09')"),
    part("second", &[], "second(x)", "The whole second.", "second(TIMESTAMP '2024-05-07 15:04:09.5')"),
    part(
        "millisecond",
        &[],
        "millisecond(x)",
        "The second in thousandths.",
        "millisecond(TIMESTAMP '2024-05-07 15:04:09.5')",
    ),
    part(
        "microsecond",
        &[],
        "microsecond(x)",
        "The second in millionths.",
        "microsecond(TIMESTAMP '2024-05-07 15:04:09.5')",
    ),
    Definition {
        name: "dayname",
        aliases: &[],
        usage: "dayname(x)",
        about: "The English name of the day.",
        example: "dayname(DATE '2024-05-07')",
        n_args: 1..=1,
        body: By(|call| named(call, "%A")),
    },
    Definition {
        name: "monthname",
        aliases: &[],
        usage: "monthname(x)",
        about: "The English name of the month.",
        example: "monthname(DATE '2024-05-07')",
        n_args: 1..=1,
        body: By(|call| named(call, "%B")),
    },
    Definition {
        name: "last_day",
        aliases: &[],
        usage: "last_day(x)",
        about: "The last day of the month.",
        example: "last_day(DATE '2024-02-05')",
        n_args: 1..=1,
        body: By(last_day),
    },
    Definition {
        name: "epoch",
        aliases: &[],
        usage: "epoch(x)",
        about: "Seconds since 1970, or of an interval.",
        example: "epoch(TIMESTAMP '1970-01-01 00:01:00.5')",
        n_args: 1..=1,
        body: By(epoch),
    },
    Definition {
        name: "epoch_ms",
        aliases: &[],
        usage: "epoch_ms(x)",
        about: "Milliseconds since 1970 of a timestamp; of a number, the timestamp.",
        example: "epoch_ms(TIMESTAMP '1970-01-01 00:01:00')",
        n_args: 1..=1,
        body: By(|call| since_1970(call, TimeUnit::Millisecond)),
    },
    Definition {
        name: "epoch_us",
        aliases: &[],
        usage: "epoch_us(x)",
        about: "Microseconds since 1970 of a timestamp; of a number, the timestamp.",
        example: "epoch_us(TIMESTAMP '1970-01-01 00:01:00')",
        n_args: 1..=1,
        body: By(|call| since_1970(call, TimeUnit::Microsecond)),
    },
    Definition {
        name: "epoch_ns",
        aliases: &[],
        usage: "epoch_ns(x)",
        about: "Nanoseconds since 1970 of a timestamp; of a number, the timestamp.",
        example: "epoch_ns(TIMESTAMP '1970-01-01 00:01:00')",
        n_args: 1..=1,
        body: By(|call| since_1970(call, TimeUnit::Nanosecond)),
    },
    Definition {
        name: "date_add",
        aliases: &[],
        usage: "date_add(x, interval)",
        about: "The sum of both.",
        example: "date_add(DATE '2024-01-31', INTERVAL '1 month')",
        n_args: 2..=2,
        body: By(|call| Ok(binary(call.arg(0), Operator::Plus, call.arg(1)))),
    },
    Definition {
        name: "date_diff",
        aliases: &["datediff"],
        usage: "date_diff(part, from, to)",
        about: "The number of starts of a year, month, day .. between two points in time.",
        example: "date_diff('month', DATE '2024-01-31', DATE '2024-02-01')",
        n_args: 3..=3,
        body: By(|call| between(call, "date_boundaries")),
    },
    Definition {
        name: "date_sub",
        aliases: &["datesub"],
        usage: "date_sub(part, from, to)",
        about: "The number of whole years, months, days .. between two points in time. \
            With two arguments, date_sub(x, interval) is their difference.",
        example: "date_sub('month', DATE '2024-01-31', DATE '2024-02-01')",
        n_args: 2..=3,
        body: By(date_sub),
    },
    Definition {
        name: "age",
        aliases: &[],
        usage: "age(to, from)",
        about: "The years, months, days and time between two points in time; without `from`, until today.",
        example: "age(DATE '2024-03-01', DATE '2023-01-31')",
        n_args: 1..=2,
        body: By(age),
    },
    Definition {
        name: "time_bucket",
        aliases: &[],
        usage: "time_bucket(width, x, origin)",
        about: "The start of the interval of this width. It counts from `origin`, without it from \
            2000-01-03, or 2000-01-01 for months. An interval as `origin` moves all starts.",
        example: "time_bucket(INTERVAL '15 minutes', TIMESTAMP '2024-05-07 15:04:09')",
        n_args: 2..=3,
        body: By(time_bucket),
    },
    Definition {
        name: "get_current_timestamp",
        aliases: &["transaction_timestamp"],
        usage: "get_current_timestamp()",
        about: "The instant at which the statement began, as now().",
        example: "",
        n_args: 0..=0,
        body: By(|call| call.of("now", vec![])),
    },
    interval("to_years", "to_years(n)", "An interval of `n` years."),
    interval("to_months", "to_months(n)", "An interval of `n` months."),
    interval("to_weeks", "to_weeks(n)", "An interval of `n` weeks."),
    interval("to_days", "to_days(n)", "An interval of `n` days."),
    interval("to_hours", "to_hours(n)", "An interval of `n` hours."),
    interval("to_minutes", "to_minutes(n)", "An interval of `n` minutes."),
    interval("to_seconds", "to_seconds(n)", "An interval of `n` seconds."),
    interval("to_milliseconds", "to_milliseconds(n)", "An interval of `n` milliseconds."),
    interval("to_microseconds", "to_microseconds(n)", "An interval of `n` microseconds."),
];

/// A function that is a part of a date.
const fn part(
    name: &'static str,
    aliases: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
    example: &'static str,
) -> Definition {
    Definition { name, aliases, usage, about, example, n_args: 1..=1, body: By(part_of) }
}

const fn interval(name: &'static str, usage: &'static str, about: &'static str) -> Definition {
    Definition { name, aliases: &[], usage, about, example: "", n_args: 1..=1, body: By(to_interval) }
}

fn part_of(call: &Call) -> Result<Expr> {
    let part = match call.name {
        "dayofweek" => "dow",
        "dayofyear" => "doy",
        name => name,
    };
    check_time(call, 0)?;
    let part = call.of("date_part", vec![lit(part), wall(call, 0)])?;
    Ok(cast(part, DataType::Int64))
}

/// DataFusion counts from Monday, which is 0.
fn isodow(call: &Call) -> Result<Expr> {
    check_time(call, 0)?;
    let day = cast(call.of("date_part", vec![lit("dow"), wall(call, 0)])?, DataType::Int64);
    let sunday = Operator::Eq;
    let is_sunday = binary(day.clone(), sunday, lit(0_i64));
    datafusion::logical_expr::when(is_sunday, lit(7_i64)).otherwise(day)
}

fn named(call: &Call, pattern: &str) -> Result<Expr> {
    check_time(call, 0)?;
    call.of("to_char", vec![wall(call, 0), lit(pattern)])
}

fn last_day(call: &Call) -> Result<Expr> {
    check_time(call, 0)?;
    let month = call.of("date_trunc", vec![lit("month"), local(call, 0)])?;
    let next = binary(month, Operator::Plus, lit(ScalarValue::new_interval_mdn(1, 0, 0)));
    Ok(cast(binary(next, Operator::Minus, lit(ScalarValue::new_interval_mdn(0, 1, 0))), DataType::Date32))
}

fn epoch(call: &Call) -> Result<Expr> {
    check_time(call, 0)?;
    let at = match call.data_type(0) {
        // Text and instants of any zone: the zone does not change the number.
        other if is_text(other) => cast(call.arg(0), types::MICROS),
        _ => call.arg(0),
    };
    Ok(cast(call.of("date_part", vec![lit("epoch"), at])?, DataType::Float64))
}

fn since_1970(call: &Call, unit: TimeUnit) -> Result<Expr> {
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    match call.data_type(0) {
        number if number.is_integer() => Ok(cast(call.arg(0), DataType::Timestamp(unit, None))),
        DataType::Interval(_) | DataType::Duration(_) => {
            let seconds = call.of("date_part", vec![lit("epoch"), call.arg(0)])?;
            Ok(cast(call.of("round", vec![binary(seconds, Operator::Multiply, lit(per_second))])?, DataType::Int64))
        }
        DataType::Timestamp(_, zone) => {
            let at = cast(call.arg(0), DataType::Timestamp(unit, zone.clone()));
            Ok(cast(at, DataType::Int64))
        }
        _ => {
            check_time(call, 0)?;
            Ok(cast(cast(call.arg(0), DataType::Timestamp(unit, None)), DataType::Int64))
        }
    }
}

/// Calls a computation over the wall clocks of two points in time.
fn between(call: &Call, function: &str) -> Result<Expr> {
    if !is_text(call.data_type(0)) {
        return plan_err!("{}: the part must be text such as 'day', not {}", call.name, call.data_type(0));
    }
    check_time(call, 1)?;
    check_time(call, 2)?;
    call.of(function, vec![call.arg(0), local(call, 1), local(call, 2)])
}

fn date_sub(call: &Call) -> Result<Expr> {
    match call.args.len() {
        2 => Ok(binary(call.arg(0), Operator::Minus, call.arg(1))),
        _ => between(call, "date_whole_parts"),
    }
}

fn age(call: &Call) -> Result<Expr> {
    check_time(call, 0)?;
    let (to, from) = match call.args.len() {
        1 => (cast(call.of("current_date", vec![])?, types::MICROS), local(call, 0)),
        _ => {
            check_time(call, 1)?;
            (local(call, 0), local(call, 1))
        }
    };
    call.of("age_of", vec![to, from])
}

fn time_bucket(call: &Call) -> Result<Expr> {
    check_time(call, 1)?;
    let width = call.arg(0);
    let has_months = match call.literal(0) {
        Some(ScalarValue::IntervalMonthDayNano(Some(width))) => width.months != 0,
        Some(ScalarValue::IntervalYearMonth(_)) => true,
        _ => false,
    };
    // A Monday, so that weeks begin with it.
    let origin = || lit(if has_months { "2000-01-01T00:00:00" } else { "2000-01-03T00:00:00" });
    let origin = || cast(origin(), types::MICROS);
    let at = local(call, 1);
    let start = match call.data_type(2) {
        DataType::Interval(_) | DataType::Duration(_) => {
            let moved = binary(at, Operator::Minus, call.arg(2));
            binary(call.of("date_bin", vec![width, moved, origin()])?, Operator::Plus, call.arg(2))
        }
        _ if call.args.len() == 3 => call.of("date_bin", vec![width, at, local(call, 2)])?,
        _ => call.of("date_bin", vec![width, at, origin()])?,
    };
    Ok(match call.data_type(1) {
        to @ (DataType::Date32 | DataType::Timestamp(_, Some(_))) => cast(start, to.clone()),
        _ => start,
    })
}

fn to_interval(call: &Call) -> Result<Expr> {
    let (months, days, nanos) = match call.name {
        "to_years" => (12, 0, 0),
        "to_months" => (1, 0, 0),
        "to_weeks" => (0, 7, 0),
        "to_days" => (0, 1, 0),
        "to_hours" => (0, 0, 3_600_000_000_000),
        "to_minutes" => (0, 0, 60_000_000_000),
        "to_seconds" => (0, 0, 1_000_000_000),
        "to_milliseconds" => (0, 0, 1_000_000),
        _ => (0, 0, 1_000),
    };
    if !call.data_type(0).is_numeric() {
        return plan_err!("{} needs a number, not {}", call.name, call.data_type(0));
    }
    call.of("interval_times", vec![call.arg(0), lit(ScalarValue::new_interval_mdn(months, days, nanos))])
}

/// Returns a date, time or interval unchanged, an instant in the session's wall clock, and text as a timestamp.
fn wall(call: &Call, at: usize) -> Expr {
    match call.data_type(at) {
        DataType::Timestamp(unit, Some(_)) => cast(call.arg(at), DataType::Timestamp(*unit, None)),
        other if is_text(other) || *other == DataType::Null => cast(call.arg(at), types::MICROS),
        _ => call.arg(at),
    }
}

/// A point in time as a wall clock in microseconds.
fn local(call: &Call, at: usize) -> Expr {
    match call.data_type(at) {
        same if *same == types::MICROS => call.arg(at),
        _ => cast(call.arg(at), types::MICROS),
    }
}

fn check_time(call: &Call, at: usize) -> Result<()> {
    use DataType::{Date32, Date64, Duration, Interval, Null, Time32, Time64, Timestamp};
    match call.data_type(at) {
        Timestamp(..) | Date32 | Date64 | Null => Ok(()),
        Time32(_) | Time64(_) | Interval(_) | Duration(_) if at == 0 => Ok(()),
        other if is_text(other) => Ok(()),
        other => plan_err!("{} needs a date or a timestamp, not {other}", call.name),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// The type of intervals.
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
