//! What a delimited file holds, from its first bytes: the delimiter, the columns and their types. SQL and `convert` both ask here.
//!
//! A column has the narrowest type that all of its values have: what does not fit one is text, and so is a number with leading zeros,
//! which would lose them.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::cells::{Cells, Dialect, Record};
use crate::error::{Error, Result};

/// Bytes of a file that are looked at for the types of its columns: all of most files.
pub(crate) const LOOKED_AT: u64 = 64 << 20;

/// Bytes that the delimiter is looked for in.
pub(crate) const SNIFFED: usize = 1 << 16;

/// The most bytes of a row.
const ROW_BYTES: usize = 64 << 20;

/// What may stand between cells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What a file holds.
#[derive(Debug, Clone)]
pub(crate) struct Inferred {
    pub(crate) delimiter: u8,
    pub(crate) schema: Schema,
    /// Whether a cell has a line break in it, or may have one in what was not looked at.
    pub(crate) has_line_breaks: bool,
}

/// Looks at a file, of which these are the first bytes: all of them, or as many as are looked at.
pub(crate) fn infer(bytes: &[u8], delimiter: Option<u8>, is_whole: bool) -> Result<Inferred> {
    let delimiter = delimiter.unwrap_or_else(|| sniff(bytes));
    let mut cells = Cells::new(bytes, Dialect::Csv(delimiter), ROW_BYTES);
    let (mut record, mut next) = (Record::default(), Record::default());
    if !cells.next(&mut record)? {
        return Err(Error::Failed("it is empty, where a header with the names of columns is expected".to_owned()));
    }
    let names = names(&record)?;
    let mut columns = vec![Column::default(); names.len()];
    let mut has_line_breaks = !is_whole;
    // One row behind: the last row that is there may be cut.
    let mut is_pending = false;
    loop {
        let more = match cells.next(&mut next) {
            Err(_) if !is_whole => {
                // What was cut is the row after it.
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

/// Why files of these columns are not one table to an engine that finds columns by their places, if they are not.
pub(crate) fn other_columns(first: &Schema, other: &Schema) -> Option<String> {
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let (first, other) = (names(first), names(other));
    (first != other).then(|| {
        format!(
            "its columns are {}, and those of a file before it {}; CSV files of one table need the same header",
            other.join(", "),
            first.join(", ")
        )
    })
}

/// The columns of files that make one table, each by its name: those of the first, then others as they appear.
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

/// The names of the columns. One without a name is called after its place.
pub(crate) fn names(header: &Record) -> Result<Vec<String>> {
    let name = |(at, name): (usize, Option<&str>)| match name {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("column{}", at + 1),
    };
    let names: Vec<String> = header.iter().enumerate().map(name).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(Error::Failed(format!(
            "two columns are called `{twice}`, and there is no telling which is meant; give them names of their own"
        ))),
        None => Ok(names),
    }
}

/// Is this line nothing, rather than a row of this many columns? Where there is one column, it is a null.
pub(crate) fn is_blank(record: &Record, columns: usize) -> bool {
    columns > 1 && record.len() == 1 && record.get(0).is_none()
}

/// A row that has not as many cells as the header.
pub(crate) fn wrong_width(record: &Record, columns: usize) -> Error {
    let (n, values) = (record.len(), if record.len() == 1 { "value" } else { "values" });
    let them = if columns == 1 { "1 column".to_owned() } else { format!("{columns} columns") };
    Error::Failed(format!("line {}: {n} {values}, where the header has {them}", record.line))
}

/// Takes note of a row's values. Is there a line break in one?
fn look(record: &Record, columns: &mut [Column]) -> Result<bool> {
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

/// The delimiter that cuts the first lines into the same number of cells, the most there is; a comma where none does.
pub(crate) fn sniff(bytes: &[u8]) -> u8 {
    let head = bytes.get(..SNIFFED).unwrap_or(bytes);
    let width = |delimiter: u8| {
        let mut cells = Cells::new(head, Dialect::Csv(delimiter), ROW_BYTES);
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
    // Of equals it is the first.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| width(*delimiter)).unwrap_or(b',')
}

/// What the values of a column have been so far.
#[derive(Debug, Clone, Default)]
struct Column {
    seen: Kinds,
    /// Digits of the longest integer that a `BIGINT` does not hold.
    digits: usize,
    /// Digits after the point of the finest second.
    fraction: usize,
}

/// The kinds of values that were seen.
#[derive(Debug, Clone, Copy, Default)]
struct Kinds {
    boolean: bool,
    integer: bool,
    float: bool,
    /// Not a number, or infinite.
    not_finite: bool,
    date: bool,
    local: bool,
    instant: bool,
    text: bool,
}

impl Column {
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

    /// The type that holds all of them.
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

/// The digits of an integer. Leading zeros would be lost.
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

/// Is this a date such as `2024-02-29`? Whether there is that day is for its reader to say.
fn is_date(cell: &str) -> bool {
    is_like(cell, "0000-00-00")
}

/// The digits after the point of a timestamp's second, and whether it has a zone.
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

/// Does the text have digits where the pattern has zeros, and is it otherwise the same?
fn is_like(text: &str, pattern: &str) -> bool {
    let same = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(same)
}

/// The first bytes of a file that is read from the beginning, and whether they are all.
pub(crate) fn head(mut read: impl BufRead) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let n = read.by_ref().take(LOOKED_AT).read_to_end(&mut bytes)?;
    let is_whole = (n as u64) < LOOKED_AT || read.fill_buf()?.is_empty();
    Ok((bytes, is_whole))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn types(csv: &str) -> String {
        let inferred = infer(csv.as_bytes(), None, true).unwrap();
        let types = inferred.schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
        types.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn columns_have_the_type_that_all_their_values_have() {
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
    fn what_is_no_table_says_where() {
        for (csv, want) in [
            ("a,b\n1,2\n1\n", "line 3: 1 value, where the header has 2 columns"),
            (
                "a,a\n",
                "two columns are called `a`, and there is no telling which is meant; give them names of their own",
            ),
            ("", "it is empty, where a header with the names of columns is expected"),
        ] {
            assert_eq!(infer(csv.as_bytes(), None, true).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn a_row_that_is_cut_does_not_count() {
        let inferred = infer(b"a,b\n1,2\n3,\"x", Some(b','), false).unwrap();
        assert_eq!(*inferred.schema.field(1).data_type(), DataType::Int64);
        assert!(inferred.has_line_breaks);
        assert!(infer(b"a,b\n1,\"x\ny\"\n", None, true).unwrap().has_line_breaks);
    }
}
