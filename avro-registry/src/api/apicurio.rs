//! Apicurio's own API, versions 2 and 3: schemas by their global ids and content ids.

use super::answer::{found, get, malformed, parsed};
use super::{Identity, Link, Stored};
use crate::error::{Error, Result};
use crate::subject::{ApicurioIds, segment};
use crate::transport::Transport;
use avro_arrow::message::SchemaId;
use serde_json::Value as Json;

/// The version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Two,
    Three,
}

/// The group of artifacts without one.
const DEFAULT_GROUP: &str = "default";

impl Version {
    /// Returns the version that an address is of; `None` if it is not of this API.
    pub(super) fn of(address: &str) -> Option<Version> {
        match address.rsplit_once("/apis/registry/")?.1 {
            "v2" => Some(Version::Two),
            "v3" => Some(Version::Three),
            _ => None,
        }
    }
}

/// Returns where the schema with an id is.
pub(super) fn link(id: SchemaId, ids: ApicurioIds) -> Option<Link> {
    let SchemaId::Number(number) = id else { return None };
    let (kind, folder) = match ids {
        ApicurioIds::Content => ("content", "contentIds"),
        ApicurioIds::Global => ("global", "globalIds"),
    };
    let path = format!("ids/{folder}/{number}");
    Some(Link {
        label: format!("schema with {kind} id {number}"),
        references: Some(format!("{path}/references")),
        path,
    })
}

/// Looks up a schema and its references.
pub(super) async fn fetch(version: Version, link: &Link, transport: &Transport) -> Result<Option<Stored>> {
    let Some(answer) = found(transport, &get(&link.path)).await? else { return Ok(None) };
    let at = |e: Error| e.at(&answer.address);
    let text = String::from_utf8(answer.bytes).map_err(|_| malformed("not UTF-8").at(&answer.address))?;
    let references = match &link.references {
        Some(path) => found(transport, &get(path)).await?,
        None => None,
    };
    let links = match references {
        Some(answer) => {
            let json = parsed(&answer)?;
            let all = json.as_array().ok_or_else(|| at(malformed("invalid references")))?;
            all.iter().map(|reference| referenced(version, reference)).collect::<Result<_>>().map_err(at)?
        }
        None => vec![],
    };
    Ok(Some(Stored { text, references: vec![], links, identity: Identity::default() }))
}

/// Returns where the schema of a reference is.
fn referenced(api: Version, reference: &Json) -> Result<Link> {
    let part = |name: &str| reference.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let (Some(artifact), Some(version)) = (part("artifactId"), part("version")) else {
        return Err(malformed("a reference without artifact and version"));
    };
    let group = part("groupId").unwrap_or(DEFAULT_GROUP);
    let [in_group, of_artifact, in_version] = [group, artifact, version].map(segment);
    let base = format!("groups/{}/artifacts/{}/versions/{}", in_group?, of_artifact?, in_version?);
    let path = match api {
        Version::Two => base.clone(),
        Version::Three => format!("{base}/content"),
    };
    let label = format!("artifact {group}/{artifact} version {version}");
    Ok(Link { label, path, references: Some(format!("{base}/references")) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn version_is_that_of_the_path() {
        let cases = [
            ("http://r:8080/apis/registry/v2", Some(Version::Two)),
            ("http://r/x/apis/registry/v3", Some(Version::Three)),
            ("http://r/apis/ccompat/v7", None),
            ("http://r", None),
        ];
        check_all(cases, |(address, version)| assert_eq!(Version::of(address), version));
    }

    #[test]
    fn reference_has_paths_of_its_api() {
        let reference = serde_json::json!({"groupId": null, "artifactId": "a b", "version": "1.0", "name": "x"});
        let two = referenced(Version::Two, &reference).unwrap();
        assert_eq!(two.path, "groups/default/artifacts/a%20b/versions/1.0");
        let three = referenced(Version::Three, &reference).unwrap();
        assert_eq!(three.path, "groups/default/artifacts/a%20b/versions/1.0/content");
        assert_eq!(three.references, two.references);
        assert!(referenced(Version::Two, &serde_json::json!({"artifactId": "a"})).is_err());
    }
}
