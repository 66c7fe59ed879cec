//! Whether a default is a value of its type.

use super::types::{JsonObject, Types};
use serde_json::Value as Json;

/// Maximum number of steps to compare one default with its type: of a union, each branch is tried.
pub(super) const STEPS_MAX: usize = 1 << 16;

/// Whether this default is a value of this type.
// SPEC: Complex Types, Records, "default": the table of JSON types by Avro type.
pub(super) fn fits(types: &Types, kind: &Json, json: &Json, steps: &mut usize) -> bool {
    *steps = steps.saturating_sub(1);
    if *steps == 0 {
        return false;
    }
    let latin1 = || json.as_str().filter(|text| text.chars().all(|c| u32::from(c) < 256));
    let word = match kind {
        Json::Array(branches) => return branches.iter().any(|branch| fits(types, branch, json, steps)),
        Json::String(word) => word.as_str(),
        Json::Object(object) => match object.get("type") {
            Some(Json::String(word)) => word.as_str(),
            Some(inner) => return fits(types, inner, json, steps),
            None => return false,
        },
        _ => return false,
    };
    match word {
        "null" => json.is_null(),
        "boolean" => json.is_boolean(),
        "int" => json.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        "long" => json.as_i64().is_some(),
        // JSON has no numbers for these three.
        "float" | "double" => json.is_number() || matches!(json.as_str(), Some("NaN" | "Infinity" | "-Infinity")),
        "string" => json.is_string(),
        "bytes" => latin1().is_some(),
        "array" | "map" if kind.is_object() => {
            let Some((_, inner)) = kind.as_object().and_then(super::types::inner) else { return false };
            match (word, json) {
                ("array", Json::Array(items)) => items.iter().all(|item| fits(types, inner, item, steps)),
                ("map", Json::Object(values)) => values.values().all(|value| fits(types, inner, value, steps)),
                _ => false,
            }
        }
        full => types.get(full).is_some_and(|defined| fits_named(types, &defined.json, json, steps)),
    }
}

fn fits_named(types: &Types, defined: &JsonObject, json: &Json, steps: &mut usize) -> bool {
    if let Some(Json::Array(symbols)) = defined.get("symbols") {
        return symbols.contains(json);
    }
    if let Some(size) = defined.get("size") {
        let text = json.as_str().filter(|text| text.chars().all(|c| u32::from(c) < 256));
        return text.is_some_and(|text| size.as_u64() == Some(text.chars().count() as u64));
    }
    let (Some(Json::Array(fields)), Json::Object(given)) = (defined.get("fields"), json) else { return false };
    fields.iter().filter_map(Json::as_object).all(|field| {
        let name = field.get("name").and_then(Json::as_str).unwrap_or_default();
        match (given.get(name), field.get("type")) {
            (Some(json), Some(kind)) => fits(types, kind, json, steps),
            // A missing field has a default of its own, which is checked at that field.
            (None, _) => field.contains_key("default"),
            (_, None) => false,
        }
    })
}
