//! Avro IDL: the language of `.avdl` files, to protocols and schemas in JSON, and back.
//!
//! ```
//! use avro_arrow::Limits;
//! use avro_arrow::idl::{Document, NoImports};
//!
//! let text = "namespace shop; schema Order; record Order { long id; string? note = null; date day; }";
//! let document = Document::parse(text, "order.avdl", &mut NoImports, &Limits::default())?;
//! assert_eq!(
//!     document.schema(None)?.to_string(),
//!     concat!(
//!         r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},"#,
//!         r#"{"name":"note","type":["null","string"],"default":null},"#,
//!         r#"{"name":"day","type":{"type":"int","logicalType":"date"}}]}"#
//!     )
//! );
//! # Ok::<(), avro_arrow::Error>(())
//! ```
//!
//! The language is that of Avro 1.12: protocols, and files that declare types with `namespace` and `schema`. A
//! [`Document`] also holds a protocol (`.avpr`) or a schema (`.avsc`), so each of the three can be written as the
//! others. [`Document::to_idl`] prints IDL.

mod lexer;
mod doc;
mod types;
mod check;
mod from_json;
mod to_json;
mod json_literal;
mod annotations;
mod parser;
mod type_syntax;
mod reader;
mod print;

pub use print::Printed;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::schema::{Name, Schema, json_of_text};
use serde_json::Value as Json;
use to_json::ToJson;
use types::{Defined, JsonObject, Types};

/// The types, and the protocol if there is one, that a text declares.
#[derive(Debug, Clone)]
pub struct Document {
    types: Types,
    /// The schema that the text is about.
    main: Option<Json>,
    protocol: Option<ProtocolHead>,
    warnings: Vec<String>,
    limits: Limits,
    name: String,
}

/// A protocol without its types.
#[derive(Debug, Clone)]
struct ProtocolHead {
    name: Name,
    doc: Option<String>,
    properties: JsonObject,
    /// By name: what stands between the braces of a message in JSON, with full names of types.
    messages: JsonObject,
}

/// A use of a named type.
#[derive(Debug)]
struct Reference {
    /// The name in the namespace that surrounds it.
    full: String,
    /// The name as it is written, if it has no namespace.
    simple: Option<String>,
    /// Whether it must be an error.
    is_error: bool,
    /// The file's index, and the byte in it.
    place: (usize, usize),
}

/// A file that an IDL file imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The file's name, which errors show. A file of a name that was imported before is skipped.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Reads imported files.
pub trait Import {
    /// Returns the file that `location` means in an import statement of the file `from`.
    ///
    /// # Errors
    /// Returns why the file cannot be read, such as `no such file`.
    fn import(&mut self, location: &str, from: &str) -> Result<Imported, String>;
}

/// Refuses to import files.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoImports;

impl Import for NoImports {
    fn import(&mut self, _: &str, _: &str) -> Result<Imported, String> {
        Err("files cannot be imported here".to_owned())
    }
}

impl Document {
    /// Parses IDL. `name` is the name of the file, which errors show and imports are relative to; it may be empty.
    ///
    /// # Errors
    /// [`ErrorKind::Idl`](crate::ErrorKind::Idl) with the place, and limits.
    pub fn parse(text: &str, name: &str, import: &mut dyn Import, limits: &Limits) -> Result<Document> {
        reader::document(text, name, import, limits)
    }

    /// Parses the JSON text of a protocol (`.avpr`).
    ///
    /// # Errors
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) if the text is not a protocol, and limits.
    pub fn from_protocol(text: &str, name: &str, limits: &Limits) -> Result<Document> {
        reader::protocol_document(text, name, limits)
    }

    /// Takes the types of a schema.
    ///
    /// # Errors
    /// Limits.
    pub fn from_schema(schema: &Schema, limits: &Limits) -> Result<Document> {
        reader::schema_document(schema.json(), limits)
    }

    /// Returns the protocol in JSON, or `None` if the text declares none.
    ///
    /// # Errors
    /// Limits.
    pub fn protocol(&self) -> Result<Option<Json>> {
        let writer = ToJson::new(&self.types, &self.limits);
        self.protocol.as_ref().map(|protocol| writer.protocol(protocol)).transpose()
    }

    /// Returns a schema in JSON, with the definitions of all types that it uses: the type with this name, full or
    /// simple; or else the one of `schema ..;` or the only type.
    ///
    /// # Errors
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) if no type or several are meant, and limits.
    pub fn schema(&self, name: Option<&str>) -> Result<Json> {
        let own = || self.types.iter().filter(|defined| defined.is_own);
        let kind = match (name, &self.main) {
            (Some(name), _) => Json::from(self.find(name)?.name.full()),
            (None, Some(main)) => main.clone(),
            (None, None) => match (own().next(), own().count()) {
                (Some(only), 1) => Json::from(only.name.full()),
                (None, _) => return Err(self.error("it declares no type".to_owned())),
                (Some(_), n) => {
                    return Err(self.error(format!(
                        "it declares {n} types; name one with #NAME after the file or with --type: {}",
                        listed(own().map(|defined| defined.name.simple()))
                    )));
                }
            },
        };
        ToJson::new(&self.types, &self.limits).schema(&kind, "")
    }

    /// Returns the JSON that Avro's tools make of the text: the protocol, the schema of `schema ..;`, or the list of
    /// all types.
    ///
    /// # Errors
    /// Limits, and a text that declares nothing.
    pub fn json(&self) -> Result<Json> {
        match (self.protocol()?, &self.main) {
            (Some(protocol), _) => Ok(protocol),
            (None, Some(_)) => self.schema(None),
            (None, None) if self.types.iter().next().is_none() => Err(self.error("it declares no type".to_owned())),
            (None, None) => self.types(),
        }
    }

    /// Returns the JSON list of all types, imported ones included.
    ///
    /// # Errors
    /// Limits.
    pub fn types(&self) -> Result<Json> {
        ToJson::new(&self.types, &self.limits).all("")
    }

    /// Returns the full names of all types, in the order of their definition, imported ones included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|defined| defined.name.full())
    }

    /// Returns warnings about the text, such as documentation that belongs to nothing, each with its place.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Prints the document as IDL.
    ///
    /// # Errors
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) if a name cannot be written in IDL.
    pub fn to_idl(&self) -> Result<Printed> {
        print::print(self)
    }

    fn find(&self, name: &str) -> Result<&Defined> {
        let all = || self.types.iter().filter(|defined| defined.name.full() == name || defined.name.simple() == name);
        let exact = all().find(|defined| defined.name.full() == name);
        match (exact, all().next(), all().count()) {
            (Some(defined), ..) | (None, Some(defined), 1) => Ok(defined),
            (None, None, _) => Err(self.error(format!(
                "there is no type `{}`; it has {}",
                name.escape_debug(),
                listed(self.types.iter().map(|defined| defined.name.simple()))
            ))),
            (None, Some(_), _) => Err(self.error(format!(
                "several types have the name `{name}`; write one of {}",
                listed(all().map(|defined| defined.name.full()))
            ))),
        }
    }

    fn error(&self, what: String) -> Error {
        let error = Error::argument(what);
        if self.name.is_empty() { error } else { error.in_file(&self.name) }
    }
}

/// Whether a text is the JSON of a protocol.
pub fn is_protocol(text: &str) -> bool {
    // The word is looked for first, as most texts are schemas.
    let is_it = |json: Json| json.get("type").is_none() && json.get("protocol").is_some_and(Json::is_string);
    text.contains("\"protocol\"") && json_of_text(text).is_some_and(is_it)
}

/// Lists names for an error message.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
