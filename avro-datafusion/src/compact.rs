//! Strings and bytes, copied out of the blocks they point into.
//!
//! Such a value is a view into the decompressed block. A batch of few rows that is sent to another process would take
//! whole blocks along: Arrow's encoders compact views of columns, but not those inside of others. Columns that are kept
//! in memory would keep all columns of their blocks.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow_schema::{ArrowError, DataType, Schema};
use std::sync::Arc;

/// Whether columns have views inside of others.
pub(crate) fn has_nested_views(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| field.data_type().is_nested() && has_views(field.data_type()))
}

fn has_views(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_views(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_views(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_views(field.data_type())),
        _ => false,
    }
}

/// Compacts the views inside other columns.
pub(crate) fn compacted(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column =
        |column: &ArrayRef| if column.data_type().is_nested() { compact(column) } else { Ok(Arc::clone(column)) };
    let columns = batch.columns().iter().map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

/// Copies the strings and bytes of an array out of the blocks they point into.
pub(crate) fn compact(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match values.data_type() {
        DataType::Utf8View => Ok(Arc::new(values.as_string_view().gc())),
        DataType::BinaryView => Ok(Arc::new(values.as_binary_view().gc())),
        data_type if has_views(data_type) => {
            let data = values.to_data();
            let child = |child: &_| Ok(compact(&make_array(Clone::clone(child)))?.to_data());
            let children = data.child_data().iter().map(child).collect::<Result<_, ArrowError>>()?;
            Ok(make_array(data.into_builder().child_data(children).build()?))
        }
        _ => Ok(Arc::clone(values)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{ListArray, StringViewArray, StructArray};
    use arrow_schema::Field;
    use datafusion::arrow::buffer::OffsetBuffer;

    #[test]
    fn compacted_keeps_values_and_drops_blocks() {
        let long = |i: usize| format!("a text that is too long to be inline, number {i}");
        let all: StringViewArray = (0..10_000).map(|i| Some(long(i))).collect();
        let few = Arc::new(all.slice(77, 6)) as ArrayRef;
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([1, 0, 3, 2]), Arc::clone(&few), None);
        let fields = vec![Field::new("l", list.data_type().clone(), true)];
        let record = StructArray::new(fields.into(), vec![Arc::new(list)], None);
        let schema = Arc::new(Schema::new(vec![Field::new("r", record.data_type().clone(), true)]));
        assert!(has_nested_views(&schema));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(record)]).unwrap();
        let compact = compacted(&batch).unwrap();
        assert_eq!(compact, batch);
        assert!(batch.get_array_memory_size() > 400_000);
        assert!(compact.get_array_memory_size() < 3_000, "{}", compact.get_array_memory_size());
    }
}
