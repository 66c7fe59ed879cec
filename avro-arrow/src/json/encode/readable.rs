//! Encodes scalars in the readable notation that `convert` writes.
//!
//! Logical types are written by their meaning: decimals as numbers, instants as ISO 8601, uuids in their usual form.
//! Bytes and fixed are `\x` and hex digits. Quotes do not matter where the type is known, as cells of CSV have none.

use super::fit::{self, Lenience, NameIndex};
use super::time::{self, Zone};
use super::{Open, Rule, Tape, Token, Walk, Wrong};
use crate::encoding::put_long;
use crate::json::decimal::{Digits, put_decimal};
use crate::plan::BRANCHES_MAX;
use crate::schema::{Kind, Logical, Node, NodeId, Schema};

/// The JSON form of a value. If no two branches of a union look alike, their values need no tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonShape {
    Null,
    Boolean,
    /// A number without point and exponent.
    Integer,
    /// A number with either.
    Fraction,
    /// Either.
    Decimal,
    Text,
    Array,
    Object,
}

impl JsonShape {
    /// The shape of a type other than a union. A recursive record is text.
    pub(super) fn of(node: &Node, is_inside_itself: bool) -> JsonShape {
        match (&node.kind, node.logical) {
            (Kind::Null, _) => JsonShape::Null,
            (Kind::Boolean, _) => JsonShape::Boolean,
            (Kind::Int | Kind::Long, Some(_)) => JsonShape::Text,
            (Kind::Int | Kind::Long, None) => JsonShape::Integer,
            (Kind::Float | Kind::Double, _) => JsonShape::Fraction,
            (Kind::Bytes | Kind::Fixed(_), _) if Digits::of(node).is_some() => JsonShape::Decimal,
            (Kind::Record(_), _) if is_inside_itself => JsonShape::Text,
            (Kind::Bytes | Kind::Fixed(_) | Kind::String | Kind::Enum(_), _) => JsonShape::Text,
            (Kind::Array(_), _) => JsonShape::Array,
            (Kind::Map(_) | Kind::Record(_), _) | (Kind::Union(_), _) => JsonShape::Object,
        }
    }

    /// The shape of a value.
    pub(super) fn of_token(token: Token, text: &str) -> JsonShape {
        match token {
            Token::Null => JsonShape::Null,
            Token::Boolean(_) => JsonShape::Boolean,
            Token::Number(..) if text.contains(['.', 'e', 'E']) => JsonShape::Fraction,
            Token::Number(..) => JsonShape::Integer,
            Token::Text(..) | Token::Unescaped(..) => JsonShape::Text,
            Token::Array(..) => JsonShape::Array,
            Token::Object(..) => JsonShape::Object,
        }
    }

    /// Whether values of both shapes can look the same.
    pub(super) fn is_like(self, other: JsonShape) -> bool {
        let is_number = |shape| matches!(shape, JsonShape::Integer | JsonShape::Fraction | JsonShape::Decimal);
        self == other
            || (is_number(self) && is_number(other) && (self == JsonShape::Decimal || other == JsonShape::Decimal))
    }
}

/// Whether values of these branches need tags. The rule is that of `avro-sql`'s output.
pub(super) fn need_tags(shapes: &[JsonShape]) -> bool {
    let has = |shape| shapes.contains(&shape);
    let alike = shapes.iter().enumerate().any(|(at, a)| shapes.iter().skip(at + 1).any(|b| a.is_like(*b)));
    // `NaN` is text, which is tagged if there is other text; a map could look like that tag.
    alike || (has(JsonShape::Fraction) && has(JsonShape::Text) && has(JsonShape::Object))
}

impl<'a> Walk<'a> {
    /// Encodes a value given as the text of its JSON in the specification's encoding.
    pub(super) fn json_text(&mut self, node: NodeId, at: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let wrong = Wrong::Type(node, at);
        if !matches!(self.tape.token(at), Token::Text(..) | Token::Unescaped(..)) {
            return Err(wrong);
        }
        let text = self.tape.text(self.text, at);
        let mut tape = Tape::default();
        tape.parse(text).map_err(|_| wrong)?;
        let mut walk = Walk::new(self.schema, self.limits, Rule::Tagged, text, &tape, self.known);
        walk.max = self.max;
        let start = out.len();
        walk.run(node, out).map_err(|_| {
            out.truncate(start);
            wrong
        })
    }

