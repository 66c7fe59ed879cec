//! Builds Arrow arrays from values, column by column, in the simplest way that Arrow's constructors allow.
//!
//! Slots under nulls have arbitrary values, so comparisons with other arrays must be by value.

use crate::error::Result;
use crate::plan::{ColumnShape, Plan, Target};
use crate::value::Value;
use arrow_array::types::{Decimal128Type, Decimal256Type, IntervalMonthDayNanoType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Decimal128Array, Decimal256Array, DictionaryArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray,
    MapArray, NullArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray, StringViewArray, StructArray,
    UnionArray, make_array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};
use std::sync::Arc;

/// The rows of a block as one batch.
pub(crate) fn to_batch(plan: &Plan, rows: Vec<Vec<Value>>) -> Result<RecordBatch> {
    let n_rows = rows.len();
    let columns = children(&plan.target.columns, rows.into_iter().map(Some))?;
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    Ok(RecordBatch::try_new_with_options(plan.arrow.clone(), columns, &options)?)
}

/// The arrays of a record's columns. `None` is a null struct.
fn children(targets: &[Target], records: impl Iterator<Item = Option<Vec<Value>>>) -> Result<Vec<ArrayRef>> {
    let mut columns = vec![Vec::new(); targets.len()];
    for record in records {
        let mut record = record.unwrap_or_default().into_iter();
        for column in &mut columns {
            column.push(record.next().unwrap_or(Value::Null));
        }
    }
    targets.iter().zip(columns).map(|(target, values)| array(target, values)).collect()
}

fn array(target: &Target, values: Vec<Value>) -> Result<ArrayRef> {
    let data_type = target.field.data_type();
    Ok(match &target.form {
        ColumnShape::Null => Arc::new(NullArray::new(values.len())),
        ColumnShape::Boolean => Arc::new(column::<_, BooleanArray>(&values, |v| match v {
            Value::Boolean(v) => Some(*v),
            _ => None,
        })?),
        ColumnShape::Primitive => primitives(&values, data_type)?,
        ColumnShape::Views => match data_type {
            DataType::Binary => Arc::new(column::<_, BinaryArray>(&values, bytes)?),
            DataType::BinaryView => Arc::new(column::<_, BinaryViewArray>(&values, bytes)?),
            _ => strings(&values, data_type, text)?,
        },
        ColumnShape::Text => strings(&values, data_type, text)?,
        ColumnShape::Fixed(size) => fixed(*size, &values)?,
        ColumnShape::Enum(symbols) => match data_type {
            DataType::Dictionary(..) => {
                let keys: Int32Array = column(&values, symbol)?;
                Arc::new(DictionaryArray::try_new(keys, symbols.clone())?)
            }
            _ => {
                let text = |v| symbol(v).map(|at| symbols.value(at as usize));
                strings(&values, data_type, text)?
            }
        },
        ColumnShape::List(items) => {
            let nulls = nulls(&values);
            let lists = each(values, |value| match value {
                Value::List(items) => Some(items),
                _ => None,
            })?;
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.iter().flatten().count()));
            let items_array = array(items, lists.into_iter().flatten().flatten().collect())?;
            Arc::new(ListArray::try_new(items.field.clone(), offsets, items_array, nulls)?)
        }
        ColumnShape::Map(entry) => map(entry, values, data_type)?,
        ColumnShape::Record(record) => {
            let DataType::Struct(fields) = data_type else { return Err(bug("a record's type").into()) };
            let n_values = values.len();
            let nulls = nulls(&values);
            let records = each(values, |value| match value {
                Value::Record(columns) => Some(columns),
                _ => None,
            })?;
            let children = children(&record.columns, records.into_iter())?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), children, nulls, n_values)?)
        }
        ColumnShape::Union(branches) => match data_type {
            DataType::Struct(_) => union_struct(branches, values, data_type)?,
            _ => union_dense(branches, values, data_type)?,
        },
    })
}

