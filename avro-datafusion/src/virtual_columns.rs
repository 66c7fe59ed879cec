//! Columns that say where a row is from: `_file`, `_block`, `_row` and `_offset`. Fields of a table's schema that stand for them, and
//! what they are for the rows of a batch.
//!
//! `_file` is a partition column, the same for a whole file. The others stand behind the columns of the files, and are known to the
//! scan by their metadata.

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use avro_arrow::RowRange;
use datafusion::datasource::physical_plan::wrap_partition_type_in_dict;
use std::collections::HashMap;
use std::sync::Arc;

/// Where in a field's metadata it says which of these it is. Attributes of Avro schemas have other keys.
const KEY: &str = "avro_datafusion.virtual";

/// A column that says where in its file a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Block,
    Row,
    Offset,
}

const PLACES: [(&str, Place); 3] = [("_block", Place::Block), ("_row", Place::Row), ("_offset", Place::Offset)];

/// The column of the files' names.
pub(crate) fn file() -> FieldRef {
    virtual_field("_file", wrap_partition_type_in_dict(DataType::Utf8))
}

/// The other columns.
pub(crate) fn places() -> impl Iterator<Item = FieldRef> {
    PLACES.iter().map(|(name, _)| virtual_field(name, DataType::Int64))
}

fn virtual_field(name: &str, data_type: DataType) -> FieldRef {
    let metadata = HashMap::from([(KEY.to_owned(), name.to_owned())]);
    Arc::new(Field::new(name, data_type, false).with_metadata(metadata))
}

/// Is this one of the columns here?
pub(crate) fn is_virtual(field: &Field) -> bool {
    field.metadata().contains_key(KEY)
}

fn place_of(field: &Field) -> Option<Place> {
    let name = field.metadata().get(KEY)?;
    PLACES.iter().find(|(place, _)| place == name).map(|(_, place)| *place)
}

/// The columns that are in the files.
pub(crate) fn without(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| !is_virtual(field)).cloned().collect::<Vec<_>>();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Columns that are wanted behind those that are decoded.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    places: Vec<Place>,
    /// All columns.
    schema: SchemaRef,
}

impl Placed {
    /// Those of these fields that are of this kind, behind the columns of `decoded`. None if there are none.
    pub(crate) fn of<'a>(fields: impl Iterator<Item = &'a FieldRef>, decoded: &Schema) -> Option<Placed> {
        let mut all = decoded.fields().to_vec();
        let mut places = vec![];
        for field in fields {
            if let Some(place) = place_of(field) {
                places.push(place);
                all.push(Arc::clone(field));
            }
        }
        let schema = Arc::new(Schema::new_with_metadata(all, decoded.metadata().clone()));
        (!places.is_empty()).then_some(Placed { places, schema })
    }

    /// The columns that are decoded, and these.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Do they need a file to be read from its start? How many blocks there are before a byte range is not known.
    pub(crate) fn counts(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Block | Place::Row))
    }

    /// The batch with these columns, of rows that are at these places.
    pub(crate) fn append(&self, batch: &RecordBatch, at: &[RowRange]) -> Result<RecordBatch, ArrowError> {
        let rows = batch.num_rows();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut columns = batch.columns().to_vec();
        for place in &self.places {
            let mut values = Vec::with_capacity(rows);
            for run in at {
                match place {
                    Place::Block => values.resize(values.len() + run.n_rows, number(run.block)),
                    Place::Offset => values.resize(values.len() + run.n_rows, number(run.offset)),
                    Place::Row => values.extend((run.row..).take(run.n_rows).map(number)),
                }
            }
            columns.push(Arc::new(Int64Array::from(values)) as ArrayRef);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}
