//! Distances between points in time, and multiples of intervals. The functions of [`dates`](super::dates) are
//! expressions that call these, with wall clocks in microseconds.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, IntervalMonthDayNanoArray, PrimitiveArray};
use arrow_schema::DataType;
use chrono::{DateTime, Datelike, Months, NaiveDateTime};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::dates::INTERVAL;
use super::function::{Arguments, Body, Cached, Definition, Kernel};
use super::types::MICROS;

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "date_boundaries",
        aliases: &[],
        usage: "",
        about: "",
        example: "",
        n_args: 3..=3,
        body: Body::Kernel(Kernel {
            coerce: |_| Ok(vec![DataType::Utf8View, MICROS, MICROS]),
            returns: |_, _| Ok(DataType::Int64),
            call: |arguments| differences(arguments, DistanceUnit::boundaries),
        }),
    },
    Definition {
        name: "date_whole_parts",
        aliases: &[],
        usage: "",
        about: "",
        example: "",
        n_args: 3..=3,
        body: Body::Kernel(Kernel {
            coerce: |_| Ok(vec![DataType::Utf8View, MICROS, MICROS]),
            returns: |_, _| Ok(DataType::Int64),
            call: |arguments| differences(arguments, DistanceUnit::whole),
        }),
    },
    Definition {
        name: "age_of",
        aliases: &[],
        usage: "",
        about: "",
        example: "",
        n_args: 2..=2,
        body: Body::Kernel(Kernel { coerce: |_| Ok(vec![MICROS, MICROS]), returns: |_, _| Ok(INTERVAL), call: ages }),
    },
    Definition {
        name: "interval_times",
        aliases: &[],
        usage: "",
        about: "",
        example: "",
        n_args: 2..=2,
        body: Body::Kernel(Kernel {
            coerce: |_| Ok(vec![DataType::Float64, INTERVAL]),
            returns: |_, _| Ok(INTERVAL),
            call: multiples,
        }),
    },
];

/// A unit in which distances are counted.
#[derive(Debug, Clone, Copy)]
enum DistanceUnit {
    Micros(i64),
    /// Weeks begin with Monday.
    Week,
    Months(i64),
    IsoYear,
}

const DAY: i64 = 86_400_000_000;

/// The names of units, also in the plural.
const PARTS: &[(&[&str], DistanceUnit)] = &[
    (&["year", "yr", "y"], DistanceUnit::Months(12)),
    (&["quarter"], DistanceUnit::Months(3)),
    (&["month", "mon"], DistanceUnit::Months(1)),
    (&["week", "weekofyear", "w"], DistanceUnit::Week),
    (
        &["day", "dayofmonth", "d", "dow", "dayofweek", "weekday", "isodow", "doy", "dayofyear"],
        DistanceUnit::Micros(DAY),
    ),
    (&["hour", "hr", "h"], DistanceUnit::Micros(3_600_000_000)),
    (&["minute", "min", "m"], DistanceUnit::Micros(60_000_000)),
    (&["second", "sec", "s", "epoch"], DistanceUnit::Micros(1_000_000)),
    (&["millisecond", "msec", "ms"], DistanceUnit::Micros(1_000)),
    (&["microsecond", "usec", "us"], DistanceUnit::Micros(1)),
    (&["decade"], DistanceUnit::Months(120)),
    (&["century", "centurie"], DistanceUnit::Months(1_200)),
    (&["millennium", "millennia"], DistanceUnit::Months(12_000)),
    (&["isoyear"], DistanceUnit::IsoYear),
];

impl DistanceUnit {
    fn of(name: &str) -> Result<DistanceUnit> {
        let name = name.to_ascii_lowercase();
        let is = |known: &&str| name == **known || name.strip_suffix('s') == Some(known);
        match PARTS.iter().find(|(names, _)| names.iter().any(is)) {
            Some((_, part)) => Ok(*part),
            None => exec_err!(
                "`{name}` is not a part of a date; use year, quarter, month, week, day, hour, minute, second or millisecond"
            ),
        }
    }

