//! Confluent's API, version 1: paths, bodies and answers.

use super::answer::{found, get, malformed, parsed};
use super::{Link, Stored};
use crate::error::{Error, ErrorKind, Result, shown};
use crate::subject::{Reference, segment};
use crate::transport::Transport;
use avro_arrow::message::SchemaId;
use serde_json::{Value as Json, json};

/// What an answer says on who a schema is; each registry leaves out other parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: Option<u64>,
    pub(crate) guid: Option<[u8; 16]>,
    pub(crate) subject: Option<String>,
    pub(crate) version: Option<u32>,
}

/// Returns the path of a subject's versions.
pub(crate) fn subject_path(subject: &str) -> Result<String> {
    Ok(format!("subjects/{}", segment(subject)?))
}

/// Returns where a version of a subject is; `None` is the newest one.
pub(crate) fn version_path(subject: &str, version: Option<u32>) -> Result<Link> {
    let (label, version) = match version {
        Some(version) => (format!("subject {subject} version {version}"), version.to_string()),
        None => (format!("subject {subject}"), "latest".to_owned()),
    };
    Ok(Link { label, path: format!("{}/versions/{version}", subject_path(subject)?), references: None })
}

/// Returns where the schema with an id is.
pub(super) fn link(id: SchemaId) -> Option<Link> {
    let path = match id {
        SchemaId::Number(number) => format!("schemas/ids/{}", u32::try_from(number).ok()?),
        SchemaId::Guid(_) => format!("schemas/guids/{}", id.value()),
        _ => return None,
    };
    Some(Link { label: id.to_string(), path, references: None })
}

/// Looks up a schema.
pub(super) async fn fetch(link: &Link, transport: &Transport) -> Result<Option<Stored>> {
    let Some(answer) = found(transport, &get(&link.path)).await? else { return Ok(None) };
    let at = |e: Error| e.at(&answer.address);
    let json = parsed(&answer)?;
    let text = json.get("schema").and_then(Json::as_str).ok_or_else(|| at(malformed("no `schema`")))?.to_owned();
    // Without its type, a schema is Avro.
    if let Some(kind) = json.get("schemaType").and_then(Json::as_str).filter(|kind| *kind != "AVRO") {
        return Err(at(Error::new(ErrorKind::NotAvro(shown(kind)))));
    }
    let references = references(&json).ok_or_else(|| at(malformed("invalid `references`")))?;
    let links = references.iter().map(referenced).collect::<Result<_>>()?;
    Ok(Some(Stored { text, references, links, identity: identity(&json) }))
}

/// Returns where the schema of a reference is.
fn referenced(reference: &Reference) -> Result<Link> {
    let Link { label, path, .. } = version_path(&reference.subject, Some(reference.version))?;
    // A version stays readable for those that refer to it when it is deleted.
    Ok(Link { label, path: format!("{path}?deleted=true"), references: None })
}

fn references(json: &Json) -> Option<Vec<Reference>> {
    let all = match json.get("references") {
        None | Some(Json::Null) => return Some(vec![]),
        Some(all) => all.as_array()?,
    };
    let reference = |json: &Json| {
        Some(Reference {
            name: json.get("name")?.as_str()?.to_owned(),
            subject: json.get("subject")?.as_str()?.to_owned(),
            version: version(json)?,
        })
    };
    all.iter().map(reference).collect()
}

fn version(json: &Json) -> Option<u32> {
    u32::try_from(json.get("version")?.as_u64()?).ok()
}

/// Returns what an answer says on who a schema is.
pub(crate) fn identity(json: &Json) -> Identity {
    Identity {
        id: json.get("id").and_then(Json::as_u64),
        guid: json.get("guid").and_then(Json::as_str).and_then(guid),
        subject: json.get("subject").and_then(Json::as_str).map(str::to_owned),
        version: version(json),
    }
}

fn guid(text: &str) -> Option<[u8; 16]> {
    match SchemaId::parse(text)? {
        SchemaId::Guid(guid) => Some(guid),
        _ => None,
    }
}

/// Returns the body of a request with a schema.
pub(crate) fn request_body(text: &str, references: &[Reference]) -> Json {
    // Without its type, as old registries refuse the field: then it is Avro.
    let mut body = json!({ "schema": text });
    if !references.is_empty() {
        let reference = |r: &Reference| json!({ "name": r.name, "subject": r.subject, "version": r.version });
        body["references"] = references.iter().map(reference).collect();
    }
    body
}

/// Returns whether a schema is compatible, and why not.
pub(crate) fn compatibility(json: &Json) -> Option<(bool, Vec<String>)> {
    let is_compatible = json.get("is_compatible")?.as_bool()?;
    let messages = json.get("messages").and_then(Json::as_array).into_iter().flatten();
    Some((is_compatible, messages.filter_map(Json::as_str).map(shown).collect()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn link_is_of_numbers_and_guids() {
        let guid = SchemaId::Guid(0x1234_5678_9abc_def0_0102_0304_0506_0708_u128.to_be_bytes());
        let cases = [
            (SchemaId::Number(7), Some("schemas/ids/7")),
            (SchemaId::Number(1 << 32), None),
            (guid, Some("schemas/guids/12345678-9abc-def0-0102-030405060708")),
            (SchemaId::Rabin(1), None),
            (SchemaId::Unnamed, None),
        ];
        check_all(cases, |(id, path)| assert_eq!(link(id).map(|link| link.path).as_deref(), path));
        assert_eq!(super::guid(&guid.value()).map(SchemaId::Guid), Some(guid));
    }

    #[test]
    fn references_are_complete_or_an_error() {
        let of = |text: &str| references(&serde_json::from_str(text).unwrap()).map(|all| all.len());
        let cases = [
            ("{}", Some(0)),
            (r#"{"references": null}"#, Some(0)),
            (r#"{"references": [{"name": "a.B", "subject": "b", "version": 2}]}"#, Some(1)),
            (r#"{"references": [{"name": "a.B", "subject": "b"}]}"#, None),
            (r#"{"references": [{"name": "a.B", "subject": "b", "version": -1}]}"#, None),
            (r#"{"references": {}}"#, None),
        ];
        check_all(cases, |(text, n)| assert_eq!(of(text), n));
    }
}
