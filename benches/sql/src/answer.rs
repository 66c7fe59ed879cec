//! Answers: batches in, numbers out that depend on all values but not on the order of rows. Two engines with the same
//! answer have the same numbers; sums of floats may differ by what the order of additions does.

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// How far two sums of the same floats may be apart, as a part of them.
const FLOAT_TOLERANCE: f64 = 1e-9;

/// What is kept of an answer.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The number of rows.
    pub(crate) rows: u64,
    /// The sum of the rows' hashes, each over all of its values that are no floats.
    hashes: u64,
    /// Of each column of floats, the sum and the sum without signs.
    floats: Vec<(f64, f64)>,
}

impl Answer {
    /// Adds the rows of a batch. A string is the same text in any of Arrow's types.
    ///
    /// # Errors
    /// Where a value has no text.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let is_float = |column: &&ArrayRef| matches!(column.data_type(), DataType::Float32 | DataType::Float64);
        let (floats, others): (Vec<&ArrayRef>, Vec<&ArrayRef>) = batch.columns().iter().partition(is_float);
        self.floats.resize(floats.len(), (0.0, 0.0));
        for (sums, column) in self.floats.iter_mut().zip(floats) {
            for value in cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().iter().flatten() {
                *sums = (sums.0 + value, sums.1 + value.abs());
            }
        }
        let options = FormatOptions::default().with_null("\0null");
        let texts = others.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let mut hasher = DefaultHasher::new();
            texts.iter().for_each(|text| text.value(row).to_string().hash(&mut hasher));
            self.hashes = self.hashes.wrapping_add(hasher.finish());
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Whether two answers agree.
    pub(crate) fn agrees(&self, other: &Answer) -> bool {
        let near = |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs() <= FLOAT_TOLERANCE * a.1.max(b.1);
        // Columns of floats are counted with the first batch, and an answer may have none.
        let floats = self.rows == 0 || self.floats.len() == other.floats.len();
        self.rows == other.rows
            && self.hashes == other.hashes
            && floats
            && self.floats.iter().zip(&other.floats).all(near)
    }
}
