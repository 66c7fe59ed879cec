//! Time zones: wall clocks and zones in, instants out, and back.
//!
//! A wall-clock time that occurs twice, in autumn, is the later instant. One that is skipped, in spring, is read with
//! the offset valid before the change. Both follow PostgreSQL and DuckDB; arrow returns an error for them.

use arrow_array::timezone::Tz;
use arrow_schema::TimeUnit;
use chrono::{DateTime, Days, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use datafusion::common::{Result, exec_datafusion_err};

/// Parses the name of a zone.
pub(super) fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        exec_datafusion_err!(
            "`{name}` is not a time zone; use a name such as Europe/Berlin, or an offset such as +02:00"
        )
    })
}

/// Returns whether the zone's wall clock is always that of UTC.
pub(super) fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "utc" | "Etc/UTC" | "+00:00" | "Z" | "GMT")
}

/// The wall clock of the zone at an instant, both in seconds.
///
/// Outside of the calendar's range, about 260,000 years, the zone is treated as UTC.
pub(super) fn wall_of(zone: Tz, seconds: i64) -> i64 {
    match DateTime::from_timestamp(seconds, 0) {
        Some(utc) => {
            let offset = zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc();
            seconds.saturating_add(i64::from(offset))
        }
        None => seconds,
    }
}

/// Returns the instant at which the zone's wall clock shows `local`, both in seconds.
pub(super) fn instant_of(zone: Tz, seconds: i64) -> i64 {
    let Some(local) = naive(seconds) else { return seconds };
    let offset = match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => offset.fix(),
        MappedLocalTime::Ambiguous(_, later) => later.fix(),
        MappedLocalTime::None => {
            let before = local.checked_sub_days(Days::new(1)).unwrap_or(local);
            zone.offset_from_utc_datetime(&before).fix()
        }
    };
    seconds.saturating_sub(i64::from(offset.local_minus_utc()))
}

/// A wall clock as a date and a time.
pub(super) fn naive(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|utc| utc.naive_utc())
}

/// Returns the number of these units per second.
pub(super) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Applies a change of seconds to a number of units; `None` if the result does not fit.
pub(super) fn map_seconds(value: i64, unit: TimeUnit, map: impl Fn(i64) -> i64) -> Option<i64> {
    let per = per_second(unit);
    let (seconds, rest) = (value.div_euclid(per), value.rem_euclid(per));
    map(seconds).checked_mul(per)?.checked_add(rest)
}

/// A parsed point in time: nanoseconds since 1970, and whether the text has an offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) nanos: i128,
    pub(super) is_instant: bool,
}

/// Parses a date, or a date and a time with or without an offset: every form that arrow reads, in any year, with or
/// without seconds.
pub(super) fn parse(text: &str) -> Option<Written> {
    let text = text.trim();
    // A date has two hyphens, and its time follows it.
    let at = text.get(1..)?.match_indices('-').nth(1)?.0 + 1;
    let digits = text.get(at + 1..)?.find(|c: char| !c.is_ascii_digit()).map(|n| at + 1 + n);
    let (date, rest) = text.split_at(digits.unwrap_or(text.len()));
    let date = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let days = i128::from(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp()) * NANOS;
    let rest = match rest.strip_prefix(['T', 't', ' ']) {
        Some(rest) => rest.trim(),
        None if rest.is_empty() => return Some(Written { nanos: days, is_instant: false }),
        None => return None,
    };
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(end);
    let local = days + time_of_day(time)?;
    match offset.trim() {
        "" => Some(Written { nanos: local, is_instant: false }),
        "Z" | "z" => Some(Written { nanos: local, is_instant: true }),
        name => {
            let zone: Tz = name.parse().ok()?;
            let seconds = i64::try_from(local.div_euclid(NANOS)).ok()?;
            let instant = instant_of(zone, seconds);
            Some(Written { nanos: i128::from(instant) * NANOS + local.rem_euclid(NANOS), is_instant: true })
        }
    }
}

/// Nanoseconds in a second.
pub(super) const NANOS: i128 = 1_000_000_000;

/// Parses `20:08`, `20:08:53` or `20:08:53.438`. Digits after the ninth are cut off.
pub(super) fn time_of_day(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let (second, fraction) = match parts.next() {
        Some(second) => second.split_once('.').map_or((second, ""), |(second, fraction)| (second, fraction)),
        None => ("0", ""),
    };
    let number = |text: &str, below: u32| text.parse::<u32>().ok().filter(|n| *n < below && text.len() <= 2);
    let (hour, minute, second) = (number(hour, 24)?, number(minute, 60)?, number(second, 60)?);
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut nanos = 0_i128;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(9) {
        nanos = nanos * 10 + i128::from(digit - b'0');
    }
    Some(i128::from(hour * 3600 + minute * 60 + second) * NANOS + nanos)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn parse_accepts_any_year() {
        let cases = [
            ("1970-01-01", Some((0_i64, false))),
            ("1970-01-01 00:01", Some((60, false))),
            ("1970-01-01T00:00:01Z", Some((1, true))),
            ("1970-01-01 02:00:00+02:00", Some((0, true))),
            ("1970-01-01 01:00:00 Europe/Berlin", Some((0, true))),
            ("9999-12-31 23:59:59", Some((253_402_300_799, false))),
            ("0001-01-01", Some((-62_135_596_800, false))),
            ("+10000-01-01T00:00:00", Some((253_402_300_800, false))),
            ("1970-13-01", None),
            ("1970-01-01 25:00", None),
            ("1970-01-01x", None),
            ("yesterday", None),
            ("", None),
        ];
        check_all(cases, |(text, seconds)| {
            let expected = seconds.map(|(s, is_instant)| Written { nanos: i128::from(s) * NANOS, is_instant });
            assert_eq!(parse(text), expected, "{text}");
        });
        assert_eq!(parse("1970-01-01 00:00:00.000000001").unwrap().nanos, 1);
        assert_eq!(parse("1970-01-01 00:00:00.5").unwrap().nanos, 500_000_000);
    }

    /// The instants are PostgreSQL's.
    #[test]
    fn instant_at_daylight_saving_changes() {
        let berlin = zone("Europe/Berlin").unwrap();
        let at = |text: &str| (parse(text).unwrap().nanos / NANOS) as i64;
        let cases = [
            ("2024-07-01 12:00:00", "2024-07-01 10:00:00"),
            ("2024-03-31 02:30:00", "2024-03-31 01:30:00"), // skipped
            ("2024-10-27 02:30:00", "2024-10-27 01:30:00"), // shown twice
        ];
        check_all(cases, |(wall, utc)| {
            assert_eq!(instant_of(berlin, at(wall)), at(utc), "{wall}");
        });
        assert_eq!(wall_of(berlin, at("2024-03-31 01:30:00")), at("2024-03-31 03:30:00"));
        assert_eq!(wall_of(berlin, i64::MAX), i64::MAX);
        assert!(zone("Europe/Atlantis").is_err());
    }
}
