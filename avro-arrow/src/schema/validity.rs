//! Finds the first part of a schema that the specification forbids although real schemas have it.
//!
//! Files with such schemas are read, as their encoding is unambiguous. They are not written, as other readers reject
//! them.

use super::{Enum, Field, Kind, Name, Node, NodeId, Record, Schema};
use crate::error::{Error, Result};
use serde_json::Value as Json;
use std::collections::HashSet;

/// Maximum number of steps to compare defaults with types: of a union, each branch is tried.
const STEPS_MAX: usize = 1 << 20;

impl Schema {
    /// Checks that the specification allows the schema, so that every reader accepts it. The parser also accepts names
    /// with other characters, defaults of other types, duplicate symbols and fields, and unions of two types of one
    /// kind.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Argument`](crate::ErrorKind::Argument) and the first forbidden part.
    pub fn check_valid(&self) -> Result<()> {
        let found = (0..self.len()).find_map(|at| self.forbidden(self.node(NodeId::new(at))));
        let found = found.or_else(|| {
            let name = self.repeated.as_deref()?;
            Some(format!("the type {} is defined twice", quoted(name)))
        });
        match found {
            None => Ok(()),
            Some(reason) => Err(Error::argument(format!(
                "the schema to write is invalid: {reason}; other readers may refuse the file \
                 (--lenient, or the option check_schema=false, writes it all the same)"
            ))),
        }
    }

    fn forbidden(&self, node: &Node) -> Option<String> {
        if let Some(reason) = node.kind.name().and_then(|name| forbidden_name(name, &node.kind)) {
            return Some(reason);
        }
        match &node.kind {
            Kind::Enum(e) => forbidden_symbols(e, node),
            Kind::Record(record) => self.forbidden_fields(record),
            // SPEC: Unions. They may not contain more than one schema with the same type, except for named types.
            Kind::Union(branches) if branches.is_empty() => Some("a union has no branches".to_owned()),
            Kind::Union(branches) => {
                let mut seen = HashSet::new();
                let twice = branches.iter().map(|branch| self.node(*branch)).find(|b| !seen.insert(b.kind.tag()))?;
                Some(format!("a union has {} twice", twice.kind.tag()))
            }
            // SPEC: Decimal. What is invalid is ignored by some readers, and refused by others.
            Kind::Bytes | Kind::Fixed(_) if is_void_decimal(node) => {
                Some(format!("{node} has a decimal with an invalid precision or scale"))
            }
            _ => None,
        }
    }

    fn forbidden_fields(&self, record: &Record) -> Option<String> {
        let mut seen = HashSet::new();
        record.fields.iter().find_map(|field| {
            let place = || format!("field {} of record {}", quoted(&field.name), record.name);
            if !is_word(&field.name) {
                return Some(format!(
                    "{} has an invalid name: only letters, digits and `_` are allowed, and no digit first",
                    place()
                ));
            }
            if !seen.insert(field.name.as_str()) {
                return Some(format!("{} occurs twice", place()));
            }
            if let Some(order) = field.attributes.get("order")
                && !matches!(order.as_str(), Some("ascending" | "descending" | "ignore"))
            {
                return Some(format!("{} has the invalid order {order}", place()));
            }
            let default = field.default.as_ref()?;
            let (mut steps, node) = (STEPS_MAX, self.node(field.node));
            let fits = self.fits(field.node, default, &mut steps);
            (!fits).then(|| format!("the default {} of {} is not a value of {node}", shown(default), place()))
        })
    }

