//! Types where they are used: tokens in, JSON with the full names of named types out.

use super::from_json::annotated;
use super::lexer::TokenKind;
use super::parser::Parser;
use super::types::{JsonObject, is_reserved, tag};
use crate::error::{ErrorKind, Result};
use crate::schema::is_primitive;
use serde_json::Value as Json;

/// A type where it is used.
pub(super) struct Use {
    pub(super) json: Json,
    /// Whether it has a `?`: a union with `null`.
    pub(super) optional: bool,
}

/// The words that mean a logical type, with its base and its name.
pub(super) const LOGICAL: [(&str, &str, &str); 5] = [
    ("date", "int", "date"),
    ("time_ms", "int", "time-millis"),
    ("timestamp_ms", "long", "timestamp-millis"),
    ("local_timestamp_ms", "long", "local-timestamp-millis"),
    ("uuid", "string", "uuid"),
];

impl Parser<'_, '_> {
    /// Parses a type with its annotations.
    pub(super) fn full_type(&mut self, depth: usize) -> Result<Use> {
        let annotations = self.annotations()?;
        let at = annotations.first().map_or(self.peek().start, |annotation| annotation.at);
        let kind = self.plain_type(depth)?;
        if annotations.is_empty() {
            return Ok(kind);
        }
        let attributes = self.attributes(annotations, "a type", is_reserved)?;
        if attributes.contains_key("order") {
            let what = "`@order` has no meaning before a type; write it between the type and the name of the field";
            self.reader.warnings.push(((self.file, at), what.to_owned()));
        }
        match kind {
            Use { json: Json::Array(mut branches), optional: true } => {
                if let Some(inner) = branches.get_mut(1) {
                    *inner = self.annotate(std::mem::take(inner), attributes, at)?;
                }
                Ok(Use { json: Json::Array(branches), optional: true })
            }
            Use { json, optional } => Ok(Use { json: self.annotate(json, attributes, at)?, optional }),
        }
    }

    fn annotate(&self, json: Json, attributes: JsonObject, at: usize) -> Result<Json> {
        let what = match &json {
            Json::String(word) if !is_primitive(word) => {
                "the use of a named type cannot have annotations; write them where the type is declared"
            }
            Json::Array(_) => "a union cannot have annotations; write them on its branches or on the field",
            _ => return Ok(annotated(json, attributes)),
        };
        Err(self.error(at, what))
    }

    pub(super) fn plain_type(&mut self, depth: usize) -> Result<Use> {
        let token = self.peek();
        if depth > self.reader.limits.nesting {
            let (value, max) = (depth as u64, self.reader.limits.nesting as u64);
            return Err(ErrorKind::Limit { limit: "nesting", value, max }.into());
        }
        self.reader.n_left = match self.reader.n_left.checked_sub(1) {
            Some(left) => left,
            None => {
                let max = self.reader.limits.schema_nodes as u64;
                return Err(ErrorKind::Limit { limit: "schema_nodes", value: max + 1, max }.into());
            }
        };
        if token.kind != TokenKind::Word {
            return Err(self.unexpected("a type"));
        }
        let follows = self.peek_at(1).kind;
        let word = self.text(token).to_owned();
        let json = match (word.as_str(), follows) {
            (word @ ("array" | "map"), TokenKind::Mark('<')) => {
                self.next();
                self.next();
                let inner = self.full_type(depth + 1)?;
                self.mark('>', &format!("after the type in the {word}"))?;
                let key = if word == "array" { "items" } else { "values" };
                let mut object = JsonObject::new();
                object.insert("type".into(), word.into());
                object.insert(key.into(), inner.json);
                return Ok(Use { json: Json::Object(object), optional: false });
            }
            ("union", TokenKind::Mark('{')) => {
                self.next();
                return Ok(Use { json: self.union(depth)?, optional: false });
            }
            ("decimal", TokenKind::Mark('(')) => {
                self.next();
                self.decimal()?
            }
            (word, _) if is_primitive(word) => {
                self.next();
                Json::from(word)
            }
            (word, _) => match LOGICAL.iter().find(|(name, ..)| *name == word) {
                Some((_, base, logical)) => {
                    self.next();
                    annotated(
                        Json::from(*base),
                        [("logicalType".to_owned(), Json::from(*logical))].into_iter().collect(),
                    )
                }
                None => {
                    let (name, at) = self.identifier("a type")?;
                    if name == "void" {
                        return Err(self.error(at, "`void` is only the type of a message; write `null`"));
                    }
                    self.reference(&name, at, false)?
                }
            },
        };
        if !self.take('?') {
            return Ok(Use { json, optional: false });
        }
        if json == "null" {
            return Err(self.error(token.start, "`null?` would be a union that has null twice"));
        }
        Ok(Use { json: Json::Array(vec![Json::from("null"), json]), optional: true })
    }

    fn union(&mut self, depth: usize) -> Result<Json> {
        let at = self.peek().start;
        let mut branches: Vec<Json> = Vec::new();
        self.list('{', '}', |parser| {
            let at = parser.peek().start;
            let Use { json, optional } = parser.full_type(depth + 1)?;
            if json.is_array() {
                let remedy = if optional { "; write `null` as a branch instead of `?`" } else { "" };
                return Err(parser.error(at, format!("a union cannot directly contain a union{remedy}")));
            }
            if branches.iter().any(|other| tag(other) == tag(&json)) {
                return Err(parser.error(at, format!("the union has {} twice", tag(&json))));
            }
            branches.push(json);
            Ok(())
        })?;
        if branches.is_empty() {
            return Err(self.error(at, "a union must have a branch"));
        }
        Ok(Json::Array(branches))
    }

    // SPEC: Decimal. The scale is not negative and at most the precision, which is positive.
    fn decimal(&mut self) -> Result<Json> {
        self.mark('(', "")?;
        let at = self.peek().start;
        let precision = self.size("the precision of the decimal")?;
        let scale = if self.take(',') { self.size("the scale of the decimal")? } else { 0 };
        self.mark(')', "after the decimal")?;
        if precision == 0 || scale > precision {
            return Err(self.error(at, "the precision of a decimal must be at least 1 and at least its scale"));
        }
        let attributes =
            [("logicalType", Json::from("decimal")), ("precision", precision.into()), ("scale", scale.into())];
        Ok(annotated(Json::from("bytes"), attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    }
}
