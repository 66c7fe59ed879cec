//! The subcommands: queries, conversion, indexes, schemas and tools.

pub(crate) mod query;
pub(crate) mod registry;
pub(crate) mod schema;
pub(crate) mod convert;
pub(crate) mod index;
pub(crate) mod cache;
pub(crate) mod tools;
pub(crate) mod rpc;
pub(crate) mod worker;
