//! Parquet's schema of Arrow columns, with what arrow's own does not say: Arrow fields in, a Parquet schema out.
//!
//! Uuids get the logical type UUID. arrow has a feature for it that makes all sessions and crates read other types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::LogicalType;
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// How to write these columns.
pub(super) fn options(schema: &Schema, properties: WriterProperties) -> Result<ArrowWriterOptions> {
    let options = ArrowWriterOptions::new().with_properties(properties);
    if !schema.fields().iter().any(|field| has_uuid(field)) {
        return Ok(options);
    }
    let plain = ArrowSchemaConverter::new().convert(schema)?;
    let root = plain.root_schema();
    let columns = root.get_fields().iter().zip(schema.fields()).map(|(column, field)| annotated(column, field));
    let root = with_fields(root, columns.collect::<Result<_>>()?)?;
    Ok(options.with_parquet_schema(SchemaDescriptor::new(root)))
}

fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16) && field.extension_type_name() == Some("arrow.uuid")
}

fn has_uuid(field: &Field) -> bool {
    is_uuid(field)
        || match field.data_type() {
            DataType::Struct(fields) => fields.iter().any(|field| has_uuid(field)),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => has_uuid(item),
            _ => false,
        }
}

fn annotated(column: &TypePtr, field: &Field) -> Result<TypePtr> {
    if !has_uuid(field) {
        return Ok(Arc::clone(column));
    }
    if is_uuid(field) {
        let info = column.get_basic_info();
        let uuid = Type::primitive_type_builder(column.name(), column.get_physical_type())
            .with_length(16)
            .with_repetition(info.repetition())
            .with_id(info.has_id().then(|| info.id()))
            .with_logical_type(Some(LogicalType::Uuid))
            .build()?;
        return Ok(Arc::new(uuid));
    }
    match field.data_type() {
        DataType::Struct(fields) => children(column, fields.iter().map(AsRef::as_ref)),
        // A list is a group of repeated groups of one field, and a map is one of a key and a value.
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let repeated = column.get_fields().iter();
            let repeated = repeated.map(|group| children(group, std::iter::once(item.as_ref())));
            with_fields(column, repeated.collect::<Result<_>>()?)
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return Ok(Arc::clone(column)) };
            let repeated = column.get_fields().iter();
            let repeated = repeated.map(|group| children(group, fields.iter().map(AsRef::as_ref)));
            with_fields(column, repeated.collect::<Result<_>>()?)
        }
        _ => Ok(Arc::clone(column)),
    }
}

/// A group with its children annotated as these fields ask.
fn children<'a>(group: &TypePtr, fields: impl Iterator<Item = &'a Field>) -> Result<TypePtr> {
    let children = group.get_fields().iter().zip(fields).map(|(child, field)| annotated(child, field));
    with_fields(group, children.collect::<Result<_>>()?)
}

fn with_fields(group: &Type, fields: Vec<TypePtr>) -> Result<TypePtr> {
    let info = group.get_basic_info();
    let mut builder = Type::group_type_builder(group.name())
        .with_fields(fields)
        .with_logical_type(info.logical_type_ref().cloned())
        .with_converted_type(info.converted_type())
        .with_id(info.has_id().then(|| info.id()));
    if info.has_repetition() {
        builder = builder.with_repetition(info.repetition());
    }
    Ok(Arc::new(builder.build()?))
}
