//! `strftime` and `strptime`: points in time to text and back, by DuckDB's patterns.
//!
//! DuckDB's and chrono's specifiers agree but for `%f`, `%g`, `%n`, `%c`, `%x` and `%X`, which are translated.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::cast as cast_expr;

use super::function::{Arguments, Body, Cached, Call, Definition, Kernel, wrong};
use super::types::{MICROS, is_text, literal_text};
use crate::compat::{Pattern, formatted, is_point};

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "strftime",
        aliases: &[],
        usage: "strftime(x, pattern)",
        about: "A date or a timestamp as text, by a pattern such as '%Y-%m-%d %H:%M:%S'.",
        example: "strftime(DATE '2024-05-07', '%d.%m.%Y')",
        n_args: 2..=2,
        body: Body::Expr(strftime),
    },
    Definition {
        name: "strptime",
        aliases: &[],
        usage: "strptime(text, pattern)",
        about: "Text as a timestamp, by a pattern, or the first that fits of a list of patterns. \
            With %z in a literal pattern, the result is an instant.",
        example: "strptime('7.5.2024 15:04', '%d.%m.%Y %H:%M')",
        n_args: 2..=2,
        body: PARSE,
    },
    Definition {
        name: "try_strptime",
        aliases: &[],
        usage: "try_strptime(text, pattern)",
        about: "The timestamp that strptime reads, or null if the text does not fit the pattern.",
        example: "try_strptime('soon', '%Y')",
        n_args: 2..=2,
        body: TRY_PARSE,
    },
];

/// The computations that these functions call.
pub(super) const KERNELS: &[Definition] = &[Definition {
    name: "strftime_of",
    aliases: &[],
    usage: "",
    about: "",
    example: "",
    n_args: 2..=2,
    body: Body::Kernel(Kernel {
        coerce: |types| {
            let [value, _] = types else { return plan_err!("strftime has two arguments") };
            Ok(vec![if is_point(value) { value.clone() } else { MICROS }, DataType::Utf8])
        },
        returns: |_, _| Ok(DataType::Utf8),
        call: |arguments| {
            let Some(pattern) = arguments.values.get(1) else { return exec_err!("strftime has no pattern") };
            formatted(&arguments.rows_of(0)?, pattern, arguments.rows, |pattern| {
                Ok(Pattern::Strftime(translated("strftime", pattern, false)?))
            })
        },
    }),
}];

const PARSE: Body =
    Body::Kernel(Kernel { coerce: coerce_parsed, returns: parsed_type, call: |arguments| parsed(arguments, false) });

const TRY_PARSE: Body =
    Body::Kernel(Kernel { coerce: coerce_parsed, returns: parsed_type, call: |arguments| parsed(arguments, true) });

fn strftime(call: &Call) -> Result<datafusion::logical_expr::Expr> {
    // DuckDB takes both orders.
    let (at, pattern) = if is_text(call.data_type(0)) && !is_text(call.data_type(1)) { (1, 0) } else { (0, 1) };
    let value = match call.data_type(at) {
        point if is_point(point) => call.arg(at),
        other if is_text(other) || *other == DataType::Null => cast_expr(call.arg(at), MICROS),
        other => return Err(wrong("strftime", "a date or a timestamp", other)),
    };
    match call.data_type(pattern) {
        DataType::Null => {}
        text if is_text(text) => {}
        other => return Err(wrong("strftime", "a pattern as text", other)),
    }
    call.of("strftime_of", vec![value, call.arg(pattern)])
}

/// Returns chrono's pattern for DuckDB's.
fn translated(function: &str, pattern: &str, is_parsed: bool) -> Result<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c != '%' {
            continue;
        }
        let Some(code) = chars.next() else { return exec_err!("{function}: '{pattern}' ends with %") };
        match code {
            // Any number of digits after the point.
            'f' | 'g' | 'n' if is_parsed && out.ends_with(".%") => {
                out.truncate(out.len() - 2);
                out.push_str("%.f");
            }
            'z' if is_parsed => out.push_str("#z"),
            'f' => out.push_str("6f"),
            'g' => out.push_str("3f"),
            'n' => out.push_str("9f"),
            'c' => out.push_str("Y-%m-%d %H:%M:%S"),
            'x' => out.push_str("Y-%m-%d"),
            'X' => out.push_str("H:%M:%S"),
            code => out.push(code),
        }
    }
    if StrftimeItems::new(&out).any(|item| item == Item::Error) {
        return exec_err!("{function}: '{pattern}' is not a pattern; write one such as '%Y-%m-%d %H:%M:%S'");
    }
    Ok(out)
}

fn coerce_parsed(types: &[DataType]) -> Result<Vec<DataType>> {
    let [text, pattern] = types else { return plan_err!("strptime has two arguments") };
    if !is_text(text) && !text.is_null() {
        return Err(wrong("strptime", "text", text));
    }
    let pattern = match pattern {
        list @ DataType::List(item) if is_text(item.data_type()) => list.clone(),
        pattern if is_text(pattern) || pattern.is_null() => literal_text(pattern),
        other => return Err(wrong("strptime", "a pattern as text, or a list of patterns", other)),
    };
    Ok(vec![DataType::Utf8View, pattern])
}

