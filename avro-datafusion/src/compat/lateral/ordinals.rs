//! `WITH ORDINALITY`: the numbers of list items.

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{Array, Int64Array};
use arrow_schema::{DataType, Field};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

/// Returns a function that maps lists to `[1, 2, .., n]`, where the longest list has `n` items.
pub(super) fn ordinals() -> ScalarUDF {
    ScalarUDF::new_from_impl(Ordinals { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ordinals {
    signature: Signature,
}

impl ScalarUDFImpl for Ordinals {
    fn name(&self) -> &str {
        "ordinals"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut longest = vec![0; args.number_rows];
        for lists in args.args {
            let lengths = cast(&length(&lists.into_array(args.number_rows)?)?, &DataType::Int64)?;
            let Some(lengths) = lengths.as_any().downcast_ref::<Int64Array>() else { continue };
            for (longest, length) in longest.iter_mut().zip(lengths) {
                *longest = (*longest).max(length.unwrap_or(0));
            }
        }
        let mut lists = ListBuilder::new(Int64Builder::new());
        for n in longest {
            lists.append_value((1..=n).map(Some));
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }
}
