//! Names and types that Avro or Parquet cannot express: renames columns, and restores them for other formats.
//!
//! Avro forbids some names; fields keep the original as the attribute `original-name`, so that other formats restore
//! it. Parquet has no records without fields; marked booleans stand for them, so that Avro restores them.

use std::sync::Arc;

use arrow::array::{ArrayData, RecordBatch, RecordBatchOptions, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use avro_arrow::renamed_fields;
use avro_arrow::schema::ORIGINAL_NAME_KEY;

use crate::error::{Result, print_note};
use crate::output::Format;
use crate::output::parquet::shape::EMPTY_RECORD_KEY;

/// Renamed columns that a message lists.
const NAMED: usize = 8;

/// Prints which columns are renamed in an Avro file.
pub(crate) fn print_renamed(file: &str, columns: &Schema) {
    let mut renamed = renamed_fields(columns);
    // Nobody chose the names of expressions such as `count(*)`.
    renamed.retain(|(before, _)| !before.contains('('));
    if renamed.is_empty() {
        return;
    }
    let mut list: Vec<String> =
        renamed.iter().take(NAMED).map(|(before, after)| format!("`{before}` is now `{after}`")).collect();
    if renamed.len() > NAMED {
        list.push(format!("and {} more", renamed.len() - NAMED));
    }
    print_note(&format!("{file}: renamed columns whose names Avro does not allow: {}", list.join(", ")));
}

/// Restores columns that Avro or Parquet changed.
pub(super) enum Originals {
    /// Nothing to restore.
    Same(SchemaRef),
    Changed(SchemaRef),
}

/// What to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restore {
    /// Names that Avro forbids.
    Names,
    /// Records without fields, stored as booleans.
    Records,
}

impl Originals {
    /// Returns how to restore these columns for files of this format.
    pub(super) fn new(columns: &SchemaRef, format: Format) -> Originals {
        let back = if format == Format::Avro { Restore::Records } else { Restore::Names };
        match changed(columns.fields(), back) {
            Some(fields) => {
                let metadata = columns.metadata().clone();
                Originals::Changed(Arc::new(Schema::new_with_metadata(fields, metadata)))
            }
            None => Originals::Same(Arc::clone(columns)),
        }
    }

    /// Returns the restored columns.
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Originals::Same(schema) | Originals::Changed(schema) => Arc::clone(schema),
        }
    }

    /// Restores a batch.
    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Originals::Changed(schema) = self else { return Ok(batch.clone()) };
        let columns = batch.columns().iter().zip(schema.fields()).map(|(array, field)| {
            if array.data_type() == field.data_type() {
                return Ok(Arc::clone(array));
            }
            Ok(make_array(retyped(array.to_data(), field.data_type())?))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)?)
    }
}

/// Returns the restored fields, or `None` if nothing changes. If two would get one name, all keep their own.
fn changed(fields: &Fields, back: Restore) -> Option<Fields> {
    let mut is_changed = false;
    let all: Vec<FieldRef> = fields
        .iter()
        .map(|field| match changed_field(field, back) {
            Some(changed) => {
                is_changed = true;
                Arc::new(changed)
            }
            None => Arc::clone(field),
        })
        .collect();
    let mut names: Vec<&String> = all.iter().map(|field| field.name()).collect();
    names.sort_unstable();
    names.dedup();
    (is_changed && names.len() == all.len()).then(|| all.into())
}

fn changed_field(field: &Field, back: Restore) -> Option<Field> {
    let name = field.metadata().get(ORIGINAL_NAME_KEY).filter(|name| back == Restore::Names && *name != field.name());
    let is_record = back == Restore::Records
        && *field.data_type() == DataType::Boolean
        && field.metadata().contains_key(EMPTY_RECORD_KEY);
    let kind = if is_record { Some(DataType::Struct(Fields::empty())) } else { changed_type(field.data_type(), back) };
    if name.is_none() && kind.is_none() {
        return None;
    }
    let mut changed = field.clone();
    changed.metadata_mut().remove(EMPTY_RECORD_KEY);
    if let Some(name) = name {
        changed = changed.with_name(name);
    }
    Some(if let Some(kind) = kind { changed.with_data_type(kind) } else { changed })
}

/// Returns the type with restored fields inside, or `None` if nothing changes.
fn changed_type(kind: &DataType, back: Restore) -> Option<DataType> {
    Some(match kind {
        DataType::Struct(fields) => DataType::Struct(changed(fields, back)?),
        DataType::List(item) => DataType::List(Arc::new(changed_field(item, back)?)),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(changed_field(entries, back)?), *sorted),
        _ => return None,
    })
}

/// Changes the type of an array to one that differs in names, or in records without fields for booleans.
fn retyped(data: ArrayData, kind: &DataType) -> Result<ArrayData> {
    if *data.data_type() == DataType::Boolean && *kind != DataType::Boolean {
        let nulls = data.nulls().cloned();
        return Ok(ArrayData::builder(kind.clone()).len(data.len()).nulls(nulls).build()?);
    }
    let kinds: Vec<&DataType> = match kind {
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        DataType::List(field) | DataType::Map(field, _) => vec![field.data_type()],
        _ => Vec::new(),
    };
    let mut children = data.child_data().to_vec();
    for (child, kind) in children.iter_mut().zip(kinds) {
        *child = retyped(child.clone(), kind)?;
    }
    Ok(data.into_builder().data_type(kind.clone()).child_data(children).build()?)
}
