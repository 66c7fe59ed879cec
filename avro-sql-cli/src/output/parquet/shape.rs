//! Converts Arrow columns to types that Parquet can store.
//!
//! | Avro | in Parquet |
//! |---|---|
//! | duration | 12 bytes, as Avro and INTERVAL: months, days, milliseconds, each 4 bytes, little endian |
//! | record without fields, inside another type | boolean `true`, marked so that it becomes a record in Avro again |
//! | fixed of size 0 | empty bytes |
//! | union of several types | struct with a nullable field for each type but null; the value's field is set |
//! | union of only null | null |
//! | (of queries and other files) seconds | milliseconds: Parquet would store seconds as plain integers |
//! | (of queries and other files) days as milliseconds | days |
//!
//! A decimal that does not fit the bytes of its precision in Parquet is an error.
//!
//! The decoder reads Avro unions as structs already; unions of other files and of queries become structs here.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array,
    FixedSizeBinaryArray, FixedSizeListArray, GenericListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
    UInt64Array, UnionArray, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, SchemaRef,
    TimeUnit, i256,
};
use arrow::error::ArrowError;

/// Bytes of a duration.
const DURATION_BYTES: i32 = 12;

/// The metadata key of a boolean that stands for a record without fields, so that Avro restores it.
pub(crate) const EMPTY_RECORD_KEY: &str = "avro-sql.record-without-fields";

/// Returns the field as Parquet can store it.
pub(crate) fn field(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            // Readers of the file recognize durations by it.
            let mut metadata = field.metadata().clone();
            metadata.insert("avro.logicalType".to_owned(), "duration".to_owned());
            let kind = DataType::FixedSizeBinary(DURATION_BYTES);
            return Arc::new(Field::clone(field).with_data_type(kind).with_metadata(metadata));
        }
        DataType::FixedSizeBinary(0) => DataType::Binary,
        DataType::Struct(fields) if fields.is_empty() => {
            let mut marked = Field::clone(field).with_data_type(DataType::Boolean);
            marked.metadata_mut().insert(EMPTY_RECORD_KEY.to_owned(), "true".to_owned());
            return Arc::new(marked);
        }
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Date32,
        DataType::Union(children, _) => {
            let children = children.iter().filter(|(_, child)| *child.data_type() != DataType::Null);
            let branches = children.map(|(_, child)| Arc::new(Field::clone(&self::field(child)).with_nullable(true)));
            let branches: Fields = branches.collect();
            // Without branches there is only null, and Parquet has no structs without fields.
            let kind = if branches.is_empty() { DataType::Null } else { DataType::Struct(branches) };
            return Arc::new(Field::clone(field).with_data_type(kind).with_nullable(true));
        }
        kind => inside(kind, self::field),
    };
    Arc::new(Field::clone(field).with_data_type(kind))
}

/// Returns the field as the file declares it: views exist only in memory, and not all readers know them.
pub(crate) fn stored(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        kind => inside(kind, stored),
    };
    Arc::new(Field::clone(field).with_data_type(kind))
}

