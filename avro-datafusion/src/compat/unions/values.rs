//! `union_value`: converts the values of unions to one type.

use super::shape::{TypeClass, class_of, union_of};
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, StringArray, StructArray,
    UnionArray, new_null_array,
};
use arrow_schema::{DataType, FieldRef, Fields, SortOptions};
use avro_arrow::tagged::tagged_fields;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::kernels::union_extract::union_extract_by_id;
use datafusion::arrow::compute::{CastOptions, can_cast_types, cast_with_options, interleave};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// The target of the conversion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// The widest type of a union of numbers, lossless.
    Number,
    /// Text of any branch.
    Text,
    /// The numbers of a mixed union; other values become null.
    Numbers,
    /// This type, by a cast of every branch; values that cannot be cast become null or an error.
    Cast { to: DataType, or_null: bool },
    /// A tagged struct.
    Tagged,
    /// A struct of these fields, matched by name.
    Fields(Fields),
    /// Bytes that are equal if values are, for any nested type; ordered by branch, then by value.
    Key,
    /// Such bytes as text.
    KeyText,
}

/// The function. Rules create it; it is not registered.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct UnionValue {
    signature: Signature,
    pub(super) target: Target,
}

impl UnionValue {
    fn function(target: Target) -> ScalarUDF {
        UnionValue { signature: Signature::any(1, Volatility::Immutable), target }.into()
    }

    /// A call.
    pub(super) fn call(expr: Expr, target: Target) -> Expr {
        let function = Arc::new(UnionValue::function(target));
        Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(function, vec![expr]))
    }
}

/// Returns the type that a union becomes, where `from`, a union or lists of them, becomes `to`.
fn converted_type<'a>(from: &DataType, to: &'a DataType) -> &'a DataType {
    use DataType::{FixedSizeList, LargeList, List};
    match (from, to) {
        (List(from) | LargeList(from) | FixedSizeList(from, _), List(to) | LargeList(to) | FixedSizeList(to, _)) => {
            converted_type(from.data_type(), to.data_type())
        }
        _ => to,
    }
}

