//! Binds the columns of one batch to the plan: casts the arrays and gets the buffers that values are taken from. After
//! that, all values can be written except for enums, fixed sizes, JSON and nulls, of which only the rows tell whether
//! they are written.

use super::plan::{AvroShape, FieldSource, Row, ValuePlan, WritePlan};
use super::short_value::{ShortValue, TagBytes, tag};
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryViewArray, RecordBatch, make_array};
use arrow_buffer::{
    ArrowNativeType, BooleanBuffer, Buffer, IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A column, or a part of one.
#[derive(Debug)]
pub(super) struct BoundColumn<'p> {
    pub(super) plan: &'p ValuePlan,
    /// The bytes of the plan's tags.
    pub(super) tags: TagBytes,
    pub(super) nulls: Option<NullBuffer>,
    pub(super) data: Data<'p>,
}

impl<'p> BoundColumn<'p> {
    fn new(plan: &'p ValuePlan, nulls: Option<NullBuffer>, data: Data<'p>) -> BoundColumn<'p> {
        BoundColumn { plan, tags: TagBytes::new(&plan.tags), nulls, data }
    }

    /// Whether the value of a row is present.
    #[inline]
    pub(super) fn is_valid(&self, at: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at))
    }
}

/// The parts of a record, in the order of its encoding.
#[derive(Debug)]
pub(super) enum Bound<'p> {
    Column(BoundColumn<'p>),
    Constant(&'p [u8]),
}

impl Bound<'_> {
    /// Estimated number of values in a row, without nested ones.
    pub(super) fn n_short_values(&self) -> usize {
        match self {
            Bound::Column(BoundColumn { data: Data::Record(parts), nulls: None, .. }) => {
                parts.iter().map(Bound::n_short_values).sum()
            }
            Bound::Column(column) => 1 + usize::from(column.plan.tags.value.is_some()),
            Bound::Constant(_) => 1,
        }
    }

    /// Removes nulls that only follow the record's.
    fn forget_nulls_below(&mut self, nulls: &NullBuffer) {
        if let Bound::Column(column) = self
            && column.nulls.as_ref().is_some_and(|own| nulls.contains(own))
        {
            column.nulls = None;
            if let Data::Record(parts) = &mut column.data {
                parts.iter_mut().for_each(|part| part.forget_nulls_below(nulls));
            }
        }
    }

    /// Whether none of its values is in a list or union.
    pub(super) fn is_flat(&self) -> bool {
        match self {
            Bound::Column(BoundColumn { data: Data::Record(parts), .. }) => parts.iter().all(Bound::is_flat),
            Bound::Column(column) => !matches!(column.data, Data::List(..) | Data::Union(..)),
            Bound::Constant(_) => true,
        }
    }
}

