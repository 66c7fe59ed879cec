//! Row filters, and the programs that decode the columns they evaluate.

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

/// The error of a [`RowFilter`]. Readers return it as [`ErrorKind::Filter`](crate::ErrorKind::Filter).
pub type FilterError = Box<dyn std::error::Error + Send + Sync>;

/// Selects rows by the values of some columns. A closure of [`select`](Self::select)'s type is a filter.
///
/// A filter may give another answer at each call, as dynamic filters of a query do.
pub trait RowFilter: Send {
    /// Returns a value for each row of the batch, which has at least one: `true` selects the row, `false` and null do
    /// not.
    ///
    /// Rows come in reading order, any number at a time; [`Options::batch_size`] does not apply.
    ///
    /// # Errors
    /// Any error ends reading.
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError>;

    /// Whether all rows are selected at this time. If so, the next rows are decoded without a call to
    /// [`select`](Self::select).
    fn selects_all(&mut self) -> bool {
        false
    }
}

impl<F: FnMut(&RecordBatch) -> Result<BooleanArray, FilterError> + Send> RowFilter for F {
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError> {
        self(columns)
    }
}

/// The compiled columns of a filter. It is compiled once for a [`Program`] and serves any number of decoders.
#[derive(Debug)]
pub struct FilterProgram {
    /// Decodes the columns of the batches.
    output: Arc<Program>,
    /// Decodes the filter's columns, and records where each row starts.
    predicate: Arc<Program>,
    /// Decodes both.
    all_columns: Option<AllColumns>,
}

/// A program that decodes the filter's columns after those of the batches.
#[derive(Debug)]
struct AllColumns {
    program: Arc<Program>,
    /// Positions of the filter's columns among all columns.
    filter_columns: Vec<usize>,
}

impl FilterProgram {
    /// Compiles a filter's columns, named as in [`Options::projection`]. They need not be among the columns of
    /// `program`; the list may be empty.
    ///
    /// # Errors
    /// Fails as [`Program::compile`] does.
    pub fn compile(program: &Arc<Program>, columns: &[String]) -> Result<FilterProgram> {
        let options = Options { projection: Some(columns.to_vec()), ..program.options.clone() };
        let predicate = Arc::new(Program::compile_with(program.schema(), &options, Starts::Written)?);
        let all_columns = AllColumns::compile(program, &predicate, columns);
        Ok(FilterProgram { output: Arc::clone(program), predicate, all_columns })
    }

    /// Returns the Arrow schema of the batches that the filter gets.
    pub fn arrow_schema(&self) -> &SchemaRef {
        self.predicate.arrow_schema()
    }
}

impl AllColumns {
    /// `None` if the columns of both cannot stand side by side unchanged, or if Arrow cannot filter them.
    fn compile(output: &Arc<Program>, predicate: &Program, columns: &[String]) -> Option<AllColumns> {
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
        let place = |filter_columns: &FieldRef| fields.iter().position(|field| field == filter_columns);
        let filter_columns = predicate.arrow_schema().fields().iter().map(place).collect::<Option<_>>()?;
        let is_output = fields.starts_with(output.arrow_schema().fields());
        let can_filter = !output.arrow_schema().fields().iter().any(has_empty_values);
        (is_output && can_filter).then_some(AllColumns { program, filter_columns })
    }
}

/// Whether the type contains a `fixed(0)`. Arrow's filter kernel returns too few values for it.
fn has_empty_values(field: &FieldRef) -> bool {
    match field.data_type() {
        DataType::FixedSizeBinary(size) => *size == 0,
        DataType::List(inner) | DataType::Map(inner, _) => has_empty_values(inner),
        DataType::Struct(fields) => fields.iter().any(has_empty_values),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_empty_values(field)),
        _ => false,
    }
}

/// Prints the ops of the filter's program, one per line.
impl fmt::Display for FilterProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.predicate.fmt(f)
    }
}