impl ScalarUDFImpl for UnionValue {
    fn name(&self) -> &str {
        match self.target {
            Target::Number => "union_number",
            Target::Numbers => "union_numbers",
            Target::Text => "union_text",
            Target::Cast { or_null: false, .. } => "union_cast",
            Target::Cast { or_null: true, .. } => "union_try_cast",
            Target::Tagged => "union_tagged",
            Target::Fields(_) => "union_fields",
            Target::Key => "value_key",
            Target::KeyText => "value_key_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [from] = take_function_args(self.name(), types)?;
        Ok(self.target.of(from))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [from] = take_function_args(self.name(), args.arg_fields)?;
        let can_be_null = !matches!(self.target, Target::Number | Target::Text) || from.is_nullable();
        let data_type = self.target.of(from.data_type());
        Ok(Arc::new(arrow_schema::Field::new(self.name(), data_type, can_be_null)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = take_function_args(self.name(), args.args)?;
        let target = self.target.returning(&value.data_type(), args.return_field.data_type());
        match value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(target.convert(&array)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = target.convert(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}

/// Returns one function of each name, as no session registers them.
#[cfg(feature = "proto")]
pub(in crate::compat) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    let cast = |or_null| Target::Cast { to: DataType::Null, or_null };
    let fixed = [Target::Number, Target::Numbers, Target::Text, Target::Tagged, Target::Key, Target::KeyText];
    let typed = [cast(false), cast(true), Target::Fields(Fields::empty())];
    fixed.into_iter().chain(typed).map(|target| Arc::new(UnionValue::function(target))).collect()
}

/// Returns whether functions of this name differ only in the types of their results.
#[cfg(feature = "proto")]
pub(in crate::compat) fn follows_types(function: &ScalarUDF) -> bool {
    let value = function.inner().downcast_ref::<UnionValue>();
    value.is_some_and(|value| matches!(value.target, Target::Cast { .. } | Target::Fields(_)))
}

impl Target {
    /// Returns the target with the type of this result. A function that was sent to another process has none of its
    /// own.
    fn returning(&self, from: &DataType, result: &DataType) -> Target {
        let result = converted_type(from, result);
        match (self, result) {
            (Target::Cast { or_null, .. }, to) => Target::Cast { to: to.clone(), or_null: *or_null },
            (Target::Fields(_), DataType::Struct(fields)) => Target::Fields(fields.clone()),
            (target, _) => target.clone(),
        }
    }

    /// The type that a type becomes. In lists, it is that of the items.
    pub(super) fn of(&self, from: &DataType) -> DataType {
        match self {
            Target::Key => return DataType::Binary,
            Target::KeyText => return DataType::Utf8,
            _ => {}
        }
        let item = |item: &FieldRef| Arc::new(arrow_schema::Field::new(item.name(), self.of(item.data_type()), true));
        let inner = |field: &FieldRef| {
            let data_type = self.of(field.data_type());
            Arc::new(field.as_ref().clone().with_data_type(data_type))
        };
        let Some(shape) = union_of(from) else {
            return match from {
                DataType::List(of) => DataType::List(item(of)),
                DataType::LargeList(of) => DataType::LargeList(item(of)),
                DataType::FixedSizeList(of, n) => DataType::FixedSizeList(item(of), *n),
                DataType::Struct(fields) if self.goes_inside() => DataType::Struct(fields.iter().map(inner).collect()),
                DataType::Map(entries, sorted) if self.goes_inside() => DataType::Map(inner(entries), *sorted),
                other => other.clone(),
            };
        };
        match self {
            Target::Number => shape.number().unwrap_or(DataType::Float64),
            Target::Text => DataType::Utf8View,
            Target::Numbers => {
                let has = |wanted: &[DataType]| shape.branches.iter().any(|branch| wanted.contains(branch.data_type()));
                if has(&[DataType::Float32, DataType::Float64]) { DataType::Float64 } else { DataType::Int64 }
            }
            Target::Cast { to, .. } => to.clone(),
            Target::Tagged => DataType::Struct(shape.branches),
            Target::Fields(fields) => DataType::Struct(fields.clone()),
            Target::Key | Target::KeyText => from.clone(),
        }
    }

    /// Converts an array of unions, or of lists of them.
    fn convert(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let to = self.of(array.data_type());
        match self {
            Target::Key => return keys(array),
            Target::KeyText => {
                let keys = keys(array)?;
                let texts = keys.as_binary::<i32>().iter().map(|key| key.map(hex));
                return Ok(Arc::new(texts.collect::<StringArray>()));
            }
            _ => {}
        }
        Ok(match array.data_type() {
            DataType::Union(..) => self.merge(&tagged(array.as_union())?, &to)?,
            from if union_of(from).is_some() => self.merge(array.as_struct(), &to)?,
            DataType::List(_) => self.list::<i32>(array.as_list(), &to)?,
            DataType::LargeList(_) => self.list::<i64>(array.as_list(), &to)?,
            DataType::FixedSizeList(_, n) => {
                let from = array.as_fixed_size_list();
                let DataType::FixedSizeList(item, _) = &to else { return Ok(Arc::clone(array)) };
                let items = self.convert(from.values())?;
                Arc::new(FixedSizeListArray::try_new_with_length(
                    Arc::clone(item),
                    *n,
                    items,
                    from.nulls().cloned(),
                    from.len(),
                )?)
            }
            DataType::Struct(_) if self.goes_inside() => {
                let (DataType::Struct(fields), from) = (&to, array.as_struct()) else { return Ok(Arc::clone(array)) };
                let columns = from.columns().iter().map(|column| self.convert(column)).collect::<Result<_>>()?;
                let nulls = from.nulls().cloned();
                Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, from.len())?)
            }
            DataType::Map(_, sorted) if self.goes_inside() => {
                let (DataType::Map(entries, _), from) = (&to, array.as_map()) else { return Ok(Arc::clone(array)) };
                let items = self.convert(&(Arc::new(from.entries().clone()) as ArrayRef))?;
                let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
                Arc::new(MapArray::try_new(Arc::clone(entries), offsets, items.as_struct().clone(), nulls, *sorted)?)
            }
            _ => Arc::clone(array),
        })
    }

    /// Returns whether unions inside records and maps are converted, too: for the columns of a table, and inside text.
    fn goes_inside(&self) -> bool {
        matches!(self, Target::Tagged | Target::Text)
    }

    fn list<O: OffsetSizeTrait>(&self, from: &GenericListArray<O>, to: &DataType) -> Result<ArrayRef> {
        let (DataType::List(item) | DataType::LargeList(item)) = to else { return Ok(Arc::new(from.clone())) };
        let items = self.convert(from.values())?;
        let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
        Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(item), offsets, items, nulls)?))
    }

