//! Reads a document with the files that it imports: texts in, checked types out.

use super::check::{STEPS_MAX, fits};
use super::from_json::FromJson;
use super::parser::Parser;
use super::types::{JsonObject, Types};
use super::{Document, Import, Imported, NoImports, ProtocolHead, Reference};
use crate::error::{Error, ErrorKind, Result, TextPlace};
use crate::limits::Limits;
use crate::schema::json_of_text;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::Arc;

/// Files that a document may import, directly or not.
const FILES_MAX: usize = 10_000;

/// Files that may import one another in a row.
const LEVELS_MAX: usize = 64;

/// Characters after the place that an error keeps of its line.
const LINE_MAX: usize = 200;

/// A place: the file's index, and the byte in it.
pub(super) type FilePlace = (usize, usize);

/// What a file declares besides types.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) main: Option<Json>,
    pub(super) protocol: Option<ProtocolHead>,
}

/// A default, which is checked when all types are known.
#[derive(Debug)]
pub(super) struct FieldDefault {
    pub(super) kind: Json,
    pub(super) value: Json,
    pub(super) place: FilePlace,
}

/// The kind of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportKind {
    Idl,
    Protocol,
    Schema,
}

pub(super) struct DocumentReader<'r> {
    pub(super) limits: &'r Limits,
    import: &'r mut dyn Import,
    files: Vec<(String, Arc<str>)>,
    /// Names of files that were imported.
    imported: HashSet<String>,
    /// Files around the current one.
    depth: usize,
    pub(super) types: Types,
    pub(super) references: Vec<Reference>,
    pub(super) defaults: Vec<FieldDefault>,
    pub(super) warnings: Vec<(FilePlace, String)>,
    /// Types and bytes of namespaces that may still be read.
    pub(super) n_left: usize,
    pub(super) bytes_left: usize,
    /// Bytes of text that may still be read.
    text_left: usize,
}

/// Reads an IDL file.
pub(super) fn document(text: &str, name: &str, import: &mut dyn Import, limits: &Limits) -> Result<Document> {
    let mut reader = DocumentReader::new(import, limits);
    reader.imported.insert(name.to_owned());
    let parsed = reader.idl(name, text)?;
    reader.finish(parsed)
}

/// Reads a protocol in JSON.
pub(super) fn protocol_document(text: &str, name: &str, limits: &Limits) -> Result<Document> {
    let mut import = NoImports;
    let mut reader = DocumentReader::new(&mut import, limits);
    reader.add_file(name, text)?;
    let in_file = |error: Error| if name.is_empty() { error } else { error.in_file(name) };
    let json = json_of_text(text).ok_or_else(|| in_file(Error::argument("the protocol is not JSON")))?;
    let protocol = reader.json((0, 0), true).protocol(&json).map_err(|e| in_file(Error::argument(e)))?;
    reader.finish(Parsed { main: None, protocol: Some(protocol) })
}

/// Reads a schema that was parsed before.
pub(super) fn schema_document(text: &str, limits: &Limits) -> Result<Document> {
    let mut import = NoImports;
    let mut reader = DocumentReader::new(&mut import, limits);
    reader.add_file("", text)?;
    let json = json_of_text(text).ok_or_else(|| Error::argument("the schema is not JSON"))?;
    let main = reader.json((0, 0), true).schema(&json, "").map_err(Error::argument)?;
    reader.finish(Parsed { main: Some(main), protocol: None })
}

impl<'r> DocumentReader<'r> {
    fn new(import: &'r mut dyn Import, limits: &'r Limits) -> Self {
        DocumentReader {
            limits,
            import,
            files: Vec::new(),
            imported: HashSet::new(),
            depth: 0,
            types: Types::default(),
            references: Vec::new(),
            defaults: Vec::new(),
            warnings: Vec::new(),
            n_left: limits.schema_nodes,
            bytes_left: limits.metadata_bytes,
            text_left: limits.metadata_bytes,
        }
    }