fn parsed_type(_: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<DataType> {
    let pattern = literals.get(1).copied().flatten().and_then(|pattern| pattern.try_as_str().flatten());
    let is_instant = pattern.is_some_and(|pattern| pattern.contains("%z"));
    Ok(DataType::Timestamp(TimeUnit::Microsecond, is_instant.then(|| "UTC".into())))
}

fn parsed(arguments: &Arguments, is_try: bool) -> Result<ArrayRef> {
    let texts = arguments.texts(0)?;
    let patterns = arguments.array(1)?;
    let lists = patterns.as_list_opt::<i32>();
    let mut cache = Cached::new();
    let mut values = TimestampMicrosecondArray::builder(arguments.rows);
    for row in 0..arguments.rows {
        let at = if arguments.is_literal(1) { 0 } else { row };
        let Some(text) = texts.get(row).filter(|_| !patterns.is_null(at)) else {
            values.append_null();
            continue;
        };
        let several = match lists {
            Some(lists) => cast(&lists.value(at), &DataType::Utf8)?,
            None => cast(&patterns.slice(at, 1), &DataType::Utf8)?,
        };
        let several: Vec<&str> = several.as_string::<i32>().iter().flatten().collect();
        let items = cache.get(&several.join("\0"), |_| {
            several.iter().map(|pattern| translated("strptime", pattern, true)).collect::<Result<Vec<String>>>()
        })?;
        match items.iter().find_map(|pattern| micros(text, pattern)) {
            Some(micros) => values.append_value(micros),
            None if is_try => values.append_null(),
            None => {
                return exec_err!(
                    "strptime: '{text}' does not fit the pattern '{}'; try_strptime makes it null",
                    several.join("' or '")
                );
            }
        }
    }
    let values = values.finish();
    let DataType::Timestamp(_, zone) = arguments.returns else { return exec_err!("strptime returns timestamps") };
    Ok(Arc::new(values.with_timezone_opt(zone.clone())))
}

/// Parses text. Parts that the pattern lacks are taken from 1900-01-01 00:00, as in DuckDB.
fn micros(text: &str, pattern: &str) -> Option<i64> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text.trim(), StrftimeItems::new(pattern)).ok()?;
    if let Ok(instant) = parsed.to_datetime() {
        return Some(instant.timestamp_micros());
    }
    let time = parsed.to_naive_time().ok().or_else(|| {
        // Hours without minutes, or no time at all.
        let hour12 = parsed.hour_mod_12().zip(parsed.hour_div_12()).map(|(hour, half)| half * 12 + hour);
        NaiveTime::from_hms_opt(hour12.unwrap_or(0), 0, 0)
    })?;
    let date = match parsed.to_naive_date() {
        Ok(date) => date,
        Err(_) => {
            let year = match (parsed.year(), parsed.year_mod_100()) {
                (Some(year), _) => year,
                // POSIX's window.
                (None, Some(year)) => year + if year < 69 { 2000 } else { 1900 },
                (None, None) => 1900,
            };
            let month = parsed.month().unwrap_or(1);
            NaiveDate::from_ymd_opt(year, month, parsed.day().unwrap_or(1))?
        }
    };
    let offset = i64::from(parsed.offset().unwrap_or(0));
    Some(NaiveDateTime::new(date, time).and_utc().timestamp_micros() - offset * 1_000_000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    /// The expected points in time are DuckDB's.
    #[test]
    fn texts_parse_as_in_duckdb() {
        let cases = [
            ("12:30", "%H:%M", Some("1900-01-01 12:30:00")),
            ("Feb 2020", "%b %Y", Some("2020-02-01 00:00:00")),
            ("2020-01-01 x", "%Y-%m-%d", None),
            (" 2020-1-2 ", "%Y-%m-%d", Some("2020-01-02 00:00:00")),
            ("2020-01-02 03:04:05.123", "%Y-%m-%d %H:%M:%S.%f", Some("2020-01-02 03:04:05.123")),
            ("01/02/20", "%m/%d/%y", Some("2020-01-02 00:00:00")),
            ("01/02/70", "%m/%d/%y", Some("1970-01-02 00:00:00")),
            ("2020-01-01 03:00 +02", "%Y-%m-%d %H:%M %z", Some("2020-01-01 01:00:00")),
            ("2020-01-01 +02", "%Y-%m-%d %z", Some("2019-12-31 22:00:00")),
            ("2020-01-02 11 PM", "%Y-%m-%d %I %p", Some("2020-01-02 23:00:00")),
        ];
        check_all(cases, |(text, pattern, expected)| {
            let expected = expected.map(|at| {
                NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc().timestamp_micros()
            });
            let pattern = translated("strptime", pattern, true).unwrap();
            assert_eq!(micros(text, &pattern), expected, "{text} {pattern}");
        });
        assert!(translated("strptime", "%Q", true).is_err());
    }
}
