//! `explain-program`: prints the compiled decoder program of a file's schema.

use std::path::PathBuf;

use avro_arrow::Program;

use super::Context;
use super::input::Input;
use super::out::Out;
use crate::error::Result;

/// The file, and the columns to decode.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) input: PathBuf,
    /// The columns; `None` for all.
    pub(crate) columns: Option<Vec<String>>,
}

impl Explain {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let reading = &context.reading;
        // A schema file works too.
        let schema = input.schema(&context.reading)?;
        let decoder = reading.decoder(self.columns.clone(), context.batch_rows);
        let options = decoder.with_reader_schema(reading.reader_schema.clone());
        let program = Program::compile(&schema, &options).map_err(|e| input.failed(e))?;
        let mut out = Out::stdout();
        out.put(program.to_string().as_bytes())?;
        out.commit()
    }
}
