//! Schema registries: how the command finds one, and how it names what is in it.

use std::fs;
use std::path::{Path, PathBuf};

use avro_arrow::message::SchemaId;
use avro_arrow::schema::Schema;
use avro_datafusion::AvroOptions;
use avro_registry::{RegistryClient, SubjectVersion, Tls};

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

impl Registered {
    /// Parses an id, a GUID, or what [`SubjectVersion::parse`] parses.
    pub(crate) fn parse(text: &str) -> Registered {
        SchemaId::parse(text).map_or_else(|| Registered::Subject(SubjectVersion::parse(text)), Registered::Id)
    }
}

/// Returns the schema that `registry:SUBJECT[@VERSION]` names; `None` if the text is not of this form.
pub(crate) fn reader_schema(text: &str, reading: &AvroOptions) -> Option<Result<Schema>> {
    let subject = text.strip_prefix(PREFIX).filter(|_| !Path::new(text).exists())?;
    let find = async {
        let client = RegistryOptions::default().client(reading)?;
        let found = client.find(&SubjectVersion::parse(subject)).await?;
        Ok::<_, Error>(Schema::clone(&found.schema))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Some(runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(find)))
}

impl From<avro_registry::Error> for Error {
    fn from(e: avro_registry::Error) -> Self {
        Error::Failed(e.to_string())
    }
}
