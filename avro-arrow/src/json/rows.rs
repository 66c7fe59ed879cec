//! Datums to JSON: one text for each row of a decompressed block.

use super::{Form, limit, skip_value, write_json_as};
use crate::codec::Block;
use crate::encoding::Cursor;
use crate::error::{Error, Fault, Result};
use crate::limits::Limits;
use crate::options::Options;
use crate::resolve::{Resolution, Rules};
use crate::schema::{Schema, is_zero_width};
use std::cell::Cell;

/// Bytes that are searched for the row after an invalid one.
const RECOVERY_BYTES: usize = 16 << 20;

/// Decodes values of a schema's outermost type to JSON.
///
/// ```
/// use avro_arrow::json::{Decoder, Form};
/// use avro_arrow::{Limits, schema::Schema};
///
/// let schema = Schema::parse(r#"{"type":"array","items":["null","long"]}"#, &Limits::default())?;
/// for (form, text) in [(Form::Avro, r#"[null,{"long":3}]"#), (Form::Plain, "[null,3]")] {
///     let mut out = Vec::new();
///     let n_bytes = Decoder::new(&schema, form, &Limits::default()).decode(&[4, 0, 2, 6, 0], &mut out)?;
///     assert_eq!((n_bytes, out.as_slice()), (5, text.as_bytes()));
/// }
/// # Ok::<(), avro_arrow::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    resolution: Resolution,
    form: Form,
    limits: Limits,
}

/// The rows of one block.
#[derive(Debug)]
pub struct Rows<'a> {
    decoder: &'a Decoder,
    block: &'a Block,
    cursor: Cursor<'a>,
    /// Index of the next row.
    row: u64,
    /// Start of the row that was read last, or that the last error is about.
    start: usize,
    /// Whether the lengths and counts of the rows are known to lead to the end of the block.
    is_sound: bool,
    /// Bytes that the last trial of [`recover`](Self::recover) looked at.
    tried: Cell<usize>,
    /// Items without bytes in earlier rows.
    n_zero_width: u64,
}

impl Decoder {
    /// Creates a decoder for values of this schema.
    pub fn new(schema: &Schema, form: Form, limits: &Limits) -> Decoder {
        Decoder { resolution: Resolution::same(schema), form, limits: limits.clone() }
    }

    /// Creates a decoder that resolves values of the writer's schema to the reader's, with the `field_match`, `widen`
    /// and limits of the options.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Resolve`](crate::ErrorKind::Resolve) if the reader's schema cannot read the writer's.
    pub fn resolving(writer: &Schema, reader: &Schema, form: Form, options: &Options) -> Result<Decoder> {
        let (rules, limits) = (Rules::of(options), &options.limits);
        let resolution = Resolution::new(writer, reader, options.field_match, rules, limits)?;
        Ok(Decoder { resolution, form, limits: limits.clone() })
    }

    /// Appends the JSON text of the value at the start of `datum`, and returns the number of bytes that the value
    /// takes.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Value`](crate::ErrorKind::Value) if the bytes are not a value of the schema, and with
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) if the value or its text exceeds a limit. Nothing is appended
    /// then.
    pub fn decode(&self, datum: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let mut cursor = Cursor::new(datum);
        self.value(&mut cursor, &mut 0, out)
            .map_err(|fault| self.error(fault).at(|position| position.offset_in_block = Some(cursor.at() as u64)))?;
        Ok(cursor.at())
    }

    fn error(&self, fault: Fault) -> Error {
        Error::from(fault).at(|position| position.unread = self.resolution.unread(fault))
    }

    /// Returns the rows of a block.
    pub fn rows<'a>(&'a self, block: &'a Block) -> Rows<'a> {
        Rows {
            decoder: self,
            block,
            cursor: Cursor::new(&block.data),
            row: 0,
            start: 0,
            is_sound: false,
            tried: Cell::new(0),
            n_zero_width: 0,
        }
    }

    fn value(&self, cursor: &mut Cursor<'_>, n_zero_width: &mut u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        let (resolution, limits) = (&self.resolution, &self.limits);
        let written = write_json_as(self.form, resolution, resolution.root, cursor, out, n_zero_width, limits);
        written.inspect_err(|_| out.truncate(start))
    }
}

