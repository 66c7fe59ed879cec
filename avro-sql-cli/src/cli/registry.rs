//! The arguments of `registry`. Secrets are in files or in the environment, as other users of a machine see arguments.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use avro_registry::{Reference, SubjectVersion};
use clap::{Args, ValueEnum};
use terminal_size::terminal_size;

use super::{FormatArgument, format_for};
use crate::commands::registry::{Registered, RegistryOptions};
use crate::commands::tools::{RegistryAction, RegistryTool, ToolTask};
use crate::error::{Error, Result};
use crate::output::Display;
use crate::terminal::colors;

#[derive(Args)]
pub(super) struct RegistryArguments {
    /// What to do
    #[arg(value_enum, value_name = "ACTION", hide_possible_values = true)]
    action: ActionArgument,
    /// Subject, with @VERSION if not the newest; for get also a schema's id or GUID
    #[arg(value_name = "SUBJECT")]
    subject: Option<String>,
    /// For register and compat: a schema file (.avsc), or an Avro file that has the schema
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// URL of the registry, or several of one registry (default: SCHEMA_REGISTRY_URL)
    #[arg(long, value_name = "URL,..")]
    registry: Option<String>,
    /// File with NAME:PASSWORD (default: SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO)
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    user_file: Option<PathBuf>,
    /// File with a bearer token (default: SCHEMA_REGISTRY_BEARER_AUTH_TOKEN)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authority that signed the registry's certificate, in PEM (default: those of the system)
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Certificate of this client, in PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate, in PEM (default: in the certificate's file)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// For register and compat: a type in another subject that the schema refers to; repeatable
    #[arg(long, value_name = "TYPE=SUBJECT@VERSION", value_parser = parse_reference)]
    reference: Vec<Reference>,
    /// For get: print the text as it was registered, without the types that it refers to
    #[arg(long)]
    raw: bool,
    /// Output format of lists (default: by the extension of -o, else table on a terminal and csv elsewhere)
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Write to this file, replaced only on success
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ActionArgument {
    /// List the subjects
    Subjects,
    /// List the versions of a subject
    Versions,
    /// Print a schema
    Get,
    /// Register a schema as the newest version of a subject
    Register,
    /// Ask whether a schema is compatible with a subject
    Compat,
}

impl RegistryArguments {
    /// What the arguments ask for.
    pub(super) fn task(self) -> Result<ToolTask> {
        let action = self.action;
        let name = action.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let sends = matches!(action, ActionArgument::Register | ActionArgument::Compat);
        let refused = [
            (self.subject.is_some() && action == ActionArgument::Subjects, "no subject"),
            (self.file.is_some() && !sends, "no file; use -o for an output"),
            (!self.reference.is_empty() && !sends, "no --reference"),
            (self.raw && action != ActionArgument::Get, "no --raw"),
            (self.output.is_some() && action == ActionArgument::Compat, "no --output"),
        ];
        if let Some((_, what)) = refused.iter().find(|(given, _)| *given) {
            return Err(Error::Usage(format!("registry {name} takes {what}")));
        }
        let subject = self.subject.unwrap_or_default();
        if subject.is_empty() && action != ActionArgument::Subjects {
            let or = if action == ActionArgument::Get { ", an id or a GUID" } else { "" };
            return Err(Error::Usage(format!("registry {name} needs a subject{or}")));
        }
        if sends && self.file.is_none() {
            return Err(Error::Usage(format!("registry {name} needs a subject and a schema file")));
        }
        let (file, references) = (self.file.unwrap_or_default(), self.reference);
        let is_get = action == ActionArgument::Get;
        let action = match action {
            ActionArgument::Subjects => RegistryAction::Subjects,
            ActionArgument::Versions => RegistryAction::Versions(subject),
            ActionArgument::Get => RegistryAction::Get { schema: Registered::parse(&subject), raw: self.raw },
            ActionArgument::Register => RegistryAction::Register { subject, file, references },
            ActionArgument::Compat => {
                RegistryAction::Compat { subject: SubjectVersion::parse(&subject), file, references }
            }
        };
        let on_terminal = self.output.is_none() && io::stdout().is_terminal();
        // A schema file may have any extension.
        let named = self.output.as_deref().filter(|_| !is_get);
        let format = format_for(self.format, named, on_terminal)?;
        let width = if on_terminal { terminal_size() } else { None };
        let max_width = width.map(|(width, _)| usize::from(width.0));
        Ok(ToolTask::Registry(RegistryTool {
            registry: RegistryOptions {
                urls: self.registry,
                user_file: self.user_file,
                token_file: self.token_file,
                ca: self.tls_ca,
                certificate: self.tls_cert,
                key: self.tls_key,
            },
            action,
            format,
            display: Display { max_width, colored: on_terminal && colors::enabled(), ..Display::default() },
            output: self.output.unwrap_or_else(|| PathBuf::from("-")),
        }))
    }
}

/// Parses `TYPE=SUBJECT@VERSION`.
fn parse_reference(text: &str) -> std::result::Result<Reference, String> {
    let expected = || "expected TYPE=SUBJECT@VERSION, such as shop.Item=items-value@2".to_owned();
    let (name, subject) = text.split_once('=').ok_or_else(expected)?;
    match SubjectVersion::parse(subject) {
        SubjectVersion { subject, version: Some(version) } if !name.is_empty() => {
            Ok(Reference { name: name.to_owned(), subject, version })
        }
        _ => Err(expected()),
    }
}
