//! Blocks to record batches: batches of rows, row filters, the push decoder, and readers on one or several threads.

pub(crate) mod batcher;
pub(crate) mod filter;
pub(crate) mod decoder;
pub(crate) mod reader;
pub(crate) mod parallel_reader;
pub(crate) mod reader_builder;
