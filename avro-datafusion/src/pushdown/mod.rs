//! What a query does not need: columns, fields and rows that the scan leaves out.

pub(crate) mod projection;
pub(crate) mod row_filter;
pub(crate) mod unnest;