    // SPEC: Complex Types, Records, "default": the table of JSON types by Avro type. "Default values for union fields
    // correspond to the first schema that matches in the union."
    fn fits(&self, node: NodeId, json: &Json, steps: &mut usize) -> bool {
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return false;
        }
        let latin1 = || json.as_str().filter(|text| text.chars().all(|c| u32::from(c) < 256));
        match &self.node(node).kind {
            Kind::Null => json.is_null(),
            Kind::Boolean => json.is_boolean(),
            Kind::Int => json.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            Kind::Long => json.as_i64().is_some(),
            Kind::Float | Kind::Double => json.is_number(),
            Kind::String => json.is_string(),
            Kind::Bytes => latin1().is_some(),
            Kind::Fixed(fixed) => latin1().is_some_and(|text| text.chars().count() == fixed.size),
            Kind::Enum(e) => e.symbols.iter().any(|symbol| json == symbol),
            Kind::Array(items) => {
                json.as_array().is_some_and(|all| all.iter().all(|json| self.fits(*items, json, steps)))
            }
            Kind::Map(values) => {
                json.as_object().is_some_and(|all| all.values().all(|json| self.fits(*values, json, steps)))
            }
            Kind::Record(record) => json.as_object().is_some_and(|given| {
                // A missing field has a default of its own, which is checked at that field.
                let fits = |field: &Field, steps: &mut usize| match given.get(&field.name) {
                    Some(json) => self.fits(field.node, json, steps),
                    None => field.default.is_some(),
                };
                record.fields.iter().all(|field| fits(field, steps))
            }),
            Kind::Union(branches) => branches.iter().any(|branch| self.fits(*branch, json, steps)),
        }
    }
}

// SPEC: Names. "The name portion of the fullname of named types, record field names, and enum symbols must start with
// [A-Za-z_] and subsequently contain only [A-Za-z0-9_]"; a namespace is such names with dots between. "Primitive type
// names have no namespace and their names may not be defined in any namespace."
fn forbidden_name(name: &Name, kind: &Kind) -> Option<String> {
    let word = kind.word();
    if !name.full().split('.').all(is_word) {
        return Some(format!(
            "{word} {} has an invalid name: only letters, digits and `_` are allowed, and no digit first",
            quoted(name.full())
        ));
    }
    let is_primitive = super::parse::primitive(name.simple()).is_some();
    is_primitive.then(|| format!("{word} {} has the name of a primitive type", quoted(name.full())))
}

// SPEC: Enums. "All symbols in an enum must be unique"; a default "must be an element of the symbols array".
fn forbidden_symbols(e: &Enum, node: &Node) -> Option<String> {
    let mut seen = HashSet::new();
    if e.symbols.is_empty() {
        return Some(format!("enum {} has no symbols", e.name));
    }
    for symbol in &e.symbols {
        if !is_word(symbol) {
            return Some(format!(
                "symbol {} of enum {} is invalid: only letters, digits and `_` are allowed, and no digit first",
                quoted(symbol),
                e.name
            ));
        }
        if !seen.insert(symbol.as_str()) {
            return Some(format!("symbol {} occurs twice in enum {}", quoted(symbol), e.name));
        }
    }
    let odd = node.attributes.get("default").map(shown);
    let default = odd.or_else(|| e.default.as_deref().filter(|default| !seen.contains(default)).map(quoted));
    default.map(|default| format!("the default {default} of enum {} is not one of its symbols", e.name))
}

fn is_void_decimal(node: &Node) -> bool {
    node.attributes.get("logicalType").is_some_and(|logical| logical == "decimal")
}

