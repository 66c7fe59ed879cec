//! Parses dates, times, durations and uuids to the numbers that Avro stores, without rounding.

/// Days from 1970-01-01 to a date such as `2024-02-29`, in the proleptic Gregorian calendar. Years may have a sign and
/// more digits.
pub(super) fn date(text: &str) -> Option<i128> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let mut parts = unsigned.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (year, month, day) = (sign * number(year)?, number(month)?, number(day)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_of_month).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Units since midnight of a time such as `23:59:59.999`, with `per_second` units in a second; finer digits must be
/// zeros.
pub(super) fn time(text: &str, per_second: i128) -> Option<i128> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    if parts.next().is_some() || [hour, minute, second].iter().any(|part| part.len() != 2) {
        return None;
    }
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second) * per_second + units(fraction, per_second)?)
}

/// The zone of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// UTC, unless the text has an offset.
    Utc,
    /// No zone.
    Local,
}

/// Units since 1970-01-01 00:00 of a timestamp such as `2024-02-29T23:59:59.999Z`.
pub(super) fn timestamp(text: &str, per_second: i128, zone: Zone) -> Option<i128> {
    // A date alone is its midnight.
    let Some(at) = text.find(['T', 't', ' ']) else { return Some(date(text)? * 86_400 * per_second) };
    let (day, clock) = (text.get(..at)?, text.get(at + 1..)?);
    let (clock, offset) = match clock.find(['Z', 'z', '+', '-']) {
        Some(at) if zone == Zone::Utc => (clock.get(..at)?, offset_seconds(clock.get(at..)?)?),
        Some(_) => return None,
        None => (clock, 0),
    };
    Some(date(day)? * 86_400 * per_second + time(clock, per_second)? - offset * per_second)
}

/// Seconds east of UTC: `Z`, `+02`, `-0330`, `+05:30`.
fn offset_seconds(text: &str) -> Option<i128> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        _ => digits.split_once(':')?,
    };
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let seconds = number(hours)? * 3600 + number(minutes)? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// Months, days and milliseconds of an ISO 8601 duration such as `P1Y2M3DT4H5M6.789S`.
pub(super) fn duration(text: &str) -> Option<[u32; 3]> {
    let (dates, times) = text.strip_prefix('P')?.split_once('T').map_or((text.get(1..)?, None), |(d, t)| (d, Some(t)));
    if times == Some("") || (dates.is_empty() && times.is_none()) {
        return None;
    }
    let mut months = 0;
    let mut days = 0;
    let mut millis = 0;
    for (count, unit) in parts(dates)? {
        match unit {
            'Y' => months += number(count)?.checked_mul(12)?,
            'M' => months += number(count)?,
            'W' => days += number(count)?.checked_mul(7)?,
            'D' => days += number(count)?,
            _ => return None,
        }
    }
    for (count, unit) in parts(times.unwrap_or_default())? {
        let (whole, fraction) = count.split_once('.').unwrap_or((count, "0"));
        match unit {
            'H' => millis += number(count)?.checked_mul(3_600_000)?,
            'M' => millis += number(count)?.checked_mul(60_000)?,
            'S' => millis += number(whole)?.checked_mul(1000)? + units(fraction, 1000)?,
            _ => return None,
        }
    }
    let of = |value: i128| u32::try_from(value).ok();
    Some([of(months)?, of(days)?, of(millis)?])
}

/// Numbers, each with the letter after it.
fn parts(mut text: &str) -> Option<Vec<(&str, char)>> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let at = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (count, rest) = text.split_at_checked(at)?;
        parts.push((count, rest.chars().next()?));
        text = rest.get(1..)?;
    }
    Some(parts)
}

/// The bytes of a uuid in its usual form.
pub(super) fn uuid(text: &str) -> Option<[u8; 16]> {
    let dashes = [8, 13, 18, 23];
    if text.len() != 36 || text.bytes().enumerate().any(|(at, byte)| (byte == b'-') != dashes.contains(&at)) {
        return None;
    }
    hex(&text.replace('-', ""))?.try_into().ok()
}

