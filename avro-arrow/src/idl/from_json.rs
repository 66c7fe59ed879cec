//! The JSON of schemas and protocols in; named types, each by itself, out.

use super::types::{
    Defined, JsonObject, Types, is_reserved, is_reserved_in_field, is_reserved_in_message, is_reserved_in_protocol,
};
use super::{ProtocolHead, Reference};
use crate::schema::{Name, is_primitive};
use serde_json::Value as Json;

/// Collects the types of JSON texts. Its errors say what is wrong.
pub(super) struct FromJson<'a> {
    pub(super) types: &'a mut Types,
    /// The names that are used, which must be defined in the end.
    pub(super) references: &'a mut Vec<Reference>,
    /// The place of these references: the file's index, and the byte in it.
    pub(super) place: (usize, usize),
    /// Whether the types are the document's own, rather than imported.
    pub(super) is_own: bool,
    /// Types that may still be read.
    pub(super) n_left: &'a mut usize,
    /// Bytes of namespaces that names may still inherit.
    pub(super) bytes_left: &'a mut usize,
}

impl FromJson<'_> {
    /// Returns the type, and collects the named types inside it. Simple names belong to `namespace`.
    pub(super) fn schema(&mut self, json: &Json, namespace: &str) -> Result<Json, String> {
        match json {
            Json::String(word) if is_primitive(word) => Ok(json.clone()),
            Json::String(word) => Ok(Json::from(self.reference(word, namespace, false)?)),
            Json::Array(branches) => branches.iter().map(|branch| self.schema(branch, namespace)).collect(),
            Json::Object(object) => self.object(object, namespace),
            other => Err(format!("a type must be a string, an object or an array, not {other}")),
        }
    }

    /// Returns the protocol, and collects its types.
    pub(super) fn protocol(&mut self, json: &Json) -> Result<ProtocolHead, String> {
        let object = json.as_object().ok_or("a protocol must be a JSON object")?;
        let name = text(object, "protocol").ok_or("a protocol must have the name `protocol`")?;
        let name = Name::new(name, text(object, "namespace").unwrap_or_default());
        let namespace = name.namespace();
        for json in object.get("types").and_then(Json::as_array).into_iter().flatten() {
            self.schema(json, namespace)?;
        }
        let mut messages = JsonObject::new();
        for (name, json) in object.get("messages").and_then(Json::as_object).into_iter().flatten() {
            let message = json.as_object().ok_or_else(|| format!("the message `{name}` is not an object"))?;
            messages.insert(name.clone(), Json::Object(self.message(name, message, namespace)?));
        }
        Ok(ProtocolHead {
            doc: text(object, "doc").map(str::to_owned),
            properties: rest(object, is_reserved_in_protocol),
            messages,
            name,
        })
    }

    fn message(&mut self, name: &str, message: &JsonObject, namespace: &str) -> Result<JsonObject, String> {
        let mut whole = JsonObject::new();
        if let Some(doc) = text(message, "doc") {
            whole.insert("doc".into(), doc.into());
        }
        whole.extend(rest(message, is_reserved_in_message));
        let request = message.get("request").and_then(Json::as_array);
        let request = request.ok_or_else(|| format!("the message `{name}` has no list `request`"))?;
        whole.insert("request".into(), self.fields(request, namespace)?);
        let one_way = message.get("one-way").and_then(Json::as_bool).unwrap_or(false);
        let response = match message.get("response") {
            Some(json) => self.schema(json, namespace)?,
            None if one_way => Json::from("null"),
            None => return Err(format!("the message `{name}` has no `response`")),
        };
        whole.insert("response".into(), response);
        if let Some(Json::Array(errors)) = message.get("errors") {
            let errors = errors.iter().map(|error| match error.as_str() {
                Some(word) => Ok(Json::from(self.reference(word, namespace, word != "string")?)),
                None => self.schema(error, namespace),
            });
            whole.insert("errors".into(), errors.collect::<Result<_, String>>()?);
        }
        if one_way {
            whole.insert("one-way".into(), true.into());
        }
        Ok(whole)
    }

    fn object(&mut self, object: &JsonObject, namespace: &str) -> Result<Json, String> {
        self.count()?;
        let word = match object.get("type") {
            None => return Err("an object has no `type`".to_owned()),
            Some(Json::String(word)) => word.as_str(),
            Some(inner) => return Ok(annotated(self.schema(inner, namespace)?, rest(object, |key| key == "type"))),
        };
        let body = match word {
            "record" | "error" => "fields",
            "enum" => "symbols",
            "fixed" => "size",
            "array" => "items",
            "map" => "values",
            _ if is_primitive(word) => return Ok(annotated(Json::from(word), rest(object, |key| key == "type"))),
            _ => return Ok(Json::from(self.reference(word, namespace, false)?)),
        };
        let Some(json) = object.get(body) else {
            // SPEC: Names. A named type may be called `record` or `array`, and an object may refer to it.
            return Ok(Json::from(self.reference(word, namespace, false)?));
        };
        if matches!(body, "items" | "values") {
            let mut whole = JsonObject::new();
            whole.insert("type".into(), word.into());
            whole.insert(body.into(), self.schema(json, namespace)?);
            whole.extend(rest(object, |key| key == "type" || key == body));
            return Ok(Json::Object(whole));
        }
        self.definition(object, word, body, json, namespace)
    }

    fn definition(
        &mut self,
        object: &JsonObject,
        word: &str,
        body: &str,
        json: &Json,
        namespace: &str,
    ) -> Result<Json, String> {
        let name = text(object, "name").ok_or_else(|| format!("{word} has no `name`"))?;
        let name = self.name(name, text(object, "namespace").unwrap_or(namespace))?;
        // The record comes before the types that its fields define.
        if self.types.get(name.full()).is_none() {
            let reserved = Defined { name: name.clone(), json: JsonObject::new(), is_own: self.is_own };
            self.types.define(reserved);
        }
        let mut whole = JsonObject::new();
        whole.insert("type".into(), word.into());
        if let Some(doc) = text(object, "doc") {
            whole.insert("doc".into(), doc.into());
        }
        let json = match json {
            Json::Array(fields) if body == "fields" => self.fields(fields, name.namespace())?,
            _ if body == "fields" => return Err(format!("the fields of the record `{name}` are not a list")),
            other => other.clone(),
        };
        whole.insert(body.into(), json);
        let has_default = word == "enum";
        if let Some(default) = object.get("default").filter(|_| has_default) {
            whole.insert("default".into(), default.clone());
        }
        whole.extend(rest(object, |key| is_reserved(key) || (has_default && key == "default")));
        if let Some(Json::Array(aliases)) = object.get("aliases").filter(|aliases| !is_empty(aliases)) {
            let aliases = aliases.iter().filter_map(Json::as_str).map(|alias| relative(alias, &name));
            whole.insert("aliases".into(), aliases.collect());
        }
        let full = name.full().to_owned();
        match self.types.define(Defined { name, json: whole, is_own: self.is_own }) {
            true => Ok(Json::from(full)),
            false => Err(format!("the type `{full}` is defined twice, with different definitions")),
        }
    }

    fn fields(&mut self, fields: &[Json], namespace: &str) -> Result<Json, String> {
        let field = |json: &Json| {
            let object = json.as_object().ok_or("a field is not an object")?;
            let name = text(object, "name").ok_or("a field has no `name`")?;
            let kind = object.get("type").ok_or_else(|| format!("the field `{name}` has no `type`"))?;
            let mut whole = JsonObject::new();
            whole.insert("name".into(), name.into());
            whole.insert("type".into(), self.schema(kind, namespace)?);
            if let Some(doc) = text(object, "doc") {
                whole.insert("doc".into(), doc.into());
            }
            if let Some(default) = object.get("default") {
                whole.insert("default".into(), default.clone());
            }
            if let Some(order) = object.get("order").filter(|order| *order != "ascending") {
                whole.insert("order".into(), order.clone());
            }
            if let Some(aliases) = object.get("aliases").filter(|aliases| aliases.is_array() && !is_empty(aliases)) {
                whole.insert("aliases".into(), aliases.clone());
            }
            whole.extend(rest(object, is_reserved_in_field));
            Ok(Json::Object(whole))
        };
        fields.iter().map(field).collect()
    }

    fn reference(&mut self, word: &str, namespace: &str, is_error: bool) -> Result<String, String> {
        self.count()?;
        let name = self.name(word, namespace)?;
        let simple = (!word.contains('.')).then(|| word.to_owned());
        let full = name.full().to_owned();
        self.references.push(Reference { full: full.clone(), simple, is_error, place: self.place });
        Ok(full)
    }

    fn name(&mut self, word: &str, namespace: &str) -> Result<Name, String> {
        let too_many = || "names with their namespaces exceed the limit `metadata_bytes`".to_owned();
        *self.bytes_left = self.bytes_left.checked_sub(namespace.len()).ok_or_else(too_many)?;
        Ok(Name::new(word, namespace))
    }

    fn count(&mut self) -> Result<(), String> {
        let too_many = || "types exceed the limit `schema_nodes`".to_owned();
        *self.n_left = self.n_left.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }
}

/// Returns the type with these attributes added. A named type has none of its uses.
pub(super) fn annotated(kind: Json, attributes: JsonObject) -> Json {
    match kind {
        kind if attributes.is_empty() => kind,
        Json::String(word) if !is_primitive(&word) => Json::String(word),
        Json::Object(mut object) => {
            object.extend(attributes);
            Json::Object(object)
        }
        plain => {
            let mut object = JsonObject::new();
            object.insert("type".into(), plain);
            object.extend(attributes);
            Json::Object(object)
        }
    }
}

/// Returns an alias as it is written beside this name: without the namespace that both have.
pub(super) fn relative(alias: &str, name: &Name) -> String {
    let full = Name::new(alias, name.namespace());
    if full.namespace() == name.namespace() { full.simple().to_owned() } else { alias.to_owned() }
}

/// The attributes without a meaning of their own.
fn rest(object: &JsonObject, is_reserved: impl Fn(&str) -> bool) -> JsonObject {
    let kept = object.iter().filter(|(key, _)| !is_reserved(key));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn text<'j>(object: &'j JsonObject, key: &str) -> Option<&'j str> {
    object.get(key)?.as_str()
}

fn is_empty(json: &Json) -> bool {
    json.as_array().is_some_and(Vec::is_empty)
}
