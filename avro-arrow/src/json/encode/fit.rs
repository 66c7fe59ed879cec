//! Encodes one JSON scalar as a value of its type, and describes mismatches.

use super::{Rule, Token};
use crate::encoding::put_long;
use crate::json::decimal::{Digits, looks_like_one, put_decimal};
use crate::schema::{Field, Kind, Node, NodeId, ORIGINAL_NAME, Schema};
use std::collections::HashMap;
use std::fmt::Write;

/// Notations that are accepted besides the plain one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Lenience {
    /// Nothing.
    None,
    /// Integers as `1.0` or `1e3`, and floats with more digits than they have.
    Whole,
    /// For defaults in schemas: also floats that are too large, which become infinite.
    Default,
}

/// Up to this number, names are searched one by one.
const FEW_NAMES: usize = 8;

/// The index of each field and symbol by name, for types that have many.
#[derive(Debug)]
pub(super) struct NameIndex(HashMap<NodeId, HashMap<String, usize>>);

impl NameIndex {
    pub(super) fn of(schema: &Schema) -> NameIndex {
        let mut names = HashMap::new();
        for node in (0..schema.len()).map(NodeId::new) {
            let index: HashMap<String, usize> = match &schema.node(node).kind {
                Kind::Record(record) if record.fields.len() > FEW_NAMES => {
                    record.fields.iter().map(|field| field.name.clone()).zip(0..).collect()
                }
                Kind::Enum(e) if e.symbols.len() > FEW_NAMES => e.symbols.iter().cloned().zip(0..).collect(),
                _ => continue,
            };
            names.insert(node, index);
        }
        NameIndex(names)
    }

    /// The index of a field, which is probably `likely`.
    pub(super) fn field(&self, node: NodeId, fields: &[Field], name: &str, likely: usize) -> Option<usize> {
        if fields.get(likely).is_some_and(|field| field.name == name) {
            return Some(likely);
        }
        match self.0.get(&node) {
            Some(index) => index.get(name).copied(),
            None => fields.iter().position(|field| field.name == name),
        }
    }

    /// The index of a field whose original name this is, which Avro does not allow.
    pub(super) fn renamed(fields: &[Field], name: &str) -> Option<usize> {
        fields.iter().position(|field| field.attributes.get(ORIGINAL_NAME).and_then(|v| v.as_str()) == Some(name))
    }

    fn symbol(&self, node: NodeId, symbols: &[String], name: &str) -> Option<usize> {
        match self.0.get(&node) {
            Some(index) => index.get(name).copied(),
            None => symbols.iter().position(|symbol| symbol == name),
        }
    }
}

