//! A document in, its text in IDL out.

use super::doc;
use super::lexer::is_name;
use super::type_syntax::LOGICAL;
use super::types::{
    Defined, JsonObject, Types, inner, is_reserved, is_reserved_in_field, is_reserved_in_message,
    is_reserved_in_protocol,
};
use super::{Document, ProtocolHead};
use crate::error::{Error, Result};
use crate::schema::is_primitive;
use serde_json::Value as Json;

/// IDL that was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// What IDL cannot express and the text leaves out, such as attributes whose names are not identifiers.
    pub omitted: Vec<String>,
}

/// The words that are a name only in backquotes.
const KEYWORDS: [&str; 33] = [
    "protocol",
    "namespace",
    "import",
    "idl",
    "schema",
    "enum",
    "fixed",
    "error",
    "record",
    "array",
    "map",
    "union",
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "string",
    "bytes",
    "null",
    "true",
    "false",
    "decimal",
    "date",
    "time_ms",
    "timestamp_ms",
    "local_timestamp_ms",
    "uuid",
    "void",
    "oneway",
    "throws",
    "NaN",
    "Infinity",
];

struct Printer<'d> {
    types: &'d Types,
    out: String,
    omitted: Vec<String>,
}

/// Prints a document: as a protocol if it has one, else as types after `namespace` and `schema`.
pub(super) fn print(document: &Document) -> Result<Printed> {
    let mut printer = Printer { types: &document.types, out: String::new(), omitted: Vec::new() };
    match &document.protocol {
        Some(protocol) => printer.protocol(protocol)?,
        None => printer.schema_file(document.main.as_ref())?,
    }
    Ok(Printed { text: printer.out, omitted: printer.omitted })
}