    /// Casts each branch to this type and merges them into one array.
    fn merge(&self, union: &StructArray, to: &DataType) -> Result<ArrayRef> {
        if *self == Target::Tagged {
            return Ok(Arc::new(union.clone()));
        }
        if let Target::Fields(fields) = self {
            let columns = union.columns().iter().zip(fields);
            let columns =
                columns.map(|(column, field)| cast_with_options(column, field.data_type(), &CastOptions::default()));
            let (columns, nulls) = (columns.collect::<Result<Vec<_>, _>>()?, union.nulls().cloned());
            return Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, union.len())?));
        }
        let mut arrays = vec![new_null_array(to, 1)];
        let mut places = vec![(0, 0); union.len()];
        for (field, column) in union.fields().iter().zip(union.columns()) {
            // Slots below a null hold arbitrary values.
            let nulls = NullBuffer::union(column.logical_nulls().as_ref(), union.nulls());
            if nulls.as_ref().is_some_and(|nulls| nulls.null_count() == nulls.len()) {
                continue;
            }
            let Some(values) = self.branch(field, column, nulls.as_ref(), to)? else { continue };
            let is_there = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            for (row, place) in places.iter_mut().enumerate().filter(|(row, _)| is_there(*row)) {
                *place = (arrays.len(), row);
            }
            arrays.push(values);
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&arrays, &places)?)
    }

    /// Returns the values of a branch; `None` if all become null.
    fn branch(
        &self,
        field: &FieldRef,
        column: &ArrayRef,
        nulls: Option<&NullBuffer>,
        to: &DataType,
    ) -> Result<Option<ArrayRef>> {
        let strict = CastOptions { safe: false, ..Default::default() };
        Ok(Some(match self {
            Target::Text => cast_with_options(&texts(field, column)?, to, &strict)?,
            Target::Numbers if class_of(column.data_type()) != TypeClass::Number => return Ok(None),
            Target::Number | Target::Numbers => {
                if let (DataType::Int64, DataType::Float64) = (column.data_type(), to) {
                    exact(column, nulls)?;
                }
                cast_with_options(column, to, &strict)?
            }
            // Text casts to any type that it expresses.
            Target::Cast { to, or_null } => match can_cast_types(column.data_type(), to) {
                true => cast_with_options(column, to, &CastOptions { safe: *or_null, ..Default::default() })?,
                false if *or_null => return Ok(None),
                false => return exec_err!("a union holds {}, which cannot be cast to {to}", field.name()),
            },
            Target::Tagged | Target::Fields(_) | Target::Key | Target::KeyText => Arc::clone(column),
        }))
    }
}

/// Fails on a long that a double cannot represent.
fn exact(column: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<()> {
    let longs = column.as_primitive::<arrow_array::types::Int64Type>();
    for (row, long) in longs.values().iter().enumerate() {
        let is_there = nulls.is_none_or(|nulls| nulls.is_valid(row));
        if is_there && (*long as f64) as i128 != i128::from(*long) {
            return exec_err!(
                "{long}, a long in a union with double, is not exact as a double; compute with one branch, as in u.long, or compare with it"
            );
        }
    }
    Ok(())
}

/// The values of a branch as text.
fn texts(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
    let from = column.data_type();
    let is_uuid = field.extension_type_name() == Some("arrow.uuid");
    if matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)) {
        let bytes = cast_with_options(column, &DataType::Binary, &CastOptions::default())?;
        let mut texts = StringBuilder::new();
        for value in bytes.as_binary::<i32>() {
            match (value, value.map(std::str::from_utf8)) {
                (Some(value), _) if is_uuid => texts.append_value(uuid(value)),
                (_, Some(Ok(text))) => texts.append_value(text),
                (Some(value), _) => texts.append_value(format!("\\x{}", hex(value))),
                (None, _) => texts.append_null(),
            }
        }
        return Ok(Arc::new(texts.finish()));
    }
    if can_cast_types(from, &DataType::Utf8) && !from.is_nested() {
        let options = CastOptions { safe: false, ..Default::default() };
        return Ok(cast_with_options(column, &DataType::Utf8, &options)?);
    }
    let format = FormatOptions::default().with_null("null").with_display_error(false);
    let column = &Target::Text.convert(column)?;
    let formatter = ArrayFormatter::try_new(column, &format)?;
    let mut texts = StringBuilder::new();
    for row in 0..column.len() {
        match column.is_null(row) {
            true => texts.append_null(),
            false => {
                let value = formatter.value(row).try_to_string();
                texts.append_value(value.map_err(|e| exec_datafusion_err!("{}: {e}", field.name()))?);
            }
        }
    }
    Ok(Arc::new(texts.finish()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = hex(bytes);
    for at in [20, 16, 12, 8] {
        if at < text.len() {
            text.insert(at, '-');
        }
    }
    text
}

/// Each value as bytes.
fn keys(array: &ArrayRef) -> Result<ArrayRef> {
    let options = SortOptions { descending: false, nulls_first: false };
    let array = match array.data_type() {
        DataType::Union(..) => Arc::new(tagged(array.as_union())?),
        _ => Arc::clone(array),
    };
    let converter = RowConverter::new(vec![SortField::new_with_options(array.data_type().clone(), options)])?;
    let rows = converter.convert_columns(std::slice::from_ref(&array))?;
    let mut keys = BinaryBuilder::new();
    for (at, row) in rows.iter().enumerate() {
        if array.is_null(at) { keys.append_null() } else { keys.append_value(row.data()) }
    }
    Ok(Arc::new(keys.finish()))
}

/// Converts one of Arrow's unions to a tagged struct.
pub(super) fn tagged(union: &UnionArray) -> Result<StructArray> {
    let DataType::Union(children, _) = union.data_type() else { return exec_err!("a union of another type") };
    let fields = tagged_fields(children);
    let values = children.iter().filter(|(_, child)| *child.data_type() != DataType::Null);
    let columns = values.map(|(id, _)| union_extract_by_id(union, id)).collect::<Result<Vec<_>, _>>()?;
    Ok(StructArray::try_new_with_length(fields, columns, union.logical_nulls(), union.len())?)
}
