//! Filters: which rows a caller wants, said from some of their columns, and the programs that find them.

mod select;

pub(crate) use select::Selector;

use crate::error::Result;
use crate::options::Options;
use crate::program::{Program, Starts};
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{DataType, FieldRef, SchemaRef};
use std::fmt;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What a [`RowFilter`] may fail with. It comes back as [`ErrorKind::Filter`](crate::ErrorKind::Filter).
pub type FilterError = Box<dyn std::error::Error + Send + Sync>;

/// Says which rows are wanted, from some of their columns. A closure of [`select`](Self::select)'s type is one.
///
/// It may say something else at each call, as filters do that learn while a query runs.
pub trait RowFilter: Send {
    /// A value for each row of the batch, which has at least one: true where the row is wanted. Null is false.
    ///
    /// Rows come in the order that they are read in, any number at a time; [`Options::batch_size`] has no meaning here.
    ///
    /// # Errors
    /// What it likes: reading ends there.
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError>;

    /// Are all rows wanted at this time? Then it is not asked about the next ones, and they are decoded at once.
    fn selects_all(&mut self) -> bool {
        false
    }
}

impl<F: FnMut(&RecordBatch) -> Result<BooleanArray, FilterError> + Send> RowFilter for F {
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError> {
        self(columns)
    }
}

/// A program and the columns that a filter looks at, compiled. Made once for a program, for any number of decoders.
#[derive(Debug)]
pub struct FilterProgram {
    /// Reads the columns of the batches.
    output: Arc<Program>,
    /// Reads what the filter looks at, and writes down where each row starts.
    walk: Arc<Program>,
    /// Reads both.
    whole: Option<Whole>,
}

/// A program that reads what the filter looks at behind the columns of the batches.
#[derive(Debug)]
struct Whole {
    program: Arc<Program>,
    /// Where the filter's columns are among all.
    looked_at: Vec<usize>,
}

impl FilterProgram {
    /// For a filter that looks at these columns, named as in [`Options::projection`]. They need not be among those of the
    /// program; there may be none.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile(program: &Arc<Program>, columns: &[String]) -> Result<FilterProgram> {
        let options = Options { projection: Some(columns.to_vec()), ..program.options.clone() };
        let walk = Arc::new(Program::compile_with(program.schema(), &options, Starts::Written)?);
        let whole = Whole::compile(program, &walk, columns);
        Ok(FilterProgram { output: Arc::clone(program), walk, whole })
    }

    /// The Arrow schema of the batches that the filter is given.
    pub fn arrow_schema(&self) -> &SchemaRef {
        self.walk.arrow_schema()
    }
}

impl Whole {
    /// None where the columns of both cannot stand side by side as they are, or Arrow cannot filter them.
    fn compile(output: &Arc<Program>, walk: &Program, columns: &[String]) -> Option<Whole> {
        let program = match &output.options.projection {
            None => Arc::clone(output),
            Some(wanted) => {
                let more = columns.iter().filter(|column| !wanted.contains(column));
                let both = wanted.iter().chain(more).cloned().collect();
                let options = Options { projection: Some(both), ..output.options.clone() };
                Arc::new(Program::compile(output.schema(), &options).ok()?)
            }
        };
        let fields = program.arrow_schema().fields();
        let place = |looked_at: &FieldRef| fields.iter().position(|field| field == looked_at);
        let looked_at = walk.arrow_schema().fields().iter().map(place).collect::<Option<_>>()?;
        let is_output = fields.starts_with(output.arrow_schema().fields());
        let can_filter = !output.arrow_schema().fields().iter().any(has_empty_values);
        (is_output && can_filter).then_some(Whole { program, looked_at })
    }
}

/// Is there something of `fixed(0)` in it? Arrow's filter makes fewer values of those than it should.
fn has_empty_values(field: &FieldRef) -> bool {
    match field.data_type() {
        DataType::FixedSizeBinary(size) => *size == 0,
        DataType::List(inner) | DataType::Map(inner, _) => has_empty_values(inner),
        DataType::Struct(fields) => fields.iter().any(has_empty_values),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_empty_values(field)),
        _ => false,
    }
}

/// The ops of the walk, one a line.
impl fmt::Display for FilterProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.walk.fmt(f)
    }
}
