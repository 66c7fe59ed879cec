//! Defaults: converts the JSON default of a field to a value in Avro's JSON encoding, and checks it against its type.
//! Only defaults that are used are converted.

use crate::limits::Limits;
use crate::schema::{Kind, NodeId, Schema};
use serde_json::{Map, Number, Value as Json};

/// Makes the defaults of one schema's fields, with a limit on their total size: records take the defaults of their
/// fields, so that a short text can stand for much.
pub(super) struct DefaultMaker<'s> {
    schema: &'s Schema,
    limits: &'s Limits,
    n_values: usize,
    /// Bytes of text that were looked at, and symbols.
    n_bytes: usize,
}

/// Why a default is invalid. It is formatted only when it is shown, as the branches of a union are tried one after the
/// other.
enum Wrong<'s> {
    Endless,
    IsNo(&'s Json, &'static str),
    Lacks(&'s Json, &'s str),
    NoBranch(&'s Json),
}

impl<'s> DefaultMaker<'s> {
    pub(super) fn new(schema: &'s Schema, limits: &'s Limits) -> Self {
        DefaultMaker { schema, limits, n_values: 0, n_bytes: 0 }
    }

    /// The value of this type for a default, or the reason why it is invalid.
    pub(super) fn value(&mut self, node: NodeId, default: &'s Json) -> Result<Json, String> {
        self.at(node, default, 0).map_err(|wrong| match wrong {
            Wrong::Endless => "defaults inside of defaults come to no end".to_string(),
            Wrong::IsNo(json, kind) => format!("{} is no {kind}", shown(json)),
            Wrong::Lacks(json, field) => format!("{} has no `{field}`, which has no default itself", shown(json)),
            Wrong::NoBranch(json) => format!("{} matches no branch of the union", shown(json)),
        })
    }

    fn too_much(&self) -> bool {
        self.n_values > self.limits.schema_nodes || self.n_bytes > self.limits.metadata_bytes
    }

    // SPEC: Complex Types, Records, "default": the table of JSON types by Avro type.
    fn at(&mut self, node: NodeId, default: &'s Json, depth: usize) -> Result<Json, Wrong<'s>> {
        let schema = self.schema;
        let kind = &schema.node(node).kind;
        self.n_values += 1;
        self.n_bytes += default.as_str().map_or(0, str::len);
        self.n_bytes += match kind {
            Kind::Enum(e) => e.symbols.len(),
            Kind::Record(record) => record.fields.iter().map(|field| field.name.len()).sum(),
            _ => kind.name().map_or(0, |name| name.full().len()),
        };
        if self.too_much() || depth > self.limits.nesting {
            return Err(Wrong::Endless);
        }
        let wrong = || Wrong::IsNo(default, kind.word());
        Ok(match kind {
            Kind::Null if default.is_null() => Json::Null,
            Kind::Boolean if default.is_boolean() => default.clone(),
            Kind::Int => Json::from(integer(default).and_then(|n| i32::try_from(n).ok()).ok_or_else(wrong)?),
            Kind::Long => Json::from(integer(default).ok_or_else(wrong)?),
            Kind::Float => single(float(default).ok_or_else(wrong)?),
            Kind::Double => float(default).ok_or_else(wrong)?,
            Kind::String if default.is_string() => default.clone(),
            // SPEC: "bytes and fixed: values are JSON strings, where Unicode code points 0-255 are mapped to bytes
            // 0-255".
            Kind::Bytes if n_bytes(default).is_some() => default.clone(),
            Kind::Fixed(fixed) if n_bytes(default) == Some(fixed.size) => default.clone(),
            Kind::Enum(e) if e.symbols.iter().any(|symbol| default == symbol) => default.clone(),
            Kind::Array(items) => {
                let Json::Array(values) = default else { return Err(wrong()) };
                let values: Result<Vec<Json>, Wrong<'s>> =
                    values.iter().map(|value| self.at(*items, value, depth + 1)).collect();
                Json::Array(values?)
            }
            Kind::Map(values) => {
                let Json::Object(entries) = default else { return Err(wrong()) };
                let entry = |(key, value): (&String, &'s Json)| Ok((key.clone(), self.at(*values, value, depth + 1)?));
                Json::Object(entries.iter().map(entry).collect::<Result<Map<_, _>, Wrong<'s>>>()?)
            }
            Kind::Record(record) => {
                let Json::Object(given) = default else { return Err(wrong()) };
                let mut fields = Map::new();
                for field in &record.fields {
                    let Some(value) = given.get(&field.name).or(field.default.as_ref()) else {
                        return Err(Wrong::Lacks(default, &field.name));
                    };
                    fields.insert(field.name.clone(), self.at(field.node, value, depth + 1)?);
                }
                Json::Object(fields)
            }
            // SPEC: "default values for union fields correspond to the first schema that matches in the union".
            Kind::Union(branches) => {
                for (at, &branch) in branches.iter().enumerate() {
                    let value = match self.at(branch, default, depth + 1) {
                        Ok(value) => value,
                        Err(_) if self.too_much() => return Err(Wrong::Endless),
                        Err(_) => continue,
                    };
                    if schema.node(branch).kind == Kind::Null {
                        return Ok(Json::Null);
                    }
                    return Ok(Json::Object(Map::from_iter([(schema.tag_of(branches, at), value)])));
                }
                return Err(Wrong::NoBranch(default));
            }
            Kind::Null | Kind::Boolean | Kind::String | Kind::Bytes | Kind::Fixed(_) | Kind::Enum(_) => {
                return Err(wrong());
            }
        })
    }
}

/// A number without a fraction; some schemas have `1.0`.
fn integer(json: &Json) -> Option<i64> {
    let whole = |n: f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64);
    json.as_i64().or_else(|| whole(json.as_f64()?))
}

/// A number, or the name of a number that JSON lacks.
fn float(json: &Json) -> Option<Json> {
    match json {
        Json::String(name) if matches!(name.as_str(), "NaN" | "Infinity" | "-Infinity") => Some(json.clone()),
        _ => Number::from_f64(json.as_f64()?).map(Json::Number),
    }
}

/// Rounds a number to a float with the fewest digits, so that its text equals the value of a column.
fn single(json: Json) -> Json {
    let Some(value) = json.as_f64().map(|value| value as f32) else { return json };
    let shortest = format!("{value:?}").parse().ok().and_then(Number::from_f64);
    shortest.map_or_else(|| Json::from(if value > 0.0 { "Infinity" } else { "-Infinity" }), Json::Number)
}

fn n_bytes(json: &Json) -> Option<usize> {
    let text = json.as_str()?;
    text.chars().all(|c| u32::from(c) < 256).then(|| text.chars().count())
}

/// The start of a default's text.
fn shown(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("the default {}…", text.get(..end).unwrap_or_default()),
        None => format!("the default {text}"),
    }
}