    /// Counts the starts of a unit after `from`, up to `to`.
    fn boundaries(self, from: i64, to: i64) -> Option<i64> {
        Some(match self {
            DistanceUnit::Micros(n) => to.div_euclid(n) - from.div_euclid(n),
            // 1970-01-01 was a Thursday.
            DistanceUnit::Week => (to.div_euclid(DAY) + 3).div_euclid(7) - (from.div_euclid(DAY) + 3).div_euclid(7),
            DistanceUnit::Months(n) => months(at(to)?).div_euclid(n) - months(at(from)?).div_euclid(n),
            DistanceUnit::IsoYear => i64::from(at(to)?.iso_week().year()) - i64::from(at(from)?.iso_week().year()),
        })
    }

    /// Counts whole units between two points.
    fn whole(self, from: i64, to: i64) -> Option<i64> {
        let micros = || to.checked_sub(from);
        Some(match self {
            DistanceUnit::Micros(n) => micros()? / n,
            DistanceUnit::Week => micros()? / (7 * DAY),
            DistanceUnit::Months(n) if to >= from => whole_months(at(from)?, at(to)?) / n,
            DistanceUnit::Months(n) => -(whole_months(at(to)?, at(from)?) / n),
            DistanceUnit::IsoYear if to >= from => whole_months(at(from)?, at(to)?) / 12,
            DistanceUnit::IsoYear => -(whole_months(at(to)?, at(from)?) / 12),
        })
    }
}

fn at(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|utc| utc.naive_utc())
}

