//! JSON in text or bytes: DuckDB's functions and operators.
//!
//! JSON is text here: `x -> 'a'` returns JSON as text, `x ->> 'a'` the value as text. The crate
//! `datafusion-functions-json` was not used: it returns unions, rounds large numbers, and reads no paths.
//!
//! As in DuckDB, text that is not JSON is an error; numbers keep their digits and keys their order; of equal keys the
//! first counts.

pub(super) mod casts;
mod document;
mod each;
mod from_json;
#[cfg(feature = "sql")]
pub(super) mod operators;
mod path;
mod to_json;

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{Expr, lit, try_cast};

use self::document::{Document, Documents, coerced};
use self::path::{Path, items, members};
use super::function::{Arguments, Body, Cached, Call, Definition, Kernel, wrong};
use super::regex::text_list;
use super::types::{is_text, literal_text};

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "json_extract",
        aliases: &["json_extract_path", "json_get_json"],
        usage: "json_extract(json, path)",
        about: "The JSON at a path, as json -> path. A path with * returns a list.",
        example: "json_extract('{\"a\": [1, {\"b\": 2}]}', '$.a[1]')",
        n_args: 2..=2,
        body: Body::Kernel(Kernel {
            coerce: at_path,
            returns: |types, literals| Ok(extracted(types, literals)),
            call: |a| extract(a, false),
        }),
    },
    Definition {
        name: "json_extract_string",
        aliases: &["json_extract_text", "json_extract_path_text", "json_get_str"],
        usage: "json_extract_string(json, path)",
        about: "The value at a path as text, as json ->> path. A path with * returns a list.",
        example: "json_extract_string('{\"a\": {\"b\": \"x\"}}', '$.a.b')",
        n_args: 2..=2,
        body: Body::Kernel(Kernel {
            coerce: at_path,
            returns: |types, literals| Ok(extracted(types, literals)),
            call: |a| extract(a, true),
        }),
    },
    Definition {
        name: "json_value",
        aliases: &[],
        usage: "json_value(json, path)",
        about: "The JSON at a path, or null for an object or an array.",
        example: "json_value('{\"a\": 1}', 'a')",
        n_args: 2..=2,
        body: Body::Kernel(Kernel {
            coerce: at_path,
            returns: |_, _| Ok(DataType::Utf8),
            call: |a| {
                texts(a, |document, place| match document.type_name(place) {
                    "OBJECT" | "ARRAY" => None,
                    _ => Some(document.json(place)),
                })
            },
        }),
    },
    Definition {
        name: "json_type",
        aliases: &[],
        usage: "json_type(json, path)",
        about: "The type of JSON, or of the value at a path.",
        example: "json_type('{\"a\": [1]}', 'a')",
        n_args: 1..=2,
        body: Body::Kernel(Kernel {
            coerce: at_path,
            returns: |_, _| Ok(DataType::Utf8),
            call: |a| texts(a, |document, place| Some(document.type_name(place).to_owned())),
        }),
    },
    Definition {
        name: "json_keys",
        aliases: &["json_object_keys"],
        usage: "json_keys(json, path)",
        about: "The keys of an object, or of the one at a path.",
        example: "json_keys('{\"b\": 1, \"a\": 2}')",
        n_args: 1..=2,
        body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(text_list()), call: keys }),
    },
    Definition {
        name: "json_array_length",
        aliases: &["json_length"],
        usage: "json_array_length(json, path)",
        about: "The number of items of an array, or of the one at a path; 0 for other values.",
        example: "json_array_length('[1, 2, 3]')",
        n_args: 1..=2,
        body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(DataType::Int64), call: lengths }),
    },
    Definition {
        name: "json_valid",
        aliases: &[],
        usage: "json_valid(x)",
        about: "Whether text or bytes are JSON.",
        example: "json_valid('{\"a\": 1')",
        n_args: 1..=1,
        body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(DataType::Boolean), call: valid }),
    },
    Definition {
        name: "json_exists",
        aliases: &[],
        usage: "json_exists(json, path)",
        about: "Whether there is a value at a path.",
        example: "json_exists('{\"a\": null}', 'a')",
        n_args: 2..=2,
        body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(DataType::Boolean), call: exists }),
    },
    Definition {
        name: "json_contains",
        aliases: &[],
        usage: "json_contains(json, part)",
        about: "Whether JSON contains other JSON: an equal value, or an object with these members, at any depth.",
        example: "json_contains('{\"a\": [1, 2]}', '2')",
        n_args: 2..=2,
        body: Body::Kernel(Kernel {
            coerce: |types| types.iter().map(|data_type| coerced("json_contains", data_type)).collect(),
            returns: |_, _| Ok(DataType::Boolean),
            call: contained,
        }),
    },
    Definition {
        name: "json_get_int",
        aliases: &[],
        usage: "json_get_int(json, path)",
        about: "The integer at a path; null for other values.",
        example: "json_get_int('{\"a\": 7}', 'a')",
        n_args: 2..=2,
        body: Body::Expr(|call| typed(call, DataType::Int64)),
    },
    Definition {
        name: "json_get_float",
        aliases: &[],
        usage: "json_get_float(json, path)",
        about: "The number at a path; null for other values.",
        example: "json_get_float('{\"a\": 7.5}', 'a')",
        n_args: 2..=2,
        body: Body::Expr(|call| typed(call, DataType::Float64)),
    },
    Definition {
        name: "json_get_bool",
        aliases: &[],
        usage: "json_get_bool(json, path)",
        about: "The boolean at a path; null for other values.",
        example: "json_get_bool('{\"a\": true}', 'a')",
        n_args: 2..=2,
        body: Body::Expr(|call| typed(call, DataType::Boolean)),
    },
    Definition {
        name: "json_get_array",
        aliases: &["json_items"],
        usage: "json_items(json)",
        about: "The items of an array as a list of JSON; unnest(json_items(x)) makes rows of them.",
        example: "json_items('[1, {\"a\": 2}]')",
        n_args: 1..=2,
        body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(text_list()), call: json_items }),
    },
    Definition {
        name: "json",
        aliases: &["json_minify"],
        usage: "json(x)",
        about: "JSON without spaces; an error for other text.",
        example: "json('{ \"a\" : 1 }')",
        n_args: 1..=1,
        body: Body::Kernel(Kernel {
            coerce: at_path,
            returns: |_, _| Ok(DataType::Utf8),
            call: |a| texts(a, |document, place| Some(document.json(place))),
        }),
    },
    each::EACH,
    each::TREE,
    to_json::TO_JSON,
    from_json::FROM_JSON,
];

