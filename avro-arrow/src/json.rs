//! Values as JSON, without columns: [`Decoder`] converts datums to texts and [`Encoder`] texts to datums, in the
//! specification's JSON encoding or without its tags ([`Form`]).
//!
//! Recursive types have no Arrow type, so their values become text (`write_json`). `skip_value` skips values that are
//! not read. All walks keep the open records, arrays and maps in a list of their own, so that nesting in the data
//! cannot overflow the stack. On a fault the cursor is at the start of the invalid value, which gives errors their
//! offset.

mod decimal;
mod encode;
mod rows;
mod skip;
mod tape;
mod untagged;
#[cfg(test)]
mod tests;

pub use encode::Encoder;
pub use rows::{Decoder, Rows};
pub(crate) use skip::skip_value;
pub use tape::{Tape, Token, Unparsed};

use crate::encoding::Cursor;
use crate::error::Fault;
use crate::limits::Limits;
use crate::resolve::{Action, Convert, PairId, RecordPair, Resolution, unread_branch, unread_symbol};
use crate::schema::{Field, Kind, is_zero_width};
use decimal::Digits;
use std::fmt::{self, Write as _};
use untagged::untagged;

/// The JSON form of unions and decimals; all else is equal in both forms. Bytes and fixed are strings whose code
/// points 0-255 are the bytes. Floats without a JSON number are `"NaN"`, `"Infinity"` and `"-Infinity"`. Other logical
/// types are written as their base types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The specification's JSON encoding: a value of a union is `{"long":1}`, a decimal is its bytes.
    Avro,
    /// A value of a union is `1`, without a tag, so that two branches may look alike. A decimal of up to 76 digits is
    /// a number.
    Plain,
}

/// Reads one value of the pair's writer and appends it to `out` as the reader's, in Avro's JSON encoding, with a
/// record's fields in the reader's order. Checks everything that decoding to columns checks.
///
/// The text of one value is limited to the maximum size of a block: names of fields are repeated for each value, so
/// that a small block could otherwise produce any amount of text.
// SPEC: JSON Encoding.
pub(crate) fn write_json(
    resolution: &Resolution,
    pair: PairId,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    limits: &Limits,
) -> Result<(), Fault> {
    write_json_as(Form::Avro, resolution, pair, cursor, out, &mut 0, limits)
}

/// `write_json` in this form, for one of many values: `n_zero_width` counts the items without bytes in the values
/// before.
fn write_json_as(
    form: Form,
    resolution: &Resolution,
    pair: PairId,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    n_zero_width: &mut u64,
    limits: &Limits,
) -> Result<(), Fault> {
    let start = out.len();
    let mut writer =
        JsonWriter { form, resolution, cursor, out, start, limits, open: Vec::new(), n_records: 0, n_zero_width };
    let mut next = Some(pair);
    while let Some(pair) = next {
        writer.value(pair)?;
        writer.check_text()?;
        next = writer.next()?;
    }
    Ok(())
}

/// Reads the index of a union's branch, below `n_branches`.
pub(crate) fn branch_index(cursor: &mut Cursor<'_>, n_branches: usize) -> Result<usize, Fault> {
    index(cursor, n_branches, Fault::UnionBranch)
}

/// Reads the index of an enum's symbol, below `n_symbols`.
pub(crate) fn symbol_index(cursor: &mut Cursor<'_>, n_symbols: usize) -> Result<usize, Fault> {
    index(cursor, n_symbols, Fault::EnumSymbol)
}

/// Reads a string, which must be UTF-8.
pub(crate) fn string<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    let before = cursor.clone();
    let bytes = cursor.bytes()?;
    simdutf8::basic::from_utf8(bytes).map_err(|_| {
        *cursor = before;
        Fault::Utf8
    })
}

/// Reads the head of a block of items. Its count must be one that the remaining bytes can hold; for items without
/// bytes it must be within the limit, together with the `n_zero_width` before it.
pub(crate) fn checked_item_block(
    cursor: &mut Cursor<'_>,
    items_are_zero_width: bool,
    n_zero_width: &mut u64,
    limits: &Limits,
) -> Result<(u64, Option<u64>), Fault> {
    let before = cursor.clone();
    let head = cursor.item_block().and_then(|(count, bytes)| {
        if items_are_zero_width {
            *n_zero_width = n_zero_width.saturating_add(count);
            if *n_zero_width > limits.zero_width_items {
                return Err(limit("zero_width_items", *n_zero_width, limits.zero_width_items));
            }
        } else if count > cursor.remaining() as u64 {
            return Err(Fault::ItemCount(count as i64));
        }
        Ok((count, bytes))
    });
    if head.is_err() {
        *cursor = before;
    }
    head
}

