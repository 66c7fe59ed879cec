//! Parses the JSON text of a schema into an arena of nodes. Errors have the JSON path.

use super::graph::Walk;
use super::hints;
use super::lenient_json::{self, LEVELS_MAX};
use super::{Attributes, Enum, Field, Fixed, Kind, Logical, Name, Node, NodeId, Record, Schema};
use crate::{Error, ErrorKind, Limits, Result};
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

impl Schema {
    /// Parses the JSON text of a schema, such as the `avro.schema` of a file's header. A byte order mark before it and
    /// NUL bytes after it are ignored, and a primitive type may lack its quotes. Extensions that other Avro readers
    /// accept, such as `NaN` and comments, are accepted too; [`json`](Schema::json) then returns strict JSON.
    pub fn parse(json: &str, limits: &Limits) -> Result<Schema> {
        let text = lenient_json::trimmed(json);
        // All recursion in this file follows the levels of the JSON.
        let (parsed, text) = match json_of(text, limits) {
            Ok((parsed, text)) => (parsed, text),
            Err(_) if primitive(text).is_some() => (Json::String(text.to_owned()), Cow::Borrowed(text)),
            Err(error) => return Err(error),
        };
        if let Some(inner) = lenient_json::in_payload(&parsed) {
            return Schema::parse(inner, limits);
        }
        let mut parser = SchemaParser {
            limits,
            nodes: Vec::new(),
            heights: Vec::new(),
            names: HashMap::new(),
            inherited: 0,
            repeated: None,
        };
        let root = parser.schema(&parsed, At::Root, "")?;
        let recursive = Walk::of(&parser.nodes, root).recursive;
        Ok(Schema {
            nodes: parser.nodes.into(),
            root,
            recursive: recursive.into(),
            json: text.into_owned().into(),
            repeated: parser.repeated.map(Arc::from),
        })
    }
}

/// Parses the JSON text of a schema or of a protocol, in bounded memory and levels. Returns its strict JSON text too.
pub(crate) fn json_of<'t>(text: &'t str, limits: &Limits) -> Result<(Json, Cow<'t, str>)> {
    let text = lenient_json::trimmed(text);
    let (n_values, max) = (json_values(text), limits.schema_nodes.saturating_mul(JSON_VALUES_PER_NODE));
    if n_values > max {
        return Err(ErrorKind::Limit { limit: "schema_nodes", value: n_values as u64, max: max as u64 }.into());
    }
    match serde_json::from_str(text) {
        Ok(parsed) => Ok((parsed, Cow::Borrowed(text))),
        Err(e) => {
            let parsed = lenient_json::parse(text).ok_or_else(|| match lenient_json::levels(text) {
                levels if levels > LEVELS_MAX => too_deep(levels, limits),
                _ => At::Root.error(format!("not JSON ({e})")),
            })?;
            let text = parsed.to_string();
            Ok((parsed, Cow::Owned(text)))
        }
    }
}

/// JSON values allowed for each node. A value takes a hundred bytes of memory and two of text, so values are counted
/// before they are parsed.
const JSON_VALUES_PER_NODE: usize = 10;

/// Estimates the number of values in JSON text: a comma or a bracket precedes each value but the first, or its key.
fn json_values(text: &str) -> usize {
    let (mut n, mut in_string, mut escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => n += 1,
            _ => {}
        }
    }
    n
}

struct SchemaParser<'a> {
    limits: &'a Limits,
    nodes: Vec<Node>,
    /// By node: its nesting levels of records, arrays, maps and unions, itself included, without recursion. `None` for
    /// records whose fields are being parsed.
    heights: Vec<Option<usize>>,
    names: HashMap<Name, NodeId>,
    /// Bytes of namespaces that names inherited.
    inherited: usize,
    /// The first name that was defined a second time.
    repeated: Option<String>,
}

/// A path in the JSON: a list linked through the callers' frames, which costs nothing until an error needs it.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Key(&'a At<'a>, &'static str),
    Index(&'a At<'a>, usize),
}

type Object = Map<String, Json>;