impl Printer<'_> {
    fn protocol(&mut self, protocol: &ProtocolHead) -> Result<()> {
        let namespace = protocol.name.namespace();
        self.doc(protocol.doc.as_deref(), "");
        if !namespace.is_empty() {
            self.out.push_str(&format!("@namespace({})\n", Json::from(namespace)));
        }
        let subject = format!("the protocol {}", protocol.name);
        let properties = self.annotations(&protocol.properties, is_reserved_in_protocol, &subject);
        self.out.push_str(&properties.lines(""));
        self.out.push_str(&format!("protocol {} {{\n", identifier(protocol.name.simple(), &subject)?));
        let mut is_first = true;
        for defined in self.types.iter() {
            if !std::mem::take(&mut is_first) {
                self.out.push('\n');
            }
            self.definition(defined, namespace, "  ")?;
        }
        for (name, message) in &protocol.messages {
            if !std::mem::take(&mut is_first) {
                self.out.push('\n');
            }
            self.message(name, message, namespace)?;
        }
        self.out.push_str("}\n");
        Ok(())
    }

    fn message(&mut self, name: &str, message: &Json, namespace: &str) -> Result<()> {
        let subject = format!("the message {name}");
        let empty = JsonObject::new();
        let message = message.as_object().unwrap_or(&empty);
        self.doc(message.get("doc").and_then(Json::as_str), "  ");
        let attributes = self.annotations(message, is_reserved_in_message, &subject);
        self.out.push_str(&attributes.lines("  "));
        let response = message.get("response").unwrap_or(&Json::Null);
        let response = match response {
            Json::String(word) if word == "null" => "void".to_owned(),
            response => self.kind(response, namespace, None)?,
        };
        if response.starts_with('@') {
            let what = format!("the response of {subject} has attributes, which IDL cannot express; remove them");
            return Err(Error::argument(what));
        }
        self.out.push_str(&format!("  {response} {}(", identifier(name, &subject)?));
        let fields = message.get("request").and_then(Json::as_array).into_iter().flatten();
        for (at, field) in fields.filter_map(Json::as_object).enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            if let Some(doc) = field.get("doc").and_then(Json::as_str) {
                self.out.push_str(doc::comment(doc, "").trim_end());
                self.out.push(' ');
            }
            let variable = self.variable(field, namespace, &subject)?;
            self.out.push_str(&variable);
        }
        self.out.push(')');
        if message.contains_key("one-way") {
            self.out.push_str(" oneway");
        }
        let errors = message.get("errors").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let errors: Vec<String> = errors.map(|error| self.reference(error, namespace)).collect::<Result<_>>()?;
        if !errors.is_empty() {
            self.out.push_str(&format!(" throws {}", errors.join(", ")));
        }
        self.out.push_str(";\n");
        Ok(())
    }

    fn schema_file(&mut self, main: Option<&Json>) -> Result<()> {
        let first = self.types.iter().next().map_or("", |defined| defined.name.namespace());
        let of_main = main.and_then(Json::as_str).and_then(|full| self.types.get(full));
        let namespace = of_main.map_or(first, |defined| defined.name.namespace());
        if !namespace.is_empty() {
            self.out.push_str(&format!("namespace {};\n", dotted(namespace, "the namespace")?));
        }
        if let Some(main) = main {
            let main = self.kind(main, namespace, None)?;
            self.out.push_str(&format!("schema {main};\n"));
        }
        for defined in self.types.iter() {
            if !self.out.is_empty() {
                self.out.push('\n');
            }
            self.definition(defined, namespace, "")?;
        }
        Ok(())
    }

    fn definition(&mut self, defined: &Defined, namespace: &str, indent: &str) -> Result<()> {
        let Defined { name, json, .. } = defined;
        let word = json.get("type").and_then(Json::as_str).unwrap_or_default();
        let subject = format!("the {word} {name}");
        self.doc(json.get("doc").and_then(Json::as_str), indent);
        if name.namespace() != namespace {
            self.out.push_str(&format!("{indent}@namespace({})\n", Json::from(name.namespace())));
        }
        if let Some(aliases) = json.get("aliases") {
            self.out.push_str(&format!("{indent}@aliases({aliases})\n"));
        }
        let is_own = |key: &str| is_reserved(key) || (word == "enum" && key == "default");
        let attributes = self.annotations(json, is_own, &subject);
        self.out.push_str(&attributes.lines(indent));
        if is_primitive(name.simple()) || LOGICAL.iter().any(|(word, ..)| *word == name.simple()) {
            return Err(Error::argument(format!("{subject} cannot be written in IDL; give it another name")));
        }
        self.out.push_str(&format!("{indent}{word} {}", identifier(name.simple(), &subject)?));
        match word {
            "fixed" => {
                let size = json.get("size").and_then(|size| match size {
                    Json::String(digits) => digits.parse().ok(),
                    number => number.as_u64(),
                });
                let Some(size) = size.filter(|size| i32::try_from(*size).is_ok()) else {
                    return Err(Error::argument(format!("the size of {subject} cannot be written in IDL")));
                };
                self.out.push_str(&format!("({size});\n"));
            }
            "enum" => {
                let symbols = json.get("symbols").and_then(Json::as_array).into_iter().flatten();
                let symbols = symbols.map(|symbol| identifier(symbol.as_str().unwrap_or_default(), &subject));
                let symbols: Vec<String> = symbols.collect::<Result<_>>()?;
                self.out.push_str(&format!(" {{ {} }}", symbols.join(", ")));
                match json.get("default") {
                    None => self.out.push('\n'),
                    Some(Json::String(default)) => {
                        self.out.push_str(&format!(" = {};\n", identifier(default, &subject)?));
                    }
                    Some(_) => {
                        self.out.push('\n');
                        self.omitted.push(format!("the default of {subject}, which is not a symbol"));
                    }
                }
            }
            _ => {
                self.out.push_str(" {\n");
                let inside = format!("{indent}  ");
                let fields = json.get("fields").and_then(Json::as_array).into_iter().flatten();
                for field in fields.filter_map(Json::as_object) {
                    self.doc(field.get("doc").and_then(Json::as_str), &inside);
                    let variable = self.variable(field, name.namespace(), &subject)?;
                    self.out.push_str(&format!("{inside}{variable};\n"));
                }
                self.out.push_str(&format!("{indent}}}\n"));
            }
        }
        Ok(())
    }

    /// A field or a parameter, without documentation.
    fn variable(&mut self, field: &JsonObject, namespace: &str, subject: &str) -> Result<String> {
        let name = field.get("name").and_then(Json::as_str).unwrap_or_default();
        let kind = field.get("type").unwrap_or(&Json::Null);
        let default = field.get("default");
        let subject = format!("the field {name} of {subject}");
        let mut text = self.kind(kind, namespace, Some(default))?;
        if let Some(aliases) = field.get("aliases") {
            text.push_str(&format!(" @aliases({aliases})"));
        }
        match field.get("order") {
            None => {}
            Some(order) if matches!(order.as_str(), Some("descending" | "ignore")) => {
                text.push_str(&format!(" @order({order})"));
            }
            Some(order) => self.omitted.push(format!("the order {order} of {subject}")),
        }
        for attribute in self.annotations(field, is_reserved_in_field, &subject).0 {
            text.push_str(&format!(" {attribute}"));
        }
        text.push_str(&format!(" {}", identifier(name, &subject)?));
        if let Some(default) = default {
            text.push_str(&format!(" = {}", shown_default(kind, default)));
        }
        Ok(text)
    }

    /// A type where it is used. The place of a field says which default it has, if any.
    fn kind(&mut self, kind: &Json, namespace: &str, field: Option<Option<&Json>>) -> Result<String> {
        match kind {
            Json::String(word) if is_primitive(word) => Ok(word.clone()),
            Json::String(full) => self.reference(full, namespace),
            Json::Array(branches) => self.union(branches, namespace, field),
            Json::Object(object) => {
                let Some(word) = object.get("type").and_then(Json::as_str) else {
                    let what = "the attributes of a union, which only its branches or a field can have in IDL";
                    self.omitted.push(what.to_owned());
                    return self.kind(object.get("type").unwrap_or(&Json::Null), namespace, field);
                };
                let (text, known): (String, &[&str]) = match inner(object) {
                    Some((key, kind)) => {
                        let inner = self.kind(kind, namespace, None)?;
                        (format!("{word}<{inner}>"), if key == "items" { &["items"] } else { &["values"] })
                    }
                    None => match logical(word, object) {
                        Some((text, known)) => (text, known),
                        None => (word.to_owned(), &[]),
                    },
                };
                let others = object.iter().filter(|(key, _)| *key != "type" && !known.contains(&key.as_str()));
                let others = others.map(|(key, value)| (key.clone(), value.clone())).collect();
                let mut attributes = self.annotations(&others, |_| false, &format!("a type {word}")).0;
                attributes.push(text);
                Ok(attributes.join(" "))
            }
            _ => Err(Error::internal("a type that is neither a string nor an object nor a list")),
        }
    }

    /// A union, with `?` if that means the same.
    fn union(&mut self, branches: &[Json], namespace: &str, field: Option<Option<&Json>>) -> Result<String> {
        // In a field, the place of null follows from the default.
        let null_first = !matches!(field, Some(Some(default)) if !default.is_null());
        let other = match branches {
            [null, other] if null_first && null == "null" => Some(other),
            [other, null] if !null_first && null == "null" => Some(other),
            _ => None,
        };
        let is_simple = |kind: &Json| match kind {
            Json::String(word) => word != "null",
            Json::Object(object) => inner(object).is_none(),
            _ => false,
        };
        if let Some(other) = other.filter(|other| is_simple(other)) {
            return Ok(format!("{}?", self.kind(other, namespace, None)?));
        }
        let texts = branches.iter().map(|branch| self.kind(branch, namespace, None));
        let texts: Vec<String> = texts.collect::<Result<_>>()?;
        match texts.is_empty() {
            true => Err(Error::argument("a union without branches cannot be written in IDL")),
            false => Ok(format!("union {{ {} }}", texts.join(", "))),
        }
    }

    /// The name that means a named type inside a namespace.
    fn reference(&self, full: &str, namespace: &str) -> Result<String> {
        let Some(defined) = self.types.get(full) else {
            return Err(Error::internal(format!("the type {full} is not defined")));
        };
        let name = &defined.name;
        let subject = format!("the type {name}");
        if name.namespace() == namespace {
            return identifier(name.simple(), &subject);
        }
        if !name.namespace().is_empty() {
            return dotted(name.full(), &subject);
        }
        // A simple name belongs to the namespace around it, and else to none.
        match self.types.get(&format!("{namespace}.{full}")).filter(|other| other.name != *name) {
            None => identifier(full, &subject),
            Some(other) => Err(Error::argument(format!(
                "{subject} cannot be written in IDL, as {} has the same name in the namespace that uses it",
                other.name
            ))),
        }
    }

    fn doc(&mut self, doc: Option<&str>, indent: &str) {
        if let Some(doc) = doc {
            self.out.push_str(&doc::comment(doc, indent));
        }
    }

    /// The attributes of something as annotations.
    fn annotations(&mut self, object: &JsonObject, is_own: impl Fn(&str) -> bool, subject: &str) -> Annotations {
        let mut texts = Vec::new();
        for (key, value) in object.iter().filter(|(key, _)| !is_own(key)) {
            let is_identifier = key.split(['.', '-']).all(is_name);
            // On types, these have a meaning, which they cannot have here.
            let is_free = subject.starts_with("the ") || !is_reserved(key);
            if is_identifier && is_free && is_safe(value) {
                texts.push(format!("@{}({value})", dotted_unchecked(key)));
            } else {
                self.omitted.push(format!("the attribute `{}` of {subject}", key.escape_debug()));
            }
        }
        Annotations(texts)
    }
}

