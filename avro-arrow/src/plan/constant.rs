//! Constants: a default in Avro's JSON encoding and the target that it is for in, the value out.

use super::target::Wrap;
use super::{ColumnShape, Planner, RecordTarget, Target};
use crate::error::{Error, Result};
use crate::schema::{Kind, Logical, NodeId, Schema};
use crate::value::{Value, decimal, duration};
use serde_json::Value as Json;

impl Planner<'_> {
    /// The value of the reader's type `node` that `json` encodes, as far as the target wants it.
    pub(super) fn constant(&self, node: NodeId, json: &Json, target: &Target) -> Result<Value> {
        let bug = || Error::internal(format!("the default {json}, checked, does not fit its type"));
        Ok(match (&self.reader.node(node).kind, json) {
            (Kind::Union(branches), tagged) => {
                let (at, json) = branch(self.reader, branches, tagged).ok_or_else(bug)?;
                let Some(&inner) = branches.get(at) else { return Err(bug()) };
                match (self.unwrap_union(node).0, &target.form) {
                    (Wrap::Nullable { null_branch }, _) if at == null_branch => Value::Null,
                    (Wrap::Nullable { .. } | Wrap::Single, _) => self.constant(inner, json, target)?,
                    (Wrap::None, ColumnShape::Union(targets)) => {
                        let target = targets.get(at).ok_or_else(bug)?;
                        Value::Union(at, Box::new(self.constant(inner, json, target)?))
                    }
                    (Wrap::None, ColumnShape::Text) => match self.reader.node(inner).kind {
                        Kind::Null => Value::Null,
                        _ => Value::Json(tagged.to_string()),
                    },
                    _ => return Err(bug()),
                }
            }
            _ if matches!(target.form, ColumnShape::Text) => Value::Json(json.to_string()),
            (kind, json) => self.plain(node, kind, json, target)?.ok_or_else(bug)?,
        })
    }

    /// As `constant`, for all but unions and text. None if the JSON is of another type.
    fn plain(&self, node: NodeId, kind: &Kind, json: &Json, target: &Target) -> Result<Option<Value>> {
        let data_type = target.field.data_type();
        Ok(match (kind, json, &target.form) {
            (Kind::Null, ..) => Some(Value::Null),
            (Kind::Boolean, Json::Bool(value), _) => Some(Value::Boolean(*value)),
            (Kind::Int, ..) => json.as_i64().and_then(|n| i32::try_from(n).ok()).map(Value::Int),
            (Kind::Long, ..) => json.as_i64().map(Value::Long),
            (Kind::Float, ..) => float(json).map(|n| Value::Float(n as f32)),
            (Kind::Double, ..) => float(json).map(Value::Double),
            (Kind::String, Json::String(text), _) => Some(Value::String(text.clone())),
            (Kind::Bytes, Json::String(text), ColumnShape::Views) => Some(Value::Bytes(latin1(text))),
            (Kind::Fixed(_), Json::String(text), ColumnShape::Fixed(_)) => Some(Value::Fixed(latin1(text))),
            (Kind::Bytes | Kind::Fixed(_), Json::String(text), _) => match self.reader.node(node).logical {
                Some(Logical::Duration) => Some(duration(&latin1(text))?),
                _ => Some(decimal(&latin1(text), data_type)?),
            },
            (Kind::Enum(e), Json::String(symbol), _) => {
                e.symbols.iter().position(|s| s == symbol).map(|at| Value::Enum(at as i32))
            }
            (Kind::Array(items), Json::Array(values), ColumnShape::List(item)) => {
                Some(Value::List(values.iter().map(|value| self.constant(*items, value, item)).collect::<Result<_>>()?))
            }
            (Kind::Array(items), Json::Array(values), ColumnShape::Map(entry)) => {
                let entries = values.iter().map(|value| Ok(self.constant(*items, value, entry)?.into_entry()));
                entries.collect::<Result<Option<Vec<_>>>>()?.map(Value::Map)
            }
            (Kind::Map(values), Json::Object(entries), ColumnShape::Map(entry)) => match &entry.form {
                ColumnShape::Record(RecordTarget { columns, .. }) => {
                    let [_, target] = columns.as_slice() else { return Ok(None) };
                    let entry = |(key, value): (&String, _)| {
                        Ok((Value::String(key.clone()), self.constant(*values, value, target)?))
                    };
                    Some(Value::Map(entries.iter().map(entry).collect::<Result<_>>()?))
                }
                _ => None,
            },
            (Kind::Record(record), Json::Object(values), ColumnShape::Record(RecordTarget { columns, places })) => {
                let mut row = vec![Value::Null; columns.len()];
                for (field, place) in record.fields.iter().zip(places) {
                    let Some((to, target)) = place.and_then(|at| Some((row.get_mut(at)?, columns.get(at)?))) else {
                        continue;
                    };
                    let Some(value) = values.get(&field.name) else { return Ok(None) };
                    *to = self.constant(field.node, value, target)?;
                }
                Some(Value::Record(row))
            }
            _ => None,
        })
    }
}

/// The branch that a union's JSON names, and its value.
fn branch<'j>(schema: &Schema, branches: &[NodeId], json: &'j Json) -> Option<(usize, &'j Json)> {
    if json.is_null() {
        return Some((branches.iter().position(|branch| schema.node(*branch).kind == Kind::Null)?, json));
    }
    let (tag, value) = json.as_object()?.iter().next()?;
    Some((schema.branch_of_tag(branches, tag)?, value))
}

fn float(json: &Json) -> Option<f64> {
    match json.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => json.as_f64(),
    }
}

/// The bytes that the code points are.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u32 as u8).collect()
}
