//! Values as JSON, without columns: datums in, texts out ([`Decoder`]), and texts in, datums out ([`Encoder`]), in the JSON
//! encoding of the specification or without its tags ([`Form`]).
//!
//! Recursive types have no Arrow type, so their values become text (`write_json`); values that nobody asked for are stepped
//! over (`skip_value`). All walks keep the open records, arrays and maps in a list of their own, so that no nesting in the data can overflow
//! the thread's stack. On a fault the cursor stands at the start of the faulty value, which is how errors get their offset.

mod decimal;
mod encode;
mod rows;
mod tape;
mod untagged;
#[cfg(test)]
mod tests;

pub use encode::Encoder;
pub use rows::{Decoder, Rows};

use crate::bytes::Cursor;
use crate::error::Fault;
use crate::limits::Limits;
use crate::resolve::{Action, Convert, PairId, RecordPair, Resolution};
use crate::schema::{Field, Kind, NodeId, Schema, is_zero_width};
use decimal::Digits;
use std::fmt::{self, Write as _};
use untagged::untagged;

/// How unions and decimals stand in JSON; all else is the same in both forms. Bytes and fixed are strings whose code
/// points 0-255 are the bytes; floats that JSON has no number for are `"NaN"`, `"Infinity"` and `"-Infinity"`; other logical types
/// are what they are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the specification's JSON encoding: a union's value is `{"long":1}`, a decimal is its bytes.
    Avro,
    /// A union's value is itself, `1`, from which two branches may not be told apart; a decimal of up to 76 digits is a number.
    Plain,
}

/// Reads one value of the pair's writer and appends it to `out` as the reader's, in Avro's JSON encoding: the fields of a record
/// in the order of their bytes, and then those that take their defaults. Checks all that decoding to columns
/// checks. The text of one value is limited to as many bytes as a block may have: a field's name is repeated in the text for
/// each of its values, so that a small block could ask for any amount of it.
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

/// The same in this form, of one of many values: `n_zero_width` are the items without bytes in those before.
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

/// Steps over one value of the type `node`. Looks only at what is needed to find its end: varints, lengths and union
/// branches; arrays and maps are jumped over where their size in bytes is given.
pub(crate) fn skip_value(schema: &Schema, node: NodeId, cursor: &mut Cursor<'_>, limits: &Limits) -> Result<(), Fault> {
    let mut open = Vec::new();
    let mut n_records = 0;
    let mut next = Some(node);
    while let Some(node) = next {
        skip_one(schema, node, cursor, limits, &mut open, &mut n_records)?;
        next = loop {
            let Some(last) = open.last_mut() else { break None };
            match last {
                Skipping::Fields(fields) => match fields.next() {
                    Some(field) => break Some(field.node),
                    None => n_records -= 1,
                },
                Skipping::Items { items, keys, left } => {
                    if *left == 0 {
                        *left = skip_item_blocks(schema, *items, *keys, cursor)?;
                    }
                    if *left > 0 {
                        *left -= 1;
                        if *keys == Keys::Strings {
                            cursor.bytes()?;
                        }
                        break Some(*items);
                    }
                }
            }
            open.pop();
        };
    }
    Ok(())
}

/// The index of a union's branch, below `n_branches`.
pub(crate) fn branch_index(cursor: &mut Cursor<'_>, n_branches: usize) -> Result<usize, Fault> {
    index(cursor, n_branches, Fault::UnionBranch)
}

/// The index of an enum's symbol, below `n_symbols`.
pub(crate) fn symbol_index(cursor: &mut Cursor<'_>, n_symbols: usize) -> Result<usize, Fault> {
    index(cursor, n_symbols, Fault::EnumSymbol)
}

/// A string, which must be UTF-8.
pub(crate) fn string<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    let before = cursor.clone();
    let bytes = cursor.bytes()?;
    simdutf8::basic::from_utf8(bytes).map_err(|_| {
        *cursor = before;
        Fault::Utf8
    })
}

/// The head of a block of items, checked: its count is one that the bytes left could hold, or, of items that take no bytes,
/// one that together with the `n_zero_width` before it is within the limit.
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

