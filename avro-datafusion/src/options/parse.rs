//! Parses the values of options.

use crate::schema_file::{given_json, parse_schema, schema_text, split_type_name};
use avro_arrow::Limits;
use avro_arrow::schema::Schema;
use datafusion::common::{Result, plan_err};
use datafusion::error::DataFusionError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Parses an Avro schema from its text or from a local file, whose name may have the name of a type after `#`. `name`
/// is the name of the option.
pub(crate) fn schema(name: &str, text: &str, imports: &[PathBuf], limits: &Limits) -> Result<Schema> {
    let (file, type_name) = split_type_name(Path::new(text));
    let (json, path) = match given_json(text) {
        Some(json) => (json.into_owned(), None),
        None => match std::fs::read(&file).map_err(|e| e.to_string()).and_then(|bytes| schema_text(&bytes)) {
            Ok(json) => (json, Some(file.as_path())),
            Err(e) => {
                return plan_err!(
                    "option `{name}`: `{text}` is neither an Avro schema nor a readable schema file: {e}"
                );
            }
        },
    };
    let type_name = type_name.as_deref().filter(|_| path.is_some());
    let parsed = parse_schema(&json, path, imports, type_name, limits);
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

/// Parses the size of an option.
pub(crate) fn bytes(name: &str, value: &str) -> Result<u64> {
    match parse_bytes(value) {
        Ok(bytes) => Ok(bytes as u64),
        Err(e) => plan_err!("option `{name}`: expected a size such as 512M or 20G, found `{value}`: {e}"),
    }
}

/// Parses a size such as `512M`, `2G` or `2GiB` into bytes, by powers of 1024.
///
/// # Errors
/// The message says what is wrong with the text: no number, an unknown unit, less than a byte or more than 8192 TiB.
pub fn parse_bytes(text: &str) -> std::result::Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 1u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return Err(format!("unknown unit `{unit}`; use K, M, G or T")),
    };
    let number: f64 =
        number.parse().map_err(|_| "not a size; use a number with a unit, such as 512M or 2G".to_owned())?;
    let bytes = number * unit_bytes as f64;
    // 2^53 bytes is far beyond any memory, and the largest range that an f64 counts exactly.
    if bytes < 1.0 || bytes > (1u64 << 53) as f64 {
        return Err("a size must be between 1 byte and 8192 TiB".to_owned());
    }
    Ok(bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn parse_bytes_accepts_units() {
        let cases = [
            ("1", Some(1)),
            ("512M", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("2GiB", Some(2 << 30)),
            ("2gb", Some(2 << 30)),
            ("1.5K", Some(1536)),
            ("", None),
            ("0", None),
            ("-1", None),
            ("2X", None),
            ("G", None),
            ("999999999999T", None),
        ];
        check_all(cases, |(text, expected)| {
            assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        });
    }
}