impl Rows<'_> {
    /// Appends the JSON text of the next row; returns `false` after the last row.
    ///
    /// # Errors
    /// Fails as [`Decoder::decode`] does, with the position; also if bytes remain after the last row, or if the block
    /// claims too many rows without bytes. Nothing is appended then, and the rows before are valid.
    pub fn next_row(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let (max, schema) = (self.decoder.limits.zero_width_items, &self.decoder.resolution.writer);
        self.start = self.cursor.at();
        let done = match self.cursor.remaining() as u64 {
            _ if self.block.rows > max && is_zero_width(schema, schema.root()) => {
                Err(limit("zero_width_items", self.block.rows, max))
            }
            _ if self.row < self.block.rows => self.decoder.value(&mut self.cursor, &mut self.n_zero_width, out),
            0 => return Ok(false),
            left => Err(Fault::TrailingBytes(left)),
        };
        done.map_err(|fault| {
            self.decoder.error(fault).at(|position| {
                position.row = Some(self.row);
                position.block = Some(self.block.index);
                position.offset = Some(self.block.offset);
                position.offset_in_block = Some(self.cursor.at() as u64);
            })
        })?;
        self.row += 1;
        Ok(true)
    }

    /// Continues after the row of the last error. Returns `false` if it is not certain where the next row begins.
    ///
    /// It begins where the lengths and counts of the invalid row end, if they lead on through all other rows to the
    /// end of the block: an invalid symbol or text that is not UTF-8 does not change that. Otherwise it begins at the
    /// only position from which all remaining rows, at least two, can be read up to the end.
    pub fn recover(&mut self) -> bool {
        let left = match self.block.rows.checked_sub(self.row + 1) {
            // Nothing follows the last row, wherever it ends.
            Some(0) => return self.go_on(self.block.data.len()),
            Some(left) => left,
            None => return false,
        };
        let (data, schema) = (&self.block.data, &self.decoder.resolution.writer);
        let mut skipped = Cursor::new(data);
        let skip = |cursor: &mut Cursor<'_>| skip_value(schema, schema.root(), cursor, &self.decoder.limits).is_ok();
        if skipped.take(self.start).is_ok() && skip(&mut skipped) && skipped.at() > self.start {
            let end = skipped.at();
            // The lengths may be wrong. They are right if they lead through all other rows to the end of the block.
            let leads_to_end = |cursor: &mut Cursor<'_>| (0..left).all(|_| skip(cursor)) && cursor.remaining() == 0;
            if self.is_sound || leads_to_end(&mut skipped) {
                self.is_sound = true;
                return self.go_on(end);
            }
        }
        // A spurious single row at the end is easily found.
        if left < 2 {
            return false;
        }
        let mut budget = RECOVERY_BYTES;
        let mut found = None;
        for start in self.start + 1..data.len() {
            match self.rows_from(start, left) {
                Some(end) if end == data.len() && found.is_some() => return false,
                Some(end) if end == data.len() => found = Some(start),
                _ => {}
            }
            budget = budget.saturating_sub(self.tried.get());
            if budget == 0 {
                return false;
            }
        }
        found.is_some_and(|start| self.go_on(start))
    }

    /// The end of `n` rows that begin at `start`, if they are rows.
    fn rows_from(&self, start: usize, n: u64) -> Option<usize> {
        let mut cursor = Cursor::new(&self.block.data);
        let (mut text, mut n_zero_width) = (Vec::new(), 0);
        cursor.take(start).ok()?;
        let mut ends = Some(());
        for _ in 0..n {
            text.clear();
            ends = self.decoder.value(&mut cursor, &mut n_zero_width, &mut text).ok();
            if ends.is_none() {
                break;
            }
        }
        self.tried.set(cursor.at() - start + 1);
        ends.map(|()| cursor.at())
    }

    /// Continues with a row at this offset.
    fn go_on(&mut self, at: usize) -> bool {
        let mut cursor = Cursor::new(&self.block.data);
        let is_there = cursor.take(at).is_ok();
        if is_there {
            self.cursor = cursor;
            self.row += 1;
        }
        is_there
    }

    /// Offset in the block of the next row, as long as there was no error.
    pub fn at(&self) -> usize {
        self.cursor.at()
    }

    /// Index of the next row.
    pub fn n_rows(&self) -> u64 {
        self.row
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::encoding::PaddedBytes;
    use avro_testing::check_all;

    fn block(rows: u64, bytes: &[u8]) -> Block {
        Block { rows, data: PaddedBytes::from_vec(bytes.to_vec()), offset: 70, end: 99, index: 3 }
    }

    fn schema(json: &str) -> Schema {
        Schema::parse(json, &Limits::default()).unwrap()
    }

    /// Lines, the offset of each in the block, and the error after them.
    fn lines(decoder: &Decoder, block: &Block) -> (String, Vec<usize>, String) {
        let (mut rows, mut out, mut starts) = (decoder.rows(block), Vec::new(), Vec::new());
        let error = loop {
            starts.push(rows.at());
            match rows.next_row(&mut out) {
                Ok(true) => out.push(b' '),
                Ok(false) => break String::new(),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(rows.n_rows() as usize, starts.len() - 1);
        (String::from_utf8(out).unwrap(), starts, error)
    }

    #[test]
    fn json_rows_of_blocks_are_lines() {
        let limits = Limits { zero_width_items: 5, ..Limits::default() };
        let at = |row: u64, offset: u64| format!(" (row {row}, block 3, file offset 70, offset in block {offset})");
        let union = r#"["null","long",{"type":"array","items":["null","string"]}]"#;
        // A schema and a block; lines, their offsets, and the error.
        type Case<'a> = (&'a str, Form, Block, &'a str, &'a [usize], String);
        let nulls = r#"{"type":"array","items":"null"}"#;
        let cases: [Case<'_>; 9] = [
            (
                nulls,
                Form::Avro,
                block(2, &[8, 0, 4, 0]),
                "[null,null,null,null] ",
                &[0, 2],
                format!(
                    "6 exceeds the limit `zero_width_items` (5); raise the limit if the data is trusted{}",
                    at(1, 2)
                ),
            ),
            (union, Form::Avro, block(2, &[0, 2, 4]), r#"null {"long":2} "#, &[0, 1, 3], String::new()),
            (union, Form::Plain, block(2, &[0, 2, 4]), "null 2 ", &[0, 1, 3], String::new()),
            (
                union,
                Form::Plain,
                block(2, &[4, 4, 0, 2, 2, b'x', 0, 0]),
                r#"[null,"x"] null "#,
                &[0, 7, 8],
                String::new(),
            ),
            (union, Form::Avro, block(0, &[]), "", &[0], String::new()),
            (union, Form::Avro, block(2, &[0, 9]), "null ", &[0, 1], format!("union has no branch -5{}", at(1, 1))),
            (
                union,
                Form::Avro,
                block(1, &[0, 0, 0]),
                "null ",
                &[0, 1],
                format!("2 bytes are left in the block after its last row{}", at(1, 1)),
            ),
            (r#""null""#, Form::Avro, block(5, &[]), "null null null null null ", &[0; 6], String::new()),
            (
                r#""null""#,
                Form::Avro,
                block(6, &[]),
                "",
                &[0],
                format!(
                    "6 exceeds the limit `zero_width_items` (5); raise the limit if the data is trusted{}",
                    at(0, 0)
                ),
            ),
        ];
        check_all(cases, |(json, form, block, text, starts, error)| {
            let got = lines(&Decoder::new(&schema(json), form, &limits), &block);
            assert_eq!(got, (text.to_string(), starts.to_vec(), error), "{json} {form:?}");
        });
    }

    /// An invalid row does not affect others if it is certain where the next one begins.
    #[test]
    fn json_rows_stop_at_bad_row() {
        let limits = Limits::default();
        let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        let text = record(r#"{"name":"s","type":"string"},{"name":"n","type":"int"}"#);
        let symbol = record(r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}"#);
        let union = record(r#"{"name":"u","type":["null","string"]},{"name":"s","type":"string"}"#);
        // A schema and a block, and the rows that can be read.
        let cases: [(&str, Block, &str); 7] = [
            (&text, block(3, &[2, b'a', 2, 2, 0xff, 4, 2, b'c', 6]), r#"{"s":"a","n":1} {"s":"c","n":3} "#),
            (&symbol, block(3, &[0, 8, 0]), r#"{"e":"A"} {"e":"A"} "#),
            // The branch is invalid, so its length is unknown; two rows fit at one position only.
            (
                &union,
                block(3, &[10, 2, b'z', 0, 2, b'a', 2, 2, b'b', 2, b'c']),
                r#"{"u":null,"s":"a"} {"u":{"string":"b"},"s":"c"} "#,
            ),
            // The last row.
            (&text, block(2, &[2, b'a', 2, 2, 0xff, 4]), r#"{"s":"a","n":1} "#),
            (&text, block(2, &[2, b'a', 2, 99, 0xff]), r#"{"s":"a","n":1} "#),
            // A length beyond the block, and two positions at which rows could begin.
            (r#""string""#, block(3, &[0, 9, 0, 0, 0]), "\"\" "),
            (r#""long""#, block(2, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 0x80, 2]), ""),
        ];
        for (json, block, expected) in cases {
            let decoder = Decoder::new(&schema(json), Form::Avro, &limits);
            let (mut rows, mut out, mut tries) = (decoder.rows(&block), Vec::new(), 0);
            loop {
                match rows.next_row(&mut out) {
                    Ok(true) => out.push(b' '),
                    Ok(false) => break,
                    Err(_) if rows.recover() => tries += 1,
                    Err(_) => break,
                }
                assert!(tries < 9, "{json}");
            }
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{json}");
        }
    }

    /// Defaults of a reader's schema are texts that were made with tags.
    #[test]
    fn json_rows_resolve_to_reader_schema() {
        let writer = schema(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#);
        let reader = schema(
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","double"]},
                {"name":"b","type":["string",{"type":"array","items":["null","long"]}],"default":[null,1]},
                {"name":"m","type":{"type":"map","values":["R2",{"type":"record","name":"R2","fields":[{"name":"u","type":["int","null"]}]}]},
                    "default":{"k":{"u":null},"l":{"u":5}}}]}"#
                .replace(r#"["R2",{"#, "[{")
                .as_str(),
        );
        let cases = [
            (
                Form::Avro,
                r#"{"a":{"double":3.0},"b":{"array":[null,{"long":1}]},"m":{"k":{"R2":{"u":null}},"l":{"R2":{"u":{"int":5}}}}}"#,
            ),
            (Form::Plain, r#"{"a":3.0,"b":[null,1],"m":{"k":{"u":null},"l":{"u":5}}}"#),
        ];
        check_all(cases, |(form, want)| {
            let decoder = Decoder::resolving(&writer, &reader, form, &Options::default()).unwrap();
            let mut out = b"before".to_vec();
            assert_eq!(decoder.decode(&[6, 1, 2], &mut out).unwrap(), 1);
            assert_eq!(String::from_utf8(out).unwrap().strip_prefix("before"), Some(want));
            let error = decoder.decode(&[0x80], &mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), "a value runs past the end of its block (offset in block 0)");
        });
        let text = schema(r#""string""#);
        let refused = Decoder::resolving(&writer, &text, Form::Plain, &Options::default());
        assert!(refused.is_err());
    }
}
