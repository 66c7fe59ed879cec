//! `union_extract(u, 'int')`, which is `u.int`, and `union_tag(u)`. DataFusion's functions of these names only take
//! Arrow's unions, and use the names of Arrow's fields.

use super::shape::{UnionShape, union_of};
use super::values::tagged;
use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{Array, ArrayRef, StructArray, make_array};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, ScalarValue, exec_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use std::sync::Arc;

/// Returns the value of a branch; null for other branches.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct UnionExtract {
    signature: Signature,
}

/// Returns the name of a value's branch.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct UnionTag {
    signature: Signature,
}

impl Default for UnionExtract {
    fn default() -> Self {
        UnionExtract { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl Default for UnionTag {
    fn default() -> Self {
        UnionTag { signature: Signature::any(1, Volatility::Immutable) }
    }
}

/// Returns the field of a union that has this name.
fn branch_of<'a>(shape: &'a UnionShape, union: &str, name: &str) -> Result<&'a FieldRef> {
    shape.branch(name).ok_or_else(|| {
        plan_datafusion_err!("{union}: {} has no branch `{name}`; its branches are {}", shape.words(), shape.names())
    })
}

/// Returns the value of a branch. `get_field` would return values below a null, which `CASE` and `nullif` leave in
/// structs.
pub(super) fn extract(union: Expr, branch: &str) -> Expr {
    let function = Arc::new(ScalarUDF::from(UnionExtract::default()));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![union, lit(branch)]))
}

/// Returns the array with nulls where an enclosing value is null.
fn masked(array: &ArrayRef, around: Option<&NullBuffer>) -> Result<ArrayRef> {
    let Some(around) = around.filter(|around| around.null_count() > 0) else { return Ok(Arc::clone(array)) };
    let nulls = NullBuffer::union(array.nulls(), Some(around));
    if let DataType::Struct(fields) = array.data_type() {
        let from = array.as_struct();
        let columns = from.columns().iter().map(|column| masked(column, nulls.as_ref())).collect::<Result<_>>()?;
        let fields = fields.iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect();
        let masked = StructArray::try_new_with_length(fields, columns, nulls, from.len())?;
        // The type stays: its null buffer is never used below a null.
        return Ok(make_array(masked.into_data().into_builder().data_type(array.data_type().clone()).build()?));
    }
    match array.data_type() {
        DataType::Null => Ok(Arc::clone(array)),
        _ => Ok(make_array(array.to_data().into_builder().nulls(nulls).build()?)),
    }
}

fn branch_values(array: &ArrayRef, name: &str) -> Result<ArrayRef> {
    let Some(shape) = union_of(array.data_type()) else { return exec_err!("union_extract takes a union") };
    let name = branch_of(&shape, "union_extract", name)?.name();
    let union = match array.data_type() {
        DataType::Struct(_) => array.as_struct().clone(),
        _ => tagged(array.as_union())?,
    };
    match union.column_by_name(name) {
        Some(column) => masked(column, union.nulls()),
        None => exec_err!("a union without its branch {name}"),
    }
}

impl ScalarUDFImpl for UnionExtract {
    fn name(&self) -> &str {
        "union_extract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("union_extract takes a union and the name of a branch")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let name = args.scalar_arguments.get(1).and_then(|name| name.and_then(|name| name.try_as_str().flatten()));
        let (Some(union), Some(name)) = (args.arg_fields.first(), name) else {
            return plan_err!("union_extract takes a union and the name of a branch, as in union_extract(u, 'int')");
        };
        let Some(shape) = union_of(union.data_type()) else {
            return plan_err!(
                "{0}: not a union here; GROUP BY, DISTINCT and set operations convert a union of numbers to a number, so take \
                 the branch first, as in SELECT DISTINCT {0}.{name}",
                union.name()
            );
        };
        let branch = branch_of(&shape, union.name(), name)?;
        Ok(Arc::new(branch.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [union, name] = take_function_args(self.name(), args.args)?;
        let ColumnarValue::Scalar(name) = &name else { return exec_err!("union_extract takes the name of a branch") };
        let Some(name) = name.try_as_str().flatten() else {
            return exec_err!("union_extract takes the name of a branch");
        };
        match union {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(branch_values(&array, name)?)),
            ColumnarValue::Scalar(scalar) => {
                let values = branch_values(&scalar.to_array()?, name)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?))
            }
        }
    }
}

impl ScalarUDFImpl for UnionTag {
    fn name(&self) -> &str {
        "union_tag"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [union] if union_of(union).is_some() => {
                Ok(DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)))
            }
            _ => plan_err!("union_tag takes a union"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [union] = take_function_args(self.name(), args.args)?;
        match union {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(tags(&array)?)),
            ColumnarValue::Scalar(scalar) => {
                let tags = tags(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&tags, 0)?))
            }
        }
    }
}

/// Returns the branch names of values. A null is of the branch `null`, if the union has it.
fn tags(array: &ArrayRef) -> Result<ArrayRef> {
    let Some(shape) = union_of(array.data_type()) else { return exec_err!("union_tag takes a union") };
    let union = match array.data_type() {
        DataType::Struct(_) => array.as_struct().clone(),
        _ => tagged(array.as_union())?,
    };
    let nulls: Vec<_> = union.columns().iter().map(|column| column.logical_nulls()).collect();
    let mut tags = StringDictionaryBuilder::<Int8Type>::new();
    for row in 0..union.len() {
        let is_there =
            |nulls: &Option<NullBuffer>| union.is_valid(row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let branch = nulls.iter().position(is_there).and_then(|at| shape.branches.get(at));
        tags.append_option(branch.map(|branch| branch.name().as_str()).or(shape.has_null.then_some("null")));
    }
    Ok(Arc::new(tags.finish()))
}
