//! Delimited text: bytes in, records of cells out. A cell says whether it had quotes: an empty one without is null, one with is the empty text.
//!
//! CSV is that of RFC 4180: quotes around a cell, doubled inside it, and line breaks in it. TSV has backslashes instead.

use std::io::BufRead;

use crate::error::{Error, Result};

/// How cells stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Quotes, and this character between cells.
    Csv(u8),
    /// Tabs, and `\t`, `\n`, `\r` and `\\` in cells. An empty text is `""`.
    Tsv,
}

/// The cells of one record.
#[derive(Debug, Default)]
pub(crate) struct Record {
    text: String,
    /// Where each cell ends in `text`, and whether it is null.
    cells: Vec<(usize, bool)>,
    /// The line that it begins in, from 1.
    pub(crate) line: u64,
}

impl Record {
    /// How many cells it has.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A cell: `None` where nothing stands in it, not even quotes.
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        let (end, is_null) = self.cells.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.cells.get(before)).map_or(0, |(end, _)| *end);
        if *is_null { None } else { self.text.get(start..*end) }
    }

    /// All cells.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// Reads records.
pub(crate) struct Cells<R> {
    read: R,
    dialect: Dialect,
    /// Bytes of the record being read.
    raw: Vec<u8>,
    /// Lines before the next record.
    lines: u64,
    /// The most bytes of a record.
    max: usize,
}

impl<R: BufRead> Cells<R> {
    /// The records of this text, none of more than so many bytes.
    pub(crate) fn new(read: R, dialect: Dialect, max: usize) -> Self {
        Cells { read, dialect, raw: Vec::new(), lines: 0, max }
    }

    /// Reads the next record; false at the end. A blank line is a record of one cell without anything in it.
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
                return Err(self.wrong(record, format_args!("a row of more than {} bytes", self.max)));
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
                Dialect::Tsv => {
                    split_tsv(line, record);
                    return Ok(true);
                }
                Dialect::Csv(delimiter) => match split_csv(line, delimiter, record) {
                    Split::Whole => return Ok(true),
                    // The line break is in the cell.
                    Split::Open if is_whole => is_open = true,
                    Split::Open => return Err(self.wrong(record, format_args!("a quote that nothing closes"))),
                    Split::Behind => {
                        return Err(self.wrong(
                            record,
                            format_args!("text after a closing quote; a quote inside a cell is written twice"),
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

/// What came of a line.
enum Split {
    Whole,
    /// It ends inside quotes.
    Open,
    /// Something stands after closing quotes.
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
        // A part that is empty stands after a backslash that is escaped by the one before.
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

    fn read(text: &str, dialect: Dialect) -> Result<Vec<(u64, Vec<Option<String>>)>> {
        let mut cells = Cells::new(text.as_bytes(), dialect, 1000);
        let (mut record, mut records) = (Record::default(), Vec::new());
        while cells.next(&mut record)? {
            records.push((record.line, record.iter().map(|cell| cell.map(str::to_owned)).collect()));
        }
        Ok(records)
    }

    #[test]
    fn cells_and_nulls() {
        let csv = "\u{feff}a,\"b\"\r\n,\"\"\n\"x\ny\"\"z\",\" \"\n\n1,2";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read(csv, Dialect::Csv(b',')).unwrap(),
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
            read(tsv, Dialect::Tsv).unwrap(),
            [
                (1, vec![some("a"), None]),
                (2, vec![some(""), some("\"\"")]),
                (3, vec![some("\t\n\r\\"), some("\\n\\\n\"\"x")]),
            ]
        );
    }

    #[test]
    fn what_is_no_csv() {
        for (csv, want) in [
            ("a\n\"b\nc", "line 2: a quote that nothing closes"),
            ("a\n\n\"b\"c\n", "line 3: text after a closing quote; a quote inside a cell is written twice"),
        ] {
            assert_eq!(read(csv, Dialect::Csv(b';')).unwrap_err().to_string(), want);
        }
    }
}
