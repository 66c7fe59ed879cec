//! Converts decoded batches to declared columns: columns are matched by name, missing ones are null, others cast. Files
//! resolved to an Avro schema already have the table's types.

use crate::schema::reader_schema::name_in;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, UnionArray, new_null_array,
};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::common::{Result, plan_err};
use std::sync::Arc;

/// Converts batches of one schema to another.
pub(crate) struct BatchAdapter {
    target: SchemaRef,
    /// For each target column, its index in the file, if the file has it.
    sources: Vec<Option<usize>>,
}

impl BatchAdapter {
    /// Creates an adapter from the schema of this file. A NOT NULL column must be in the file.
    pub(crate) fn new(file: &Schema, target: SchemaRef, name: &str) -> Result<Self> {
        let source = |field: &FieldRef| {
            let name = name_in(field, |name| file.fields().find(name).is_some())?;
            file.fields().find(&name).map(|(i, _)| i)
        };
        let sources: Vec<_> = target.fields().iter().map(source).collect();
        for (field, source) in target.fields().iter().zip(&sources) {
            if source.is_none() && !field.is_nullable() {
                return plan_err!(
                    "{name}: column `{}` is NOT NULL in the table but missing from the file",
                    field.name()
                );
            }
        }
        Ok(BatchAdapter { target, sources })
    }

    /// Converts a batch.
    pub(crate) fn adapt(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let rows = batch.num_rows();
        let column = |(field, source): (&Arc<Field>, &Option<usize>)| match source.and_then(|i| batch.columns().get(i))
        {
            Some(array) => adapt(array, field).map_err(|e| in_column(e, field.name())),
            None => Ok(new_null_array(field.data_type(), rows)),
        };
        let columns = self.target.fields().iter().zip(&self.sources).map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.target), columns, &options)
    }
}

/// Adds the column's name to a cast error.
fn in_column(e: ArrowError, name: &str) -> ArrowError {
    match e {
        ArrowError::CastError(what) | ArrowError::InvalidArgumentError(what) => {
            ArrowError::CastError(format!("column `{name}`: {what}"))
        }
        other => other,
    }
}

/// Converts an array to this field's type. Types that differ only in metadata of nested fields also differ.
fn adapt(array: &ArrayRef, to: &Field) -> Result<ArrayRef, ArrowError> {
    use DataType::*;
    if array.data_type() == to.data_type() {
        return Ok(Arc::clone(array));
    }
    Ok(match (array.data_type(), to.data_type()) {
        (Struct(_), Struct(fields)) => {
            let from = array.as_struct();
            let named = |field: &Field| name_in(field, |name| from.column_by_name(name).is_some());
            let child = |field: &Arc<Field>| match named(field).and_then(|name| from.column_by_name(&name)) {
                Some(child) => adapt(child, field),
                None => Ok(new_null_array(field.data_type(), from.len())),
            };
            let children = fields.iter().map(child).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), children, from.nulls().cloned(), from.len())?)
        }
        (List(_), List(item)) => {
            let from: &ListArray = array.as_list();
            let items = adapt(from.values(), item)?;
            Arc::new(ListArray::try_new(Arc::clone(item), from.offsets().clone(), items, from.nulls().cloned())?)
        }
        (Map(_, _), Map(entries, sorted)) => {
            let from = array.as_map();
            let items = adapt(&(Arc::new(from.entries().clone()) as ArrayRef), entries)?;
            let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, items.as_struct().clone(), nulls, *sorted)?)
        }
        (Union(a, _), Union(b, _)) if a.iter().map(|(id, _)| id).eq(b.iter().map(|(id, _)| id)) => {
            let from = array.as_union();
            let child = |(id, field): (i8, &Arc<Field>)| adapt(from.child(id), field);
            let children = b.iter().map(child).collect::<Result<_, _>>()?;
            Arc::new(UnionArray::try_new(b.clone(), from.type_ids().clone(), from.offsets().cloned(), children)?)
        }
        // A value that the table's type cannot hold is an error, not null.
        (_, to) => cast_with_options(array, to, &CastOptions { safe: false, ..Default::default() })?,
    })
}