/// Appends a scalar of this type, given by its token and text; appends nothing if it does not fit.
#[expect(clippy::too_many_arguments, reason = "a value, its type, and how it is understood")]
pub(super) fn scalar(
    node: &Node,
    id: NodeId,
    token: Token,
    text: &str,
    lenience: Lenience,
    rule: Rule,
    names: &NameIndex,
    out: &mut Vec<u8>,
) -> bool {
    let is_text = matches!(token, Token::Text(..) | Token::Unescaped(..));
    let is_number = matches!(token, Token::Number(..));
    let kind = &node.kind;
    match kind {
        // Text is a number only if the union has no text.
        Kind::Bytes | Kind::Fixed(_)
            if rule == Rule::Plain
                && let Some(digits) = Digits::of(node) =>
        {
            let may_be = is_number || (is_text && lenience > Lenience::None);
            return may_be && digits.bytes(text).is_some_and(|bytes| put_decimal(kind, &bytes, out));
        }
        Kind::Null => return token == Token::Null,
        Kind::Boolean => {
            let Token::Boolean(value) = token else { return false };
            out.push(value.into());
        }
        Kind::Int | Kind::Long if is_number => {
            let Some(value) = integer(text, lenience) else { return false };
            if *kind == Kind::Int && i32::try_from(value).is_err() {
                return false;
            }
            put_long(value, out);
        }
        Kind::Float => {
            let value: f32 = match text {
                _ if is_text => match not_a_number(text) {
                    Some(value) => value as f32,
                    None => return false,
                },
                _ if is_number => text.parse().unwrap_or(f32::NAN),
                _ => return false,
            };
            if is_number && !value.is_finite() && lenience < Lenience::Default {
                return false;
            }
            if is_number && lenience == Lenience::None && !is_float(text, value) {
                return false;
            }
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Double => {
            let value: f64 = match text {
                _ if is_text => match not_a_number(text) {
                    Some(value) => value,
                    None => return false,
                },
                _ if is_number => text.parse().unwrap_or(f64::NAN),
                _ => return false,
            };
            if is_number && !value.is_finite() && lenience < Lenience::Default {
                return false;
            }
            let rounded = |n: i64| i128::from(n) != value as i128;
            if is_number && lenience == Lenience::None && text.parse().is_ok_and(rounded) {
                return false;
            }
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::String if is_text => {
            put_long(text.len() as i64, out);
            out.extend_from_slice(text.as_bytes());
        }
        // SPEC: JSON Encoding: bytes and fixed are strings whose code points 0-255 are the bytes.
        Kind::Bytes if is_text => {
            let n = text.chars().count();
            if !is_latin1(text) || is_misread(node, text, rule) {
                return false;
            }
            put_long(n as i64, out);
            out.extend(text.chars().map(|c| c as u8));
        }
        Kind::Fixed(fixed) if is_text => {
            if !is_latin1(text) || text.chars().count() != fixed.size || is_misread(node, text, rule) {
                return false;
            }
            out.extend(text.chars().map(|c| c as u8));
        }
        Kind::Enum(e) if is_text => {
            let Some(symbol) = names.symbol(id, &e.symbols, text) else { return false };
            put_long(symbol as i64, out);
        }
        _ => return false,
    }
    true
}

/// Whether this text is a number where the specification's encoding has a decimal's bytes, and as bytes would have
/// more digits than the type allows.
fn is_misread(node: &Node, text: &str, rule: Rule) -> bool {
    let Some(digits) = Digits::of(node) else { return false };
    rule == Rule::Tagged && looks_like_one(text) && digits.bytes(&digits.text(text.as_bytes())).is_none()
}

fn is_latin1(text: &str) -> bool {
    text.chars().all(|c| u32::from(c) < 256)
}

pub(super) fn integer(text: &str, lenience: Lenience) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    // Below 2^53 an `f64` has every integer, so that none is rounded to another.
    let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
    if lenience > Lenience::None { whole(text.parse().ok()?) } else { None }
}

/// Whether this float is the number without further rounding. `0.1` is, as the shortest text of its float.
fn is_float(text: &str, value: f32) -> bool {
    value.to_string().parse::<f64>().ok() == text.parse().ok()
}

/// The floats for which JSON has no number.
fn not_a_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Characters of a value that an error shows.
const SHOWN: usize = 40;

/// Formats a value for errors.
pub(super) fn shown(token: Token, text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    match token {
        Token::Null => "null".to_string(),
        Token::Boolean(value) => value.to_string(),
        Token::Number(..) => start,
        Token::Text(..) | Token::Unescaped(..) => serde_json::Value::from(start).to_string(),
        Token::Array(n, _) => format!("an array of {n}"),
        Token::Object(n, _) => format!("an object of {n}"),
    }
}

/// Maximum number of branches and symbols that an error lists.
const NAMED: usize = 8;

/// Describes the values of a type.
pub(super) fn expected(schema: &Schema, node: NodeId, tagged: bool) -> String {
    let list = |all: &mut dyn Iterator<Item = String>| {
        let mut names: Vec<String> = all.take(NAMED + 1).collect();
        if let Some(last) = names.get_mut(NAMED) {
            "…".clone_into(last);
        }
        names.join(", ")
    };
    match &schema.node(node).kind {
        Kind::Union(branches) => {
            let name = |(at, node): (usize, &NodeId)| {
                let name = schema.tag_of(branches, at);
                let is_tagged = tagged && schema.node(*node).kind != Kind::Null;
                if is_tagged { format!("{{\"{name}\": …}}") } else { name }
            };
            format!("one of {}", list(&mut branches.iter().enumerate().map(name)))
        }
        Kind::Enum(e) => format!("{}: {}", schema.node(node), list(&mut e.symbols.iter().cloned())),
        Kind::Bytes | Kind::Fixed(_)
            if !tagged && let Some(Digits { precision, scale }) = Digits::of(schema.node(node)) =>
        {
            let of = schema.node(node);
            format!("a number of at most {precision} digits, {scale} of them after the point ({of})")
        }
        Kind::Bytes if Digits::of(schema.node(node)).is_some() => {
            format!("the bytes of {} as characters up to U+00FF (--plain reads numbers)", schema.node(node))
        }
        Kind::Bytes => "bytes as characters up to U+00FF".to_string(),
        Kind::Fixed(fixed) => format!("{} characters up to U+00FF for {}", fixed.size, schema.node(node)),
        _ => schema.node(node).to_string(),
    }
}

/// Appends a step of a path: `.name`, or `["a name"]` if it is not a word.
pub(super) fn step(name: &str, path: &mut String) {
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let name = shown(Token::Text(0, 0), name);
    // Appending to a string never fails.
    let _ = match is_word {
        true => write!(path, ".{}", name.trim_matches('"')),
        false => write!(path, "[{name}]"),
    };
}
