//! `idl` and `idl2schemata`: Avro IDL in; its protocol or schema, or a file for each of its types, out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use avro_arrow::idl::Printed;

use super::Context;
use super::input::Input;
use super::out::Out;
use crate::error::{Error, Result, n_of, print_note};

/// Maximum number of warnings that are printed one by one.
const WARNINGS_SHOWN: usize = 10;

/// The IDL, and the file of its JSON.
#[derive(Debug)]
pub(crate) struct Idl {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
}

/// The IDL, and the directory of the schema files.
#[derive(Debug)]
pub(crate) struct Schemata {
    pub(crate) input: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Idl {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let document = input.document(&context.reading)?;
        warn(document.warnings().iter().map(String::as_str));
        put(&document.json()?, &self.output)
    }
}

impl Schemata {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let document = input.document(&context.reading)?;
        warn(document.warnings().iter().map(String::as_str));
        // File systems may ignore case.
        let mut n_of_simple: HashMap<String, usize> = HashMap::new();
        document.names().for_each(|full| *n_of_simple.entry(simple(full).to_lowercase()).or_default() += 1);
        std::fs::create_dir_all(&self.directory).map_err(|e| Error::file(&self.directory, e))?;
        let mut n_files = 0;
        for full in document.names() {
            let is_unique = n_of_simple.get(&simple(full).to_lowercase()) == Some(&1);
            let name = if is_unique { simple(full) } else { full };
            put(&document.schema(Some(full))?, &self.directory.join(format!("{name}.avsc")))?;
            n_files += 1;
        }
        let files = n_of(n_files, "schema file");
        print_note(&format!("avro-sql: wrote {files} to {}", self.directory.display()));
        Ok(())
    }
}

/// Returns IDL that was printed, with a warning for each thing that it leaves out.
pub(super) fn text_of(printed: Printed) -> String {
    let omitted: Vec<_> =
        printed.omitted.iter().map(|what| format!("left out {what}, which IDL cannot express")).collect();
    warn(omitted.iter().map(String::as_str));
    printed.text
}

/// Prints warnings, of many only the first.
fn warn<'w>(warnings: impl ExactSizeIterator<Item = &'w str>) {
    let more = warnings.len().saturating_sub(WARNINGS_SHOWN);
    warnings.take(WARNINGS_SHOWN).for_each(|warning| print_note(&format!("avro-sql: warning: {warning}")));
    if more > 0 {
        print_note(&format!("avro-sql: warning: and {}", n_of(more as u64, "more warning")));
    }
}

/// Writes indented JSON.
fn put(json: &serde_json::Value, path: &Path) -> Result<()> {
    let mut out = Out::create(path)?;
    out.put(format!("{json:#}\n").as_bytes())?;
    out.commit()
}

fn simple(full: &str) -> &str {
    full.rsplit('.').next().unwrap_or(full)
}
