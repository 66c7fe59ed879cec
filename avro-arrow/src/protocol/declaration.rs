//! Declarations of protocols: JSON text in, named types and messages out.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::schema::{Imports, Kind, Name, Schema, json_of};
use md5::{Digest, Md5};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// A parsed Avro protocol, cheap to clone.
#[derive(Debug, Clone)]
pub struct Protocol(Arc<ProtocolInner>);

#[derive(Debug)]
struct ProtocolInner {
    name: Name,
    doc: Option<String>,
    json: String,
    md5: [u8; 16],
    types: Vec<Schema>,
    messages: Vec<Message>,
    memory_bytes: usize,
}

/// A message of a protocol. Each of its schemas is complete: it defines all types that it uses.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Message {
    /// The name, unique in its protocol.
    pub name: String,
    /// The documentation.
    pub doc: Option<String>,
    /// The parameters, as the fields of a record. The specification gives it no name; here it has the message's.
    pub request: Schema,
    /// The type of the response.
    pub response: Schema,
    /// The union of all errors. Its first branch is `string`, for errors that the protocol does not declare.
    pub errors: Schema,
    /// Whether the caller does not wait for a response.
    pub one_way: bool,
}

/// Protocols are equal if their texts are.
impl PartialEq for Protocol {
    fn eq(&self, other: &Protocol) -> bool {
        self.json() == other.json()
    }
}

impl Eq for Protocol {}

impl Protocol {
    /// Parses the JSON text of a protocol. It accepts what [`Schema::parse`] accepts beyond JSON and in types.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Protocol`] if the text is not a protocol, and with [`ErrorKind::Limit`] if it exceeds
    /// a limit. `metadata_bytes` limits the text, and the texts of all schemas together; `schema_nodes` limits the
    /// nodes of all schemas together. Each message counts all types that it uses.
    pub fn parse(json: &str, limits: &Limits) -> Result<Protocol> {
        if json.len() > limits.metadata_bytes {
            let (value, max) = (json.len() as u64, limits.metadata_bytes as u64);
            return Err(ErrorKind::Limit { limit: "metadata_bytes", value, max }.into());
        }
        let (parsed, text) = json_of(json, limits).map_err(|e| located(e, "$", 0))?;
        let Json::Object(object) = &parsed else { return Err(invalid("a protocol must be an object", "$")) };
        let Some(Json::String(name)) = object.get("protocol") else {
            let is_schema = object.contains_key("type");
            let hint = if is_schema { "; this is a schema" } else { "" };
            return Err(invalid(format!("the object has no `protocol`, a string{hint}"), "$"));
        };
        let namespace = match object.get("namespace") {
            None | Some(Json::Null) => "",
            Some(Json::String(namespace)) => namespace,
            Some(_) => return Err(invalid("the namespace must be a string", "$.namespace")),
        };
        let name = Name::new(name, namespace);
        if name.simple().is_empty() {
            return Err(invalid("the name is empty", "$.protocol"));
        }
        let types = list(object, "types", "$")?;
        let messages = match object.get("messages") {
            None | Some(Json::Null) => &Map::new(),
            Some(Json::Object(messages)) => messages,
            Some(_) => return Err(invalid("the messages must be an object", "$.messages")),
        };
        let mut parts = Parts::new(name.namespace(), limits);
        let (value, max) = (copied_bytes(&parsed, 0), COPIES_MAX.saturating_mul(limits.metadata_bytes));
        if value > max {
            let (value, max) = (value as u64, max as u64);
            return Err(ErrorKind::Limit { limit: "metadata_bytes", value, max }.into());
        }
        parts.collect(types, messages);
        let types = types.iter().enumerate().map(|(at, json)| parts.named(json, &format!("$.types[{at}]")));
        let types = types.collect::<Result<_>>()?;
        let messages = messages.iter().map(|(name, json)| parts.message(name, json)).collect::<Result<_>>()?;
        let doc = object.get("doc").and_then(Json::as_str).map(str::to_owned);
        let (md5, json) = (Md5::digest(text.as_bytes()).into(), text.into_owned());
        let memory_bytes = json.len() + parts.memory_bytes();
        Ok(Protocol(Arc::new(ProtocolInner { name, doc, json, md5, types, messages, memory_bytes })))
    }

