//! `explain-program`: a file and columns in; the program that its blocks are decoded by, as text, out.

use std::path::PathBuf;

use avro_arrow::{Options, Program};

use super::Context;
use super::input::Input;
use super::out::Out;
use crate::error::Result;

/// Whose program to show.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) input: PathBuf,
    /// Of these columns; of all if there are none.
    pub(crate) columns: Option<Vec<String>>,
}

impl Explain {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let reading = &context.reading;
        // A schema file has a program too.
        let schema = input.schema(context.limits())?;
        let options = Options {
            projection: self.columns.clone(),
            reader_schema: reading.reader_schema.clone(),
            strings: reading.strings,
            enums: reading.enums,
            unions: reading.unions,
            field_match: reading.field_match,
            pairs: reading.pairs,
            recursion_levels: reading.recursion_levels,
            limits: reading.limits.clone(),
            ..Options::default()
        };
        let program = Program::compile(&schema, &options).map_err(|e| input.failed(e))?;
        let mut out = Out::stdout();
        out.put(program.to_string().as_bytes())?;
        out.commit()
    }
}