/// The fault of a limit, named like its field of [`Limits`].
#[cold]
pub(crate) fn limit(limit: &'static str, value: u64, max: u64) -> Fault {
    Fault::Limit { limit, value, max }
}

fn index(cursor: &mut Cursor<'_>, n: usize, fault: fn(i64) -> Fault) -> Result<usize, Fault> {
    let before = cursor.clone();
    let value = cursor.long()?;
    match usize::try_from(value) {
        Ok(index) if index < n => Ok(index),
        _ => {
            *cursor = before;
            Err(fault(value))
        }
    }
}

/// Whether a string precedes each item: a map, not an array.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    None,
    Strings,
}

/// The containers that `write_json` is inside of.
enum Writing<'s, 'a> {
    Record(OpenRecord<'s>),
    Items(Items<'a>),
    Branch,
}

/// A record being written in the order of the reader's fields.
struct OpenRecord<'s> {
    /// The writer's fields that are still to come.
    fields: std::slice::Iter<'s, Field>,
    record: &'s RecordPair,
    /// The reader's fields.
    names: &'s [Field],
    /// Number of defaults written.
    n_defaults: usize,
    n_written: usize,
    /// Start of the text of each field, by the reader's index, if the writer has them in another order.
    starts: Vec<(usize, usize)>,
}

struct Items<'a> {
    items: PairId,
    keys: Keys,
    zero_width: bool,
    left: u64,
    n_written: u64,
    /// Of a sized item block: the cursor at its head, at its first item, and its stated size in bytes.
    sized: Option<(Cursor<'a>, usize, u64)>,
}

struct JsonWriter<'s, 'c, 'a> {
    form: Form,
    resolution: &'s Resolution,
    cursor: &'c mut Cursor<'a>,
    out: &'c mut Vec<u8>,
    /// Offset in `out` at which the text begins.
    start: usize,
    limits: &'s Limits,
    open: Vec<Writing<'s, 'a>>,
    n_records: usize,
    n_zero_width: &'c mut u64,
}

