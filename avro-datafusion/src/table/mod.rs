//! Tables: the provider, `CREATE EXTERNAL TABLE`, and `FROM 'path'`.

pub(crate) mod row_count;
pub(crate) mod provider;
pub(crate) mod factory;
pub(crate) mod url;