/// Decodes hex digits.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

/// The units of a second's fraction; `None` if it is finer than the unit.
fn units(fraction: &str, per_second: i128) -> Option<i128> {
    let n_digits = per_second.ilog10() as usize;
    let (kept, finer) = fraction.split_at_checked(n_digits.min(fraction.len()))?;
    if fraction.is_empty() || finer.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let scale = 10_i128.pow((n_digits - kept.len()) as u32);
    if kept.is_empty() { Some(0) } else { Some(number(kept)? * scale) }
}

/// Parses digits, at most as many as keep the products with a day's nanoseconds from overflowing.
fn number(digits: &str) -> Option<i128> {
    let is_number = (1..=12).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn date_text_round_trips() {
        let cases = [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("0001-01-01", Some(-719_162)),
            ("0000-12-31", Some(-719_163)),
            ("-0001-12-31", Some(-719_529)),
            ("9999-12-31", Some(2_932_896)),
            ("+10000-01-01", Some(2_932_897)),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-1-1", None),
            ("24-01-01", None),
            ("2024-01-01-01", None),
            ("2024-00-10", None),
            ("2024-01-00", None),
            ("", None),
        ];
        check_all(cases, |(text, want)| {
            assert_eq!(date(text), want, "{text}");
        });
    }

    #[test]
    fn time_and_timestamp_texts_round_trip() {
        assert_eq!(time("23:59:59.999", 1000), Some(86_399_999));
        assert_eq!(time("00:00", 1000), Some(0));
        assert_eq!(time("00:00:00.0010", 1000), Some(1));
        for wrong in ["24:00:00", "00:60:00", "0:00:00", "00:00:00.0001", "00:00:00.", "00:00:00:00", "x"] {
            assert_eq!(time(wrong, 1000), None, "{wrong}");
        }
        let cases = [
            ("1970-01-01T00:00:00Z", Zone::Utc, Some(0)),
            ("1970-01-01 00:00:01", Zone::Utc, Some(1_000_000)),
            ("1970-01-01T02:00:00.000001+02:00", Zone::Utc, Some(1)),
            ("1969-12-31T20:30:00-0330", Zone::Utc, Some(0)),
            ("1969-12-31T23:59:59.999999", Zone::Local, Some(-1)),
            ("1970-01-01T00:00:00Z", Zone::Local, None),
            ("1970-01-01T00:00:00+0", Zone::Utc, None),
            ("1970-01-02", Zone::Local, Some(86_400_000_000)),
            ("1970-01", Zone::Utc, None),
        ];
        check_all(cases, |(text, zone, want)| {
            assert_eq!(timestamp(text, 1_000_000, zone), want, "{text}");
        });
    }

    #[test]
    fn duration_uuid_and_hex_texts_round_trip() {
        assert_eq!(duration("P1Y2M3W4DT5H6M7.089S"), Some([14, 25, 18_367_089]));
        assert_eq!(duration("PT0S"), Some([0, 0, 0]));
        assert_eq!(duration("P4294967295M4294967295DT4294967.295S"), Some([u32::MAX; 3]));
        for wrong in ["", "P", "PT", "P1", "1D", "PT-1S", "P4294967296M", "PT0.0001S", "P1S", "PT1D", "P1.5D"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
        assert_eq!(uuid("00010203-0405-0607-0809-0a0b0c0d0eFF"), Some(bytes));
        for wrong in ["000102030405060708090a0b0c0d0eff", "00010203-0405-0607-0809-0a0b0c0d0efg", ""] {
            assert_eq!(uuid(wrong), None, "{wrong}");
        }
        assert_eq!(hex("00fF"), Some(vec![0, 255]));
        assert_eq!((hex("0"), hex("0g"), hex("é")), (None, None, None));
    }
}
