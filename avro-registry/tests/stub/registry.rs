//! A registry in memory: subjects, versions, references, compatibility. Requests in, status and JSON out.

use avro_arrow::FieldMatch;
use avro_arrow::schema::{Imports, Schema};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Added to an id to get Apicurio's global id.
pub const GLOBAL: u64 = 1000;

#[derive(Default)]
pub struct Registry {
    /// By id, from 1.
    schemas: Vec<Json>,
    subjects: BTreeMap<String, Vec<Version>>,
    levels: BTreeMap<String, String>,
    /// Whether answers to a registration have the id only, as those of old registries.
    pub is_old: bool,
}

struct Version {
    number: u64,
    id: u64,
    is_deleted: bool,
}

/// A request that is split into its parts.
pub struct Parts<'r> {
    pub method: &'r str,
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub body: Json,
}

impl Parts<'_> {
    fn is(&self, name: &str) -> bool {
        self.query.iter().any(|(key, value)| key == name && value.eq_ignore_ascii_case("true"))
    }
}

type Answer = (u16, Json);

fn error(code: u64, message: impl Into<String>) -> Answer {
    let status = if code > 1000 { code / 100 } else { code };
    (status as u16, json!({ "error_code": code, "message": message.into() }))
}

fn no_subject(subject: &str) -> Answer {
    error(40401, format!("Subject '{subject}' not found."))
}