/// Maps the nested fields of a type.
fn inside(kind: &DataType, of: impl Fn(&FieldRef) -> FieldRef) -> DataType {
    match kind {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(of).collect()),
        DataType::List(item) => DataType::List(of(item)),
        DataType::LargeList(item) => DataType::LargeList(of(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(of(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(of(entries), *sorted),
        kind => kind.clone(),
    }
}

/// Returns the batch with the columns of `schema`, which [`field`] made.
pub(crate) fn batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    for (array, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        decimals_fit(&array.to_data())
            .map_err(|e| ArrowError::ComputeError(format!("column {}: {e}", field.name())))?;
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(array, field)| column(array, field.data_type()));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &rows)
}

fn column(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let nulls = array.nulls().cloned();
    Ok(match (array.data_type(), to) {
        (DataType::Interval(_), DataType::FixedSizeBinary(size)) => {
            let mut bytes = Vec::with_capacity(array.len() * 12);
            for value in array.as_primitive::<IntervalMonthDayNanoType>() {
                // The bytes of a null are arbitrary.
                bytes.extend_from_slice(&value.map_or(Ok([0; 12]), duration)?);
            }
            Arc::new(FixedSizeBinaryArray::try_new(*size, Buffer::from_vec(bytes), nulls)?)
        }
        (DataType::FixedSizeBinary(_), DataType::Binary) => {
            Arc::new(BinaryArray::try_new(OffsetBuffer::new_zeroed(array.len()), Buffer::default(), nulls)?)
        }
        (DataType::Struct(_), DataType::Boolean) => {
            Arc::new(BooleanArray::new(BooleanBuffer::new_set(array.len()), nulls))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => Arc::new(structs(array.as_struct(), fields)?),
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = column(list.values(), item.data_type())?;
            Arc::new(GenericListArray::try_new(Arc::clone(item), list.offsets().clone(), values, nulls)?)
        }
        (DataType::LargeList(_), DataType::LargeList(item)) => {
            let list = array.as_list::<i64>();
            let values = column(list.values(), item.data_type())?;
            Arc::new(GenericListArray::try_new(Arc::clone(item), list.offsets().clone(), values, nulls)?)
        }
        (DataType::FixedSizeList(_, _), DataType::FixedSizeList(item, size)) => {
            let values = column(array.as_fixed_size_list().values(), item.data_type())?;
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *size, values, nulls)?)
        }
        (DataType::Timestamp(..), DataType::Timestamp(..))
        | (DataType::Time32(_), DataType::Time32(_))
        | (DataType::Date64, DataType::Date32) => {
            cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?
        }
        (DataType::Union(_, _), DataType::Null) => new_null_array(to, array.len()),
        (DataType::Union(_, _), DataType::Struct(fields)) => Arc::new(branches(array.as_union(), fields)?),
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else { return Err(unexpected(array, to)) };
            let values = structs(map.entries(), fields)?;
            Arc::new(MapArray::try_new(Arc::clone(entries), map.offsets().clone(), values, nulls, *sorted)?)
        }
        // Types that differ only in the metadata of their fields, as those of two files may.
        (from, to) if from.equals_datatype(to) => {
            arrow::array::make_array(array.to_data().into_builder().data_type(to.clone()).build()?)
        }
        _ => return Err(unexpected(array, to)),
    })
}

/// Returns unsigned months, days and milliseconds, all that Parquet and Avro can store.
fn duration(value: IntervalMonthDayNano) -> Result<[u8; 12], ArrowError> {
    let counts = (u32::try_from(value.months), u32::try_from(value.days), u32::try_from(value.nanoseconds / 1_000_000));
    let (Ok(months), Ok(days), Ok(millis), 0) = (counts.0, counts.1, counts.2, value.nanoseconds % 1_000_000) else {
        return Err(ArrowError::ComputeError(format!(
            "an interval of {} months, {} days and {} ns is not a Parquet duration: parts must be whole milliseconds from 0 to 2^32 - 1; \
             use CAST(.. AS VARCHAR) for its text",
            value.months, value.days, value.nanoseconds
        )));
    };
    let mut bytes = [0; 12];
    for (to, from) in bytes.iter_mut().zip([months, days, millis].into_iter().flat_map(u32::to_le_bytes)) {
        *to = from;
    }
    Ok(bytes)
}

fn structs(array: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let columns = array.columns().iter().zip(fields).map(|(array, field)| column(array, field.data_type()));
    StructArray::try_new(fields.clone(), columns.collect::<Result<_, _>>()?, array.nulls().cloned())
}