#[derive(Debug)]
pub(super) enum Data<'p> {
    Null,
    Boolean(BooleanBuffer),
    Int(ScalarBuffer<i32>),
    Long(ScalarBuffer<i64>),
    Float(ScalarBuffer<f32>),
    Double(ScalarBuffer<f64>),
    /// With their lengths.
    Text(OffsetBuffer<i32>, Buffer),
    LargeText(OffsetBuffer<i64>, Buffer),
    Views(BinaryViewArray),
    /// Without lengths.
    Fixed(Buffer, usize),
    FixedViews(BinaryViewArray, usize),
    /// Encoded values, by the end of each; and why the invalid ones cannot be encoded, by row.
    Encoded(Vec<usize>, Vec<u8>, BTreeMap<usize, String>),
    /// Keys, and the index of each symbol, if it is in the enum.
    Enum(ScalarBuffer<i32>, Vec<Option<i32>>),
    Decimal128(ScalarBuffer<i128>, Option<usize>),
    Decimal256(ScalarBuffer<i256>, Option<usize>),
    Duration(ScalarBuffer<IntervalMonthDayNano>),
    /// The offsets of each row's items, and the items: one column, or keys and values.
    List(OffsetBuffer<i32>, Vec<BoundColumn<'p>>),
    Record(Vec<Bound<'p>>),
    /// By row, its branch and its index in the branch's column; the tags of the branches and their columns.
    Union(Vec<(u8, u32)>, Vec<(ShortValue, BoundColumn<'p>)>),
}

impl WritePlan {
    /// Binds the columns of a batch, whose types are those of the plan.
    pub(super) fn bind(&self, batch: &RecordBatch) -> Result<Bound<'_>> {
        Ok(match &self.row {
            Row::Value(value) => Bound::Column(self.column(value, batch.column(0))?),
            Row::Record(parts) => {
                let data = Data::Record(self.parts(parts, batch.columns())?);
                Bound::Column(BoundColumn::new(&ROW, None, data))
            }
        })
    }

    fn parts<'p>(&'p self, parts: &'p [FieldSource], columns: &[ArrayRef]) -> Result<Vec<Bound<'p>>> {
        let bound = parts.iter().map(|part| match part {
            FieldSource::Constant(bytes) => Ok(Bound::Constant(bytes)),
            FieldSource::Column(at, value) => match columns.get(*at) {
                Some(array) => self.column(value, array).map(Bound::Column),
                None => Err(Error::argument("the columns of the batch are not those of the writer")),
            },
        });
        bound.collect()
    }

    fn column<'p>(&'p self, value: &'p ValuePlan, array: &ArrayRef) -> Result<BoundColumn<'p>> {
        let array = &cast(array, value)?;
        // Also of runs and dictionaries, whose nulls are elsewhere.
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let data = match (&value.form, array.data_type()) {
            (AvroShape::Null, _) => Data::Null,
            (AvroShape::Boolean, _) => Data::Boolean(array.as_boolean().values().clone()),
            (AvroShape::Int, _) => Data::Int(raw(array)),
            (AvroShape::Long, _) => Data::Long(raw(array)),
            (AvroShape::Float, _) => Data::Float(raw(array)),
            (AvroShape::Double, _) => Data::Double(raw(array)),
            (AvroShape::Bytes, DataType::Utf8) => {
                let array = array.as_string::<i32>();
                Data::Text(array.offsets().clone(), array.values().clone())
            }
            (AvroShape::Bytes, DataType::Binary) => {
                let array = array.as_binary::<i32>();
                Data::Text(array.offsets().clone(), array.values().clone())
            }
            (AvroShape::Bytes, DataType::LargeUtf8) => {
                let array = array.as_string::<i64>();
                Data::LargeText(array.offsets().clone(), array.values().clone())
            }
            (AvroShape::Bytes, DataType::LargeBinary) => {
                let array = array.as_binary::<i64>();
                Data::LargeText(array.offsets().clone(), array.values().clone())
            }
            (AvroShape::Bytes, DataType::Utf8View) => Data::Views(array.as_string_view().clone().to_binary_view()),
            (AvroShape::Bytes, _) => Data::Views(array.as_binary_view().clone()),
            (AvroShape::Fixed(size), DataType::FixedSizeBinary(_)) => {
                Data::Fixed(array.as_fixed_size_binary().values().clone(), *size)
            }
            (AvroShape::Fixed(size), _) => Data::FixedViews(array.as_binary_view().clone(), *size),
            (AvroShape::Enum(symbols), _) => {
                let array = array.as_dictionary::<Int32Type>();
                let names = array.values().as_string::<i32>();
                let symbols = names.iter().map(|name| symbols.get(name?).copied()).collect();
                Data::Enum(array.keys().values().clone(), symbols)
            }
            (AvroShape::Decimal(size), DataType::Decimal128(..)) => Data::Decimal128(raw(array), *size),
            (AvroShape::Decimal(size), _) => Data::Decimal256(raw(array), *size),
            (AvroShape::Duration, _) => Data::Duration(raw(array)),
            (AvroShape::Json(node), _) => {
                let mut encoder = json::Encoder::new(&self.schema, json::Form::Avro, &self.limits);
                let (mut ends, mut bytes, mut unfit) = (vec![0], Vec::new(), BTreeMap::new());
                for (row, text) in array.as_string_view().iter().enumerate() {
                    let before = bytes.len();
                    if let Some(Err(e)) = text.map(|text| encoder.encode(text, *node, &mut bytes)) {
                        // Under a null this is not text at all, and never written.
                        unfit.insert(row, e.to_string());
                        bytes.truncate(before);
                    }
                    ends.push(bytes.len());
                }
                Data::Encoded(ends, bytes, unfit)
            }
            (AvroShape::Array(items), DataType::Map(..)) => {
                let map = array.as_map();
                let entries: ArrayRef = Arc::new(map.entries().clone());
                Data::List(map.offsets().clone(), vec![self.column(items, &entries)?])
            }
            (AvroShape::Array(items), _) => {
                let list = array.as_list::<i32>();
                Data::List(list.offsets().clone(), vec![self.column(items, list.values())?])
            }
            (AvroShape::Map(entries), _) => {
                let map = array.as_map();
                let [key, value] = &**entries;
                let columns = vec![self.column(key, map.keys())?, self.column(value, map.values())?];
                Data::List(map.offsets().clone(), columns)
            }
            (AvroShape::Record(parts), _) => {
                let mut bound = self.parts(parts, array.as_struct().columns())?;
                if let Some(nulls) = &nulls {
                    bound.iter_mut().for_each(|part| part.forget_nulls_below(nulls));
                }
                Data::Record(bound)
            }
            (AvroShape::Union(children), _) => {
                let union = array.as_union();
                let place = |id: i8| children.iter().position(|(child, ..)| *child == id).unwrap_or_default() as u8;
                let places: Vec<u8> = (i8::MIN..=i8::MAX).map(place).collect();
                let rows = (0..union.len()).map(|row| {
                    let place = places.get((i32::from(union.type_id(row)) + 128) as usize);
                    (place.copied().unwrap_or_default(), union.value_offset(row) as u32)
                });
                let rows = rows.collect();
                let bound = children
                    .iter()
                    .map(|(id, branch, value)| Ok((tag(*branch), self.column(value, union.child(*id))?)));
                let bound = bound.collect::<Result<Vec<_>>>()?;
                // A union has no nulls of its own: they are in its children.
                return Ok(BoundColumn::new(value, None, Data::Union(rows, bound)));
            }
            (AvroShape::Branches(children), _) => return self.branches(value, children, array),
        };
        Ok(BoundColumn::new(value, nulls, data))
    }

    /// A struct whose only non-null column is the value.
    fn branches<'p>(
        &'p self,
        value: &'p ValuePlan,
        children: &'p [(usize, ValuePlan)],
        array: &ArrayRef,
    ) -> Result<BoundColumn<'p>> {
        let array = array.as_struct();
        let mut of_rows: Vec<Option<u8>> = vec![None; array.len()];
        let mut bound = Vec::with_capacity(children.len());
        for (at, ((branch, child), column)) in children.iter().zip(array.columns()).enumerate() {
            let nulls = column.logical_nulls();
            for (row, place) in of_rows.iter_mut().enumerate() {
                let is_there = array.is_valid(row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                if is_there && place.replace(at as u8).is_some() {
                    return Err(unwritable(value, format!("two branches of a union have a value in row {row}")));
                }
            }
            bound.push((tag(*branch), self.column(child, column)?));
        }
        let nulls = NullBuffer::from_iter(of_rows.iter().map(Option::is_some));
        let rows = (0..).zip(&of_rows).map(|(row, place)| (place.unwrap_or_default(), row)).collect();
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(BoundColumn::new(value, nulls, Data::Union(rows, bound)))
    }
}

/// The plan of a row as a column: a record, never null, in no union.
static ROW: ValuePlan = ValuePlan {
    from: DataType::Null,
    tags: super::plan::ColumnTags { value: None, null: None },
    form: AvroShape::Record(Vec::new()),
    path: String::new(),
};

/// The error of a null that the schema forbids.
#[cold]
pub(super) fn forbidden_null(column: &BoundColumn<'_>) -> Error {
    unwritable(column.plan, "null, which the schema forbids here".to_owned())
}

pub(super) fn unwritable(value: &ValuePlan, what: String) -> Error {
    Error::new(ErrorKind::Unwritable { what }).at(|p| p.path = (!value.path.is_empty()).then(|| value.path.clone()))
}

/// The numbers behind a type such as dates.
fn raw<T: ArrowNativeType>(array: &ArrayRef) -> ScalarBuffer<T> {
    let data = array.to_data();
    let buffer = data.buffers().first().cloned().unwrap_or_default();
    ScalarBuffer::new(buffer, data.offset(), data.len())
}

/// Casts an array to the written type. A lossy cast is an error.
fn cast(array: &ArrayRef, value: &ValuePlan) -> Result<ArrayRef> {
    let (from, to) = (array.data_type(), &value.from);
    if from == to || is_same(from, to) {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let failed = |e: arrow_schema::ArrowError| unwritable(value, e.to_string());
    // Zones do not affect the written values, and Arrow would look up their names.
    let (array, from, to) = match (from, to) {
        (DataType::Timestamp(from, _), DataType::Timestamp(to, _)) => {
            let local = array.to_data().into_builder().data_type(DataType::Timestamp(*from, None)).build()?;
            (&make_array(local), &DataType::Timestamp(*from, None), &DataType::Timestamp(*to, None))
        }
        (from, to) => (array, from, to),
    };
    let cast = cast_with_options(array, to, &options).map_err(failed)?;
    // Arrow divides if the unit becomes larger; the remainder must be zero.
    if units(from).zip(units(to)).is_some_and(|(from, to)| from < to) {
        let back = cast_with_options(&cast, from, &options).map_err(failed)?;
        if back.to_data() != array.to_data() {
            return Err(unwritable(value, format!("a value of {from} is between two of {to}")));
        }
    }
    Ok(cast)
}

/// Whether two types are written alike. Nested types are cast when they are reached.
fn is_same(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(_), DataType::List(_)) => true,
        (DataType::Timestamp(from, Some(_)), DataType::Timestamp(to, Some(_))) => from == to,
        (DataType::Timestamp(from, _), DataType::Timestamp(to, _)) => from == to,
        _ => false,
    }
}

/// Nanoseconds of the unit of a time.
fn units(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Timestamp(unit, _) => Some(match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        }),
        DataType::Date32 => Some(86_400_000_000_000),
        DataType::Date64 => Some(1_000_000),
        _ => None,
    }
}
