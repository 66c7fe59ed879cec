//! Assigns rows to Hive partition directories, and drops the columns that the directory name holds.

use crate::listing::partition_values::{NULL, RECORDED};
use arrow_array::builder::UInt32Builder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{DataType, Schema, SchemaRef};
use avro_arrow::schema::Schema as AvroSchema;
use datafusion::arrow::compute::{cast, take_record_batch};
use datafusion::common::{DataFusionError, Result, plan_err};
use object_store::path::{Path, PathPart};
use std::collections::HashMap;

/// Escape of `__HIVE_DEFAULT_PARTITION__` as a text value. Readers undo it.
const ESCAPED: &str = "%5F_HIVE_DEFAULT_PARTITION__";

/// Values that name a directory, one per level.
pub(super) type Key = Vec<Option<String>>;

/// Divides rows into Hive partition directories `key=value`.
#[derive(Debug, Clone)]
pub struct Partitioning {
    /// Name and index of the partition columns.
    by: Vec<(String, usize)>,
    /// Indices of the written columns.
    written: Vec<usize>,
}

impl Partitioning {
    /// Creates a partitioning by these columns of the schema. If `keep` is set, files contain them too.
    ///
    /// # Errors
    /// If a column is missing, or its name cannot be that of a directory.
    pub fn new(schema: &Schema, by: &[String], keep: bool) -> Result<Self> {
        let mut places = Vec::with_capacity(by.len());
        for name in by {
            let Some((place, _)) = schema.fields().find(name) else {
                return plan_err!("no column `{name}` to partition by");
            };
            if name.is_empty() || name.contains('=') {
                return plan_err!("the name of column `{name}` cannot be used in a directory name");
            }
            places.push((name.clone(), place));
        }
        let is_written = |place: &usize| keep || places.iter().all(|(_, by)| by != place);
        let written = (0..schema.fields().len()).filter(is_written).collect();
        Ok(Partitioning { by: places, written })
    }

    /// Returns the schema of the files.
    ///
    /// # Errors
    /// Only for another schema than the one passed to `new`.
    pub fn file_schema(&self, schema: &Schema) -> Result<SchemaRef> {
        Ok(schema.project(&self.written)?.into())
    }

    /// Returns the header entry that records the types of the partition columns. `None` if there are no such columns,
    /// files contain them, or Avro has no such types.
    pub fn recorded(&self, schema: &Schema) -> Option<(String, Vec<u8>)> {
        let columns = self.by.iter().map(|(_, place)| *place).filter(|place| !self.written.contains(place));
        let columns = columns.collect::<Vec<_>>();
        let recorded = AvroSchema::from_arrow(&schema.project(&columns).ok()?).ok()?;
        (!columns.is_empty()).then(|| (RECORDED.to_owned(), recorded.json().as_bytes().to_vec()))
    }

    /// Returns the path of the directory for these values, percent-encoded where necessary.
    pub fn directory(&self, key: &[Option<String>]) -> Path {
        let name = |((name, _), value): (&(String, usize), &Option<String>)| match value.as_deref() {
            None => part(&format!("{name}={NULL}")),
            Some(NULL) => format!("{}={ESCAPED}", part(name)),
            Some(value) => part(&format!("{name}={value}")),
        };
        let names: Vec<String> = self.by.iter().zip(key).map(name).collect();
        Path::parse(names.join("/")).unwrap_or_else(|_| Path::from_iter(names))
    }

