//! Text files with a schema: reads CSV, TSV and JSON into Avro datums, so that `convert` reads back its own output.
//!
//! Next files: `cells.rs` splits lines into cells, `infer.rs` infers types, `array.rs` unwraps an array of rows.

pub(crate) mod array;
pub(crate) mod cells;
pub(crate) mod infer;

pub(crate) use cells::CellDialect;