/// The types of JSON and a path.
fn at_path(types: &[DataType]) -> Result<Vec<DataType>> {
    let Some(json) = types.first() else { return plan_err!("a JSON function has no arguments") };
    let mut coerced = vec![coerced("a JSON function", json)?];
    coerced.extend(types.get(1).map(path_type).transpose()?);
    Ok(coerced)
}

fn path_type(path: &DataType) -> Result<DataType> {
    Ok(match path {
        text if is_text(text) || text.is_null() => literal_text(text),
        number if number.is_integer() => DataType::Int64,
        DataType::List(item) if is_text(item.data_type()) => text_list(),
        other => {
            return Err(wrong("a JSON function", "a path as text, a list of paths, or the number of an item", other));
        }
    })
}

/// The type of the result: a list for several paths, and for a path with `*`.
fn extracted(types: &[DataType], literals: &[Option<&ScalarValue>]) -> DataType {
    if let Some(DataType::List(_)) = types.get(1) {
        return text_list();
    }
    match literals.get(1).copied().flatten() {
        Some(path) => match path.try_as_str().flatten().map(Path::parse) {
            Some(Ok(path)) if path.is_of_many() => text_list(),
            _ => DataType::Utf8,
        },
        None => DataType::Utf8,
    }
}

/// Returns paths as text of one type, or as numbers.
fn path_array(arguments: &Arguments) -> Result<ArrayRef> {
    let array = arguments.array(1)?;
    Ok(if is_text(array.data_type()) { cast(&array, &DataType::Utf8View)? } else { array })
}

