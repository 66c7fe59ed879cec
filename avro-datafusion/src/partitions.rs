//! Hive partitions: directories named `key=value` in, columns and their values per file out.

use crate::location::Location;
use crate::options::Partitions;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::datasource::physical_plan::wrap_partition_type_in_dict;
use object_store::path::Path;
use std::sync::Arc;

/// Hive's value for a null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The partition columns of these files. Where a file has a column of the same name itself, that one is the table's.
pub(crate) fn columns<'a>(
    wanted: &Partitions,
    files: impl IntoIterator<Item = (&'a Location, &'a Path)>,
    given: Option<&Schema>,
) -> Vec<FieldRef> {
    let names: Vec<String> = match wanted {
        Partitions::Ignore => vec![],
        Partitions::Named(names) => names.clone(),
        Partitions::Infer => common_keys(files),
    };
    let field = |name: String| match given.and_then(|schema| schema.fields().find(&name)) {
        Some((_, field)) => Arc::clone(field),
        None => Arc::new(Field::new(name, wrap_partition_type_in_dict(DataType::Utf8), true)),
    };
    names.into_iter().map(field).collect()
}

/// The keys that all files are under, in order; none where they differ.
fn common_keys<'a>(files: impl IntoIterator<Item = (&'a Location, &'a Path)>) -> Vec<String> {
    let mut common: Option<Vec<&str>> = None;
    for (location, file) in files {
        let keys: Vec<&str> = pairs(location, file).into_iter().map(|(key, _)| key).collect();
        match &common {
            None => common = Some(keys),
            Some(first) if *first == keys => {}
            Some(_) => return vec![],
        }
    }
    let keys = common.unwrap_or_default();
    let repeated = keys.iter().enumerate().any(|(i, key)| keys.iter().take(i).any(|earlier| earlier == key));
    if repeated { vec![] } else { keys.into_iter().map(str::to_owned).collect() }
}

/// The values of the partition columns for this file.
pub(crate) fn values(columns: &[FieldRef], location: &Location, file: &Path) -> Result<Vec<ScalarValue>> {
    if columns.is_empty() {
        return Ok(vec![]);
    }
    let pairs = pairs(location, file);
    let value = |column: &FieldRef| match pairs.iter().find(|(key, _)| key == column.name()) {
        None => plan_err!("{file} is not in a directory `{}=..` below {}", column.name(), location.text()),
        Some((_, NULL)) => ScalarValue::try_from(column.data_type()),
        Some((_, value)) => ScalarValue::try_from_string(percent_decode(value), column.data_type()),
    };
    columns.iter().map(value).collect()
}

/// The directories of the form `key=value` between the location and the file.
fn pairs<'a>(location: &'a Location, file: &'a Path) -> Vec<(&'a str, &'a str)> {
    let mut parts = location.below(file);
    parts.pop();
    parts.into_iter().filter_map(|part| part.split_once('=')).filter(|(key, _)| !key.is_empty()).collect()
}

/// Hive escapes what cannot stand in a directory's name. What does not decode to text stays as it is.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = match after {
            [high, low, ..] if first == b'%' => {
                hex_digit(*high).zip(hex_digit(*low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        bytes.push(hex.unwrap_or(first));
        rest = if hex.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding() {
        for (text, expected) in [
            ("2024-01-01", "2024-01-01"),
            ("12%3A30%3a00", "12:30:00"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%+a", "%+a"),
            ("%ff", "%ff"),
            ("a%2Fb%25", "a/b%"),
            ("", ""),
        ] {
            assert_eq!(percent_decode(text), expected, "{text}");
        }
    }
}