fn is_word(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Characters of a name or a default that an error shows.
const SHOWN: usize = 60;

fn quoted(name: &str) -> String {
    let mut shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn shown(json: &Json) -> String {
    quoted(&json.to_string()).trim_matches('`').replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::Limits;
    use crate::schema::Schema;
    use avro_testing::check_all;

    fn reason(json: &str) -> String {
        match Schema::parse(json, &Limits::default()).unwrap().check_valid() {
            Ok(()) => "valid".to_owned(),
            Err(e) => {
                let text = e.to_string();
                let text = text.strip_prefix("the schema to write is invalid: ").unwrap();
                text.split("; other readers").next().unwrap().to_owned()
            }
        }
    }

    #[test]
    fn forbidden_schema_names_the_fault() {
        let enumeration = |rest: &str| format!(r#"{{"type":"enum","name":"E",{rest}}}"#);
        let record = |name: &str, field: &str| format!(r#"{{"type":"record","name":"{name}","fields":[{field}]}}"#);
        let cases = [
            (r#""int""#.to_owned(), "valid"),
            (enumeration(r#""symbols":["x","x"]"#), "symbol `x` occurs twice in enum E"),
            (enumeration(r#""symbols":[]"#), "enum E has no symbols"),
            (
                enumeration(r#""symbols":["a-b"]"#),
                "symbol `a-b` of enum E is invalid: only letters, digits and `_` are allowed, and no digit first",
            ),
            (
                enumeration(r#""symbols":[""]"#),
                "symbol `` of enum E is invalid: only letters, digits and `_` are allowed, and no digit first",
            ),
            (enumeration(r#""symbols":["a"],"default":"b""#), "the default `b` of enum E is not one of its symbols"),
            (enumeration(r#""symbols":["a"],"default":1"#), "the default 1 of enum E is not one of its symbols"),
            (enumeration(r#""symbols":["a"],"default":"a""#), "valid"),
            (r#"["int","int"]"#.to_owned(), "a union has int twice"),
            (
                r#"[{"type":"array","items":"int"},{"type":"array","items":"long"}]"#.to_owned(),
                "a union has array twice",
            ),
            ("[]".to_owned(), "a union has no branches"),
            (
                record("my-rec", ""),
                "record `my-rec` has an invalid name: only letters, digits and `_` are allowed, and no digit first",
            ),
            (
                record("a..R", ""),
                "record `a..R` has an invalid name: only letters, digits and `_` are allowed, and no digit first",
            ),
            (record("a.int", ""), "record `a.int` has the name of a primitive type"),
            (record("array", ""), "valid"),
            (
                record("R", r#"{"name":"1a","type":"int"}"#),
                "field `1a` of record R has an invalid name: only letters, digits and `_` are allowed, and no digit first",
            ),
            (
                record("R", r#"{"name":"a","type":"int"},{"name":"a","type":"int"}"#),
                "field `a` of record R occurs twice",
            ),
            (
                record("R", r#"{"name":"a","type":"int","order":"up"}"#),
                "field `a` of record R has the invalid order \"up\"",
            ),
            (
                record(
                    "R",
                    r#"{"name":"a","type":{"type":"fixed","name":"F","size":1}},{"name":"b","type":{"type":"fixed","name":"F","size":1}}"#,
                ),
                "the type `F` is defined twice",
            ),
            (
                r#"{"type":"fixed","name":"F","size":8,"logicalType":"decimal","precision":19}"#.to_owned(),
                "fixed F(8) has a decimal with an invalid precision or scale",
            ),
            (r#"{"type":"fixed","name":"F","size":0}"#.to_owned(), "valid"),
        ];
        check_all(cases, |(schema, expected)| {
            assert_eq!(reason(&schema), expected, "{schema}");
        });
    }

    #[test]
    fn default_of_another_type_is_invalid() {
        let cases = [
            (r#""int""#, "1", true),
            (r#""int""#, "1.0", false),
            (r#""int""#, "2147483648", false),
            (r#""long""#, "2147483648", true),
            (r#""double""#, "1", true),
            (r#""double""#, "\"NaN\"", false),
            (r#""string""#, "0", false),
            (r#""string""#, "null", false),
            (r#"["null","int"]"#, "null", true),
            (r#"["null","int"]"#, "1", true),
            (r#"["null","int"]"#, "\"1\"", false),
            (r#""bytes""#, "\"ÿ\"", true),
            (r#""bytes""#, "\"Ā\"", false),
            (r#"{"type":"fixed","name":"F","size":2}"#, "\"a\"", false),
            (r#"{"type":"array","items":"int"}"#, "[1,2]", true),
            (r#"{"type":"array","items":"int"}"#, "{}", false),
            (r#"{"type":"map","values":"int"}"#, r#"{"a":1}"#, true),
            (r#"{"type":"map","values":"int"}"#, r#"{"a":"b"}"#, false),
            (r#"{"type":"enum","name":"E","symbols":["a"]}"#, "\"a\"", true),
            (r#"{"type":"enum","name":"E","symbols":["a"]}"#, "\"b\"", false),
            (r#"{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}"#, "{}", false),
            (r#"{"type":"record","name":"I","fields":[{"name":"x","type":"int","default":1}]}"#, "{}", true),
            (r#"{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}"#, r#"{"x":1}"#, true),
        ];
        check_all(cases, |(kind, default, valid)| {
            let schema = format!(
                r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{kind},"default":{default}}}]}}"#
            );
            assert_eq!(reason(&schema) == "valid", valid, "{kind} {default}: {}", reason(&schema));
        });
    }
}
