//! Named types, each by itself, in; the JSON of schemas and protocols out. There, the first use of a type defines it.
//!
//! Keys are in the order in which Avro's Java implementation writes them.

use super::ProtocolHead;
use super::types::{Defined, JsonObject, Types, named};
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use crate::schema::is_primitive;
use serde_json::Value as Json;
use std::collections::HashSet;

/// Writes types, each definition once.
pub(super) struct ToJson<'t> {
    types: &'t Types,
    limits: &'t Limits,
    written: HashSet<&'t str>,
    /// Types around the current one.
    depth: usize,
}

impl<'t> ToJson<'t> {
    pub(super) fn new(types: &'t Types, limits: &'t Limits) -> Self {
        ToJson { types, limits, written: HashSet::new(), depth: 0 }
    }

    /// Returns the protocol with all types.
    pub(super) fn protocol(mut self, protocol: &'t ProtocolHead) -> Result<Json> {
        let namespace = protocol.name.namespace();
        let mut whole = JsonObject::new();
        whole.insert("protocol".into(), protocol.name.simple().into());
        if !namespace.is_empty() {
            whole.insert("namespace".into(), namespace.into());
        }
        if let Some(doc) = &protocol.doc {
            whole.insert("doc".into(), doc.as_str().into());
        }
        whole.extend(protocol.properties.clone());
        let types = self.all(namespace)?;
        whole.insert("types".into(), types);
        let mut messages = JsonObject::new();
        for (name, message) in &protocol.messages {
            let mut whole = JsonObject::new();
            for (key, json) in message.as_object().into_iter().flatten() {
                let json = match (key.as_str(), json) {
                    ("request", Json::Array(fields)) => self.fields(fields, namespace)?,
                    ("response" | "errors", kind) => self.schema(kind, namespace)?,
                    (_, other) => other.clone(),
                };
                whole.insert(key.clone(), json);
            }
            messages.insert(name.clone(), Json::Object(whole));
        }
        whole.insert("messages".into(), Json::Object(messages));
        Ok(Json::Object(whole))
    }

    /// Returns the list of all types.
    pub(super) fn all(&mut self, namespace: &str) -> Result<Json> {
        let mut all = Vec::new();
        for defined in self.types.iter() {
            if !self.written.contains(defined.name.full()) {
                all.push(self.definition(defined, namespace)?);
            }
        }
        Ok(Json::Array(all))
    }

    /// Returns the type with the definitions that it needs.
    pub(super) fn schema(&mut self, kind: &'t Json, namespace: &str) -> Result<Json> {
        match kind {
            Json::String(word) => match named(word).and_then(|full| self.types.get(full)) {
                None => Ok(kind.clone()),
                Some(defined) if self.written.contains(defined.name.full()) => {
                    Ok(Json::from(self.reference(defined, namespace)))
                }
                Some(defined) => self.definition(defined, namespace),
            },
            Json::Array(branches) => {
                self.enter()?;
                let branches = branches.iter().map(|branch| self.schema(branch, namespace)).collect();
                self.depth -= 1;
                branches
            }
            Json::Object(object) => {
                let mut whole = object.clone();
                if let Some((key, kind)) = super::types::inner(object) {
                    self.enter()?;
                    whole.insert(key.into(), self.schema(kind, namespace)?);
                    self.depth -= 1;
                }
                Ok(Json::Object(whole))
            }
            other => Ok(other.clone()),
        }
    }

    /// The name that means this type inside a namespace.
    // A full name without a namespace has no dot, so a type of that name inside the namespace hides it; then a dot in
    // front tells them apart. A name that is also a primitive type's is written in full, as Java does.
    fn reference(&self, defined: &Defined, namespace: &str) -> String {
        let name = &defined.name;
        let same = format!("{namespace}.{}", name.simple());
        let hides = || self.types.get(&same).is_some_and(|other| other.name.full() == same);
        match name.namespace() {
            "" if !namespace.is_empty() && hides() => format!(".{}", name.simple()),
            own if own == namespace && !is_primitive(name.simple()) && !is_word(name.simple()) => {
                name.simple().to_owned()
            }
            _ => name.full().to_owned(),
        }
    }

    /// Counts a level of nesting, as the parser of schemas does.
    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > self.limits.nesting {
            let (value, max) = (self.depth as u64, self.limits.nesting as u64);
            return Err(ErrorKind::Limit { limit: "nesting", value, max }.into());
        }
        Ok(())
    }

    fn definition(&mut self, defined: &'t Defined, namespace: &str) -> Result<Json> {
        self.enter()?;
        self.written.insert(defined.name.full());
        let mut whole = JsonObject::new();
        for (key, json) in &defined.json {
            let json = match (key.as_str(), json) {
                ("fields", Json::Array(fields)) => self.fields(fields, defined.name.namespace())?,
                (_, other) => other.clone(),
            };
            whole.insert(key.clone(), json);
            if key == "type" {
                whole.insert("name".into(), defined.name.simple().into());
                if defined.name.namespace() != namespace {
                    whole.insert("namespace".into(), defined.name.namespace().into());
                }
            }
        }
        self.depth -= 1;
        Ok(Json::Object(whole))
    }

    fn fields(&mut self, fields: &'t [Json], namespace: &str) -> Result<Json> {
        let mut all = Vec::with_capacity(fields.len());
        for field in fields {
            let mut whole = JsonObject::new();
            for (key, json) in field.as_object().into_iter().flatten() {
                let json = if key == "type" { self.schema(json, namespace)? } else { json.clone() };
                whole.insert(key.clone(), json);
            }
            all.push(Json::Object(whole));
        }
        Ok(Json::Array(all))
    }
}

/// Whether this is the word of a complex type.
fn is_word(name: &str) -> bool {
    matches!(name, "record" | "enum" | "fixed" | "array" | "map" | "union")
}
