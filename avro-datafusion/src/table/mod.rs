//! Tables: the provider, `CREATE EXTERNAL TABLE`, and `FROM 'path'`.

pub(crate) mod distinct;
pub(crate) mod row_count;
#[cfg(feature = "cache")]
mod copies;
pub(crate) mod provider;
pub(crate) mod factory;
pub(crate) mod url;
