//! Parses the values of options.

use crate::schema_file::{parse_schema, schema_text};
use avro_arrow::Limits;
use avro_arrow::schema::Schema;
use datafusion::common::{Result, plan_err};
use datafusion::error::DataFusionError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Parses an Avro schema from its text or from a local file. `name` is the name of the option.
pub(crate) fn schema(name: &str, text: &str, imports: &[PathBuf], limits: &Limits) -> Result<Schema> {
    let (json, path) = match text.trim_start().starts_with(['{', '[', '"']) {
        true => (text.to_owned(), None),
        false => match std::fs::read(text).map_err(|e| e.to_string()).and_then(|bytes| schema_text(&bytes)) {
            Ok(json) => (json, Some(Path::new(text))),
            Err(e) => {
                return plan_err!(
                    "option `{name}`: `{text}` is neither an Avro schema nor a readable schema file: {e}"
                );
            }
        },
    };
    let parsed = parse_schema(&json, path, imports, limits);
    parsed.map_err(|e| DataFusionError::External(Box::new(e)).context(format!("option `{name}`")))
}

/// Returns the choice with this name, in any case.
pub(crate) fn choice<T: Clone>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T> {
    match choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)) {
        Some((_, choice)) => Ok(choice.clone()),
        None => {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            plan_err!("option `{name}`: expected {}, found `{value}`", words.join(" or "))
        }
    }
}

/// Parses a number.
pub(crate) fn number<T: FromStr>(name: &str, value: &str) -> Result<T> {
    match value.parse() {
        Ok(n) => Ok(n),
        Err(_) => plan_err!("option `{name}`: expected a number, found `{value}`"),
    }
}
