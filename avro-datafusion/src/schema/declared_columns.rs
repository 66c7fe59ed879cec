//! Matches the columns that `CREATE EXTERNAL TABLE` declares to the fields of files.
//!
//! A declared name matches as a name in a query does: the field of exactly that name, or else the only one that differs
//! in case. The file's name becomes an alias of the column, which Avro schema resolution uses.

use crate::schema::header_cache::FileSchema;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};
use avro_arrow::schema::{Field as AvroField, Kind, NodeId, Schema as AvroSchema};
use datafusion::common::{Result, plan_err};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Metadata key of a column's aliases, a JSON list.
const ALIASES: &str = "avro.aliases";

/// Maximum number of fields in an error.
const LISTED_MAX: usize = 12;

/// File name, schema, and a record in it.
type FileRecord<'a> = (&'a str, &'a AvroSchema, NodeId);

/// Adds the files' names to declared columns. Columns for which `is_elsewhere` is true are not in the files.
pub(crate) fn named(
    declared: &Schema,
    files: &[(String, Arc<FileSchema>)],
    is_elsewhere: impl Fn(&str) -> bool,
) -> Result<Schema> {
    let mut seen = HashSet::new();
    let records: Vec<FileRecord<'_>> = files
        .iter()
        .filter(|(_, schema)| seen.insert(Arc::as_ptr(schema)))
        .map(|(name, schema)| (name.as_str(), schema.avro(), schema.avro().root()))
        .collect();
    let fields = declared.fields().iter().map(|field| match is_elsewhere(field.name()) {
        true => Ok(Arc::clone(field)),
        false => column(field, &records, ""),
    });
    Ok(Schema::new_with_metadata(fields.collect::<Result<Vec<_>>>()?, declared.metadata().clone()))
}

/// Returns the aliases of a declared column.
pub(crate) fn aliases(field: &Field) -> Vec<String> {
    let text = field.metadata().get(ALIASES).map(String::as_str).unwrap_or_default();
    // Strings without escapes, as written by `column`.
    let names = text.split('"').enumerate().filter(|(i, _)| i % 2 == 1);
    names.map(|(_, name)| name.to_owned()).collect()
}

/// Adds names from these records to a declared column or field.
fn column(field: &FieldRef, records: &[FileRecord<'_>], above: &str) -> Result<FieldRef> {
    let path = if above.is_empty() { field.name().clone() } else { format!("{above}.{}", field.name()) };
    let (mut names, mut inner, mut any_record, mut others) = (BTreeSet::new(), vec![], false, BTreeSet::new());
    for &(file, schema, node) in records {
        let Kind::Record(record) = &schema.node(node).kind else {
            // A schema that is not a record has one column.
            if above.is_empty() && field.name().eq_ignore_ascii_case("value") {
                names.insert("value");
                inner.push((file, schema, node));
            }
            continue;
        };
        any_record = true;
        others.extend(record.fields.iter().map(|field| field.name.as_str()));
        let exact = record.fields.iter().find(|other| other.name == *field.name());
        let in_any_case: Vec<&AvroField> =
            record.fields.iter().filter(|other| other.name.eq_ignore_ascii_case(field.name())).collect();
        let found = match (exact, in_any_case.as_slice()) {
            (Some(exact), _) => exact,
            (None, []) => continue,
            (None, [one]) => one,
            (None, [first, second, ..]) => {
                return plan_err!(
                    "the declared column `{path}` matches `{}` and `{}` of {file}; declare it in double quotes, \"{}\"",
                    first.name,
                    second.name,
                    first.name
                );
            }
        };
        names.insert(found.name.as_str());
        inner.push((file, schema, found.node));
    }
    if names.is_empty() && any_record {
        let more = others.len().saturating_sub(LISTED_MAX);
        let listed = others.into_iter().take(LISTED_MAX).collect::<Vec<_>>().join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} others") };
        return plan_err!("no file has the declared column `{path}`; available: {listed}{more}");
    }
    names.remove(field.name().as_str());
    let mut named = field.as_ref().clone().with_data_type(data_type(field.data_type(), &inner, &path)?);
    if !names.is_empty() && !names.iter().any(|name| name.contains(['"', '\\'])) {
        let list = names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        let mut metadata = named.metadata().clone();
        metadata.insert(ALIASES.to_owned(), format!("[{list}]"));
        named = named.with_metadata(metadata);
    }
    Ok(Arc::new(named))
}

/// Adds names to the fields in a declared type.
fn data_type(declared: &DataType, records: &[FileRecord<'_>], path: &str) -> Result<DataType> {
    // Nodes inside these nodes, through unions.
    let inside = |of: fn(&Kind) -> Option<NodeId>| -> Vec<FileRecord<'_>> {
        let mut found = vec![];
        for &(file, schema, node) in records {
            found.extend(branches(schema, node).filter_map(|node| Some((file, schema, of(&schema.node(node).kind)?))));
        }
        found
    };
    Ok(match declared {
        DataType::Struct(fields) => {
            let mut inner = vec![];
            for &(file, schema, node) in records {
                let is_record = |node: &NodeId| matches!(schema.node(*node).kind, Kind::Record(_));
                inner.extend(branches(schema, node).filter(is_record).map(|node| (file, schema, node)));
            }
            let fields: Vec<FieldRef> =
                fields.iter().map(|field| column(field, &inner, path)).collect::<Result<_>>()?;
            DataType::Struct(Fields::from(fields))
        }
        DataType::List(item) => {
            let items = inside(|kind| if let Kind::Array(items) = kind { Some(*items) } else { None });
            let inner = data_type(item.data_type(), &items, path)?;
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(inner)))
        }
        DataType::Map(entries, sorted) => {
            let values = inside(|kind| if let Kind::Map(values) = kind { Some(*values) } else { None });
            let DataType::Struct(fields) = entries.data_type() else { return Ok(declared.clone()) };
            let [key, value] = fields.as_ref() else { return Ok(declared.clone()) };
            let inner = data_type(value.data_type(), &values, path)?;
            let value = Arc::new(value.as_ref().clone().with_data_type(inner));
            let entry = DataType::Struct(Fields::from(vec![Arc::clone(key), value]));
            DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(entry)), *sorted)
        }
        other => other.clone(),
    })
}

/// Returns the branches of a union, or the node itself.
fn branches(schema: &AvroSchema, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    let branches = match &schema.node(node).kind {
        Kind::Union(branches) => branches.to_vec(),
        _ => vec![node],
    };
    branches.into_iter()
}
