//! The client: what a registry can be asked.

use crate::api::{Api, Identity, Link, Stored};
use crate::api::{compatibility, found, identity, malformed, parsed, request_body, subject_path, version_path};
use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::references::References;
use crate::subject::{ApicurioIds, Reference, SubjectVersion};
use crate::transport::{Answer, Request, Transport};
use avro_arrow::message::SchemaId;
use avro_arrow::schema::Schema;
use reqwest::Method;
use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// A client of a schema registry. Clones share connections and what was looked up.
#[derive(Clone)]
pub struct RegistryClient {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Transport,
    api: Api,
    ids: ApicurioIds,
    limits: Limits,
    schemas: Cache<SchemaId, Schema>,
    versions: Cache<(String, u32), SchemaVersion>,
    /// Schemas that others refer to, by their paths.
    referenced: Cache<String, Stored>,
}

/// A version of a subject.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SchemaVersion {
    /// The subject.
    pub subject: String,
    /// The version's number, from 1.
    pub version: u32,
    /// The schema's id.
    pub id: u64,
    /// The schema's GUID, if the registry has GUIDs.
    pub guid: Option<[u8; 16]>,
    /// The schema's text as it was registered. Types of its references are missing in it.
    pub text: String,
    /// The types of other subjects that the text refers to.
    pub references: Vec<Reference>,
    /// The schema, with all types that it refers to.
    pub schema: Arc<Schema>,
}

/// A registered schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The schema's id. It is an old one if the registry had the schema already.
    pub id: u64,
    /// The subject's version that has the schema.
    pub version: u32,
}

/// Whether a schema is compatible with a version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compatibility {
    /// Whether the schema may be registered.
    pub is_compatible: bool,
    /// Why it may not, in the registry's words.
    pub messages: Vec<String>,
}

const NO_SUBJECTS: &str = "Apicurio's own API is supported for schemas by id only; for subjects give its address that ends in /apis/ccompat/v7";

impl RegistryClient {
    pub(crate) fn new(
        transport: Transport,
        ids: Option<ApicurioIds>,
        limits: Limits,
        missing_for: std::time::Duration,
    ) -> Result<Self> {
        let api = Api::of(&transport.addresses)?;
        let ids = ids.unwrap_or(api.default_ids());
        let [schemas, versions, referenced] = [missing_for; 3];
        let (schemas, versions, referenced) = (Cache::new(schemas), Cache::new(versions), Cache::new(referenced));
        Ok(RegistryClient { shared: Arc::new(Shared { transport, api, ids, limits, schemas, versions, referenced }) })
    }

    /// Returns the first address, without credentials.
    pub fn address(&self) -> &str {
        self.shared.transport.addresses.first().map_or("", |address| address.as_str())
    }

    /// Returns the schema with an id and all types that it refers to; `None` if the registry has none of this id, which
    /// includes ids of other kinds than it has.
    ///
    /// # Errors
    /// Fails if the registry cannot be asked, and if its answer is not a valid Avro schema.
    pub async fn schema(&self, id: SchemaId) -> Result<Option<Arc<Schema>>> {
        let shared = &*self.shared;
        let Some(link) = shared.api.link(id, shared.ids) else { return Ok(None) };
        let fetch = async {
            let Some(stored) = shared.api.fetch(&link, &shared.transport).await? else { return Ok(None) };
            Ok(Some(Arc::new(self.complete(&stored, &link).await?)))
        };
        shared.schemas.get(id, fetch).await
    }

    /// Returns the newest version of a subject. It is asked for each time.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::NotFound`] if the registry does not have the subject, and for the reasons of
    /// [`RegistryClient::schema`].
    pub async fn latest(&self, subject: &str) -> Result<Arc<SchemaVersion>> {
        let link = self.subject_link(subject, None)?;
        let found = self.fetch_version(&link, subject).await?;
        found.map(Arc::new).ok_or_else(|| self.missing(&link.label))
    }

    /// Returns a version of a subject.
    ///
    /// # Errors
    /// Fails as [`RegistryClient::latest`] does.
    pub async fn version(&self, subject: &str, version: u32) -> Result<Arc<SchemaVersion>> {
        let link = self.subject_link(subject, Some(version))?;
        let fetch = async { Ok(self.fetch_version(&link, subject).await?.map(Arc::new)) };
        let found = self.shared.versions.get((subject.to_owned(), version), fetch).await?;
        found.ok_or_else(|| self.missing(&link.label))
    }

    /// Returns a version of a subject, or its newest one.
    ///
    /// # Errors
    /// Fails as [`RegistryClient::latest`] does.
    pub async fn find(&self, wanted: &SubjectVersion) -> Result<Arc<SchemaVersion>> {
        match wanted.version {
            Some(version) => self.version(&wanted.subject, version).await,
            None => self.latest(&wanted.subject).await,
        }
    }

