//! `map_extract(m, key)`, also called `element_at`: a list of the key's value, empty if the map does not have the key.
//!
//! DataFusion 55 documents this, but returns `[NULL]` for a missing key and for a null map, so neither differs from a
//! null value. Here the list of a null map is null.
//!
//! Delete when: DataFusion's `map_extract` does what its documentation says.

use super::matching::{compare, rows_of_items};
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, MapArray};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Returns the function.
pub(super) fn map_extract() -> ScalarUDF {
    ScalarUDF::new_from_impl(MapExtract {
        signature: Signature::user_defined(Volatility::Immutable),
        aliases: vec!["element_at".to_owned()],
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MapExtract {
    signature: Signature,
    aliases: Vec<String>,
}

impl ScalarUDFImpl for MapExtract {
    fn name(&self) -> &str {
        "map_extract"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [map, _] if *map == DataType::Null => Ok(types.to_vec()),
            [map, _] => Ok(vec![map.clone(), entry(map)?.0.data_type().clone()]),
            _ => plan_err!("map_extract() takes a map and a key"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Null, _] => Ok(DataType::Null),
            [map, _] => Ok(DataType::List(item(entry(map)?.1))),
            _ => plan_err!("map_extract() takes a map and a key"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [maps, keys] = args.args.as_slice() else { return exec_err!("map_extract() takes a map and a key") };
        let (maps, keys) = (maps.to_array(args.number_rows)?, keys.to_array(args.number_rows)?);
        match maps.as_any().downcast_ref::<MapArray>() {
            Some(maps) => Ok(ColumnarValue::Array(extract(maps, &keys)?)),
            None => Ok(ColumnarValue::Array(maps)),
        }
    }
}

/// The key and the value of the entries of a map.
fn entry(map: &DataType) -> Result<(&FieldRef, &FieldRef)> {
    if let DataType::Map(entries, _) = map
        && let DataType::Struct(fields) = entries.data_type()
        && let [key, value] = fields.as_ref()
    {
        return Ok((key, value));
    }
    plan_err!("map_extract() takes a map")
}

fn item(value: &FieldRef) -> FieldRef {
    Arc::new(Field::new_list_field(value.data_type().clone(), true).with_metadata(value.metadata().clone()))
}

fn extract(maps: &MapArray, keys: &ArrayRef) -> Result<ArrayRef> {
    let places = rows_of_items(maps.value_offsets());
    let is_key = compare(Operator::Eq, maps.keys(), maps.value_offsets(), keys, &places)?;
    let first = maps.value_offsets().first().copied().unwrap_or(0);
    let mut found: Vec<i32> = Vec::new();
    let mut lengths = vec![0; maps.len()];
    for (at, (row, is_key)) in (first..).zip(places.values().iter().zip(&is_key)) {
        // A file can contain a key twice. The first one counts.
        if is_key == Some(true)
            && let Some(length @ 0) = lengths.get_mut(*row as usize)
        {
            *length = 1;
            found.push(at);
        }
    }
    let values = take(maps.values(), &Int32Array::from(found), None)?;
    let (_, value) = entry(maps.data_type())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item(value), offsets, values, maps.nulls().cloned())?))
}
