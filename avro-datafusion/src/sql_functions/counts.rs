//! `mode` and `histogram`: aggregates that count each value.

use std::collections::HashMap;
use std::mem::size_of_val;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, MapArray, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility};

use super::function::documented;

/// Creates the aggregates.
pub(super) fn all() -> Vec<AggregateUDF> {
    let mode = documented("mode(x)", "The most frequent value; the first of equally frequent ones.", "");
    let histogram = documented("histogram(x)", "A map of each value to the number of its rows.", "");
    [(CountKind::Mode, mode), (CountKind::Histogram, histogram)]
        .into_iter()
        .map(|(kind, documentation)| {
            AggregateUDF::from(Counted {
                kind,
                signature: Signature::user_defined(Volatility::Immutable),
                documentation,
            })
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CountKind {
    Mode,
    Histogram,
}

#[derive(Debug)]
struct Counted {
    kind: CountKind,
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Counted) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Counted {}

impl std::hash::Hash for Counted {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

fn list_of(data_type: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(data_type.clone(), true)))
}

fn entries(key: &DataType) -> Fields {
    Fields::from(vec![Field::new("key", key.clone(), false), Field::new("value", DataType::Int64, false)])
}

impl AggregateUDFImpl for Counted {
    fn name(&self) -> &str {
        match self.kind {
            CountKind::Mode => "mode",
            CountKind::Histogram => "histogram",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        match types {
            // An enum is counted by its symbols.
            [DataType::Dictionary(_, values)] => Ok(vec![values.as_ref().clone()]),
            [value] => match RowConverter::supports_fields(&[SortField::new(value.clone())]) {
                true => Ok(vec![value.clone()]),
                false => plan_err!("{name} does not take values of type {value}; cast them to VARCHAR"),
            },
            _ => plan_err!("{name}: {} arguments do not fit; use {name}(x)", types.len()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let value = types.first().cloned().unwrap_or(DataType::Null);
        Ok(match self.kind {
            CountKind::Mode => value,
            CountKind::Histogram => {
                let entries = DataType::Struct(entries(&value));
                DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
            }
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = args.input_fields.first().map_or(&DataType::Null, |field| field.data_type());
        let state = |name: &str, data_type: &DataType| Arc::new(Field::new(name, list_of(data_type), true));
        Ok(vec![state("values", value), state("counts", &DataType::Int64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return plan_err!("{} does not take DISTINCT", self.name());
        }
        let Some(value) = args.expr_fields.first() else { return exec_err!("{} has an argument", self.name()) };
        Ok(Box::new(Counts {
            kind: self.kind,
            data_type: value.data_type().clone(),
            returns: args.return_field.data_type().clone(),
            rows: RowConverter::new(vec![SortField::new(value.data_type().clone())])?,
            places: HashMap::new(),
            counts: Vec::new(),
            key_bytes: 0,
        }))
    }
}

/// The number of rows of each value, which is kept as comparable bytes.
#[derive(Debug)]
struct Counts {
    kind: CountKind,
    data_type: DataType,
    returns: DataType,
    rows: RowConverter,
    /// The place of each value in `counts`, in the order of their first rows.
    places: HashMap<Box<[u8]>, usize>,
    counts: Vec<i64>,
    key_bytes: usize,
}

impl Counts {
    fn add(&mut self, values: &ArrayRef, counts: Option<&Int64Array>) -> Result<()> {
        let values =
            if values.data_type() == &self.data_type { Arc::clone(values) } else { cast(values, &self.data_type)? };
        let rows = self.rows.convert_columns(&[Arc::clone(&values)])?;
        for (at, row) in rows.iter().enumerate() {
            if values.is_null(at) {
                continue;
            }
            let n = counts.map_or(1, |counts| counts.value(at));
            match self.places.get(row.data()).and_then(|place| self.counts.get_mut(*place)) {
                Some(count) => *count += n,
                None => {
                    self.key_bytes += row.data().len();
                    self.places.insert(row.data().into(), self.counts.len());
                    self.counts.push(n);
                }
            }
        }
        Ok(())
    }

    /// Returns these values as a column.
    fn values(&self, keys: &[&[u8]]) -> Result<ArrayRef> {
        let parser = self.rows.parser();
        let columns = self.rows.convert_rows(keys.iter().map(|key| parser.parse(key)))?;
        match columns.first() {
            Some(values) => Ok(cast(values, &self.data_type)?),
            None => exec_err!("{:?} of no column", self.kind),
        }
    }

    /// Returns values and their counts, in an order.
    fn sorted(&self, is_by_value: bool) -> Result<(ArrayRef, Int64Array)> {
        let mut keys: Vec<(&[u8], usize)> = self.places.iter().map(|(key, place)| (key.as_ref(), *place)).collect();
        if is_by_value {
            keys.sort_unstable();
        } else {
            keys.sort_unstable_by_key(|(_, place)| *place);
        }
        let counts = keys.iter().map(|(_, place)| self.counts.get(*place).copied());
        let counts: Int64Array = counts.collect();
        let keys: Vec<&[u8]> = keys.into_iter().map(|(key, _)| key).collect();
        Ok((self.values(&keys)?, counts))
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [values, ..] => self.add(values, None),
            [] => exec_err!("{:?} of no column", self.kind),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts] = states else { return exec_err!("{:?} has two states", self.kind) };
        let (values, counts) = (values.as_list::<i32>(), counts.as_list::<i32>());
        for (values, counts) in values.iter().zip(counts.iter()) {
            if let Some((values, counts)) = values.zip(counts) {
                self.add(&values, Some(counts.as_primitive::<Int64Type>()))?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (values, counts) = self.sorted(false)?;
        let list = |values: ArrayRef| {
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Ok::<_, datafusion::error::DataFusionError>(ScalarValue::List(Arc::new(ListArray::try_new(
                field, offsets, values, None,
            )?)))
        };
        Ok(vec![list(values)?, list(Arc::new(counts))?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts.is_empty() {
            return ScalarValue::try_from(&self.returns);
        }
        match self.kind {
            CountKind::Mode => {
                let most = self
                    .places
                    .iter()
                    .max_by_key(|(_, place)| (self.counts.get(**place).copied(), std::cmp::Reverse(**place)));
                let Some((key, _)) = most else { return ScalarValue::try_from(&self.returns) };
                ScalarValue::try_from_array(&self.values(&[key])?, 0)
            }
            CountKind::Histogram => {
                let (values, counts) = self.sorted(true)?;
                let DataType::Map(field, is_sorted) = &self.returns else { return exec_err!("histogram is a map") };
                let offsets = OffsetBuffer::from_lengths([values.len()]);
                let entries = StructArray::try_new(entries(&self.data_type), vec![values, Arc::new(counts)], None)?;
                let map = MapArray::try_new(Arc::clone(field), offsets, entries, None, *is_sorted)?;
                Ok(ScalarValue::Map(Arc::new(map)))
            }
        }
    }

    fn size(&self) -> usize {
        let entry = size_of::<(Box<[u8]>, usize)>() + size_of::<i64>() + 1;
        size_of_val(self) + self.rows.size() + self.key_bytes + self.places.capacity() * entry
    }
}
