//! `schema` and `compat`: print a schema in one of its forms, or why one schema cannot read another.

use std::path::PathBuf;

use arrow::datatypes::{DataType, Field};
use avro_arrow::idl::Document;
use avro_arrow::json::{Decoder, Form};
use avro_arrow::schema::Fingerprint;
use avro_arrow::{Options, Program, Severity, tagged};
use avro_datafusion::AvroOptions;

use super::Context;
use super::idl;
use super::input::{Input, merged};
use super::out::Out;
use crate::error::{Error, Result, print_note};
use crate::options::{Hash, SchemaForm};

/// The schema to print.
#[derive(Debug)]
pub(crate) struct ShowSchema {
    pub(crate) inputs: Vec<PathBuf>,
    /// Whether to print one schema for all files. Otherwise there is one file.
    pub(crate) merged: bool,
    pub(crate) form: SchemaForm,
    pub(crate) output: PathBuf,
}

/// The two schemas to compare: the reader's, then the writer's.
#[derive(Debug)]
pub(crate) struct Compat {
    pub(crate) inputs: [PathBuf; 2],
}

impl ShowSchema {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        if let (SchemaForm::Idl, false, [input]) = (self.form, self.merged, inputs) {
            let printed = input.document(&context.reading)?.to_idl().map_err(|e| input.failed(e))?;
            return self.put(&idl::text_of(printed));
        }
        let (schema, name) = if self.merged {
            let merged = merged(inputs, context)?;
            merged.fields.iter().for_each(|field| print_note(&field.to_string()));
            (merged.schema, "the merged schema".to_owned())
        } else {
            let [input] = inputs else {
                let (n, first) = (inputs.len(), inputs.first().map(Input::name).unwrap_or_default());
                return Err(Error::Usage(format!(
                    "{n} files; use --merged for the schema of all, or name one: {first}"
                )));
            };
            (input.schema(&context.reading)?, input.name())
        };
        schema.hints().iter().for_each(|hint| print_note(&format!("avro-sql: {name}: {hint}")));
        let text = match self.form {
            SchemaForm::Avro => pretty(schema.json()),
            SchemaForm::Arrow => {
                let AvroOptions {
                    strings,
                    enums,
                    unions,
                    logical_maps,
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
                // Queries read unions as tagged structs; show them as unions.
                let dense = tagged::dense_schema(program.arrow_schema());
                for field in dense.as_ref().unwrap_or(program.arrow_schema()).fields() {
                    describe(field, 0, &mut text);
                }
                text
            }
            SchemaForm::Canonical => format!("{}\n", schema.canonical_form()),
            SchemaForm::Idl => idl::text_of(Document::from_schema(&schema, context.limits())?.to_idl()?),
            SchemaForm::Fingerprint(hash) => {
                let fingerprint = match hash {
                    Hash::Rabin => Fingerprint::Rabin(schema.rabin()),
                    Hash::Md5 => Fingerprint::Md5(schema.md5()),
                    Hash::Sha256 => Fingerprint::Sha256(schema.sha256()),
                };
                format!("{fingerprint}\n")
            }
        };
        self.put(&text)
    }

    fn put(&self, text: &str) -> Result<()> {
        let mut out = Out::create(&self.output)?;
        out.put(text.as_bytes())?;
        out.commit()
    }
}

impl Compat {
    /// Prints why a reader cannot read a writer's data. Any reason is a failure.
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let limits = context.limits();
        let [reader, writer] = inputs else {
            return Err(Error::Usage(format!("expected two files, found {}", inputs.len())));
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
            print_note(
                "avro-sql: note: avro-sql can read it: it ignores type names where only one type can match, \
                 and widens decimals; other readers may not",
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

/// Indents JSON; returns text that is not JSON (such as numbers beyond `f64`) unchanged.
pub(super) fn pretty(json: &str) -> String {
    let mut text = serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned());
    text.push('\n');
    text
}

/// Appends a line `name: type` for a field, and lines for the fields inside it.
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
