//! Tagged structs, which engines without unions compute with: conversion of their schemas and batches to dense unions.
//!
//! [`Unions::Tagged`](crate::Unions::Tagged) makes such structs. A struct is tagged if the metadata of each field says
//! which branch of how many it is. Branches without a field are null branches.

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, GenericListArray, MapArray, NullArray, OffsetSizeTrait,
    RecordBatch, RecordBatchOptions, StructArray, UnionArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, SchemaRef, UnionFields, UnionMode};
use arrow_select::filter::filter;
use std::sync::Arc;

/// Maximum number of branches of an Arrow union.
pub(crate) const BRANCHES_MAX: usize = 128;

/// The metadata key of a field's branch; `1/3` is the second of three.
const BRANCH: &str = "avro.branch";

/// Marks a field as the branch with this index.
pub(crate) fn tag(field: Field, at: usize, of: usize) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(BRANCH.to_owned(), format!("{at}/{of}"));
    field.with_metadata(metadata)
}

/// Whether a struct of these fields is a tagged union.
pub fn is_tagged(fields: &Fields) -> bool {
    !fields.is_empty() && fields.iter().all(|field| place(field).is_some())
}

/// Returns the index of the first null branch of a tagged union, if it has one.
pub fn null_branch(fields: &Fields) -> Option<usize> {
    let places: Vec<_> = fields.iter().filter_map(|field| place(field)).collect();
    let n = places.first().map_or(0, |(_, n)| *n);
    (0..n).find(|at| places.iter().all(|(place, _)| place != at))
}

/// The index of a field's branch, and the number of branches.
fn place(field: &Field) -> Option<(usize, usize)> {
    let (at, n) = field.metadata().get(BRANCH)?.split_once('/')?;
    let (at, n) = (at.parse().ok()?, n.parse().ok()?);
    (at < n && n <= BRANCHES_MAX).then_some((at, n))
}

/// Returns the tagged fields for the children of a union: see [`Unions::Tagged`](crate::Unions::Tagged).
pub fn tagged_fields(children: &UnionFields) -> Fields {
    let is_value = |(_, (_, child)): &(usize, (i8, &FieldRef))| *child.data_type() != DataType::Null;
    let field = |(at, (_, child)): (usize, (i8, &FieldRef))| {
        tag(child.as_ref().clone().with_nullable(true), at, children.len())
    };
    children.iter().enumerate().filter(is_value).map(field).collect()
}

/// Returns the schema with unions in place of tagged structs, at any depth; `None` if it has no unions.
pub fn dense_schema(schema: &Schema) -> Option<SchemaRef> {
    let fields = dense_fields(schema.fields())?;
    Some(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

/// Converts a batch to the columns of [`dense_schema`].
pub fn dense_batch(batch: &RecordBatch, to: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(to.fields()).map(|(array, field)| dense(array, field.data_type(), None));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(to), columns.collect::<Result<_, _>>()?, &options)
}

fn dense_fields(fields: &Fields) -> Option<Fields> {
    let dense: Vec<_> = fields.iter().map(dense_field).collect();
    if dense.iter().all(Option::is_none) {
        return None;
    }
    Some(dense.into_iter().zip(fields).map(|(dense, field)| dense.unwrap_or_else(|| Arc::clone(field))).collect())
}

fn dense_field(field: &FieldRef) -> Option<FieldRef> {
    let data_type = match field.data_type() {
        DataType::Struct(fields) if is_tagged(fields) => union_of(fields, field.is_nullable()),
        DataType::Struct(fields) => DataType::Struct(dense_fields(fields)?),
        DataType::List(item) => DataType::List(dense_field(item)?),
        DataType::LargeList(item) => DataType::LargeList(dense_field(item)?),
        DataType::FixedSizeList(item, n) => DataType::FixedSizeList(dense_field(item)?, *n),
        DataType::Map(entries, sorted) => DataType::Map(dense_field(entries)?, *sorted),
        _ => return None,
    };
    Some(Arc::new(field.as_ref().clone().with_data_type(data_type)))
}

/// The union of these branches. If it is nullable without a null branch, as after an outer join, null is added as the
/// first branch.
fn union_of(fields: &Fields, nullable: bool) -> DataType {
    let n = fields.iter().find_map(|field| place(field)).map_or(0, |(_, n)| n);
    let null = || Arc::new(Field::new("null", DataType::Null, true));
    let mut children: Vec<FieldRef> = (0..n).map(|_| null()).collect();
    for field in fields {
        let Some(child) = place(field).and_then(|(at, _)| children.get_mut(at)) else { continue };
        let mut metadata = field.metadata().clone();
        metadata.remove(BRANCH);
        let inner = dense_field(field).unwrap_or_else(|| Arc::clone(field));
        *child = Arc::new(inner.as_ref().clone().with_metadata(metadata).with_nullable(false));
    }
    if nullable && null_branch(fields).is_none() {
        children.insert(0, null());
    }
    DataType::Union((0..=127i8).zip(children).collect(), UnionMode::Dense)
}

/// Converts an array to this type, which has unions in place of tagged structs. Values under the nulls of `around`,
/// the enclosing records, are not visible.
fn dense(array: &ArrayRef, to: &DataType, around: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    Ok(match (array.data_type(), to) {
        (DataType::Struct(_), DataType::Union(children, _)) => {
            Arc::new(union_array(array.as_struct(), children, around)?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let from = array.as_struct();
            let around = NullBuffer::union(around, from.nulls());
            let columns = from.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| dense(column, field.data_type(), around.as_ref()));
            let columns = columns.collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, from.nulls().cloned(), from.len())?)
        }
        (DataType::List(_), DataType::List(item)) => Arc::new(list::<i32>(array.as_list(), item)?),
        (DataType::LargeList(_), DataType::LargeList(item)) => Arc::new(list::<i64>(array.as_list(), item)?),
        (DataType::FixedSizeList(..), DataType::FixedSizeList(item, n)) => {
            let from = array.as_fixed_size_list();
            let items = dense(from.values(), item.data_type(), None)?;
            Arc::new(FixedSizeListArray::try_new_with_length(
                Arc::clone(item),
                *n,
                items,
                from.nulls().cloned(),
                from.len(),
            )?)
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let from = array.as_map();
            let items = dense(&(Arc::new(from.entries().clone()) as ArrayRef), entries.data_type(), None)?;
            let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, items.as_struct().clone(), nulls, *sorted)?)
        }
        (from, _) => return Err(ArrowError::InvalidArgumentError(format!("{from} has no unions"))),
    })
}