/// Months since the year 0.
fn months(at: NaiveDateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

/// Counts whole months from an earlier point to a later one. The last day of a month completes it.
fn whole_months(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    let n = months(to) - months(from);
    let after = |n: i64| u32::try_from(n).ok().and_then(|n| from.checked_add_months(Months::new(n)));
    // Adding months stops at the last day of a shorter month.
    if after(n).is_some_and(|reached| reached <= to) { n } else { (n - 1).max(0) }
}

fn differences(arguments: &Arguments, count: fn(DistanceUnit, i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let names = arguments.texts(0)?;
    let (from, to) = (arguments.rows_of(1)?, arguments.rows_of(2)?);
    let (from, to) = (from.as_primitive::<TimestampMicrosecondType>(), to.as_primitive::<TimestampMicrosecondType>());
    let mut part = Cached::new();
    let mut counts = Int64Array::builder(arguments.rows);
    for row in 0..arguments.rows {
        match names.get(row).filter(|_| !from.is_null(row) && !to.is_null(row)) {
            None => counts.append_null(),
            Some(name) => {
                let part = *part.get(name, DistanceUnit::of)?;
                let counted = count(part, from.value(row), to.value(row));
                let beyond = || exec_datafusion_err!("a distance between points in time is beyond the calendar");
                counts.append_value(counted.ok_or_else(beyond)?);
            }
        }
    }
    Ok(Arc::new(counts.finish()))
}

fn ages(arguments: &Arguments) -> Result<ArrayRef> {
    let (to, from) = (arguments.rows_of(0)?, arguments.rows_of(1)?);
    let (to, from) = (to.as_primitive::<TimestampMicrosecondType>(), from.as_primitive::<TimestampMicrosecondType>());
    let mut ages = IntervalMonthDayNanoArray::builder(arguments.rows);
    for (to, from) in to.iter().zip(from) {
        match to.zip(from) {
            None => ages.append_null(),
            Some((to, from)) => {
                let beyond = || exec_datafusion_err!("age: a point in time is beyond the calendar");
                ages.append_value(age(to, from).ok_or_else(beyond)?);
            }
        }
    }
    Ok(Arc::new(ages.finish()))
}

/// Subtracts field by field, as PostgreSQL does: days are borrowed from the month of the earlier point.
fn age(to: i64, from: i64) -> Option<IntervalMonthDayNano> {
    if to < from {
        let age = age(from, to)?;
        return Some(IntervalMonthDayNano::new(-age.months, -age.days, -age.nanoseconds));
    }
    let (late, early) = (at(to)?, at(from)?);
    let mut n_months = months(late) - months(early);
    let mut days = i64::from(late.day()) - i64::from(early.day());
    let mut micros = to.rem_euclid(DAY) - from.rem_euclid(DAY);
    if micros < 0 {
        micros += DAY;
        days -= 1;
    }
    if days < 0 {
        days += i64::from(early.num_days_in_month());
        n_months -= 1;
    }
    Some(IntervalMonthDayNano::new(i32::try_from(n_months).ok()?, i32::try_from(days).ok()?, micros * 1_000))
}

fn multiples(arguments: &Arguments) -> Result<ArrayRef> {
    let (numbers, units) = (arguments.rows_of(0)?, cast(&arguments.rows_of(1)?, &INTERVAL)?);
    let units = units.as_primitive::<IntervalMonthDayNanoType>();
    let intervals = numbers.as_primitive::<Float64Type>().iter().zip(units).map(|(number, unit)| {
        let Some((number, unit)) = number.zip(unit) else { return Ok(None) };
        let interval = multiple(number, unit);
        interval.map(Some).ok_or_else(|| exec_datafusion_err!("an interval of {number} units does not fit"))
    });
    let intervals: PrimitiveArray<IntervalMonthDayNanoType> = intervals.collect::<Result<_>>()?;
    Ok(Arc::new(intervals))
}

fn multiple(number: f64, unit: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let whole = |unit: i32| {
        let product = number * f64::from(unit);
        let is_whole = product.fract() == 0.0 && product.abs() <= f64::from(i32::MAX);
        // Exact after the check.
        #[allow(clippy::cast_possible_truncation)]
        is_whole.then_some(product as i32)
    };
    let nanos = number * unit.nanoseconds as f64;
    #[allow(clippy::cast_possible_truncation)]
    let nanos = (nanos.abs() < 9.2e18).then_some(nanos.round() as i64)?;
    Some(IntervalMonthDayNano::new(whole(unit.months)?, whole(unit.days)?, nanos))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    fn micros(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_micros()
    }

    /// The expected numbers are DuckDB's.
    #[test]
    fn distances_equal_those_of_duckdb() {
        let cases = [
            ("month", "2020-01-31 00:00", "2020-02-29 00:00", 1, 1),
            ("month", "2020-03-31 00:00", "2020-02-29 00:00", -1, -1),
            ("quarters", "2020-01-31 00:00", "2020-04-30 00:00", 1, 1),
            ("year", "2020-12-31 00:00", "2021-01-01 00:00", 1, 0),
            ("week", "2020-01-05 00:00", "2020-01-06 00:00", 1, 0),
            ("day", "2020-01-01 12:00", "2020-01-02 11:00", 1, 0),
            ("hour", "1969-12-31 23:59", "1970-01-01 00:00", 1, 0),
            ("decade", "2019-12-31 00:00", "2020-01-01 00:00", 1, 0),
        ];
        check_all(cases, |(part, from, to, boundaries, whole)| {
            let unit = DistanceUnit::of(part).unwrap();
            assert_eq!(unit.boundaries(micros(from), micros(to)), Some(boundaries), "{part} {from} {to}");
            assert_eq!(unit.whole(micros(from), micros(to)), Some(whole), "{part} {from} {to}");
        });
        assert!(DistanceUnit::of("fortnight").is_err());
    }

    /// The expected ages are DuckDB's.
    #[test]
    fn age_equals_that_of_duckdb() {
        let cases = [
            ("2020-03-01 00:00", "2020-01-31 00:00", (1, 1, 0)),
            ("2020-01-31 00:00", "2020-03-01 00:00", (-1, -1, 0)),
            ("2020-03-31 00:00", "2019-02-28 00:00", (13, 3, 0)),
            ("2020-01-01 10:00", "2019-12-31 11:30", (0, 0, 81_000_000_000_000)),
        ];
        check_all(cases, |(to, from, (months, days, nanos))| {
            let expected = IntervalMonthDayNano::new(months, days, nanos);
            assert_eq!(age(micros(to), micros(from)), Some(expected), "{to} {from}");
        });
    }
}
