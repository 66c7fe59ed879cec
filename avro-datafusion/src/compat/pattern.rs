//! Patterns of `to_char`.
//!
//! A pattern with a `%` is strftime's, any other is PostgreSQL's. A pattern that is neither is an error. A pattern of
//! the function `strftime` always is strftime's.

use std::fmt::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{Datelike, FixedOffset, NaiveDateTime, TimeZone, Timelike, Utc};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

#[derive(Debug)]
pub(crate) enum Pattern {
    Strftime(String),
    Fields(Vec<Field>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Text(String),
    /// The strftime specifier.
    Strftime(&'static str),
    /// A specifier in upper or lower case, or padded with spaces.
    Name {
        strftime: &'static str,
        case: Case,
        is_filled: bool,
    },
    /// A number, which `FM` writes without leading zeros.
    Number {
        of: NumberPattern,
        width: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Upper,
    Title,
    Lower,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberPattern {
    Year,
    YearOfCentury,
    IsoYear,
    Quarter,
    Month,
    Week,
    IsoWeek,
    Day,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour,
    Hour12,
    Minute,
    Second,
    Millis,
    Micros,
    Nanos,
}

/// PostgreSQL's numbers. Longer words come before their prefixes.
const NUMBERS: &[(&str, NumberPattern, usize)] = &[
    ("YYYY", NumberPattern::Year, 4),
    ("YY", NumberPattern::YearOfCentury, 2),
    ("IYYY", NumberPattern::IsoYear, 4),
    ("HH24", NumberPattern::Hour, 2),
    ("HH12", NumberPattern::Hour12, 2),
    ("HH", NumberPattern::Hour12, 2),
    ("MI", NumberPattern::Minute, 2),
    ("MM", NumberPattern::Month, 2),
    ("MS", NumberPattern::Millis, 3),
    ("SS", NumberPattern::Second, 2),
    ("US", NumberPattern::Micros, 6),
    ("FF3", NumberPattern::Millis, 3),
    ("FF6", NumberPattern::Micros, 6),
    ("FF9", NumberPattern::Nanos, 9),
    ("DDD", NumberPattern::DayOfYear, 3),
    ("DD", NumberPattern::Day, 2),
    ("ID", NumberPattern::IsoDayOfWeek, 1),
    ("IW", NumberPattern::IsoWeek, 2),
    ("WW", NumberPattern::Week, 2),
    ("D", NumberPattern::DayOfWeek, 1),
    ("Q", NumberPattern::Quarter, 1),
];

/// PostgreSQL's names, the strftime specifier, and whether they are padded to the longest.
const NAMES: &[(&str, &str, bool)] = &[
    ("MONTH", "%B", true),
    ("MON", "%b", false),
    ("DAY", "%A", true),
    ("DY", "%a", false),
    ("AM", "%p", false),
    ("PM", "%p", false),
];

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Pattern> {
        if text.contains('%') {
            if StrftimeItems::new(text).any(|item| item == Item::Error) {
                return exec_err!("to_char: '{text}' is not a pattern of strftime, such as '%Y-%m-%d %H:%M:%S'");
            }
            return Ok(Pattern::Strftime(text.to_owned()));
        }
        let mut fields = Vec::new();
        let mut rest = text;
        let mut is_filled = true;
        'fields: while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix('"') {
                let (quoted, after) = after.split_once('"').unwrap_or((after, ""));
                fields.push(Field::Text(quoted.to_owned()));
                rest = after;
                continue;
            }
            let word = |word: &str| rest.get(..word.len()).filter(|found| found.eq_ignore_ascii_case(word));
            if word("FM").is_some() {
                is_filled = false;
                rest = rest.get(2..).unwrap_or_default();
                continue;
            }
            for (name, strftime, is_long) in NAMES {
                if let Some(found) = word(name) {
                    let mut letters = found.chars();
                    let case = match (letters.next(), letters.next()) {
                        (Some(a), Some(b)) if a.is_uppercase() && b.is_uppercase() => Case::Upper,
                        (Some(a), _) if a.is_uppercase() => Case::Title,
                        _ => Case::Lower,
                    };
                    fields.push(Field::Name { strftime, case, is_filled: *is_long && is_filled });
                    rest = rest.get(name.len()..).unwrap_or_default();
                    is_filled = true;
                    continue 'fields;
                }
            }
            for (name, number, width) in NUMBERS {
                if word(name).is_some() {
                    fields.push(Field::Number { of: *number, width: if is_filled { *width } else { 1 } });
                    rest = rest.get(name.len()..).unwrap_or_default();
                    is_filled = true;
                    continue 'fields;
                }
            }
            if word("TZ").is_some() || word("OF").is_some() {
                fields.push(Field::Strftime(if word("TZ").is_some() { "%Z" } else { "%:z" }));
                rest = rest.get(2..).unwrap_or_default();
                continue;
            }
            // `T` and `Z` as in ISO 8601.
            if first.is_alphabetic() && !matches!(first, 'T' | 'Z') {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                return exec_err!(
                    "to_char: '{word}' in '{text}' is not a field; write 'YYYY-MM-DD HH24:MI:SS' or strftime's '%Y-%m-%d %H:%M:%S', and text in \"quotes\""
                );
            }
            match fields.last_mut() {
                Some(Field::Text(text)) => text.push(first),
                _ => fields.push(Field::Text(first.to_string())),
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        Ok(Pattern::Fields(fields))
    }

    /// Writes a wall clock; `offset` and `zone` are those of an instant.
    pub(super) fn write(
        &self,
        local: NaiveDateTime,
        offset: Option<FixedOffset>,
        zone: &str,
        to: &mut String,
    ) -> Result<()> {
        match self {
            Pattern::Strftime(pattern) => strftime(pattern, local, offset, zone, to),
            Pattern::Fields(fields) => fields.iter().try_for_each(|field| match field {
                Field::Text(text) => {
                    to.push_str(text);
                    Ok(())
                }
                Field::Strftime(pattern) => strftime(pattern, local, offset, zone, to),
                Field::Name { strftime: pattern, case, is_filled } => {
                    let mut name = String::new();
                    strftime(pattern, local, offset, zone, &mut name)?;
                    let name = match case {
                        Case::Upper => name.to_uppercase(),
                        Case::Title => name,
                        Case::Lower => name.to_lowercase(),
                    };
                    to.push_str(&name);
                    // The longest names have nine characters.
                    let n = if *is_filled { 9_usize.saturating_sub(name.chars().count()) } else { 0 };
                    to.extend(std::iter::repeat_n(' ', n));
                    Ok(())
                }
                Field::Number { of, width } => {
                    let _ = write!(to, "{:0width$}", of.value(local)); // writing to a String cannot fail
                    Ok(())
                }
            }),
        }
    }
}

impl NumberPattern {
    fn value(self, at: NaiveDateTime) -> i64 {
        match self {
            NumberPattern::Year => i64::from(at.year()),
            NumberPattern::YearOfCentury => i64::from(at.year().rem_euclid(100)),
            NumberPattern::IsoYear => i64::from(at.iso_week().year()),
            NumberPattern::Quarter => i64::from(at.month0() / 3 + 1),
            NumberPattern::Month => i64::from(at.month()),
            NumberPattern::Week => i64::from(at.ordinal0() / 7 + 1),
            NumberPattern::IsoWeek => i64::from(at.iso_week().week()),
            NumberPattern::Day => i64::from(at.day()),
            NumberPattern::DayOfYear => i64::from(at.ordinal()),
            NumberPattern::DayOfWeek => i64::from(at.weekday().number_from_sunday()),
            NumberPattern::IsoDayOfWeek => i64::from(at.weekday().number_from_monday()),
            NumberPattern::Hour => i64::from(at.hour()),
            NumberPattern::Hour12 => i64::from(at.hour12().1),
            NumberPattern::Minute => i64::from(at.minute()),
            NumberPattern::Second => i64::from(at.second()),
            NumberPattern::Millis => i64::from(at.nanosecond() / 1_000_000),
            NumberPattern::Micros => i64::from(at.nanosecond() / 1_000),
            NumberPattern::Nanos => i64::from(at.nanosecond()),
        }
    }
}

fn strftime(
    pattern: &str,
    local: NaiveDateTime,
    offset: Option<FixedOffset>,
    zone: &str,
    to: &mut String,
) -> Result<()> {
    let written = match offset {
        None => write!(to, "{}", local.format(pattern)),
        Some(offset) => {
            // chrono has the offset, but not the name.
            let pattern = pattern.replace("%Z", zone);
            match offset.from_local_datetime(&local).single() {
                Some(at) => write!(to, "{}", at.format(&pattern)),
                None => write!(to, "{}", Utc.from_utc_datetime(&local).format(&pattern)),
            }
        }
    };
    written.map_err(|_| {
        exec_datafusion_err!("to_char: '{pattern}' needs a field that the value does not have, such as an offset")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Pattern;
    use avro_testing::check_all;
    use chrono::NaiveDate;

    /// The expected texts are PostgreSQL's.
    #[test]
    fn patterns_format_points_in_time() {
        let at = NaiveDate::from_ymd_opt(2024, 5, 7).unwrap().and_hms_nano_opt(15, 4, 9, 120_000_000).unwrap();
        let cases = [
            ("YYYY-MM-DD", "2024-05-07"),
            ("yyyy/mm/dd hh24:mi:ss.ms", "2024/05/07 15:04:09.120"),
            ("YYYY-MM-DDTHH24:MI:SS", "2024-05-07T15:04:09"),
            ("FMDD. FMMonth YYYY", "7. May 2024"),
            ("Month|", "May      |"),
            ("DY, HH12:MI AM", "TUE, 03:04 PM"),
            ("Q IYYY-IW DDD D \"of day\"", "2 2024-19 128 3 of day"),
            ("US", "120000"),
            ("%Y-%m-%d", "2024-05-07"),
            ("--", "--"),
        ];
        check_all(cases, |(pattern, expected)| {
            let mut text = String::new();
            Pattern::parse(pattern).unwrap().write(at, None, "", &mut text).unwrap();
            assert_eq!(text, expected, "{pattern}");
        });
        for wrong in ["foo", "YYYY-XX", "%Q"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
