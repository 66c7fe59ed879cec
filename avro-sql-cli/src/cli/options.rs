//! A parsed command line: the task, and the resources it may use.

use std::path::PathBuf;

use avro_datafusion::AvroOptions;

use crate::commands::cache;
use crate::commands::convert;
use crate::commands::index;
use crate::commands::rpc::RpcTask;
use crate::commands::tools;
use crate::options::{Query, Resources, WorkerTask};

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// The task.
    pub(crate) task: Task,
    /// The resources it may use.
    pub(crate) resources: Resources,
    /// The read options of Avro files.
    pub(crate) reading: AvroOptions,
    /// The file of the schema to which every Avro file is resolved.
    pub(crate) reader_schema: Option<PathBuf>,
    /// Whether long jobs show a progress bar.
    pub(crate) bars: bool,
}

/// The task of a command line.
#[derive(Debug)]
pub(crate) enum Task {
    /// Run SQL.
    Query(Query),
    /// Convert files.
    Convert(Box<convert::ConvertTask>),
    /// Build block indexes.
    Index(index::IndexTask),
    /// Make, list or remove columnar copies.
    Cache(cache::CacheTask),
    /// Run a tool that reads or writes files block by block.
    Tool(tools::ToolTask),
    /// Call or answer a message of an Avro protocol.
    Rpc(Box<RpcTask>),
    /// Run parts of other machines' queries.
    Worker(WorkerTask),
}
