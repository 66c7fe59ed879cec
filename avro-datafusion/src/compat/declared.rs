//! Casts to `ENUM('A', 'B')` and `UNION(i INTEGER, s VARCHAR)`, which DataFusion 55 has no types for: at any depth of
//! lists, records and maps.
//!
//! An enum is a dictionary of its symbols; other text is an error. A value goes into the branch of a union that holds
//! every value of its type and needs the least conversion, as in DuckDB. If no branch does, an integer goes into a
//! narrower integer branch, and an integer that does not fit is an error. A union that is cast to a union keeps the
//! branch of each value by its name.
//!
//! Delete when: DataFusion plans these types.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeListArray, GenericListArray, Int32Array, MapArray, OffsetSizeTrait,
    StringArray, StructArray, new_null_array,
};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use avro_arrow::tagged::is_tagged;
use datafusion::arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::operand::{is_bytes, is_text};
use super::text;
use crate::sql_type::{sql_type_name, symbols_of};

/// Whether a cast to this field is one of these.
pub(super) fn is_declared(to: &Field) -> bool {
    match to.data_type() {
        DataType::Dictionary(..) => symbols_of(to).is_some(),
        DataType::Struct(fields) => is_tagged(fields) || fields.iter().any(|field| is_declared(field)),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => is_declared(item),
        DataType::Map(entries, _) => is_declared(entries),
        _ => false,
    }
}

/// Returns the functions, as no session registers them.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    vec![cast(false), cast(true)]
}

fn cast(is_try: bool) -> Arc<ScalarUDF> {
    Arc::new(DeclaredCast { is_try, signature: Signature::any(2, Volatility::Immutable) }.into())
}

/// Casts a value to such a type.
pub(super) fn of(value: Expr, to: &Field, is_try: bool) -> Result<Expr> {
    static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 2]> = LazyLock::new(|| [false, true].map(cast));
    let [strict, lenient] = &*FUNCTIONS;
    // An integer has the type that holds it: `1` is no BIGINT here.
    let value = match value {
        Expr::Literal(ScalarValue::Int64(Some(n)), metadata) if let Ok(n) = i32::try_from(n) => {
            Expr::Literal(ScalarValue::Int32(Some(n)), metadata)
        }
        value => value,
    };
    // The type is an argument, so that the function has no state: that of the items of a list, which keep the
    // metadata of their field when a plan is sent to another process.
    let list = DataType::List(Arc::new(to.clone().with_name(Field::LIST_FIELD_DEFAULT_NAME)));
    let null = Expr::Literal(scalar(&new_null_array(&list, 1))?, None);
    Ok(if is_try { lenient } else { strict }.call(vec![value, null]))
}

/// Returns the type that the second argument stands for.
fn target(list: &Field) -> Result<&FieldRef> {
    match list.data_type() {
        DataType::List(to) => Ok(to),
        other => plan_err!("avro_cast needs a null list of the type, not {other}"),
    }
}

/// The functions `avro_cast` and `avro_try_cast` of a value and a null list of values of the type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DeclaredCast {
    /// Whether values that do not fit are null.
    is_try: bool,
    signature: Signature,
}