/// Returns a union as a struct of its branches.
fn branches(array: &UnionArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let DataType::Union(children, _) = array.data_type() else {
        return Err(ArrowError::InvalidArgumentError("a union of another type".to_owned()));
    };
    let children = children.iter().filter(|(_, child)| *child.data_type() != DataType::Null);
    let mut columns = Vec::with_capacity(fields.len());
    let mut any = vec![false; array.len()];
    for ((id, _), field) in children.zip(fields) {
        let child = array.child(id);
        let of_row = |row: usize| -> Option<u64> {
            (array.type_id(row) == id)
                .then(|| array.value_offset(row))
                .filter(|at| child.is_valid(*at))
                .map(|at| at as u64)
        };
        let indices: UInt64Array = (0..array.len()).map(of_row).collect();
        any.iter_mut().zip(&indices).for_each(|(any, index)| *any |= index.is_some());
        columns.push(column(&take(child, &indices, None)?, field.data_type())?);
    }
    StructArray::try_new_with_length(fields.clone(), columns, Some(NullBuffer::from(any)), array.len())
}

/// Checks that Parquet can store all decimals. Its writer takes as many low bytes of a value as the precision needs,
/// and silently drops the others.
fn decimals_fit(array: &ArrayData) -> Result<(), String> {
    let (precision, digits) = match array.data_type() {
        DataType::Decimal128(precision, _) => (*precision, too_wide(array, *precision)),
        DataType::Decimal256(precision, _) => (*precision, too_wide_256(array, *precision)),
        _ => return array.child_data().iter().try_for_each(decimals_fit),
    };
    match digits {
        None => Ok(()),
        Some(digits) => {
            Err(format!("a decimal of {digits} digits is too large for Parquet's decimals of precision {precision}"))
        }
    }
}

/// Returns the bytes that Parquet uses for decimals of a precision.
fn decimal_bytes(precision: u8) -> u32 {
    match precision {
        ..=9 => 4,
        10..=18 => 8,
        // The fewest bytes that hold the digits: 5 digits need a bit more than 2 bytes, and so on.
        _ => {
            let needed = i256::from(10).wrapping_pow(precision.into());
            (1..32).find(|n| i256::from(2).wrapping_pow(8 * n - 1) >= needed).unwrap_or(32)
        }
    }
}

/// Returns the digits of the first value that does not fit.
fn too_wide(array: &ArrayData, precision: u8) -> Option<usize> {
    let bytes = decimal_bytes(precision);
    if bytes >= 16 {
        return None;
    }
    let most = (1_i128 << (8 * bytes - 1)) - 1;
    let values = Decimal128Array::from(array.clone());
    let value = values.iter().flatten().find(|value| !(-most - 1..=most).contains(value))?;
    Some(value.unsigned_abs().to_string().len())
}

/// Returns the digits of the first 32-byte value that does not fit.
fn too_wide_256(array: &ArrayData, precision: u8) -> Option<usize> {
    let bytes = decimal_bytes(precision);
    if bytes >= 32 {
        return None;
    }
    let beyond = i256::from(2).wrapping_pow(8 * bytes - 1);
    let values = Decimal256Array::from(array.clone());
    let value = values.iter().flatten().find(|value| !(beyond.wrapping_neg()..beyond).contains(value))?;
    Some(value.to_string().trim_start_matches('-').len())
}