impl Registry {
    /// Answers a request of Confluent's API.
    pub fn confluent(&mut self, request: &Parts) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match (request.method, path.as_slice()) {
            ("GET", ["schemas", "types"]) => (200, json!(["AVRO", "JSON", "PROTOBUF"])),
            ("GET", ["schemas", "ids", id]) => match self.schema(id.parse().unwrap_or(0)) {
                Some(schema) => (200, schema),
                None => error(40403, format!("Schema {id} not found")),
            },
            ("GET", ["schemas", "guids", text]) => {
                match (1..=self.schemas.len() as u64).find(|id| guid(*id) == *text) {
                    Some(id) => (200, self.schema(id).unwrap_or_default()),
                    None => error(40403, format!("Schema {text} not found")),
                }
            }
            ("GET", ["schemas", "ids", id, "subjects"]) => {
                let id = id.parse().unwrap_or(0);
                let has =
                    |versions: &Vec<Version>| versions.iter().any(|version| version.id == id && !version.is_deleted);
                (200, self.subjects.iter().filter(|(_, v)| has(v)).map(|(name, _)| json!(name)).collect())
            }
            ("GET", ["subjects"]) => {
                let shown = |versions: &[Version]| versions.iter().any(|v| !v.is_deleted || request.is("deleted"));
                (200, self.subjects.iter().filter(|(_, v)| shown(v)).map(|(name, _)| json!(name)).collect())
            }
            ("GET", ["subjects", subject, "versions"]) => match self.numbers(subject, request.is("deleted")) {
                numbers if numbers.is_empty() => no_subject(subject),
                numbers => (200, json!(numbers)),
            },
            ("GET", ["subjects", subject, "versions", number]) => {
                self.version(subject, number, request.is("deleted")).unwrap_or_else(|missing| missing)
            }
            ("POST", ["subjects", subject, "versions"]) => self.register(subject, &request.body),
            ("POST", ["subjects", subject]) => {
                let Some(versions) = self.subjects.get(*subject) else { return no_subject(subject) };
                let id = self.id_of(&normal(&request.body));
                match versions.iter().find(|version| Some(version.id) == id && !version.is_deleted) {
                    Some(version) => self.version(subject, &version.number.to_string(), false).unwrap_or_else(|e| e),
                    None => error(40403, "Schema not found"),
                }
            }
            ("DELETE", ["subjects", subject]) => match self.subjects.get_mut(*subject) {
                Some(versions) if versions.iter().any(|version| !version.is_deleted) => {
                    versions.iter_mut().for_each(|version| version.is_deleted = true);
                    (200, versions.iter().map(|version| json!(version.number)).collect())
                }
                _ => no_subject(subject),
            },
            ("POST", ["compatibility", "subjects", subject, "versions", number]) => {
                let old = match self.version(subject, number, false) {
                    Ok((_, old)) => old,
                    Err(missing) => return missing,
                };
                match self.parsed(&normal(&request.body)) {
                    Err(invalid) => error(42201, invalid),
                    Ok(schema) => {
                        let messages = self.mismatches(&schema, &old);
                        let mut answer = json!({ "is_compatible": messages.is_empty() });
                        if request.is("verbose") {
                            answer["messages"] = json!(messages);
                        }
                        (200, answer)
                    }
                }
            }
            ("GET", ["config"]) => (200, json!({ "compatibilityLevel": self.level("") })),
            ("GET", ["config", subject]) => match self.levels.get(*subject) {
                None if !request.is("defaultToGlobal") => {
                    error(40408, format!("Subject '{subject}' does not have subject-level compatibility configured"))
                }
                _ => (200, json!({ "compatibilityLevel": self.level(subject) })),
            },
            ("PUT", ["config", rest @ ..]) => {
                let level = request.body["compatibility"].as_str().unwrap_or_default().to_owned();
                self.levels.insert(rest.concat(), level.clone());
                (200, json!({ "compatibility": level }))
            }
            _ => error(404, "HTTP 404 Not Found"),
        }
    }

    /// Answers a request of Apicurio's own API: `version` is 2 or 3. Artifacts are the subjects in the group `default`.
    pub fn apicurio(&self, version: u32, request: &Parts) -> (u16, String) {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let mut ids = None;
        let mut is_list = false;
        match path.as_slice() {
            ["ids", kind @ ("contentIds" | "globalIds"), id, rest @ ..] => {
                let id: u64 = id.parse().unwrap_or(0);
                ids = Some(if *kind == "contentIds" { id } else { id.saturating_sub(GLOBAL) });
                is_list = *rest == ["references"];
            }
            ["groups", "default", "artifacts", artifact, "versions", number, rest @ ..] => {
                let versions = self.subjects.get(*artifact).map(Vec::as_slice).unwrap_or_default();
                ids = versions.iter().find(|v| v.number.to_string() == *number).map(|version| version.id);
                is_list = *rest == ["references"];
                let content: &[&str] = if version == 2 { &[] } else { &["content"] };
                if !is_list && rest != content {
                    return (404, "no such path".to_owned());
                }
            }
            _ => {}
        }
        let stored = ids.and_then(|id| self.schemas.get(usize::try_from(id).unwrap_or(0).wrapping_sub(1)));
        let Some(stored) = stored else {
            let missing = json!({ "error_code": 404, "name": "ContentNotFoundException", "message": "no content" });
            return (404, missing.to_string());
        };
        if !is_list {
            return (200, stored["schema"].as_str().unwrap_or_default().to_owned());
        }
        let references = stored["references"].as_array().into_iter().flatten().map(|reference| {
            let version = reference["version"].to_string();
            json!({ "groupId": null, "artifactId": reference["subject"], "version": version, "name": reference["name"] })
        });
        (200, Json::Array(references.collect()).to_string())
    }

    fn schema(&self, id: u64) -> Option<Json> {
        let mut schema = self.schemas.get(usize::try_from(id).ok()?.checked_sub(1)?)?.clone();
        if !self.is_old {
            schema["guid"] = json!(guid(id));
        }
        Some(schema)
    }

    fn numbers(&self, subject: &str, with_deleted: bool) -> Vec<u64> {
        let versions = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        versions.iter().filter(|v| !v.is_deleted || with_deleted).map(|version| version.number).collect()
    }

    fn version(&self, subject: &str, number: &str, with_deleted: bool) -> Result<Answer, Answer> {
        let versions = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        let mut shown = versions.iter().filter(|v| !v.is_deleted || with_deleted);
        if shown.clone().next().is_none() {
            return Err(no_subject(subject));
        }
        let found = match number {
            "latest" => shown.next_back(),
            number => shown.find(|version| version.number.to_string() == number),
        };
        let version = found.ok_or_else(|| error(40402, format!("Version {number} not found.")))?;
        let mut answer = self.schema(version.id).unwrap_or_default();
        answer["subject"] = json!(subject);
        answer["version"] = json!(version.number);
        answer["id"] = json!(version.id);
        Ok((200, answer))
    }

    fn register(&mut self, subject: &str, body: &Json) -> Answer {
        let schema = normal(body);
        let is_avro = schema.get("schemaType").is_none();
        if is_avro {
            let parsed = match self.parsed(&schema) {
                Ok(parsed) => parsed,
                Err(invalid) => return error(42201, format!("Invalid schema: {invalid}")),
            };
            if let Ok((_, newest)) = self.version(subject, "latest", false) {
                let messages = self.mismatches(&parsed, &newest);
                if self.level(subject) != "NONE" && !messages.is_empty() {
                    let reasons = messages.join(", ");
                    let what = "Schema being registered is incompatible with an earlier schema for subject";
                    return error(409, format!("{what} \"{subject}\", details: [{reasons}]"));
                }
            }
        }
        let id = self.id_of(&schema).unwrap_or_else(|| {
            self.schemas.push(schema);
            self.schemas.len() as u64
        });
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        let known = versions.iter().find(|version| version.id == id && !version.is_deleted);
        let number = known.map_or(versions.len() as u64 + 1, |version| version.number);
        if known.is_none() {
            versions.push(Version { number, id, is_deleted: false });
        }
        match self.is_old {
            true => (200, json!({ "id": id })),
            false => {
                let mut answer = self.schema(id).unwrap_or_default();
                answer["id"] = json!(id);
                answer["version"] = json!(number);
                (200, answer)
            }
        }
    }

    fn id_of(&self, schema: &Json) -> Option<u64> {
        self.schemas.iter().position(|known| known == schema).map(|index| index as u64 + 1)
    }

    fn level(&self, subject: &str) -> &str {
        let level = self.levels.get(subject).or_else(|| self.levels.get(""));
        level.map_or("BACKWARD", String::as_str)
    }

    /// Parses a schema with its references.
    fn parsed(&self, schema: &Json) -> Result<Schema, String> {
        let mut imports = Imports::default();
        let mut todo = vec![schema.clone()];
        while let Some(next) = todo.pop() {
            for reference in next["references"].as_array().into_iter().flatten() {
                let subject = reference["subject"].as_str().unwrap_or_default();
                let found = self.version(subject, &reference["version"].to_string(), true);
                let (_, found) = found.map_err(|(_, e)| e["message"].to_string())?;
                imports.add(found["schema"].as_str().unwrap_or_default(), subject);
                todo.push(found);
            }
        }
        let parsed = imports.parse(schema["schema"].as_str().unwrap_or_default(), &Default::default());
        parsed.map_err(|e| e.to_string())
    }

    /// Why a new schema cannot read what the old one wrote.
    fn mismatches(&self, new: &Schema, old: &Json) -> Vec<String> {
        if self.level(old["subject"].as_str().unwrap_or_default()) == "NONE" {
            return vec![];
        }
        let Ok(old) = self.parsed(old) else { return vec!["the old schema cannot be parsed".to_owned()] };
        match new.mismatches(&old, FieldMatch::default(), &Default::default()) {
            Ok(mismatches) => mismatches.iter().map(ToString::to_string).collect(),
            Err(e) => vec![e.to_string()],
        }
    }
}

/// The schema of a request as it is kept: without what is the default, and without the spaces of JSON.
fn normal(body: &Json) -> Json {
    let text = body["schema"].as_str().unwrap_or_default();
    let text = serde_json::from_str::<Json>(text).map_or_else(|_| text.to_owned(), |json| json.to_string());
    let mut schema = json!({ "schema": text });
    if let Some(kind) = body["schemaType"].as_str().filter(|kind| *kind != "AVRO") {
        schema["schemaType"] = json!(kind);
    }
    if let Some(references) = body["references"].as_array().filter(|all| !all.is_empty()) {
        schema["references"] = json!(references);
    }
    schema
}

/// The GUID of an id.
pub fn guid(id: u64) -> String {
    format!("{id:08x}-0000-4000-8000-{id:012x}")
}