impl JsonWriter<'_, '_, '_> {
    /// Writes a value, or opens it if it is a container.
    fn value(&mut self, mut pair: PairId) -> Result<(), Fault> {
        let resolution = self.resolution;
        if let Action::FromUnion(branches) = &resolution.pair(pair).action {
            let before = self.cursor.clone();
            let index = branch_index(self.cursor, branches.len())?;
            let Some(Some(branch)) = branches.get(index) else {
                *self.cursor = before;
                return Err(unread_branch(resolution.pair(pair).writer, index));
            };
            pair = *branch;
        }
        while let Action::ToUnion { branch, nth, value } = &resolution.pair(pair).action {
            let reader = &resolution.reader;
            let Kind::Union(branches) = &reader.node(resolution.pair(pair).reader).kind else { break };
            let Some(kind) = branches.get(*branch).map(|branch| &reader.node(*branch).kind) else { break };
            // SPEC: JSON Encoding: a union's null is `null`, any other branch an object with the type's name as its
            // only key.
            if *kind != Kind::Null && self.form == Form::Avro {
                self.out.push(b'{');
                match nth {
                    0 => self.text(kind.tag()),
                    nth => self.text(&format!("{}_{nth}", kind.tag())),
                }
                self.out.push(b':');
                self.open.push(Writing::Branch);
            }
            pair = *value;
        }
        self.plain(pair)
    }

    /// `value` for all types but unions.
    fn plain(&mut self, id: PairId) -> Result<(), Fault> {
        let resolution = self.resolution;
        let pair = resolution.pair(id);
        let kind = &resolution.writer.node(pair.writer).kind;
        match (&pair.action, kind) {
            (Action::Convert(_), Kind::Bytes | Kind::Fixed(_))
                if let Some(digits) = Digits::of(resolution.reader.node(pair.reader))
                    && (self.form == Form::Plain || matches!(pair.action, Action::Convert(Convert::Scale(_)))) =>
            {
                let before = self.cursor.clone();
                let mut bytes = match kind {
                    Kind::Fixed(fixed) => self.cursor.take(fixed.size)?.to_vec(),
                    _ => self.cursor.bytes()?.to_vec(),
                };
                if let Action::Convert(Convert::Scale(zeros)) = pair.action {
                    let size = match &resolution.reader.node(pair.reader).kind {
                        Kind::Fixed(fixed) => Some(fixed.size),
                        _ => None,
                    };
                    let Some(scaled) = decimal::with_zeros(&bytes, zeros, size) else {
                        *self.cursor = before;
                        return Err(Fault::DecimalRange);
                    };
                    bytes = scaled;
                }
                match self.form {
                    Form::Plain => self.print(format_args!("{}", digits.text(&bytes))),
                    Form::Avro => self.latin1(&bytes),
                }
            }
            (Action::Convert(convert), kind) => return self.scalar(*convert, kind),
            (Action::Symbols(table), _) => {
                let before = self.cursor.clone();
                let index = symbol_index(self.cursor, table.len())?;
                let symbol = match (table.get(index), &resolution.reader.node(pair.reader).kind) {
                    (Some(Some(to)), Kind::Enum(e)) => e.symbols.get(*to as usize),
                    _ => None,
                };
                let Some(symbol) = symbol else {
                    *self.cursor = before;
                    return Err(unread_symbol(pair.writer, index));
                };
                self.text(symbol);
            }
            (Action::Items(item), Kind::Map(_)) => self.open_items(*item, Keys::Strings),
            (Action::Items(item), _) => self.open_items(*item, Keys::None),
            (Action::Record(record), Kind::Record(written)) => {
                self.n_records += 1;
                if self.n_records > self.limits.value_nesting {
                    return Err(limit("value_nesting", self.n_records as u64, self.limits.value_nesting as u64));
                }
                self.out.push(b'{');
                let names = match &resolution.reader.node(pair.reader).kind {
                    Kind::Record(read) => read.fields.as_slice(),
                    _ => &[],
                };
                let fields = written.fields.iter();
                let starts = Vec::new();
                self.open.push(Writing::Record(OpenRecord {
                    fields,
                    record,
                    names,
                    n_defaults: 0,
                    n_written: 0,
                    starts,
                }));
            }
            // Unions are not directly inside unions, and branches without a counterpart are not followed.
            _ => return Err(unread_branch(pair.writer, 0)),
        }
        Ok(())
    }

    fn scalar(&mut self, convert: Convert, kind: &Kind) -> Result<(), Fault> {
        match (kind, convert) {
            (Kind::Boolean, _) => {
                let text: &[u8] = if self.cursor.boolean()? { b"true" } else { b"false" };
                self.out.extend_from_slice(text);
            }
            (Kind::Int | Kind::Long, Convert::Times(factor)) => {
                let before = self.cursor.clone();
                let value = if *kind == Kind::Int { self.cursor.int()?.into() } else { self.cursor.long()? };
                let Some(scaled) = value.checked_mul(factor) else {
                    *self.cursor = before;
                    return Err(Fault::UnitRange(value));
                };
                self.print(format_args!("{scaled}"));
            }
            (Kind::Int | Kind::Long, _) => {
                let value = if *kind == Kind::Int { self.cursor.int()?.into() } else { self.cursor.long()? };
                match convert {
                    Convert::IntToFloat | Convert::LongToFloat => self.float(value as f32),
                    Convert::IntToDouble | Convert::LongToDouble => self.double(value as f64),
                    _ => self.print(format_args!("{value}")),
                }
            }
            (Kind::Float, _) => {
                let value = f32::from_le_bytes(self.cursor.array()?);
                if convert == Convert::FloatToDouble { self.double(value.into()) } else { self.float(value) }
            }
            (Kind::Double, _) => {
                let value = f64::from_le_bytes(self.cursor.array()?);
                self.double(value);
            }
            (Kind::Bytes, Convert::BytesToString) | (Kind::String, Convert::Same) => {
                let text = string(self.cursor)?;
                self.text(text);
            }
            (Kind::Bytes | Kind::String | Kind::Fixed(_), _) => {
                let before = self.cursor.clone();
                let bytes = match kind {
                    Kind::Fixed(fixed) => self.cursor.take(fixed.size)?,
                    _ => self.cursor.bytes()?,
                };
                match convert {
                    Convert::DecimalToFixed(size) => {
                        let Some(sized) = decimal_of_size(bytes, size) else {
                            *self.cursor = before;
                            return Err(Fault::DecimalRange);
                        };
                        self.latin1(&sized);
                    }
                    _ => self.latin1(bytes),
                }
            }
            (Kind::Enum(e), _) => {
                let index = symbol_index(self.cursor, e.symbols.len())?;
                self.text(e.symbols.get(index).map_or("", |s| s));
            }
            _ => self.out.extend_from_slice(b"null"),
        }
        Ok(())
    }

    /// Closes complete containers and returns the next pair, after writing its name or comma.
    fn next(&mut self) -> Result<Option<PairId>, Fault> {
        loop {
            match self.open.pop() {
                None => return Ok(None),
                Some(Writing::Branch) => self.out.push(b'}'),
                Some(Writing::Record(mut open)) => match open.fields.next() {
                    None => self.close_record(open)?,
                    Some(field) => {
                        let at = open.record.fields.len() - open.fields.len() - 1;
                        match open.record.fields.get(at) {
                            Some(Some((to, pair))) => {
                                self.begin_field(&mut open, *to)?;
                                self.open.push(Writing::Record(open));
                                return Ok(Some(*pair));
                            }
                            _ => {
                                skip_value(&self.resolution.writer, field.node, self.cursor, self.limits)?;
                                self.open.push(Writing::Record(open));
                            }
                        }
                    }
                },
                Some(Writing::Items(mut items)) => {
                    if items.left == 0 && !items.next_block(self.cursor, self.n_zero_width, self.limits)? {
                        self.out.push(if items.keys == Keys::None { b']' } else { b'}' });
                        continue;
                    }
                    if items.n_written > 0 {
                        self.out.push(b',');
                    }
                    if items.keys == Keys::Strings {
                        let key = string(self.cursor)?;
                        self.text(key);
                        self.out.push(b':');
                    }
                    items.left -= 1;
                    items.n_written += 1;
                    let pair = items.items;
                    self.open.push(Writing::Items(items));
                    return Ok(Some(pair));
                }
            }
        }
    }

    /// Writes the name or comma before the value of the reader's field `to`.
    fn begin_field(&mut self, open: &mut OpenRecord<'_>, to: usize) -> Result<(), Fault> {
        if open.record.ordered {
            self.defaults(open, to)?;
        } else {
            open.starts.push((to, self.out.len()));
        }
        self.name(open.names.get(to), &mut open.n_written);
        Ok(())
    }

    /// Writes the missing defaults of the reader's fields before this one.
    fn defaults(&mut self, open: &mut OpenRecord<'_>, before: usize) -> Result<(), Fault> {
        while let Some(default) = open.record.defaults.get(open.n_defaults).filter(|default| default.field < before) {
            open.n_defaults += 1;
            if !open.record.ordered {
                open.starts.push((default.field, self.out.len()));
            }
            self.name(open.names.get(default.field), &mut open.n_written);
            match (self.form, open.names.get(default.field)) {
                (Form::Plain, Some(field)) => {
                    let text = untagged(&self.resolution.reader, field.node, &default.value).to_string();
                    self.out.extend_from_slice(text.as_bytes());
                }
                _ => self.out.extend_from_slice(default.text.as_bytes()),
            }
            self.check_text()?;
        }
        Ok(())
    }

    fn close_record(&mut self, mut open: OpenRecord<'_>) -> Result<(), Fault> {
        self.defaults(&mut open, usize::MAX)?;
        if let Some(&(_, first)) = open.starts.first() {
            self.reorder(first, open.starts);
        }
        self.n_records -= 1;
        self.out.push(b'}');
        Ok(())
    }

    /// Puts the fields written from `first` on into the reader's order.
    fn reorder(&mut self, first: usize, starts: Vec<(usize, usize)>) {
        let text = self.out.split_off(first);
        let ends = starts.iter().skip(1).map(|(_, start)| *start).chain([first + text.len()]);
        let mut fields: Vec<_> = starts.iter().zip(ends).map(|((field, start), end)| (*field, *start, end)).collect();
        fields.sort_unstable();
        for (n, (_, start, end)) in fields.into_iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            let field = text.get(start - first..end - first).unwrap_or_default();
            // All fields but the one written first begin with a comma.
            self.out.extend_from_slice(field.strip_prefix(b",").unwrap_or(field));
        }
    }

    /// Checks the text against its limit.
    fn check_text(&self) -> Result<(), Fault> {
        let text_bytes = self.out.len() - self.start;
        if text_bytes > self.limits.block_bytes {
            return Err(limit("block_bytes", text_bytes as u64, self.limits.block_bytes as u64));
        }
        Ok(())
    }

    /// Writes the name of a record's field, after a comma if it is not the first.
    fn name(&mut self, field: Option<&Field>, n_written: &mut usize) {
        if *n_written > 0 {
            self.out.push(b',');
        }
        *n_written += 1;
        self.text(field.map_or("", |field| &field.name));
        self.out.push(b':');
    }

    fn open_items(&mut self, items: PairId, keys: Keys) {
        let node = self.resolution.pair(items).writer;
        let zero_width = keys == Keys::None && is_zero_width(&self.resolution.writer, node);
        self.out.push(if keys == Keys::None { b'[' } else { b'{' });
        self.open.push(Writing::Items(Items { items, keys, zero_width, left: 0, n_written: 0, sized: None }));
    }

    fn print(&mut self, text: fmt::Arguments<'_>) {
        // Appending to a vector never fails.
        let _ = std::io::Write::write_fmt(self.out, text);
    }

    fn float(&mut self, value: f32) {
        self.number(value.is_finite(), f64::from(value), format_args!("{value:?}"));
    }

    fn double(&mut self, value: f64) {
        self.number(value.is_finite(), value, format_args!("{value:?}"));
    }

    /// Writes a float as `shortest`, or by name if JSON has no number for it.
    fn number(&mut self, finite: bool, value: f64, shortest: fmt::Arguments<'_>) {
        match () {
            () if finite => self.print(shortest),
            () if value.is_nan() => self.text("NaN"),
            () if value > 0.0 => self.text("Infinity"),
            () => self.text("-Infinity"),
        }
    }

    // SPEC: JSON Encoding: bytes and fixed are strings whose code points 0-255 are the bytes.
    fn latin1(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        for &byte in bytes {
            if byte < 0x80 {
                escape(byte, self.out);
            } else {
                self.out.extend_from_slice(&[0xc0 | byte >> 6, 0x80 | byte & 0x3f]);
            }
        }
        self.out.push(b'"');
    }

    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        for &byte in text.as_bytes() {
            escape(byte, self.out);
        }
        self.out.push(b'"');
    }
}