    /// Writes or opens a value of a union, which is tagged if branches may look alike.
    pub(super) fn readable(
        &mut self,
        union: NodeId,
        branches: &'a [NodeId],
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        let (schema, token) = (self.schema, self.tape.token(at));
        let is_null = |node: &NodeId| schema.node(*node).kind == Kind::Null;
        let mut others = branches.iter().enumerate().filter(|(_, node)| !is_null(node));
        let shape = JsonShape::of_token(token, self.tape.text(self.text, at));
        match (shape, branches.iter().position(is_null), others.next(), others.next()) {
            (JsonShape::Null, Some(null), ..) => {
                put_long(null as i64, out);
                return Ok(());
            }
            (_, _, Some((branch, &node)), None) => {
                put_long(branch as i64, out);
                return self.branch(node, at, out);
            }
            _ => {}
        }
        if branches.len() > BRANCHES_MAX && shape == JsonShape::Text {
            return self.json_text(union, at, out);
        }
        let shapes: Vec<JsonShape> = branches.iter().map(|node| self.shape(*node)).collect();
        if !need_tags(&shapes)
            && let Some(branch) = shapes.iter().position(|other| other.is_like(shape))
            && let Some(&node) = branches.get(branch)
        {
            let len = out.len();
            put_long(branch as i64, out);
            match token {
                Token::Array(..) | Token::Object(..) => return self.branch(node, at, out),
                _ if self.branch(node, at, out).is_ok() => return Ok(()),
                _ => {}
            }
            out.truncate(len);
        }
        if let Token::Object(1, _) = token
            && let Ok((branch, inner, at)) = self.tagged(union, branches, at)
        {
            put_long(branch as i64, out);
            return self.branch(inner, at, out);
        }
        self.untagged(union, branches, at, out)
    }

    /// The shape of a branch's values.
    fn shape(&self, node: NodeId) -> JsonShape {
        let is_open = |open: &Open| matches!(open, Open::Record { node: around, .. } if *around == node);
        let is_inside_itself = self.around == Some(node) || self.open.iter().any(is_open);
        JsonShape::of(self.schema.node(node), is_inside_itself)
    }
}

/// Appends a scalar of this type, or nothing if it does not fit.
pub(super) fn scalar(node: &Node, id: NodeId, token: Token, text: &str, names: &NameIndex, out: &mut Vec<u8>) -> bool {
    let is_text = matches!(token, Token::Text(..) | Token::Unescaped(..));
    let is_number = matches!(token, Token::Number(..));
    if !is_text && !is_number {
        return fit::scalar(node, id, token, text, Lenience::Whole, Rule::Readable, names, out);
    }
    let trimmed = text.trim();
    match (&node.kind, node.logical) {
        (Kind::Bytes | Kind::Fixed(_), _) if let Some(digits) = Digits::of(node) => {
            return digits.bytes(trimmed).is_some_and(|bytes| put_decimal(&node.kind, &bytes, out));
        }
        (Kind::Boolean, _) if is_text => match trimmed {
            _ if trimmed.eq_ignore_ascii_case("true") => out.push(1),
            _ if trimmed.eq_ignore_ascii_case("false") => out.push(0),
            _ => return false,
        },
        (Kind::Int, logical) => match integer(logical, trimmed).and_then(|value| i32::try_from(value).ok()) {
            Some(value) => put_long(value.into(), out),
            None => return false,
        },
        (Kind::Long, logical) => match integer(logical, trimmed).and_then(|value| i64::try_from(value).ok()) {
            Some(value) => put_long(value, out),
            None => return false,
        },
        (Kind::Float, _) if is_text => {
            // Rounded once; a conversion by way of a double would round twice.
            let finite = || trimmed.parse().ok().filter(|value: &f32| value.is_finite());
            let Some(value) = not_finite(trimmed).map(|value| value as f32).or_else(finite) else { return false };
            out.extend_from_slice(&value.to_le_bytes());
        }
        (Kind::Double, _) if is_text => {
            let finite = || trimmed.parse().ok().filter(|value: &f64| value.is_finite());
            let Some(value) = not_finite(trimmed).or_else(finite) else { return false };
            out.extend_from_slice(&value.to_le_bytes());
        }
        (Kind::Bytes, _) => match text.strip_prefix("\\x").filter(|_| is_text).and_then(time::hex) {
            Some(bytes) => {
                put_long(bytes.len() as i64, out);
                out.extend_from_slice(&bytes);
            }
            None => return false,
        },
        (Kind::Fixed(fixed), logical) if is_text => {
            let hex = text.strip_prefix("\\x").and_then(time::hex).filter(|bytes| bytes.len() == fixed.size);
            let bytes = hex.or_else(|| match logical {
                Some(Logical::Uuid) => time::uuid(trimmed).map(Vec::from),
                Some(Logical::Duration) => {
                    time::duration(trimmed).map(|parts| parts.into_iter().flat_map(u32::to_le_bytes).collect())
                }
                _ => None,
            });
            let Some(bytes) = bytes else { return false };
            out.extend_from_slice(&bytes);
        }
        _ => return fit::scalar(node, id, token, text, Lenience::Whole, Rule::Readable, names, out),
    }
    true
}

