//! Nulls of records, pushed into their fields, and a `get_field` that looks at them.
//!
//! A record that is null may have any values in its fields, in Arrow. But DataFusion 55 reads a field of a null record
//! as the value that is there.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, MapArray, StructArray};
#[cfg(feature = "cache")]
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, FieldRef};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::nullif;
use datafusion::common::{Result as PlanResult, plan_err};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// Returns a batch with the nulls of records in their fields, too, as decoders of Avro make it: Parquet has none for
/// required fields.
#[cfg(feature = "cache")]
pub(crate) fn with_nulls_inside(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !batch.schema_ref().fields().iter().any(|field| holds_records(field.data_type())) {
        return Ok(batch);
    }
    let columns = batch.columns().iter().map(|column| pushed_down(column, None)).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

/// Returns an array in which the fields of null records are null, at every depth. Elements that are not in `valid` are
/// null, too.
pub(crate) fn pushed_down(array: &ArrayRef, valid: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Struct(fields) => {
            let records = array.as_struct();
            let valid = NullBuffer::union(records.nulls(), valid);
            let columns = records.columns().iter().map(|column| pushed_down(column, valid.as_ref()));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let records = match columns.is_empty() {
                true => StructArray::try_new_with_length(fields.clone(), columns, valid, records.len())?,
                false => StructArray::try_new(fields.clone(), columns, valid)?,
            };
            Ok(Arc::new(records))
        }
        DataType::List(item) if holds_records(item.data_type()) => {
            let list = array.as_list::<i32>();
            let (valid, values) = (NullBuffer::union(list.nulls(), valid), pushed_down(list.values(), None)?);
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), values, valid)?))
        }
        DataType::Map(entries, sorted) if holds_records(entries.data_type()) => {
            let map = array.as_map();
            let valid = NullBuffer::union(map.nulls(), valid);
            let values = pushed_down(&(Arc::new(map.entries().clone()) as ArrayRef), None)?.as_struct().clone();
            Ok(Arc::new(MapArray::try_new(Arc::clone(entries), map.offsets().clone(), values, valid, *sorted)?))
        }
        _ => match valid.filter(|valid| valid.null_count() > 0) {
            Some(valid) => nullif(array, &BooleanArray::new(!valid.inner(), None)),
            None => Ok(Arc::clone(array)),
        },
    }
}

/// Returns whether values of a type are or have records.
pub(crate) fn holds_records(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(_) => true,
        DataType::List(inner) | DataType::Map(inner, _) => holds_records(inner.data_type()),
        _ => false,
    }
}

/// Returns a `get_field` of a record and a name for which the field of a null record is null.
pub(crate) fn nullable_field() -> Arc<ScalarUDF> {
    Arc::new(NullableField { inner: datafusion::functions::core::get_field() }.into())
}

/// Whether a function reads a field of a record.
pub(crate) fn is_get_field(function: &ScalarUDF) -> bool {
    function.inner().is::<GetFieldFunc>() || function.inner().is::<NullableField>()
}

/// Returns DataFusion's function.
#[cfg(feature = "cluster")]
pub(crate) fn inner_of(function: &ScalarUDF) -> Option<&Arc<ScalarUDF>> {
    function.inner().downcast_ref::<NullableField>().map(|field| &field.inner)
}

/// `get_field` of a record and a name; the field of a null record is null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NullableField {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for NullableField {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        plan_err!("{} needs fields", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> PlanResult<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.placement(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let valid = match args.args.first() {
            Some(ColumnarValue::Array(records)) => records.nulls().cloned(),
            _ => None,
        };
        match self.inner.invoke_with_args(args)? {
            ColumnarValue::Array(field) => Ok(ColumnarValue::Array(pushed_down(&field, valid.as_ref())?)),
            scalar => Ok(scalar),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use arrow_schema::Field;
    use datafusion::arrow::buffer::OffsetBuffer;

    fn record(columns: &[(&str, &ArrayRef)], valid: Option<Vec<bool>>) -> ArrayRef {
        let field = |(name, column): &(&str, &ArrayRef)| Field::new(*name, column.data_type().clone(), false);
        let fields = columns.iter().map(field).collect();
        let columns = columns.iter().map(|(_, column)| Arc::clone(column)).collect();
        Arc::new(StructArray::new(fields, columns, valid.map(NullBuffer::from)))
    }

    #[test]
    fn fields_of_null_records_are_null() {
        let x: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let inner = record(&[("x", &x)], None);
        let list: ArrayRef = Arc::new(ListArray::new(
            Arc::new(Field::new("item", inner.data_type().clone(), true)),
            OffsetBuffer::from_lengths([1, 0, 2]),
            record(&[("x", &x)], Some(vec![true, false, true])),
            None,
        ));
        let outer = record(&[("inner", &inner), ("list", &list)], Some(vec![true, false, true]));
        let pushed = pushed_down(&outer, None).unwrap();
        assert_eq!(&pushed, &outer, "the values are the same");
        let field = |array: &ArrayRef, at: usize| Arc::clone(array.as_struct().column(at));
        let nulls = |array: &ArrayRef| (0..array.len()).map(|at| array.is_null(at)).collect::<Vec<_>>();
        assert_eq!(nulls(&field(&pushed, 0)), [false, true, false]);
        assert_eq!(nulls(&field(&field(&pushed, 0), 0)), [false, true, false]);
        let list = field(&pushed, 1);
        assert_eq!(nulls(&list), [false, true, false]);
        assert_eq!(nulls(&field(list.as_list::<i32>().values(), 0)), [false, true, false]);
    }
}
