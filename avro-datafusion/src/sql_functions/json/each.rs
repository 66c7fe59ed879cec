//! `json_each` and `json_tree`: the values in a document, as rows.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder, UInt64Builder};
use arrow_array::{ArrayRef, builder::ArrayBuilder};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use avro_arrow::json::Token;
use datafusion::common::{Result, internal_err};

use super::document::{Document, Documents};
use super::path::{items, members, to_member};
use super::{PathArgument, at_path};
use crate::compat::json_field;
use crate::sql_functions::function::{Arguments, Body, Definition, Kernel};

pub(super) const EACH: Definition = Definition {
    name: "json_each",
    aliases: &[],
    usage: "json_each(json, path)",
    about: "The items of an array or members of an object, as a list of records. FROM t, json_each(t.x) has a row for each.",
    example: "json_each('[10, 20]')[1].value",
    n_args: 1..=2,
    body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(rows_type()), call: |a| rows(a, false) }),
};

pub(super) const TREE: Definition = Definition {
    name: "json_tree",
    aliases: &[],
    usage: "json_tree(json, path)",
    about: "All values within JSON, itself first, as a list of records. FROM t, json_tree(t.x) has a row for each.",
    example: "json_tree('{\"a\": [true]}')[3].fullkey",
    n_args: 1..=2,
    body: Body::Kernel(Kernel { coerce: at_path, returns: |_, _| Ok(rows_type()), call: |a| rows(a, true) }),
};

/// The fields of a row, as DuckDB and SQLite name them.
static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::UInt64, true);
    Fields::from(vec![
        text("key"),
        json_field("value", true),
        text("type"),
        json_field("atom", true),
        number("id"),
        number("parent"),
        text("fullkey"),
        text("path"),
    ])
});

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(FIELDS.clone()), true))
}

fn rows_type() -> DataType {
    DataType::List(item())
}

/// One value to become a row.
struct Found {
    place: usize,
    parent: Option<usize>,
    /// The key, or the number of the item.
    key: Option<String>,
    /// The path to the value.
    full: String,
    /// The path to what it is in.
    path: String,
}

fn rows(arguments: &Arguments, is_tree: bool) -> Result<ArrayRef> {
    let (mut documents, mut paths) = (Documents::new(arguments, 0)?, PathArgument::new(arguments)?);
    let mut out = ListBuilder::new(StructBuilder::from_fields(FIELDS.clone(), 0)).with_field(item());
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        let Some((document, path)) = documents.get(row)?.zip(path) else {
            out.append(false);
            continue;
        };
        if let Some((place, full)) = document.first(path).zip(path.written()) {
            let root = Found { place, parent: None, key: None, path: full.clone(), full };
            // The last of these is the next row: members come in their order.
            let mut open = if is_tree || !is_container(&document, place) {
                vec![root]
            } else {
                let mut members = within(&document, &root, None);
                members.reverse();
                members
            };
            while let Some(found) = open.pop() {
                append(&document, &found, out.values())?;
                if is_tree {
                    let mut members = within(&document, &found, Some(found.place));
                    members.reverse();
                    open.append(&mut members);
                }
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn is_container(document: &Document, place: usize) -> bool {
    matches!(document.tape.token(place), Token::Array(..) | Token::Object(..))
}

/// Returns the items of an array, or the members of an object.
fn within(document: &Document, around: &Found, parent: Option<usize>) -> Vec<Found> {
    let found = |place: usize, key: String, step: String| Found {
        place,
        parent,
        key: Some(key),
        full: format!("{}{step}", around.full),
        path: around.full.clone(),
    };
    let item = |(n, place): (usize, usize)| found(place, n.to_string(), format!("[{n}]"));
    let member = |key: usize| {
        let name = document.tape.text(document.text, key);
        found(key + 1, name.to_owned(), to_member(name))
    };
    match document.tape.token(around.place) {
        Token::Array(..) => items(document.tape, around.place).enumerate().map(item).collect(),
        Token::Object(..) => members(document.tape, around.place).map(member).collect(),
        _ => vec![],
    }
}

/// Appends a row.
fn append(document: &Document, found: &Found, to: &mut StructBuilder) -> Result<()> {
    let number = |place: usize| u64::try_from(place).unwrap_or(u64::MAX);
    let value = document.json(found.place);
    let atom = (!is_container(document, found.place)).then(|| value.clone());
    let texts = [
        (0, found.key.as_deref()),
        (1, Some(value.as_str())),
        (2, Some(document.type_name(found.place))),
        (3, atom.as_deref()),
        (6, Some(found.full.as_str())),
        (7, Some(found.path.as_str())),
    ];
    for (at, text) in texts {
        column::<StringBuilder>(to, at)?.append_option(text);
    }
    column::<UInt64Builder>(to, 4)?.append_value(number(found.place));
    column::<UInt64Builder>(to, 5)?.append_option(found.parent.map(number));
    to.append(true);
    Ok(())
}

fn column<B: ArrayBuilder>(row: &mut StructBuilder, at: usize) -> Result<&mut B> {
    match row.field_builder(at) {
        Some(builder) => Ok(builder),
        None => internal_err!("json_each has no column {at}"),
    }
}