fn list<O: OffsetSizeTrait>(from: &GenericListArray<O>, item: &FieldRef) -> Result<GenericListArray<O>, ArrowError> {
    let items = dense(from.values(), item.data_type(), None)?;
    GenericListArray::try_new(Arc::clone(item), from.offsets().clone(), items, from.nulls().cloned())
}

fn union_array(
    from: &StructArray,
    children: &UnionFields,
    around: Option<&NullBuffer>,
) -> Result<UnionArray, ArrowError> {
    let n = from.len();
    let null = children.iter().find(|(_, child)| *child.data_type() == DataType::Null).map(|(id, _)| id);
    let mut ids = vec![null.unwrap_or(-1); n];
    let mut offsets = vec![0_i32; n];
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(children.len());
    let mut columns = from.columns().iter();
    let mut n_values = 0;
    for (id, child) in children.iter() {
        if *child.data_type() == DataType::Null {
            arrays.push(Arc::new(NullArray::new(0)));
            continue;
        }
        let Some(column) = columns.next() else {
            return Err(ArrowError::InvalidArgumentError(format!("a union without its branch {}", child.name())));
        };
        let nulls = column.logical_nulls();
        let is_there = |row: usize| from.is_valid(row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let mask = BooleanBuffer::collect_bool(n, is_there);
        for (offset, row) in (0..).zip(mask.set_indices()) {
            if let (Some(id_of), Some(offset_of)) = (ids.get_mut(row), offsets.get_mut(row)) {
                (*id_of, *offset_of) = (id, offset);
            }
        }
        n_values += mask.count_set_bits();
        let values = filter(column, &BooleanArray::new(mask, None))?;
        arrays.push(dense(&values, child.data_type(), None)?);
    }
    // All remaining values are null.
    match null {
        Some(null) => {
            let mut count = 0;
            for (id, offset) in ids.iter().zip(&mut offsets) {
                if *id == null {
                    *offset = count;
                    count += 1;
                }
            }
            if let Some(nulls) = children.iter().position(|(id, _)| id == null).and_then(|at| arrays.get_mut(at)) {
                *nulls = Arc::new(NullArray::new(n - n_values));
            }
        }
        None if n_values < n => {
            // A null record may hold any value: the first of the first branch.
            let is_seen = |row: usize| around.is_none_or(|around| around.is_valid(row));
            if ids.iter().enumerate().any(|(row, id)| *id < 0 && is_seen(row)) {
                return Err(ArrowError::InvalidArgumentError("a null in a union that has no branch for it".to_owned()));
            }
            let first = children.iter().next().map_or(0, |(id, _)| id);
            ids.iter_mut().filter(|id| **id < 0).for_each(|id| *id = first);
            if let Some(values) = arrays.first_mut().filter(|values| values.is_empty()) {
                *values = new_null_array(values.data_type(), 1);
            }
        }
        None => {}
    }
    UnionArray::try_new(children.clone(), ids.into(), Some(offsets.into()), arrays)
}
