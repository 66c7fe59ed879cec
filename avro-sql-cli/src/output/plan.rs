//! Query plans: the text of `EXPLAIN` with SQL's literals. A frame would cut the predicates and metrics that people
//! look for.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{Counts, Output, TextStyle, columns, printable};
use crate::error::Result;
use crate::type_names;

/// The columns of a plan.
const COLUMNS: [&str; 2] = ["plan_type", "plan"];

/// Whether these are the columns of a plan.
pub(super) fn is_plan(schema: &Schema) -> bool {
    schema.fields().iter().map(|field| field.name().as_str()).eq(COLUMNS)
}

/// Writes a heading for each plan, and its lines below.
pub(super) struct Plan<'a> {
    to: &'a mut (dyn Write + Send),
}

impl<'a> Plan<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send)) -> Self {
        Plan { to }
    }
}

impl Output for Plan<'_> {
    fn begin(&mut self, _: &Schema) -> Result<()> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch, TextStyle::default())?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            let (mut heading, mut plan) = (String::new(), String::new());
            for (column, to) in columns.iter().zip([&mut heading, &mut plan]) {
                column.text(row, to)?;
            }
            text.push_str(&printable(&heading.replace('_', " ")));
            text.push_str(":\n");
            for line in printable(&type_names::plain(&plan)).lines() {
                text.push_str("  ");
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    fn end(&mut self) -> Result<Counts> {
        Ok(Counts::default()) // it is text, without rows and columns
    }
}