impl ScalarUDFImpl for DeclaredCast {
    fn name(&self) -> &str {
        if self.is_try { "avro_try_cast" } else { "avro_cast" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        plan_err!("{} needs fields", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [from, list] = args.arg_fields else { return plan_err!("{} has two arguments", self.name()) };
        let to = target(list)?;
        plan(from, to)?;
        Ok(Arc::new(Field::clone(to).with_name(self.name()).with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ([value, _], [from, list]) = (args.args.as_slice(), args.arg_fields.as_slice()) else {
            return exec_err!("{} has two arguments", self.name());
        };
        let to = target(list)?;
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let array = value.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let result = convert(&array, from, to, self.is_try)?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(scalar(&result)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// Returns the only value of an array. DataFusion's conversion loses the metadata of the items of a list.
fn scalar(array: &ArrayRef) -> Result<ScalarValue> {
    Ok(match array.data_type() {
        DataType::List(_) => ScalarValue::List(Arc::new(array.as_list().clone())),
        DataType::LargeList(_) => ScalarValue::LargeList(Arc::new(array.as_list().clone())),
        DataType::FixedSizeList(..) => ScalarValue::FixedSizeList(Arc::new(array.as_fixed_size_list().clone())),
        _ => ScalarValue::try_from_array(array, 0)?,
    })
}

/// Checks that values of a type can be converted, at every depth.
fn plan(from: &Field, to: &Field) -> Result<()> {
    match (from.data_type(), to.data_type()) {
        (DataType::Null, _) => Ok(()),
        (DataType::Struct(branches), DataType::Struct(fields)) if is_tagged(branches) && is_tagged(fields) => {
            for branch in branches {
                match fields.iter().find(|field| field.name() == branch.name()) {
                    Some(field) => plan(branch, field)?,
                    None => return plan_err!("cannot cast: {} has no branch {}", sql_type_name(to), branch.name()),
                }
            }
            Ok(())
        }
        (_, DataType::Struct(fields)) if is_tagged(fields) => branch_for(from, to, fields).map(|_| ()),
        (DataType::Struct(from_fields), DataType::Struct(fields)) if is_declared(to) => {
            for field in fields {
                match from_fields.iter().find(|from| from.name() == field.name()) {
                    Some(from) => plan(from, field)?,
                    None => return plan_err!("cannot cast: {} has no field {}", sql_type_name(from), field.name()),
                }
            }
            Ok(())
        }
        (DataType::Map(from, _), DataType::Map(to, _)) if is_declared(to) => plan_entries(from, to),
        (from_type, to_type) if is_declared(to) && (items(from_type).is_some() || items(to_type).is_some()) => {
            match (items(from_type), items(to_type)) {
                (Some(from), Some(to)) if list_kind(from_type) == list_kind(to_type) => plan(from, to),
                _ => refuse(from, to),
            }
        }
        (from_type, DataType::Dictionary(..)) if symbols_of(to).is_some() => match is_text(from_type) {
            true => Ok(()),
            false => refuse(from, to),
        },
        (_, to_type) if is_text(to_type) => Ok(()),
        (from_type, to_type) => match can_cast_types(from_type, to_type) {
            true => Ok(()),
            false => refuse(from, to),
        },
    }
}

fn plan_entries(from: &Field, to: &Field) -> Result<()> {
    let (DataType::Struct(from), DataType::Struct(to)) = (from.data_type(), to.data_type()) else { return Ok(()) };
    from.iter().zip(to).try_for_each(|(from, to)| plan(from, to))
}

fn refuse<T>(from: &Field, to: &Field) -> Result<T> {
    plan_err!("cannot cast {} to {}", sql_type_name(from), sql_type_name(to))
}

/// The items of a list.
fn items(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// Lists of one kind have the same offsets.
fn list_kind(list: &DataType) -> Option<i32> {
    match list {
        DataType::List(_) => Some(-1),
        DataType::LargeList(_) => Some(-2),
        DataType::FixedSizeList(_, n) => Some(*n),
        _ => None,
    }
}

/// Returns the index of the branch that values of a type become.
fn branch_for(from: &Field, to: &Field, branches: &Fields) -> Result<usize> {
    let ranked = branches.iter().enumerate().filter_map(|(at, branch)| Some((rank(from, branch)?, at)));
    match ranked.min() {
        Some((_, at)) => Ok(at),
        None => plan_err!("cannot cast {0}: no branch of {1} holds every {0}", sql_type_name(from), sql_type_name(to)),
    }
}

/// Returns how far a type is from another that holds all its values; 0 is the same type.
fn rank(from: &Field, to: &Field) -> Option<u32> {
    use DataType as T;
    let (a, b) = (from.data_type(), to.data_type());
    if sql_type_name(from) == sql_type_name(to) {
        return Some(0);
    }
    let decimal = |data_type: &DataType| match data_type {
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => {
            Some((i32::from(*p), i32::from(*s)))
        }
        _ => None,
    };
    let digits = |data_type: &DataType| match data_type {
        T::Int8 | T::UInt8 => Some(3),
        T::Int16 | T::UInt16 => Some(5),
        T::Int32 | T::UInt32 => Some(10),
        T::Int64 => Some(19),
        T::UInt64 => Some(20),
        _ => None,
    };
    let is_wider = |a: &DataType, b: &DataType| {
        let (Some(a_width), Some(b_width)) = (a.primitive_width(), b.primitive_width()) else { return false };
        match (a.is_signed_integer(), b.is_signed_integer()) {
            (true, false) => false,
            (false, true) => b_width > a_width,
            _ => b_width >= a_width,
        }
    };
    if symbols_of(to).is_some() {
        return None; // Not every text is a symbol.
    }
    if is_text(b) {
        return is_text(a).then_some(1);
    }
    match (digits(a), decimal(a)) {
        (Some(n), _) => match b {
            // A narrower integer is the last choice: numbers beyond its range are errors.
            b if b.is_integer() => {
                let width = u32::try_from(b.primitive_width().unwrap_or(0)).unwrap_or(0);
                Some(if is_wider(a, b) { 10 + width } else { 500 - width })
            }
            b if b.is_floating() => Some(if *b == T::Float64 { 200 } else { 210 }),
            b => decimal(b).filter(|(p, s)| p - s >= n).map(|_| 100),
        },
        (None, Some((p, s))) => match decimal(b) {
            Some((wide, scale)) => (scale >= s && wide - scale >= p - s).then_some(10),
            None => b.is_floating().then_some(if *b == T::Float64 { 200 } else { 210 }),
        },
        _ => match (a, b) {
            (T::Float16 | T::Float32, T::Float64) => Some(10),
            (T::Float16, T::Float32) => Some(5),
            (T::Date32 | T::Date64, T::Timestamp(..)) => Some(100),
            (T::Timestamp(_, a), T::Timestamp(_, b)) if a.is_some() == b.is_some() => Some(10),
            (T::Time32(_) | T::Time64(_), T::Time32(_) | T::Time64(_)) => Some(10),
            (T::FixedSizeBinary(_), T::Binary | T::BinaryView | T::LargeBinary) => Some(10),
            (a, b) if is_bytes(a) && is_bytes(b) && !matches!(b, T::FixedSizeBinary(_)) => Some(1),
            (T::List(_) | T::LargeList(_) | T::FixedSizeList(..), _) if list_kind(a) == list_kind(b) => {
                rank(items(a)?, items(b)?)
            }
            (T::Struct(_), T::Struct(fields)) if !is_tagged(fields) => plan(from, to).ok().map(|()| 50),
            (T::Map(..), T::Map(..)) => plan(from, to).ok().map(|()| 50),
            _ => None,
        },
    }
}

/// Converts an array; [`plan`] has checked the types.
fn convert(array: &ArrayRef, from: &Field, to: &Field, is_try: bool) -> Result<ArrayRef> {
    match (from.data_type(), to.data_type()) {
        (DataType::Null, to) => Ok(new_null_array(to, array.len())),
        (DataType::Struct(branches), DataType::Struct(fields)) if is_tagged(branches) && is_tagged(fields) => {
            let source = array.as_struct();
            let columns = fields.iter().map(|field| {
                match branches.iter().zip(source.columns()).find(|(branch, _)| branch.name() == field.name()) {
                    Some((branch, column)) => convert(column, branch, field, is_try),
                    None => Ok(new_null_array(field.data_type(), array.len())),
                }
            });
            let columns = columns.collect::<Result<_>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                source.nulls().cloned(),
                array.len(),
            )?))
        }
        (_, DataType::Struct(fields)) if is_tagged(fields) => {
            let chosen = branch_for(from, to, fields)?;
            let columns = fields.iter().enumerate().map(|(at, field)| match at == chosen {
                true => convert(array, from, field, is_try),
                false => Ok(new_null_array(field.data_type(), array.len())),
            });
            let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
            // A null value is a null union.
            let nulls = columns.get(chosen).and_then(|column| column.logical_nulls());
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
        }
        (DataType::Struct(from_fields), DataType::Struct(fields)) if is_declared(to) => {
            let source = array.as_struct();
            let mut columns = Vec::with_capacity(fields.len());
            for field in fields {
                let mut found = from_fields.iter().zip(source.columns());
                match found.find(|(from, _)| from.name() == field.name()) {
                    Some((from, column)) => columns.push(convert(column, from, field, is_try)?),
                    None => return exec_err!("there is no field {}", field.name()),
                }
            }
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                source.nulls().cloned(),
                array.len(),
            )?))
        }
        (DataType::List(from), DataType::List(to)) if is_declared(to) => list(array.as_list::<i32>(), from, to, is_try),
        (DataType::LargeList(from), DataType::LargeList(to)) if is_declared(to) => {
            list(array.as_list::<i64>(), from, to, is_try)
        }
        (DataType::FixedSizeList(from, n), DataType::FixedSizeList(to, _)) if is_declared(to) => {
            let source = array.as_fixed_size_list();
            let items = convert(source.values(), from, to, is_try)?;
            let nulls = source.nulls().cloned();
            Ok(Arc::new(FixedSizeListArray::try_new_with_length(Arc::clone(to), *n, items, nulls, array.len())?))
        }
        (DataType::Map(from, _), DataType::Map(to, is_sorted)) if is_declared(to) => {
            let source = array.as_map();
            let (DataType::Struct(from), DataType::Struct(fields)) = (from.data_type(), to.data_type()) else {
                return exec_err!("a map has entries");
            };
            let columns = source.entries().columns().iter().zip(from.iter().zip(fields));
            let columns = columns.map(|(column, (from, to))| convert(column, from, to, is_try));
            let entries = StructArray::try_new(fields.clone(), columns.collect::<Result<_>>()?, None)?;
            let (offsets, nulls) = (source.offsets().clone(), source.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(to), offsets, entries, nulls, *is_sorted)?))
        }
        (_, to_type) => match symbols_of(to) {
            Some(symbols) => enumerated(array, &symbols, is_try),
            None if is_text(to_type) && text::needs_own(from.data_type()) => {
                Ok(cast_with_options(&text::texts(from, array, is_try)?, to_type, &CastOptions::default())?)
            }
            None => Ok(cast_with_options(array, to_type, &CastOptions { safe: is_try, ..Default::default() })?),
        },
    }
}