fn primitives(values: &[Value], data_type: &DataType) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Decimal128(..) | DataType::Decimal256(..) => decimals(values, data_type)?,
        DataType::Float32 => Arc::new(column::<_, Float32Array>(values, |v| match v {
            Value::Float(v) => Some(*v),
            _ => None,
        })?),
        DataType::Float64 => Arc::new(column::<_, Float64Array>(values, |v| match v {
            Value::Double(v) => Some(*v),
            _ => None,
        })?),
        DataType::Interval(_) => Arc::new(column::<_, IntervalMonthDayNanoArray>(values, |v| match v {
            Value::Duration { months, days, millis } => {
                let nanos = i64::from(*millis) * 1_000_000;
                Some(IntervalMonthDayNanoType::make_value(*months as i32, *days as i32, nanos))
            }
            _ => None,
        })?),
        DataType::Int32 | DataType::Date32 | DataType::Time32(_) => {
            let array: Int32Array = column(values, |v| match v {
                Value::Int(v) => Some(*v),
                _ => None,
            })?;
            typed(&array, data_type)?
        }
        _ => {
            let array: Int64Array = column(values, |v| match v {
                Value::Long(v) => Some(*v),
                _ => None,
            })?;
            typed(&array, data_type)?
        }
    })
}

/// A column of the results of `get` for each value that is not null.
fn column<'v, T, A: FromIterator<Option<T>>>(values: &'v [Value], get: impl Fn(&'v Value) -> Option<T>) -> Result<A> {
    let slots = values.iter().map(|value| match value {
        Value::Null => Ok(None),
        value => get(value).map(Some).ok_or_else(|| bug("a value of another type").into()),
    });
    slots.collect()
}

/// `column` for values that are moved.
fn each<T>(values: Vec<Value>, get: impl Fn(Value) -> Option<T>) -> Result<Vec<Option<T>>> {
    let slots = values.into_iter().map(|value| match value {
        Value::Null => Ok(None),
        value => get(value).map(Some).ok_or_else(|| bug("a value of another type").into()),
    });
    slots.collect()
}

/// Casts the numbers of an array to another type of the same width: dates, times, timestamps.
fn typed(array: &dyn Array, data_type: &DataType) -> Result<ArrayRef> {
    let data = array.to_data().into_builder().data_type(data_type.clone()).build()?;
    Ok(make_array(data))
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&String> {
    match value {
        Value::String(text) | Value::Json(text) => Some(text),
        _ => None,
    }
}

fn symbol(value: &Value) -> Option<i32> {
    match value {
        Value::Enum(at) => Some(*at),
        _ => None,
    }
}

fn strings<'v, S: AsRef<str>>(
    values: &'v [Value],
    data_type: &DataType,
    get: impl Fn(&'v Value) -> Option<S>,
) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Utf8 => Arc::new(column::<_, StringArray>(values, get)?),
        _ => Arc::new(column::<_, StringViewArray>(values, get)?),
    })
}

fn fixed(size: usize, values: &[Value]) -> Result<ArrayRef> {
    let mut bytes = Vec::new();
    for value in values {
        match value {
            Value::Null => bytes.resize(bytes.len() + size, 0),
            Value::Fixed(value) => bytes.extend_from_slice(value),
            _ => return Err(bug("a value of another type").into()),
        }
    }
    let size = i32::try_from(size).map_err(|_| bug("a fixed of more than 2 GiB"))?;
    let nulls = nulls(values);
    Ok(Arc::new(FixedSizeBinaryArray::try_new_with_len(size, Buffer::from_vec(bytes), nulls, values.len())?))
}

fn decimals(values: &[Value], data_type: &DataType) -> Result<ArrayRef> {
    let get = |value: &Value| match value {
        Value::Decimal(value) => Some(*value),
        _ => None,
    };
    Ok(match data_type {
        DataType::Decimal256(..) => {
            let array: Decimal256Array = column::<_, PrimitiveArray<Decimal256Type>>(values, get)?;
            Arc::new(array.with_data_type(data_type.clone()))
        }
        _ => {
            let get = |value| get(value).and_then(|value| value.to_i128());
            let array: Decimal128Array = column::<_, PrimitiveArray<Decimal128Type>>(values, get)?;
            Arc::new(array.with_data_type(data_type.clone()))
        }
    })
}

