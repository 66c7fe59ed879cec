//! JSON to datums: encodes a text as a value of a type in Avro's binary encoding.
//!
//! The text is parsed to a flat list first (`tape`). A walk over the list writes the bytes, with the open containers
//! in a list of its own:
//!
//! ```text
//! value: writes a simple value; opens a container
//! next:  closes complete containers, writes missing fields from defaults, and returns the next value
//! back:  if a value does not fit and is inside an untagged union, drops the bytes since then and tries the next branch
//! ```
//!
//! The branch that a value fits is remembered, so that unions inside unions are not tried again for each branch of the
//! outer ones.

mod cells;
mod fit;
mod readable;
#[cfg(test)]
mod tests;
mod time;
mod words;

use super::Form;
use super::tape::{Tape, Token};
use crate::encoding::put_long;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::limits::Limits;
use crate::schema::{Field, Kind, NodeId, Record, Schema};
use fit::{Lenience, NameIndex};
use serde_json::Value as Json;
use std::collections::HashMap;

/// Encodes JSON as values of the types of a schema. What it has to know of the schema, such as the bytes of defaults,
/// it finds out once, so one encoder should do many values.
///
/// ```
/// use avro_arrow::json::{Encoder, Form};
/// use avro_arrow::{Limits, schema::Schema};
///
/// let schema = Schema::parse(
///     r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","string"]}]}"#,
///     &Limits::default(),
/// )?;
/// let mut bytes = Vec::new();
/// let mut tagged = Encoder::new(&schema, Form::Avro, &Limits::default());
/// tagged.encode(r#"{"a":3,"b":{"string":"x"}}"#, schema.root(), &mut bytes)?;
/// let mut plain = Encoder::new(&schema, Form::Plain, &Limits::default());
/// plain.encode(r#"{"b":"x","a":3}"#, schema.root(), &mut bytes)?;
/// assert_eq!(bytes, [6, 2, 2, b'x', 6, 2, 2, b'x']);
///
/// let error = plain.encode(r#"{"a":3.5,"b":null}"#, schema.root(), &mut bytes).unwrap_err();
/// assert_eq!(error.to_string(), "$.a: expected long, found 3.5");
/// # Ok::<(), avro_arrow::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    schema: Schema,
    limits: Limits,
    rule: Rule,
    tape: Tape,
    known: Known,
}

/// Facts about a schema that are computed once.
#[derive(Debug)]
struct Known {
    names: NameIndex,
    /// The bytes of a field's default; `None` if it is invalid, or while it is being made.
    defaults: HashMap<(NodeId, usize), Option<Vec<u8>>>,
}

/// How a text is interpreted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    Tagged,
    Plain,
    /// Values as `avro-sql convert` writes them: see [`Encoder::readable`].
    Readable,
    /// The default of a field in a schema: unions are not tagged, and surplus fields are ignored.
    Default,
}

impl Encoder {
    /// Creates an encoder for values of this schema in JSON of this form. It uses the limits on the nesting of values
    /// and on the bytes of defaults.
    pub fn new(schema: &Schema, form: Form, limits: &Limits) -> Encoder {
        let rule = match form {
            Form::Avro => Rule::Tagged,
            Form::Plain => Rule::Plain,
        };
        Encoder::by(rule, schema, limits)
    }

    /// Creates an encoder for values as `avro-sql convert` writes them in JSON and CSV, which is readable and
    /// lossless.
    ///
    /// Decimals are numbers, or text of the same digits; dates, times, instants and durations are ISO 8601, or the
    /// number that Avro stores; a uuid on fixed has its usual form; bytes and fixed are `\\x` and hex digits. A
    /// recursive record's values are text in the specification's encoding. Numbers and booleans may be quoted where
    /// nothing else can be meant.
    ///
    /// Values of a union are tagged, as in the specification's encoding, if values of two branches may look alike: int
    /// and long, string and bytes, two records. Missing fields take their defaults, or else null.
    pub fn readable(schema: &Schema, limits: &Limits) -> Encoder {
        Encoder::by(Rule::Readable, schema, limits)
    }

    fn by(rule: Rule, schema: &Schema, limits: &Limits) -> Encoder {
        let known = Known { names: NameIndex::of(schema), defaults: HashMap::new() };
        Encoder { schema: schema.clone(), limits: limits.clone(), rule, tape: Tape::default(), known }
    }