    /// Splits a batch by directory. Rows keep their order; directories come in order of their first row.
    ///
    /// # Errors
    /// If the values of a column cannot be part of a path.
    pub fn split(&self, batch: &RecordBatch) -> Result<Vec<(Vec<Option<String>>, RecordBatch)>> {
        let file = |batch: &RecordBatch| batch.project(&self.written);
        if self.by.is_empty() {
            return Ok(vec![(vec![], file(batch)?)]);
        }
        let values = self.by.iter().map(|(name, place)| {
            let column = batch.column(*place);
            match cast(column, &DataType::Utf8) {
                // Bytes that are not UTF-8 would become nulls.
                Ok(text) if text.null_count() == column.logical_null_count() => Ok(text.as_string::<i32>().clone()),
                _ => plan_err!("cannot partition by column `{name}` of type {}", column.data_type()),
            }
        });
        let values = values.collect::<Result<Vec<StringArray>>>()?;
        let mut places: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
        let mut parts: Vec<(Key, UInt32Builder)> = vec![];
        let mut key = Vec::with_capacity(values.len());
        for row in 0..batch.num_rows() {
            key.clear();
            key.extend(values.iter().map(|values| values.is_valid(row).then(|| values.value(row))));
            let place = match places.get(&key) {
                Some(place) => *place,
                None => {
                    let texts = key.iter().map(|value| value.map(str::to_owned)).collect();
                    parts.push((texts, UInt32Builder::new()));
                    places.insert(key.clone(), parts.len() - 1);
                    parts.len() - 1
                }
            };
            if let Some((_, rows)) = parts.get_mut(place) {
                rows.append_value(u32::try_from(row).map_err(|e| DataFusionError::External(Box::new(e)))?);
            }
        }
        let whole = file(batch)?;
        let only = parts.len() == 1;
        let take = |(key, mut rows): (Key, UInt32Builder)| {
            let part = match only {
                true => whole.clone(),
                false if whole.num_columns() == 0 => {
                    let options = RecordBatchOptions::new().with_row_count(Some(rows.finish().len()));
                    RecordBatch::try_new_with_options(whole.schema(), vec![], &options)?
                }
                false => take_record_batch(&whole, &rows.finish())?,
            };
            Ok((key, part))
        };
        parts.into_iter().map(take).collect()
    }
}

/// Escapes a path component.
fn part(name: &str) -> String {
    PathPart::from(name).as_ref().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{BinaryArray, Int64Array};
    use arrow_schema::Field;
    use avro_testing::check_all;
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let numbers = Int64Array::from(vec![1, 2, 3, 4]);
        let texts = StringArray::from(vec![Some("x"), None, Some("x"), Some("")]);
        let bytes = BinaryArray::from_vec(vec![b"\xff"; 4]);
        let field = |name, data_type| Field::new(name, data_type, true);
        let schema =
            Schema::new(vec![field("n", DataType::Int64), field("t", DataType::Utf8), field("b", DataType::Binary)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts), Arc::new(bytes)]).unwrap()
    }

    #[test]
    fn split_assigns_rows_to_directories() {
        let batch = batch();
        type Case<'a> = (&'a [&'a str], bool, &'a [(&'a str, &'a [i64])], usize);
        let cases: &[Case] = &[
            (&[], false, &[("", &[1, 2, 3, 4])], 3),
            (&["t"], false, &[("t=x", &[1, 3]), ("t=__HIVE_DEFAULT_PARTITION__", &[2]), ("t=", &[4])], 2),
            (
                &["t", "n"],
                true,
                &[("t=x/n=1", &[1]), ("t=__HIVE_DEFAULT_PARTITION__/n=2", &[2]), ("t=x/n=3", &[3]), ("t=/n=4", &[4])],
                3,
            ),
        ];
        check_all(cases, |(by, keep, expected, n_columns)| {
            let by: Vec<_> = by.iter().map(|name| (*name).to_owned()).collect();
            let partitioning = Partitioning::new(&batch.schema(), &by, *keep).unwrap();
            let parts = partitioning.split(&batch).unwrap();
            let found: Vec<_> = parts
                .iter()
                .map(|(key, part)| {
                    let directory = partitioning.directory(key).to_string();
                    let numbers = part.column_by_name("n").unwrap();
                    let numbers = numbers.as_primitive::<arrow_array::types::Int64Type>().values().to_vec();
                    assert_eq!(part.num_columns(), *n_columns);
                    (directory, numbers)
                })
                .collect();
            let found: Vec<_> = found.iter().map(|(path, rows)| (path.as_str(), rows.as_slice())).collect();
            assert_eq!(found, *expected, "{by:?}");
        });
    }

    #[test]
    fn new_rejects_invalid_columns() {
        let batch = batch();
        let by = |name: &str| Partitioning::new(&batch.schema(), &[name.to_owned()], false);
        assert!(by("q").unwrap_err().to_string().contains("no column `q` to partition by"));
        let e = by("b").unwrap().split(&batch).unwrap_err().to_string();
        assert!(e.contains("cannot partition by column `b` of type Binary"), "{e}");
    }
}