fn unexpected(array: &ArrayRef, to: &DataType) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("{} cannot be written as {to}", array.data_type()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, IntervalMonthDayNanoArray, ListArray, NullArray, new_empty_array};
    use arrow::buffer::ScalarBuffer;
    use arrow::datatypes::UnionFields;
    use avro_testing::check_all;

    fn reshaped(array: ArrayRef) -> ArrayRef {
        let from: FieldRef = Arc::new(Field::new("f", array.data_type().clone(), true));
        column(&array, field(&from).data_type()).unwrap()
    }

    #[test]
    fn durations_are_12_bytes_at_any_depth() {
        let values = vec![IntervalMonthDayNano::new(1, 2, 3_000_000), IntervalMonthDayNano::new(0, 0, 0)];
        let durations: ArrayRef =
            Arc::new(IntervalMonthDayNanoArray::new(values.into(), Some(NullBuffer::from(vec![true, false]))));
        let item: FieldRef = Arc::new(Field::new("item", durations.data_type().clone(), true));
        let list: ArrayRef = Arc::new(ListArray::new(
            Arc::clone(&item),
            OffsetBuffer::new(ScalarBuffer::from(vec![0, 2])),
            Arc::clone(&durations),
            None,
        ));
        let flat = reshaped(durations);
        let flat = flat.as_fixed_size_binary();
        assert_eq!(flat.value(0), [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        assert!(flat.is_null(1));
        let nested = reshaped(list);
        assert_eq!(nested.as_list::<i32>().values().as_fixed_size_binary(), flat);
    }

    #[test]
    fn invalid_duration_intervals_fail() {
        let cases = [
            (IntervalMonthDayNano::new(i32::MAX, 0, 4_294_967_295_000_000), true),
            (IntervalMonthDayNano::new(-1, 0, 0), false),
            (IntervalMonthDayNano::new(0, -2, 0), false),
            (IntervalMonthDayNano::new(0, 0, -1_000_000), false),
            (IntervalMonthDayNano::new(0, 0, 1_000_001), false),
            (IntervalMonthDayNano::new(0, 0, 4_294_967_296_000_000), false),
        ];
        check_all(cases, |(value, is_one)| {
            let null = IntervalMonthDayNanoArray::new(vec![value].into(), Some(NullBuffer::new_null(1)));
            assert!(reshaped(Arc::new(null)).is_null(0), "{value:?}");
            let array: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![value]));
            let from: FieldRef = Arc::new(Field::new("f", array.data_type().clone(), true));
            assert_eq!(column(&array, field(&from).data_type()).is_ok(), is_one, "{value:?}");
        });
    }

    #[test]
    fn empty_record_becomes_true() {
        let array: ArrayRef = Arc::new(StructArray::new_empty_fields(2, Some(NullBuffer::from(vec![true, false]))));
        assert_eq!(reshaped(array).as_boolean(), &BooleanArray::from(vec![Some(true), None]));
        let array: ArrayRef = Arc::new(FixedSizeBinaryArray::try_new_with_len(0, Buffer::default(), None, 2).unwrap());
        assert_eq!(reshaped(array).as_binary::<i32>(), &BinaryArray::from(vec![b"".as_slice(), b""]));
    }

    #[test]
    fn unions_are_structs_of_their_branches() {
        use arrow::array::StringArray;
        let field = |name, kind| Field::new(name, kind, true);
        let fields = [field("null", DataType::Null), field("long", DataType::Int64), field("string", DataType::Utf8)];
        let union = UnionArray::try_new(
            UnionFields::try_new([0, 1, 2], fields).unwrap(),
            ScalarBuffer::from(vec![1_i8, 0, 2, 1]),
            Some(ScalarBuffer::from(vec![0, 0, 0, 1])),
            vec![
                Arc::new(NullArray::new(1)),
                Arc::new(Int64Array::from(vec![Some(7), None])),
                Arc::new(StringArray::from(vec!["x"])),
            ],
        );
        let found = reshaped(Arc::new(union.unwrap()));
        let found = found.as_struct();
        assert_eq!(found.column_names(), ["long", "string"]);
        assert_eq!(found.nulls().unwrap().iter().collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!(found.column(0).as_primitive(), &Int64Array::from(vec![Some(7), None, None, None]));
        assert_eq!(found.column(1).as_string(), &StringArray::from(vec![None, None, Some("x"), None]));
    }

    #[test]
    fn supported_types_are_unchanged() {
        let array = new_empty_array(&DataType::Utf8);
        assert!(Arc::ptr_eq(&reshaped(Arc::clone(&array)), &array));
    }

    #[test]
    fn oversized_decimals_fail() {
        let cases: [(i128, u8, bool); 9] = [
            (99_999, 4, true),
            (i128::from(i32::MIN), 4, true),
            (i128::from(i32::MAX) + 1, 4, false),
            (i128::from(i64::MAX), 10, true),
            (i128::from(i64::MIN) - 1, 18, false),
            (10_i128.pow(19) - 1, 19, true),
            (1 << 71, 19, false),
            (-(1 << 71), 19, true),
            (i128::MAX, 38, true),
        ];
        check_all(cases, |(value, precision, fits)| {
            let array = Decimal128Array::from(vec![None, Some(value)]).with_precision_and_scale(precision, 2).unwrap();
            assert_fits(Arc::new(array), precision, fits);
            let array = Decimal256Array::from(vec![None, Some(value.into())]);
            assert_fits(Arc::new(array.with_precision_and_scale(precision, 2).unwrap()), precision, fits);
        });
        let ten = |n: u32| i256::from(10).wrapping_pow(n);
        let wide = [
            (ten(40).wrapping_neg(), 40, true),
            (ten(41), 39, false),
            (ten(60).wrapping_neg(), 40, false),
            (i256::MAX, 75, true),
            (i256::MAX, 73, false),
            (i256::MIN, 76, true),
        ];
        for (value, precision, fits) in wide {
            let array = Decimal256Array::from(vec![None, Some(value)]).with_precision_and_scale(precision, 2).unwrap();
            assert_fits(Arc::new(array), precision, fits);
        }
    }

    fn assert_fits(array: ArrayRef, precision: u8, fits: bool) {
        let field = Arc::new(Field::new("v", array.data_type().clone(), true));
        let inside: ArrayRef = Arc::new(StructArray::from(vec![(Arc::clone(&field), Arc::clone(&array))]));
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![Field::new("s", inside.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![inside]).unwrap();
        let error = super::batch(&batch, &schema).err().map(|e| e.to_string());
        assert_eq!(error.is_none(), fits, "{array:?}");
        if let Some(error) = error {
            assert!(error.contains("column s: a decimal of ") && error.contains(&format!("precision {precision}")));
        }
    }

    #[test]
    fn seconds_and_date64_are_widened() {
        let seconds: ArrayRef = Arc::new(Int64Array::from(vec![Some(-5), None]));
        let cast = |array: &ArrayRef, to: &DataType| arrow::compute::cast(array, to).unwrap();
        let utc = || Some("UTC".into());
        let small = cast(&seconds, &DataType::Int32);
        let cases = [
            (
                cast(&seconds, &DataType::Timestamp(TimeUnit::Second, utc())),
                DataType::Timestamp(TimeUnit::Millisecond, utc()),
            ),
            (cast(&small, &DataType::Time32(TimeUnit::Second)), DataType::Time32(TimeUnit::Millisecond)),
            (cast(&cast(&small, &DataType::Date32), &DataType::Date64), DataType::Date32),
        ];
        check_all(cases, |(array, to)| {
            let found = reshaped(Arc::clone(&array));
            assert_eq!(&found, &cast(&array, &to));
            assert!(found.is_null(1) && !found.is_null(0));
        });
        let far = cast(
            &(Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef),
            &DataType::Timestamp(TimeUnit::Second, None),
        );
        assert!(column(&far, &DataType::Timestamp(TimeUnit::Millisecond, None)).is_err());

        let nulls = || Arc::new(NullArray::new(2)) as ArrayRef;
        let fields =
            UnionFields::try_new([0, 1], ["a", "b"].map(|name| Field::new(name, DataType::Null, true))).unwrap();
        let union = UnionArray::try_new(fields, ScalarBuffer::from(vec![0_i8, 1]), None, vec![nulls(), nulls()]);
        assert_eq!(&reshaped(Arc::new(union.unwrap())), &nulls());
    }
}