fn list<O: OffsetSizeTrait>(
    source: &GenericListArray<O>,
    from: &Field,
    to: &FieldRef,
    is_try: bool,
) -> Result<ArrayRef> {
    let items = convert(source.values(), from, to, is_try)?;
    let (offsets, nulls) = (source.offsets().clone(), source.nulls().cloned());
    Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(to), offsets, items, nulls)?))
}

/// Converts text to the symbols of an enum.
fn enumerated(array: &ArrayRef, symbols: &[String], is_try: bool) -> Result<ArrayRef> {
    let places: HashMap<&str, i32> = symbols.iter().map(String::as_str).zip(0..).collect();
    let texts = cast_with_options(array, &DataType::Utf8View, &CastOptions::default())?;
    let keys = texts.as_string_view().iter().map(|text| match text.map(|text| (text, places.get(text))) {
        Some((_, Some(place))) => Ok(Some(*place)),
        Some((text, None)) if !is_try => {
            let quoted: Vec<String> = symbols.iter().map(|symbol| format!("'{symbol}'")).collect();
            exec_err!("'{text}' is not a symbol of ENUM({}); TRY_CAST makes it null", quoted.join(", "))
        }
        _ => Ok(None),
    });
    let keys: Int32Array = keys.collect::<Result<_>>()?;
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(StringArray::from_iter_values(symbols)))?))
}