    /// Appends the text's value of the type `node` in Avro's binary encoding. Fields of records may be in any order,
    /// and missing ones take their defaults. Numbers without a fraction are integers in any notation. For an untagged
    /// union ([`Form::Plain`]) the value takes the first branch that it fits, preferably without rounding.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Json`] if the text is not JSON or not a value of the type, and with
    /// [`ErrorKind::Limit`] if it exceeds a limit. Nothing is appended then.
    pub fn encode(&mut self, text: &str, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
        self.encode_by(self.rule, text, node, out)
    }

    /// Appends the value of a default, as schemas write it whatever the form: of a union it is the first branch that
    /// fits, untagged.
    ///
    /// # Errors
    /// Fails as [`encode`](Self::encode) does.
    pub fn encode_default(&mut self, default: &Json, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
        self.encode_by(Rule::Default, &default.to_string(), node, out)
    }

    fn encode_by(&mut self, rule: Rule, text: &str, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
        self.tape.parse(text).map_err(|(expected, at)| {
            Error::new(ErrorKind::Json { at: format!("byte {at}"), reason: format!("not JSON: expected {expected}") })
        })?;
        let start = out.len();
        let mut walk = Walk::new(&self.schema, &self.limits, rule, text, &self.tape, &mut self.known);
        walk.max = self.limits.block_bytes;
        walk.run(node, out).inspect_err(|_| out.truncate(start))
    }
}

/// A container that the walk is inside of.
#[derive(Debug)]
enum Open {
    /// The object around a union's value, with this key.
    Tag(usize),
    Record {
        node: NodeId,
        /// Index in `slots` of its first field.
        slots: usize,
        next: usize,
    },
    Items {
        items: NodeId,
        is_map: bool,
        /// The next item, or the key before it.
        at: usize,
        /// The key of the previous item.
        key: usize,
        n: usize,
        left: usize,
    },
    /// A branch of an untagged union that has others, and the state to go back to.
    Attempt { union: NodeId, at: usize, branch: usize, out_len: usize, slots_len: usize, n_records: usize },
}

/// Why a value does not fit, formatted only if nothing else fits either.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// The value is not of the type.
    Type(NodeId, usize),
    /// An object is not a tagged value of the union; this is its key.
    Tag(NodeId, usize),
    Missing(NodeId, usize),
    Unknown(NodeId, usize),
    Twice(usize),
    Default(NodeId, usize),
    Limit(Fault),
}

/// A field without a value.
const NONE: usize = usize::MAX;

struct Walk<'a> {
    schema: &'a Schema,
    limits: &'a Limits,
    rule: Rule,
    text: &'a str,
    tape: &'a Tape,
    known: &'a mut Known,
    open: Vec<Open>,
    /// The values of the fields of the open records.
    slots: Vec<usize>,
    n_records: usize,
    n_attempts: usize,
    /// By union and value: the branch that fits, if any.
    tried: HashMap<(NodeId, usize), Option<usize>>,
    /// Nesting level of defaults.
    depth: usize,
    /// Bytes of defaults so far, plus one for each.
    default_bytes: usize,
    /// Maximum of these bytes.
    max: usize,
    /// The record that a cell is in.
    around: Option<NodeId>,
}

