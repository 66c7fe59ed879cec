//! `map_entries(m)` for the maps of Avro files.
//!
//! DataFusion 55 declares the value of an entry nullable and its key not, whatever the map says, and panics if the two
//! differ. This function returns entries with the map's own fields.
//!
//! Delete when: DataFusion's `map_entries` takes its fields from the map.

use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Returns the function `map_entries`.
pub(crate) fn map_entries() -> ScalarUDF {
    ScalarUDF::new_from_impl(MapEntries { name: "map_entries", signature: Signature::any(1, Volatility::Immutable) })
}

/// Returns the function `unnestable`, which returns anything but maps unchanged.
///
/// DataFusion 55 cannot `unnest` maps, and its parser cannot be extended to. The command writes
/// `unnest(unnestable(m))`.
pub(crate) fn unnestable() -> ScalarUDF {
    ScalarUDF::new_from_impl(MapEntries { name: UNNESTABLE, signature: Signature::any(1, Volatility::Immutable) })
}

const UNNESTABLE: &str = "unnestable";

/// Converts each map to a list of records `{key, value}`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MapEntries {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for MapEntries {
    fn name(&self) -> &str {
        self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        let args = args.join(",");
        Ok(if self.name == UNNESTABLE { args } else { format!("{}({args})", self.name) })
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.as_slice() {
            [list] if self.name == UNNESTABLE && !matches!(info.get_data_type(list)?, DataType::Map(..)) => {
                Ok(ExprSimplifyResult::Simplified(list.clone()))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Map(entries, _)] => Ok(DataType::List(item(entries))),
            [DataType::Null] => Ok(DataType::Null),
            [other] if self.name == UNNESTABLE => Ok(other.clone()),
            _ => plan_err!("map_entries() takes a map"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [maps] = <[ColumnarValue; 1]>::try_from(args.args).or_else(|_| exec_err!("map_entries() takes one map"))?;
        let is_scalar = matches!(maps, ColumnarValue::Scalar(_));
        let maps = maps.into_array(args.number_rows)?;
        let Some(lists) = lists(&maps) else { return Ok(ColumnarValue::Array(maps)) };
        let lists: ArrayRef = Arc::new(lists?);
        if is_scalar && !lists.is_empty() {
            let list = datafusion::common::ScalarValue::try_from_array(&lists, 0)?;
            return Ok(ColumnarValue::Scalar(list));
        }
        Ok(ColumnarValue::Array(lists))
    }
}

/// The items of the list for maps with these entries.
fn item(entries: &FieldRef) -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(named(entries)), entries.is_nullable()))
}

/// Returns the fields of an entry, named `key` and `value`. Files may have other names for them.
fn named(entries: &FieldRef) -> Fields {
    let DataType::Struct(fields) = entries.data_type() else { return Fields::empty() };
    let named = fields.iter().zip(["key", "value"]);
    named.map(|(field, name)| Arc::new(field.as_ref().clone().with_name(name))).collect()
}

/// Returns the maps as lists; `None` if these are not maps.
fn lists(maps: &ArrayRef) -> Option<Result<ListArray>> {
    let (DataType::Map(entries, _), Some(maps)) =
        (maps.data_type(), maps.as_any().downcast_ref::<arrow_array::MapArray>())
    else {
        return None;
    };
    let (_, columns, nulls) = maps.entries().clone().into_parts();
    let list = StructArray::try_new(named(entries), columns, nulls).and_then(|records| {
        ListArray::try_new(item(entries), maps.offsets().clone(), Arc::new(records), maps.nulls().cloned())
    });
    Some(list.map_err(Into::into))
}
