//! Read options and write options, and how SQL spells them.

pub(crate) mod parse;
pub(crate) mod read;
pub(crate) mod write;