/// Annotations, one by one.
struct Annotations(Vec<String>);

impl Annotations {
    fn lines(&self, indent: &str) -> String {
        self.0.iter().map(|text| format!("{indent}{text}\n")).collect()
    }
}

/// The IDL word of a logical type on this base, and the attributes that it stands for.
fn logical(word: &str, object: &JsonObject) -> Option<(String, &'static [&'static str])> {
    let logical = object.get("logicalType")?.as_str()?;
    if let Some((name, ..)) = LOGICAL.iter().find(|(_, base, name)| *base == word && *name == logical) {
        return Some(((*name).to_owned(), &["logicalType"]));
    }
    let number = |key: &str| object.get(key)?.as_u64().filter(|n| i32::try_from(*n).is_ok());
    let (precision, scale) = (number("precision")?, number("scale")?);
    let is_decimal = word == "bytes" && logical == "decimal" && precision > 0 && scale <= precision;
    is_decimal.then(|| (format!("decimal({precision}, {scale})"), &["logicalType", "precision", "scale"] as &[_]))
}

/// A default, with the words for numbers that JSON lacks where they mean numbers.
fn shown_default(kind: &Json, default: &Json) -> String {
    let is_float = |kind: &Json| matches!(super::types::tag(kind), "float" | "double");
    let is_float = is_float(kind) || kind.as_array().is_some_and(|all| all.iter().all(|b| is_float(b) || b == "null"));
    match default.as_str() {
        Some(word @ ("NaN" | "Infinity" | "-Infinity")) if is_float => word.to_owned(),
        _ => default.to_string(),
    }
}

/// Whether a value is one that every reader of IDL can read: whole numbers have 64 bits.
fn is_safe(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.is_i64() || number.is_f64(),
        Json::Array(items) => items.iter().all(is_safe),
        Json::Object(object) => object.values().all(is_safe),
        _ => true,
    }
}

/// A name, in backquotes if it is a keyword.
fn identifier(name: &str, subject: &str) -> Result<String> {
    match is_name(name) {
        true if KEYWORDS.contains(&name) => Ok(format!("`{name}`")),
        true => Ok(name.to_owned()),
        false => Err(Error::argument(format!(
            "{subject} cannot be written in IDL: `{}` is not a name of letters, digits and `_`",
            name.escape_debug()
        ))),
    }
}

/// A name with dots.
fn dotted(name: &str, subject: &str) -> Result<String> {
    match name.split('.').all(is_name) {
        true => Ok(dotted_unchecked(name)),
        false => identifier(name, subject),
    }
}

/// A name with dots or dashes, in backquotes if it is a keyword. Parts of a longer name may be keywords.
fn dotted_unchecked(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("`{name}`") } else { name.to_owned() }
}