/// The paths of an argument.
struct PathArgument {
    array: Option<ArrayRef>,
    is_one: bool,
    cache: Cached<Path>,
}

impl PathArgument {
    fn new(arguments: &Arguments) -> Result<PathArgument> {
        let array = (arguments.len() > 1).then(|| path_array(arguments)).transpose()?;
        Ok(PathArgument { array, is_one: arguments.is_literal(1), cache: Cached::new() })
    }

    /// Returns the path of a row, the root without an argument, or `None` for null.
    fn get(&mut self, row: usize) -> Result<Option<&Path>> {
        let Some(array) = &self.array else { return self.cache.get("$", Path::parse).map(Some) };
        let row = if self.is_one { 0 } else { row };
        if array.is_null(row) {
            return Ok(None);
        }
        match array.data_type() {
            DataType::Int64 => {
                let number = array.as_primitive::<Int64Type>().value(row);
                self.cache.get(&number.to_string(), |_| Ok(Path::item(number))).map(Some)
            }
            DataType::Utf8View => self.cache.get(array.as_string_view().value(row), Path::parse).map(Some),
            other => exec_err!("a path is text or a number, not {other}"),
        }
    }
}

/// Returns one text for each row, of the first value at its path.
fn texts(arguments: &Arguments, of: impl Fn(&Document, usize) -> Option<String>) -> Result<ArrayRef> {
    let (mut documents, mut paths) = (Documents::new(arguments, 0)?, PathArgument::new(arguments)?);
    let mut out = StringBuilder::new();
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        let document = documents.get(row)?;
        let found = document.zip(path).and_then(|(document, path)| of(&document, document.first(path)?));
        out.append_option(found);
    }
    Ok(Arc::new(out.finish()))
}