    /// Returns the names of all subjects.
    ///
    /// # Errors
    /// Fails if the registry cannot be asked.
    pub async fn subjects(&self) -> Result<Vec<String>> {
        self.has_subjects()?;
        let answer = self.request(Method::GET, "subjects".to_owned(), None, "list of subjects").await?;
        let names = |json: Json| {
            let all = json.as_array()?.iter();
            all.map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        parsed(&answer)
            .and_then(|json| names(json).ok_or_else(|| malformed("not a list of subjects").at(&answer.address)))
    }

    /// Returns the numbers of the versions of a subject.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::NotFound`] if the registry does not have the subject, and if the request fails.
    pub async fn versions(&self, subject: &str) -> Result<Vec<u32>> {
        self.has_subjects()?;
        let path = format!("{}/versions", subject_path(subject)?);
        let answer = self.request(Method::GET, path, None, &format!("subject {subject}")).await?;
        let numbers = |json: Json| {
            let all = json.as_array()?.iter();
            all.map(|number| u32::try_from(number.as_u64()?).ok()).collect::<Option<Vec<_>>>()
        };
        let wrong = || malformed("not a list of versions").at(&answer.address);
        parsed(&answer).and_then(|json| numbers(json).ok_or_else(wrong))
    }

    /// Registers the text of a schema as the newest version of a subject, unless it is one already.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Refused`] if the schema is invalid, or not compatible with the versions before it.
    pub async fn register(&self, subject: &str, text: &str, references: &[Reference]) -> Result<Registration> {
        self.has_subjects()?;
        let wanted = format!("subject {subject}");
        let body = request_body(text, references);
        let path = subject_path(subject)?;
        let answer = self.request(Method::POST, format!("{path}/versions"), Some(body.clone()), &wanted).await?;
        let Identity { id, version, .. } = identity(&parsed(&answer)?);
        let version = match version {
            Some(version) => Some(version),
            // Older registries answer with the id only.
            None => {
                let answer = self.request(Method::POST, path, Some(body), &wanted).await?;
                identity(&parsed(&answer)?).version
            }
        };
        match (id, version) {
            (Some(id), Some(version)) => Ok(Registration { id, version }),
            _ => Err(malformed("no id and version").at(&answer.address)),
        }
    }

    /// Returns whether the text of a schema is compatible with a version of a subject, or with its newest one, at the
    /// level that [`RegistryClient::compatibility_level`] returns.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::NotFound`] if the registry does not have the version, and with
    /// [`ErrorKind::Refused`] if the schema is invalid.
    pub async fn compatible(
        &self,
        subject: &str,
        version: Option<u32>,
        text: &str,
        references: &[Reference],
    ) -> Result<Compatibility> {
        let link = self.subject_link(subject, version)?;
        let body = request_body(text, references);
        let path = format!("compatibility/{}?verbose=true", link.path);
        let answer = self.request(Method::POST, path, Some(body), &link.label).await?;
        let wrong = || malformed("no `is_compatible`").at(&answer.address);
        let (is_compatible, messages) = compatibility(&parsed(&answer)?).ok_or_else(wrong)?;
        Ok(Compatibility { is_compatible, messages })
    }

    /// Returns the level at which new versions of a subject must be compatible, such as `BACKWARD`.
    ///
    /// # Errors
    /// Fails if the registry cannot be asked.
    pub async fn compatibility_level(&self, subject: &str) -> Result<String> {
        self.has_subjects()?;
        let path = subject_path(subject)?.replacen("subjects/", "config/", 1);
        let wanted = format!("compatibility level of subject {subject}");
        let answer = self.request(Method::GET, format!("{path}?defaultToGlobal=true"), None, &wanted).await?;
        let json = parsed(&answer)?;
        let level = json.get("compatibilityLevel").and_then(Json::as_str).map(str::to_owned);
        level.ok_or_else(|| malformed("no `compatibilityLevel`").at(&answer.address))
    }

    async fn fetch_version(&self, link: &Link, subject: &str) -> Result<Option<SchemaVersion>> {
        let Some(stored) = self.shared.api.fetch(link, &self.shared.transport).await? else { return Ok(None) };
        let schema = Arc::new(self.complete(&stored, link).await?);
        let Stored { text, references, identity, .. } = stored;
        let (Some(id), Some(version)) = (identity.id, identity.version) else {
            return Err(malformed("no id and version").at(self.address()).wanting(&link.label));
        };
        let subject = identity.subject.unwrap_or_else(|| subject.to_owned());
        Ok(Some(SchemaVersion { subject, version, id, guid: identity.guid, text, references, schema }))
    }

    async fn complete(&self, stored: &Stored, link: &Link) -> Result<Schema> {
        let Shared { transport, api, limits, referenced, .. } = &*self.shared;
        let references = References { api: *api, transport, limits, known: referenced };
        references.complete(stored, &link.label).await.map_err(|e| e.at(self.address()))
    }

    fn subject_link(&self, subject: &str, version: Option<u32>) -> Result<Link> {
        self.has_subjects()?;
        version_path(subject, version)
    }

    fn has_subjects(&self) -> Result<()> {
        match self.shared.api {
            Api::Confluent => Ok(()),
            Api::Apicurio(_) => Err(Error::new(ErrorKind::Unsupported(NO_SUBJECTS)).at(self.address())),
        }
    }

    fn missing(&self, wanted: &str) -> Error {
        Error::new(ErrorKind::NotFound).wanting(wanted).at(self.address())
    }

    /// Sends a request whose answer must exist.
    async fn request(&self, method: Method, path: String, body: Option<Json>, wanted: &str) -> Result<Answer> {
        let request = Request { method, path, body };
        let answer = found(&self.shared.transport, &request).await.map_err(|e| e.wanting(wanted))?;
        answer.ok_or_else(|| self.missing(wanted))
    }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<&str> = self.shared.transport.addresses.iter().map(|address| address.as_str()).collect();
        f.debug_struct("RegistryClient").field("addresses", &addresses).finish_non_exhaustive()
    }
}
