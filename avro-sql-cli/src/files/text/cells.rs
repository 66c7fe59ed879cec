//! Delimited text: splits bytes into records of cells. An empty cell without quotes is null, one with quotes is the
//! empty text.
//!
//! CSV follows RFC 4180: cells may be quoted, with quotes doubled and line breaks inside. TSV uses backslashes instead.

use std::io::BufRead;

use crate::error::{Error, Result};

/// How cells are separated and escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellDialect {
    /// Quotes, and this delimiter.
    Csv(u8),
    /// Tabs as delimiters, and `\t`, `\n`, `\r` and `\\` in cells. An empty text is `""`.
    Tsv,
}

/// The cells of one record.
#[derive(Debug, Default)]
pub(crate) struct Record {
    text: String,
    /// The end of each cell in `text`, and whether it is null.
    cells: Vec<(usize, bool)>,
    /// Its first line, from 1.
    pub(crate) line: u64,
}

impl Record {
    /// Returns the number of cells.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Returns a cell, or `None` if it is null.
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        let (end, is_null) = self.cells.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.cells.get(before)).map_or(0, |(end, _)| *end);
        if *is_null { None } else { self.text.get(start..*end) }
    }

    /// Returns all cells.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// A reader of records.
pub(crate) struct Cells<R> {
    read: R,
    dialect: CellDialect,
    /// Bytes of the current record.
    raw: Vec<u8>,
    /// Number of lines before the next record.
    lines: u64,
    /// Maximum bytes of a record.
    max: usize,
}

impl<R: BufRead> Cells<R> {
    /// Reads records of at most `max` bytes.
    pub(crate) fn new(read: R, dialect: CellDialect, max: usize) -> Self {
        Cells { read, dialect, raw: Vec::new(), lines: 0, max }
    }

    /// Reads the next record; `false` at the end. A blank line is a record with one null cell.
    pub(crate) fn next(&mut self, record: &mut Record) -> Result<bool> {
        record.text.clear();
        record.cells.clear();
        record.line = self.lines + 1;
        self.raw.clear();
        let mut is_open = false;
        loop {
            let before = self.raw.len();
            let n = self.read.read_until(b'\n', &mut self.raw)?;
            if n == 0 && self.raw.is_empty() {
                return Ok(false);
            }
            self.lines += u64::from(n > 0);
            if self.raw.len() > self.max {
                return Err(self.wrong(record, format_args!("the row is larger than {} bytes", self.max)));
            }
            if self.lines <= 1 && self.raw.starts_with(b"\xef\xbb\xbf") {
                self.raw.drain(..3);
            }
            let is_whole = self.raw.ends_with(b"\n");
            if is_open && is_whole && !self.raw.get(before..).unwrap_or_default().contains(&b'"') {
                continue;
            }
            let Ok(text) = str::from_utf8(&self.raw) else {
                return Err(self.wrong(record, format_args!("not UTF-8")));
            };
            let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
            match self.dialect {
                CellDialect::Tsv => {
                    split_tsv(line, record);
                    return Ok(true);
                }
                CellDialect::Csv(delimiter) => match split_csv(line, delimiter, record) {
                    Split::Whole => return Ok(true),
                    // The line break belongs to the cell.
                    Split::Open if is_whole => is_open = true,
                    Split::Open => return Err(self.wrong(record, format_args!("a quote is not closed"))),
                    Split::Behind => {
                        return Err(self.wrong(
                            record,
                            format_args!("text after a closing quote; write a quote inside a cell twice"),
                        ));
                    }
                },
            }
            record.text.clear();
            record.cells.clear();
        }
    }

    fn wrong(&self, record: &Record, what: std::fmt::Arguments<'_>) -> Error {
        Error::Failed(format!("line {}: {what}", record.line))
    }
}

/// The outcome of splitting a line.
enum Split {
    Whole,
    /// It ends inside quotes.
    Open,
    /// Text follows closing quotes.
    Behind,
}