    fn json(&mut self, place: FilePlace, is_own: bool) -> FromJson<'_> {
        FromJson {
            types: &mut self.types,
            references: &mut self.references,
            place,
            is_own,
            n_left: &mut self.n_left,
            bytes_left: &mut self.bytes_left,
        }
    }

    /// Adds a file and returns its index.
    fn add_file(&mut self, name: &str, text: &str) -> Result<usize> {
        let Some(left) = self.text_left.checked_sub(text.len()) else {
            let (value, max) = (text.len() as u64, self.limits.metadata_bytes as u64);
            return Err(ErrorKind::Limit { limit: "metadata_bytes", value, max }.into());
        };
        self.text_left = left;
        self.files.push((name.to_owned(), Arc::from(text)));
        Ok(self.files.len() - 1)
    }

    /// Reads IDL.
    fn idl(&mut self, name: &str, text: &str) -> Result<Parsed> {
        let file = self.add_file(name, text)?;
        let text = self.files.get(file).map(|(_, text)| text.clone()).unwrap_or_default();
        Parser::new(self, file, text)?.file()
    }

    /// Reads an imported file, unless it was read before, and returns its protocol.
    pub(super) fn import(
        &mut self,
        kind: ImportKind,
        location: &str,
        place: FilePlace,
    ) -> Result<Option<ProtocolHead>> {
        let from = self.files.get(place.0).map(|(name, _)| name.clone()).unwrap_or_default();
        let failed = |reader: &Self, reason: String| {
            reader.error(place, format!("cannot import `{}`: {reason}", location.escape_debug()))
        };
        let Imported { name, text } = match self.import.import(location, &from) {
            Ok(imported) => imported,
            Err(reason) => return Err(failed(self, reason)),
        };
        if !self.imported.insert(name.clone()) {
            return Ok(None);
        }
        if self.imported.len() > FILES_MAX {
            return Err(failed(self, format!("there are more than {FILES_MAX} imported files")));
        }
        self.depth += 1;
        if self.depth > LEVELS_MAX {
            return Err(failed(self, format!("more than {LEVELS_MAX} files import one another in a row")));
        }
        let protocol = match kind {
            ImportKind::Idl => self.idl(&name, &text)?.protocol,
            ImportKind::Protocol | ImportKind::Schema => {
                self.add_file(&name, &text)?;
                let Some(json) = json_of_text(&text) else {
                    return Err(failed(self, format!("{name} is not JSON")));
                };
                let mut reader = self.json(place, false);
                let read = match kind {
                    ImportKind::Protocol => reader.protocol(&json).map(Some),
                    _ => reader.schema(&json, "").map(|_| None),
                };
                read.map_err(|reason| failed(self, reason))?
            }
        };
        self.depth -= 1;
        Ok(protocol)
    }

    /// Checks that all names are defined and all defaults are values of their types.
    fn finish(mut self, parsed: Parsed) -> Result<Document> {
        for reference in std::mem::take(&mut self.references) {
            if self.types.get(&reference.full).is_none() {
                match &reference.simple {
                    // Other readers of Avro look there, too.
                    Some(simple) if self.types.get(simple).is_some() => self.types.rename(&reference.full, simple),
                    _ => return Err(self.undefined(&reference)),
                }
            }
            let kind = self.types.get(&reference.full).and_then(|defined| defined.json.get("type"));
            if reference.is_error && kind.is_some_and(|kind| kind != "error") {
                let what = format!("`{}` is not an error; declare it with `error`", reference.full);
                return Err(self.error(reference.place, what));
            }
        }
        for FieldDefault { kind, value, place } in &self.defaults {
            let mut steps = STEPS_MAX;
            match (fits(&self.types, kind, value, &mut steps), steps) {
                (true, _) => {}
                (false, 0) => {
                    let what =
                        format!("the default has too many values: it takes more than {STEPS_MAX} steps to check");
                    return Err(self.error(*place, what));
                }
                (false, _) => return Err(self.error(*place, "the default is not a value of its type")),
            }
        }
        let warnings = self.warnings.iter().map(|(place, what)| self.error(*place, what.clone()).to_string());
        Ok(Document {
            warnings: warnings.collect(),
            name: self.files.first().map(|(name, _)| name.clone()).unwrap_or_default(),
            types: self.types,
            main: parsed.main,
            protocol: parsed.protocol,
            limits: self.limits.clone(),
        })
    }

    fn undefined(&self, reference: &Reference) -> Error {
        let simple = reference.full.rsplit('.').next().unwrap_or_default();
        let near = self.types.iter().find(|defined| defined.name.simple().eq_ignore_ascii_case(simple));
        let hint = near.map(|near| format!("; did you mean `{}`?", near.name)).unwrap_or_default();
        let full = reference.full.escape_debug();
        match self.files.get(reference.place.0) {
            // JSON has no places.
            Some((_, text)) if text.trim_start().starts_with(['{', '[', '"']) => {
                let error = Error::argument(format!("the type `{full}` is not defined{hint}"));
                let name = self.files.first().map(|(name, _)| name.as_str()).unwrap_or_default();
                if name.is_empty() { error } else { error.in_file(name) }
            }
            _ => self.error(reference.place, format!("the type `{full}` is not defined{hint}")),
        }
    }

    /// Returns the error at a place.
    #[cold]
    pub(super) fn error(&self, (file, at): FilePlace, reason: impl Into<String>) -> Error {
        let (name, text) = self.files.get(file).map_or(("", ""), |(name, text)| (name.as_str(), text));
        let before = text.get(..at.min(text.len())).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line =
            text.get(start..).unwrap_or_default().lines().next().unwrap_or_default().trim_start_matches('\u{feff}');
        let column = before.get(start..).unwrap_or_default().trim_start_matches('\u{feff}').chars().count() + 1;
        let place = TextPlace {
            file: name.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            text: line.chars().take(column + LINE_MAX).collect(),
        };
        Error::new(ErrorKind::Idl { reason: reason.into(), place: Box::new(place) })
    }
}

/// The attributes of a declaration, in the order in which Java writes them.
pub(super) fn declaration(kind: &str, doc: Option<String>) -> JsonObject {
    let mut json = JsonObject::new();
    json.insert("type".into(), kind.into());
    if let Some(doc) = doc {
        json.insert("doc".into(), doc.into());
    }
    json
}
