//! Virtual columns that locate a row: `_file`, `_block`, `_row` and `_offset`.
//!
//! `_file` is a partition column, constant for a file. The others follow the columns of the files and are marked in
//! their field metadata.

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use avro_arrow::RowRange;
use datafusion::datasource::physical_plan::wrap_partition_type_in_dict;
use std::collections::HashMap;
use std::sync::Arc;

/// Metadata key of a virtual column. Attributes of Avro schemas use other keys.
const KEY: &str = "avro_datafusion.virtual";

/// A virtual column computed from the position of a row in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowPosition {
    Block,
    Row,
    Offset,
}

const POSITIONS: [(&str, RowPosition); 3] =
    [("_block", RowPosition::Block), ("_row", RowPosition::Row), ("_offset", RowPosition::Offset)];

/// Returns the field of `_file`.
pub(crate) fn file() -> FieldRef {
    virtual_field("_file", wrap_partition_type_in_dict(DataType::Utf8))
}

/// Returns the fields of the other virtual columns.
pub(crate) fn places() -> impl Iterator<Item = FieldRef> {
    POSITIONS.iter().map(|(name, _)| virtual_field(name, DataType::Int64))
}

fn virtual_field(name: &str, data_type: DataType) -> FieldRef {
    let metadata = HashMap::from([(KEY.to_owned(), name.to_owned())]);
    Arc::new(Field::new(name, data_type, false).with_metadata(metadata))
}

/// Returns whether this field is a virtual column.
pub fn is_virtual(field: &Field) -> bool {
    field.metadata().contains_key(KEY)
}

fn place_of(field: &Field) -> Option<RowPosition> {
    let name = field.metadata().get(KEY)?;
    POSITIONS.iter().find(|(place, _)| place == name).map(|(_, place)| *place)
}

/// Returns the columns that are in the files.
pub(crate) fn without(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| !is_virtual(field)).cloned().collect::<Vec<_>>();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Appends virtual columns to decoded batches.
#[derive(Debug, Clone)]
pub(crate) struct VirtualColumnAppender {
    places: Vec<RowPosition>,
    /// Schema of the output: decoded and virtual columns.
    schema: SchemaRef,
}

impl VirtualColumnAppender {
    /// Returns an appender for the virtual columns in `fields`, or `None` if `fields` has no virtual column.
    pub(crate) fn new<'a>(
        fields: impl Iterator<Item = &'a FieldRef>,
        decoded: &Schema,
    ) -> Option<VirtualColumnAppender> {
        let mut all = decoded.fields().to_vec();
        let mut places = vec![];
        for field in fields {
            if let Some(place) = place_of(field) {
                places.push(place);
                all.push(Arc::clone(field));
            }
        }
        let schema = Arc::new(Schema::new_with_metadata(all, decoded.metadata().clone()));
        (!places.is_empty()).then_some(VirtualColumnAppender { places, schema })
    }

    /// Returns the schema of the output.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns whether a file must be read from its start: the number of blocks before a byte range is unknown.
    pub(crate) fn counts(&self) -> bool {
        self.places.iter().any(|place| matches!(place, RowPosition::Block | RowPosition::Row))
    }

    /// Appends the virtual columns to a batch whose rows are at these positions.
    pub(crate) fn append(&self, batch: &RecordBatch, at: &[RowRange]) -> Result<RecordBatch, ArrowError> {
        let rows = batch.num_rows();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut columns = batch.columns().to_vec();
        for place in &self.places {
            let mut values = Vec::with_capacity(rows);
            for run in at {
                match place {
                    RowPosition::Block => values.resize(values.len() + run.n_rows, number(run.block)),
                    RowPosition::Offset => values.resize(values.len() + run.n_rows, number(run.offset)),
                    RowPosition::Row => values.extend((run.row..).take(run.n_rows).map(number)),
                }
            }
            columns.push(Arc::new(Int64Array::from(values)) as ArrayRef);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}
