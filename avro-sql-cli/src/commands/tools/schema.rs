//! `schema` and `compat`: files of data or of schemas in; a schema in one of its forms, or why one cannot read what another wrote, out.

use std::path::PathBuf;

use arrow::datatypes::{DataType, Field};
use avro_arrow::json::{Decoder, Form};
use avro_arrow::schema::Fingerprint;
use avro_arrow::{Options, Program, Severity, tagged};
use avro_datafusion::AvroOptions;

use super::Context;
use super::input::{Input, merged};
use super::out::Out;
use crate::error::{Error, Result, aside};
use crate::options::{Hash, SchemaForm};

/// Which schema to show.
#[derive(Debug)]
pub(crate) struct ShowSchema {
    pub(crate) inputs: Vec<PathBuf>,
    /// Is it the one that all files can be read as? Else there is one file.
    pub(crate) merged: bool,
    pub(crate) form: SchemaForm,
}

/// Whose schemas to compare: the reader's and the writer's.
#[derive(Debug)]
pub(crate) struct Compat {
    pub(crate) inputs: [PathBuf; 2],
}

impl ShowSchema {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let (schema, name) = if self.merged {
            let merged = merged(inputs, context)?;
            merged.fields.iter().for_each(|field| aside(&field.to_string()));
            (merged.schema, "the merged schema".to_owned())
        } else {
            let [input] = inputs else {
                let (n, first) = (inputs.len(), inputs.first().map(Input::name).unwrap_or_default());
                return Err(Error::Usage(format!(
                    "{n} files; --merged shows the schema of all of them, or name one: {first}"
                )));
            };
            (input.schema(&context.reading)?, input.name())
        };
        schema.hints().iter().for_each(|hint| aside(&format!("avro-sql: {name}: {hint}")));
        let text = match self.form {
            SchemaForm::Avro => pretty(schema.json()),
            SchemaForm::Arrow => {
                let AvroOptions {
                    strings,
                    enums,
                    unions,
                    pairs: logical_maps,
                    decimals,
                    short_decimals,
                    recursion_levels,
                    limits,
                    ..
                } = context.reading.describing();
                let options = Options::default()
                    .with_strings(strings)
                    .with_enums(enums)
                    .with_unions(unions)
                    .with_logical_maps(logical_maps)
                    .with_decimals(decimals)
                    .with_short_decimals(short_decimals)
                    .with_recursion_levels(recursion_levels)
                    .with_limits(limits);
                let program = Program::compile(&schema, &options).map_err(|e| e.in_file(name))?;
                let mut text = String::new();
                // Queries read tagged structs, which are unions to whoever asks.
                let dense = tagged::dense_schema(program.arrow_schema());
                for field in dense.as_ref().unwrap_or(program.arrow_schema()).fields() {
                    describe(field, 0, &mut text);
                }
                text
            }
            SchemaForm::Canonical => format!("{}\n", schema.canonical_form()),
            SchemaForm::Fingerprint(hash) => {
                let fingerprint = match hash {
                    Hash::Rabin => Fingerprint::Rabin(schema.rabin()),
                    Hash::Md5 => Fingerprint::Md5(schema.md5()),
                    Hash::Sha256 => Fingerprint::Sha256(schema.sha256()),
                };
                format!("{fingerprint}\n")
            }
        };
        let mut out = Out::stdout();
        out.put(text.as_bytes())?;
        out.commit()
    }
}

impl Compat {
    /// Prints why a reader cannot read what a writer wrote. That is a failure; nothing to say is none.
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let limits = context.limits();
        let [reader, writer] = inputs else {
            return Err(Error::Usage(format!("two files are needed, and here are {}", inputs.len())));
        };
        let (its, theirs) = (reader.schema(&context.reading)?, writer.schema(&context.reading)?);
        let mismatches = its.mismatches(&theirs, context.reading.field_match, limits)?;
        let mut out = Out::stdout();
        for mismatch in &mismatches {
            let some = if mismatch.severity == Severity::SomeValues { " (some values)" } else { "" };
            out.put(format!("{mismatch}{some}\n").as_bytes())?;
        }
        out.commit()?;
        let always = mismatches.iter().any(|mismatch| mismatch.severity == Severity::Always);
        if always && Decoder::resolving(&theirs, &its, Form::Avro, &context.reading.decoder(None, 1)).is_ok() {
            aside(
                "avro-sql: it is read here all the same, as names are overlooked where only two types can be meant, \
                 and decimals become ones of more digits; other readers need not do so",
            );
        }
        match mismatches.len() {
            0 => Ok(()),
            n => {
                let reasons = if n == 1 { "1 reason".to_owned() } else { format!("{n} reasons") };
                Err(Error::Failed(format!("{} cannot read {}: {reasons}", reader.name(), writer.name())))
            }
        }
    }
}

/// JSON with line breaks; text that is not JSON after all (numbers no `f64` can hold, say) as it is.
fn pretty(json: &str) -> String {
    let mut text = serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned());
    text.push('\n');
    text
}

/// One line for a field, `name: type`, and lines below for the fields inside it.
fn describe(field: &Field, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let kind = match field.data_type() {
        DataType::Struct(_) => "Struct".to_owned(),
        DataType::List(_) => "List".to_owned(),
        DataType::Map(_, _) => "Map".to_owned(),
        DataType::Union(_, mode) => format!("Union ({})", format!("{mode:?}").to_lowercase()),
        leaf => leaf.to_string(),
    };
    let null = if field.is_nullable() { "" } else { " not null" };
    text.push_str(&format!("{indent}{}: {kind}{null}\n", field.name()));
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|f| describe(f, depth + 1, text)),
        DataType::List(item) => describe(item, depth + 1, text),
        DataType::Map(entries, _) => {
            if let DataType::Struct(fields) = entries.data_type() {
                fields.iter().for_each(|f| describe(f, depth + 1, text));
            }
        }
        DataType::Union(fields, _) => fields.iter().for_each(|(_, f)| describe(f, depth + 1, text)),
        _ => {}
    }
}
