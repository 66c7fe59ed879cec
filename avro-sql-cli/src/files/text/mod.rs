//! Text files read by a schema: CSV, TSV and JSON in, Avro datums out, so that what `convert` wrote is read back as it was.
//!
//! Next files: `cells.rs` cuts lines into cells, `infer.rs` guesses their types, `array.rs` takes the brackets off an array of rows, `rows.rs` encodes rows.

pub(crate) mod array;
pub(crate) mod cells;
pub(crate) mod infer;

pub(crate) use cells::Dialect;