impl SchemaParser<'_> {
    /// Parses the type at `at`; simple names belong to `namespace`.
    fn schema(&mut self, json: &Json, at: At<'_>, namespace: &str) -> Result<NodeId> {
        match json {
            // SPEC: Names. The names of the primitive types have no namespace and always mean these types.
            Json::String(word) => match primitive(word) {
                Some(kind) => self.push(kind, Attributes::new()),
                None => self.reference(word, at, namespace),
            },
            Json::Array(branches) => self.union(branches, at, namespace),
            Json::Object(object) => self.object(object, at, namespace),
            other => Err(at.error(format!("a type must be a string, an object or an array, not {}", article(other)))),
        }
    }

    fn object(&mut self, object: &Object, at: At<'_>, namespace: &str) -> Result<NodeId> {
        let at_type = at.key("type");
        let word = match object.get("type") {
            None => return Err(at.error("the object has no `type`")),
            Some(Json::String(word)) => word.as_str(),
            Some(inner) => {
                let id = self.schema(inner, at_type, namespace)?;
                self.annotate(id, object);
                return Ok(id);
            }
        };
        if let Some(kind) = primitive(word) {
            return self.push(kind, rest(object, |key, _| key == "type"));
        }
        let Some(body) = body_of(word) else { return self.reference(word, at_type, namespace) };
        let Some(json) = object.get(body) else {
            // SPEC: Names. A named type may be called `record` or `array`, and an object may refer to it.
            return match self.find(word, namespace)? {
                Some(id) => Ok(id),
                None => Err(at.error(format!("{word}{} has no `{body}`", name_shown(object)))),
            };
        };
        match word {
            "array" => {
                let items = self.schema(json, at.key(body), namespace)?;
                self.push(Kind::Array(items), rest(object, |key, _| matches!(key, "type" | "items")))
            }
            "map" => {
                let values = self.schema(json, at.key(body), namespace)?;
                self.push(Kind::Map(values), rest(object, |key, _| matches!(key, "type" | "values")))
            }
            "enum" => self.enumeration(object, json, at, namespace),
            "fixed" => self.fixed(object, json, at, namespace),
            _ => self.record(object, json, at, namespace),
        }
    }

    /// Attributes of an object around a type belong to that type, unless it is named: then it may be used elsewhere.
    fn annotate(&mut self, id: NodeId, object: &Object) {
        let Some(node) = self.nodes.get_mut(id.index()).filter(|n| n.kind.name().is_none()) else { return };
        let mut kept = std::mem::take(&mut node.attributes);
        kept.extend(rest(object, |key, _| key == "type"));
        if node.logical.is_some() {
            node.attributes = kept;
            return;
        }
        let kind = node.kind.clone();
        let node = self.make(kind, kept);
        if let Some(place) = self.nodes.get_mut(id.index()) {
            *place = node;
        }
    }

    // SPEC: Unions. They may not immediately contain other unions. Branches that the specification calls duplicates are
    // accepted: the index on the wire tells them apart.
    fn union(&mut self, branches: &[Json], at: At<'_>, namespace: &str) -> Result<NodeId> {
        let mut ids = Vec::with_capacity(branches.len());
        for (idx, branch) in branches.iter().enumerate() {
            let at = at.index(idx);
            let id = self.schema(branch, at, namespace)?;
            if matches!(self.nodes.get(id.index()), Some(Node { kind: Kind::Union(_), .. })) {
                return Err(at.error("a union cannot directly contain a union"));
            }
            ids.push(id);
        }
        self.push(Kind::Union(ids), Attributes::new())
    }

    fn enumeration(&mut self, object: &Object, json: &Json, at: At<'_>, namespace: &str) -> Result<NodeId> {
        let named = self.named(object, "enum", at, namespace)?;
        let Some(symbols) = strings(json) else {
            return Err(at.key("symbols").error("the symbols of an enum must be an array of strings"));
        };
        let default = object.get("default").and_then(Json::as_str).map(str::to_owned);
        let attributes = rest(object, |key, value| match key {
            "symbols" => true,
            "default" => value.is_string(),
            _ => Named::explains(key, value),
        });
        let Named { name, aliases, doc } = named;
        self.define(Kind::Enum(Enum { name, aliases, doc, symbols, default }), attributes, None, at)
    }

    fn fixed(&mut self, object: &Object, json: &Json, at: At<'_>, namespace: &str) -> Result<NodeId> {
        let named = self.named(object, "fixed", at, namespace)?;
        // SPEC: Parsing Canonical Form, INTEGERS. Sizes in quotes occur.
        let size = match json {
            Json::String(digits) => digits.parse::<u64>().ok(),
            number => number.as_u64(),
        };
        let Some(size) = size.and_then(|n| usize::try_from(n).ok()) else {
            return Err(at.key("size").error("the size of a fixed must be a non-negative integer"));
        };
        let attributes = rest(object, |key, value| key == "size" || Named::explains(key, value));
        let Named { name, aliases, doc } = named;
        self.define(Kind::Fixed(Fixed { name, aliases, doc, size }), attributes, None, at)
    }

    fn record(&mut self, object: &Object, json: &Json, at: At<'_>, namespace: &str) -> Result<NodeId> {
        let Named { name, aliases, doc } = self.named(object, "record", at, namespace)?;
        let at_fields = at.key("fields");
        let Json::Array(json) = json else {
            return Err(at_fields.error(format!("the fields of a record must be an array, not {}", article(json))));
        };
        // Fields may refer to the record, so it is named before them.
        let reserved = match self.names.get(&name) {
            None => {
                let unfinished = Record { name: name.clone(), aliases: Vec::new(), doc: None, fields: Vec::new() };
                let id = self.push(Kind::Record(unfinished), Attributes::new())?;
                if let Some(height) = self.heights.get_mut(id.index()) {
                    *height = None;
                }
                self.names.insert(name.clone(), id);
                Some(id)
            }
            Some(id) if matches!(self.heights.get(id.index()), Some(None)) => {
                return Err(at.error(format!("{} is defined again inside itself", quoted(name.full()))));
            }
            Some(_) => None,
        };
        let mark = self.nodes.len();
        let mut fields = Vec::with_capacity(json.len());
        for (idx, field) in json.iter().enumerate() {
            // SPEC: Names. The namespace of a type encloses the names inside it.
            fields.push(self.field(field, at_fields.index(idx), name.namespace())?);
        }
        let attributes = rest(object, |key, value| key == "fields" || Named::explains(key, value));
        let id = self.define(Kind::Record(Record { name, aliases, doc, fields }), attributes, reserved, at)?;
        if reserved.is_none() {
            // Keep the field types of the first definition. None of these has a name: a new name would make the
            // definitions differ.
            self.nodes.truncate(mark);
            self.heights.truncate(mark);
        }
        Ok(id)
    }

    fn field(&mut self, json: &Json, at: At<'_>, namespace: &str) -> Result<Field> {
        let Json::Object(object) = json else {
            return Err(at.error(format!("a field must be an object, not {}", article(json))));
        };
        let name = name_of(object, "field", at)?;
        let Some(json) = object.get("type") else {
            return Err(at.error(format!("field {} has no `type`", quoted(name))));
        };
        let node = self.schema(json, at.key("type"), namespace)?;
        Ok(Field {
            name: name.to_owned(),
            aliases: object.get("aliases").and_then(strings).unwrap_or_default(),
            doc: object.get("doc").and_then(Json::as_str).map(str::to_owned),
            default: object.get("default").cloned(),
            node,
            // SPEC: Logical Types. They are attributes of types; on a field, `logicalType` means nothing.
            attributes: rest(object, |key, value| match key {
                "name" | "type" | "default" => true,
                _ => Named::explains_prose(key, value),
            }),
        })
    }

    /// Assigns a node to a named type: the reserved one, a new one, or that of an equal earlier definition.
    fn define(&mut self, kind: Kind, attributes: Attributes, reserved: Option<NodeId>, at: At<'_>) -> Result<NodeId> {
        let Some(name) = kind.name().cloned() else { return self.push(kind, attributes) };
        if let Some(id) = reserved {
            let height = self.height(&kind)?;
            let node = self.make(kind, attributes);
            if let (Some(n), Some(h)) = (self.nodes.get_mut(id.index()), self.heights.get_mut(id.index())) {
                (*n, *h) = (node, Some(height));
            }
            return Ok(id);
        }
        let Some(first) = self.names.get(&name).copied() else {
            let id = self.push(kind, attributes)?;
            self.names.insert(name, id);
            return Ok(id);
        };
        // SPEC: Names. A name may not be defined twice. Many writers spell out a type at every use, so the same
        // definition is accepted again, and stands for the first one.
        let again = self.make(kind, attributes);
        if self.nodes.get(first.index()).is_some_and(|node| self.same_definition(node, &again)) {
            self.repeated.get_or_insert_with(|| name.full().to_owned());
            return Ok(first);
        }
        Err(at.error(format!("{} is defined twice, with different definitions", quoted(name.full()))))
    }

    /// Whether two definitions of one name describe the same values by the same names. Documentation, aliases,
    /// defaults and unknown attributes may differ.
    fn same_definition(&self, a: &Node, b: &Node) -> bool {
        let same_kind = match (&a.kind, &b.kind) {
            (Kind::Fixed(a), Kind::Fixed(b)) => a.size == b.size,
            (Kind::Enum(a), Kind::Enum(b)) => a.symbols == b.symbols,
            (Kind::Record(a), Kind::Record(b)) => {
                let same = |(a, b): (&Field, &Field)| a.name == b.name && self.same_type(a.node, b.node);
                a.fields.len() == b.fields.len() && a.fields.iter().zip(&b.fields).all(same)
            }
            _ => false,
        };
        same_kind && a.logical == b.logical
    }

    /// Named types are equal only if they are one node, so the recursion is no deeper than the text.
    fn same_type(&self, a: NodeId, b: NodeId) -> bool {
        let (Some(x), Some(y)) = (self.nodes.get(a.index()), self.nodes.get(b.index())) else { return false };
        let same_kind = || match (&x.kind, &y.kind) {
            (Kind::Array(a), Kind::Array(b)) | (Kind::Map(a), Kind::Map(b)) => self.same_type(*a, *b),
            (Kind::Union(a), Kind::Union(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same_type(*a, *b))
            }
            (a, b) => a.name().is_none() && a == b,
        };
        a == b || (x.logical == y.logical && same_kind())
    }

    fn reference(&mut self, word: &str, at: At<'_>, namespace: &str) -> Result<NodeId> {
        if let Some(id) = self.find(word, namespace)? {
            return Ok(id);
        }
        Err(at.error(match (body_of(word), hints::of_word(word)) {
            (Some(body), _) => format!("`{word}` is not a type by itself; write an object with `type` and `{body}`"),
            (None, Some(hint)) => format!("unknown type {}; did you mean {hint}?", quoted(word)),
            (None, None) => {
                let name = Name::new(word, namespace);
                format!("type {} is not defined before its use", quoted(name.full()))
            }
        }))
    }

    /// The named type that a reference means.
    // SPEC: Names. A name without a dot belongs to the enclosing namespace. Some writers leave out the dot of types
    // that have no namespace, so that is tried second.
    fn find(&mut self, word: &str, namespace: &str) -> Result<Option<NodeId>> {
        let name = self.name(word, namespace)?;
        let here = self.names.get(&name);
        Ok(here.or_else(|| self.names.get(&Name::new(word, ""))).copied())
    }

    /// The full name of a definition, a reference or an alias. A few bytes of text can produce a name as long as the
    /// longest namespace.
    fn name(&mut self, word: &str, namespace: &str) -> Result<Name> {
        if !word.contains('.') {
            self.inherited += namespace.len();
        }
        if self.inherited > self.limits.metadata_bytes {
            return Err(limit("metadata_bytes", self.inherited, self.limits.metadata_bytes));
        }
        Ok(Name::new(word, namespace))
    }

    fn named(&mut self, object: &Object, what: &str, at: At<'_>, enclosing: &str) -> Result<Named> {
        let simple = name_of(object, what, at)?;
        let namespace = match object.get("namespace") {
            Some(Json::String(namespace)) => namespace,
            None | Some(Json::Null) => enclosing,
            Some(other) => {
                return Err(at.key("namespace").error(format!("a namespace must be a string, not {}", article(other))));
            }
        };
        let name = self.name(simple, namespace)?;
        // SPEC: Aliases. They are relative to the namespace of the name that they stand beside.
        let aliases = object.get("aliases").and_then(strings).unwrap_or_default();
        let aliases = aliases.iter().map(|alias| self.name(alias, name.namespace())).collect::<Result<_>>()?;
        Ok(Named { name, aliases, doc: object.get("doc").and_then(Json::as_str).map(str::to_owned) })
    }

    fn push(&mut self, kind: Kind, attributes: Attributes) -> Result<NodeId> {
        let max = self.limits.schema_nodes.min(u32::MAX as usize);
        let id = match u32::try_from(self.nodes.len()) {
            Ok(id) if self.nodes.len() < max => NodeId(id),
            _ => return Err(limit("schema_nodes", self.nodes.len() + 1, max)),
        };
        let height = self.height(&kind)?;
        let node = self.make(kind, attributes);
        self.nodes.push(node);
        self.heights.push(Some(height));
        Ok(id)
    }

    fn make(&self, kind: Kind, mut attributes: Attributes) -> Node {
        let logical = Logical::of(&kind, &attributes, &self.nodes);
        if let Some(logical) = logical {
            attributes.retain(|key, _| !logical.explains(key));
        }
        Node { kind, logical, attributes }
    }

    fn height(&self, kind: &Kind) -> Result<usize> {
        let levels = match kind {
            Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) => 1,
            _ => return Ok(0),
        };
        let children = (0..).map_while(|idx| kind.child(idx));
        let below = children.filter_map(|c| self.heights.get(c.index()).copied().flatten()).max().unwrap_or(0);
        let height = below + levels;
        if height > self.limits.nesting {
            return Err(limit("nesting", height, self.limits.nesting));
        }
        Ok(height)
    }
}

