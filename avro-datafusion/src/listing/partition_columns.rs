//! Partition columns for programs that decode files themselves and want the columns that SQL has.

use crate::listing::partition_values::{self, Directories};
use crate::options::read::AvroOptions;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue};
use std::sync::Arc;

/// The columns that the directories of files add to the columns of the files.
#[derive(Debug, Clone)]
pub struct PartitionColumns {
    /// Columns of the files, followed by the partition columns.
    schema: SchemaRef,
    /// Partition values by file.
    values: Vec<Vec<ScalarValue>>,
}

impl PartitionColumns {
    /// Derives the partition columns of files that are decoded as `file_schema`. Each file is given by its path below
    /// the table's directory and by the value of [`PARTITION_SCHEMA_KEY`](crate::PARTITION_SCHEMA_KEY) in its header,
    /// if any. A column of the files themselves hides a partition column of the same name.
    ///
    /// # Errors
    /// If a directory's value is invalid for the type of its column.
    pub fn new<'a>(
        file_schema: &SchemaRef,
        files: impl IntoIterator<Item = (Vec<&'a str>, Option<&'a str>)>,
        options: &AvroOptions,
    ) -> Result<Self> {
        let names: Vec<(String, Directories<'_>)> = files
            .into_iter()
            .map(|(below, recorded)| (below.join("/"), Directories::of_file(below, recorded)))
            .collect();
        let (names, files): (Vec<_>, Vec<_>) = names.into_iter().unzip();
        let mut columns = partition_values::columns(options, &files, None);
        columns.retain(|column| file_schema.fields().find(column.name()).is_none());
        let values = names.iter().zip(&files).map(|(name, file)| partition_values::values(&columns, file, "", name));
        let values = values.collect::<Result<Vec<_>>>()?;
        let fields: Vec<_> = file_schema.fields().iter().cloned().chain(columns).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, file_schema.metadata().clone()));
        Ok(PartitionColumns { schema, values })
    }

    /// Returns the columns of the files, followed by the partition columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends the partition columns to a batch of the file at this index.
    ///
    /// # Errors
    /// If the batch does not have the columns of the files.
    pub fn append(&self, file: usize, batch: RecordBatch) -> Result<RecordBatch> {
        let values = self.values.get(file).map(Vec::as_slice).unwrap_or_default();
        if values.is_empty() {
            return Ok(batch);
        }
        let rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for value in values {
            columns.push(value.to_array_of_size(rows)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
