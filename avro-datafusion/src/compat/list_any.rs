//! `x = ANY(l)` for lists with nulls in them.
//!
//! DataFusion 55 plans `= ANY` as `array_has`, and other comparisons by the min and max item. Both ignore nulls: `1 =
//! ANY([NULL])` is false instead of null, so `NOT 1 = ANY(l)` returns wrong rows. The command writes `list_any(l, '=',
//! x)` instead. As in DuckDB, a null list has no items: `ANY` is false.
//!
//! Delete when: `SELECT 1 = ANY([NULL])` is null.

use super::matching::{compare, rows_of_items};
use arrow_array::{Array, BooleanArray, ListArray};
use arrow_schema::{DataType, Field};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Returns the function `list_any(list, op, value)`.
pub(super) fn list_any() -> ScalarUDF {
    ScalarUDF::new_from_impl(ListAny { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListAny {
    signature: Signature,
}

impl ScalarUDFImpl for ListAny {
    fn name(&self) -> &str {
        "list_any"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [list, op, value] = types else { return plan_err!("list_any() takes a list, a comparison and a value") };
        let item = match list {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type(),
            DataType::Null => value,
            _ => return Ok(types.to_vec()),
        };
        let Some(common) = comparison_coercion(item, value) else { return Ok(types.to_vec()) };
        Ok(vec![DataType::List(Arc::new(Field::new_list_field(common.clone(), true))), op.clone(), common])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::List(item), _, value] if item.data_type() == value => Ok(DataType::Boolean),
            [DataType::List(_), ..] => {
                plan_err!("ANY and ALL require items of the same type as the value; use a cast")
            }
            _ => plan_err!("ANY and ALL take a list or a subquery"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [lists, ColumnarValue::Scalar(op), value] = args.args.as_slice() else {
            return exec_err!("list_any() takes a list, a comparison and a value");
        };
        let op = match op.try_as_str().flatten() {
            Some("=") => Operator::Eq,
            Some("<>") => Operator::NotEq,
            Some("<") => Operator::Lt,
            Some("<=") => Operator::LtEq,
            Some(">") => Operator::Gt,
            Some(">=") => Operator::GtEq,
            _ => return exec_err!("ANY and ALL compare by =, <>, <, <=, > or >="),
        };
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let n = if is_scalar { 1 } else { args.number_rows };
        let (lists, values) = (lists.to_array(n)?, value.to_array(n)?);
        let Some(lists) = lists.as_any().downcast_ref::<ListArray>() else {
            return exec_err!("ANY and ALL take a list or a subquery");
        };
        let rows = rows_of_items(lists.value_offsets());
        let holds = compare(op, lists.values(), lists.value_offsets(), &values, &rows)?;
        let mut any = vec![Some(false); n];
        for (row, holds) in rows.values().iter().zip(&holds) {
            if let Some(any) = any.get_mut(*row as usize) {
                // Three-valued `OR`.
                *any = if *any == Some(true) || holds == Some(true) { Some(true) } else { any.and(holds) };
            }
        }
        // The values below a null list are not items.
        let any = any.into_iter().enumerate().map(|(i, any)| if lists.is_null(i) { Some(false) } else { any });
        let any: BooleanArray = any.collect();
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&any, 0)?),
            false => ColumnarValue::Array(Arc::new(any)),
        })
    }
}