    /// Estimates the memory that the protocol takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.0.memory_bytes
    }

    /// Returns the name.
    pub fn name(&self) -> &Name {
        &self.0.name
    }

    /// Returns the documentation.
    pub fn doc(&self) -> Option<&str> {
        self.0.doc.as_deref()
    }

    /// Returns the JSON text.
    pub fn json(&self) -> &str {
        &self.0.json
    }

    /// Returns the MD5 hash of the [text](Self::json), by which handshakes identify the protocol.
    pub fn md5(&self) -> &[u8; 16] {
        &self.0.md5
    }

    /// Returns the named types, in the order of their declarations.
    pub fn types(&self) -> &[Schema] {
        &self.0.types
    }

    /// Returns the messages, in the order of their declarations.
    pub fn messages(&self) -> &[Message] {
        &self.0.messages
    }

    /// Returns the message of this name.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::UnknownMessage`] if the protocol has no such message.
    pub fn message(&self, name: &str) -> Result<&Message> {
        let found = self.messages().iter().find(|message| message.name == name);
        found.ok_or_else(|| {
            ErrorKind::UnknownMessage { message: name.to_owned(), protocol: self.name().full().to_owned() }.into()
        })
    }
}

/// Makes the schemas of a protocol, one after the other.
struct Parts<'p> {
    namespace: &'p str,
    /// All named types, also those defined inside of messages.
    imports: Imports,
    /// With the nodes that are left of the limit on all schemas.
    limits: Limits,
    nodes_max: usize,
    /// Bytes of the texts of all schemas.
    text_bytes: usize,
}

/// Estimated memory of a node.
const NODE_BYTES: usize = 256;

/// Copies of a protocol's text that its nested definitions may make.
const COPIES_MAX: usize = 8;

/// Estimates the memory of the copies of nested types: each is in its own definition and in those around it.
fn copied_bytes(json: &Json, n_around: usize) -> usize {
    const VALUE_BYTES: usize = 64;
    let inner = |values: &mut dyn Iterator<Item = &Json>, n_around: usize| {
        values.map(|value| copied_bytes(value, n_around)).fold(n_around * VALUE_BYTES, usize::saturating_add)
    };
    match json {
        Json::Array(values) => inner(&mut values.iter(), n_around),
        Json::Object(object) => {
            let is_definition = ["fields", "symbols", "size"].iter().any(|body| object.contains_key(*body));
            inner(&mut object.values(), n_around + usize::from(is_definition))
        }
        Json::String(text) => n_around * (VALUE_BYTES + text.len()),
        _ => n_around * VALUE_BYTES,
    }
}