impl<'a> Walk<'a> {
    fn new(
        schema: &'a Schema,
        limits: &'a Limits,
        rule: Rule,
        text: &'a str,
        tape: &'a Tape,
        known: &'a mut Known,
    ) -> Walk<'a> {
        let (open, slots, tried) = (Vec::new(), Vec::new(), HashMap::new());
        let (n_records, n_attempts, depth, default_bytes, max) = (0, 0, 0, 0, limits.metadata_bytes);
        Walk {
            schema,
            limits,
            rule,
            text,
            tape,
            known,
            open,
            slots,
            n_records,
            n_attempts,
            tried,
            depth,
            default_bytes,
            max,
            around: None,
        }
    }

    /// Writes the whole text.
    fn run(&mut self, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
        let mut next = Some((node, 0));
        while let Some((node, at)) = next {
            let mut done = self.value(node, at, out);
            next = loop {
                match done.and_then(|()| self.next(out)) {
                    Ok(next) => break next,
                    Err(wrong) => {
                        self.back(wrong, out)?;
                        done = Ok(());
                    }
                }
            };
        }
        Ok(())
    }

    /// Writes a value, or opens it.
    fn value(&mut self, node: NodeId, at: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let schema = self.schema;
        let Kind::Union(branches) = &schema.node(node).kind else { return self.branch(node, at, out) };
        match self.rule {
            Rule::Tagged => {}
            Rule::Readable => return self.readable(node, branches, at, out),
            _ => return self.untagged(node, branches, at, out),
        }
        let (branch, inner, at) = self.tagged(node, branches, at)?;
        put_long(branch as i64, out);
        self.branch(inner, at, out)
    }

    /// `value` for all types but unions.
    fn branch(&mut self, node: NodeId, at: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let schema = self.schema;
        match (&schema.node(node).kind, self.tape.token(at)) {
            (Kind::Record(record), Token::Object(..)) => {
                if self.n_records >= self.limits.value_nesting {
                    let (value, max) = (self.n_records as u64 + 1, self.limits.value_nesting as u64);
                    return Err(Wrong::Limit(Fault::Limit { limit: "value_nesting", value, max }));
                }
                let slots = self.slots.len();
                if let Err(wrong) = self.fill_slots(node, record, at) {
                    self.slots.truncate(slots);
                    return Err(wrong);
                }
                self.n_records += 1;
                self.open.push(Open::Record { node, slots, next: 0 });
            }
            (Kind::Array(items), Token::Array(n, _)) => self.open_items(*items, false, at, n, out),
            (Kind::Map(values), Token::Object(n, _)) => self.open_items(*values, true, at, n, out),
            (kind, token) => {
                if self.rule == Rule::Readable && matches!(kind, Kind::Record(_)) {
                    return self.json_text(node, at, out);
                }
                let lenience = if self.rule == Rule::Default { Lenience::Default } else { Lenience::Whole };
                if !self.scalar(node, token, at, lenience, out) {
                    return Err(Wrong::Type(node, at));
                }
            }
        }
        Ok(())
    }

    /// Appends a simple value, or nothing if it is not of this type.
    fn scalar(&self, node: NodeId, token: Token, at: usize, lenience: Lenience, out: &mut Vec<u8>) -> bool {
        let (text, names) = (self.tape.text(self.text, at), &self.known.names);
        match self.rule {
            Rule::Readable => readable::scalar(self.schema.node(node), node, token, text, names, out),
            rule => fit::scalar(self.schema.node(node), node, token, text, lenience, rule, names, out),
        }
    }

    fn open_items(&mut self, items: NodeId, is_map: bool, at: usize, n: usize, out: &mut Vec<u8>) {
        if n > 0 {
            put_long(n as i64, out);
        }
        self.open.push(Open::Items { items, is_map, at: at + 1, key: at, n, left: n });
    }

    // SPEC: JSON Encoding: a union's null is `null`, any other branch an object with the type's name as its only key.
    /// The branch that a tag names: its index, its type and its value.
    fn tagged(&mut self, union: NodeId, branches: &[NodeId], at: usize) -> Result<(usize, NodeId, usize), Wrong> {
        let schema = self.schema;
        let position = |is: &dyn Fn(&Kind) -> bool| branches.iter().position(|branch| is(&schema.node(*branch).kind));
        match self.tape.token(at) {
            Token::Null => {
                let null = position(&|kind| *kind == Kind::Null);
                let null = null.and_then(|branch| Some((branch, *branches.get(branch)?, at)));
                null.ok_or(Wrong::Type(union, at))
            }
            Token::Object(1, _) => {
                let key = self.tape.text(self.text, at + 1);
                // Some writers leave namespaces out.
                let simple = || position(&|kind| kind.name().is_some_and(|name| name.simple() == key));
                let found = schema.branch_of_tag(branches, key).or_else(simple);
                let found = found.and_then(|branch| Some((branch, *branches.get(branch)?)));
                let (branch, node) = found.ok_or(Wrong::Tag(union, at + 1))?;
                self.open.push(Open::Tag(at + 1));
                Ok((branch, node, at + 2))
            }
            _ => Err(Wrong::Type(union, at)),
        }
    }

    /// Writes or opens a value as the first branch that it fits.
    fn untagged(&mut self, union: NodeId, branches: &'a [NodeId], at: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let token = self.tape.token(at);
        if !matches!(token, Token::Array(..) | Token::Object(..)) {
            let all = [Lenience::None, Lenience::Whole, Lenience::Default];
            let levels = match self.rule {
                Rule::Default => all.get(2..),
                _ => all.get(..2),
            };
            for lenience in levels.unwrap_or_default() {
                for (branch, &node) in branches.iter().enumerate() {
                    let len = out.len();
                    put_long(branch as i64, out);
                    if self.scalar(node, token, at, *lenience, out) {
                        return Ok(());
                    }
                    out.truncate(len);
                }
            }
            return Err(Wrong::Type(union, at));
        }
        let known = match self.tried.get(&(union, at)) {
            Some(None) => return Err(Wrong::Type(union, at)),
            Some(Some(branch)) => Some(*branch),
            None => None,
        };
        let Some(branch) = known.or_else(|| self.fitting(branches, at, 0)) else { return Err(Wrong::Type(union, at)) };
        if known.is_none() && self.fitting(branches, at, branch + 1).is_some() {
            let (out_len, slots_len, n_records) = (out.len(), self.slots.len(), self.n_records);
            self.open.push(Open::Attempt { union, at, branch, out_len, slots_len, n_records });
            self.n_attempts += 1;
        }
        let Some(&node) = branches.get(branch) else { return Err(Wrong::Type(union, at)) };
        put_long(branch as i64, out);
        self.branch(node, at, out)
    }

    /// The first branch from `first` on that a container could be a value of. Records must have such fields, if there
    /// are other candidates.
    fn fitting(&mut self, branches: &[NodeId], at: usize, first: usize) -> Option<usize> {
        let schema = self.schema;
        let is_array = matches!(self.tape.token(at), Token::Array(..));
        let of_kind = |node: &NodeId| match schema.node(*node).kind {
            Kind::Array(_) => is_array,
            Kind::Record(_) | Kind::Map(_) => !is_array,
            _ => false,
        };
        let is_alone = branches.iter().filter(|node| of_kind(node)).count() == 1;
        for (branch, &node) in branches.iter().enumerate().skip(first).filter(|(_, node)| of_kind(node)) {
            let Kind::Record(record) = &schema.node(node).kind else { return Some(branch) };
            let slots = self.slots.len();
            let fits = is_alone || self.fill_slots(node, record, at).is_ok();
            self.slots.truncate(slots);
            if fits {
                return Some(branch);
            }
        }
        None
    }

    /// Finds the values of a record's fields. Missing fields have defaults.
    fn fill_slots(&mut self, node: NodeId, record: &Record, at: usize) -> Result<(), Wrong> {
        let first = self.slots.len();
        self.slots.resize(first + record.fields.len(), NONE);
        let (mut key, end) = (at + 1, self.tape.behind(at));
        let mut likely = 0;
        while key < end {
            let name = self.tape.text(self.text, key);
            let found = self.known.names.field(node, &record.fields, name, likely);
            let renamed = || (self.rule == Rule::Readable).then(|| NameIndex::renamed(&record.fields, name)).flatten();
            match found.or_else(renamed) {
                Some(field) => {
                    if let Some(slot) = self.slots.get_mut(first + field) {
                        if *slot != NONE {
                            return Err(Wrong::Twice(key));
                        }
                        *slot = key + 1;
                    }
                    likely = field + 1;
                }
                None if self.rule == Rule::Default => {}
                None => return Err(Wrong::Unknown(node, key)),
            }
            key = self.tape.behind(key + 1);
        }
        let slots = self.slots.get(first..).unwrap_or_default();
        let (schema, rule) = (self.schema, self.rule);
        let may_be_null = |field: &Field| rule == Rule::Readable && null_branch(schema, field.node).is_some();
        let missing = |(field, slot): (&Field, &usize)| *slot == NONE && field.default.is_none() && !may_be_null(field);
        match record.fields.iter().zip(slots).position(missing) {
            Some(field) => Err(Wrong::Missing(node, field)),
            None => Ok(()),
        }
    }

    /// Closes complete containers and returns the next value and its type.
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<(NodeId, usize)>, Wrong> {
        let schema = self.schema;
        loop {
            match self.open.last_mut() {
                None => return Ok(None),
                Some(Open::Tag(_)) => {}
                Some(Open::Attempt { union, at, branch, .. }) => {
                    self.tried.insert((*union, *at), Some(*branch));
                    self.n_attempts -= 1;
                }
                Some(Open::Record { node, slots, next }) => {
                    let (node, first, at) = (*node, *slots, *next);
                    *next += 1;
                    let Kind::Record(record) = &schema.node(node).kind else { return Ok(None) };
                    match (record.fields.get(at), self.slots.get(first + at)) {
                        (Some(field), Some(&NONE)) if field.default.is_none() => {
                            put_null(schema, field.node, out);
                            continue;
                        }
                        (Some(_), Some(&NONE)) => {
                            self.default(node, record, at, out)?;
                            continue;
                        }
                        (Some(field), Some(&value)) => return Ok(Some((field.node, value))),
                        _ => {
                            self.slots.truncate(first);
                            self.n_records -= 1;
                        }
                    }
                }
                Some(Open::Items { left: 0, .. }) => out.push(0),
                Some(Open::Items { items, is_map, at, key: last_key, left, .. }) => {
                    *left -= 1;
                    if *is_map {
                        let key = self.tape.text(self.text, *at);
                        put_long(key.len() as i64, out);
                        out.extend_from_slice(key.as_bytes());
                        *last_key = *at;
                        *at += 1;
                    }
                    let value = *at;
                    *at = self.tape.behind(value);
                    return Ok(Some((*items, value)));
                }
            }
            self.open.pop();
        }
    }

    /// Goes back to the last union with further branches, and continues with the next of those.
    fn back(&mut self, mut wrong: Wrong, out: &mut Vec<u8>) -> Result<()> {
        let schema = self.schema;
        while self.n_attempts > 0 && !matches!(wrong, Wrong::Limit(_)) {
            let Some(Open::Attempt { union, at, branch, out_len, slots_len, n_records }) = self.open.pop() else {
                continue;
            };
            self.n_attempts -= 1;
            out.truncate(out_len);
            self.slots.truncate(slots_len);
            self.n_records = n_records;
            let Kind::Union(branches) = &schema.node(union).kind else { continue };
            let next = self.fitting(branches, at, branch + 1);
            let Some((branch, node)) = next.and_then(|next| Some((next, *branches.get(next)?))) else {
                self.tried.insert((union, at), None);
                wrong = Wrong::Type(union, at);
                continue;
            };
            self.open.push(Open::Attempt { union, at, branch, out_len, slots_len, n_records });
            self.n_attempts += 1;
            put_long(branch as i64, out);
            match self.branch(node, at, out) {
                Ok(()) => return Ok(()),
                Err(other) => wrong = other,
            }
        }
        Err(self.error(wrong))
    }

    /// Writes the default of a field.
    fn default(&mut self, node: NodeId, record: &Record, at: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let key = (node, at);
        if !self.known.defaults.contains_key(&key) {
            // A default that needs itself finds this.
            self.known.defaults.insert(key, None);
            let bytes = record.fields.get(at).and_then(|field| self.make_default(field.node, field.default.as_ref()?));
            self.known.defaults.insert(key, bytes);
        }
        let Some(Some(bytes)) = self.known.defaults.get(&key) else { return Err(Wrong::Default(node, at)) };
        self.default_bytes = self.default_bytes.saturating_add(bytes.len() + 1);
        if self.default_bytes > self.max {
            let limit = if self.depth > 0 { "metadata_bytes" } else { "block_bytes" };
            let (value, max) = (self.default_bytes as u64, self.max as u64);
            return Err(Wrong::Limit(Fault::Limit { limit, value, max }));
        }
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn make_default(&mut self, node: NodeId, default: &Json) -> Option<Vec<u8>> {
        if self.depth >= self.limits.nesting {
            return None;
        }
        let text = default.to_string();
        let mut tape = Tape::default();
        tape.parse(&text).ok()?;
        let mut walk = Walk::new(self.schema, self.limits, Rule::Default, &text, &tape, self.known);
        walk.depth = self.depth + 1;
        let mut bytes = Vec::new();
        walk.run(node, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// The index of a union's null branch; `Some(None)` for the type null.
fn null_branch(schema: &Schema, node: NodeId) -> Option<Option<usize>> {
    match &schema.node(node).kind {
        Kind::Null => Some(None),
        Kind::Union(branches) => branches.iter().position(|branch| schema.node(*branch).kind == Kind::Null).map(Some),
        _ => None,
    }
}

/// Appends the null of a type that has one.
fn put_null(schema: &Schema, node: NodeId, out: &mut Vec<u8>) {
    if let Some(Some(branch)) = null_branch(schema, node) {
        put_long(branch as i64, out);
    }
}
