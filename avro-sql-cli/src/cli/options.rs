//! A parsed command line: what to do, and what may be used to do it.

use std::path::PathBuf;

use avro_datafusion::AvroOptions;

use crate::commands::convert;
use crate::commands::index;
use crate::commands::tools;
use crate::options::{Query, Resources};

/// A whole command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// What to do.
    pub(crate) task: Task,
    /// What may be used to do it.
    pub(crate) resources: Resources,
    /// How files are read.
    pub(crate) reading: AvroOptions,
    /// The file of the schema that every Avro file is read as, instead of its own.
    pub(crate) reader_schema: Option<PathBuf>,
    /// Do long jobs show how far they are?
    pub(crate) bars: bool,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Answer SQL.
    Query(Query),
    /// Write files' rows in another format.
    Convert(Box<convert::Task>),
    /// Build block indexes.
    Index(index::Task),
    /// Go through files block by block.
    Tool(tools::Task),
}
