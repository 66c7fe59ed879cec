//! The encoders of a row group's leaf columns, with or without dictionaries.
//!
//! Parquet gives up a dictionary that grows too large: its lookups were wasted, and the values do not even compress
//! better. So a leaf column whose dictionary was useless in one row group has none in the next. (Lineitem to Parquet, 4
//! such leaf columns of 16: an eighth of the time, and files 5 % smaller.)

use std::io;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory};
use parquet::basic::{Encoding, PageType};
use parquet::errors::Result;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

/// Makes the encoders of leaf columns.
pub(super) struct Leaves {
    /// The column of each leaf.
    columns: Vec<usize>,
    with_dictionaries: ArrowRowGroupWriterFactory,
    without: ArrowRowGroupWriterFactory,
}

/// An encoder of a leaf column, in two variants.
pub(super) struct Leaf {
    with_dictionary: ArrowColumnWriter,
    without: ArrowColumnWriter,
}

impl Leaves {
    /// Prepares encoders for a file with these columns and properties.
    pub(super) fn new(schema: &SchemaRef, properties: &WriterProperties) -> Result<Leaves> {
        let factory = |properties: WriterPropertiesBuilder| {
            let nowhere = ArrowWriter::try_new(io::sink(), Arc::clone(schema), Some(properties.build()))?;
            nowhere.into_serialized_writer()
        };
        let (writer, with_dictionaries) = factory(properties.clone().into())?;
        let (_, without) = factory(WriterPropertiesBuilder::from(properties.clone()).set_dictionary_enabled(false))?;
        let schema = writer.schema_descr();
        let columns = (0..schema.num_columns()).map(|leaf| schema.get_column_root_idx(leaf)).collect();
        Ok(Leaves { columns, with_dictionaries, without })
    }

    /// Returns the encoders of each column in the row group of this index.
    pub(super) fn of_group(&self, group: usize) -> Result<Vec<Vec<Leaf>>> {
        let mut columns: Vec<Vec<Leaf>> = Vec::new();
        let with_dictionaries = self.with_dictionaries.create_column_writers(group)?;
        let without = self.without.create_column_writers(group)?;
        for ((with_dictionary, without), &column) in with_dictionaries.into_iter().zip(without).zip(&self.columns) {
            columns.resize_with(columns.len().max(column + 1), Vec::new);
            if let Some(leaves) = columns.get_mut(column) {
                leaves.push(Leaf { with_dictionary, without });
            }
        }
        Ok(columns)
    }
}

impl Leaf {
    /// Returns the encoder to use after the previous row group's chunk, if there is one.
    pub(super) fn after(self, before: Option<&ArrowColumnChunk>) -> ArrowColumnWriter {
        if before.is_none_or(uses_dictionary) { self.with_dictionary } else { self.without }
    }
}

/// Whether most pages of values use the dictionary.
fn uses_dictionary(chunk: &ArrowColumnChunk) -> bool {
    let Some(pages) = chunk.close().metadata.page_encoding_stats() else { return true };
    let (mut with, mut without) = (0, 0);
    for pages in pages.iter().filter(|pages| pages.page_type != PageType::DICTIONARY_PAGE) {
        match pages.encoding {
            Encoding::RLE_DICTIONARY => with += pages.count,
            _ => without += pages.count,
        }
    }
    with >= without
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::arrow_writer::compute_leaves;

    #[test]
    fn useless_dictionary_is_not_used_in_next_group() {
        let n = 10_000;
        let properties =
            WriterProperties::builder().set_dictionary_page_size_limit(800).set_data_page_row_count_limit(100);
        for (distinct, is_useful) in [(1, true), (90, true), (n, false), (n / 2, false)] {
            let field = Field::new("n", DataType::Int64, false);
            let schema = Arc::new(Schema::new(vec![field.clone()]));
            let leaves = Leaves::new(&schema, &properties.clone().build()).unwrap();
            let values = Int64Array::from_iter_values((0..n).map(|row| row % distinct));
            let mut before: Option<ArrowColumnChunk> = None;
            for group in 0..3 {
                let leaf = leaves.of_group(group).unwrap().remove(0).remove(0);
                let mut writer = leaf.after(before.as_ref());
                let values: Arc<dyn Array> = Arc::new(values.clone());
                writer.write(&compute_leaves(&field, &values).unwrap()[0]).unwrap();
                let chunk = writer.close().unwrap();
                assert_eq!(chunk.close().rows_written, n as u64);
                let dictionary = chunk.close().metadata.dictionary_page_offset();
                assert_eq!(dictionary.is_some(), is_useful || group == 0, "{distinct} values, group {group}");
                before = Some(chunk);
            }
        }
    }
}
