//! Partition columns without a table: files with the directories above them in; the columns, and their values in each file's
//! batches, out. For programs that decode files themselves and want the columns that SQL has.

use crate::listing::partition_values::{self, Directories};
use crate::options::read::AvroOptions;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue};
use std::sync::Arc;

/// The columns that the directories of some files add to those of the files.
#[derive(Debug, Clone)]
pub struct PartitionColumns {
    /// The columns of the files and then those of the directories.
    schema: SchemaRef,
    /// By file, the values of the latter.
    values: Vec<Vec<ScalarValue>>,
}

impl PartitionColumns {
    /// The columns of files that are read as `file_schema`. Each file has its path below the directory that was asked for, and
    /// the text that its header has under [`PARTITION_SCHEMA_KEY`](crate::PARTITION_SCHEMA_KEY), if any. A column that the
    /// files have themselves is not one of the directories.
    ///
    /// # Errors
    /// A directory whose value is not of its column's type.
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

    /// The columns of the files and then those of the directories.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A batch of the file at this place in the list, with the columns of its directories.
    ///
    /// # Errors
    /// A batch that is not of the files' columns.
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