/// The parts common to all named types.
struct Named {
    name: Name,
    aliases: Vec<Name>,
    doc: Option<String>,
}

impl Named {
    /// Whether this attribute of a named type is understood.
    fn explains(key: &str, value: &Json) -> bool {
        matches!(key, "type" | "name" | "namespace") || Self::explains_prose(key, value)
    }

    /// Whether this attribute, which fields have too, is understood.
    fn explains_prose(key: &str, value: &Json) -> bool {
        match key {
            "doc" => value.is_string(),
            "aliases" => strings(value).is_some(),
            _ => false,
        }
    }
}

impl At<'_> {
    fn key(&self, key: &'static str) -> At<'_> {
        At::Key(self, key)
    }

    fn index(&self, idx: usize) -> At<'_> {
        At::Index(self, idx)
    }

    #[cold]
    fn error(&self, reason: impl Into<String>) -> Error {
        Error::new(ErrorKind::Schema { reason: reason.into(), at: self.to_string() })
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => f.write_str("$"),
            At::Key(parent, key) => write!(f, "{parent}.{key}"),
            At::Index(parent, idx) => write!(f, "{parent}[{idx}]"),
        }
    }
}

#[cold]
fn limit(limit: &'static str, value: usize, max: usize) -> Error {
    Error::new(ErrorKind::Limit { limit, value: value as u64, max: max as u64 })
}

