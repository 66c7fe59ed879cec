//! The messages that hold plans of this crate. Every message starts with [`MAGIC`] and [`VERSION`].

use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion_proto::protobuf::{Field, FileScanExecConf, PhysicalExprNode, Schema};
use prost::Message;

/// First bytes of a message.
const MAGIC: &[u8; 4] = b"avdf";
/// Version of the messages. Processes of different versions do not understand each other.
const VERSION: u8 = 1;

/// A plan node of this crate.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PlanNode {
    #[prost(oneof = "Kind", tags = "1, 2")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    #[prost(message, tag = "1")]
    Scan(Box<Scan>),
    #[prost(message, tag = "2")]
    InOrder(InOrder),
}

/// The rows of partitions one after the other.
#[derive(Clone, PartialEq, Message)]
pub(super) struct InOrder {
    #[prost(uint64, optional, tag = "1")]
    pub(super) fetch: Option<u64>,
}

/// A scan of Avro files.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scan {
    /// Files, columns, projection and statistics, as DataFusion encodes them for its own sources.
    #[prost(message, optional, tag = "1")]
    pub(super) base: Option<FileScanExecConf>,
    /// Columns of the files before pruning, if they differ from those in `base`.
    #[prost(message, optional, tag = "2")]
    pub(super) full_schema: Option<Schema>,
    #[prost(message, optional, tag = "3")]
    pub(super) options: Option<Options>,
    /// Conjuncts.
    #[prost(message, repeated, tag = "4")]
    pub(super) predicate: Vec<PhysicalExprNode>,
    #[prost(message, optional, tag = "5")]
    pub(super) order: Option<Order>,
    #[prost(uint64, tag = "6")]
    pub(super) batch_size: u64,
    /// Row limit; `base` has room for 32 bits.
    #[prost(uint64, optional, tag = "7")]
    pub(super) limit: Option<u64>,
    #[prost(bool, tag = "8")]
    pub(super) preserve_order: bool,
    /// One for each file of `base`, group by group.
    #[prost(message, repeated, tag = "9")]
    pub(super) files: Vec<FileState>,
    /// Results of functions and casts in the projection, then in the predicate, of which DataFusion loses the metadata.
    #[prost(message, repeated, tag = "10")]
    pub(super) results: Vec<CallResult>,
}

/// Read options.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Options {
    #[prost(message, repeated, tag = "1")]
    pub(super) pairs: Vec<Pair>,
    /// Declared columns.
    #[prost(message, optional, tag = "2")]
    pub(super) schema: Option<Schema>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Pair {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// The column that the query sorts by.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Order {
    #[prost(uint32, tag = "1")]
    pub(super) column: u32,
    #[prost(string, repeated, tag = "2")]
    pub(super) path: Vec<String>,
    #[prost(bool, tag = "3")]
    pub(super) descending: bool,
    #[prost(bool, tag = "4")]
    pub(super) nulls_first: bool,
}

/// What DataFusion does not encode of a file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileState {
    #[prost(string, optional, tag = "1")]
    pub(super) e_tag: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) version: Option<String>,
    /// Whether the planner had a block index of the file.
    #[prost(bool, tag = "3")]
    pub(super) has_index: bool,
    #[prost(message, optional, tag = "4")]
    pub(super) access_plan: Option<AccessPlan>,
}

/// Starts and ends of the byte ranges of a block access plan.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AccessPlan {
    #[prost(uint64, repeated, tag = "1")]
    pub(super) bounds: Vec<u64>,
}

/// The field that an expression returns.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CallResult {
    /// Position among the calls and casts of all expressions, in the order in which they are visited.
    #[prost(uint32, tag = "1")]
    pub(super) at: u32,
    #[prost(message, optional, tag = "2")]
    pub(super) field: Option<Field>,
}

/// Where a function is found.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FunctionPlace {
    /// Position in `functions::TABLES`.
    #[prost(uint32, tag = "1")]
    pub(super) table: u32,
}

/// Appends a message to a buffer.
pub(super) fn write(message: &impl Message, to: &mut Vec<u8>) -> Result<()> {
    to.extend_from_slice(MAGIC);
    to.push(VERSION);
    message.encode(to).map_err(|e| DataFusionError::External(Box::new(e)))
}

/// Reads a message.
pub(super) fn read<M: Message + Default>(from: &[u8]) -> Result<M> {
    let Some(rest) = from.strip_prefix(MAGIC) else { return exec_err!("encoded plan: not a plan of avro-datafusion") };
    let Some((version, rest)) = rest.split_first() else { return exec_err!("encoded plan: it ends early") };
    if *version != VERSION {
        return exec_err!("encoded plan: version {version}, expected {VERSION}; use the same release everywhere");
    }
    M::decode(rest).or_else(|e| exec_err!("encoded plan: {e}"))
}
