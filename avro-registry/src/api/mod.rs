//! The APIs of registries: which requests there are, and what their answers mean.

mod answer;
mod apicurio;
mod confluent;

pub(crate) use answer::{found, malformed, parsed};
pub(crate) use confluent::{Identity, compatibility, identity, request_body, subject_path, version_path};

use crate::address::Address;
use crate::error::{Error, Result};
use crate::subject::{ApicurioIds, Reference};
use crate::transport::Transport;
use avro_arrow::message::SchemaId;

/// The API of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Confluent's, which Apicurio serves at `/apis/ccompat/v7`.
    Confluent,
    /// Apicurio's own.
    Apicurio(apicurio::Version),
}

/// Where a schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// What errors call it, such as `subject a version 2`.
    pub(crate) label: String,
    /// The path of the schema.
    pub(crate) path: String,
    /// The path of its references, if these are apart.
    pub(crate) references: Option<String>,
}

/// A schema as it is registered.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) text: String,
    pub(crate) references: Vec<Reference>,
    /// Where the schemas of its references are.
    pub(crate) links: Vec<Link>,
    pub(crate) identity: Identity,
}

impl Api {
    /// Returns the API at these addresses, which their paths tell.
    pub(crate) fn of(addresses: &[Address]) -> Result<Api> {
        let mut all = addresses.iter().map(|address| match apicurio::Version::of(address.as_str()) {
            Some(version) => Api::Apicurio(version),
            None => Api::Confluent,
        });
        let first = all.next().unwrap_or(Api::Confluent);
        match all.all(|api| api == first) {
            true => Ok(first),
            false => Err(Error::setting("the addresses of a registry must have one API; their paths are of several")),
        }
    }

    /// Returns what ids in messages are by default.
    pub(crate) fn default_ids(self) -> ApicurioIds {
        match self {
            Api::Apicurio(apicurio::Version::Two) => ApicurioIds::Global,
            _ => ApicurioIds::Content,
        }
    }

    /// Returns where the schema with an id is; `None` if the registry has no ids of this kind.
    pub(crate) fn link(self, id: SchemaId, ids: ApicurioIds) -> Option<Link> {
        match self {
            Api::Confluent => confluent::link(id),
            Api::Apicurio(_) => apicurio::link(id, ids),
        }
    }

    /// Looks up a schema; `None` if the registry does not have it.
    pub(crate) async fn fetch(self, link: &Link, transport: &Transport) -> Result<Option<Stored>> {
        let stored = match self {
            Api::Confluent => confluent::fetch(link, transport).await,
            Api::Apicurio(version) => apicurio::fetch(version, link, transport).await,
        };
        stored.map_err(|e| e.wanting(&link.label))
    }
}