fn extract(arguments: &Arguments, as_text: bool) -> Result<ArrayRef> {
    let of = |document: &Document, place| if as_text { document.string(place) } else { Some(document.json(place)) };
    if !matches!(arguments.returns, DataType::List(_)) {
        let paths = path_array(arguments)?;
        if !arguments.is_literal(1) && paths.data_type() == &DataType::Utf8View {
            let many = |path: &str| path.contains('*') && Path::parse(path).is_ok_and(|path| path.is_of_many());
            if let Some(path) = paths.as_string_view().iter().flatten().find(|path| many(path)) {
                return exec_err!("the path '{path}' must be a literal: a path with * returns a list");
            }
        }
        return texts(arguments, of);
    }
    let mut documents = Documents::new(arguments, 0)?;
    let mut out = ListBuilder::new(StringBuilder::new());
    let path = path_array(arguments)?;
    if !arguments.is_literal(1) {
        return exec_err!("a list of paths must be a literal");
    }
    let several = path.as_list_opt::<i32>().map(|lists| lists.value(0));
    let parsed = |path: Option<&str>| path.map(Path::parse).transpose();
    let paths: Vec<Option<Path>> = match &several {
        Some(several) => several.as_string::<i32>().iter().map(parsed).collect::<Result<_>>()?,
        None => path.as_string_view().iter().map(parsed).collect::<Result<_>>()?,
    };
    for row in 0..arguments.rows {
        let Some(document) = documents.get(row)? else {
            out.append(false);
            continue;
        };
        for path in &paths {
            let Some(path) = path else {
                out.values().append_null();
                continue;
            };
            if several.is_some() {
                out.values().append_option(document.first(path).and_then(|place| of(&document, place)));
            } else {
                let places = path.find(document.tape, document.text);
                places.into_iter().for_each(|place| out.values().append_option(of(&document, place)));
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn typed(call: &Call, to: DataType) -> Result<Expr> {
    let text = call.of("json_extract_string", vec![call.arg(0), call.arg(1)])?;
    if to != DataType::Boolean {
        return Ok(try_cast(text, to));
    }
    // Casts would take 't' and '1' too.
    let is = |word: &str| text.clone().eq(lit(word));
    datafusion::logical_expr::when(is("true"), lit(true)).when(is("false"), lit(false)).end()
}

fn keys(arguments: &Arguments) -> Result<ArrayRef> {
    let (mut documents, mut paths) = (Documents::new(arguments, 0)?, PathArgument::new(arguments)?);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        match documents.get(row)?.zip(path).and_then(|(document, path)| Some((document.first(path)?, document))) {
            None => out.append(false),
            Some((place, document)) => {
                members(document.tape, place)
                    .for_each(|key| out.values().append_value(document.tape.text(document.text, key)));
                out.append(true);
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

fn json_items(arguments: &Arguments) -> Result<ArrayRef> {
    let (mut documents, mut paths) = (Documents::new(arguments, 0)?, PathArgument::new(arguments)?);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        match documents.get(row)?.zip(path).and_then(|(document, path)| Some((document.first(path)?, document))) {
            Some((place, document)) if document.type_name(place) == "ARRAY" => {
                items(document.tape, place).for_each(|item| out.values().append_value(document.json(item)));
                out.append(true);
            }
            _ => out.append(false),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn lengths(arguments: &Arguments) -> Result<ArrayRef> {
    let (mut documents, mut paths) = (Documents::new(arguments, 0)?, PathArgument::new(arguments)?);
    let mut out = Int64Builder::new();
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        let length = documents.get(row)?.zip(path).and_then(|(document, path)| {
            let place = document.first(path)?;
            i64::try_from(items(document.tape, place).count()).ok()
        });
        out.append_option(length);
    }
    Ok(Arc::new(out.finish()))
}

fn valid(arguments: &Arguments) -> Result<ArrayRef> {
    let mut documents = Documents::new(arguments, 0)?;
    let mut out = BooleanBuilder::new();
    (0..arguments.rows).for_each(|row| out.append_option(documents.is_valid(row)));
    Ok(Arc::new(out.finish()))
}

fn exists(arguments: &Arguments) -> Result<ArrayRef> {
    let (mut documents, mut paths) = (Documents::new(arguments, 0)?, PathArgument::new(arguments)?);
    let mut out = BooleanBuilder::new();
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        out.append_option(documents.get(row)?.zip(path).map(|(document, path)| document.first(path).is_some()));
    }
    Ok(Arc::new(out.finish()))
}

/// The nesting of a part of JSON beyond which `json_contains` is an error.
const DEPTH_MAX: usize = 200;

fn contained(arguments: &Arguments) -> Result<ArrayRef> {
    let (mut documents, mut parts) = (Documents::new(arguments, 0)?, Documents::new(arguments, 1)?);
    let mut out = BooleanBuilder::new();
    for row in 0..arguments.rows {
        let Some((document, part)) = documents.get(row)?.zip(parts.get(row)?) else {
            out.append_null();
            continue;
        };
        if part.depth() > DEPTH_MAX {
            return exec_err!("json_contains: the part has more than {DEPTH_MAX} levels");
        }
        // A part may be in any value of the document.
        out.append_value(document.values().any(|place| contains(&document, place, &part, 0)));
    }
    Ok(Arc::new(out.finish()))
}

/// Whether a value equals a part: the items of an array may be among others, and so may the members of an object.
fn contains(document: &Document, place: usize, part: &Document, at: usize) -> bool {
    match (document.type_name(place), part.type_name(at)) {
        ("OBJECT", "OBJECT") => members(part.tape, at).all(|key| {
            let name = part.tape.text(part.text, key);
            members(document.tape, place)
                .any(|own| document.tape.text(document.text, own) == name && contains(document, own + 1, part, key + 1))
        }),
        ("ARRAY", "ARRAY") => {
            items(part.tape, at).all(|item| items(document.tape, place).any(|own| contains(document, own, part, item)))
        }
        ("OBJECT" | "ARRAY", _) | (_, "OBJECT" | "ARRAY") => false,
        _ => document.json(place) == part.json(at),
    }
}