fn split_csv(line: &str, delimiter: u8, record: &mut Record) -> Split {
    let delimiter = char::from(delimiter);
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(delimiter).unwrap_or(rest.len());
            let (cell, behind) = rest.split_at(end);
            record.text.push_str(cell);
            record.cells.push((record.text.len(), cell.is_empty()));
            match behind.strip_prefix(delimiter) {
                Some(next) => rest = next,
                None => return Split::Whole,
            }
            continue;
        };
        rest = quoted;
        loop {
            let Some(at) = rest.find('"') else { return Split::Open };
            let (part, behind) = rest.split_at(at);
            record.text.push_str(part);
            let behind = behind.get(1..).unwrap_or_default();
            match behind.strip_prefix('"') {
                Some(next) => {
                    record.text.push('"');
                    rest = next;
                }
                None => {
                    rest = behind;
                    break;
                }
            }
        }
        record.cells.push((record.text.len(), false));
        if rest.is_empty() {
            return Split::Whole;
        }
        match rest.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Split::Behind,
        }
    }
}

fn split_tsv(line: &str, record: &mut Record) {
    for cell in line.split('\t') {
        if cell == "\"\"" {
            record.cells.push((record.text.len(), false));
            continue;
        }
        let mut parts = cell.split('\\');
        record.text.push_str(parts.next().unwrap_or_default());
        // An empty part follows a backslash that the one before escapes.
        let mut is_escaped = false;
        for part in parts {
            if is_escaped {
                record.text.push_str(part);
                is_escaped = false;
                continue;
            }
            let mut rest = part.chars();
            match rest.next() {
                Some('t') => record.text.push('\t'),
                Some('n') => record.text.push('\n'),
                Some('r') => record.text.push('\r'),
                Some('"') => record.text.push('"'),
                Some(other) => record.text.extend(['\\', other]),
                None => {
                    record.text.push('\\');
                    is_escaped = true;
                }
            }
            record.text.push_str(rest.as_str());
        }
        record.cells.push((record.text.len(), cell.is_empty()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str, dialect: CellDialect) -> Result<Vec<(u64, Vec<Option<String>>)>> {
        let mut cells = Cells::new(text.as_bytes(), dialect, 1000);
        let (mut record, mut records) = (Record::default(), Vec::new());
        while cells.next(&mut record)? {
            records.push((record.line, record.iter().map(|cell| cell.map(str::to_owned)).collect()));
        }
        Ok(records)
    }

    #[test]
    fn cells_split_with_nulls() {
        let csv = "\u{feff}a,\"b\"\r\n,\"\"\n\"x\ny\"\"z\",\" \"\n\n1,2";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read(csv, CellDialect::Csv(b',')).unwrap(),
            [
                (1, vec![some("a"), some("b")]),
                (2, vec![None, some("")]),
                (3, vec![some("x\ny\"z"), some(" ")]),
                (5, vec![None]),
                (6, vec![some("1"), some("2")]),
            ]
        );
        let tsv = "a\t\n\"\"\t\\\"\"\n\\t\\n\\r\\\\\t\\\\n\\\\\\n\"\"x\n";
        assert_eq!(
            read(tsv, CellDialect::Tsv).unwrap(),
            [
                (1, vec![some("a"), None]),
                (2, vec![some(""), some("\"\"")]),
                (3, vec![some("\t\n\r\\"), some("\\n\\\n\"\"x")]),
            ]
        );
    }

    #[test]
    fn invalid_csv_fails_with_line() {
        for (csv, want) in [
            ("a\n\"b\nc", "line 2: a quote is not closed"),
            ("a\n\n\"b\"c\n", "line 3: text after a closing quote; write a quote inside a cell twice"),
        ] {
            assert_eq!(read(csv, CellDialect::Csv(b';')).unwrap_err().to_string(), want);
        }
    }
}
