//! Infers the delimiter, columns and types of a delimited file from its first bytes, for SQL and `convert`.
//!
//! A column gets the narrowest type that fits all its values, else text. Numbers with leading zeros are text, because
//! a number would lose them.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::cells::{CellDialect, Cells, Record};
use crate::error::{Error, Result};

/// Bytes from which column types are inferred: all of most files.
pub(crate) const INSPECTED_BYTES: u64 = 64 << 20;

/// Bytes from which the delimiter is inferred.
pub(crate) const SNIFFED_BYTES: usize = 1 << 16;

/// Maximum bytes of a row.
const ROW_BYTES: usize = 64 << 20;

/// The possible delimiters.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The inferred contents of a file.
#[derive(Debug, Clone)]
pub(crate) struct Inferred {
    pub(crate) delimiter: u8,
    pub(crate) schema: Schema,
    /// Whether a cell has a line break, or may have one after the inspected bytes.
    pub(crate) has_line_breaks: bool,
}

/// Whether the first line of a file has the names of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    Present,
    Missing,
}

/// Infers the contents of a file from its first bytes; `is_whole` says that they are all.
pub(crate) fn infer(bytes: &[u8], delimiter: Option<u8>, header: Header, is_whole: bool) -> Result<Inferred> {
    let delimiter = delimiter.unwrap_or_else(|| sniff(bytes));
    let mut cells = Cells::new(bytes, CellDialect::Csv(delimiter), ROW_BYTES);
    let (mut record, mut next) = (Record::default(), Record::default());
    if !cells.next(&mut record)? {
        return Err(Error::Failed("the file is empty; expected a header with column names".to_owned()));
    }
    let names = match header {
        Header::Present => names(&record)?,
        Header::Missing => (1..=record.len()).map(|n| format!("column{n}")).collect(),
    };
    let mut columns = vec![ColumnStatistics::default(); names.len()];
    let mut has_line_breaks = !is_whole;
    // One row late: the last row may be cut.
    let mut is_pending = header == Header::Missing;
    loop {
        let more = match cells.next(&mut next) {
            Err(_) if !is_whole => {
                // The row after it was cut.
                if is_pending {
                    has_line_breaks |= look(&record, &mut columns)?;
                }
                break;
            }
            more => more?,
        };
        if is_pending && (more || is_whole) {
            has_line_breaks |= look(&record, &mut columns)?;
        }
        if !more {
            break;
        }
        std::mem::swap(&mut record, &mut next);
        is_pending = true;
    }
    let fields: Vec<Field> =
        names.into_iter().zip(&columns).map(|(name, column)| Field::new(name, column.data_type(), true)).collect();
    Ok(Inferred { delimiter, schema: Schema::new(fields), has_line_breaks })
}

/// Returns why files with these columns cannot be one table for an engine that matches columns by position.
pub(crate) fn other_columns(first: &Schema, other: &Schema) -> Option<String> {
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let (first, other) = (names(first), names(other));
    (first != other).then(|| {
        format!(
            "its columns are {}, but those of an earlier file are {}; CSV files of one table must have the same header",
            other.join(", "),
            first.join(", ")
        )
    })
}

/// Returns the merged columns of files, by name: those of the first file, then others in order of appearance.
pub(crate) fn merged(schemas: &[Schema]) -> Schema {
    let mut fields: Vec<Field> = Vec::new();
    for field in schemas.iter().flat_map(|schema| schema.fields()) {
        match fields.iter_mut().find(|other| other.name() == field.name()) {
            Some(other) if other.data_type() != field.data_type() => {
                other.set_data_type(wider(other.data_type(), field.data_type()));
            }
            Some(_) => {}
            None => fields.push(field.as_ref().clone()),
        }
    }
    Schema::new(fields)
}

fn wider(a: &DataType, b: &DataType) -> DataType {
    use DataType::{Date32, Decimal128, Float64, Int64, Timestamp};
    match (a, b) {
        (Int64 | Decimal128(..), Float64) | (Float64, Int64 | Decimal128(..)) => Float64,
        (Int64, Decimal128(..)) => b.clone(),
        (Decimal128(..), Int64) => a.clone(),
        (Date32, Timestamp(_, None)) => b.clone(),
        (Timestamp(_, None), Date32) => a.clone(),
        (Timestamp(a_unit, a_zone), Timestamp(b_unit, b_zone)) if a_zone == b_zone => {
            if a_unit > b_unit {
                a.clone()
            } else {
                b.clone()
            }
        }
        _ => DataType::Utf8,
    }
}

/// Returns the names of the columns. A column without a name is called after its position.
pub(crate) fn names(header: &Record) -> Result<Vec<String>> {
    let name = |(at, name): (usize, Option<&str>)| match name {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("column{}", at + 1),
    };
    let names: Vec<String> = header.iter().enumerate().map(name).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(Error::Failed(format!("two columns are named `{twice}`; rename one of them"))),
        None => Ok(names),
    }
}

