//! `list_or_empty(l)`: an empty list for null.
//!
//! `array_agg` of no rows is null, but `ARRAY(SELECT ..)` of no rows is an empty list. DataFusion 55 does not plan the
//! latter, so the command writes `list_or_empty(array_agg(..))`.
//!
//! Delete when: DataFusion plans `ARRAY(SELECT ..)`.

use arrow_array::{Array, ListArray};
use arrow_schema::DataType;
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

/// Returns the function.
pub(crate) fn list_or_empty() -> ScalarUDF {
    ScalarUDF::new_from_impl(ListOrEmpty { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListOrEmpty {
    signature: Signature,
}

impl ScalarUDFImpl for ListOrEmpty {
    fn name(&self) -> &str {
        "list_or_empty"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [list @ DataType::List(_)] => Ok(list.clone()),
            _ => plan_err!("list_or_empty() takes a list"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(lists) = args.args.first() else { return exec_err!("list_or_empty() takes a list") };
        let lists = lists.to_array(args.number_rows)?;
        let (Some(list), DataType::List(item)) = (lists.as_any().downcast_ref::<ListArray>(), lists.data_type()) else {
            return exec_err!("list_or_empty() takes a list");
        };
        if list.null_count() == 0 {
            return Ok(ColumnarValue::Array(lists));
        }
        // Values below a null list are dropped, so that it is empty.
        let ranges = (0..list.len())
            .map(|i| if list.is_null(i) { 0 } else { usize::try_from(list.value_length(i)).unwrap_or(0) });
        let offsets = OffsetBuffer::from_lengths(ranges);
        let mut places = Vec::new();
        for (i, range) in list.value_offsets().windows(2).enumerate() {
            if let ([start, end], false) = (range, list.is_null(i)) {
                places.extend(*start..*end);
            }
        }
        let values = datafusion::arrow::compute::take(list.values(), &arrow_array::Int32Array::from(places), None)?;
        Ok(ColumnarValue::Array(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, None)?)))
    }
}
