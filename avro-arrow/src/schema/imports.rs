//! Schemas that are spread over several texts: a text that names types of others in, one text that has all of them out.

use super::lenient_json;
use super::parse::primitive;
use super::{Name, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use serde_json::{Map, Value as Json};
use std::collections::{HashMap, HashSet};

/// The definitions of named types in texts of schemas.
#[derive(Debug, Default)]
pub struct Imports {
    /// By full name.
    types: HashMap<String, Definition>,
}

#[derive(Debug)]
struct Definition {
    /// With its full name.
    json: Map<String, Json>,
    /// What the text is called.
    source: String,
    /// A source that defines it otherwise.
    rival: Option<String>,
}

impl Imports {
    /// Adds the types that a text defines, at any depth; a text that is not JSON adds nothing. `source` is what the
    /// text is called, such as its file's name.
    pub fn add(&mut self, text: &str, source: &str) {
        if let Some(json) = lenient_json::of_schema(text) {
            self.collect(&json, "", source);
        }
    }

    /// Adds the types of others that are not defined here.
    pub fn fill(&mut self, others: Imports) {
        for (name, definition) in others.types {
            self.types.entry(name).or_insert(definition);
        }
    }

    /// Adds the types that a type of a protocol defines, at any depth. Simple names belong to `namespace`.
    pub(crate) fn add_json(&mut self, json: &Json, namespace: &str, source: &str) {
        self.collect(json, namespace, source);
    }

    /// Whether the type is defined here.
    pub(crate) fn defines(&self, name: &Name) -> bool {
        self.types.contains_key(name.full())
    }

    fn collect(&mut self, json: &Json, namespace: &str, source: &str) {
        match json {
            Json::Array(branches) => branches.iter().for_each(|branch| self.collect(branch, namespace, source)),
            Json::Object(object) => {
                let name = named(object, namespace);
                let around = name.as_ref().map_or(namespace, Name::namespace);
                children(object).for_each(|child| self.collect(child, around, source));
                if let Some(name) = &name {
                    self.define(name, object, source);
                }
            }
            _ => {}
        }
    }

    fn define(&mut self, name: &Name, object: &Map<String, Json>, source: &str) {
        let mut json = object.clone();
        json.insert("name".into(), Json::from(name.simple()));
        json.insert("namespace".into(), Json::from(name.namespace()));
        match self.types.get_mut(name.full()) {
            None => {
                let definition = Definition { json, source: source.to_owned(), rival: None };
                self.types.insert(name.full().to_owned(), definition);
            }
            Some(first) if first.json != json && first.source != source => first.rival = Some(source.to_owned()),
            Some(_) => {}
        }
    }

    /// Parses a schema, in which names that it does not define stand for the types that are imported.
    ///
    /// # Errors
    /// As of [`Schema::parse`], and where two texts define a type that is needed differently.
    pub fn parse(&self, text: &str, limits: &Limits) -> Result<Schema> {
        let Some(json) = lenient_json::of_schema(text) else { return Schema::parse(text, limits) };
        self.whole(&json, "", "name the right file with --import", limits)
    }

    /// Parses a type of a protocol. Simple names belong to `namespace`, and stand for the types that are imported.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_json(&self, json: &Json, namespace: &str, limits: &Limits) -> Result<Schema> {
        self.whole(json, namespace, "give one of them another name", limits)
    }

    fn whole(&self, json: &Json, namespace: &str, remedy: &'static str, limits: &Limits) -> Result<Schema> {
        let (defined, root) = (HashSet::new(), namespace);
        let mut inliner = Inliner { imports: self, defined, n_values: 0, limits, depth: 0, root, remedy };
        let whole = inliner.inline(json, namespace)?;
        Schema::parse(&whole.to_string(), limits)
    }
}

/// Levels of definitions inside definitions.
const LEVELS_MAX: usize = 128;

struct Inliner<'i> {
    imports: &'i Imports,
    defined: HashSet<String>,
    n_values: usize,
    limits: &'i Limits,
    depth: usize,
    /// The namespace around the outermost type, which its text does not say.
    root: &'i str,
    /// What to do where two texts define a type differently.
    remedy: &'static str,
}