fn map(entry: &Target, values: Vec<Value>, data_type: &DataType) -> Result<ArrayRef> {
    let DataType::Map(entries_field, ordered) = data_type else { return Err(bug("a map's type").into()) };
    let nulls = nulls(&values);
    let maps = each(values, |value| match value {
        Value::Map(entries) => Some(entries),
        _ => None,
    })?;
    let offsets = OffsetBuffer::from_lengths(maps.iter().map(|map| map.iter().flatten().count()));
    let entries = maps.into_iter().flatten().flatten().map(|(key, value)| Value::Record(vec![key, value])).collect();
    let entries = array(entry, entries)?;
    let Some(entries) = entries.as_any().downcast_ref::<StructArray>() else { return Err(bug("entries").into()) };
    Ok(Arc::new(MapArray::try_new(entries_field.clone(), offsets, entries.clone(), nulls, *ordered)?))
}

/// A dense union. A union has no nulls of its own: under a null record it has a null of its first branch.
fn union_dense(branches: &[Target], values: Vec<Value>, data_type: &DataType) -> Result<ArrayRef> {
    let DataType::Union(fields, _) = data_type else { return Err(bug("a union's type").into()) };
    let mut type_ids = Vec::with_capacity(values.len());
    let mut offsets = Vec::with_capacity(values.len());
    let mut children = vec![Vec::new(); branches.len()];
    for value in values {
        let (branch, value) = match value {
            Value::Union(branch, value) => (branch, *value),
            _ => (0, Value::Null),
        };
        let child = children.get_mut(branch).ok_or_else(|| bug("a branch that does not exist"))?;
        type_ids.push(branch as i8);
        offsets.push(child.len() as i32);
        child.push(value);
    }
    let children: Result<Vec<_>> = branches.iter().zip(children).map(|(read, values)| array(read, values)).collect();
    let (type_ids, offsets) = (ScalarBuffer::from(type_ids), ScalarBuffer::from(offsets));
    Ok(Arc::new(UnionArray::try_new(fields.clone(), type_ids, Some(offsets), children?)?))
}

/// A struct with a field for each branch but null, of which only the value's is not null. A null is a null struct.
fn union_struct(branches: &[Target], values: Vec<Value>, data_type: &DataType) -> Result<ArrayRef> {
    let DataType::Struct(fields) = data_type else { return Err(bug("a union's type").into()) };
    let n_values = values.len();
    let mut valid = Vec::with_capacity(n_values);
    let mut children = vec![Vec::with_capacity(n_values); branches.len()];
    for value in values {
        let (taken, value) = match value {
            Value::Union(branch, value) => (Some(branch), *value),
            _ => (None, Value::Null),
        };
        let is_null = |at: usize| branches.get(at).is_none_or(|branch| matches!(branch.form, ColumnShape::Null));
        valid.push(!taken.is_none_or(is_null));
        for (at, child) in children.iter_mut().enumerate() {
            child.push(Value::Null);
            if let Some(slot) = child.last_mut()
                && taken == Some(at)
            {
                *slot = value.clone();
            }
        }
    }
    let not_null = branches.iter().zip(children).filter(|(branch, _)| !matches!(branch.form, ColumnShape::Null));
    let children: Result<Vec<_>> = not_null.map(|(branch, values)| array(branch, values)).collect();
    let nulls = NullBuffer::from(valid);
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), children?, nulls, n_values)?))
}

/// The nulls, if there are any.
fn nulls(values: &[Value]) -> Option<NullBuffer> {
    let nulls = NullBuffer::from_iter(values.iter().map(|value| *value != Value::Null));
    Some(nulls).filter(|nulls| nulls.null_count() > 0)
}

/// The error for values that do not fit their plan, which only a bug can cause.
fn bug(what: &str) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("the reference decoder met {what}"))
}