/// The fault of a limit that is named like its field of [`Limits`].
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

/// Is there a string before each item: is it a map, not an array?
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    None,
    Strings,
}

/// What `skip_value` is inside of.
enum Skipping<'s> {
    Fields(std::slice::Iter<'s, Field>),
    Items { items: NodeId, keys: Keys, left: u64 },
}

fn skip_one<'s>(
    schema: &'s Schema,
    mut node: NodeId,
    cursor: &mut Cursor<'_>,
    limits: &Limits,
    open: &mut Vec<Skipping<'s>>,
    n_records: &mut usize,
) -> Result<(), Fault> {
    if let Kind::Union(branches) = &schema.node(node).kind
        && let Some(branch) = branches.get(branch_index(cursor, branches.len())?)
    {
        node = *branch;
    }
    match &schema.node(node).kind {
        Kind::Null => {}
        Kind::Boolean => drop(cursor.take(1)?),
        Kind::Int | Kind::Long | Kind::Enum(_) => drop(cursor.long()?),
        Kind::Float => drop(cursor.take(4)?),
        Kind::Double => drop(cursor.take(8)?),
        Kind::Bytes | Kind::String => drop(cursor.bytes()?),
        Kind::Fixed(fixed) => drop(cursor.take(fixed.size)?),
        Kind::Array(items) => open.push(Skipping::Items { items: *items, keys: Keys::None, left: 0 }),
        Kind::Map(values) => open.push(Skipping::Items { items: *values, keys: Keys::Strings, left: 0 }),
        Kind::Record(_) if is_zero_width(schema, node) => {}
        Kind::Record(record) => {
            *n_records += 1;
            if *n_records > limits.value_nesting {
                return Err(limit("value_nesting", *n_records as u64, limits.value_nesting as u64));
            }
            open.push(Skipping::Fields(record.fields.iter()));
        }
        // The parser refuses a union directly inside a union.
        Kind::Union(_) => return Err(Fault::UnionBranch(0)),
    }
    Ok(())
}

/// The number of items in the next block that has to be walked, or 0 at the end. Steps over those that need not be: of a
/// given size, or of items without bytes.
fn skip_item_blocks(schema: &Schema, items: NodeId, keys: Keys, cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
    loop {
        let before = cursor.clone();
        match cursor.item_block() {
            Ok((0, None)) => return Ok(0),
            Ok((_, Some(bytes))) => drop(cursor.take(usize::try_from(bytes).map_err(|_| Fault::End)?)?),
            Ok((_, None)) if keys == Keys::None && is_zero_width(schema, items) => {}
            Ok((count, None)) => return Ok(count),
            Err(fault) => {
                *cursor = before;
                return Err(fault);
            }
        }
    }
}

/// What `write_json` is inside of.
enum Writing<'s, 'a> {
    Record {
        fields: std::slice::Iter<'s, Field>,
        record: &'s RecordPair,
        /// The reader's fields.
        names: &'s [Field],
        n_written: usize,
    },
    Items(Items<'a>),
    Branch,
}

struct Items<'a> {
    items: PairId,
    keys: Keys,
    zero_width: bool,
    left: u64,
    n_written: u64,
    /// Of the item block: the cursor at its head and its first item, and the bytes it says it has.
    sized: Option<(Cursor<'a>, usize, u64)>,
}

struct JsonWriter<'s, 'c, 'a> {
    form: Form,
    resolution: &'s Resolution,
    cursor: &'c mut Cursor<'a>,
    out: &'c mut Vec<u8>,
    /// Where in `out` the text begins.
    start: usize,
    limits: &'s Limits,
    open: Vec<Writing<'s, 'a>>,
    n_records: usize,
    n_zero_width: &'c mut u64,
}

