//! Schema registries: how the command finds one, and how it names what is in it.

use std::fs;
use std::path::{Path, PathBuf};

use avro_arrow::message::SchemaId;
use avro_arrow::schema::Schema;
use avro_datafusion::AvroOptions;
use avro_registry::{RegistryClient, SchemaVersion, Tls};
use std::sync::Arc;

use crate::error::{Error, Result};

/// What `--reader-schema` starts with for a schema of the registry.
const PREFIX: &str = "registry:";

/// The address of a registry and files with secrets. All else comes from the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct RegistryOptions {
    /// URLs, separated by commas; `None` for `SCHEMA_REGISTRY_URL`.
    pub(crate) urls: Option<String>,
    /// A file with `NAME:PASSWORD`.
    pub(crate) user_file: Option<PathBuf>,
    /// A file with a bearer token.
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// A subject, or one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubjectVersion {
    pub(crate) subject: String,
    /// `None` for the newest.
    pub(crate) version: Option<u32>,
}

/// A schema in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Registered {
    Id(SchemaId),
    Subject(SubjectVersion),
}

impl RegistryOptions {
    /// Returns the client of the registry.
    pub(crate) fn client(&self, reading: &AvroOptions) -> Result<RegistryClient> {
        let mut limits = avro_registry::Limits::default();
        limits.schema = reading.limits.clone();
        let mut builder = RegistryClient::builder(self.urls.as_deref().unwrap_or_default()).limits(limits);
        builder =
            builder.tls(Tls { ca: self.ca.clone(), certificate: self.certificate.clone(), key: self.key.clone() });
        if let Some(file) = &self.user_file {
            let text = secret(file)?;
            let Some((name, password)) = text.split_once(':') else {
                return Err(Error::Failed(format!("{}: expected NAME:PASSWORD", file.display())));
            };
            builder = builder.basic(name, password);
        }
        if let Some(file) = &self.token_file {
            builder = builder.bearer(secret(file)?);
        }
        Ok(builder.environment()?.build()?)
    }
}

/// Reads a secret: the first line of a file.
fn secret(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).map_err(|e| Error::file(file, e))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Error::Failed(format!("{}: the first line is empty; it must have the secret", file.display()))),
    }
}

impl SubjectVersion {
    /// Parses `SUBJECT`, `SUBJECT@VERSION` or `SUBJECT@latest`. Subjects may have an `@`, but not before a number.
    pub(crate) fn parse(text: &str) -> SubjectVersion {
        if let Some((subject, version)) = text.rsplit_once('@')
            && !subject.is_empty()
        {
            if version == "latest" {
                return SubjectVersion { subject: subject.to_owned(), version: None };
            }
            if let Ok(version) = version.parse() {
                return SubjectVersion { subject: subject.to_owned(), version: Some(version) };
            }
        }
        SubjectVersion { subject: text.to_owned(), version: None }
    }

    /// Looks up the version.
    pub(crate) async fn find(&self, client: &RegistryClient) -> Result<Arc<SchemaVersion>> {
        Ok(match self.version {
            Some(version) => client.version(&self.subject, version).await?,
            None => client.latest(&self.subject).await?,
        })
    }
}

impl Registered {
    /// Parses an id, a GUID, or what [`SubjectVersion::parse`] parses.
    pub(crate) fn parse(text: &str) -> Registered {
        if let Ok(id) = text.parse() {
            return Registered::Id(SchemaId::Number(id));
        }
        match guid(text) {
            Some(guid) => Registered::Id(SchemaId::Guid(guid)),
            None => Registered::Subject(SubjectVersion::parse(text)),
        }
    }
}

/// Parses a GUID: 32 hex digits in groups of 8, 4, 4, 4 and 12.
fn guid(text: &str) -> Option<[u8; 16]> {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    if lengths != [8, 4, 4, 4, 12] || !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return None;
    }
    Some(u128::from_str_radix(&text.replace('-', ""), 16).ok()?.to_be_bytes())
}

/// Returns the schema that `registry:SUBJECT[@VERSION]` names; `None` if the text is not of this form.
pub(crate) fn reader_schema(text: &str, reading: &AvroOptions) -> Option<Result<Schema>> {
    let subject = text.strip_prefix(PREFIX).filter(|_| !Path::new(text).exists())?;
    let find = async {
        let client = RegistryOptions::default().client(reading)?;
        let found = SubjectVersion::parse(subject).find(&client).await?;
        Ok(Schema::clone(&found.schema))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Some(runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(find)))
}

impl From<avro_registry::Error> for Error {
    fn from(e: avro_registry::Error) -> Self {
        Error::Failed(e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn registered_is_id_guid_or_subject() {
        let subject =
            |subject: &str, version| Registered::Subject(SubjectVersion { subject: subject.to_owned(), version });
        let guid = 0x1234_5678_9abc_def0_0102_0304_0506_0708_u128.to_be_bytes();
        let cases = [
            ("7", Registered::Id(SchemaId::Number(7))),
            ("12345678-9abc-def0-0102-030405060708", Registered::Id(SchemaId::Guid(guid))),
            ("orders-value", subject("orders-value", None)),
            ("orders-value@3", subject("orders-value", Some(3))),
            ("orders-value@latest", subject("orders-value", None)),
            ("7@latest", subject("7", None)),
            ("a@b", subject("a@b", None)),
            ("a@b@2", subject("a@b", Some(2))),
            ("@2", subject("@2", None)),
            ("a@-1", subject("a@-1", None)),
        ];
        check_all(cases, |(text, expected)| assert_eq!(Registered::parse(text), expected, "{text}"));
    }
}