impl<'p> Parts<'p> {
    fn new(namespace: &'p str, limits: &Limits) -> Parts<'p> {
        let (limits, nodes_max) = (limits.clone(), limits.schema_nodes);
        Parts { namespace, imports: Imports::default(), limits, nodes_max, text_bytes: 0 }
    }

    fn memory_bytes(&self) -> usize {
        self.text_bytes + NODE_BYTES * (self.nodes_max - self.limits.schema_nodes)
    }

    /// Collects the named types. Errors in the JSON are found later.
    fn collect(&mut self, types: &[Json], messages: &Map<String, Json>) {
        let mut add = |json: &Json, source: &str| self.imports.add_json(json, self.namespace, source);
        types.iter().enumerate().for_each(|(at, json)| add(json, &format!("types[{at}]")));
        for (name, message) in messages {
            let source = format!("the message `{}`", name.escape_debug());
            let parameters = message.get("request").and_then(Json::as_array).into_iter().flatten();
            let errors = message.get("errors").and_then(Json::as_array).into_iter().flatten();
            let types = parameters.filter_map(|parameter| parameter.get("type"));
            types.chain(message.get("response")).chain(errors).for_each(|json| add(json, &source));
        }
    }

    fn named(&mut self, json: &Json, at: &str) -> Result<Schema> {
        let schema = self.schema(json, at, "$")?;
        match schema.node(schema.root()).kind.name() {
            Some(_) => Ok(schema),
            None => Err(invalid("a type of a protocol must be a record, an error, an enum or a fixed", at)),
        }
    }

    // SPEC: Protocol Declaration, Messages.
    fn message(&mut self, name: &str, json: &Json) -> Result<Message> {
        let at = format!("$.messages.{}", name.escape_debug());
        let Json::Object(object) = json else { return Err(invalid("a message must be an object", &at)) };
        if name.is_empty() {
            return Err(invalid("a message has no name", "$.messages"));
        }
        let one_way = match object.get("one-way") {
            None => false,
            Some(Json::Bool(one_way)) => *one_way,
            Some(_) => return Err(invalid("`one-way` must be a boolean", &format!("{at}.one-way"))),
        };
        let Some(Json::Array(parameters)) = object.get("request") else {
            return Err(invalid("the message has no `request`, a list of parameters", &at));
        };
        let request = self.schema(&self.request(name, parameters), &format!("{at}.request"), "$.fields")?;
        let null = Json::from("null");
        let response = match object.get("response") {
            Some(json) => json,
            None if one_way => &null,
            None => return Err(invalid("the message has no `response`", &at)),
        };
        let response = self.schema(response, &format!("{at}.response"), "$")?;
        let declared = list(object, "errors", &at)?;
        let is_null = response.node(response.root()).kind == Kind::Null;
        if one_way && !(is_null && declared.is_empty()) {
            return Err(invalid("a one-way message must have the response `null` and no errors", &at));
        }
        // SPEC: "The effective union has "string" prepended to the declared union".
        let errors = Json::Array([Json::from("string")].iter().chain(declared).cloned().collect());
        for (n, json) in declared.iter().enumerate() {
            self.schema(json, &format!("{at}.errors[{n}]"), "$")?;
        }
        let errors = self.schema(&errors, &format!("{at}.errors"), "$")?;
        let doc = object.get("doc").and_then(Json::as_str).map(str::to_owned);
        Ok(Message { name: name.to_owned(), doc, request, response, errors, one_way })
    }

    // SPEC: "A request parameter list is processed equivalently to an anonymous record."
    fn request(&self, message: &str, parameters: &[Json]) -> Json {
        // A name that no parameter can refer to.
        let mut name = message.to_owned();
        while [self.namespace, ""].iter().any(|namespace| self.imports.defines(&Name::new(&name, namespace))) {
            name.push('_');
        }
        let mut record = Map::new();
        record.insert("type".into(), Json::from("record"));
        record.insert("name".into(), Json::from(name));
        record.insert("namespace".into(), Json::from(self.namespace));
        record.insert("fields".into(), Json::from(parameters));
        Json::Object(record)
    }

    /// Parses a part of the protocol. A path in errors begins with `at` in the place of `inner`.
    fn schema(&mut self, json: &Json, at: &str, inner: &str) -> Result<Schema> {
        let n_used = self.nodes_max - self.limits.schema_nodes;
        let schema = self.imports.parse_json(json, self.namespace, &self.limits);
        let schema = schema.map_err(|error| match error.kind() {
            ErrorKind::Schema { reason, at: path } => {
                let rest = path.strip_prefix(inner).unwrap_or_default();
                // Types of a protocol may be declared in any order.
                invalid(reason.trim_end_matches(" before its use"), &format!("{at}{rest}"))
            }
            _ => located(error, at, n_used as u64),
        })?;
        self.limits.schema_nodes = self.limits.schema_nodes.saturating_sub(schema.len());
        self.text_bytes += schema.json().len();
        // A short protocol can repeat a long type in each of many messages.
        let (value, max) = (self.text_bytes as u64, self.limits.metadata_bytes as u64);
        if value > max {
            return Err(ErrorKind::Limit { limit: "metadata_bytes", value, max }.into());
        }
        Ok(schema)
    }
}

/// Returns the error of a part as one of the whole protocol, of which `n_used` nodes were parsed before.
fn located(error: Error, at: &str, n_used: u64) -> Error {
    match error.kind() {
        ErrorKind::Schema { reason, .. } => invalid(reason, at),
        ErrorKind::Argument { what } => invalid(what, at),
        ErrorKind::Limit { limit: limit @ "schema_nodes", value, max } => {
            ErrorKind::Limit { limit, value: n_used + value, max: n_used + max }.into()
        }
        _ => error,
    }
}

fn invalid(reason: impl Into<String>, at: &str) -> Error {
    ErrorKind::Protocol { reason: reason.into(), at: at.to_owned() }.into()
}

/// Returns a list of an object, which may be missing.
fn list<'j>(object: &'j Map<String, Json>, key: &str, at: &str) -> Result<&'j [Json]> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(list)) => Ok(list),
        Some(_) => Err(invalid(format!("`{key}` must be an array"), &format!("{at}.{key}"))),
    }
}
