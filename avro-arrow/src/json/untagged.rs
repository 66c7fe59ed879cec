//! Converts a default from Avro's JSON encoding to the plain form: without the tags of unions, with decimals as
//! numbers.

use super::decimal::Digits;
use crate::schema::{Field, Kind, NodeId, Schema};
use serde_json::Value as Json;

/// Removes the tags of unions from a default in Avro's JSON encoding. Resolution has checked it and its depth.
pub(super) fn untagged(schema: &Schema, node: NodeId, value: &Json) -> Json {
    match (&schema.node(node).kind, value) {
        (Kind::Union(branches), Json::Object(tagged)) => {
            let Some((tag, value)) = tagged.iter().next() else { return Json::Null };
            let branch = schema.branch_of_tag(branches, tag).and_then(|at| branches.get(at));
            branch.map_or(Json::Null, |branch| untagged(schema, *branch, value))
        }
        (Kind::Array(items), Json::Array(values)) => {
            values.iter().map(|value| untagged(schema, *items, value)).collect()
        }
        (Kind::Map(values), Json::Object(entries)) => {
            let entry = |(key, value): (&String, &Json)| (key.clone(), untagged(schema, *values, value));
            Json::Object(entries.iter().map(entry).collect())
        }
        (Kind::Record(record), Json::Object(given)) => {
            let field = |field: &Field| {
                let value = given.get(&field.name).unwrap_or(&Json::Null);
                (field.name.clone(), untagged(schema, field.node, value))
            };
            Json::Object(record.fields.iter().map(field).collect())
        }
        (Kind::Bytes | Kind::Fixed(_), Json::String(text)) if let Some(digits) = Digits::of(schema.node(node)) => {
            let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
            Json::String(digits.text(&bytes))
        }
        _ => value.clone(),
    }
}