/// The error for JSON nested more deeply than is parsed.
#[cold]
fn too_deep(levels: usize, limits: &Limits) -> Error {
    if levels > limits.nesting {
        return limit("nesting", levels, limits.nesting);
    }
    Error::new(ErrorKind::Unsupported { what: format!("a schema of more than {LEVELS_MAX} levels of JSON") })
}

/// The primitive type of this name.
pub(super) fn primitive(word: &str) -> Option<Kind> {
    Some(match word {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

/// Whether this is the name of a primitive type.
pub(crate) fn is_primitive(word: &str) -> bool {
    primitive(word).is_some()
}

/// The required attribute of a complex type.
fn body_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "record" | "error" => "fields",
        "enum" => "symbols",
        "fixed" => "size",
        "array" => "items",
        "map" => "values",
        _ => return None,
    })
}

/// The attributes that are not understood.
fn rest(object: &Object, understood: impl Fn(&str, &Json) -> bool) -> Attributes {
    let kept = object.iter().filter(|(key, value)| !understood(key, value));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn strings(json: &Json) -> Option<Vec<String>> {
    json.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn name_of<'a>(object: &'a Object, what: &str, at: At<'_>) -> Result<&'a str> {
    match object.get("name") {
        Some(Json::String(name)) => Ok(name),
        Some(other) => {
            Err(at.key("name").error(format!("the name of a {what} must be a string, not {}", article(other))))
        }
        None => Err(at.error(format!("{what} has no `name`"))),
    }
}

/// The object's name for an error message, after a space, or nothing.
fn name_shown(object: &Object) -> String {
    match object.get("name") {
        Some(Json::String(name)) => format!(" {}", quoted(name)),
        _ => String::new(),
    }
}

/// Quotes a name for an error message and shortens it, as a file can contain names of any length.
fn quoted(name: &str) -> String {
    const CHARS_MAX: usize = 100;
    let shown = name.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect::<String>();
    let cut = if name.chars().nth(CHARS_MAX).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

fn article(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