/// The number that an int or long stores. Every value may be written as that number, and values beyond the calendar
/// must be.
fn integer(logical: Option<Logical>, text: &str) -> Option<i128> {
    use Logical::*;
    const MILLIS: i128 = 1_000;
    const MICROS: i128 = 1_000_000;
    const NANOS: i128 = 1_000_000_000;
    let meant = match logical {
        Some(Date) => time::date(text),
        Some(TimeMillis) => time::time(text, MILLIS),
        Some(TimeMicros) => time::time(text, MICROS),
        Some(TimestampMillis) => time::timestamp(text, MILLIS, Zone::Utc),
        Some(TimestampMicros) => time::timestamp(text, MICROS, Zone::Utc),
        Some(TimestampNanos) => time::timestamp(text, NANOS, Zone::Utc),
        Some(LocalTimestampMillis) => time::timestamp(text, MILLIS, Zone::Local),
        Some(LocalTimestampMicros) => time::timestamp(text, MICROS, Zone::Local),
        Some(LocalTimestampNanos) => time::timestamp(text, NANOS, Zone::Local),
        _ => return fit::integer(text, Lenience::Whole).map(i128::from),
    };
    meant.or_else(|| text.parse::<i64>().ok().map(i128::from))
}

/// The floats for which JSON has no number, in the common notations.
fn not_finite(text: &str) -> Option<f64> {
    let (sign, name) = match text.as_bytes().first()? {
        b'-' => (-1.0, text.get(1..)?),
        b'+' => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    match name.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "infinity" => Some(sign * f64::INFINITY),
        _ => None,
    }
}

/// Describes the notation of a type's values, for errors.
pub(super) fn expected(schema: &Schema, id: NodeId) -> String {
    let node = schema.node(id);
    let like = match (&node.kind, node.logical) {
        _ if let Some(digits) = Digits::of(node) => {
            let (precision, scale) = (digits.precision, digits.scale);
            return format!("a number of at most {precision} digits, {scale} of them after the point ({node})");
        }
        (Kind::Fixed(_), Some(Logical::Uuid)) => "00112233-4455-6677-8899-aabbccddeeff",
        (Kind::Fixed(_), Some(Logical::Duration)) => "P1M2DT3.5S",
        (Kind::Fixed(fixed), _) => {
            return format!("`\\x` and the hex digits of {} bytes for {node}", fixed.size);
        }
        (Kind::Bytes, _) => return format!("`\\x` and hex digits, such as `\\x00ff`, for {node}"),
        (_, Some(Logical::Date)) => "2024-02-29",
        (_, Some(Logical::TimeMillis)) => "23:59:59.999",
        (_, Some(Logical::TimeMicros)) => "23:59:59.999999",
        (_, Some(Logical::TimestampMillis)) => "2024-02-29T23:59:59.999Z",
        (_, Some(Logical::TimestampMicros | Logical::TimestampNanos)) => "2024-02-29T23:59:59.999999Z",
        (_, Some(Logical::LocalTimestampMillis)) => "2024-02-29T23:59:59.999",
        (_, Some(Logical::LocalTimestampMicros | Logical::LocalTimestampNanos)) => "2024-02-29T23:59:59.999999",
        _ => return fit::expected(schema, id, false),
    };
    format!("{node}, such as `{like}`")
}
