//! Hints: turns a planning error into one line that names the nearest existing column, table or function.

use std::collections::BTreeSet;
use std::path::Path;

use avro_datafusion::compat::unions;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use super::synonyms;
use crate::error::Error;
use crate::error::nearby::{instead, nearby, nearest};
use crate::sql::rewrite::is_keyword;

/// Returns the error, with a hint if there is one.
pub(crate) fn explain(e: DataFusionError, context: &SessionContext) -> Error {
    if let DataFusionError::SchemaError(schema, _) = e.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref()
    {
        return Error::Failed(no_column(field, valid_fields));
    }
    if let Some(words) = unions::explain(&e.strip_backtrace()) {
        return Error::Failed(words);
    }
    let error = Error::from(e);
    let Error::Failed(text) = &error else { return error };
    let quoted = |before: &str, after: &str| Some(text.strip_prefix(before)?.split_once(after)?.0.to_owned());
    let hint = if let Some(name) = quoted("table '", "' not found") {
        if is_missing_path(&name) {
            return Error::Failed(no_file(&name));
        }
        no_table(&name, context)
    } else if let Some(path) = text.strip_prefix("no such file or directory: ") {
        return Error::Failed(no_file(path));
    } else if let Some(name) = quoted("Invalid function '", "'") {
        return Error::Failed(no_function(&name, context));
    } else if let Some(name) = quoted("Field ", " not found in struct") {
        return Error::Failed(format!("there is no field `{name}` in the record"));
    } else if let Some(word) = text.split_once(", found `").and_then(|(_, found)| found.split('`').next())
        && is_keyword(word)
    {
        Some(format!("to use it as a name, write it in double quotes: \"{word}\""))
    } else if text.contains("LATERAL syntax is not supported") {
        let what = "the right side of a RIGHT or FULL JOIN cannot refer to the left side; use LEFT JOIN";
        return Error::Failed(what.to_owned());
    } else if text.contains("OuterReferenceColumn(") {
        let what = "not supported: this form of correlated subquery; rewrite it as a join or with UNNEST in FROM";
        return Error::Failed(what.to_owned());
    } else if text.contains("Dot access not supported") {
        return Error::Failed("expected a field name after the dot; items of lists are items[1]".to_owned());
    } else {
        None
    };
    match hint {
        Some(hint) => Error::Failed(format!("{}; {hint}", text.trim_end_matches('.'))),
        None => error,
    }
}

fn no_column(field: &Column, valid: &[Column]) -> String {
    let name = |column: &Column| match &field.relation {
        Some(_) => column.flat_name(),
        None => column.name.clone(),
    };
    let wanted = name(field);
    let mut there: Vec<String> = valid.iter().map(name).collect();
    let mut seen = BTreeSet::new();
    there.retain(|name| seen.insert(name.clone()));
    let what = format!("there is no column `{wanted}`");
    let is_cased = |c: &&Column| c.name != field.name && c.name.eq_ignore_ascii_case(&field.name);
    let cased: BTreeSet<_> = valid.iter().filter(is_cased).map(|column| column.name.as_str()).collect();
    match cased.into_iter().collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] => return format!("{what}, but `{one}`; names in double quotes are case-sensitive"),
        [first, others @ ..] => {
            return format!(
                "{what}, but `{first}` and `{}`; choose one with double quotes: \"{first}\"",
                others.join("`, `")
            );
        }
    }
    format!(
        "{what}; {}",
        instead(&wanted, &there.iter().map(String::as_str).collect::<Vec<_>>(), "no table here has columns")
    )
}

/// Extensions of names that are paths rather than tables.
const EXTENSIONS: [&str; 15] = [
    "avro", "parquet", "csv", "tsv", "tab", "json", "ndjson", "jsonl", "arrow", "arrows", "feather", "gz", "zst",
    "bz2", "xz",
];

/// Whether a name is that of a file or directory that does not exist.
fn is_missing_path(name: &str) -> bool {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_path = name.contains(['/', '*']) || EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension));
    is_path && !name.contains("://") && !path.exists()
}

/// Returns the error of a missing file, with the nearest name.
fn no_file(name: &str) -> String {
    let what = match name {
        name if name.contains('*') => "no files match",
        name if name.ends_with('/') => "no such directory:",
        _ => "no such file:",
    };
    let near = nearby(Path::new(name)).map(|near| format!("; did you mean '{}'?", near.display()));
    format!("{what} {name}{}", near.unwrap_or_default())
}

fn no_table(name: &str, context: &SessionContext) -> Option<String> {
    // `FROM people.avro` without quotes is the table `avro` of the schema `people`.
    let path = Path::new(name);
    if path.is_dir() {
        return Some("it is a directory without data files".to_owned());
    }
    if path.is_file() {
        return Some(match path.extension() {
            Some(_) => format!("write paths in quotes: FROM '{name}'"),
            None => "the file is not Avro, and its name has no known extension".to_owned(),
        });
    }
    let state = context.state();
    let usual = &state.config_options().catalog;
    let schema = context.catalog(&usual.default_catalog).and_then(|catalog| catalog.schema(&usual.default_schema));
    let tables = schema.map(|schema| schema.table_names()).unwrap_or_default();
    if let Some(near) = nearest(name, tables.iter().map(String::as_str)) {
        return Some(format!("did you mean `{near}`?"));
    }
    nearby(path).map(|near| format!("did you mean the file '{}'?", near.display()))
}

fn no_function(name: &str, context: &SessionContext) -> String {
    let state = context.state();
    if state.window_functions().contains_key(&name.to_lowercase()) {
        return format!("{name} is a window function: write {name}(..) OVER (..)");
    }
    if let Some(instead) = synonyms::instead_of(name) {
        return format!("there is no function `{name}`; {instead}");
    }
    let functions = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    let functions = functions.chain(state.higher_order_functions().keys());
    let functions = functions.chain(state.window_functions().keys()).map(String::as_str);
    // Sorted, so that the choice among equally near names does not depend on a hash.
    let mut functions: Vec<_> = functions.collect();
    functions.sort_unstable();
    match nearest(name, functions.into_iter()) {
        Some(near) => format!("there is no function `{name}`; did you mean `{near}`?"),
        None => format!("there is no function `{name}`; \\df at the prompt lists them"),
    }
}
