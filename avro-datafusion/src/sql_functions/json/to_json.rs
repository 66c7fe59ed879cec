//! `to_json`: any value as JSON, with the text that `--format json` writes.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use datafusion::common::{Result, exec_err};

use crate::compat::Values;
use crate::sql_functions::function::{Arguments, Body, Definition, Kernel};

pub(super) const TO_JSON: Definition = Definition {
    name: "to_json",
    aliases: &["json_quote", "row_to_json", "array_to_json"],
    usage: "to_json(x)",
    about: "Any value as JSON: bytes as '\\x00ff', dates and times as in ISO 8601, NaN as a string.",
    example: "to_json({'a': [1, NULL], 'b': 'x'})",
    n_args: 1..=1,
    body: Body::Kernel(Kernel {
        coerce: |types| Ok(types.to_vec()),
        returns: |_, _| Ok(DataType::Utf8),
        call: to_json,
    }),
};

fn to_json(arguments: &Arguments) -> Result<ArrayRef> {
    let array = arguments.array(0)?;
    let Some(field) = arguments.fields.first() else { return exec_err!("to_json has one argument") };
    let mut out = StringBuilder::new();
    // Arrow shows dictionaries as their values.
    let array = match array.data_type() {
        DataType::Dictionary(_, values) => datafusion::arrow::compute::cast(&array, values)?,
        _ => array,
    };
    let field = Field::clone(field).with_data_type(array.data_type().clone());
    let values = Values::new(&field, array.as_ref())?;
    for row in 0..array.len() {
        if array.is_null(row) || array.data_type().is_null() {
            out.append_null();
            continue;
        }
        let mut json = String::new();
        values.json(row, &mut json)?;
        out.append_value(json);
    }
    Ok(Arc::new(out.finish()))
}