impl Inliner<'_> {
    /// The type with what it refers to in the place of names that are not defined before them.
    fn inline(&mut self, json: &Json, namespace: &str) -> Result<Json> {
        self.n_values += 1;
        if self.n_values > self.limits.schema_nodes {
            let (value, max) = (self.n_values as u64, self.limits.schema_nodes as u64);
            return Err(ErrorKind::Limit { limit: "schema_nodes", value, max }.into());
        }
        match json {
            Json::String(word) if primitive(word).is_none() => self.reference(word, namespace),
            Json::Array(branches) => branches.iter().map(|branch| self.inline(branch, namespace)).collect(),
            Json::Object(object) => self.object(object, namespace).map(Json::Object),
            other => Ok(other.clone()),
        }
    }

    fn object(&mut self, object: &Map<String, Json>, namespace: &str) -> Result<Map<String, Json>> {
        let name = named(object, namespace);
        if let Some(name) = &name {
            self.defined.insert(name.full().to_owned());
        }
        let around = name.as_ref().map_or(namespace, Name::namespace);
        let mut whole = object.clone();
        if let Some(name) = name.as_ref().filter(|_| self.is_root(namespace)) {
            whole.insert("name".into(), Json::from(name.simple()));
            whole.insert("namespace".into(), Json::from(name.namespace()));
        }
        for key in ["items", "values"] {
            if let Some(json) = object.get(key) {
                whole.insert(key.into(), self.inline(json, around)?);
            }
        }
        if let Some(Json::Array(fields)) = object.get("fields") {
            let field = |field: &Json| match field {
                Json::Object(field) => self.field(field, around).map(Json::Object),
                other => Ok(other.clone()),
            };
            whole.insert("fields".into(), fields.iter().map(field).collect::<Result<_>>()?);
        }
        // The type of an object without a name: a reference, or a type in parentheses.
        if name.is_none()
            && let Some(json) = object.get("type")
            && !matches!(json.as_str(), Some("array" | "map"))
        {
            whole.insert("type".into(), self.inline(json, namespace)?);
        }
        Ok(whole)
    }

    fn field(&mut self, field: &Map<String, Json>, namespace: &str) -> Result<Map<String, Json>> {
        let mut whole = field.clone();
        if let Some(json) = field.get("type") {
            whole.insert("type".into(), self.inline(json, namespace)?);
        }
        Ok(whole)
    }

    /// Whether names at this place need their namespace: nothing around them in the text says it.
    fn is_root(&self, namespace: &str) -> bool {
        !namespace.is_empty() && namespace == self.root
    }

    fn reference(&mut self, word: &str, namespace: &str) -> Result<Json> {
        let names = [Name::new(word, namespace), Name::new(word, "")];
        if let Some(name) = names.iter().find(|name| self.defined.contains(name.full())) {
            return Ok(Json::from(if self.is_root(namespace) { name.full() } else { word }));
        }
        let found = names.iter().find_map(|name| Some((name, self.imports.types.get(name.full())?)));
        let Some((name, definition)) = found else { return Ok(Json::from(word)) };
        if let Some(rival) = &definition.rival {
            return Err(Error::argument(format!(
                "the type `{name}` is defined in {} and differently in {rival}; {}",
                definition.source, self.remedy
            )));
        }
        self.depth += 1;
        if self.depth > LEVELS_MAX {
            let what = format!("imports of more than {LEVELS_MAX} types inside one another");
            return Err(ErrorKind::Unsupported { what }.into());
        }
        let whole = self.object(&definition.json, "")?;
        self.depth -= 1;
        Ok(Json::Object(whole))
    }
}

/// The name of a type that an object defines.
fn named(object: &Map<String, Json>, namespace: &str) -> Option<Name> {
    let body = match object.get("type")?.as_str()? {
        "record" | "error" => "fields",
        "enum" => "symbols",
        "fixed" => "size",
        _ => return None,
    };
    object.get(body)?;
    let namespace = object.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
    Some(Name::new(object.get("name")?.as_str()?, namespace))
}

/// The types inside a type.
fn children(object: &Map<String, Json>) -> impl Iterator<Item = &Json> {
    let fields = object.get("fields").and_then(Json::as_array).into_iter().flatten();
    let direct = ["items", "values", "type"].into_iter().filter_map(|key| object.get(key));
    direct.chain(fields.filter_map(|field| field.get("type")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn canonical(text: &str, others: &[(&str, &str)]) -> String {
        let mut imports = Imports::default();
        others.iter().for_each(|(source, text)| imports.add(text, source));
        match imports.parse(text, &Limits::default()) {
            Ok(schema) => schema.canonical_form(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn imports_find_types_by_full_name() {
        let record = |name: &str, kind: &str| {
            format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"f","type":{kind}}}]}}"#)
        };
        let inner = r#"{"type":"enum","name":"a.E","symbols":["x"]}"#;
        let whole = r#"{"name":"a.R","type":"record","fields":[{"name":"f","type":{"name":"a.E","type":"enum","symbols":["x"]}}]}"#;
        assert_eq!(canonical(&record("a.R", "\"E\""), &[("e", inner)]), whole);
        assert_eq!(canonical(&record("a.R", r#"{"type":"a.E"}"#), &[("e", inner)]), whole);
        // Inside another type, whose namespace it has.
        assert_eq!(
            canonical(
                &record("a.R", "\"E\""),
                &[("o", &record("a.O", r#"{"type":"enum","name":"E","symbols":["x"]}"#))]
            ),
            whole
        );
        // Defined once, referred to afterwards; and types that need others.
        let list =
            canonical(r#"["b.M",{"type":"array","items":"a.E"}]"#, &[("m", &record("b.M", "\"a.E\"")), ("e", inner)]);
        assert_eq!(
            list,
            r#"[{"name":"b.M","type":"record","fields":[{"name":"f","type":{"name":"a.E","type":"enum","symbols":["x"]}}]},{"type":"array","items":"a.E"}]"#
        );
        // Records that hold each other.
        let ring =
            canonical("\"A\"", &[("a", &record("A", r#"["null","B"]"#)), ("b", &record("B", r#"["null","A"]"#))]);
        assert!(ring.contains(r#"["null",{"name":"B""#) && ring.ends_with(r#"["null","A"]}]}]}]}"#), "{ring}");
        let unlike = [("x.avsc", inner), ("y.avsc", r#"{"type":"enum","name":"a.E","symbols":["y"]}"#)];
        assert_eq!(
            canonical("\"a.E\"", &unlike),
            "the type `a.E` is defined in x.avsc and differently in y.avsc; name the right file with --import"
        );
        assert!(canonical("\"b.E\"", &unlike).contains("type `b.E` is not defined"));
    }
}