/// Whether a line is blank rather than a row of this many columns. With one column, a blank line is a null.
pub(crate) fn is_blank(record: &Record, columns: usize) -> bool {
    columns > 1 && record.len() == 1 && record.get(0).is_none()
}

/// Returns the error of a row whose number of cells differs from the header's.
pub(crate) fn wrong_width(record: &Record, columns: usize) -> Error {
    let (n, values) = (record.len(), if record.len() == 1 { "value" } else { "values" });
    let them = if columns == 1 { "1 column".to_owned() } else { format!("{columns} columns") };
    Error::Failed(format!("line {}: {n} {values}, but the header has {them}", record.line))
}

/// Adds a row's values to the statistics. Returns whether one has a line break.
fn look(record: &Record, columns: &mut [ColumnStatistics]) -> Result<bool> {
    if is_blank(record, columns.len()) {
        return Ok(false);
    }
    if record.len() != columns.len() {
        return Err(wrong_width(record, columns.len()));
    }
    let mut has_line_break = false;
    for (cell, column) in record.iter().zip(columns) {
        let Some(cell) = cell else { continue };
        column.look(cell);
        has_line_break |= cell.contains('\n');
    }
    Ok(has_line_break)
}

/// Returns the delimiter that splits the first lines into the same, largest number of cells; else a comma.
pub(crate) fn sniff(bytes: &[u8]) -> u8 {
    let head = bytes.get(..SNIFFED_BYTES).unwrap_or(bytes);
    let width = |delimiter: u8| {
        let mut cells = Cells::new(head, CellDialect::Csv(delimiter), ROW_BYTES);
        let mut record = Record::default();
        let mut widths = Vec::new();
        // The last line may be cut.
        while widths.len() < 5 && cells.next(&mut record).is_ok_and(|more| more) {
            if record.len() > 1 || record.get(0).is_some() {
                widths.push(record.len());
            }
        }
        let first = widths.first().copied().unwrap_or_default();
        let of_others = widths.iter().skip(1).take(3).all(|other| *other == first);
        if of_others { first } else { 1 }
    };
    // Ties go to the first.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| width(*delimiter)).unwrap_or(b',')
}

/// Statistics of the values of a column.
#[derive(Debug, Clone, Default)]
struct ColumnStatistics {
    seen: Kinds,
    /// Digits of the longest integer that does not fit `BIGINT`.
    digits: usize,
    /// Maximum number of digits after the point of a second.
    fraction: usize,
}

/// The kinds of values seen.
#[derive(Debug, Clone, Copy, Default)]
struct Kinds {
    boolean: bool,
    integer: bool,
    float: bool,
    /// NaN or infinite.
    not_finite: bool,
    date: bool,
    local: bool,
    instant: bool,
    text: bool,
}

impl ColumnStatistics {
    fn look(&mut self, cell: &str) {
        if self.seen.text {
            return;
        }
        let seen = &mut self.seen;
        match cell.as_bytes() {
            [b'0'..=b'9' | b'-' | b'.', ..] => {
                if let Some(digits) = integer_digits(cell) {
                    seen.integer = true;
                    if cell.parse::<i64>().is_err() {
                        self.digits = self.digits.max(digits);
                    }
                } else if is_float(cell) {
                    seen.float = true;
                } else if cell == "-inf" {
                    seen.not_finite = true;
                } else if is_date(cell) {
                    seen.date = true;
                } else if let Some((fraction, has_zone)) = timestamp(cell) {
                    self.fraction = self.fraction.max(fraction);
                    *(if has_zone { &mut seen.instant } else { &mut seen.local }) = true;
                } else {
                    seen.text = true;
                }
            }
            _ if cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false") => seen.boolean = true,
            b"NaN" | b"inf" => seen.not_finite = true,
            _ => seen.text = true,
        }
    }

    /// Returns the type that fits all values.
    fn data_type(&self) -> DataType {
        let Kinds { boolean, integer, float, not_finite, date, local, instant, text } = self.seen;
        let unit = match self.fraction {
            0 => TimeUnit::Second,
            1..=3 => TimeUnit::Millisecond,
            4..=6 => TimeUnit::Microsecond,
            _ => TimeUnit::Nanosecond,
        };
        match (text, boolean, integer || float, date, local, instant) {
            (false, true, false, false, false, false) if !not_finite => DataType::Boolean,
            (false, false, true, false, false, false) if float || not_finite => DataType::Float64,
            (false, false, true, false, false, false) if self.digits > 38 => DataType::Utf8,
            (false, false, true, false, false, false) if self.digits > 0 => DataType::Decimal128(38, 0),
            (false, false, true, false, false, false) => DataType::Int64,
            (false, false, false, true, false, false) if !not_finite => DataType::Date32,
            (false, false, false, _, true, false) if !not_finite => DataType::Timestamp(unit, None),
            (false, false, false, false, false, true) if !not_finite => DataType::Timestamp(unit, Some("UTC".into())),
            _ => DataType::Utf8,
        }
    }
}

/// Returns the number of digits of an integer without leading zeros.
fn integer_digits(cell: &str) -> Option<usize> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let is_one = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_one && (digits == "0" || !digits.starts_with('0'))).then_some(digits.len())
}

