//! An Arrow schema in, random projections of it out; and a whole column in, what a projection keeps of it out.

use crate::Rng;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use std::sync::Arc;

/// Random names of columns and paths into them, in any order; no column more than once.
pub fn random_paths(rng: &mut Rng, schema: &Schema) -> Vec<String> {
    let mut paths = Vec::new();
    for field in schema.fields() {
        if record_fields(field).is_some() || rng.one_in(2) {
            add_paths(rng, field, "", &mut paths);
        }
    }
    for at in 0..paths.len() {
        let other = rng.below(paths.len());
        paths.swap(at, other);
    }
    // Two fields of some real schemas have one name.
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    rng.note(|| format!("columns {paths:?}"));
    paths
}

fn add_paths(rng: &mut Rng, field: &Field, around: &str, paths: &mut Vec<String>) {
    let path = format!("{around}{}", field.name());
    let inside = record_fields(field).filter(|fields| !fields.is_empty() && !rng.one_in(4));
    let Some(fields) = inside else { return paths.push(path) };
    let around = format!("{path}.");
    let certain = rng.below(fields.len());
    for (at, field) in fields.iter().enumerate() {
        if at == certain || rng.one_in(3) {
            add_paths(rng, field, &around, paths);
        }
    }
    if rng.one_in(20) {
        paths.push(path);
    }
}

/// The fields of the records in a column. Unions that are structs are not made of a named type.
fn record_fields(field: &Field) -> Option<&Fields> {
    match field.data_type() {
        DataType::Struct(fields) => field.metadata().contains_key("avro.name").then_some(fields),
        DataType::List(item) => record_fields(item),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entries) => entries.get(1).and_then(|values| record_fields(values)),
            _ => None,
        },
        _ => None,
    }
}

/// The column without what is not in this type, by the names of the fields.
pub fn keep(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match (column.data_type(), wanted) {
        (whole, wanted) if whole == wanted => Arc::clone(column),
        (DataType::Struct(_), DataType::Struct(fields)) => keep_fields(column, fields).map(Arc::new)?,
        (DataType::List(_), DataType::List(item)) => {
            let list = column.as_list::<i32>();
            let items = keep(list.values(), item.data_type())?;
            Arc::new(ListArray::try_new(item.clone(), list.offsets().clone(), items, list.nulls().cloned())?)
        }
        (DataType::Map(..), DataType::Map(field, ordered)) => {
            let map = column.as_map();
            let DataType::Struct(fields) = field.data_type() else { return Err(other(column, wanted)) };
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = keep_fields(&entries, fields)?;
            Arc::new(MapArray::try_new(field.clone(), map.offsets().clone(), entries, map.nulls().cloned(), *ordered)?)
        }
        _ => return Err(other(column, wanted)),
    })
}

fn keep_fields(column: &ArrayRef, fields: &Fields) -> Result<StructArray, ArrowError> {
    let records = column.as_struct();
    let children: Result<Vec<_>, ArrowError> = fields
        .iter()
        .map(|field| match records.column_by_name(field.name()) {
            Some(child) => keep(child, field.data_type()),
            None => Err(other(column, field.data_type())),
        })
        .collect();
    StructArray::try_new_with_length(fields.clone(), children?, records.nulls().cloned(), records.len())
}

fn other(column: &ArrayRef, wanted: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("{} is not a part of {}", wanted, column.data_type()))
}
