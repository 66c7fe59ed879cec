//! Metadata of Arrow fields: the parts of the schema that Arrow types cannot express.

use super::Planner;
use crate::schema::{Attributes, Field as AvroField, Kind, Logical, NodeId};
use arrow_schema::FieldRef;
use arrow_schema::extension::{EXTENSION_TYPE_NAME_KEY, ExtensionType, Uuid};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

impl Planner<'_> {
    /// The metadata of a field, with keys under `avro.` except for keys that other formats know.
    pub(super) fn metadata(&self, id: NodeId, field: Option<&AvroField>) -> HashMap<String, String> {
        let mut metadata = HashMap::new();
        let mut keep = |key: &str, value: String| match key {
            "field-id" => drop(metadata.insert(FIELD_ID.into(), value)),
            // The fields inside have these.
            "element-id" | "key-id" | "value-id" => {}
            _ => drop(metadata.insert(format!("avro.{key}"), value)),
        };
        let node = self.reader.node(id);
        let mut keep_all = |attributes: &Attributes| {
            for (key, value) in attributes {
                keep(key, text(value));
            }
        };
        keep_all(&node.attributes);
        if let Some(field) = field {
            keep_all(&field.attributes);
            if let Some(doc) = &field.doc {
                keep("doc", doc.clone());
            }
            if !field.aliases.is_empty() {
                keep("aliases", text(&Json::from(field.aliases.clone())));
            }
        }
        if let Some(name) = node.kind.name() {
            keep("name", name.full().to_string());
        }
        if let Some(logical) = node.logical {
            keep("logicalType", logical.word().to_string());
            // Needed for decimals for which no Arrow type is wide enough.
            if let Logical::Decimal { precision, scale } = logical
                && self.decimal(node.logical).is_none()
            {
                keep("precision", precision.to_string());
                keep("scale", scale.to_string());
            }
        }
        if node.logical == Some(Logical::Uuid) && matches!(node.kind, Kind::Fixed(_)) {
            metadata.insert(EXTENSION_TYPE_NAME_KEY.to_string(), Uuid::NAME.to_string());
        }
        metadata
    }
}

/// The key of a field's id in Parquet's readers and writers.
const FIELD_ID: &str = "PARQUET:field_id";

/// Adds the id that the enclosing array or map has for the field, as in Iceberg.
pub(super) fn with_field_id(field: FieldRef, around: &Attributes, key: &str) -> FieldRef {
    let Some(id) = around.get(key) else { return field };
    let mut metadata = field.metadata().clone();
    metadata.insert(FIELD_ID.to_string(), text(id));
    Arc::new(field.as_ref().clone().with_metadata(metadata))
}

/// A string unchanged, other values as JSON.
fn text(value: &Json) -> String {
    match value {
        Json::String(s) => s.clone(),
        other => other.to_string(),
    }
}