fn is_float(cell: &str) -> bool {
    let unsigned = cell.strip_prefix('-').unwrap_or(cell);
    let has_lost_zero = unsigned.starts_with('0') && unsigned.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    !has_lost_zero && cell.bytes().all(is_part) && cell.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether the text has the form of a date such as `2024-02-29`. The reader checks that the day exists.
fn is_date(cell: &str) -> bool {
    is_like(cell, "0000-00-00")
}

/// Returns the digits after the point of a timestamp's second, and whether it has a zone.
fn timestamp(cell: &str) -> Option<(usize, bool)> {
    let (date, clock) = cell.split_at_checked(10)?;
    let clock = clock.strip_prefix(['T', ' '])?;
    let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at_checked(zone_at)?;
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let has_point = clock.len() > seconds.len();
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_zone = zone.is_empty() || zone == "Z" || is_like(zone.get(1..).unwrap_or_default(), "00:00");
    let fits =
        is_date(date) && is_like(seconds, "00:00:00") && is_fraction && is_zone && has_point != fraction.is_empty();
    fits.then_some((fraction.len(), !zone.is_empty()))
}

/// Whether the text matches the pattern, in which zeros stand for digits.
fn is_like(text: &str, pattern: &str) -> bool {
    let same = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(same)
}

/// Reads the first bytes of a file; returns them and whether they are all.
pub(crate) fn head(mut read: impl BufRead) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let n = read.by_ref().take(INSPECTED_BYTES).read_to_end(&mut bytes)?;
    let is_whole = (n as u64) < INSPECTED_BYTES || read.fill_buf()?.is_empty();
    Ok((bytes, is_whole))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn types(csv: &str) -> String {
        let inferred = infer(csv.as_bytes(), None, Header::Present, true).unwrap();
        let types = inferred.schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
        types.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn infer_type_fits_all_values() {
        for (csv, want) in [
            ("a\n1\n-2\n", "a Int64"),
            ("a\n1\n2.5\n", "a Float64"),
            ("a\n1\nNaN\n-inf\n", "a Float64"),
            ("a\n1\nx\n", "a Utf8"),
            ("a\n01234\n1\n", "a Utf8"),
            ("a\n0\n-0\n", "a Int64"),
            ("a\n007.5\n", "a Utf8"),
            ("a\n9223372036854775808\n1\n", "a Decimal128(38, 0)"),
            ("a\nTrue\nfalse\n", "a Boolean"),
            ("a\ntrue\n1\n", "a Utf8"),
            ("a\n2024-02-29\n", "a Date32"),
            ("a\n2024-02-29\n2024-02-29 10:00:00\n", "a Timestamp(s)"),
            ("a\n2024-02-29T10:00:00.5\n", "a Timestamp(ms)"),
            ("a\n2024-02-29T10:00:00.000001Z\n2024-02-29T10:00:00+02:00\n", "a Timestamp(µs, \"UTC\")"),
            ("a\n2024-02-29T10:00:00Z\n2024-02-29T10:00:00\n", "a Utf8"),
            ("a,b\n,\n", "a Utf8, b Utf8"),
            ("a,b\n1,\n\n,\"\"\n", "a Int64, b Utf8"),
            ("a;b\n1,5;2\n", "a Utf8, b Int64"),
            ("a\tb\n1\t2\n", "a Int64, b Int64"),
            ("a|b|c\n1|2|x,y\n", "a Int64, b Int64, c Utf8"),
            ("\"a;b\",c\n1,2\n", "a;b Int64, c Int64"),
            ("x,,y\n1,2,3\n", "x Int64, column2 Int64, y Int64"),
        ] {
            assert_eq!(types(csv), want, "{csv:?}");
        }
    }

    #[test]
    fn infer_missing_header_reads_first_row() {
        let inferred = infer(b"01|2\n3|4\n", None, Header::Missing, true).unwrap();
        let types: Vec<_> = inferred.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types, [DataType::Utf8, DataType::Int64]);
        assert_eq!((inferred.schema.field(1).name().as_str(), inferred.delimiter), ("column2", b'|'));
    }

    #[test]
    fn infer_invalid_table_fails_with_line() {
        for (csv, want) in [
            ("a,b\n1,2\n1\n", "line 3: 1 value, but the header has 2 columns"),
            ("a,a\n", "two columns are named `a`; rename one of them"),
            ("", "the file is empty; expected a header with column names"),
        ] {
            assert_eq!(infer(csv.as_bytes(), None, Header::Present, true).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn infer_ignores_truncated_last_row() {
        let inferred = infer(b"a,b\n1,2\n3,\"x", Some(b','), Header::Present, false).unwrap();
        assert_eq!(*inferred.schema.field(1).data_type(), DataType::Int64);
        assert!(inferred.has_line_breaks);
        assert!(infer(b"a,b\n1,\"x\ny\"\n", None, Header::Present, true).unwrap().has_line_breaks);
    }
}
