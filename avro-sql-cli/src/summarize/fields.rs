//! The fields of a table: walks records, lists, maps and unions to the values in them.
//!
//! The walk depends on the types alone, so the nth field of a batch belongs to the nth summary.

use std::sync::Arc;

use avro_arrow::tagged;
use avro_datafusion::sql_type_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StructArray, new_empty_array,
};
use datafusion::arrow::compute::{cast, filter, is_not_null, is_null, nullif};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::Result;

use super::field::{FieldSummary, Measures};

/// The summaries of all fields of some rows.
pub(super) struct Summary {
    pub(super) fields: Vec<FieldSummary>,
}

/// One walk over the fields of a batch.
struct Walk<'a> {
    summaries: &'a mut Vec<FieldSummary>,
    next: usize,
}

impl Summary {
    /// Creates the summary of no rows.
    pub(super) fn new(schema: &Schema) -> Result<Self> {
        let mut summary = Summary { fields: Vec::new() };
        summary.update(&RecordBatch::new_empty(Arc::new(schema.clone())))?;
        Ok(summary)
    }

    /// Adds rows.
    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut walk = Walk { summaries: &mut self.fields, next: 0 };
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            walk.field(field.name(), field, array)?;
        }
        Ok(())
    }

    /// Adds the rows of another summary of the same fields.
    pub(super) fn merge(&mut self, other: Summary) -> Result<()> {
        self.fields.iter_mut().zip(other.fields).try_for_each(|(field, other)| field.merge(other))
    }
}

impl Walk<'_> {
    /// Adds the values of a field, and those of the fields in it.
    fn field(&mut self, name: &str, field: &Field, array: &ArrayRef) -> Result<()> {
        match field.data_type() {
            DataType::Struct(fields) if tagged::is_tagged(fields) => {
                let branches = array.as_struct();
                self.add(name, || sql_type_name(field), Measures::Frequent, field, &branch_names(branches))?;
                self.children(name, branches, None)
            }
            DataType::Struct(_) => {
                self.add(name, || "STRUCT".to_owned(), Measures::Nulls, field, array)?;
                self.children(name, array.as_struct(), Some(array))
            }
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                self.add(name, || sql_type_name(field), Measures::Nulls, field, array)?;
                let (lengths, item, items) = items(array)?;
                self.lengths(name, lengths)?;
                let name = self.name(|| format!("unnest({name})"));
                self.field(&name, &item, &items)
            }
            DataType::Map(..) => {
                self.add(name, || sql_type_name(field), Measures::Nulls, field, array)?;
                let present = present(array)?;
                let map = present.as_map();
                let offsets = map.offsets();
                self.lengths(name, offsets.windows(2).map(|pair| i64::from(pair[1] - pair[0])).collect())?;
                let (start, end) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
                let DataType::Struct(entry) = map.entries().data_type() else { return Ok(()) };
                for (part, (field, values)) in ["keys", "values"].iter().zip(entry.iter().zip(map.entries().columns()))
                {
                    let name = self.name(|| format!("unnest(map_{part}({name}))"));
                    self.field(&name, field, &values.slice(start, end - start))?;
                }
                Ok(())
            }
            DataType::Dictionary(_, values) if !values.is_nested() => {
                self.add(name, || sql_type_name(field), Measures::All, field, &cast(array, values)?)
            }
            other if other.is_nested() || matches!(other, DataType::Null | DataType::RunEndEncoded(..)) => {
                self.add(name, || sql_type_name(field), Measures::Nulls, field, array)
            }
            _ => self.add(name, || sql_type_name(field), Measures::All, field, array),
        }
    }

    /// Adds the fields of a record, which are null where the record is.
    fn children(&mut self, name: &str, record: &StructArray, nulls_of: Option<&ArrayRef>) -> Result<()> {
        let nulls = nulls_of.filter(|array| array.null_count() > 0).map(|array| is_null(array)).transpose()?;
        for (field, child) in record.fields().iter().zip(record.columns()) {
            let name = self.name(|| format!("{name}.{}", field.name()));
            match &nulls {
                Some(nulls) => self.field(&name, field, &nullif(child, nulls)?)?,
                None => self.field(&name, field, child)?,
            }
        }
        Ok(())
    }

    /// Adds the lengths of lists or maps.
    fn lengths(&mut self, name: &str, lengths: Vec<i64>) -> Result<()> {
        let field = Field::new("length", DataType::Int64, false);
        let lengths: ArrayRef = Arc::new(Int64Array::from(lengths));
        let name = self.name(|| format!("len({name})"));
        self.add(&name, || "BIGINT".to_owned(), Measures::All, &field, &lengths)
    }

    /// Returns the name of the next field. Only the first walk needs names, because it creates the summaries.
    fn name(&self, name: impl FnOnce() -> String) -> String {
        if self.next == self.summaries.len() { name() } else { String::new() }
    }

    /// Adds values to the next summary.
    fn add(
        &mut self,
        name: &str,
        type_name: impl FnOnce() -> String,
        measures: Measures,
        field: &Field,
        values: &ArrayRef,
    ) -> Result<()> {
        if self.next == self.summaries.len() {
            let of = Field::new(field.name(), values.data_type().clone(), true);
            let of = of.with_metadata(field.metadata().clone());
            self.summaries.push(FieldSummary::new(name.to_owned(), type_name(), measures, of)?);
        }
        self.next += 1;
        match self.summaries.get_mut(self.next - 1) {
            Some(summary) => summary.update(values),
            None => Ok(()),
        }
    }
}

/// Returns the name of the branch of each value of a union.
fn branch_names(union: &StructArray) -> ArrayRef {
    let branches: Vec<_> = union.fields().iter().zip(union.columns()).collect();
    let name = |row: usize| {
        let branch = branches.iter().find(|(_, branch)| branch.is_valid(row));
        branch.filter(|_| union.is_valid(row)).map(|(field, _)| field.name().as_str())
    };
    Arc::new((0..union.len()).map(name).collect::<StringArray>())
}

/// Returns the values that are not null.
fn present(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.null_count() {
        0 => Arc::clone(array),
        _ => filter(array, &is_not_null(array)?)?,
    })
}

/// Returns the lengths of the lists that are not null, and their items one after another.
fn items(array: &ArrayRef) -> Result<(Vec<i64>, FieldRef, ArrayRef)> {
    let lists = present(array)?;
    let lists = match lists.data_type() {
        DataType::List(item) => cast(&lists, &DataType::LargeList(Arc::clone(item)))?,
        DataType::FixedSizeList(item, _) => cast(&lists, &DataType::LargeList(Arc::clone(item)))?,
        _ => lists,
    };
    let Some(lists) = lists.as_list_opt::<i64>() else {
        let item = Arc::new(Field::new_list_field(DataType::Null, true));
        return Ok((vec![], item, new_empty_array(&DataType::Null)));
    };
    let offsets = lists.offsets();
    let lengths = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (start, end) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    let DataType::LargeList(item) = lists.data_type() else {
        return Ok((lengths, Arc::new(Field::new_list_field(DataType::Null, true)), lists.values().slice(start, 0)));
    };
    Ok((lengths, Arc::clone(item), lists.values().slice(start, end - start)))
}
