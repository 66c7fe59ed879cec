//! `registry`: lists, prints, registers and compares the schemas of a schema registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use avro_arrow::schema::Schema;
use avro_datafusion::schema_text;
use avro_registry::{Reference, RegistryClient, SchemaVersion, SubjectVersion};

use super::Context;
use super::out::Out;
use super::schema::pretty;
use crate::commands::registry::{Registered, RegistryOptions};
use crate::commands::schema::schema_of;
use crate::error::{Error, Result, n_of};
use crate::output::{Display, Format, Writing};

/// What to ask a registry.
#[derive(Debug)]
pub(crate) struct RegistryTool {
    pub(crate) registry: RegistryOptions,
    pub(crate) action: RegistryAction,
    pub(crate) format: Format,
    pub(crate) display: Display,
    pub(crate) output: PathBuf,
}

/// An action on a registry.
#[derive(Debug)]
pub(crate) enum RegistryAction {
    /// List the subjects.
    Subjects,
    /// List the versions of a subject.
    Versions(String),
    /// Print a schema: whole, or as it was registered.
    Get { schema: Registered, raw: bool },
    /// Register the schema of a file.
    Register { subject: String, file: PathBuf, references: Vec<Reference> },
    /// Ask whether the schema of a file may be registered.
    Compat { subject: SubjectVersion, file: PathBuf, references: Vec<Reference> },
}

impl RegistryTool {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let client = self.registry.client(&context.reading)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.ask(&client, context))
    }

    async fn ask(&self, client: &RegistryClient, context: &Context) -> Result<()> {
        match &self.action {
            RegistryAction::Subjects => {
                let subjects = client.subjects().await?;
                self.rows([("subject", Arc::new(StringArray::from(subjects)) as ArrayRef)])
            }
            RegistryAction::Versions(subject) => {
                let mut found = vec![];
                for version in client.versions(subject).await? {
                    context.check()?;
                    found.push(client.version(subject, version).await?);
                }
                self.versions(&found)
            }
            RegistryAction::Get { schema, raw } => {
                let text = text(client, schema, *raw).await?;
                let mut out = Out::create(&self.output)?;
                out.put(text.as_bytes())?;
                out.commit()
            }
            RegistryAction::Register { subject, file, references } => {
                let text = to_send(file, references, context)?;
                let done = client.register(subject, &text, references).await?;
                self.rows([
                    ("subject", Arc::new(StringArray::from(vec![subject.as_str()])) as ArrayRef),
                    ("version", Arc::new(UInt32Array::from(vec![done.version])) as ArrayRef),
                    ("id", Arc::new(UInt64Array::from(vec![done.id])) as ArrayRef),
                ])
            }
            RegistryAction::Compat { subject: SubjectVersion { subject, version }, file, references } => {
                let text = to_send(file, references, context)?;
                let verdict = client.compatible(subject, *version, &text, references).await?;
                let mut out = Out::stdout();
                for message in &verdict.messages {
                    out.put(format!("{message}\n").as_bytes())?;
                }
                out.commit()?;
                if verdict.is_compatible {
                    return Ok(());
                }
                let level = client.compatibility_level(subject).await.map(|level| format!(" ({level})"));
                let level = level.unwrap_or_default();
                let reasons = match verdict.messages.len() {
                    0 => String::new(),
                    n => format!(": {}", n_of(n as u64, "reason")),
                };
                Err(Error::Failed(format!("{} is not compatible with {subject}{level}{reasons}", file.display())))
            }
        }
    }

    fn versions(&self, found: &[Arc<SchemaVersion>]) -> Result<()> {
        let name =
            |version: &SchemaVersion| version.schema.node(version.schema.root()).kind.name().map(ToString::to_string);
        let references = |version: &SchemaVersion| {
            let all = version.references.iter().map(|r| format!("{}@{}", r.subject, r.version));
            (!version.references.is_empty()).then(|| all.collect::<Vec<_>>().join(", "))
        };
        let texts = |of: &dyn Fn(&SchemaVersion) -> Option<String>| -> ArrayRef {
            Arc::new(found.iter().map(|version| of(version)).collect::<StringArray>())
        };
        self.rows([
            (
                "version",
                Arc::new(found.iter().map(|version| Some(version.version)).collect::<UInt32Array>()) as ArrayRef,
            ),
            ("id", Arc::new(found.iter().map(|version| Some(version.id)).collect::<UInt64Array>()) as ArrayRef),
            ("name", texts(&name)),
            ("fingerprint", texts(&|version| Some(format!("{:016x}", version.schema.rabin())))),
            ("references", texts(&references)),
        ])
    }

    /// Writes columns in the output format.
    fn rows<'n>(&self, columns: impl IntoIterator<Item = (&'n str, ArrayRef)>) -> Result<()> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?;
        let schema = batch.schema();
        let mut out = Out::create(&self.output)?;
        let mut output = match self.format {
            Format::Avro => self.format.to_file(Box::new(&mut out), &Writing::default()),
            format => format.output(&mut out, &self.display, &schema),
        };
        output.begin(&schema)?;
        output.batch(&batch)?;
        output.end()?;
        drop(output);
        out.commit()
    }
}

/// Returns the text of a schema.
async fn text(client: &RegistryClient, schema: &Registered, raw: bool) -> Result<String> {
    match schema {
        Registered::Subject(subject) => {
            let found = client.find(subject).await?;
            Ok(if raw { format!("{}\n", found.text) } else { pretty(found.schema.json()) })
        }
        Registered::Id(_) if raw => {
            Err(Error::Usage("registry get --raw needs a subject, such as orders-value@3".to_owned()))
        }
        Registered::Id(id) => match client.schema(*id).await? {
            Some(schema) => Ok(pretty(schema.json())),
            None => Err(Error::Failed(format!("{}: the registry has no {id}", client.address()))),
        },
    }
}

/// Returns the text of a file's schema for the registry. With references, types that they have may be missing in it.
fn to_send(file: &Path, references: &[Reference], context: &Context) -> Result<String> {
    if references.is_empty() {
        let schema: Schema = schema_of(file, &context.reading)?;
        context.check_written(&schema)?;
        return Ok(schema.json().to_owned());
    }
    let bytes = fs::read(file).map_err(|e| Error::file(file, e))?;
    let text = schema_text(&bytes).map_err(|e| Error::Failed(format!("{}: {e}", file.display())))?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Error::Failed(format!("{}: not the JSON text of a schema", file.display()))),
    }
}