impl<'a> Items<'a> {
    /// Moves to the next block that has items; `false` at the end. Checks the size of the block before it.
    fn next_block(&mut self, cursor: &mut Cursor<'a>, n_zero_width: &mut u64, limits: &Limits) -> Result<bool, Fault> {
        if let Some((head, start, stated)) = self.sized.take() {
            let found = (cursor.at() - start) as u64;
            if found != stated {
                *cursor = head;
                return Err(Fault::ItemBytes { stated: stated as i64, found });
            }
        }
        let head = cursor.clone();
        let (count, bytes) = checked_item_block(cursor, self.zero_width, n_zero_width, limits)?;
        self.sized = bytes.map(|bytes| (head, cursor.at(), bytes));
        self.left = count;
        Ok(count > 0)
    }
}

/// Resizes a big-endian two's complement number to `size` bytes, if its value fits.
fn decimal_of_size(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let (extra, kept) = bytes.split_at(bytes.len().saturating_sub(size));
    let same_sign = kept.first().map_or(sign == 0, |byte| (byte & 0x80 != 0) == (sign != 0));
    if extra.iter().any(|byte| *byte != sign) || (!extra.is_empty() && !same_sign) {
        return None;
    }
    let mut sized = vec![sign; size - kept.len()];
    sized.extend_from_slice(kept);
    Some(sized)
}

/// Appends one byte of UTF-8, escaped where JSON requires it.
fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => {
            let mut text = String::new();
            let _ = write!(text, "\\u{byte:04x}");
            out.extend_from_slice(text.as_bytes());
        }
        _ => out.push(byte),
    }
}
