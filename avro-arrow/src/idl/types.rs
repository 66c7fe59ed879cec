//! Named types, each by itself: where one uses another, it has the other's full name.
//!
//! All readers of this module make such types, and all its writers start from them. A type is JSON: the full name of a
//! type or the word of a primitive type, a list of branches, or an object with `type`.

use crate::schema::{Name, is_primitive};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;

pub(super) type JsonObject = Map<String, Json>;

/// A named type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Defined {
    pub(super) name: Name,
    /// `type` and what follows the name, in the order that Avro's Java implementation writes: `doc`, then `fields`,
    /// `symbols` and `default`, or `size`, then attributes, then `aliases`.
    pub(super) json: JsonObject,
    /// Whether the text itself defines it, rather than an import.
    pub(super) is_own: bool,
}

/// Named types in the order of their definition.
#[derive(Debug, Clone, Default)]
pub(super) struct Types {
    list: Vec<Defined>,
    /// By full name: the index in the list.
    index: HashMap<String, usize>,
    /// Full names that are not defined, with the types without a namespace that they mean.
    renamed: HashMap<String, String>,
}

impl Types {
    /// Adds a type and returns `true`, unless its name is defined with another content. A definition without content
    /// reserves a place.
    pub(super) fn define(&mut self, defined: Defined) -> bool {
        let full = defined.name.full().to_owned();
        match self.index.get(&full).and_then(|at| self.list.get_mut(*at)) {
            None => {
                self.index.insert(full, self.list.len());
                self.list.push(defined);
                true
            }
            Some(first) if first.json.is_empty() => {
                *first = defined;
                true
            }
            Some(first) => {
                first.is_own |= defined.is_own;
                first.json == defined.json
            }
        }
    }

    /// Returns the type with this full name.
    pub(super) fn get(&self, full: &str) -> Option<&Defined> {
        let full = self.renamed.get(full).map_or(full, String::as_str);
        self.list.get(*self.index.get(full)?)
    }

    /// Lets a full name that is not defined mean a type without a namespace.
    pub(super) fn rename(&mut self, full: &str, simple: &str) {
        self.renamed.insert(full.to_owned(), simple.to_owned());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Defined> {
        self.list.iter()
    }
}

/// Returns the word or full name of a branch that a union may have only once.
pub(super) fn tag(branch: &Json) -> &str {
    match branch {
        Json::String(word) => word,
        Json::Object(object) => object.get("type").and_then(Json::as_str).unwrap_or_default(),
        _ => "union",
    }
}

/// Returns the type inside an object without a name, with the key it has there.
pub(super) fn inner(object: &JsonObject) -> Option<(&'static str, &Json)> {
    match object.get("type")?.as_str() {
        Some("array") => Some(("items", object.get("items")?)),
        Some("map") => Some(("values", object.get("values")?)),
        Some(_) => None,
        None => Some(("type", object.get("type")?)),
    }
}

/// Returns the name of a named type that this word means, which is not that of a primitive type.
pub(super) fn named(word: &str) -> Option<&str> {
    (!is_primitive(word)).then_some(word)
}

/// Whether an attribute of a type has a meaning of its own, so that it cannot be an annotation.
pub(super) fn is_reserved(key: &str) -> bool {
    matches!(
        key,
        "doc" | "fields" | "items" | "name" | "namespace" | "size" | "symbols" | "values" | "type" | "aliases"
    )
}

/// Whether an attribute of a field has a meaning of its own.
pub(super) fn is_reserved_in_field(key: &str) -> bool {
    matches!(key, "default" | "doc" | "name" | "order" | "type" | "aliases")
}

/// Whether an attribute of a message has a meaning of its own.
pub(super) fn is_reserved_in_message(key: &str) -> bool {
    matches!(key, "doc" | "response" | "request" | "errors" | "one-way")
}

/// Whether an attribute of a protocol has a meaning of its own.
pub(super) fn is_reserved_in_protocol(key: &str) -> bool {
    matches!(key, "namespace" | "protocol" | "doc" | "messages" | "types" | "errors")
}