impl JsonWriter<'_, '_, '_> {
    /// Writes a value, or only opens it where it consists of others.
    fn value(&mut self, mut pair: PairId) -> Result<(), Fault> {
        let resolution = self.resolution;
        if let Action::FromUnion(branches) = &resolution.pair(pair).action {
            let before = self.cursor.clone();
            let index = branch_index(self.cursor, branches.len())?;
            let Some(Some(branch)) = branches.get(index) else {
                *self.cursor = before;
                return Err(Fault::UnreadBranch(index as i64));
            };
            pair = *branch;
        }
        while let Action::ToUnion { branch, value } = &resolution.pair(pair).action {
            let reader = &resolution.reader;
            let Kind::Union(branches) = &reader.node(resolution.pair(pair).reader).kind else { break };
            let Some(kind) = branches.get(*branch).map(|branch| &reader.node(*branch).kind) else { break };
            // SPEC: JSON Encoding: a union's null is `null`, any other branch an object with the type's name as its
            // only key.
            if *kind != Kind::Null && self.form == Form::Avro {
                self.out.push(b'{');
                self.text(kind.name().map_or(kind.word(), |name| name.full()));
                self.out.push(b':');
                self.open.push(Writing::Branch);
            }
            pair = *value;
        }
        self.plain(pair)
    }

    /// As `value`, for all but unions.
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
                    return Err(Fault::UnreadSymbol(index as i64));
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
                self.open.push(Writing::Record { fields: written.fields.iter(), record, names, n_written: 0 });
            }
            // Unions are not directly inside unions, and branches for which there is nothing are not followed.
            _ => return Err(Fault::UnreadBranch(0)),
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
            (Kind::Bytes | Kind::String, _) => {
                let bytes = self.cursor.bytes()?;
                self.latin1(bytes);
            }
            (Kind::Fixed(fixed), _) => {
                let bytes = self.cursor.take(fixed.size)?;
                self.latin1(bytes);
            }
            (Kind::Enum(e), _) => {
                let index = symbol_index(self.cursor, e.symbols.len())?;
                self.text(e.symbols.get(index).map_or("", |s| s));
            }
            _ => self.out.extend_from_slice(b"null"),
        }
        Ok(())
    }

    /// Closes what is complete. The pair of the value that comes next, whose name or comma is written.
    fn next(&mut self) -> Result<Option<PairId>, Fault> {
        loop {
            match self.open.pop() {
                None => return Ok(None),
                Some(Writing::Branch) => self.out.push(b'}'),
                Some(Writing::Record { mut fields, record, names, mut n_written }) => {
                    let Some(field) = fields.next() else {
                        for default in &record.defaults {
                            self.name(names.get(default.field), &mut n_written);
                            match (self.form, names.get(default.field)) {
                                (Form::Plain, Some(field)) => {
                                    let text =
                                        untagged(&self.resolution.reader, field.node, &default.value).to_string();
                                    self.out.extend_from_slice(text.as_bytes());
                                }
                                _ => self.out.extend_from_slice(default.text.as_bytes()),
                            }
                            self.check_text()?;
                        }
                        self.n_records -= 1;
                        self.out.push(b'}');
                        continue;
                    };
                    let at = record.fields.len() - fields.len() - 1;
                    let Some(Some((to, pair))) = record.fields.get(at) else {
                        skip_value(&self.resolution.writer, field.node, self.cursor, self.limits)?;
                        self.open.push(Writing::Record { fields, record, names, n_written });
                        continue;
                    };
                    self.name(names.get(*to), &mut n_written);
                    self.open.push(Writing::Record { fields, record, names, n_written });
                    return Ok(Some(*pair));
                }
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

    /// Is the text within its limit?
    fn check_text(&self) -> Result<(), Fault> {
        let text_bytes = self.out.len() - self.start;
        if text_bytes > self.limits.block_bytes {
            return Err(limit("block_bytes", text_bytes as u64, self.limits.block_bytes as u64));
        }
        Ok(())
    }

    /// The name of a record's field, behind a comma if it is not the first.
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

    /// A float as `shortest`, or the name of what JSON has no number for.
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
    /// Goes to the next block that has items; false at the end. Checks the size of the block before it.
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

/// Appends one byte of UTF-8, escaped where JSON asks for it.
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
