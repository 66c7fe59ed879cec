//! JSON: an array of objects, or an object on each line. Rows are written as they arrive.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::value::{ColumnFormatter, object, quote};
use super::{Counts, Output, TextStyle, To, UnionText, write_rows};
use crate::error::Result;

/// How objects are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonLayout {
    /// In an array.
    Array,
    /// One on each line.
    Lines,
}

pub(super) struct Json<'a> {
    to: To<'a>,
    flavor: JsonLayout,
    unions: UnionText,
    /// The columns' names as JSON, with the colon.
    names: Vec<String>,
    rows: u64,
}

impl<'a> Json<'a> {
    pub(super) fn new(to: To<'a>, flavor: JsonLayout, unions: UnionText) -> Self {
        Json { to, flavor, unions, names: Vec::new(), rows: 0 }
    }
}

impl Output for Json<'_> {
    fn begin(&mut self, schema: &Schema) -> Result<()> {
        for field in schema.fields() {
            let mut name = String::new();
            quote(field.name(), &mut name);
            name.push(':');
            self.names.push(name);
        }
        if self.flavor == JsonLayout::Array {
            self.to.write_all(b"[")?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema_ref();
        let mut columns = Vec::with_capacity(self.names.len());
        for ((name, field), array) in self.names.iter().zip(schema.fields()).zip(batch.columns()) {
            columns.push((name.clone(), ColumnFormatter::new(field, array.as_ref(), TextStyle::of(self.unions))?));
        }
        write_rows(&mut self.to, batch.num_rows(), |row, text| {
            if self.flavor == JsonLayout::Array {
                text.push_str(if self.rows == 0 { "\n" } else { ",\n" });
            }
            object(&columns, row, text)?;
            if self.flavor == JsonLayout::Lines {
                text.push('\n');
            }
            self.rows += 1;
            Ok(())
        })
    }

    fn end(&mut self) -> Result<Counts> {
        if self.flavor == JsonLayout::Array {
            self.to.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        Ok(Counts::all(self.rows, self.names.len()))
    }
}
